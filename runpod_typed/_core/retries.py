"""Decide what follows a failed attempt: another one after a delay, or the end of the call.

A *refusal* is a response that shows that nothing was done: 4xx except 408, and 301, 307 and 308, which send a request
elsewhere unprocessed. A *transient failure* is a connection that failed or broke, a timeout, 408, 5xx (Cloudflare's 520
to 530 among them), or a success whose body is not JSON: the server may or may not have acted. No attempt follows any
other unknown response.

The table in docs/reliability.md says what is repeated after which failure.

A custom `decide` may say no to a retry, and yes after a refusal; an attempt after a transient failure that the table
forbids is possible with ``resubmit=True`` alone.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from runpod_typed._models.retry_policy import FailedAttempt, OperationKind, RetryPolicy
from runpod_typed.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    CertificateError,
)

_CONFLICT = 409
_TOO_MANY_REQUESTS = 429
_REQUEST_TIMEOUT = 408
_UNPROCESSED_REDIRECTS = frozenset({301, 307, 308})

# Repeatable although an earlier attempt may have taken effect: always, and with the caller's consent.
_REPEATABLE = frozenset({OperationKind.READ, OperationKind.DRAIN, OperationKind.CANCEL})
_REPEATABLE_WITH_CONSENT = _REPEATABLE | {OperationKind.SUBMIT, OperationKind.REQUEUE}

_WHY_NOT_REPEATED = {
    OperationKind.SUBMIT: "It was not repeated: a second job would be paid for too.",
    OperationKind.REQUEUE: "It was not repeated: the job may be queued again already; check its status.",
    OperationKind.PURGE: "It was not repeated: it may be done already, and a purge would remove jobs queued since.",
}


class Failure(NamedTuple):
    """The part of a failed attempt that decides about the next one."""

    request_sent: bool
    """True if any part of the request may have reached the server."""
    status: int | None = None
    """The HTTP status, or None if no complete response came."""
    unreadable: bool = False
    """True if the body was not JSON: a page of a proxy, or cut short."""
    retry_after: float | None = None
    """Seconds that the server asks to wait, or None."""
    permanent: bool = False
    """True if another attempt would fail in the same way."""

    @classmethod
    def of(cls, error: APIError) -> Failure:
        """Return the failure that an error reports."""
        match error:
            case CertificateError():
                return cls(request_sent=error.request_sent, permanent=True)
            case APIConnectionError():
                return cls(request_sent=error.request_sent)
            case APIStatusError():
                return cls(request_sent=True, status=error.status_code, retry_after=error.retry_after)
            case APIResponseValidationError():
                # JSON of another shape will have that shape the next time too, and nothing is kept above the cap.
                unreadable = not error.is_json and error.body is not None
                return cls(request_sent=True, status=error.status_code, unreadable=unreadable)
            case _:
                return cls(request_sent=True)

    @property
    def may_have_taken_effect(self) -> bool:
        """True if the server may have acted: the request was sent, and not refused."""
        status = self.status or 0
        refused = (400 <= status < 500 and status != _REQUEST_TIMEOUT) or status in _UNPROCESSED_REDIRECTS
        return self.request_sent and not refused


def is_retryable(kind: OperationKind, failure: Failure, policy: RetryPolicy) -> bool:
    """Return whether the table allows another attempt."""
    return _is_transient(kind, failure) and _is_repeatable(kind, failure, policy)


def is_allowed(policy: RetryPolicy, kind: OperationKind, error: APIError, *, attempt: int, elapsed: float) -> bool:
    """Return whether another attempt is allowed by the table, or by the policy's `decide` instead."""
    failure = Failure.of(error)
    retryable = is_retryable(kind, failure, policy)
    if policy.decide is None:
        return retryable
    failed = FailedAttempt(
        operation=error.operation,
        kind=kind,
        attempt=attempt,
        elapsed=elapsed,
        error=error,
        retry_after=failure.retry_after,
        may_have_taken_effect=failure.may_have_taken_effect,
        retryable=retryable,
    )
    return bool(policy.decide(failed))


def _is_repeatable(kind: OperationKind, failure: Failure, policy: RetryPolicy) -> bool:
    repeatable = _REPEATABLE_WITH_CONSENT if policy.resubmit else _REPEATABLE
    return kind in repeatable or not failure.may_have_taken_effect


def _is_transient(kind: OperationKind, failure: Failure) -> bool:
    status = failure.status
    if failure.permanent:
        return False
    if not failure.request_sent or status is None or status in {_REQUEST_TIMEOUT, _TOO_MANY_REQUESTS}:
        return True
    if status == _CONFLICT:
        return kind is OperationKind.SUBMIT
    return 500 <= status < 600 or (200 <= status < 300 and failure.unreadable)


class GiveUp(NamedTuple):
    """No further attempt or poll is made."""

    reason: str = ""
    """The reason, for the error message; empty if the error says it all."""


def next_delay(
    policy: RetryPolicy,
    kind: OperationKind,
    error: APIError,
    *,
    attempt: int,
    elapsed: float,
    remaining: float | None,
    random: Random,
) -> float | GiveUp:
    """Return the seconds to sleep before the next attempt, which ends within budget and time limit, or `GiveUp`.

    Args:
        policy: The retry policy.
        kind: The effect of repeating the operation.
        error: The error of the attempt.
        attempt: The number of the attempt; the first is 1.
        elapsed: Seconds since the call began.
        remaining: Seconds until the caller's time limit; None for no limit.
        random: Spreads the delays.
    """
    failure = Failure.of(error)
    allowed = is_allowed(policy, kind, error, attempt=attempt, elapsed=elapsed)
    if not _is_repeatable(kind, failure, policy):
        return GiveUp(_WHY_NOT_REPEATED[kind])
    if not allowed:
        return GiveUp()
    attempts = "1 attempt" if attempt == 1 else f"{attempt} attempts"
    if attempt >= policy.attempts:
        return GiveUp(f"Gave up after {attempts} in {elapsed:.3g} s.")
    left, bound = policy.budget - elapsed, f"the retry budget of {policy.budget:g} s"
    if remaining is not None and remaining < left:
        left, bound = remaining, "the caller's time limit"
    if left <= 0:
        return GiveUp(f"Gave up after {attempts} in {elapsed:.3g} s: {bound} is over.")
    asked = failure.retry_after or 0.0
    if asked > policy.max_retry_after:
        limit = f"max_retry_after is {policy.max_retry_after:g} s"
        return GiveUp(f"Gave up after {attempts}: the server asks to wait {asked:g} s, and {limit}.")
    if asked >= left:
        return GiveUp(
            f"Gave up after {attempts}: the server asks to wait {asked:g} s, and {left:.3g} s are left of {bound}."
        )
    # The attempt itself gets at least as long as the sleep. The exponent is capped to keep the float finite.
    longest = min(policy.max_backoff, policy.initial_backoff * 2.0 ** min(attempt - 1, 1000))
    return asked + random.uniform(0.0, min(longest, (left - asked) / 2))
