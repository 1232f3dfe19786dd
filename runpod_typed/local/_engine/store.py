"""The jobs of a queue, with counters, deadlines and events kept in step."""

from runpod_typed.local._engine.counters import Counters, QueueStats
from runpod_typed.local._engine.events import Event, JobChanged, WebhookDue
from runpod_typed.local._engine.records import ABSENT, HistoryEntry, JobRecord, JobStatus, show_webhook
from runpod_typed.local._engine.schedule import DeadlineKind, Deadlines


class NotFoundError(Exception):
    """No such job or batch: unknown, expired, purged or deleted."""


class JobStore:
    """Every job that the queue knows. Only the methods here change the status of a job."""

    def __init__(self) -> None:
        self.now = 0.0
        self.jobs: dict[str, JobRecord] = {}
        self.changed: set[str] | None = None
        """The ids of the jobs that have changed, for a reader that empties it; None if there is no reader."""
        self._counters = Counters()
        self._deadlines = Deadlines()
        self._events: list[Event] = []

    @property
    def next_deadline(self) -> float | None:
        """The time for the next `advance`, if nothing else happens."""
        return self._deadlines.next_at

    def take_events(self) -> list[Event]:
        """Return the events since the last call."""
        events, self._events = self._events, []
        return events

    def stats(self) -> QueueStats:
        """Return the counts since the start."""
        return self._counters.snapshot()

    def counts(self) -> dict[str, int]:
        """Return the `jobs` object of `/health`."""
        return self._counters.show()

    def _note(self, record: JobRecord, kind: str, value: object = None) -> None:
        """Remember something that happened to a job."""
        record.history.append(HistoryEntry(self.now, kind, value))
        if self.changed is not None:
            self.changed.add(record.id)

    def _add(self, record: JobRecord) -> None:
        self.jobs[record.id] = record
        self._counters.submitted += 1
        self._counters.by_status[record.status] += 1
        self._deadlines.add(record.expires_at, DeadlineKind.JOB_EXPIRY, record.id)

    def _set_status(self, record: JobRecord, status: JobStatus) -> None:
        self._counters.by_status[record.status] -= 1
        self._counters.by_status[status] += 1
        record.status = status
        self._note(record, status.value)
        self._events.append(JobChanged(record.id))

    def _requeue(self, record: JobRecord) -> None:
        record.reset()
        record.retries += 1
        self._counters.retried += 1
        self._set_status(record, JobStatus.IN_QUEUE)

    def _end(self, record: JobRecord, status: JobStatus) -> None:
        if record.has_progress:
            record.has_progress = False
            record.output = ABSENT
        record.ended_at = self.now
        self._set_status(record, status)
        self._counters.count_end(status)
        self._deadlines.add(record.gone_at, DeadlineKind.JOB_EXPIRY, record.id)
        if record.submission.webhook is not None:
            self._events.append(WebhookDue(record.submission.webhook, show_webhook(record, self.now)))

    def _remove(self, record: JobRecord, status: JobStatus) -> None:
        """Forget a job. A request that still holds the record sees `status` if the job was unfinished."""
        self._counters.by_status[record.status] -= 1
        if not record.terminal:
            record.status = status
        del self.jobs[record.id]
        self._note(record, status.value)
        self._events.append(JobChanged(record.id))
