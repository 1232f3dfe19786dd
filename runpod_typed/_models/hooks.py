"""Hooks: functions of the user, called for requests, responses, retries and finished jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from attrs import field, frozen
from attrs.validators import optional

from runpod_typed._errors import APIError
from runpod_typed._logging import logger
from runpod_typed._models.jobs import JobState
from runpod_typed._models.validators import function

T = TypeVar("T")


@frozen(kw_only=True)
class RequestInfo:
    """One attempt of a call, before it is sent."""

    operation: str
    """The operation's name in the specification, such as ``get_status``."""
    endpoint_id: str
    """The endpoint."""
    job_id: str | None
    """The job that it is about; None for a submission, and for calls about the endpoint."""
    method: str
    """The HTTP method."""
    url: str
    """The URL, without its query."""
    attempt: int
    """The number of the attempt within its call; the first is 1."""


@frozen(kw_only=True)
class ResponseInfo:
    """The outcome of one attempt."""

    request: RequestInfo
    """The attempt, the same object that `on_request` got."""
    job_id: str | None
    """The job that it is about, and the id of a job that it submitted."""
    status_code: int | None
    """The HTTP status; None if no response came."""
    error: APIError | None
    """The error; None after a success, and if an interrupt or a cancellation ended the attempt."""
    duration_ms: float
    """Milliseconds from the beginning of the attempt to its outcome."""


@frozen(kw_only=True)
class RetryInfo:
    """A retry that follows a failed attempt."""

    request: RequestInfo
    """The attempt that failed."""
    error: APIError
    """The reason."""
    delay: float
    """Seconds until the next attempt."""


@frozen(kw_only=True)
class JobEnd:
    """A finished job, when a handle first sees its end."""

    endpoint_id: str
    """The endpoint."""
    state: JobState[Any]
    """The job's last state; its output is plain JSON."""


@frozen(kw_only=True)
class Hooks:
    """Functions that a client calls as it works. They run in the thread or task of the call, and should be quick.

    An exception of a hook is logged and changes nothing: no job is lost to it.

    Example:
        ``client = Client(hooks=Hooks(on_retry=lambda retry: print(retry.error, retry.delay)))``
    """

    on_request: Callable[[RequestInfo], None] | None = field(default=None, validator=optional(function))
    """Called before each attempt of a call."""
    on_response: Callable[[ResponseInfo], None] | None = field(default=None, validator=optional(function))
    """Called after each attempt, with or without a response; after one that was interrupted too."""
    on_retry: Callable[[RetryInfo], None] | None = field(default=None, validator=optional(function))
    """Called before the pause that precedes a retry."""
    on_job_end: Callable[[JobEnd], None] | None = field(default=None, validator=optional(function))
    """Called once for each handle that sees its job finished."""


def notify(hook: Callable[[T], None] | None, value: T) -> None:
    """Call a hook, if there is one."""
    if hook is None:
        return
    try:
        hook(value)
    except Exception:  # noqa: BLE001 -- user code
        logger.exception("A hook failed; the call continues.")
