"""Every error that this library raises, in one tree.

::

    RunpodError
    ├── ConfigurationError (ValueError)      a key, id or option that cannot work; not sent
    ├── InputError (ValueError)              not what its type, or JSON, allows; not sent
    ├── OutputError                          the result arrived and does not fit its type
    ├── APIError                             one call of the API went wrong
    │   ├── APIConnectionError               no complete answer came
    │   │   └── APITimeoutError (TimeoutError)
    │   ├── APIStatusError                   an answer with an error status
    │   │   ├── BadRequestError              400
    │   │   ├── AuthenticationError          401
    │   │   ├── PermissionDeniedError        403
    │   │   ├── NotFoundError                404
    │   │   ├── ConflictError                409
    │   │   ├── PayloadTooLargeError         413, 400 that says so, or found before sending
    │   │   ├── UnprocessableEntityError     422
    │   │   ├── RateLimitError               429
    │   │   └── ServerError                  5xx
    │   └── APIResponseValidationError       an answer that the specification does not allow
    ├── SubmissionUncertainError             a job may or may not have been accepted
    ├── JobError                             the job ended, and not well
    │   ├── JobFailedError
    │   ├── JobCancelledError
    │   ├── JobTimedOutError
    │   └── JobExpiredError                  the job or its result is gone
    ├── WaitTimeoutError (TimeoutError)      the caller's limit ended; the job goes on
    │   └── QueueTimeoutError                no worker took the job in time
    └── StreamInterruptedError               chunks may have been lost

All of them can be pickled, none holds an HTTP library's object, none holds the API key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runpod_typed._async.job import AsyncJob
    from runpod_typed._models.health import EndpointHealth
    from runpod_typed._models.jobs import JobState
    from runpod_typed._sync.job import Job

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "ConflictError",
    "InputError",
    "JobCancelledError",
    "JobError",
    "JobExpiredError",
    "JobFailedError",
    "JobTimedOutError",
    "NotFoundError",
    "OutputError",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "QueueTimeoutError",
    "RateLimitError",
    "RunpodError",
    "ServerError",
    "StreamInterruptedError",
    "SubmissionUncertainError",
    "UnprocessableEntityError",
    "WaitTimeoutError",
]


class RunpodError(Exception):
    """The base of everything that this library raises."""

    job_id: str | None = None
    """The id of the job, once it is known; ``endpoint.job(error.job_id)`` reconnects to it."""
    endpoint_id: str | None = None
    """The endpoint of the job, once the job is known."""
    job: Any = None
    """The handle that raised the error; None if the error does not come from a handle."""

    @property
    def message(self) -> str:
        """What happened, where, and what to do next, as one text."""
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own way calls the class with `args` alone; most of ours take keywords besides.
        return _restore, (type(self), self.args, self.__dict__)


def _restore(cls: type[RunpodError], args: tuple[Any, ...], state: dict[str, Any]) -> RunpodError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(RunpodError, ValueError):
    """A key, endpoint id, URL or option that cannot work. Nothing was sent."""


class InputError(RunpodError, ValueError):
    """The input is not JSON, is empty, or does not fit its type. Nothing was sent.

    Attributes:
        path: Where in the input, in JSONPath notation (``$.size[0]``); ``$`` is the whole input.
    """

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class OutputError(RunpodError):
    """A result arrived and does not fit the type that the caller declared.

    Attributes:
        path: Where in the output, in JSONPath notation; ``$`` is the whole output.
        output: The output as the worker gave it, plain JSON; its text where Python cannot decode it.
        job_id: The job, where it is known.
    """

    def __init__(self, message: str, *, path: str = "$", output: Any = None, job_id: str | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.output = output
        self.job_id = job_id


class APIError(RunpodError):
    """One call of the API went wrong.

    Attributes:
        operation: The operation's name in the specification, such as ``get_status``.
        method: The HTTP method.
        url: The address that was asked, without any secret.
    """

    def __init__(self, message: str, *, operation: str, method: str, url: str) -> None:
        super().__init__(message)
        self.operation = operation
        self.method = method
        self.url = url


class APIConnectionError(APIError):
    """No complete answer came: the connection failed, or broke, or the answer was larger than allowed.

    Attributes:
        request_sent: Whether any part of the request may have reached the server.
    """

    def __init__(self, message: str, *, operation: str, method: str, url: str, request_sent: bool) -> None:
        super().__init__(message, operation=operation, method=method, url=url)
        self.request_sent = request_sent


class APITimeoutError(APIConnectionError, TimeoutError):
    """No complete answer came in time."""


class APIStatusError(APIError):
    """The API answered with an error status.

    Attributes:
        status_code: The HTTP status, as a number.
        body: The decoded JSON, or the text where it was no JSON.
        headers: The answer's headers, names in lower case.
        request_id: What the server calls the request, where it says so; quote it to support.
        retry_after: Seconds that the server asks to wait, where it says so.
    """

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
        self.headers: Mapping[str, str] = dict(headers or {})
        self.request_id = request_id
        self.retry_after = retry_after


class BadRequestError(APIStatusError):
    """400: the request is not what the API takes."""


class AuthenticationError(APIStatusError):
    """401: the API key is missing or wrong."""


class PermissionDeniedError(APIStatusError):
    """403: the API key may not do this."""


class NotFoundError(APIStatusError):
    """404: there is no such endpoint or job, or the job was never seen and is gone."""


class ConflictError(APIStatusError):
    """409: the job or batch is not in a state that allows this."""


class PayloadTooLargeError(APIStatusError):
    """The request body is larger than the operation takes (413; also found before anything is sent)."""


class UnprocessableEntityError(APIStatusError):
    """422: the request was understood and refused."""


class RateLimitError(APIStatusError):
    """429: too many requests, or too many at once; `retry_after` says how long the server asks to wait."""


class ServerError(APIStatusError):
    """5xx: the platform, its edge or a worker failed."""


class APIResponseValidationError(APIError):
    """The answer does not fit the specification: no JSON, or JSON of another shape.

    Attributes:
        status_code: The HTTP status, as a number.
        body: The decoded JSON, or the text where it was no JSON.
        request_id: What the server calls the request, where it says so.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        method: str,
        url: str,
        status_code: int,
        body: Any = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, operation=operation, method=method, url=url)
        self.status_code = status_code
        self.body = body
        self.request_id = request_id


class SubmissionUncertainError(RunpodError):
    """A job was sent and its fate is unknown: it may run, and cost, or it may not exist.

    It is not sent again, since a second job would be paid too. Look at the endpoint's health or your worker's side
    effects, or allow repeats with ``RetryPolicy(resubmit=True)`` where running twice does no harm.

    Attributes:
        endpoint_id: The endpoint that the job was sent to.
        operation: The operation's name in the specification.
    """

    endpoint_id: str

    def __init__(self, message: str, *, endpoint_id: str, operation: str) -> None:
        super().__init__(message)
        self.endpoint_id = endpoint_id  # pyright: ignore[reportIncompatibleVariableOverride] -- always known here
        self.operation = operation


class JobError(RunpodError):
    """A job has ended, and not with a result.

    Attributes:
        job_id: The job.
        state: The last that was seen of it; None where nothing was.
    """

    job_id: str

    def __init__(self, message: str, *, job_id: str, state: JobState[Any] | None = None) -> None:
        super().__init__(message)
        self.job_id = job_id  # pyright: ignore[reportIncompatibleVariableOverride] -- always known here
        self.state = state


class JobFailedError(JobError):
    """The worker's handler raised or returned an error.

    Attributes:
        error_type: The exception's type on the worker, as far as it said, such as ``ValueError``.
        error_message: What the worker said.
        remote_traceback: The worker's traceback, as text.
        worker_id: The worker that ran the job.
    """

    def __init__(
        self,
        message: str,
        *,
        job_id: str,
        state: JobState[Any] | None = None,
        error_type: str | None = None,
        error_message: str | None = None,
        remote_traceback: str | None = None,
        worker_id: str | None = None,
    ) -> None:
        super().__init__(message, job_id=job_id, state=state)
        self.error_type = error_type
        self.error_message = error_message
        self.remote_traceback = remote_traceback
        self.worker_id = worker_id


class JobCancelledError(JobError):
    """The job was cancelled."""


class JobTimedOutError(JobError):
    """The platform gave the job up: no worker took it, or none reported back, in time."""


class JobExpiredError(JobError):
    """The job was known and is gone: its time to live or its result's retention has ended."""


class WaitTimeoutError(RunpodError, TimeoutError):
    """The caller's own limit ended before the job did. The job goes on, and so may the caller: ``error.job.output()``.

    Attributes:
        job: The job that was waited for.
    """

    def __init__(self, message: str, *, job: Job[Any, Any] | AsyncJob[Any, Any]) -> None:
        super().__init__(message)
        self.job: Any = job  # the half that waited; a union would make every caller narrow it


class QueueTimeoutError(WaitTimeoutError):
    """No worker took the job within `queue_timeout`.

    Attributes:
        health: The endpoint's jobs and workers at that moment; None when it could not be had.
    """

    def __init__(
        self, message: str, *, job: Job[Any, Any] | AsyncJob[Any, Any], health: EndpointHealth | None = None
    ) -> None:
        super().__init__(message, job=job)
        self.health = health


class StreamInterruptedError(RunpodError):
    """An answer with chunks was lost, and the job's output does not hold them.

    Attributes:
        job_id: The job.
        received: Every chunk that did arrive on this handle, in order.
        gap: How many of them arrived before the place where chunks may be missing.
    """

    job_id: str

    def __init__(self, message: str, *, job_id: str, received: Sequence[Any], gap: int) -> None:
        super().__init__(message)
        self.job_id = job_id  # pyright: ignore[reportIncompatibleVariableOverride] -- always known here
        self.received: list[Any] = list(received)
        self.gap = gap
