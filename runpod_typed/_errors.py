"""The errors that carry neither a job's state nor an endpoint's health, and text that is safe to show in messages.

`runpod_typed.errors` draws the whole tree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_PUBLIC_MODULE = "runpod_typed.errors"


class RunpodError(Exception):
    """The base of all errors that this library raises."""

    __module__ = _PUBLIC_MODULE

    def __init_subclass__(cls) -> None:
        # Tracebacks and pickles name the public module, even if a program has not imported it.
        if cls.__module__.startswith(("runpod_typed._errors", "runpod_typed._models.")):
            cls.__module__ = _PUBLIC_MODULE

    job_id: str | None = None
    """The id of the job, once it is known; ``endpoint.job(error.job_id)`` reconnects to it."""
    endpoint_id: str | None = None
    """The endpoint of the job, once the job is known."""
    batch_id: str | None = None
    """The id of the batch, if the error is about one; ``endpoint.batches.get(error.batch_id)`` shows it."""
    job: Any = None
    """The handle that raised the error, a `Job` or an `AsyncJob`; None if the error does not come from a handle."""

    @property
    def message(self) -> str:
        """The message: what happened, where, and what to do next."""
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are unpickled from `args` alone by default; most of these take keywords too.
        return _restore, (type(self), self.args, self.__dict__)


def _restore(cls: type[RunpodError], args: tuple[Any, ...], attributes: dict[str, Any]) -> RunpodError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


class ConfigurationError(RunpodError, ValueError):
    """A key, endpoint id, URL or option that cannot work. Nothing was sent."""


class JournalError(ConfigurationError):
    """A journal cannot be used: it is unreadable, in use, or belongs to another endpoint or to other inputs."""


class InputError(RunpodError, ValueError):
    """The input is not JSON, is empty, or does not fit its type. Nothing was sent."""

    path: str
    """The place in the input as JSONPath (``$.size[0]``); ``$`` is the whole input."""

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class APIError(RunpodError):
    """A call of the API failed."""

    operation: str
    """The operation's name in the specification, such as ``get_status``."""
    method: str
    """The HTTP method."""
    url: str
    """The URL of the request, without any secret."""

    def __init__(self, message: str, *, operation: str, method: str, url: str) -> None:
        super().__init__(message)
        self.operation = operation
        self.method = method
        self.url = url


class APIConnectionError(APIError):
    """No complete response came: the connection failed or broke."""

    request_sent: bool
    """True if the whole request may have reached the server; if False, nothing was done."""

    def __init__(self, message: str, *, operation: str, method: str, url: str, request_sent: bool) -> None:
        super().__init__(message, operation=operation, method=method, url=url)
        self.request_sent = request_sent


class APITimeoutError(APIConnectionError, TimeoutError):
    """No complete response came in time."""


class CertificateError(APIConnectionError):
    """The server's TLS certificate cannot be verified. Nothing was sent, and no further attempt is made."""


class APIStatusError(APIError):
    """The API responded with an error status."""

    status_code: int
    """The HTTP status."""
    body: Any
    """The decoded JSON, or a string if the body is not JSON."""
    headers: Mapping[str, str]
    """The response's headers; names are in lower case."""
    request_id: str | None
    """The id that the server gave the request, or None. Quote it to support."""
    retry_after: float | None
    """Seconds that the server asks to wait, or None."""

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        method: str,
        url: str,
        status_code: int,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, operation=operation, method=method, url=url)
        self.status_code = status_code
        self.body = body
        self.headers = dict(headers or {})
        self.request_id = request_id
        self.retry_after = retry_after


class BadRequestError(APIStatusError):
    """400: the API does not accept the request."""


class AuthenticationError(APIStatusError):
    """401: the API key is missing or wrong."""


class PermissionDeniedError(APIStatusError):
    """403: the API key does not permit this."""


class NotFoundError(APIStatusError):
    """404: there is no such endpoint or job. A handle that has seen its job raises `JobExpiredError` instead."""


class ConflictError(APIStatusError):
    """409: the job or batch is not in a state that allows this."""


class PayloadTooLargeError(APIStatusError):
    """413: the request body is larger than the operation allows. Most such bodies are refused before they are sent."""


class UnprocessableEntityError(APIStatusError):
    """422: the request was understood and refused."""


class RateLimitError(APIStatusError):
    """429: too many requests, or too many at once."""


class ServerError(APIStatusError):
    """5xx: the platform, its edge or a worker failed."""


class APIResponseValidationError(APIError):
    """The response does not fit the specification: it is not JSON, of another shape, or too large."""

    status_code: int
    """The HTTP status."""
    body: Any
    """The decoded JSON; a string if the body is not JSON, or larger than what is kept of it."""
    is_json: bool
    """True if the whole body is JSON, of another shape than the specification's."""
    request_id: str | None
    """The id that the server gave the request, or None."""

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        method: str,
        url: str,
        status_code: int,
        body: Any = None,
        is_json: bool = True,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, operation=operation, method=method, url=url)
        self.status_code = status_code
        self.body = body
        self.is_json = is_json
        self.request_id = request_id


class SubmissionUncertainError(APIError):
    """A job was sent and its fate is unknown: it may run, and cost, or it may not exist.

    It is not sent again, because a second job would be paid for too. Check the endpoint's health or the worker's side
    effects, or allow repeats with ``RetryPolicy(resubmit=True)`` if running a job twice does no harm.
    """

    endpoint_id: str
    """The endpoint that the job was sent to."""

    def __init__(self, message: str, *, operation: str, method: str, url: str, endpoint_id: str) -> None:
        super().__init__(message, operation=operation, method=method, url=url)
        self.endpoint_id = endpoint_id  # pyright: ignore[reportIncompatibleVariableOverride] -- always known here


class StreamInterruptedError(RunpodError):
    """A response with chunks was lost, and the job's output does not hold them."""

    job_id: str
    """The job."""
    received: list[Any]
    """The chunks that this handle received, in order; above 1 MB without the first ones that were handed out."""
    gap: int
    """The number of received chunks before the place where chunks may be missing."""

    def __init__(self, message: str, *, job_id: str, received: Sequence[Any], gap: int) -> None:
        super().__init__(message)
        self.job_id = job_id  # pyright: ignore[reportIncompatibleVariableOverride] -- always known here
        self.received = list(received)
        self.gap = gap


def printable(text: str, limit: int = 300) -> str:
    """Return text for a message: cut to `limit` characters, with control characters and lone surrogates escaped."""
    text = text if len(text) <= limit else f"{text[:limit]}..."
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
