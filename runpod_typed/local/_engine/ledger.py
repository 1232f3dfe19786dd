"""The books of the queue: every job, the counts, what is due, and what the shell has yet to be told.

The few changes that keep these in step with each other live here, so that they cannot come apart.
"""

from runpod_typed.local._engine.deadlines import Deadlines, Due
from runpod_typed.local._engine.events import Event, JobChanged, WebhookDue
from runpod_typed.local._engine.jobs import ABSENT, JobRecord, JobStatus, show_webhook
from runpod_typed.local._engine.statistics import Tally


class Ledger:
    """Jobs, counts, deadlines and events.

    Attributes:
        now: The latest time that the engine was told.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.jobs: dict[str, JobRecord] = {}
        self.deadlines = Deadlines()
        self.tally = Tally()
        self._events: list[Event] = []

    def tell(self, event: Event) -> None:
        """Leave a message for the shell."""
        self._events.append(event)

    def take_events(self) -> list[Event]:
        """The messages since the last call."""
        events, self._events = self._events, []
        return events

    def add(self, record: JobRecord) -> None:
        """A new job."""
        self.jobs[record.id] = record
        self.tally.submitted += 1
        self.tally.by_status[record.status] += 1
        self.deadlines.add(record.expires_at, Due.JOB_EXPIRY, record.id)

    def set_status(self, record: JobRecord, status: JobStatus) -> None:
        """The job is in another state."""
        self.tally.by_status[record.status] -= 1
        self.tally.by_status[status] += 1
        record.status = status
        self.tell(JobChanged(record.id))

    def requeue(self, record: JobRecord) -> None:
        """The job is to run once more."""
        record.forget_run()
        record.retries += 1
        self.tally.retried += 1
        self.set_status(record, JobStatus.IN_QUEUE)

    def end(self, record: JobRecord, status: JobStatus) -> None:
        """The job has ended; what it leaves is kept for a while."""
        if record.progress:
            record.progress = False
            record.output = ABSENT
        record.ended_at = self.now
        self.set_status(record, status)
        self.tally.count_end(status)
        self.deadlines.add(gone_at(record), Due.JOB_EXPIRY, record.id)
        if record.submission.webhook is not None:
            self.tell(WebhookDue(record.submission.webhook, show_webhook(record, self.now)))

    def remove(self, record: JobRecord, status: JobStatus) -> None:
        """Forget a job. Who still holds the record (a `/runsync` that waits) sees `status` if it had not ended."""
        self.tally.by_status[record.status] -= 1
        if not record.terminal:
            record.status = status
        del self.jobs[record.id]
        self.tell(JobChanged(record.id))


def gone_at(record: JobRecord) -> float:
    """When the job will be forgotten, as things stand."""
    if record.ended_at is None:
        return record.expires_at
    return min(record.expires_at, record.ended_at + record.retention)
