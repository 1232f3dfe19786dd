"""How often, how long and when a call that failed is made again, as the caller says it."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from attrs import Attribute, field, frozen

from runpod_typed._models.durations import plain_seconds, to_seconds
from runpod_typed.errors import APIError, ConfigurationError


class OperationKind(Enum):
    """What repeating an operation means.

    What follows from it is drawn in a table: in the module `retry_rules`, and in the documents, "Errors and
    reliability".
    """

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
        initial_backoff: Seconds (or a timedelta) that the first sleep may last, 0 or more.
        max_backoff: Seconds (or a timedelta) that any sleep may last, where the server asks for none; not below
            `initial_backoff`, and finite.
        max_retry_after: Seconds (or a timedelta) that the client is ready to wait when the server asks for it
            (``Retry-After``), 0 or more. If it asks for longer, or for longer than what is left of `budget` or
            ``timeout=``, the call fails at once, and the error says how long the server asked for.
        resubmit: Whether a job that may have been accepted is submitted again, and requeued again by ``job.retry()``.
            Set it where running a job twice does no harm but cost.
        decide: Called after each failed attempt; says whether to make another. It replaces the rules for which failures
            are worth it (start from ``attempt.retryable``), and not the limits above: nothing that may have been
            accepted is submitted again without `resubmit`. What it raises reaches the caller.

    Raises:
        ConfigurationError: A value is out of its range.
    """

    attempts: int = field(default=4, validator=_check_attempts)
    budget: float = field(default=30.0, converter=plain_seconds, validator=_check_duration)
    initial_backoff: float = field(default=0.25, converter=plain_seconds, validator=_check_duration)
    max_backoff: float = field(default=8.0, converter=plain_seconds, validator=_check_duration)
    max_retry_after: float = field(default=30.0, converter=plain_seconds, validator=_check_duration)
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
