"""Counters: the numbers of `/health`, and the statistics that tests read."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from attrs import asdict, define, field, frozen

from runpod_typed.local._engine.records import JobStatus


@frozen(kw_only=True)
class QueueStats:
    """The history of a queue since it started.

    Each submitted job is in exactly one place: `submitted` equals the sum of `by_status` plus `expired` plus `purged`.
    """

    submitted: int
    """Jobs created by any operation."""
    by_status: Mapping[JobStatus, int]
    """Jobs that the queue still knows, by status."""
    expired: int
    """Jobs that are gone because their ttl or retention ended."""
    purged: int
    """Jobs that purge-queue removed."""
    completed: int
    """Times that a job completed (a retried job may complete again)."""
    failed: int
    """Times that a job failed or timed out."""
    cancelled: int
    """Times that a job was cancelled."""
    retried: int
    """Re-dispatches and retries."""
    executions: Mapping[str, int]
    """The number of times that each job was handed to a worker, by job id."""
    ignored_results: int
    """Results that changed nothing: the job was finished, gone or held by another worker."""

    @property
    def executed_twice(self) -> tuple[str, ...]:
        """Ids of the jobs that were handed out more than once."""
        return tuple(job_id for job_id, times in self.executions.items() if times > 1)


@define(eq=False)
class Counters:
    """The running counts behind `QueueStats`."""

    submitted: int = 0
    expired: int = 0
    purged: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0
    ignored_results: int = 0
    by_status: Counter[JobStatus] = field(factory=Counter[JobStatus])
    executions: Counter[str] = field(factory=Counter[str])

    def count_end(self, status: JobStatus) -> None:
        """Count the end of a job."""
        if status is JobStatus.COMPLETED:
            self.completed += 1
        elif status is JobStatus.CANCELLED:
            self.cancelled += 1
        else:
            self.failed += 1

    def show(self) -> dict[str, int]:
        """Return the `jobs` object of `/health`, keys in alphabetical order."""
        return {
            "completed": self.completed,
            "failed": self.failed,
            "inProgress": self.by_status[JobStatus.IN_PROGRESS],
            "inQueue": self.by_status[JobStatus.IN_QUEUE],
            "retried": self.retried,
        }

    def snapshot(self) -> QueueStats:
        """Return the counts as they stand."""
        copies: dict[str, Any] = {
            "by_status": {status: self.by_status[status] for status in JobStatus},
            "executions": dict(self.executions),
        }
        return QueueStats(**asdict(self, recurse=False) | copies)
