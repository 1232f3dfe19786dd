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
from collections.abc import Callable
from typing import Final

from attrs import asdict
from attrs.filters import exclude
from runpod_queue_api import wire

from runpod_typed.local._engine.dispatcher import Dispatcher
from runpod_typed.local._engine.records import (
    RETRYABLE,
    Chunk,
    JobRecord,
    JobStatus,
    Submission,
    SubmittedJob,
    count_workers,
    new_job_id,
)
from runpod_typed.local._engine.schedule import DeadlineKind
from runpod_typed.local._engine.settings import EngineSettings
from runpod_typed.local._engine.store import NotFoundError

KEPT_SUBMISSIONS: Final = 10_000


class NotAllowedError(Exception):
    """The state of a job or batch, or a limit, forbids the operation."""


class Engine(Dispatcher):
    """The operations of clients on jobs."""

    def __init__(self, settings: EngineSettings | None = None, *, new_id: Callable[[], str] = new_job_id) -> None:
        super().__init__(settings if settings is not None else EngineSettings())
        self.throttled = 0
        self.submissions: deque[SubmittedJob] = deque(maxlen=KEPT_SUBMISSIONS)
        self._new_id = new_id

    def health(self, now: float) -> dict[str, dict[str, int]]:
        """Return the response of `/health`."""
        self.advance(now)
        return {"jobs": self._counters.show(), "workers": count_workers(self.workers.values(), self.throttled)}

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
            id=job_id or (wire.SYNC_JOB_ID_PREFIX if sync else "") + self._new_id(),
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
        shown = asdict(submission, recurse=False, filter=exclude("s3_config"))
        self.submissions.append(SubmittedJob(id=record.id, sync=sync, **shown))
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
                self._counters.purged += 1
        return len(ids)

    def shorten(self, job_id: str, ttl: float, now: float) -> None:
        """Let the job live for at most `ttl` more seconds (not yet scaled)."""
        record = self.get(job_id, now)
        expires_at = self.now + self.settings.scaled(ttl)
        if expires_at < record.expires_at:
            record.expires_at = expires_at
            self._deadlines.add(expires_at, DeadlineKind.JOB_EXPIRY, job_id)
