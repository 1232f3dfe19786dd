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

import math
from collections.abc import Callable
from datetime import timedelta
from enum import Enum, auto
from random import Random
from typing import Any

from attrs import Attribute, field, frozen

from runpod_typed._core.durations import Duration, to_seconds
from runpod_typed.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    ConfigurationError,
)

_TOO_MANY_REQUESTS = 429
_REQUEST_TIMEOUT = 408
_UNPROCESSED_REDIRECTS = frozenset({301, 307, 308})


class OperationKind(Enum):
    """What repeating an operation means. The table at the top of this module draws the consequences."""

    READ = auto()
    """Changes nothing: status, health, batch reads."""
    DRAIN = auto()
    """Takes what the answer holds out of the server: the chunks of a stream."""
    CANCEL = auto()
    """Has the same effect once or twice: cancel; finalizing, updating and cancelling a batch."""
    SUBMIT = auto()
    """Makes something that is paid for, and another one each time: run; creating and filling a batch."""
    REQUEUE = auto()
    """Queues a failed job once more, under the same id."""
    PURGE = auto()
    """Removes whatever is waiting at that moment."""


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


def is_uncertain(kind: OperationKind, failure: Failure) -> bool:
    """Whether a job was submitted and its fate is unknown."""
    return kind is OperationKind.SUBMIT and may_have_taken_effect(failure)


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


@frozen(kw_only=True)
class FailedAttempt:
    """One failed attempt of a call, for a `decide` of the caller's own.

    Attributes:
        operation: The operation's name in the specification, such as ``get_status``.
        kind: What repeating the operation means.
        attempt: Which attempt of the call it was; the first is 1.
        elapsed: Seconds since the call began.
        error: What went wrong. It is raised if this was the last attempt.
        retry_after: Seconds that the server asks to wait, where it says so.
        may_have_taken_effect: Whether the server may have done what it was asked to. False where the request was never
            sent, or was refused.
        retryable: Whether the library's own rules would make another attempt, if time and attempts allow.
    """

    operation: str
    kind: OperationKind
    attempt: int
    elapsed: float
    error: APIError
    retry_after: float | None
    may_have_taken_effect: bool
    retryable: bool


RetryDecision = Callable[[FailedAttempt], bool]
"""Says whether a failed attempt is repeated, in the place of the library's own rules."""


def _plain_seconds(value: Duration) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _check_duration(_policy: RetryPolicy, attribute: Attribute[Any], value: float) -> None:
    to_seconds(value, f"RetryPolicy.{attribute.name}")


def _check_attempts(_policy: RetryPolicy, _attribute: Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(
            f"RetryPolicy.attempts must be a whole number of 1 or more (1: no retries), and was {value!r}."
        )


def _check_flag(_policy: RetryPolicy, attribute: Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigurationError(f"RetryPolicy.{attribute.name} must be True or False, and was {value!r}.")


def _check_function(_policy: RetryPolicy, attribute: Attribute[Any], value: object) -> None:
    if value is not None and not callable(value):
        raise ConfigurationError(
            f"RetryPolicy.{attribute.name} must be a function of a FailedAttempt, or None, and was {value!r}."
        )


@frozen(kw_only=True)
class RetryPolicy:
    """How often, how long and when a call that failed is made again.

    Between two attempts the client sleeps for a random time from 0 up to a bound that starts at `initial_backoff` and
    doubles up to `max_backoff`; where the server asks for a wait, the random time comes on top of it. Attempts and
    sleeps together stay within `budget`, and within the caller's own ``timeout=``.

    Jobs are never submitted twice without consent: an attempt after which the job may exist is not repeated, and
    raises `SubmissionUncertainError`, unless `resubmit` is set.

    Args:
        attempts: How many attempts one call may take, the first included; 1 or more.
        budget: Seconds (or a timedelta) that one call may take with all its attempts and sleeps; above 0, and
            ``math.inf`` for no limit.
        initial_backoff: Seconds (or a timedelta) that the first sleep may last.
        max_backoff: Seconds (or a timedelta) that any sleep may last, where the server asks for none; not below
            `initial_backoff`.
        max_retry_after: Seconds (or a timedelta) that the client is ready to wait when the server asks for it
            (``Retry-After``). If it asks for longer, or for longer than what is left of `budget` or ``timeout=``, the
            call fails at once, and the error says how long the server asked for.
        resubmit: Whether a job that may have been accepted is submitted again, and requeued again by ``job.retry()``.
            Set it where running a job twice does no harm but cost.
        decide: Called after each failed attempt; says whether to make another. It replaces the rules for which failures
            are worth it (start from ``attempt.retryable``), and not the limits above: nothing that may have been
            accepted is submitted again without `resubmit`. What it raises reaches the caller.

    Raises:
        ConfigurationError: A value is out of its range.
    """

    attempts: int = field(default=4, validator=_check_attempts)
    budget: float = field(default=30.0, converter=_plain_seconds, validator=_check_duration)
    initial_backoff: float = field(default=0.25, converter=_plain_seconds, validator=_check_duration)
    max_backoff: float = field(default=8.0, converter=_plain_seconds, validator=_check_duration)
    max_retry_after: float = field(default=30.0, converter=_plain_seconds, validator=_check_duration)
    resubmit: bool = field(default=False, validator=_check_flag)
    decide: RetryDecision | None = field(default=None, validator=_check_function)

    def __attrs_post_init__(self) -> None:
        if self.budget == 0:
            raise ConfigurationError("RetryPolicy.budget must be above 0 s: the first attempt counts to it.")
        if math.isinf(self.max_backoff):
            raise ConfigurationError("RetryPolicy.max_backoff must be a finite number of seconds.")
        if self.max_backoff < self.initial_backoff:
            raise ConfigurationError(
                f"RetryPolicy.max_backoff must not be below initial_backoff, and they were {self.max_backoff:g} s and "
                f"{self.initial_backoff:g} s."
            )

    @classmethod
    def none(cls) -> RetryPolicy:
        """No retries: one attempt, bounded by its own timeout alone."""
        return cls(attempts=1, budget=math.inf)

    def allows(self, attempt: FailedAttempt) -> bool:
        """Whether another attempt may be made, time and attempts aside.

        Args:
            attempt: What went wrong.
        """
        return attempt.retryable if self.decide is None else bool(self.decide(attempt))

    def backoff(self, attempt: int) -> float:
        """Seconds that the sleep after an attempt may last.

        Args:
            attempt: Which attempt of the call it was; the first is 1.
        """
        # The exponent's cap keeps the float finite; no bound is that far from its first value.
        return min(self.max_backoff, self.initial_backoff * 2.0 ** min(attempt - 1, 1000))


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

    allowed = policy.allows(
        FailedAttempt(
            operation=error.operation,
            kind=kind,
            attempt=attempt,
            elapsed=elapsed,
            error=error,
            retry_after=failure.retry_after,
            may_have_taken_effect=may_have_taken_effect(failure),
            retryable=is_retryable(kind, failure, policy),
        )
    )
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
    spread = random.uniform(0.0, min(policy.backoff(attempt), (left - asked) / 2))
    return Retry(delay=asked + spread, may_have_taken_effect=effect)


_WHY_NOT_REPEATED = {
    OperationKind.SUBMIT: "It was not repeated: a second job would be paid for too.",
    OperationKind.REQUEUE: "It was not repeated: the job may be queued again already; look at its status.",
    OperationKind.PURGE: "It was not repeated: the queue may be purged already, and jobs queued since would be lost.",
}
