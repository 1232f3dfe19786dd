"""The queue itself: a pure state machine of jobs and workers.

Each method that depends on time takes it as `now`, in seconds since 1970; a clock that goes back stands still. Nothing
sleeps, reads a clock or does I/O. What should happen outside is emitted as events (`take_events`).

    IN_QUEUE --take--> IN_PROGRESS --finish--> COMPLETED | FAILED
    IN_QUEUE | IN_PROGRESS --cancel--> CANCELLED
    IN_PROGRESS --execution timeout--> TIMED_OUT
    IN_PROGRESS --its worker vanished--> IN_QUEUE (once), then FAILED
    FAILED | TIMED_OUT --retry--> IN_QUEUE
    any --ttl, retention, purge--> gone
"""

from collections import deque
from collections.abc import Collection, Iterable
from typing import Final

from attrs import asdict
from attrs.filters import exclude
from runpod_queue_api import wire

from runpod_typed.local._engine.counters import QueueStats
from runpod_typed.local._engine.events import WorkerReplaced
from runpod_typed.local._engine.records import (
    RETRYABLE,
    Chunk,
    JobRecord,
    JobStatus,
    Result,
    Submission,
    SubmittedJob,
    WorkerRecord,
    count_workers,
    new_job_id,
)
from runpod_typed.local._engine.settings import EngineSettings
from runpod_typed.local._engine.transitions import Transitions

KEPT_SUBMISSIONS: Final = 10_000


class NotFoundError(Exception):
    """No such job or batch: unknown, expired, purged or deleted."""


class NotAllowedError(Exception):
    """The state of a job or batch, or a limit, forbids the operation."""


class Engine(Transitions):
    """The operations of clients, of workers and of the supervisor of workers."""

    def __init__(self, settings: EngineSettings | None = None) -> None:
        super().__init__(settings if settings is not None else EngineSettings())
        self._submitted: deque[tuple[str, bool, Submission]] = deque(maxlen=KEPT_SUBMISSIONS)
        self.throttled = 0

    def stats(self) -> QueueStats:
        """Return the counts since the start."""
        return self.counters.snapshot()

    @property
    def submissions(self) -> tuple[SubmittedJob, ...]:
        """The last submissions, oldest first."""
        without_bucket = exclude("s3_config")
        return tuple(
            SubmittedJob(id=job_id, sync=sync, **asdict(submission, recurse=False, filter=without_bucket))
            for job_id, sync, submission in self._submitted
        )

    def health(self, now: float) -> dict[str, dict[str, int]]:
        """Return the response of `/health`."""
        self.advance(now)
        return {"jobs": self.counters.show(), "workers": count_workers(self.workers.values(), self.throttled)}

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
                self.counters.count_end(record.status)
                self._deadlines.add(record.gone_at, self._check_expiry, record.id)
                continue
            if record.status is JobStatus.IN_PROGRESS:
                self._requeue(record)
            self._enqueue(record)

    # Operations of clients.

    def submit(
        self,
        submission: Submission,
        now: float,
        *,
        sync: bool = False,
        batch_id: str | None = None,
        job_id: str | None = None,
        hidden_for: float = 0.0,
    ) -> JobRecord:
        """Queue a job. For `hidden_for` seconds, clients get 404.

        With `sync`, the id gets a prefix and the retention is shorter. A job of a batch is kept as long as the batch,
        and its ttl ends it without removing it, so that the counts of the batch add up.
        """
        now = self.advance(now)
        settings = self.settings
        ttl, timeout = submission.ttl, submission.execution_timeout
        record = JobRecord(
            id=job_id or (wire.SYNC_JOB_ID_PREFIX if sync else "") + new_job_id(),
            submission=submission,
            batch_id=batch_id,
            queued_at=now,
            visible_at=now + hidden_for,
            expires_at=now + settings.scaled(settings.ttl if ttl is None else ttl),
            retention=settings.scaled(settings.run_sync_retention if sync else settings.run_retention),
            execution_timeout=settings.scaled(settings.execution_timeout if timeout is None else timeout),
            history=deque(maxlen=settings.history),
        )
        self._add(record)
        self._note(record, record.status.value)
        self._submitted.append((record.id, sync, submission))
        self._enqueue(record)
        return record

    def get(self, job_id: str, now: float) -> JobRecord:
        """Return the job as clients find it: `NotFoundError` while it is not visible."""
        record = self.find(job_id, now)
        if self.now < record.visible_at:
            raise NotFoundError("job not found")
        return record

    def find(self, job_id: str, now: float) -> JobRecord:
        """Return the job as workers find it: visible from the start."""
        self.advance(now)
        if (record := self.jobs.get(job_id)) is None:
            raise NotFoundError("job not found")
        return record

    def drain(self, job_id: str, now: float) -> list[Chunk]:
        """Remove and return the chunks since the last call."""
        record = self.get(job_id, now)
        chunks, record.chunks = record.chunks, []
        return chunks

    def cancel(self, job_id: str, now: float) -> JobRecord:
        """Remove the job from the queue, or have its worker stop it. A finished job stays as it is."""
        record = self.get(job_id, now)
        if not record.terminal:
            self._interrupt(record)
            self._end(record, JobStatus.CANCELLED)
        return record

    def retry(self, job_id: str, now: float) -> JobRecord:
        """Queue a failed job again, under the same id and with the same input."""
        record = self.get(job_id, now)
        if record.status not in RETRYABLE:
            raise NotAllowedError(f"job {job_id} is {record.status}: only FAILED and TIMED_OUT jobs can be retried")
        record.redispatches = 0
        record.queued_at = self.now
        self._requeue(record)
        self._enqueue(record)
        return record

    def purge(self, now: float) -> int:
        """Remove all waiting jobs and return their number."""
        self.advance(now)
        ids = self._waiting.clear()
        for record in map(self.jobs.__getitem__, ids):
            if record.batch_id is not None:
                self._end(record, JobStatus.CANCELLED)
            else:
                self._remove(record, JobStatus.CANCELLED)
                self.counters.purged += 1
        return len(ids)

    def shorten(self, job_id: str, ttl: float, now: float) -> None:
        """Let the job live for at most `ttl` more seconds (not yet scaled)."""
        record = self.get(job_id, now)
        expires_at = self.now + self.settings.scaled(ttl)
        if expires_at < record.expires_at:
            record.expires_at = expires_at
            self._deadlines.add(expires_at, self._check_expiry, job_id)

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
            self.counters.executions[job_id] += 1
            self._deadlines.add(now + record.execution_timeout, self._check_timeout, job_id)
            if not worker.attached:
                self._deadlines.add(now + self.settings.orphan_after, self._check_orphan, job_id)
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
        return True

    def chunk(self, worker_id: str, job_id: str, chunk: Chunk, now: float) -> bool:
        """Accept a streamed chunk; False if the worker does not hold the job."""
        record = self._held(worker_id, job_id, now)
        if record is None:
            return False
        record.chunks.append(chunk)
        self._note(record, "chunk", chunk.output)
        return True

    def finish(self, worker_id: str, job_id: str, result: Result, now: float) -> bool:
        """Accept a result; False if the worker does not hold the job."""
        record = self._held(worker_id, job_id, now)
        if result.stop_pod and worker_id in self.workers:
            self._events.append(WorkerReplaced(worker_id))
        if record is None:
            self.counters.ignored_results += 1
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
            self._deadlines.add(self.now + self.settings.orphan_after, self._check_orphan, job_id)

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
        self._lose(worker_id)

    def is_running_cancelled_job(self, worker_id: str, job_id: str) -> bool | None:
        """Tell if a worker runs a job that it should have stopped, and no other; None until its next heartbeat."""
        worker = self.workers.get(worker_id)
        if worker is None or worker.jobs:
            return False
        return None if worker.reported is None else job_id in worker.reported
