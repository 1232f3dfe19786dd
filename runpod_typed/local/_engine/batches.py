"""Batches: requests that are collected, finalized and then run as ordinary jobs.

    DRAFT --finalize--> FINALIZED --cancel--> CANCELLED (once the running requests are finished)
    DRAFT --cancel--> CANCELLED

A batch never becomes COMPLETED: it is done when all of its requests are finished. A cancelled, purged or timed-out
request counts as failed, so that the counts add up.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from attrs import define, field

from runpod_typed.local._engine.engine import Engine, NotAllowedError, NotFoundError
from runpod_typed.local._engine.records import ABSENT, TERMINAL, JobRecord, JobStatus, Submission, milliseconds

_FAILED: Final = TERMINAL - {JobStatus.COMPLETED}
# The documents list failed requests first.
_PLACES: dict[str, int] = {JobStatus.IN_PROGRESS: 1, JobStatus.IN_QUEUE: 2, JobStatus.COMPLETED: 3}


class BatchStatus(StrEnum):
    """The states of a batch."""

    DRAFT = "DRAFT"
    FINALIZED = "FINALIZED"
    CANCELLED = "CANCELLED"


@define(eq=False, kw_only=True)
class BatchRecord:
    """A batch."""

    id: str
    created_at: float
    name: str | None = None
    finalized: bool = False
    cancelled: bool = False
    """It was cancelled; the status follows when none of its requests run any more."""
    requests: dict[str, Submission] = field(factory=dict[str, Submission])
    """The requests by id, in the order of submission. Once finalized, the id is a job id too."""


class Batches:
    """All batches of an endpoint."""

    def __init__(self, engine: Engine, endpoint_id: str) -> None:
        self._engine = engine
        self._endpoint_id = endpoint_id
        self._batches: dict[str, BatchRecord] = {}
        self.changed: dict[str, BatchRecord] = {}
        """The batches that have changed, for a reader that empties it."""

    def restore(self, batches: Iterable[BatchRecord]) -> None:
        """Take batches of an earlier run, oldest first. Their jobs are restored by the engine."""
        self._batches.update((batch.id, batch) for batch in batches)

    def create(self, submissions: Sequence[Submission], now: float) -> BatchRecord:
        """Create a draft."""
        self._check_size(len(submissions))
        batch = BatchRecord(id=f"batch_{uuid.uuid4().hex}", created_at=self._engine.advance(now))
        self._batches[batch.id] = batch
        self._add(batch, submissions)
        return batch

    def append(self, batch_id: str, submissions: Sequence[Submission], now: float) -> BatchRecord:
        """Add requests to a draft."""
        batch = self._draft(batch_id, now)
        self._check_size(len(batch.requests) + len(submissions))
        self._add(batch, submissions)
        return batch

    def delete_request(self, batch_id: str, request_id: str, now: float) -> BatchRecord:
        """Remove a request from a draft."""
        batch = self._draft(batch_id, now)
        if batch.requests.pop(request_id, None) is None:
            raise NotFoundError("batch request not found")
        self._note(batch)
        return batch

    def rename(self, batch_id: str, name: str | None, now: float) -> BatchRecord:
        """Change the display name."""
        batch = self.get(batch_id, now)
        batch.name = name
        self._note(batch)
        return batch

    def finalize(self, batch_id: str, now: float) -> BatchRecord:
        """Queue the requests of a draft."""
        batch = self._draft(batch_id, now)
        settings = self._engine.settings
        if sum(map(self._active, self._batches.values())) >= settings.active_batches:
            raise NotAllowedError(f"too many active batches; at most {settings.active_batches} per endpoint")
        if self._engine.waiting + len(batch.requests) > settings.queued_jobs:
            raise NotAllowedError(f"too many queued requests; at most {settings.queued_jobs} per endpoint")
        batch.finalized = True
        self._note(batch)
        for request_id, submission in batch.requests.items():
            self._engine.submit(submission, now, batch_id=batch.id, job_id=request_id)
        return batch

    def cancel(self, batch_id: str, now: float) -> BatchRecord:
        """Cancel the waiting requests; running ones may finish. Cancelling a finished batch changes nothing."""
        batch = self.get(batch_id, now)
        if not batch.finalized or self._active(batch):
            batch.cancelled = True
            self._note(batch)
        for job in self._jobs(batch):
            if job.status is JobStatus.IN_QUEUE:
                self._engine.cancel(job.id, now)
        return batch

    def get(self, batch_id: str, now: float) -> BatchRecord:
        """Return the batch."""
        self._engine.advance(now)
        batch = self._batches.get(batch_id)
        if batch is None:
            raise NotFoundError("batch not found")
        return batch

    def show_all(self, offset: int, limit: int) -> dict[str, object]:
        """Return a page of all batches as the API shows them, newest first."""
        newest_first = list(reversed(self._batches.values()))
        page = [self.show(batch) for batch in newest_first[offset : offset + limit]]
        return {"batches": page} | _page_numbers(offset, limit, len(newest_first))

    def show(self, batch: BatchRecord) -> dict[str, object]:
        """Return a batch as the API shows it."""
        counts = Counter(job.status for job in self._jobs(batch))
        name = {} if batch.name is None else {"name": batch.name}
        return {
            "createdAt": milliseconds(batch.created_at),
            "endpointId": self._endpoint_id,
            "id": batch.id,
            **name,
            "requestCompleted": counts[JobStatus.COMPLETED],
            "requestFailed": sum(counts[status] for status in _FAILED),
            "requestInProgress": counts[JobStatus.IN_PROGRESS],
            "requestTotal": len(batch.requests),
            "status": self.status(batch).value,
        }

    def show_page(self, batch: BatchRecord, offset: int, limit: int) -> dict[str, object]:
        """Return a page of requests as the API shows them: failed, running, waiting and completed ones, in this order.

        Requests of one kind are in the order of submission.
        """
        ordered = sorted(
            map(self._show_request, batch.requests), key=lambda shown: _PLACES.get(str(shown["status"]), 0)
        )
        return {"requests": ordered[offset : offset + limit]} | _page_numbers(offset, limit, len(ordered))

    def status(self, batch: BatchRecord) -> BatchStatus:
        """Return the status of a batch."""
        if batch.cancelled and not self._active(batch):
            return BatchStatus.CANCELLED
        return BatchStatus.FINALIZED if batch.finalized else BatchStatus.DRAFT

    def _jobs(self, batch: BatchRecord) -> list[JobRecord]:
        return [self._engine.jobs[request_id] for request_id in batch.requests] if batch.finalized else []

    def _active(self, batch: BatchRecord) -> bool:
        return any(not job.terminal for job in self._jobs(batch))

    def _draft(self, batch_id: str, now: float) -> BatchRecord:
        batch = self.get(batch_id, now)
        status = self.status(batch)
        if status is not BatchStatus.DRAFT:
            raise NotAllowedError(f"batch {batch_id} is {status}: only a DRAFT can be changed or finalized")
        return batch

    def _note(self, batch: BatchRecord) -> None:
        self.changed[batch.id] = batch

    def _add(self, batch: BatchRecord, submissions: Sequence[Submission]) -> None:
        self._note(batch)
        batch.requests.update((f"req_{uuid.uuid4().hex}", submission) for submission in submissions)

    def _check_size(self, size: int) -> None:
        most = self._engine.settings.batch_requests
        if size > most:
            raise NotAllowedError(f"too many requests in the batch: {size}; at most {most}")

    def _show_request(self, request_id: str) -> dict[str, object]:
        job = self._engine.jobs.get(request_id)
        if job is None:
            return {"id": request_id, "status": JobStatus.IN_QUEUE.value}
        shown: dict[str, object] = {}
        if job.ended_at is not None:
            shown["completedAt"] = _timestamp(job.ended_at)
        if job.error is not None:
            shown["error"] = job.error if isinstance(job.error, str) else str(job.error)
        shown["id"] = request_id
        if job.output is not ABSENT and job.terminal:
            shown["output"] = job.output
        if job.started_at is not None:
            shown["startedAt"] = _timestamp(job.started_at)
        return shown | {"status": job.status.value}


def _timestamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _page_numbers(offset: int, limit: int, total: int) -> dict[str, object]:
    return {"hasMore": offset + limit < total, "limit": limit, "offset": offset, "total": total}
