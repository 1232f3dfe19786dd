"""The workers, and the jobs that they hold."""

from collections import deque
from collections.abc import Collection, Iterable

from runpod_typed.local._engine.events import JobChanged, JobStopped, JobsWaiting, WorkerReplaced
from runpod_typed.local._engine.records import Chunk, JobRecord, JobStatus, Result, WorkerRecord
from runpod_typed.local._engine.schedule import DeadlineKind, WaitingJobs
from runpod_typed.local._engine.settings import EngineSettings
from runpod_typed.local._engine.store import JobStore


class Dispatcher(JobStore):
    """Gives the waiting jobs to workers, and takes back those of workers that are gone or too late."""

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__()
        self.settings = settings
        self.workers: dict[str, WorkerRecord] = {}
        self.paused = False
        self._waiting = WaitingJobs()

    def advance(self, now: float) -> float:
        """Let time pass: everything due by `now` happens. Returns the engine's time."""
        while (deadline := self._deadlines.pop_due(now)) is not None:
            self.now = max(self.now, deadline.at)
            self._check(deadline.kind, deadline.subject)
        self.now = max(self.now, now)
        return self.now

    @property
    def waiting(self) -> int:
        """The number of waiting jobs."""
        return len(self._waiting)

    def pause(self) -> None:
        """Hand out no more jobs."""
        self.paused = True

    def resume(self) -> None:
        """Hand out jobs again."""
        self.paused = False
        self._announce_waiting(len(self._waiting))

    def restore(self, records: Iterable[JobRecord], now: float) -> None:
        """Take jobs of an earlier run; those that are unfinished wait again."""
        self.advance(now)
        for record in records:
            record.history = deque(record.history, self.settings.history)
            self._add(record)
            if record.terminal:
                self._counters.count_end(record.status)
                self._deadlines.add(record.gone_at, DeadlineKind.JOB_EXPIRY, record.id)
                continue
            if record.status is JobStatus.IN_PROGRESS:
                self._requeue(record)
            self._enqueue(record)

    # Operations of workers.

    def take(self, worker_id: str, now: float, *, limit: int = 1) -> list[JobRecord]:
        """Give a worker up to `limit` jobs."""
        now = self.advance(now)
        worker = self._touch(worker_id)
        worker.ready = worker.healthy = True
        taken: list[JobRecord] = []
        while not self.paused and len(taken) < limit and (job_id := self._waiting.pop()) is not None:
            record = self.jobs[job_id]
            record.started_at = record.last_seen_at = now
            record.worker_id = worker_id
            worker.jobs[job_id] = None
            if job_id in worker.stops:
                worker.stops.remove(job_id)  # it was about an earlier run
            self._set_status(record, JobStatus.IN_PROGRESS)
            self._counters.executions[job_id] += 1
            self._deadlines.add(now + record.execution_timeout, DeadlineKind.EXECUTION_TIMEOUT, job_id)
            if not worker.attached:
                self._deadlines.add(now + self.settings.orphan_after, DeadlineKind.ORPHAN_CHECK, job_id)
            taken.append(record)
        return taken

    def progress(self, worker_id: str, job_id: str, output: object, now: float) -> bool:
        """Accept a progress update; False if the worker does not hold the job."""
        record = self._held(worker_id, job_id, now)
        if record is None:
            return False
        record.output = output
        record.has_progress = True
        self._note(record, "progress", output)
        self._events.append(JobChanged(job_id))
        return True

    def chunk(self, worker_id: str, job_id: str, chunk: Chunk, now: float) -> bool:
        """Accept a streamed chunk; False if the worker does not hold the job."""
        record = self._held(worker_id, job_id, now)
        if record is None:
            return False
        record.chunks.append(chunk)
        self._note(record, "chunk", chunk.output)
        self._events.append(JobChanged(job_id))
        return True

    def finish(self, worker_id: str, job_id: str, result: Result, now: float) -> bool:
        """Accept a result; False if the worker does not hold the job."""
        record = self._held(worker_id, job_id, now)
        if result.stop_pod and worker_id in self.workers:
            self._events.append(WorkerReplaced(worker_id))
        if record is None:
            self._counters.ignored_results += 1
            return False
        self._release(record)
        record.has_progress = False
        record.output = result.output
        record.error = result.error
        self._end(record, JobStatus.COMPLETED if result.error is None else JobStatus.FAILED)
        return True

    def drop(self, worker_id: str, job_id: str, now: float) -> None:
        """Orphan a job that a worker of this process threw away without a report."""
        record = self._held(worker_id, job_id, now)
        if record is not None:
            record.dropped = True
            self._release(record)
            self._deadlines.add(self.now + self.settings.orphan_after, DeadlineKind.ORPHAN_CHECK, job_id)

    def ping(self, worker_id: str, job_ids: Collection[str], now: float, *, healthy: bool = True) -> None:
        """Accept a heartbeat that names the jobs in progress.

        A job that the worker should not run is stopped, if need be once more: the SDK misses a stop that comes between
        fetching and starting a job.
        """
        now = self.advance(now)
        worker = self._touch(worker_id)
        worker.healthy = healthy
        for job_id in job_ids:
            if job_id in worker.jobs:
                self.jobs[job_id].last_seen_at = now
            else:
                self._stop(worker, job_id)
        worker.reported = frozenset(job_ids)

    def take_stops(self, worker_id: str, now: float) -> list[str]:
        """Return the jobs that the worker should stop and has not been told of."""
        self.advance(now)
        worker = self._touch(worker_id)
        stops, worker.stops = worker.stops, []
        return stops

    # Operations of the supervisor.

    def start_worker(self, worker_id: str, now: float, *, attached: bool = False, healthy: bool = True) -> None:
        """Add a worker of this process. The successor of a failed one is unhealthy until it asks for work."""
        self.workers[worker_id] = WorkerRecord(
            id=worker_id,
            last_seen_at=self.advance(now),
            supervised=True,
            attached=attached,
            ready=attached,
            healthy=healthy,
        )

    def lose_worker(self, worker_id: str, now: float) -> None:
        """Remove a worker; its jobs go to others."""
        self.advance(now)
        worker = self.workers.pop(worker_id, None)
        for job_id in list(worker.jobs) if worker is not None else ():
            self._orphan(self.jobs[job_id])

    def is_running_cancelled_job(self, worker_id: str, job_id: str) -> bool | None:
        """Tell if a worker runs a job that it should have stopped, and no other; None until its next heartbeat."""
        worker = self.workers.get(worker_id)
        if worker is None or worker.jobs:
            return False
        return None if worker.reported is None else job_id in worker.reported

    # Deadlines.

    def _check(self, kind: DeadlineKind, subject: str) -> None:
        if kind is DeadlineKind.WORKER_CHECK:
            self._check_worker(subject)
        elif (record := self.jobs.get(subject)) is None:
            return
        elif kind is DeadlineKind.JOB_EXPIRY:
            self._check_expiry(record)
        elif record.status is JobStatus.IN_PROGRESS and record.started_at is not None:
            if kind is DeadlineKind.ORPHAN_CHECK:
                self._check_orphan(record)
            elif self.now >= record.started_at + record.execution_timeout:
                self._time_out(record, "it ran longer than its execution timeout")

    def _check_worker(self, worker_id: str) -> None:
        worker = self.workers.get(worker_id)
        if worker is None or worker.supervised:
            return
        due_at = worker.last_seen_at + self.settings.worker_silence
        if self.now >= due_at:
            self.lose_worker(worker_id, self.now)
        else:
            self._deadlines.add(due_at, DeadlineKind.WORKER_CHECK, worker_id)

    def _check_expiry(self, record: JobRecord) -> None:
        if record.batch_id is not None:
            if not record.terminal and self.now >= record.expires_at:
                self._time_out(record, "its ttl ended")
        elif self.now >= record.gone_at:
            self._interrupt(record)
            self._remove(record, JobStatus.TIMED_OUT)
            self._counters.expired += 1

    def _check_orphan(self, record: JobRecord) -> None:
        worker = self._holder(record)
        if worker is not None and worker.attached and not record.dropped:
            return
        due_at = record.last_seen_at + self.settings.orphan_after
        if self.now >= due_at:
            self._orphan(record)
        else:
            self._deadlines.add(due_at, DeadlineKind.ORPHAN_CHECK, record.id)

    # Workers and the jobs that they hold.

    def _touch(self, worker_id: str) -> WorkerRecord:
        """Note a sign of life of a worker, perhaps its first."""
        worker = self.workers.get(worker_id)
        if worker is None:
            worker = self.workers[worker_id] = WorkerRecord(id=worker_id, last_seen_at=self.now)
            self._deadlines.add(self.now + self.settings.worker_silence, DeadlineKind.WORKER_CHECK, worker_id)
        worker.last_seen_at = self.now
        return worker

    def _holder(self, record: JobRecord) -> WorkerRecord | None:
        return self.workers.get(record.worker_id or "")

    def _held(self, worker_id: str, job_id: str, now: float) -> JobRecord | None:
        """Return the job if this worker holds it; a report about it is a sign of life."""
        now = self.advance(now)
        record = self.jobs.get(job_id)
        if record is None or record.status is not JobStatus.IN_PROGRESS or record.worker_id != worker_id:
            return None
        record.last_seen_at = now
        if worker_id in self.workers:
            self.workers[worker_id].last_seen_at = now
        return record

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

    def _time_out(self, record: JobRecord, reason: str) -> None:
        self._interrupt(record)
        record.error = f"job timed out: {reason}"
        self._end(record, JobStatus.TIMED_OUT)

    def _enqueue(self, record: JobRecord, *, first: bool = False) -> None:
        put = self._waiting.prepend if first else self._waiting.append
        put(record.id, low_priority=record.submission.low_priority)
        self._announce_waiting(1)

    def _announce_waiting(self, count: int) -> None:
        if count and not self.paused:
            self._events.append(JobsWaiting(count))
