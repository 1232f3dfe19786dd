"""One logical call of an operation: its attempts, and what follows from each."""

from __future__ import annotations

from datetime import datetime
from random import Random
from typing import Any, Final, Generic, cast

from attrs import define, evolve, field
from typing_extensions import TypeVar

from runpod_typed._codecs import json
from runpod_typed._core.config import CallConfig
from runpod_typed._core.error_messages import CallErrors
from runpod_typed._core.rate_limiter import TooLate
from runpod_typed._core.requests import Request
from runpod_typed._core.retries import Failure, GiveUp, next_delay
from runpod_typed._core.retry_after import parse_retry_after
from runpod_typed._errors import printable
from runpod_typed._models.hooks import RequestInfo, ResponseInfo
from runpod_typed._models.jobs import JobState
from runpod_typed._models.responses import ValidationError, decode_job
from runpod_typed._models.retry_policy import OperationKind
from runpod_typed._transport.connection import ConnectionConfig
from runpod_typed._transport.deadlines import Attempt
from runpod_typed._transport.messages import HttpResponse, TransportFailure
from runpod_typed.errors import (
    APIError,
    APITimeoutError,
    RunpodError,
    SubmissionUncertainError,
)

T = TypeVar("T")

_LARGE_BODY: Final = 64 * 1024
_LONGEST_ATTEMPT: Final = 7 * 86_400.0  # seconds; the operating system refuses a socket's timeout of centuries
_SLOWEST_UPLOAD: Final = 125_000.0  # bytes per second, which is 1 Mbit/s: on a slower link, pass a longer timeout


class RateLimitTimeoutError(APITimeoutError):
    """The caller's time limit ends before the rate limit allows the request."""


@define(kw_only=True)
class Call(Generic[T]):
    """One logical call. All times are seconds on one monotonic clock."""

    request: Request[T]
    connection: ConnectionConfig
    config: CallConfig
    deadline: float | None = None
    """The end of the caller's time limit; None for no limit."""
    attempt: int = 0
    """The number of the current attempt; the first is 1."""
    started_at: float | None = None
    """The time when the first attempt began."""
    in_flight: bool = False
    """True if a request may be on its way to the server."""
    may_have_taken_effect: bool = False
    """True if an attempt without a usable response may have taken effect."""
    info: RequestInfo | None = None
    """The current attempt for hooks, if there are any."""
    outcome: HttpResponse | TransportFailure | None = field(default=None, repr=False)  # may quote a secret
    """The outcome of the current attempt."""
    response: T | None = field(default=None, repr=False)
    """The result of the call."""

    @property
    def is_submission(self) -> bool:
        """True if the call creates something that is paid for."""
        kind = self.request.operation.kind
        return kind is OperationKind.SUBMIT or kind is OperationKind.REQUEUE

    def begin(self, now: float) -> Attempt:
        """Begin an attempt; it has 0 seconds or less if no time is left.

        The server is asked to hold its response for no longer than that. A large body has more time: as much as a slow
        link needs to send it, or all that is left.
        """
        self.attempt += 1
        self.outcome = None
        if self.started_at is None:
            self.started_at = now
        request, left = self.request, _LONGEST_ATTEMPT
        if self.deadline is not None:
            left = min(self.deadline - now, left)
        size = len(request.http.body or b"")
        upload = size / _SLOWEST_UPLOAD if size > _LARGE_BODY else 0.0
        seconds = min(self.config.timeout, self.config.retry.budget + upload - (now - self.started_at), left)
        if upload and self.deadline is not None:
            upload = max(0.0, left - seconds)
        if request.long_poll is not None:
            self.request = request.shortened_to(seconds)
        repeatable = request.operation.kind is OperationKind.READ
        return Attempt(seconds, size, upload, repeatable=repeatable, billed=self.is_submission)

    def result(self, outcome: HttpResponse | TransportFailure, *, seconds: float, wall_clock: datetime) -> T | APIError:
        """Return the operation's result, or the error that the outcome of an attempt after `seconds` amounts to."""
        self.outcome = outcome
        result: T | APIError
        if isinstance(outcome, TransportFailure):
            result = self._errors.of_connection(outcome, seconds=seconds)
        else:
            result = self._read(outcome, wall_clock)
        if isinstance(result, APIError):
            self.may_have_taken_effect |= Failure.of(result).may_have_taken_effect
        else:
            self.response = result
        self.in_flight = False
        return result

    def _read(self, response: HttpResponse, wall_clock: datetime) -> T | APIError:
        request, success = self.request, 200 <= response.status < 300
        operation = request.operation
        retry_after = None if success else parse_retry_after(response.headers, wall_clock=wall_clock)
        empty = success and operation.may_be_empty and not response.body.strip() and not response.problem
        try:
            decode = decode_job if success and operation.returns_job else json.decode
            body = None if empty else decode(response.body)
        except json.MalformedJSON as error:
            if success:
                reason = response.problem or f"a body that is not JSON ({error})"
                return self._errors.of_validation(response, reason, is_json=False)
            return self._errors.of_status(response, None, retry_after=retry_after)
        # A failed job may come with an error status: the body counts first.
        if not success and not (operation.returns_job and self._is_finished_job(body)):
            return self._errors.of_status(response, body, retry_after=retry_after)
        try:
            result = operation.read(body)
        except ValidationError as error:
            return self._errors.of_validation(response, str(error))
        kind: type = JobState  # a plain type: narrowing to the generic one would leave its parameter unknown
        if not isinstance(result, kind):
            return result
        job: Any = result
        if request.job_id not in {None, job.id}:
            shown = printable(job.id)
            return self._errors.of_validation(response, f"the job {shown!r}, not {request.job_id!r}")
        return cast("T", evolve(job, endpoint_id=request.endpoint_id))

    def _is_finished_job(self, body: object) -> bool:
        job: Any
        try:
            job = self.request.operation.read(body)
        except ValidationError:
            return False
        return bool(job.done)

    @property
    def _errors(self) -> CallErrors:
        return CallErrors(self.request, self.connection)

    @property
    def request_sent(self) -> bool:
        """True if the request of the current attempt may have reached the server."""
        return not isinstance(self.outcome, TransportFailure) or self.outcome.request_sent

    def describe(self) -> str:
        """Return a line for the log: the current attempt and its outcome, without any data."""
        path = self.request.http.target.partition("?")[0]
        state: Any = self.response
        job = f" (job {state.id})" if isinstance(state, JobState) else ""
        return f"{self.request.operation.name} {self.request.http.method} {path}: {_outcome(self.outcome)}{job}"

    def describe_request(self) -> RequestInfo:
        """Return the attempt that begins next, for hooks."""
        request = self.request
        return RequestInfo(
            operation=request.operation.name,
            endpoint_id=request.endpoint_id,
            job_id=request.job_id,
            method=request.http.method,
            url=self.connection.url(request.http.target.partition("?")[0]),
            attempt=self.attempt + 1,
        )

    def describe_response(self, info: RequestInfo, result: Any, seconds: float) -> ResponseInfo:
        """Return the outcome of the current attempt for hooks."""
        error = result if isinstance(result, APIError) else None
        job_id: str | None = result.id if isinstance(result, JobState) else info.job_id
        return ResponseInfo(
            request=info,
            job_id=job_id,
            status_code=self.outcome.status if isinstance(self.outcome, HttpResponse) else None,
            error=error,
            duration_ms=1000 * seconds,
        )

    def too_late(self, refusal: TooLate) -> RunpodError:
        """Return the error if the caller's time limit ends before the rate limit allows the request."""
        message = f"{self.request.operation.name} was not sent. {refusal.message}"
        error = self._errors.make(RateLimitTimeoutError, message, request_sent=False)
        return self._uncertain(error) if self._has_uncertain_job else error

    def after_failure(self, error: APIError, *, now: float, random: Random) -> float | RunpodError:
        """Return the seconds to sleep before the next attempt, or the error to raise."""
        step = next_delay(
            self.config.retry,
            self.request.operation.kind,
            error,
            attempt=self.attempt,
            elapsed=0.0 if self.started_at is None else now - self.started_at,
            remaining=None if self.deadline is None else self.deadline - now,
            random=random,
        )
        if not isinstance(step, GiveUp):
            return step
        if self._has_uncertain_job:
            return self._uncertain(error)
        if step.reason:
            error.add_note(step.reason)
        return error

    @property
    def is_uncertain(self) -> bool:
        """True if an attempt without a usable response may have taken effect, or still may."""
        return self.in_flight or self.may_have_taken_effect

    @property
    def _has_uncertain_job(self) -> bool:
        return self.may_have_taken_effect and self.request.operation.kind is OperationKind.SUBMIT

    def _uncertain(self, error: APIError) -> SubmissionUncertainError:
        if self.request.uncertain is not None:
            message = f"{self.request.uncertain}. {error.message}"
        elif self.config.retry.resubmit:
            message = (
                f"A job for endpoint {self.request.endpoint_id} was sent and its fate is unknown: {error.message} All "
                "attempts were made, and each may have been accepted. Check the endpoint's health and the worker's "
                "side effects."
            )
        else:
            message = (
                f"A job for endpoint {self.request.endpoint_id} was sent and its fate is unknown: {error.message} It "
                "was not sent again, since a second job would be paid for too. Check the endpoint's health and the "
                "worker's side effects, or set RetryPolicy(resubmit=True) if running it twice does no harm."
            )
        uncertain = SubmissionUncertainError(
            message,
            endpoint_id=self.request.endpoint_id,
            operation=error.operation,
            method=error.method,
            url=error.url,
        )
        uncertain.__cause__ = error
        return uncertain

    def interruption_note(self) -> str | None:
        """Return what is known of the job if the call is interrupted now; None if there is no job."""
        if not self.is_submission:
            return None
        note = self.request.operation.note
        if note is not None and self.response is not None:
            return note(self.response)
        if not self.is_uncertain:
            return None
        if self.request.uncertain is not None:
            return f"{self.request.uncertain}."
        return (
            f"A job for endpoint {self.request.endpoint_id} may have been submitted and keep running: its response did "
            "not come. Check the endpoint's health and the worker's side effects."
        )


def _outcome(outcome: HttpResponse | TransportFailure | None) -> str:
    if isinstance(outcome, HttpResponse):
        return str(outcome.status)
    if outcome is None:
        return "interrupted"
    if outcome.timed_out:
        return "timed out"
    return "connection lost" if outcome.request_sent else "not connected"
