"""Responses about jobs, read through the generated models into the classes that people see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never, assert_type, cast

from runpod_queue_api import models, wire
from runpod_queue_api.types import Unset

from runpod_typed._codecs.json import decode_leaving
from runpod_typed._models.job_status import JobStatus
from runpod_typed._models.jobs import JobState
from runpod_typed._models.stream import StreamChunk, StreamPage
from runpod_typed._models.validation import (
    Reader,
    ValidationError,
    as_any,
    as_array,
    as_count,
    as_object,
    as_optional_int,
    as_optional_string,
    as_string,
    parse,
    read_only,
    reads,
)

MAX_WEBHOOK_BYTES = 2 * max(wire.PAYLOAD_CAPS.values()) + 2**20
"""The largest body that the platform posts to a webhook: an input and an output of the largest size, and the rest."""


def read_status(value: models.KnownJobStatus | str) -> JobStatus:
    """Return the status of a generated model; an unknown one is kept as it came."""
    if isinstance(value, models.KnownJobStatus):
        return _known_status(value)
    return JobStatus(as_string(value, "the status"))


# One case for each status, so that a type checker points here when the specification gains one.
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


@reads(models.Job, wire.JOB_OUTPUT_KEY)
def read_job(job: models.Job, raw: Mapping[str, Any]) -> JobState[Any]:
    """Return a job, its output as it came."""
    status = read_status(job.status)
    output = raw.get(wire.JOB_OUTPUT_KEY)
    read = JobState[Any](
        id=as_string(job.id, "the job's id"),
        status=status,
        # Until the job is finished, its progress is in the place of the output.
        output=output if status.is_terminal else None,
        progress=None if status.is_terminal else output,
        error=_plain_error(job.error),
        delay_time_ms=as_optional_int(job.delay_time, "the delay time"),
        execution_time_ms=as_optional_int(job.execution_time, "the execution time"),
        retries=as_count(job.retries, "the number of retries"),
        worker_id=as_optional_string(job.worker_id, "the worker's id"),
        raw=read_only(raw),
    )
    return read  # noqa: RET504 -- mypy does not see a deprecated field within a generic call that is returned


def read_completed_job(body: bytes) -> JobState[Any] | None:
    """Return a COMPLETED job, its output left as JSON text, or None if the body is to be decoded whole."""
    data = decode_leaving(body, wire.JOB_OUTPUT_KEY)
    if data is None:
        return None
    try:
        state = read_job(data)
    except ValidationError:
        return None
    return state if state.status is JobStatus.COMPLETED else None


def _plain_error(error: models.ErrorObject | list[Any] | str | Unset) -> Any:
    return error.to_dict() if isinstance(error, models.ErrorObject) else as_any(error)


@reads(models.StreamChunk, wire.CHUNK_OUTPUT_KEY)
def read_chunk(chunk: models.StreamChunk, raw: Mapping[str, Any]) -> StreamChunk[Any]:
    """Return one chunk, its output as it came."""
    metrics = chunk.metrics
    read = StreamChunk[Any](
        output=raw.get(wire.CHUNK_OUTPUT_KEY),
        metrics=None if isinstance(metrics, Unset) else read_only(metrics.to_dict()),
        raw=read_only(raw),
    )
    return read  # noqa: RET504 -- mypy does not see a deprecated field within a generic call that is returned


def _read_stream_page(data: object) -> StreamPage:
    """Return one response of a stream, in either of its known forms."""
    if isinstance(data, list):  # the documents' example; the platform responds with an object
        return StreamPage(status=None, chunks=_chunks(cast("object", data)))
    raw = as_object(data, "the response")
    # Chunks are read one by one: the model as a whole would refuse them all for a null in one of them.
    page = parse(models.StreamAnswer, raw, wire.STREAM_CHUNKS_KEY)
    assert_type(page.stream, "list[models.StreamChunk] | Unset")
    status = None if isinstance(page.status, Unset) else read_status(page.status)
    return StreamPage(status=status, chunks=_chunks(raw.get(wire.STREAM_CHUNKS_KEY)))


def _chunks(items: object) -> tuple[StreamChunk[Any], ...]:
    return tuple(read_chunk(item) for item in as_array(items, "the chunks"))


read_stream_page = Reader[models.StreamAnswer | list[models.StreamChunk], StreamPage](_read_stream_page)
