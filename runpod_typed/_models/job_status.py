"""The status of a job."""

from __future__ import annotations

from enum import StrEnum

from runpod_queue_api import wire

from runpod_typed._errors import printable


class JobStatus(StrEnum):
    """The status of a job. It equals its string: ``status == "COMPLETED"``.

    The list is open: an unknown status is kept as it came, counts as not finished, and prints, compares, hashes and
    pickles like the others (only ``is`` tells two of them apart).
    """

    IN_QUEUE = "IN_QUEUE"
    """The job waits for a worker."""
    IN_PROGRESS = "IN_PROGRESS"
    """A worker runs the job."""
    RUNNING = "RUNNING"
    """Another documented word for IN_PROGRESS, never seen in a response."""
    COMPLETED = "COMPLETED"
    """The job is finished and its output is there."""
    FAILED = "FAILED"
    """The handler raised or returned an error, or the platform gave up."""
    CANCELLED = "CANCELLED"
    """The job was cancelled."""
    TIMED_OUT = "TIMED_OUT"
    """No worker took the job, or none reported back, in time."""

    @property
    def is_terminal(self) -> bool:
        """True if the job is finished: only a retry changes it any more."""
        return self in wire.FINAL_JOB_STATUSES

    @property
    def is_running(self) -> bool:
        """True if a worker runs the job now."""
        return self in wire.RUNNING_JOB_STATUSES

    @property
    def is_started(self) -> bool:
        """True if a worker must have had the job."""
        return self.is_running or self in {JobStatus.COMPLETED, JobStatus.FAILED}

    @classmethod
    def _missing_(cls, value: object) -> JobStatus | None:
        if not isinstance(value, str) or not value:
            return None
        known = cls.__members__.get(value.upper())
        if known is not None:
            return known
        unknown = str.__new__(cls, value)
        unknown._name_ = value
        unknown._value_ = value
        return unknown

    def __repr__(self) -> str:
        return f"<JobStatus.{printable(self.name)}: {self.value!r}>"
