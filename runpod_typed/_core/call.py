"""One logical call of an operation: how long its next attempt may last, and what an attempt's outcome means."""

from __future__ import annotations

from datetime import datetime
from random import Random
from typing import Generic

from attrs import frozen
from typing_extensions import TypeIs, TypeVar

from runpod_typed._core.config import CallConfig
from runpod_typed._core.error_mapping import connection_error, read_response
from runpod_typed._core.operations import Request
from runpod_typed._core.rate_limiter import TooLate
from runpod_typed._core.retries import GiveUp, Retry, next_step
from runpod_typed._core.retry_after import parse_retry_after
from runpod_typed._models.retry_policy import OperationKind
from runpod_typed._transport.connection import ConnectionConfig
from runpod_typed._transport.messages import HttpResponse, TransportFailure
from runpod_typed.errors import APIError, APITimeoutError, RateLimitError, RunpodError, SubmissionUncertainError

T_co = TypeVar("T_co", covariant=True)


class TurnTooLateError(APITimeoutError):
    """The caller's own limit ends before its turn under the rate limits."""


@frozen(kw_only=True)
class Call(Generic[T_co]):
    """One logical call, as far as it has come.

    All times are seconds on one monotonic clock.

    Attributes:
        request: What is asked.
        connection: Where it goes.
        config: How calls are made.
        deadline: When the caller's own limit ends; None for never.
        started_at: When its first attempt began; None before.
    """

    request: Request[T_co]
    connection: ConnectionConfig
    config: CallConfig
    deadline: float | None
    started_at: float | None = None

    def begun(self, now: float) -> Call[T_co]:
        """The call as its next attempt begins, whose answer the server is asked to hold no longer than it may last."""
        request = self.request.held_within(self.attempt_seconds(now))
        if self.started_at is not None and request is self.request:
            return self
        return Call(  # several times as fast as `evolve`, and this is done at each request
            request=request,
            connection=self.connection,
            config=self.config,
            deadline=self.deadline,
            started_at=now if self.started_at is None else self.started_at,
        )

    def _elapsed(self, now: float) -> float:
        return 0.0 if self.started_at is None else now - self.started_at

    def attempt_seconds(self, now: float) -> float:
        """Seconds that an attempt may last that begins now; 0 or less where there is no time for one."""
        seconds = min(self.config.timeout, self.config.retry.budget - self._elapsed(now))
        return seconds if self.deadline is None else min(seconds, self.deadline - now)

    def result(
        self, outcome: HttpResponse | TransportFailure, *, seconds: float, wall_clock: datetime
    ) -> T_co | APIError:
        """What an attempt of `seconds` brought: the operation's result, or the error that it amounts to.

        People and logs see errors: where the server has sent a secret back, it is cut from them.
        """
        result = self._read(outcome, seconds, wall_clock)
        shown = outcome
        if isinstance(result, APIError):
            for secret in (self.connection.api_key, *self.request.http.credentials):
                shown = shown.without(secret)
        return result if shown is outcome else self._read(shown, seconds, wall_clock)

    def _read(self, outcome: HttpResponse | TransportFailure, seconds: float, wall_clock: datetime) -> T_co | APIError:
        url = self.connection.url(self.request.http.target)
        if isinstance(outcome, TransportFailure):
            return connection_error(self.request, outcome, url, seconds=seconds)
        retry_after = None
        if not 200 <= outcome.status < 300:
            retry_after = parse_retry_after(outcome.headers, wall_clock=wall_clock)
        return read_response(
            self.request, outcome, url, retry_after=retry_after, leave_output=self.config.leave_outputs
        )

    def no_turn(self, step: TooLate) -> TurnTooLateError:
        """The error for a call whose own limit ends before its turn under the rate limits."""
        return TurnTooLateError(
            f"{self.request.operation.name} was not sent. {step.message}",
            operation=self.request.operation.name,
            method=self.request.http.method,
            url=self.connection.url(self.request.http.target),
            request_sent=False,
        )

    @staticmethod
    def was_refused(result: object) -> TypeIs[RateLimitError]:
        """Whether the server has answered that the rate limit is spent."""
        return isinstance(result, RateLimitError)

    def after_failure(
        self, error: APIError, *, attempt: int, now: float, random: Random, previous: Retry | None
    ) -> Retry | RunpodError:
        """What follows on a failed attempt: another one, or the error to raise."""
        kind = self.request.operation.kind
        if isinstance(error, TurnTooLateError):
            lost_before = previous is not None and previous.may_have_taken_effect
            return self._uncertain(error) if lost_before and kind is OperationKind.SUBMIT else error
        step = next_step(
            self.config.retry,
            kind,
            error,
            attempt=attempt,
            elapsed=self._elapsed(now),
            remaining=None if self.deadline is None else self.deadline - now,
            random=random,
            previous=previous,
        )
        return step if isinstance(step, Retry) else self._final_error(error, step)

    def _final_error(self, error: APIError, step: GiveUp) -> RunpodError:
        if step.uncertain:
            return self._uncertain(error)
        if step.message:
            error.add_note(step.message)
        return error

    def _uncertain(self, error: APIError) -> SubmissionUncertainError:
        advice = (
            "All attempts were made, and each may have been accepted. Look at the endpoint's health and the worker's "
            "side effects."
            if self.config.retry.resubmit
            else "It was not sent again, since a second job would be paid for too. Look at the endpoint's health and "
            "the worker's side effects, or set RetryPolicy(resubmit=True) where running it twice does no harm."
        )
        uncertain = SubmissionUncertainError(
            f"A job for endpoint {self.request.endpoint_id} was sent and its fate is unknown: {error.message} {advice}",
            endpoint_id=self.request.endpoint_id,
            operation=error.operation,
            method=error.method,
            url=error.url,
        )
        uncertain.__cause__ = error
        return uncertain
