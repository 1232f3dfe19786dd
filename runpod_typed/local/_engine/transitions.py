"""The state of the queue, and the steps in which it changes."""

from runpod_typed.local._engine.counters import Counters
from runpod_typed.local._engine.events import Event, JobChanged, JobStopped, JobsWaiting, WebhookDue
from runpod_typed.local._engine.records import ABSENT, HistoryEntry, JobRecord, JobStatus, WorkerRecord, show_webhook
from runpod_typed.local._engine.schedule import Deadlines, WaitingJobs
from runpod_typed.local._engine.settings import EngineSettings


class Transitions:
    """Every job and every worker that the queue knows, with counters, deadlines and events kept in step."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.now = 0.0
        self.jobs: dict[str, JobRecord] = {}
        self.workers: dict[str, WorkerRecord] = {}
        self.counters = Counters()
        self.paused = False
        self.changed: set[str] | None = None
        """The ids of the jobs that have changed, for a reader that empties it; None if there is no reader."""
        self._waiting = WaitingJobs()
        self._deadlines = Deadlines()
        self._events: list[Event] = []

    @property
    def waiting(self) -> int:
        """The number of waiting jobs."""
        return len(self._waiting)

    @property
    def next_deadline(self) -> float | None:
        """The time for the next `advance`, if nothing else happens."""
        return self._deadlines.next_at

    def advance(self, now: float) -> float:
        """Let time pass: everything due by `now` happens. Returns the engine's time."""
        while (deadline := self._deadlines.pop_due(now)) is not None:
            self.now = max(self.now, deadline.at)
            deadline.check(deadline.subject)
        self.now = max(self.now, now)
        return self.now

    def take_events(self) -> list[Event]:
        """Return the events since the last call."""
        events, self._events = self._events, []
        return events

    # Jobs. Only these methods change the status of a job.

    def _add(self, record: JobRecord) -> None:
        self.jobs[record.id] = record
        self.counters.submitted += 1
        self.counters.by_status[record.status] += 1
        self._deadlines.add(record.expires_at, self._check_expiry, record.id)

    def _note(self, record: JobRecord, kind: str, value: object = None) -> None:
        """Remember something that happened to a job, and wake the requests that wait for it."""
        record.history.append(HistoryEntry(self.now, kind, value))
        if self.changed is not None:
            self.changed.add(record.id)
        self._events.append(JobChanged(record.id))

    def _set_status(self, record: JobRecord, status: JobStatus) -> None:
        self.counters.by_status[record.status] -= 1
        self.counters.by_status[status] += 1
        record.status = status
        self._note(record, status.value)

    def _enqueue(self, record: JobRecord, *, first: bool = False) -> None:
        self._waiting.add(record.id, low_priority=record.submission.low_priority, first=first)
        self._announce_waiting(1)

    def _announce_waiting(self, count: int) -> None:
        if count and not self.paused:
            self._events.append(JobsWaiting(count))

    def _requeue(self, record: JobRecord) -> None:
        record.reset()
        record.retries += 1
        self.counters.retried += 1
        self._set_status(record, JobStatus.IN_QUEUE)

    def _end(self, record: JobRecord, status: JobStatus) -> None:
        if record.has_progress:
            record.has_progress = False
            record.output = ABSENT
        record.ended_at = self.now
        self._set_status(record, status)
        self.counters.count_end(status)
        self._deadlines.add(record.gone_at, self._check_expiry, record.id)
        if record.submission.webhook is not None:
            self._events.append(WebhookDue(record.submission.webhook, show_webhook(record, self.now)))

    def _time_out(self, record: JobRecord, reason: str) -> None:
        self._interrupt(record)
        record.error = f"job timed out: {reason}"
        self._end(record, JobStatus.TIMED_OUT)

    def _remove(self, record: JobRecord, status: JobStatus) -> None:
        """Forget a job. A request that still holds the record sees `status` if the job was unfinished."""
        self.counters.by_status[record.status] -= 1
        if not record.terminal:
            record.status = status
        del self.jobs[record.id]
        self._note(record, status.value)

    # Workers and the jobs that they hold.

    def _touch(self, worker_id: str) -> WorkerRecord:
        """Note a sign of life of a worker, perhaps its first."""
        worker = self.workers.get(worker_id)
        if worker is None:
            worker = self.workers[worker_id] = WorkerRecord(id=worker_id, last_seen_at=self.now)
            self._deadlines.add(self.now + self.settings.worker_silence, self._check_worker, worker_id)
        worker.last_seen_at = self.now
        return worker

    def _holder(self, record: JobRecord) -> WorkerRecord | None:
        return self.workers.get(record.worker_id or "")

    def _held(self, worker_id: str, job_id: str, now: float) -> JobRecord | None:
        """Return the job if this worker holds it; a report about it is a sign of life."""
        now = self.advance(now)
        record = self._running(job_id)
        if record is None or record.worker_id != worker_id:
            return None
        record.last_seen_at = now
        if worker_id in self.workers:
            self.workers[worker_id].last_seen_at = now
        return record

    def _running(self, job_id: str) -> JobRecord | None:
        record = self.jobs.get(job_id)
        return record if record is not None and record.status is JobStatus.IN_PROGRESS else None

    def _release(self, record: JobRecord) -> None:
        worker = self._holder(record)
        if worker is not None:
            worker.jobs.pop(record.id, None)

    def _interrupt(self, record: JobRecord) -> None:
        """Take an unfinished job out of the queue, or away from its worker."""
        self._waiting.discard(record.id)
        worker = self._holder(record)
        if worker is not None and record.id in worker.jobs:
            del worker.jobs[record.id]
            self._stop(worker, record.id)

    def _stop(self, worker: WorkerRecord, job_id: str) -> None:
        if job_id not in worker.stops:
            worker.stops.append(job_id)
            worker.reported = None
            self._events.append(JobStopped(worker.id, job_id))

    def _orphan(self, record: JobRecord) -> None:
        self._release(record)
        if record.redispatches < self.settings.redispatches:
            record.redispatches += 1
            self._requeue(record)
            self._enqueue(record, first=True)
        else:
            record.error = f"job timed out after {record.retries} retries"
            self._end(record, JobStatus.FAILED)

    def _lose(self, worker_id: str) -> None:
        worker = self.workers.pop(worker_id, None)
        for job_id in list(worker.jobs) if worker is not None else ():
            self._orphan(self.jobs[job_id])

    # Deadlines.

    def _check_worker(self, worker_id: str) -> None:
        worker = self.workers.get(worker_id)
        if worker is None or worker.supervised:
            return
        due_at = worker.last_seen_at + self.settings.worker_silence
        if self.now >= due_at:
            self._lose(worker_id)
        else:
            self._deadlines.add(due_at, self._check_worker, worker_id)

    def _check_expiry(self, job_id: str) -> None:
        record = self.jobs.get(job_id)
        if record is None:
            return
        if record.batch_id is not None:
            if not record.terminal and self.now >= record.expires_at:
                self._time_out(record, "its ttl ended")
        elif self.now >= record.gone_at:
            self._interrupt(record)
            self._remove(record, JobStatus.TIMED_OUT)
            self.counters.expired += 1

    def _check_timeout(self, job_id: str) -> None:
        record = self._running(job_id)
        if record is not None and self.now >= (record.started_at or 0.0) + record.execution_timeout:
            self._time_out(record, "it ran longer than its execution timeout")

    def _check_orphan(self, job_id: str) -> None:
        record = self._running(job_id)
        if record is None:
            return
        worker = self._holder(record)
        if worker is not None and worker.attached and not record.dropped:
            return
        due_at = record.last_seen_at + self.settings.orphan_after
        if self.now >= due_at:
            self._orphan(record)
        else:
            self._deadlines.add(due_at, self._check_orphan, job_id)
