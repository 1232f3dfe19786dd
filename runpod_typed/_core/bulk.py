"""The decisions that a map and a run over batches share: inputs and their results, and outages."""

from __future__ import annotations

from collections import deque
from typing import Any, Final, final

from attrs import define, field
from runpod_queue_api import models

from runpod_typed._core.journal_records import JournalRecord, split_journal_id
from runpod_typed._core.retries import Failure, is_retryable
from runpod_typed._models.jobs import JobState
from runpod_typed._models.map_results import MapResult
from runpod_typed._models.poll_policy import PollPolicy
from runpod_typed._models.responses import is_sendable
from runpod_typed._models.retry_policy import OperationKind, RetryPolicy
from runpod_typed.errors import (
    APIError,
    AuthenticationError,
    CertificateError,
    ConfigurationError,
    InputError,
    PermissionDeniedError,
    RunpodError,
    SubmissionUncertainError,
)

FATAL: Final = (AuthenticationError, PermissionDeniedError, CertificateError, ConfigurationError)
"""Errors that every input would meet."""


def is_transient(error: BaseException | None) -> bool:
    """Return whether the cause of an error may pass by itself, such as an outage or a page of a proxy.

    It does not say that the call is safe to repeat: a submission of unknown fate may have made a job.
    """
    if isinstance(error, SubmissionUncertainError):
        return is_transient(error.__cause__)
    return isinstance(error, APIError) and is_retryable(OperationKind.READ, Failure.of(error), RetryPolicy())


@final
@define(eq=False, kw_only=True)
class Item:
    """An input that was read."""

    value: Any
    record: JournalRecord
    """The progress of the input. It is replaced, and never changed."""
    body: models.RunRequest | None = None
    """The request; None if the input cannot be sent, or a batch has it."""
    error: InputError | None = None
    """The reason that the input cannot be sent."""

    @property
    def job_id(self) -> str | None:
        """The id of the last job, or of the last request in a batch."""
        ids = split_journal_id(self.record.job_id)
        return self.record.job_id if ids is None else ids[1]

    def result(self, outcome: JobState[Any] | RunpodError, *, from_journal: bool = False) -> MapResult[Any, Any]:
        """Return the result of the input, given its finished job or an error."""
        state, error = (None, outcome) if isinstance(outcome, RunpodError) else (outcome, failure_of(outcome))
        return MapResult(
            index=self.record.index,
            key=self.record.key,
            input=self.value,
            job_id=self.job_id,
            state=state,
            error=error,
            attempts=self.record.attempts,
            from_journal=from_journal,
        )


def failure_of(state: JobState[Any]) -> RunpodError | None:
    """Return the error of a finished job, or None."""
    try:
        state.result()
    except RunpodError as error:
        return error
    return None


@final
@define
class ResultBuffer:
    """Results that the consumer has not taken, in the order in which it takes them."""

    ordered: bool
    _next: int = 0
    _waiting: dict[int, MapResult[Any, Any]] = field(factory=dict[int, "MapResult[Any, Any]"])
    _ready: deque[MapResult[Any, Any]] = field(factory=deque["MapResult[Any, Any]"])

    def __len__(self) -> int:
        return len(self._waiting) + len(self._ready)

    @property
    def ready(self) -> bool:
        """True if the next result is there."""
        return bool(self._ready)

    def put(self, result: MapResult[Any, Any]) -> None:
        """Add a result."""
        if not self.ordered:
            self._ready.append(result)
            return
        self._waiting[result.index] = result
        while self._next in self._waiting:
            self._ready.append(self._waiting.pop(self._next))
            self._next += 1

    def take(self) -> MapResult[Any, Any] | None:
        """Return the next result, or None if it is not there yet."""
        return self._ready.popleft() if self._ready else None

    def release(self) -> None:
        """Make all results ready, since the inputs before them get none any more."""
        self._ready.extend(result for _, result in sorted(self._waiting.items()))
        self._waiting.clear()


@final
@define
class Outage:
    """Failures that may pass, without a success between them."""

    policy: PollPolicy
    _since: float | None = None

    def begin(self, now: float) -> None:
        """Note a failure: the outage lasts from the first one on."""
        self._since = now if self._since is None else self._since

    def passed(self) -> None:
        """Note that a call succeeded."""
        self._since = None

    def pause(self, now: float) -> float:
        """Return the seconds to wait before the next try: as long as the outage has lasted, within the limits."""
        return min(self.policy.max_interval, max(self.policy.min_interval, self._lasted(now)))

    def pause_after(self, error: RunpodError, now: float) -> float:
        """Note a failure, and return the seconds to wait before the next try.

        Raises:
            RunpodError: The error does not pass, or the outage lasts too long.
        """
        if not is_transient(error):
            raise error
        self.begin(now)
        lasted = self._lasted(now)
        if lasted >= self.policy.max_outage:
            error.add_note(f"Gave up after an outage of {round(lasted, 1):g} s (PollPolicy.max_outage).")
            raise error
        return self.pause(now)

    def _lasted(self, now: float) -> float:
        return 0.0 if self._since is None else now - self._since


# Keys


def checked_key(key: object) -> str:
    """Return the caller's key.

    Raises:
        ConfigurationError: It is not a string, or empty.
    """
    if not isinstance(key, str) or not key:
        raise ConfigurationError(f"key= must return a string that is not empty, and returned {key!r}.")
    if not is_sendable(key):
        raise ConfigurationError(f"key= returned {key!r}, which has a lone surrogate: no journal can hold it.")
    return key


def repeated_key(key: str) -> ConfigurationError:
    """Return the error for a key that two inputs have."""
    return ConfigurationError(f"key= returns {key!r} for two inputs. Each input needs its own key.")
