"""The decisions of a run over batches: its options, which request is which, what a request ended with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, final

from attrs import define, field, frozen
from runpod_queue_api import wire

from runpod_typed._core.bulk import Item
from runpod_typed._models.batches import Batch, BatchResult
from runpod_typed._models.jobs import JobState, JobStatus
from runpod_typed._models.poll_policy import PollPolicy
from runpod_typed.errors import (
    JobError,
    QueueTimeoutError,
    RunpodError,
    WaitTimeoutError,
)

MAX_IN_FLIGHT: Final = wire.BATCH_MAX_ACTIVE * wire.BATCH_MAX_REQUESTS
MAX_ACTIVE: Final = wire.BATCH_MAX_ACTIVE
_BATCH_BYTES: Final = 128 * 2**20  # of requests that are kept in memory until they are sent
_ANCHORS: Final = 4


@define(eq=False, kw_only=True)
class ActiveBatch:
    """A batch that the run has made, and its inputs by the ids of their requests."""

    id: str
    items: dict[str, Item]
    finalized_at: float | None = None
    """The time on the monotonic clock; None while it is a draft."""
    refused_alone: bool = False
    """True if it was last refused although no other batch was active by then."""

    def passed_limit(
        self, batch: Batch, timeout: float | None, queue_timeout: float | None, now: float
    ) -> TimeLimit | None:
        """Return the time limit of the run that is over for this batch, or None."""
        waited = 0.0 if self.finalized_at is None else now - self.finalized_at
        started = batch.request_in_progress + batch.request_completed + batch.request_failed > 0
        if timeout is not None and waited >= timeout:
            return TimeLimit(timeout, until_started=False)
        if queue_timeout is not None and waited >= queue_timeout and not started:
            return TimeLimit(queue_timeout, until_started=True)
        return None


@frozen
class TimeLimit:
    """A time limit of the caller."""

    seconds: float
    until_started: bool


@final
@define
class Collected:
    """The inputs of the next batch."""

    room: int
    items: list[Item] = field(factory=list[Item])
    size: int = 0

    @property
    def full(self) -> bool:
        """True if the batch takes no more inputs."""
        return len(self.items) >= self.room or self.size >= _BATCH_BYTES

    def add(self, item: Item, size: int) -> None:
        """Add an input whose request has the given size in bytes."""
        self.items.append(item)
        self.size += size


# The requests of a draft


def anchor_count(requests: int) -> int:
    """Return the number of requests to send one by one, so that the ids that they get are known."""
    return min(_ANCHORS, max(1, requests - 1))


def new_id(listed: Sequence[str], known: Sequence[str]) -> str | None:
    """Return the only id that is new in a list, or None if there is not exactly one."""
    new = set(listed) - set(known)
    return new.pop() if len(new) == 1 and len(listed) == len(known) + 1 else None


def in_order(listed: Sequence[str], anchors: Sequence[str]) -> list[str] | None:
    """Return the ids of a draft's requests in the order of submission, or None if it cannot be told.

    Runpod does not document the order of the list. The ids of the first requests are known, since these were sent one
    by one: the list must begin with them, or end with them in reverse.
    """
    for order in (list(listed), list(reversed(listed))):
        if order[: len(anchors)] == list(anchors):
            return order
    return None


def order_error(batch_id: str, endpoint_id: str) -> RunpodError:
    """Return the error for a draft whose requests cannot be told apart."""
    error = RunpodError(
        f"Batch {batch_id} of endpoint {endpoint_id} does not list its requests in the order of submission, so their "
        "results could not be told apart. Nothing was run, and the draft is discarded. Use endpoint.map(), or "
        "endpoint.batches.create() with inputs that the handler returns beside its output."
    )
    error.batch_id, error.endpoint_id = batch_id, endpoint_id
    return error


# Results


def may_run_again(item: Item, state: JobState[Any], attempts: int) -> bool:
    """Return whether a request that FAILED or TIMED_OUT is to be run once more."""
    return item.record.attempts < attempts and state.status in {JobStatus.FAILED, JobStatus.TIMED_OUT}


def unfinished_error(batch: Batch, endpoint_id: str, item: Item, limit: TimeLimit | None) -> RunpodError:
    """Return the error for a request that has no result when its batch has finished, or when a time limit has."""
    request_id = item.job_id or ""
    where = f"Request {request_id} of batch {batch.id} of endpoint {endpoint_id}"
    error: RunpodError
    if limit is None:
        error = JobError(f"{where} has no result, and the batch has finished as {batch.status}.", job_id=request_id)
    else:
        kind = QueueTimeoutError if limit.until_started else WaitTimeoutError
        what = "was not taken by a worker" if limit.until_started else "did not finish"
        error = kind(
            f"{where} {what} within {limit.seconds:g} s. The batch keeps running: endpoint.batches.results("
            f"{batch.id!r}) shows its results, endpoint.batches.cancel({batch.id!r}) ends it.",
            job=None,
        )
        error.job_id = request_id
    error.batch_id, error.endpoint_id = batch.id, endpoint_id
    return error


def take_results(active: ActiveBatch, results: Sequence[BatchResult[Any]]) -> list[tuple[Item, BatchResult[Any]]]:
    """Remove the finished requests from a batch, and return them with their inputs."""
    return [(active.items.pop(result.id), result) for result in results if result.done and result.id in active.items]


def poll_pause(policy: PollPolicy, elapsed: float) -> float:
    """Return the seconds until the next poll of batches, the newest of which was finalized `elapsed` seconds ago."""
    return min(policy.max_interval, max(policy.min_interval, elapsed / 5))
