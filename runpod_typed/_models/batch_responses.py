"""Reading the responses of the operations on batches, see `responses`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, assert_never, assert_type, cast

from attrs import evolve
from runpod_queue_api import models, wire
from runpod_queue_api.types import UNSET, Unset

from runpod_typed._models.batches import Batch, BatchResult, BatchStatus, Page
from runpod_typed._models.jobs import JobStatus
from runpod_typed._models.responses import (
    Reader,
    ValidationError,
    as_array,
    as_count,
    as_error,
    as_object,
    as_optional_int,
    as_optional_string,
    as_string,
    parse,
    read_only,
    reads,
    without_items,
)


def _read_status(value: models.KnownBatchStatus | str) -> BatchStatus:
    if isinstance(value, models.KnownBatchStatus):
        return _known_status(value)
    return BatchStatus(as_string(value, "the batch's status"))


# One case for each status, so that a type checker points here when the specification gains one.
def _known_status(known: models.KnownBatchStatus) -> BatchStatus:
    match known:
        case models.KnownBatchStatus.DRAFT:
            return BatchStatus.DRAFT
        case models.KnownBatchStatus.FINALIZED:
            return BatchStatus.FINALIZED
        case models.KnownBatchStatus.FAILED:
            return BatchStatus.FAILED
        case models.KnownBatchStatus.CANCELLED:
            return BatchStatus.CANCELLED
        case _:
            assert_never(known)


@reads(models.Batch)
def read_batch(batch: models.Batch, raw: Mapping[str, Any]) -> Batch:
    """Return a batch."""
    return Batch(
        id=as_string(batch.id, "the batch's id"),
        status=_read_status(batch.status),
        name=as_optional_string(batch.name, "the batch's name"),
        endpoint_id=as_optional_string(batch.endpoint_id, "the batch's endpoint"),
        request_total=as_count(batch.request_total, "the number of requests"),
        request_in_progress=as_count(batch.request_in_progress, "the number of requests in progress"),
        request_completed=as_count(batch.request_completed, "the number of completed requests"),
        request_failed=as_count(batch.request_failed, "the number of failed requests"),
        created_at=_created_at(batch.created_at),
        raw=read_only(raw),
        is_counted=not isinstance(batch.request_total, Unset),
    )


def _created_at(value: int | Unset) -> datetime | None:
    assert_type(wire.BATCH_CREATED_UNIT, Literal["epoch-milliseconds"])
    # An earlier draft of the documents has a string here, which stays in `raw`.
    milliseconds = None if isinstance(cast("object", value), str) else as_optional_int(value, "the time of creation")
    try:
        return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise ValidationError(f"the time of creation is out of range ({error})") from error


def _read_list(data: object) -> tuple[tuple[Batch, ...], bool]:
    if isinstance(data, list):
        return _batches(UNSET, cast("object", data)), False
    raw = as_object(data, "the response")
    if wire.BATCH_LIST_KEY not in raw:
        raise ValidationError("the response has no batches")
    page = parse(models.BatchList, without_items(raw, wire.BATCH_LIST_KEY))
    return _batches(page.batches, raw[wire.BATCH_LIST_KEY]), bool(_has_more(page.has_more))


def _has_more(value: bool | Unset) -> bool | None:  # noqa: FBT001 -- as the model has it
    return None if isinstance(value, Unset) else value is True


# The field of the model is there for its type alone; so it is in `_results`.
def _batches(_field: list[models.Batch] | Unset, items: object) -> tuple[Batch, ...]:
    return tuple(read_batch(item) for item in as_array(items, "the batches"))


read_batch_list = Reader[models.BatchList | list[models.Batch], tuple[tuple[Batch, ...], bool]](_read_list)
"""The batches of a response, and whether there are more."""

read_change = Reader[models.BatchAcknowledgement, Any](lambda data: data)
"""The response to a change of a batch, whose form is not documented: any JSON, or None for an empty body."""


def changed_batch(batch_id: str, response: Any) -> Batch:
    """Return what the response to a change tells of a batch."""
    if not isinstance(response, Mapping):
        return Batch(id=batch_id, raw=response)
    raw = cast("Mapping[str, Any]", response)
    try:
        return evolve(read_batch(raw), id=batch_id)
    except ValidationError:
        pass
    try:
        status = parse(models.BatchAcknowledgement, raw).status
        read = None if isinstance(status, Unset) else _read_status(status)
    except ValidationError:
        read = None
    return Batch(id=batch_id, status=read, raw=read_only(raw))


# One case for each status, as above.
def _request_status(value: models.KnownBatchRequestStatus | str) -> JobStatus:
    if not isinstance(value, models.KnownBatchRequestStatus):
        return JobStatus(as_string(value, "the request's status"))
    match value:
        case models.KnownBatchRequestStatus.IN_QUEUE:
            return JobStatus.IN_QUEUE
        case models.KnownBatchRequestStatus.IN_PROGRESS:
            return JobStatus.IN_PROGRESS
        case models.KnownBatchRequestStatus.COMPLETED:
            return JobStatus.COMPLETED
        case models.KnownBatchRequestStatus.FAILED:
            return JobStatus.FAILED
        case models.KnownBatchRequestStatus.CANCELLED:
            return JobStatus.CANCELLED
        case _:
            assert_never(value)


@reads(models.BatchRequest, wire.BATCH_OUTPUT_KEY)
def read_result(request: models.BatchRequest, raw: Mapping[str, Any]) -> BatchResult[Any]:
    """Return a request of a batch, its output as it came."""
    status = _request_status(request.status)
    started, completed = _time(request.started_at), _time(request.completed_at)
    read: BatchResult[Any] = BatchResult(
        id=as_string(request.id, "the request's id"),
        status=status,
        output=raw.get(wire.BATCH_OUTPUT_KEY) if status.is_terminal else None,
        error=as_error(request.error),
        execution_time_ms=_milliseconds_between(started, completed),
        raw=read_only(raw),
        started_at=started,
        completed_at=completed,
    )
    return read


def _time(value: datetime | Unset) -> datetime | None:
    if isinstance(value, Unset):
        return None
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def _milliseconds_between(started: datetime | None, completed: datetime | None) -> int | None:
    if started is None or completed is None:
        return None
    return max(0, round((completed - started).total_seconds() * 1000))


def _read_page(data: object) -> Page:
    raw = as_object(data, "the response")
    page = parse(models.BatchRequestPage, without_items(raw, wire.BATCH_REQUESTS_KEY))
    return Page(
        results=_results(page.requests, raw.get(wire.BATCH_REQUESTS_KEY)),
        total=as_optional_int(page.total, "the number of requests"),
        has_more=_has_more(page.has_more),
    )


def _results(_field: list[models.BatchRequest], items: object) -> tuple[BatchResult[Any], ...]:
    return tuple(read_result(item) for item in as_array(items, "the requests"))


read_page = Reader[models.BatchRequestPage, Page](_read_page)
"""A page of the requests of a batch."""
