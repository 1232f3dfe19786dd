"""Counting: what `/health` shows, and what a test wants to know afterwards."""

from collections import Counter
from collections.abc import Mapping

from attrs import define, field, frozen

from runpod_typed.local._engine.jobs import JobStatus


@frozen(kw_only=True)
class QueueStats:
    """What happened in a queue since it started.

    Every job that was submitted is in exactly one place: `submitted` equals the sum of `by_status` plus `expired` plus
    `purged`.

    Attributes:
        submitted: Jobs created, by whatever operation.
        by_status: Jobs that the queue still knows, by status.
        expired: Jobs that are gone because their ttl or retention ended.
        purged: Jobs that purge-queue removed.
        completed: Times that a job completed (a retried job may do so again).
        failed: Times that a job failed or timed out.
        cancelled: Times that a job was cancelled.
        retried: Re-dispatches and retries.
        executions: For each job ever handed to a worker: how often.
        ignored_results: Results that changed nothing: the job was finished, gone or with another worker.
    """

    submitted: int
    by_status: Mapping[JobStatus, int]
    expired: int
    purged: int
    completed: int
    failed: int
    cancelled: int
    retried: int
    executions: Mapping[str, int]
    ignored_results: int

    @property
    def executed_twice(self) -> tuple[str, ...]:
        """Ids of the jobs that were handed out more than once."""
        return tuple(job_id for job_id, times in self.executions.items() if times > 1)


@define(eq=False)
class Tally:
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
        """A job reached its end."""
        if status is JobStatus.COMPLETED:
            self.completed += 1
        elif status is JobStatus.CANCELLED:
            self.cancelled += 1
        else:
            self.failed += 1

    def show(self) -> dict[str, int]:
        """The `jobs` half of `/health`, keys in alphabetical order."""
        return {
            "completed": self.completed,
            "failed": self.failed,
            "inProgress": self.by_status[JobStatus.IN_PROGRESS],
            "inQueue": self.by_status[JobStatus.IN_QUEUE],
            "retried": self.retried,
        }

    def snapshot(self) -> QueueStats:
        """The counts as they stand."""
        return QueueStats(
            submitted=self.submitted,
            by_status={status: self.by_status[status] for status in JobStatus},
            expired=self.expired,
            purged=self.purged,
            completed=self.completed,
            failed=self.failed,
            cancelled=self.cancelled,
            retried=self.retried,
            executions=dict(self.executions),
            ignored_results=self.ignored_results,
        )
