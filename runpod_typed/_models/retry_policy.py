"""Retries: which failed calls are repeated, how often and for how long."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum, auto

from attrs import field, frozen
from attrs.validators import optional

from runpod_typed._errors import APIError, ConfigurationError
from runpod_typed._models.durations import plain_seconds
from runpod_typed._models.validators import flag, function, seconds, whole_number


class OperationKind(Enum):
    """The effect of repeating an operation.

    The table in the documents, "Errors and reliability", says what follows from it.
    """

    READ = auto()
    """Changes nothing: status, health, batch reads."""
    DRAIN = auto()
    """Removes what the response holds from the server: the chunks of a stream."""
    CANCEL = auto()
    """Has the same effect once or twice: cancel; finalizing, updating and cancelling a batch."""
    SUBMIT = auto()
    """Creates something that is paid for each time: run; creating and filling a batch."""
    REQUEUE = auto()
    """Queues a failed job again, under the same id."""
    PURGE = auto()
    """Removes all jobs that are queued at that moment."""


@frozen(kw_only=True)
class FailedAttempt:
    """A failed attempt of a call, as a custom `decide` sees it."""

    operation: str
    """The operation's name in the specification, such as ``get_status``."""
    kind: OperationKind
    """The effect of repeating the operation."""
    attempt: int
    """The number of the attempt within its call; the first is 1."""
    elapsed: float
    """Seconds since the call began."""
    error: APIError
    """The error that is raised if this was the last attempt."""
    retry_after: float | None
    """Seconds that the server asks to wait, or None."""
    may_have_taken_effect: bool
    """True if the server may have acted. False if the request was never sent or was refused."""
    retryable: bool
    """True if the library would retry by itself, if time and attempts allow."""


RetryDecision = Callable[[FailedAttempt], bool]
"""Returns whether a failed attempt is repeated, in place of the default rules."""


@frozen(kw_only=True)
class RetryPolicy:
    """Retries of failed calls.

    Between two attempts the client sleeps for a random time from 0 up to a bound that starts at `initial_backoff` and
    doubles up to `max_backoff`; if the server asks for a wait, the random time is added to it. Attempts and sleeps
    together stay within `budget` and within the ``timeout=`` of the call.

    An attempt after which a job may exist is not repeated without consent: it raises `SubmissionUncertainError` unless
    `resubmit` is set.

    Example:
        ``Client(retry=RetryPolicy(attempts=6, budget=60))``

    Raises:
        ConfigurationError: A value is out of its range.
    """

    attempts: int = field(default=4, validator=whole_number(1))
    """The number of attempts of one call, the first included; 1 or more."""
    budget: float = field(default=30.0, converter=plain_seconds, validator=seconds(above_zero=True))
    """Seconds (or a timedelta) that one call may take with all its attempts and sleeps; above 0, ``math.inf`` for no
    limit. Waiting for a job is not bounded by it."""
    initial_backoff: float = field(default=0.25, converter=plain_seconds, validator=seconds())
    """The longest first sleep in seconds (or a timedelta), 0 or more."""
    max_backoff: float = field(default=8.0, converter=plain_seconds, validator=seconds(finite=True))
    """The longest sleep in seconds (or a timedelta), if the server asks for none; at least `initial_backoff`."""
    max_retry_after: float = field(default=30.0, converter=plain_seconds, validator=seconds())
    """The longest ``Retry-After`` in seconds (or a timedelta) that the client waits for, 0 or more. If the server asks
    for longer, or for longer than `budget` or ``timeout=`` allow, the call fails at once."""
    resubmit: bool = field(default=False, validator=flag)
    """True if a job that may have been accepted is submitted again, and requeued again by ``job.retry()``. Set it if
    running a job twice does no harm but cost."""
    decide: RetryDecision | None = field(default=None, validator=optional(function), hash=False)
    """Called after each failed attempt; returns whether to make another (``attempt.retryable`` is the default). The
    limits above still hold, and a job that may have been accepted is not submitted again without `resubmit`."""

    def __attrs_post_init__(self) -> None:
        if self.max_backoff < self.initial_backoff:
            raise ConfigurationError(
                f"RetryPolicy.max_backoff must not be below initial_backoff: {self.max_backoff:g} s is below "
                f"{self.initial_backoff:g} s."
            )

    @classmethod
    def disabled(cls) -> RetryPolicy:
        """Return a policy without retries: one attempt, bounded by its own timeout."""
        return cls(attempts=1, budget=math.inf)
