"""The queue itself: which job is where, and what an event does to it.

A pure state machine. Every method that depends on time is given the time (seconds of a clock that the caller owns; a
clock that goes back is taken to stand still). Nothing sleeps, reads a clock or talks to anybody; what should happen
outside is collected as events for `take_events`.

    IN_QUEUE --take--> IN_PROGRESS --finish--> COMPLETED | FAILED
    IN_QUEUE | IN_PROGRESS --cancel--> CANCELLED
    IN_PROGRESS --execution timeout--> TIMED_OUT
    IN_PROGRESS --its worker vanished--> IN_QUEUE (once), then FAILED
    FAILED | TIMED_OUT --retry--> IN_QUEUE
    any --ttl, retention, purge--> gone
"""

from collections.abc import Callable, Collection

from runpod_queue_api import wire

from runpod_typed.local._engine.crew import Crew
from runpod_typed.local._engine.deadlines import Due
from runpod_typed.local._engine.errors import NotAllowedError, NotFoundError
from runpod_typed.local._engine.events import Event, JobChanged, JobsWaiting, WorkerReplaced
from runpod_typed.local._engine.jobs import RETRYABLE, JobRecord, JobStatus, Result, Submission, new_job_id
from runpod_typed.local._engine.ledger import Ledger, gone_at
from runpod_typed.local._engine.settings import EngineSettings
from runpod_typed.local._engine.statistics import QueueStats
from runpod_typed.local._engine.waiting_line import WaitingLine


class Engine:
    """Jobs, the waiting line, and the workers that take from it.

    Args:
        settings: The figures to go by.
        new_id: Makes job ids; the prefix of synchronous jobs is added to them.
    """

    def __init__(self, settings: EngineSettings | None = None, *, new_id: Callable[[], str] = new_job_id) -> None:
        self.settings = settings if settings is not None else EngineSettings()
        self._ledger = Ledger()
        self.crew = Crew(self._ledger, self.settings.worker_silence)
        self.jobs = self._ledger.jobs
        self.workers = self.crew.members
        self._new_id = new_id
        self._paused = False
        self._line = WaitingLine()

    # Time and what comes with it.

    def advance(self, now: float) -> float:
        """Let time pass: everything that was due by `now` happens. Returns the engine's time."""
        while (deadline := self._ledger.deadlines.pop_due(now)) is not None:
            self._ledger.now = max(self._ledger.now, deadline.at)
            self._check(deadline.due, deadline.subject)
        self._ledger.now = max(self._ledger.now, now)
        return self._ledger.now

    @property
    def now(self) -> float:
        """The latest time that the engine was told."""
        return self._ledger.now

    @property
    def next_deadline(self) -> float | None:
        """When `advance` should be called again, if nothing else happens."""
        return self._ledger.deadlines.next_at

    def take_events(self) -> list[Event]:
        """What happened since the last call, for the shell to act upon."""
        return self._ledger.take_events()

    # What clients do.

    def submit(
        self,
        submission: Submission,
        now: float,
        *,
        sync: bool = False,
        batch_id: str | None = None,
        job_id: str | None = None,
    ) -> JobRecord:
        """Put a job into the line.

        Args:
            submission: What to run, and how.
            now: The time.
            sync: It came through `/runsync`: another prefix, a shorter retention.
            batch_id: The batch it belongs to. Its result is kept as long as the batch, and its ttl ends it without
                removing it, so that the batch's counts add up.
            job_id: Its id, where that was promised before.
        """
        now = self.advance(now)
        scaled = self.settings.scaled
        if job_id is None:
            job_id = wire.SYNC_JOB_ID_PREFIX + self._new_id() if sync else self._new_id()
        ttl = submission.ttl if submission.ttl is not None else self.settings.ttl
        timeout = submission.execution_timeout
        record = JobRecord(
            id=job_id,
            submission=submission,
            sync=sync,
            batch_id=batch_id,
            submitted_at=now,
            queued_at=now,
            expires_at=now + scaled(ttl),
            retention=scaled(self.settings.run_sync_retention if sync else self.settings.run_retention),
            execution_timeout=scaled(timeout if timeout is not None else self.settings.execution_timeout),
        )
        self._ledger.add(record)
        self._line.append(job_id, low_priority=submission.low_priority)
        self._announce_waiting(1)
        return record

    def get(self, job_id: str, now: float) -> JobRecord:
        """The job.

        Raises:
            NotFoundError: There is none, or no longer.
        """
        self.advance(now)
        record = self.jobs.get(job_id)
        if record is None:
            raise NotFoundError("job not found")
        return record

    def drain(self, job_id: str, now: float) -> list[object]:
        """The chunks streamed since the last call; nobody gets them again."""
        record = self.get(job_id, now)
        chunks, record.chunks = record.chunks, []
        return chunks

    def cancel(self, job_id: str, now: float) -> JobRecord:
        """Take the job out of the line, or have its worker stop it. A job that has ended stays as it is."""
        record = self.get(job_id, now)
        if not record.terminal:
            self._interrupt(record)
            self._ledger.end(record, JobStatus.CANCELLED)
        return record

    def retry(self, job_id: str, now: float) -> JobRecord:
        """Put a failed job back into the line, under the same id and with the same input.

        Raises:
            NotFoundError: There is none, or no longer.
            NotAllowedError: It has neither failed nor timed out.
        """
        record = self.get(job_id, now)
        if record.status not in RETRYABLE:
            raise NotAllowedError(f"job {job_id} is {record.status}: only FAILED and TIMED_OUT jobs can be retried")
        record.redispatches = 0
        record.queued_at = self._ledger.now
        self._ledger.requeue(record)
        self._line.append(job_id, low_priority=record.submission.low_priority)
        self._announce_waiting(1)
        return record

    def purge(self, now: float) -> int:
        """Remove every waiting job; how many they were."""
        self.advance(now)
        ids = self._line.clear()
        for job_id in ids:
            record = self.jobs[job_id]
            if record.batch_id is not None:
                self._ledger.end(record, JobStatus.CANCELLED)
            else:
                self._ledger.remove(record, JobStatus.CANCELLED)
                self._ledger.tally.purged += 1
        return len(ids)

    def shorten(self, job_id: str, ttl: float, now: float) -> None:
        """Let the job live for `ttl` more seconds (not yet scaled) at most."""
        record = self.get(job_id, now)
        expires_at = self._ledger.now + self.settings.scaled(ttl)
        if expires_at < record.expires_at:
            record.expires_at = expires_at
            self._ledger.deadlines.add(expires_at, Due.JOB_EXPIRY, job_id)

    # What workers do.

    def take(self, worker_id: str, now: float, *, limit: int = 1) -> list[JobRecord]:
        """Give a worker up to `limit` jobs."""
        now = self.advance(now)
        worker = self.crew.see(worker_id)
        worker.ready = worker.healthy = True
        taken: list[JobRecord] = []
        while not self._paused and len(taken) < limit and (job_id := self._line.pop()) is not None:
            record = self.jobs[job_id]
            record.started_at = record.signed_at = now
            self.crew.assign(worker, record)
            self._ledger.set_status(record, JobStatus.IN_PROGRESS)
            self._ledger.tally.executions[job_id] += 1
            self._ledger.deadlines.add(now + record.execution_timeout, Due.EXECUTION_TIMEOUT, job_id)
            if not worker.attached:
                self._ledger.deadlines.add(now + self.settings.orphan_after, Due.ORPHAN_CHECK, job_id)
            taken.append(record)
        return taken

    def progress(self, worker_id: str, job_id: str, output: object, now: float) -> bool:
        """Take a progress update; False if the job is not (or no longer) with this worker."""
        record = self._held(worker_id, job_id, now)
        if record is None:
            return False
        record.output = output
        record.progress = True
        self._ledger.tell(JobChanged(record.id))
        return True

    def chunk(self, worker_id: str, job_id: str, output: object, now: float) -> bool:
        """Take a streamed chunk; False if the job is not (or no longer) with this worker."""
        record = self._held(worker_id, job_id, now)
        if record is None:
            return False
        record.chunks.append(output)
        self._ledger.tell(JobChanged(record.id))
        return True

    def finish(self, worker_id: str, job_id: str, result: Result, now: float) -> bool:
        """Take a result; False if it changes nothing, since the job is not (or no longer) with this worker."""
        record = self._held(worker_id, job_id, now)
        if result.stop_pod and worker_id in self.workers:
            self._ledger.tell(WorkerReplaced(worker_id))
        if record is None:
            self._ledger.tally.ignored_results += 1
            return False
        self.crew.release(record)
        record.progress = False
        record.output = result.output
        record.error = result.error
        self._ledger.end(record, JobStatus.COMPLETED if result.error is None else JobStatus.FAILED)
        return True

    def drop(self, worker_id: str, job_id: str, now: float) -> None:
        """A worker in this process threw the job away without a word: it is an orphan from here on."""
        record = self._held(worker_id, job_id, now)
        if record is not None:
            record.dropped = True
            self.crew.release(record)
            self._ledger.deadlines.add(self._ledger.now + self.settings.orphan_after, Due.ORPHAN_CHECK, job_id)

    def ping(self, worker_id: str, job_ids: Collection[str], now: float, *, healthy: bool = True) -> None:
        """Take a heartbeat that names the jobs in progress.

        A job that the worker should not be running (any more) is to be stopped, once more if need be: the SDK overlooks
        a stop that comes between fetching and starting a job.
        """
        now = self.advance(now)
        worker = self.crew.see(worker_id)
        worker.healthy = healthy
        for job_id in job_ids:
            if job_id in worker.jobs:
                self.jobs[job_id].signed_at = now
            else:
                self.crew.stop(worker, job_id)
        worker.reported = frozenset(job_ids)

    def take_stops(self, worker_id: str, now: float) -> list[str]:
        """The jobs that this worker should stop and has not been told of."""
        self.advance(now)
        worker = self.crew.see(worker_id)
        stops, worker.stops = worker.stops, []
        return stops

    # What the supervisor of workers does.

    def start_worker(self, worker_id: str, now: float, *, attached: bool = False, healthy: bool = True) -> None:
        """A worker of ours starts. One that takes the place of a failed one is unhealthy until it asks for work."""
        self.advance(now)
        self.crew.add(worker_id, attached=attached, healthy=healthy)

    def lose_worker(self, worker_id: str, now: float) -> None:
        """A worker is gone; its jobs go to others."""
        self.advance(now)
        worker = self.workers.pop(worker_id, None)
        if worker is not None:
            for job_id in list(worker.jobs):
                self._orphan(self.jobs[job_id])

    def runs_in_vain(self, worker_id: str, job_id: str) -> bool | None:
        """Whether a worker still runs a job that it was told to stop, and nothing else; None if nobody knows yet."""
        worker = self.workers.get(worker_id)
        if worker is None or worker.jobs:
            return False
        return job_id in worker.reported if worker.reported is not None else None

    def pause(self) -> None:
        """Hand out no more jobs."""
        self._paused = True

    def resume(self) -> None:
        """Hand out jobs again."""
        self._paused = False
        self._announce_waiting(len(self._line))

    # What people look at.

    @property
    def waiting(self) -> int:
        """Jobs in the line."""
        return len(self._line)

    def health(self, now: float) -> dict[str, dict[str, int]]:
        """The answer of `/health`."""
        self.advance(now)
        return {"jobs": self._ledger.tally.show(), "workers": self.crew.show()}

    def stats(self) -> QueueStats:
        """The counts since the start."""
        return self._ledger.tally.snapshot()

    # The inside.

    def _check(self, due: Due, subject: str) -> None:
        if due is Due.WORKER_CHECK:
            if self.crew.is_silent(subject):
                self.lose_worker(subject, self._ledger.now)
            return
        record = self.jobs.get(subject)
        if record is None:
            return
        if due is Due.JOB_EXPIRY:
            self._check_expiry(record)
        elif record.status is JobStatus.IN_PROGRESS and record.started_at is not None:
            if due is Due.EXECUTION_TIMEOUT and self._ledger.now >= record.started_at + record.execution_timeout:
                self._interrupt(record)
                record.error = "job timed out: it ran longer than its execution timeout"
                self._ledger.end(record, JobStatus.TIMED_OUT)
            elif due is Due.ORPHAN_CHECK:
                self._check_orphan(record)

    def _check_expiry(self, record: JobRecord) -> None:
        if record.batch_id is not None:
            if not record.terminal and self._ledger.now >= record.expires_at:
                self._interrupt(record)
                record.error = "job timed out: its ttl ended"
                self._ledger.end(record, JobStatus.TIMED_OUT)
        elif self._ledger.now >= gone_at(record):
            self._interrupt(record)
            self._ledger.remove(record, JobStatus.TIMED_OUT)
            self._ledger.tally.expired += 1

    def _check_orphan(self, record: JobRecord) -> None:
        worker = self.crew.holder(record)
        if worker is not None and worker.attached and not record.dropped:
            return
        due_at = record.signed_at + self.settings.orphan_after
        if self._ledger.now >= due_at:
            self._orphan(record)
        else:
            self._ledger.deadlines.add(due_at, Due.ORPHAN_CHECK, record.id)

    def _held(self, worker_id: str, job_id: str, now: float) -> JobRecord | None:
        """The job, if this worker holds it; a report about it is a sign of life."""
        now = self.advance(now)
        record = self.jobs.get(job_id)
        if record is None or record.status is not JobStatus.IN_PROGRESS or record.worker_id != worker_id:
            return None
        record.signed_at = now
        if worker_id in self.workers:
            self.workers[worker_id].seen_at = now
        return record

    def _interrupt(self, record: JobRecord) -> None:
        """Take an unfinished job out of the line, or away from its worker."""
        if record.status is JobStatus.IN_QUEUE:
            self._line.discard(record.id)
        elif record.status is JobStatus.IN_PROGRESS:
            self.crew.interrupt(record)

    def _orphan(self, record: JobRecord) -> None:
        self.crew.release(record)
        if record.redispatches < self.settings.redispatches:
            record.redispatches += 1
            self._ledger.requeue(record)
            self._line.put_first(record.id, low_priority=record.submission.low_priority)
            self._announce_waiting(1)
        else:
            record.error = f"job timed out after {record.retries} retries"
            self._ledger.end(record, JobStatus.FAILED)

    def _announce_waiting(self, count: int) -> None:
        if count and not self._paused:
            self._ledger.tell(JobsWaiting(count))
