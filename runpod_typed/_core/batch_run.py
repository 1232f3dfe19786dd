"""The decisions of a run over batches: its options, which request is which, what a request ended with."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final, final

from attrs import define, field, frozen
from runpod_queue_api import models, wire

from runpod_typed._models.batches import Batch, BatchResult
from runpod_typed._models.jobs import JobState, JobStatus
from runpod_typed._models.map_results import MapResult
from runpod_typed._models.poll_policy import PollPolicy
from runpod_typed.errors import (
    APIConnectionError,
    APIError,
    JobError,
    QueueTimeoutError,
    RateLimitError,
    RunpodError,
    ServerError,
    SubmissionUncertainError,
    WaitTimeoutError,
)

PASSING: Final = (APIConnectionError, RateLimitError, ServerError, SubmissionUncertainError)
"""Failures that pass: no step before finalizing runs anything, and finalizing is safe to repeat."""

MAX_IN_FLIGHT: Final = wire.BATCH_MAX_ACTIVE * wire.BATCH_MAX_REQUESTS
MAX_ACTIVE: Final = wire.BATCH_MAX_ACTIVE
_BATCH_BYTES: Final = 128 * 2**20  # of requests that are kept in memory until they are sent
_ANCHORS: Final = 4


# Items


@define(eq=False, kw_only=True)
class Item:
    """An input on its way."""

    index: int
    value: Any
    key: str
    body: models.RunRequest | None = None
    """The request; None once it is sent."""
    attempts: int = 0
    """The number of requests that were queued for it."""
    request_id: str | None = None
    """The id of the last one."""
    state: JobState[Any] | None = None
    """The last one's failure, if it may be run again."""

    def result(
        self, state: JobState[Any] | None = None, error: RunpodError | None = None, *, from_journal: bool = False
    ) -> MapResult[Any, Any]:
        """Return the result of the input."""
        if state is not None and error is None:
            try:
                state.result()
            except RunpodError as raised:
                error = raised
        return MapResult(
            index=self.index,
            key=self.key,
            input=self.value,
            job_id=self.request_id,
            state=state,
            error=error,
            attempts=self.attempts,
            from_journal=from_journal,
        )


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
class ResultBuffer:
    """Results that the consumer has not taken, in the order in which it takes them."""

    ordered: bool
    _next: int = 0
    _waiting: dict[int, MapResult[Any, Any]] = field(factory=dict[int, "MapResult[Any, Any]"])
    _ready: deque[MapResult[Any, Any]] = field(factory=deque["MapResult[Any, Any]"])

    def __len__(self) -> int:
        return len(self._waiting) + len(self._ready)

    @property
    def ready(self) -> bool:
        """True if the next result is there."""
        return bool(self._ready)

    def put(self, result: MapResult[Any, Any]) -> None:
        """Add a result."""
        if not self.ordered:
            self._ready.append(result)
            return
        self._waiting[result.index] = result
        while self._next in self._waiting:
            self._ready.append(self._waiting.pop(self._next))
            self._next += 1

    def take(self) -> MapResult[Any, Any] | None:
        """Return the next result, or None if it is not there yet."""
        return self._ready.popleft() if self._ready else None


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
    return item.attempts < attempts and state.status in {JobStatus.FAILED, JobStatus.TIMED_OUT}


def unfinished_error(batch: Batch, endpoint_id: str, item: Item, limit: TimeLimit | None) -> RunpodError:
    """Return the error for a request that has no result when its batch has finished, or when a time limit has."""
    request_id = item.request_id or ""
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


@final
@define
class Outage:
    """Failures in a row that may pass."""

    policy: PollPolicy
    _since: float | None = None
    _failures: int = 0

    def passed(self) -> None:
        """Note that a call succeeded."""
        self._since, self._failures = None, 0

    def pause_after(self, error: APIError, now: float) -> float:
        """Return the seconds to wait before the next try.

        Raises:
            APIError: The outage lasts too long.
        """
        self._since = now if self._since is None else self._since
        if now - self._since >= self.policy.max_outage:
            error.add_note(f"Gave up after an outage of {now - self._since:.0f} s (PollPolicy.max_outage).")
            raise error
        self._failures += 1
        return min(self.policy.max_interval, self.policy.min_interval * 2.0 ** min(self._failures, 60))


# The journal


def journal_id(batch_id: str, request_id: str) -> str:
    """Return the id under which a journal has a request of a batch."""
    return f"{batch_id}/{request_id}"


def split_journal_id(job_id: str | None) -> tuple[str, str] | None:
    """Return the batch and the request of an id in a journal, or None if it is the id of a single job."""
    batch_id, _, request_id = (job_id or "").partition("/")
    return (batch_id, request_id) if request_id else None
