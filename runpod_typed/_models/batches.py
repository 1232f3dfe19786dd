"""Batches: many requests that are collected in a draft, and run together when the endpoint has capacity."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, cast

from attrs import field, frozen
from runpod_queue_api import wire
from typing_extensions import TypeVar

from runpod_typed._models.jobs import JobState
from runpod_typed._models.open_enum import OpenEnum

Out = TypeVar("Out", default=Any, covariant=True)

# An earlier draft of Runpod's documents gives a batch the statuses of a job.
_FINAL = frozenset({*wire.FINAL_BATCH_STATUSES, *wire.FINAL_JOB_STATUSES})


class BatchStatus(OpenEnum):
    """The status of a batch. It equals its string: ``status == "FINALIZED"``.

    There is no status for running and none for completed: `Batch.done` tells. The list is open: an unknown status is
    kept as it came.
    """

    DRAFT = "DRAFT"
    """It takes requests, and runs none."""
    FINALIZED = "FINALIZED"
    """It takes no more requests; those that it has wait, run, or are finished."""
    FAILED = "FAILED"
    """The batch itself failed. A failed request does not fail its batch."""
    CANCELLED = "CANCELLED"
    """It was cancelled, and none of its requests runs any more."""


@frozen(kw_only=True)
class Batch:
    """A batch at one moment, as the platform described it.

    Runpod documents only the response of `get`. If the response to a change tells less, the fields that it leaves out
    are None or 0; ``endpoint.batches.get(batch)`` reads them all.
    """

    id: str
    """The batch's id."""
    status: BatchStatus | None = None
    """The batch's status, or None if the response does not tell."""
    name: str | None = None
    """The display name, or None."""
    endpoint_id: str | None = None
    """The endpoint that runs it, or None if the response does not tell."""
    request_total: int = 0
    """Requests of the batch; 0 if the response does not tell."""
    request_in_progress: int = 0
    """Requests that a worker runs now."""
    request_completed: int = 0
    """Requests with a result."""
    request_failed: int = 0
    """Requests that failed. They never fail the batch."""
    created_at: datetime | None = None
    """The time of creation in UTC, or None if the response does not tell."""
    raw: Any = field(repr=False, eq=False)
    """The response as it came, read-only: a JSON object, or any other JSON that the platform sent after a change."""
    _is_counted: bool = field(default=False, repr=False, eq=False, alias="is_counted")

    @property
    def done(self) -> bool:
        """True if all requests are finished, with a result or without."""
        if self.status is None or self.status is BatchStatus.DRAFT:
            return False
        finished = self.request_completed + self.request_failed
        return self.status in _FINAL or (self._is_counted and finished >= self.request_total)

    def to_dict(self) -> dict[str, Any]:
        """Return the response's JSON as it came; empty if it was not an object."""
        raw = cast("object", self.raw)
        return dict(cast("Mapping[str, Any]", raw)) if isinstance(raw, Mapping) else {}


@frozen(kw_only=True, repr=False)
class BatchResult(JobState[Out], Generic[Out]):
    """A request of a batch: the state of a job, with its times.

    Example:
        ::

            for result in endpoint.batches.results(batch):
                if result.succeeded:
                    print(result.id, result.output)
    """

    started_at: datetime | None = None
    """The time at which a worker took it, or None."""
    completed_at: datetime | None = None
    """The time at which it finished, or None."""


@frozen(kw_only=True)
class Page:
    """A page of the requests of a batch, outputs as they came."""

    results: tuple[BatchResult[Any], ...]
    total: int | None
    has_more: bool | None
