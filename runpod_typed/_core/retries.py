"""What to do after a failed attempt: ask again, after how long, or give up, and why.

What is repeated when (``FailedAttempt.retryable``). A *refusal* is an answer that shows that nothing was done: 4xx
except 408, and 301, 307 and 308, which send a request elsewhere unprocessed. A *passing failure* is a connection that
failed or broke, a timeout, 408, 5xx (Cloudflare's 520 to 530 among them), or a success whose body is no JSON. None of
these tells whether the server has acted. Neither does any other answer that fits nothing known, and no attempt follows
on one.

=========  ==============  ==================  ========  ===========================================================
kind       never sent, or  passing failure     any       why, and what the caller does when it has to give up
           answered 429    after sending       refusal
=========  ==============  ==================  ========  ===========================================================
READ       again           again               no        It changes nothing.
CANCEL     again           again               no        A job is cancelled once. Where an earlier attempt may have
                                                         taken effect, a refusal may say just that: look at the job,
                                                         CANCELLED is a success.
DRAIN      again           again               no        The server bears it, but what a lost answer held is gone:
                                                         look for a hole wherever an attempt may have taken effect.
SUBMIT     again           no; again with      no        Twice submitted is twice paid. SubmissionUncertainError,
                           ``resubmit=True``             even if a later attempt was refused.
REQUEUE    again           no; again with      no        The job may have been queued, run and failed again in
                           ``resubmit=True``             between; another run would be paid too. Look at the job: any
                                                         status but FAILED and TIMED_OUT means that it was queued.
PURGE      again           no                  no        A repeat would remove jobs that were queued in between.
=========  ==============  ==================  ========  ===========================================================

Attempts, budget, the caller's time limit and the longest wait that a server may ask for bound all of it. A `decide` of
the caller's own may say no where the table says again, and again where it says no after a refusal; it cannot repeat
what the table holds back in the third column. Only ``resubmit=True`` can.
"""

from __future__ import annotations

from enum import Enum, auto
from random import Random

from attrs import frozen

from runpod_typed._models.retry_policy import FailedAttempt, OperationKind, RetryPolicy
from runpod_typed.errors import APIConnectionError, APIError, APIResponseValidationError, APIStatusError

_TOO_MANY_REQUESTS = 429
_REQUEST_TIMEOUT = 408
_UNPROCESSED_REDIRECTS = frozenset({301, 307, 308})

# What may be repeated although an earlier attempt may have taken effect: always, and with the caller's consent.
_REPEATABLE = frozenset({OperationKind.READ, OperationKind.DRAIN, OperationKind.CANCEL})
_REPEATABLE_WITH_CONSENT = _REPEATABLE | {OperationKind.SUBMIT, OperationKind.REQUEUE}


@frozen(kw_only=True)
class Failure:
    """What went wrong with one attempt, as far as the rules look at it.

    Attributes:
        request_sent: Whether any part of the request may have reached the server.
        status: The HTTP status of the answer; None where no complete answer came.
        unreadable: Whether the answer's body was no JSON: a page of something in between, or cut short.
        retry_after: Seconds that the server asks to wait, where it says so.
    """

    request_sent: bool
    status: int | None = None
    unreadable: bool = False
    retry_after: float | None = None

    @classmethod
    def of(cls, error: APIError) -> Failure:
        """The failure that an error reports."""
        match error:
            case APIConnectionError():
                return cls(request_sent=error.request_sent)
            case APIStatusError():
                return cls(request_sent=True, status=error.status_code, retry_after=error.retry_after)
            case APIResponseValidationError():
                # Its body is text where it was no JSON; JSON of another shape will have that shape the next time too.
                return cls(request_sent=True, status=error.status_code, unreadable=isinstance(error.body, str))
            case _:
                return cls(request_sent=True)


def may_have_taken_effect(failure: Failure) -> bool:
    """Whether the server may have done what it was asked to, for all that is known."""
    return failure.request_sent and not _is_refusal(failure.status)


def is_repeatable(kind: OperationKind, failure: Failure, *, resubmit: bool) -> bool:
    """Whether another attempt can do no harm, or none that the caller has not agreed to."""
    if not may_have_taken_effect(failure):
        return True
    return kind in (_REPEATABLE_WITH_CONSENT if resubmit else _REPEATABLE)


def is_retryable(kind: OperationKind, failure: Failure, policy: RetryPolicy) -> bool:
    """What the table says: whether another attempt can do no harm and may go better."""
    return _is_passing(failure) and is_repeatable(kind, failure, resubmit=policy.resubmit)


def _is_refusal(status: int | None) -> bool:
    if status is None or status == _REQUEST_TIMEOUT:
        return False
    return 400 <= status < 500 or status in _UNPROCESSED_REDIRECTS


def _is_passing(failure: Failure) -> bool:
    status = failure.status
    if not failure.request_sent or status is None or status in {_REQUEST_TIMEOUT, _TOO_MANY_REQUESTS}:
        return True
    return 500 <= status < 600 or (200 <= status < 300 and failure.unreadable)


class GiveUpReason(Enum):
    """Why no further attempt is made."""

    NOT_RETRYABLE = auto()
    """The failure will not pass by itself, or `decide` said no."""
    NOT_REPEATABLE = auto()
    """The server may have acted, and acting twice would do harm."""
    ATTEMPTS_SPENT = auto()
    """All attempts are made."""
    BUDGET_SPENT = auto()
    """The policy's budget ends before another attempt could be made."""
    DEADLINE = auto()
    """The caller's own time limit ends before that."""
    SERVER_ASKED_FOR_TOO_LONG = auto()
    """The server asks for a longer wait than the policy, its budget or the caller's limit allows."""


@frozen(kw_only=True)
class Retry:
    """Make another attempt.

    Attributes:
        delay: Seconds to sleep before it.
        may_have_taken_effect: Whether any attempt so far may have.
    """

    delay: float
    may_have_taken_effect: bool


@frozen(kw_only=True)
class GiveUp:
    """Raise the error.

    Attributes:
        reason: Why.
        message: The same in words, for the error; empty where the error says it all.
        may_have_taken_effect: Whether any attempt may have.
        uncertain: Whether a job was submitted and its fate is unknown: raise SubmissionUncertainError.
    """

    reason: GiveUpReason
    message: str
    may_have_taken_effect: bool
    uncertain: bool


def next_step(
    policy: RetryPolicy,
    kind: OperationKind,
    error: APIError,
    *,
    attempt: int,
    elapsed: float,
    remaining: float | None,
    random: Random,
    previous: Retry | None = None,
) -> Retry | GiveUp:
    """What to do after a failed attempt.

    Args:
        policy: The caller's policy.
        kind: What repeating the operation means.
        error: What went wrong.
        attempt: Which attempt of the call it was; the first is 1.
        elapsed: Seconds since the call began.
        remaining: Seconds until the caller's own time limit; None for no limit.
        random: Spreads the delays.
        previous: The step after the attempt before this one, if there was one: an earlier attempt may have taken
            effect although this one did not.

    Returns:
        A `Retry`, whose delay ends within budget and limit, or a `GiveUp`.
    """
    failure = Failure.of(error)
    effect = may_have_taken_effect(failure) or (previous is not None and previous.may_have_taken_effect)

    def give_up(reason: GiveUpReason, message: str = "") -> GiveUp:
        uncertain = effect and kind is OperationKind.SUBMIT
        return GiveUp(reason=reason, message=message, may_have_taken_effect=effect, uncertain=uncertain)

    failed = FailedAttempt(
        operation=error.operation,
        kind=kind,
        attempt=attempt,
        elapsed=elapsed,
        error=error,
        retry_after=failure.retry_after,
        may_have_taken_effect=may_have_taken_effect(failure),
        retryable=is_retryable(kind, failure, policy),
    )
    allowed = failed.retryable if policy.decide is None else bool(policy.decide(failed))
    if not is_repeatable(kind, failure, resubmit=policy.resubmit):
        return give_up(GiveUpReason.NOT_REPEATABLE, _WHY_NOT_REPEATED[kind])
    if not allowed:
        return give_up(GiveUpReason.NOT_RETRYABLE)
    tries = "1 attempt" if attempt == 1 else f"{attempt} attempts"
    if attempt >= policy.attempts:
        return give_up(GiveUpReason.ATTEMPTS_SPENT, f"Gave up after {tries} in {elapsed:.3g} s.")

    left = policy.budget - elapsed
    bound, reason = f"the retry budget of {policy.budget:g} s", GiveUpReason.BUDGET_SPENT
    if remaining is not None and remaining < left:
        left, bound, reason = remaining, "the caller's time limit", GiveUpReason.DEADLINE
    asked = failure.retry_after or 0.0
    if asked > policy.max_retry_after:
        return give_up(
            GiveUpReason.SERVER_ASKED_FOR_TOO_LONG,
            f"Gave up after {tries}: the server asks to wait {asked:g} s, and max_retry_after is "
            f"{policy.max_retry_after:g} s.",
        )
    if 0 < left <= asked:
        return give_up(
            GiveUpReason.SERVER_ASKED_FOR_TOO_LONG,
            f"Gave up after {tries}: the server asks to wait {asked:g} s, and {left:.3g} s are left of {bound}.",
        )
    if left <= 0:
        return give_up(reason, f"Gave up after {tries} in {elapsed:.3g} s: {bound} has ended.")
    # At least as long as it slept must be left for the attempt itself.
    spread = random.uniform(0.0, min(_longest_sleep(policy, attempt), (left - asked) / 2))
    return Retry(delay=asked + spread, may_have_taken_effect=effect)


def _longest_sleep(policy: RetryPolicy, attempt: int) -> float:
    # The exponent's cap keeps the float finite; no bound is that far from its first value.
    return min(policy.max_backoff, policy.initial_backoff * 2.0 ** min(attempt - 1, 1000))


_WHY_NOT_REPEATED = {
    OperationKind.SUBMIT: "It was not repeated: a second job would be paid for too.",
    OperationKind.REQUEUE: "It was not repeated: the job may be queued again already; look at its status.",
    OperationKind.PURGE: "It was not repeated: the queue may be purged already, and jobs queued since would be lost.",
}
