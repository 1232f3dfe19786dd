"""What the API answers about a job, read by the generated models into what people see."""

from __future__ import annotations

from typing import Any, assert_never, cast

from runpod_queue_api import models
from runpod_queue_api.types import Unset

from runpod_typed._codecs.json import decode_leaving
from runpod_typed._models.jobs import JobState, JobStatus, StreamChunk, StreamPage
from runpod_typed._models.validation import (
    ValidationError,
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
    """A job from decoded JSON, its output as it came; ValidationError where it is none."""
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


def read_completed_job(body: bytes) -> JobState[Any] | None:
    """A COMPLETED job from an answer's body, its output left as text; None where the body is to be decoded whole."""
    data = decode_leaving(body, _OUTPUT)
    if data is None:
        return None
    try:
        state = read_job(data)
    except ValidationError:
        return None
    return state if state.status is JobStatus.COMPLETED else None


(_OUTPUT,) = models.Job("", "", output="").to_dict().keys() - models.Job("", "").to_dict().keys()


def _plain_error(error: models.ErrorObject | list[Any] | str | Unset) -> Any:
    return error.to_dict() if isinstance(error, models.ErrorObject) else as_any(error)


def read_chunk(data: object) -> StreamChunk[Any]:
    """One chunk from decoded JSON, its output as it came; ValidationError where it is none."""
    raw = as_object(data, "a chunk")
    chunk = parse(models.StreamChunk, raw)
    metrics = as_any(chunk.metrics)
    return StreamChunk(
        output=as_any(chunk.output),
        metrics=None if metrics is None else read_only(metrics.to_dict()),
        raw=read_only(raw),
    )


(_CHUNKS,) = models.StreamAnswer(stream=[]).to_dict()


def read_stream_page(data: object) -> StreamPage:
    """One stream answer from decoded JSON, in either of its known forms; ValidationError where it is neither."""
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
        raise ValidationError(f"the chunks must be an array, and are {kind_of(items)}")
    return tuple(read_chunk(item) for item in cast("list[object]", items))
