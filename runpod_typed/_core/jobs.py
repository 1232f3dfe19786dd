"""A job as people see it: its status, its state, and what its end means."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Generic, assert_never, cast

import attrs
from attrs import field, frozen
from runpod_queue_api import models
from runpod_queue_api.types import Unset
from typing_extensions import TypeVar

from runpod_typed._core.codecs import Codec, decode_output
from runpod_typed._core.plain_json import printable
from runpod_typed._core.shapes import (
    WrongShapeError,
    as_any,
    as_count,
    as_object,
    as_optional_int,
    as_optional_text,
    as_text,
    kind_of,
    parse,
    read_only,
)
from runpod_typed._core.worker_errors import is_platform_timeout, parse_worker_failure
from runpod_typed.errors import JobCancelledError, JobError, JobFailedError, JobTimedOutError

# Of what a worker says, so much stands in an error's message; all of it in the error's attributes.
_SHOWN_CHARACTERS = 1000

Out = TypeVar("Out", default=Any, covariant=True)
OutT = TypeVar("OutT")
Chunk = TypeVar("Chunk", default=Any, covariant=True)


@frozen
class JobAddress:
    """Where a job is found."""

    endpoint_id: str
    job_id: str


@frozen(kw_only=True)
class JobCodecs:
    """How a job's output and its chunks become what the caller declared."""

    output: Codec[Any]
    chunk: Codec[Any]


class JobStatus(StrEnum):
    """Where a job stands. It equals its text: ``status == "COMPLETED"``.

    The list is open: a status that this version has never heard of is kept as it came, counts as not finished, and
    prints, compares, hashes and pickles like the others (only ``is`` tells two of them apart).

    Source: the vendor's documents, "Job states".
    """

    IN_QUEUE = "IN_QUEUE"
    """It waits for a worker."""
    IN_PROGRESS = "IN_PROGRESS"
    """A worker has it."""
    RUNNING = "RUNNING"
    """The documents' other word for IN_PROGRESS; no answer was ever seen to say it."""
    COMPLETED = "COMPLETED"
    """It has ended and its output is there."""
    FAILED = "FAILED"
    """Its handler raised or returned an error, or the platform gave it up."""
    CANCELLED = "CANCELLED"
    """It was cancelled."""
    TIMED_OUT = "TIMED_OUT"
    """No worker took it, or none reported back, in time."""

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended: nothing but a retry changes it any more."""
        return self in _TERMINAL

    @property
    def is_running(self) -> bool:
        """Whether a worker has the job right now."""
        return self in _RUNNING

    @classmethod
    def _missing_(cls, value: object) -> JobStatus | None:
        if not isinstance(value, str) or not value:
            return None
        known = cls.__members__.get(value.upper())
        if known is not None:
            return known
        unknown = str.__new__(cls, value)
        unknown._name_ = value
        unknown._value_ = value
        return unknown


_TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.TIMED_OUT})
_RUNNING = frozenset({JobStatus.IN_PROGRESS, JobStatus.RUNNING})


@frozen(kw_only=True)
class JobState(Generic[Out]):
    """A job at one moment, as the platform told it.

    Source: the vendor's documents, "Operation reference" and "Job states".

    Attributes:
        id: The job's id.
        status: Where it stands.
        output: What the handler returned, in the type that the caller declared; None until the job is COMPLETED, and
            where the handler returned nothing.
        error: What went wrong, as the platform has it (mostly a text); None where nothing did.
        delay_time_ms: Milliseconds that the job waited for a worker; None until one took it.
        execution_time_ms: Milliseconds that it ran; None until it has ended.
        retries: How often the platform handed it out again.
        worker_id: The worker that has or had it.
        progress: What the handler last reported while it runs; None where it reported nothing, and after the end.
        raw: The answer as it came, read-only.
    """

    id: str
    status: JobStatus
    output: Out | None = field(default=None, hash=False)
    error: Any = field(default=None, hash=False)
    delay_time_ms: int | None = None
    execution_time_ms: int | None = None
    retries: int = 0
    worker_id: str | None = None
    progress: Any = field(default=None, hash=False)
    raw: Mapping[str, Any] = field(repr=False, eq=False)

    @property
    def started(self) -> bool:
        """Whether a worker has the job, or had it."""
        return (
            self.status.is_running
            or self.status in {JobStatus.COMPLETED, JobStatus.FAILED}
            or self.worker_id is not None
        )

    @property
    def completed(self) -> bool:
        """Whether the job has ended, well or not."""
        return self.status.is_terminal

    @property
    def succeeded(self) -> bool:
        """Whether the job has ended with a result."""
        return self.status is JobStatus.COMPLETED

    @property
    def error_message(self) -> str | None:
        """What went wrong, in the worker's own words, without its traceback; None where nothing did."""
        return parse_worker_failure(self.error).message

    def to_dict(self) -> dict[str, Any]:
        """The API's JSON, as it came."""
        return dict(self.raw)


@frozen(kw_only=True)
class JobEvent(Generic[Out]):
    """A change of a job's status or progress.

    Attributes:
        status: The status from now on.
        progress: What the handler last reported; None where it reported nothing.
        state: All that is known of the job at this moment.
    """

    status: JobStatus
    progress: Any = field(hash=False)
    state: JobState[Out]


@frozen(kw_only=True)
class StreamChunk(Generic[Chunk]):
    """One thing that a streaming handler yielded.

    Attributes:
        output: What it yielded, in the type that the caller declared.
        metrics: What the worker measured beside it (vLLM workers do); None where there is nothing.
        raw: The chunk as it came, read-only.
    """

    output: Chunk = field(hash=False)
    metrics: Mapping[str, Any] | None = field(default=None, hash=False)
    raw: Mapping[str, Any] = field(repr=False, eq=False)


def read_status(value: object) -> JobStatus:
    """A status from a generated model's attribute: known ones by name, the rest as they came."""
    if isinstance(value, models.KnownJobStatus):
        return _known_status(value)
    return JobStatus(as_text(as_any(value), "the status"))


# One case a status, so that a type checker points here when the specification gains one.
def _known_status(known: models.KnownJobStatus) -> JobStatus:
    match known:
        case models.KnownJobStatus.IN_QUEUE:
            return JobStatus.IN_QUEUE
        case models.KnownJobStatus.IN_PROGRESS:
            return JobStatus.IN_PROGRESS
        case models.KnownJobStatus.RUNNING:
            return JobStatus.RUNNING
        case models.KnownJobStatus.COMPLETED:
            return JobStatus.COMPLETED
        case models.KnownJobStatus.FAILED:
            return JobStatus.FAILED
        case models.KnownJobStatus.CANCELLED:
            return JobStatus.CANCELLED
        case models.KnownJobStatus.TIMED_OUT:
            return JobStatus.TIMED_OUT
        case _:
            assert_never(known)


def read_job(data: object) -> JobState[Any]:
    """A job from decoded JSON, its output as it came; WrongShapeError where it is none."""
    raw = as_object(data, "the answer")
    job = parse(models.Job, raw)
    status = read_status(job.status)
    output = as_any(job.output)
    return JobState(
        id=as_text(as_any(job.id), "the job's id"),
        status=status,
        # Until the end, a worker's progress stands in the place of the output.
        output=output if status is JobStatus.COMPLETED else None,
        progress=None if status.is_terminal else output,
        error=_plain_error(job.error),
        delay_time_ms=as_optional_int(job.delay_time, "the delay time"),
        execution_time_ms=as_optional_int(job.execution_time, "the execution time"),
        retries=as_count(job.retries, "the number of retries"),
        worker_id=as_optional_text(job.worker_id, "the worker's id"),
        raw=read_only(raw),
    )


def _plain_error(error: models.ErrorObject | str | Unset) -> Any:
    return error.to_dict() if isinstance(error, models.ErrorObject) else as_any(error)


def with_typed_output(state: JobState[Any], codec: Codec[OutT]) -> JobState[OutT]:
    """The state with its output in the caller's type.

    Raises:
        OutputError: The job is COMPLETED and its output does not fit the type.
    """
    if state.status is not JobStatus.COMPLETED:
        return cast("JobState[OutT]", state)
    return attrs.evolve(state, output=decode_output(codec, state.output, job_id=state.id))


def was_cancelled(state: JobState[Any]) -> bool:
    """Whether a cancellation whose answer was lost has happened."""
    return state.status is JobStatus.CANCELLED


def was_requeued(state: JobState[Any]) -> bool:
    """Whether queueing a failed job once more, whose answer was lost, has happened."""
    return state.status not in {JobStatus.FAILED, JobStatus.TIMED_OUT}


def job_error(state: JobState[Any]) -> JobError | None:
    """The error that a job's end amounts to; None where it has a result, or has not ended."""
    where = f"Job {state.id}"
    match state.status:
        case JobStatus.FAILED if is_platform_timeout(state.error):
            return JobTimedOutError(
                f"{where} was given up by the platform: {state.error}. No worker reported back; its logs may tell why "
                "(a crash, or an input that the worker dropped).",
                job_id=state.id,
                state=state,
            )
        case JobStatus.FAILED:
            return _failed(state, where)
        case JobStatus.CANCELLED:
            return JobCancelledError(f"{where} was cancelled.", job_id=state.id, state=state)
        case JobStatus.TIMED_OUT:
            return JobTimedOutError(
                f"{where} timed out on the platform: no worker took it, or none reported back, within its ttl or "
                "execution timeout. Retry it with job.retry(), or raise the limits with ExecutionPolicy.",
                job_id=state.id,
                state=state,
            )
        case _:
            return None


def result_of(state: JobState[OutT]) -> OutT:
    """The output of a job that has ended.

    Raises:
        JobError: It has none, since it failed, was cancelled or timed out.
    """
    error = job_error(state)
    if error is not None:
        raise error
    return cast("OutT", state.output)  # None only where the type allows it: the codec has seen to that


def _failed(state: JobState[Any], where: str) -> JobFailedError:
    failure = parse_worker_failure(state.error)
    said = ": ".join(part for part in (failure.error_type, failure.message) if part) or "the worker gave no reason"
    return JobFailedError(
        f"{where} failed: {printable(said, _SHOWN_CHARACTERS)}",
        job_id=state.id,
        state=state,
        error_type=failure.error_type,
        error_message=failure.message,
        remote_traceback=failure.traceback,
        worker_id=state.worker_id or failure.worker_id,
    )


def read_chunk(data: object) -> StreamChunk[Any]:
    """One chunk from decoded JSON, its output as it came; WrongShapeError where it is none."""
    raw = as_object(data, "a chunk")
    chunk = parse(models.StreamChunk, raw)
    metrics = as_any(chunk.metrics)
    return StreamChunk(
        output=as_any(chunk.output),
        metrics=None if metrics is None else read_only(metrics.to_dict()),
        raw=read_only(raw),
    )


@frozen(kw_only=True)
class StreamPage:
    """What one look at a stream brought.

    Attributes:
        status: Where the job stands; None where the answer does not say, as the bare array of the documents.
        chunks: What the worker yielded since the look before.
    """

    status: JobStatus | None
    chunks: tuple[StreamChunk[Any], ...]

    @property
    def tells_nothing(self) -> bool:
        """Whether it neither holds a chunk nor says where the job stands."""
        return self.status is None and not self.chunks


(_CHUNKS,) = models.StreamAnswer(stream=[]).to_dict()


def read_stream_page(data: object) -> StreamPage:
    """One stream answer from decoded JSON, in either of its known forms; WrongShapeError where it is neither."""
    if isinstance(data, list):  # the documents' example; the platform answers with an object
        return StreamPage(status=None, chunks=_chunks(cast("list[object]", data)))
    raw = as_object(data, "the answer")
    # One by one: the model as a whole would refuse them all for a null in one of them, and they would be gone.
    page = parse(models.StreamAnswer, {name: item for name, item in raw.items() if name != _CHUNKS})
    status = None if isinstance(page.status, Unset) else read_status(page.status)
    return StreamPage(status=status, chunks=_chunks(raw.get(_CHUNKS)))


def _chunks(items: object) -> tuple[StreamChunk[Any], ...]:
    if items is None:
        return ()
    if not isinstance(items, list):
        raise WrongShapeError(f"the chunks must be an array, and are {kind_of(items)}")
    return tuple(read_chunk(item) for item in cast("list[object]", items))
