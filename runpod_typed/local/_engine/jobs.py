"""A job: what was asked, where it stands, and how the API shows it."""

import uuid
from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import Final

from attrs import define, field, frozen


class Absent(Enum):
    """The value of a JSON key that is not there (None is a JSON value)."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


class JobStatus(StrEnum):
    """The states that the platform reports."""

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
    """A request envelope that passed validation. Times are seconds as the caller gave them, not yet scaled."""

    input: object
    webhook: str | None = None
    execution_timeout: float | None = None
    ttl: float | None = None
    low_priority: bool = False
    s3_config: Mapping[str, object] | None = None


@frozen(kw_only=True)
class Result:
    """What a worker posts when a job is done.

    Attributes:
        output: Any JSON, or ABSENT where the handler returned `{}`.
        error: A string or object, or None.
        stop_pod: The worker wants to be replaced.
    """

    output: object = ABSENT
    error: object = None
    stop_pod: bool = False


@define(eq=False, kw_only=True)
class JobRecord:
    """Everything the engine knows about one job. Times are seconds of the engine's clock.

    Attributes:
        expires_at: When the job's whole life ends, whatever its state.
        retries: Re-dispatches and retries together, as the API shows them.
        redispatches: Re-dispatches since the last submission or retry.
        progress: `output` is a progress update, not a result.
        dropped: A worker got the job and threw it away without a word, as the SDK does when `input` is missing.
        signed_at: The last sign that a worker is at it.
        chunks: What was streamed and not yet drained.
    """

    id: str
    submission: Submission
    sync: bool
    batch_id: str | None
    submitted_at: float
    queued_at: float
    expires_at: float
    retention: float
    execution_timeout: float
    status: JobStatus = JobStatus.IN_QUEUE
    started_at: float | None = None
    ended_at: float | None = None
    worker_id: str | None = None
    output: object = ABSENT
    error: object = None
    progress: bool = False
    retries: int = 0
    redispatches: int = 0
    dropped: bool = False
    signed_at: float = 0.0
    chunks: list[object] = field(factory=list[object])

    @property
    def terminal(self) -> bool:
        """Nothing more will happen to it, unless somebody retries it."""
        return self.status in TERMINAL

    def forget_run(self) -> None:
        """Drop what a run left behind, before the next one."""
        self.started_at = self.ended_at = self.worker_id = self.error = None
        self.output = ABSENT
        self.progress = self.dropped = False
        self.chunks.clear()


def new_job_id() -> str:
    """An id as the platform makes them."""
    return f"{uuid.uuid4()}-u1"


def milliseconds(seconds: float) -> int:
    """Seconds -> the API's whole milliseconds."""
    return max(0, round(seconds * 1000))


def show_job(record: JobRecord, now: float) -> dict[str, object]:
    """The job as `/status` shows it, keys in alphabetical order as in every capture."""
    shown: dict[str, object] = {}
    if record.started_at is not None:
        shown["delayTime"] = milliseconds(record.started_at - record.queued_at)
    if record.error is not None:
        shown["error"] = record.error
    if record.started_at is not None and (record.ended_at is not None or record.progress):
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
    """The job as a webhook receives it: with its input and the webhook itself."""
    shown = show_job(record, now) | {"input": record.submission.input, "webhook": record.submission.webhook}
    return dict(sorted(shown.items()))


def show_for_worker(record: JobRecord) -> dict[str, object]:
    """The job as a worker takes it.

    An empty object as input is left out, as the platform does: the worker then finds no `input` and drops the job.
    """
    shown: dict[str, object] = {"id": record.id}
    if record.submission.input != {}:
        shown["input"] = record.submission.input
    if record.submission.webhook is not None:
        shown["webhook"] = record.submission.webhook
    if record.submission.s3_config is not None:
        shown["s3Config"] = record.submission.s3_config
    if record.batch_id is not None:
        shown["batchId"] = record.batch_id
    return shown
