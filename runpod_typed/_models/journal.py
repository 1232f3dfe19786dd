"""The entries and counts of a journal."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from attrs import field, frozen

from runpod_typed._models.jobs import JobState


class JournalStatus(StrEnum):
    """The progress of an input."""

    WAITING = "waiting"
    """No job was submitted for it, or the map that was left has cancelled its job."""
    SUBMITTING = "submitting"
    """The submission was about to leave. If nothing follows, its fate is unknown."""
    SUBMITTED = "submitted"
    """The job has an id and has not finished."""
    SUCCEEDED = "succeeded"
    """The job is COMPLETED, and its result is in the journal."""
    FAILED = "failed"
    """The job failed, was cancelled, timed out or has expired, or the input cannot be sent."""
    UNCERTAIN = "uncertain"
    """The submission may have made a job whose id is unknown."""


@frozen(kw_only=True)
class JournalEntry:
    """An input and its job, as a journal has them."""

    index: int
    """The position of the input, from 0, in the last map that read it."""
    key: str
    """The identity of the input: the caller's key, or a digest of its content."""
    status: JournalStatus
    """The progress of the input."""
    attempts: int = 0
    """The number of jobs that were submitted for it."""
    job_id: str | None = None
    """The id of its last job, or None if it is unknown."""
    error: str | None = None
    """The error message, or None."""
    state: JobState[Any] | None = field(default=None, repr=False)
    """The finished job, or None."""

    @property
    def succeeded(self) -> bool:
        """True if there is an output."""
        return self.status is JournalStatus.SUCCEEDED

    @property
    def output(self) -> Any:
        """The output of a job that succeeded, as JSON, or None."""
        return None if self.state is None else self.state.output


@frozen(kw_only=True)
class JournalCounts:
    """The numbers of inputs in a journal."""

    waiting: int = 0
    """Inputs that were read and have no job: none was submitted, or the map that was left has cancelled it."""
    succeeded: int = 0
    """Inputs with a result."""
    failed: int = 0
    """Inputs whose job failed, or that could not be sent."""
    in_flight: int = 0
    """Inputs whose job had not finished."""
    uncertain: int = 0
    """Inputs whose submission may or may not have made a job."""

    @property
    def total(self) -> int:
        """All inputs."""
        return self.waiting + self.succeeded + self.failed + self.in_flight + self.uncertain
