"""The records of jobs and workers, and their forms on the wire."""

import uuid
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from enum import Enum, StrEnum
from typing import Any, Final

from attrs import define, field, frozen


class Absent(Enum):
    """The value of a missing JSON key (None is a JSON value)."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


class JobStatus(StrEnum):
    """The states of a job."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"


TERMINAL: Final = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.TIMED_OUT})
RETRYABLE: Final = frozenset({JobStatus.FAILED, JobStatus.TIMED_OUT})


@frozen(kw_only=True)
class Submission:
    """A valid request envelope. Times are seconds, not yet scaled."""

    input: object
    webhook: str | None = None
    execution_timeout: float | None = None
    ttl: float | None = None
    low_priority: bool = False
    s3_config: Mapping[str, object] | None = None


@frozen(kw_only=True)
class SubmittedJob:
    """A submission, as the queue accepted it."""

    id: str
    """The job's id."""
    input: Any
    """The input, any JSON."""
    sync: bool
    """True if it came by `/runsync`."""
    webhook: str | None
    """The URL that is called when the job has finished, or None."""
    execution_timeout: float | None
    """Seconds that the job may run; None if the client did not say."""
    ttl: float | None
    """Seconds that the job may live; None if the client did not say."""
    low_priority: bool
    """True if other jobs go first."""


@frozen(kw_only=True)
class Result:
    """The result that a worker posts."""

    output: object = ABSENT
    error: object = None
    stop_pod: bool = False
    """The worker asks to be replaced."""


@frozen
class Chunk:
    """A streamed chunk with metrics, as vLLM workers send them. Handlers in this process may yield it.

    ```python
    def handler(job):
        yield Chunk("Hello", metrics={"output_tokens": 1})
    ```
    """

    output: object
    """The chunk, any JSON."""
    metrics: object = None
    """The metrics beside it, any JSON object; None for none."""


@frozen
class HistoryEntry:
    """Something that happened to a job."""

    at: float
    """Seconds since 1970 of the engine's clock."""
    kind: str
    """A status, `progress` or `chunk`."""
    value: object = None
    """The progress or the chunk."""


@define(eq=False, kw_only=True)
class JobRecord:
    """A job. Times are seconds since 1970 of the engine's clock."""

    id: str
    submission: Submission
    batch_id: str | None
    queued_at: float
    visible_at: float
    """Clients get 404 before this time."""
    expires_at: float
    """The end of the job's whole life, in any state."""
    retention: float
    execution_timeout: float
    status: JobStatus = JobStatus.IN_QUEUE
    started_at: float | None = None
    ended_at: float | None = None
    worker_id: str | None = None
    output: object = ABSENT
    error: object = None
    has_progress: bool = False
    """`output` is a progress update, not a result."""
    dropped: bool = False
    """Its worker threw it away without a report, as the SDK does if `input` is missing."""
    retries: int = 0
    """Re-dispatches and retries, as the API shows them."""
    redispatches: int = 0
    """Re-dispatches since the last submission or retry."""
    last_seen_at: float = 0.0
    """The last report or heartbeat about it."""
    chunks: list[Chunk] = field(factory=list[Chunk])
    """The chunks that no client has drained yet."""
    history: deque[HistoryEntry] = field(factory=lambda: deque[HistoryEntry](maxlen=0))
    """The last things that happened to it, as many as the settings say."""

    @property
    def has_output(self) -> bool:
        """A result with content, as opposed to the `[]` of a generator whose chunks are not aggregated."""
        return self.output is not ABSENT and self.output != [] and not self.has_progress

    @property
    def terminal(self) -> bool:
        """The job has reached its final state."""
        return self.status in TERMINAL

    @property
    def gone_at(self) -> float:
        """The time at which the queue forgets the job, as things stand."""
        return self.expires_at if self.ended_at is None else min(self.expires_at, self.ended_at + self.retention)

    def reset(self) -> None:
        """Remove the traces of a run before the next one."""
        self.started_at = self.ended_at = self.worker_id = self.error = None
        self.output = ABSENT
        self.has_progress = self.dropped = False
        self.chunks.clear()


class WorkerState(StrEnum):
    """The worker counters of `/health`; `ready` equals `idle`, as in every capture."""

    IDLE = "idle"
    INITIALIZING = "initializing"
    RUNNING = "running"
    UNHEALTHY = "unhealthy"


@define(eq=False, kw_only=True)
class WorkerRecord:
    """A worker."""

    id: str
    last_seen_at: float
    """Its last poll or heartbeat."""
    supervised: bool = False
    """This process started it and reports its end, so silence does not matter."""
    attached: bool = False
    """It runs in this process, so its jobs need no heartbeat."""
    ready: bool = False
    """It has asked for work at least once."""
    healthy: bool = True
    jobs: dict[str, None] = field(factory=dict[str, None])
    """The jobs that it holds, in the order taken."""
    stops: list[str] = field(factory=list[str])
    """The jobs to stop that it has not been told of."""
    reported: frozenset[str] | None = None
    """The jobs of its last heartbeat; None between a stop and the next heartbeat."""

    @property
    def state(self) -> WorkerState:
        """The counter that it belongs to."""
        if not self.healthy:
            return WorkerState.UNHEALTHY
        if self.jobs:
            return WorkerState.RUNNING
        return WorkerState.IDLE if self.ready else WorkerState.INITIALIZING


def count_workers(workers: Iterable[WorkerRecord], throttled: int) -> dict[str, int]:
    """Return the `workers` object of `/health`, keys in alphabetical order."""
    counts = Counter(worker.state.value for worker in workers)
    counts["ready"], counts["throttled"] = counts["idle"], throttled
    return {name: counts[name] for name in sorted({*WorkerState, "ready", "throttled"})}


def new_job_id() -> str:
    """Return an id in the platform's form."""
    return f"{uuid.uuid4()}-u1"


def milliseconds(seconds: float) -> int:
    """Convert seconds to the API's whole milliseconds."""
    return max(0, round(seconds * 1000))


def show_job(record: JobRecord, now: float) -> dict[str, object]:
    """Return the job as `/status` shows it, keys in alphabetical order as in every capture."""
    shown: dict[str, object] = {}
    if record.started_at is not None:
        shown["delayTime"] = milliseconds(record.started_at - record.queued_at)
    if record.error is not None:
        shown["error"] = record.error
    if record.started_at is not None and (record.ended_at is not None or record.has_progress):
        end = record.ended_at if record.ended_at is not None else now
        shown["executionTime"] = milliseconds(end - record.started_at)
    shown["id"] = record.id
    if record.output is not ABSENT:
        shown["output"] = record.output
    if record.retries:
        shown["retries"] = record.retries
    shown["status"] = record.status.value
    if record.worker_id is not None:
        shown["workerId"] = record.worker_id
    return shown


def show_webhook(record: JobRecord, now: float) -> dict[str, object]:
    """Return the job as a webhook receives it: with its input and the webhook itself."""
    shown = show_job(record, now) | {"input": record.submission.input, "webhook": record.submission.webhook}
    return dict(sorted(shown.items()))


def show_chunk(chunk: Chunk) -> dict[str, object]:
    """Return a chunk as `/stream` shows it."""
    metrics = {} if chunk.metrics is None else {"metrics": chunk.metrics}
    return {**metrics, "output": chunk.output}


def show_for_worker(record: JobRecord) -> dict[str, object]:
    """Return the job as a worker takes it.

    An empty object as input is left out, as on the platform: the worker finds no `input` and drops the job.
    """
    submission = record.submission
    shown: dict[str, object] = {"id": record.id}
    if submission.input != {}:
        shown["input"] = submission.input
    optional = {"webhook": submission.webhook, "s3Config": submission.s3_config, "batchId": record.batch_id}
    return shown | {name: value for name, value in optional.items() if value is not None}
