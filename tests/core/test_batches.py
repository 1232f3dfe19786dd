"""Batches: responses of known and unknown shape, pages that shift, and requests divided among calls."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runpod_queue_api import models, wire

from runpod_typed import Batch, BatchStatus, JobFailedError
from runpod_typed._codecs import json
from runpod_typed._codecs.codec import codec_for
from runpod_typed._core import batch_operations
from runpod_typed._core.batches import (
    BatchErrors,
    PageReader,
    RequestGroup,
    SizedRequest,
    as_batch_id,
    build_bodies,
    divide,
    filled_draft,
    may_be_done,
    typed_result,
)
from runpod_typed._models.batch_responses import changed_batch, read_batch, read_batch_list, read_page, read_result
from runpod_typed._models.responses import ValidationError
from runpod_typed.errors import (
    APIConnectionError,
    APIError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    InputError,
    NotFoundError,
    OutputError,
    RunpodError,
)
from tests.core.batch_calls import batch_requests
from tests.core.calls import NOW, answer, call_of

FULL: dict[str, Any] = {
    "id": "batch_1",
    "endpointId": "ep",
    "status": "FINALIZED",
    "requestTotal": 4,
    "requestInProgress": 1,
    "requestCompleted": 2,
    "requestFailed": 1,
    "createdAt": 1752057000000,
    "new": [1],
}


# Responses


def test_reads_batch_as_documented() -> None:
    batch = read_batch(FULL)
    assert (batch.id, batch.status, batch.endpoint_id, batch.name) == ("batch_1", BatchStatus.FINALIZED, "ep", None)
    assert (batch.request_total, batch.request_in_progress) == (4, 1)
    assert (batch.request_completed, batch.request_failed) == (2, 1)
    assert batch.created_at == datetime(2025, 7, 9, 10, 30, tzinfo=UTC)
    assert batch.to_dict() == batch.raw == FULL
    assert pickle.loads(pickle.dumps(batch)) == batch


@pytest.mark.parametrize(
    ("fields", "done"),
    [
        ({"status": "DRAFT"}, False),
        ({"status": "DRAFT", "requestTotal": 0}, False),
        ({"status": "FINALIZED"}, False),  # without counts, nothing is known
        ({"status": "FINALIZED", "requestTotal": 3, "requestCompleted": 1, "requestFailed": 1}, False),
        ({"status": "FINALIZED", "requestTotal": 3, "requestCompleted": 1, "requestFailed": 2}, True),
        ({"status": "FINALIZED", "requestTotal": 0}, True),
        ({"status": "CANCELLED"}, True),
        ({"status": "FAILED"}, True),
        ({"status": "RUNNING", "itemCount": 3}, False),  # an earlier draft of the documents
        ({"status": "COMPLETED", "itemCount": 3, "createdAt": "2026-07-09T10:30:00Z"}, True),
    ],
)
def test_done_follows_from_status_and_counts(fields: dict[str, Any], done: bool) -> None:
    assert read_batch({"id": "b", **fields}).done is done


def test_unknown_batch_status_is_kept() -> None:
    status = read_batch({"id": "b", "status": "PAUSED"}).status
    assert (status, repr(status)) == ("PAUSED", "<BatchStatus.PAUSED: 'PAUSED'>")
    assert BatchStatus("draft") is BatchStatus.DRAFT
    with pytest.raises(ValueError, match="is not a valid"):
        BatchStatus("")


@pytest.mark.parametrize(
    "body",
    [{}, {"id": "b"}, {"id": "", "status": "DRAFT"}, {"id": "b", "status": 1}, [], None,
     {"id": "b", "status": "DRAFT", "createdAt": 1e300}, {"id": "b", "status": "DRAFT", "requestTotal": "3"}],
)  # fmt: skip
def test_refuses_batch_of_wrong_shape(body: object) -> None:
    with pytest.raises(ValidationError):
        read_batch(body)


@pytest.mark.parametrize(
    ("body", "ids", "more"),
    [
        ({"batches": [FULL], "hasMore": True}, ["batch_1"], True),
        ({"batches": [], "hasMore": None}, [], False),
        ({"batches": [FULL], "hasMore": 1}, ["batch_1"], False),
        ([FULL, {"id": "b", "status": "DRAFT"}], ["batch_1", "b"], False),
    ],
)
def test_reads_list_in_either_form(body: object, ids: list[str], more: bool) -> None:
    batches, has_more = read_batch_list(body)
    assert ([batch.id for batch in batches], has_more) == (ids, more)


@pytest.mark.parametrize("body", [{}, {"items": []}, {"batches": {}}, "text", None])
def test_refuses_list_of_wrong_shape(body: object) -> None:
    with pytest.raises(ValidationError):
        read_batch_list(body)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "status", "requestTotal", "x"]), inner),
)


@given(ANY_JSON)
def test_change_of_any_shape_is_kept_raw(body: Any) -> None:
    batch = changed_batch("batch_1", body)
    assert batch.id == "batch_1"
    assert batch.raw == body
    assert batch.to_dict() == (body if isinstance(body, dict) else {})


def test_change_tells_what_it_can() -> None:
    assert changed_batch("batch_1", FULL).request_completed == 2
    assert changed_batch("batch_1", {"status": "FINALIZED"}).status is BatchStatus.FINALIZED
    assert changed_batch("batch_1", {"id": "req_1", "status": "IN_QUEUE"}).id == "batch_1"
    assert changed_batch("batch_1", {"status": 7}).status is None
    assert changed_batch("batch_1", {"status": ""}).status is None
    assert changed_batch("batch_1", {}).done is False


@pytest.mark.parametrize("operation", ["append_batch_requests", "finalize_batch", "cancel_batch"])
@pytest.mark.parametrize(("status", "body"), [(200, b""), (204, b""), (200, b" \n"), (200, b"null")])
def test_change_may_have_no_body(operation: str, status: int, body: bytes) -> None:
    call = call_of(batch_requests()[operation])
    assert call.result(answer(body, status), seconds=1.0, wall_clock=NOW) is None


def test_creation_must_have_a_body() -> None:
    call = call_of(batch_requests()["create_batch"])
    assert isinstance(call.result(answer(b""), seconds=1.0, wall_clock=NOW), APIError)


def test_new_draft_tells_what_was_sent() -> None:
    bare = read_batch({"id": "b", "status": "DRAFT"})
    draft = filled_draft(bare, 3, "nightly")
    assert (draft.request_total, draft.name, draft.raw) == (3, "nightly", bare.raw)
    assert filled_draft(read_batch({**FULL, "name": "own"}), 1, None).name == "own"


# Results


def test_result_is_a_job_state_with_times() -> None:
    raw = {
        "id": "req_1",
        "status": "COMPLETED",
        "output": {"n": None},
        "error": None,
        "startedAt": "2026-07-09T10:30:00Z",
        "completedAt": "2026-07-09T10:30:05.250",
        "new": 1,
    }
    result = read_result(raw)
    assert (result.id, result.output, result.result()) == ("req_1", {"n": None}, {"n": None})
    assert (result.execution_time_ms, result.raw) == (5250, raw)
    assert result.completed_at == datetime(2026, 7, 9, 10, 30, 5, 250_000, tzinfo=UTC)
    assert repr(result).startswith("BatchResult(id='req_1', status=<JobStatus.COMPLETED")
    assert pickle.loads(pickle.dumps(result)) == result


def test_failed_result_raises_when_it_is_used() -> None:
    result = read_result({"id": "req_1", "status": "FAILED", "error": "Invalid image URL"})
    assert (result.succeeded, result.execution_time_ms) == (False, None)
    with pytest.raises(JobFailedError, match="Invalid image URL"):
        result.result()


def test_output_of_a_result_gets_the_declared_type() -> None:
    result = read_result({"id": "req_1", "status": "COMPLETED", "output": "2026-07-09", "startedAt": None})
    assert typed_result(result, codec_for(date)).output == date(2026, 7, 9)
    misfit = typed_result(result, codec_for(int))
    with pytest.raises(OutputError, match="req_1"):
        misfit.result()


@pytest.mark.parametrize("status", ["IN_QUEUE", "IN_PROGRESS", "CANCELLED", "QUEUED", "TIMED_OUT"])
def test_status_of_a_request_is_read_like_a_job_s(status: str) -> None:
    result = read_result({"id": "req_1", "status": status, "output": 1, "startedAt": None})
    assert (result.status, result.output, result.succeeded) == (status, None, False)


@pytest.mark.parametrize("body", [{}, {"requests": {}}, {"requests": [{"id": "r"}]}, [], {"requests": [1]}])
def test_refuses_page_of_wrong_shape(body: object) -> None:
    with pytest.raises(ValidationError):
        read_page(body)


# Pages


def page(*ids: str, **numbers: object) -> Any:
    return read_page({"requests": [{"id": each, "status": "COMPLETED"} for each in ids], **numbers})


def taken(pages: PageReader, *ids: str, **numbers: object) -> list[str]:
    return [result.id for result in pages.take(page(*ids, **numbers))]


def test_reads_pages_until_there_are_no_more() -> None:
    pages = PageReader(2)
    assert taken(pages, "a", "b", hasMore=True) == ["a", "b"]
    assert (pages.offset, pages.complete) == (2, False)
    assert taken(pages, "c", hasMore=False) == ["c"]
    assert pages.complete


def test_request_for_a_page_reads_it() -> None:
    pages = PageReader(2)
    request = batch_operations.list_requests("ep", "batch-1", pages)
    results = request.operation.read({"requests": [{"id": "a", "status": "COMPLETED"}], "hasMore": False})
    assert [result.id for result in results] == ["a"]
    assert pages.complete


def test_request_that_moves_between_pages_comes_once() -> None:
    pages = PageReader(2)
    taken(pages, "a", "b", hasMore=True)
    assert taken(pages, "b", "c", hasMore=False) == ["c"]


def test_end_follows_from_the_total_or_an_empty_page() -> None:
    by_total, by_nothing = PageReader(2), PageReader(2)
    found = list[bool]()
    for ids in (["a", "b"], ["c"]):
        taken(by_total, *ids, total=3)
        found.append(by_total.complete)
    for ids in (["a", "b"], []):
        assert taken(by_nothing, *ids) == ids
        found.append(by_nothing.complete)
    assert found == [False, True, False, True]


@pytest.mark.parametrize(("ids", "numbers"), [(["a", "b"], {"hasMore": True}), ([], {"total": 9})])
def test_page_without_progress_is_an_error(ids: list[str], numbers: dict[str, object]) -> None:
    pages = PageReader(2)
    taken(pages, "a", "b", hasMore=True)
    with pytest.raises(ValidationError, match="without anything new at offset 2"):
        pages.take(page(*ids, **numbers))


@pytest.mark.parametrize("size", [0, -1, True, 1.5, "9"])
def test_page_size_must_be_a_positive_number(size: Any) -> None:
    with pytest.raises(ConfigurationError, match="page_size= must be a whole number of 1 or more"):
        PageReader(size)


# Requests


def body_of(value: object) -> models.RunRequest:
    return models.RunRequest(input_=value)


@given(st.lists(st.integers(1, 12)), st.integers(30, 60))
def test_calls_hold_all_requests_in_order_within_the_cap(sizes: list[int], cap: int) -> None:
    requests = [SizedRequest.of(body_of("x" * size)) for size in sizes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runpod_typed._core.batches._CALL_BYTES", cap + 14)
        groups = list(divide(requests))
    assert [body for group in groups for body in group.bodies] == [request.body for request in requests]
    for group in groups:
        assert group.size == len(json.encode(models.BatchAppend(requests=group.bodies).to_dict())) <= cap + 14
    for before, after in pairwise(groups):  # no call could take the first of the next
        assert before.size + SizedRequest.of(after.bodies[0]).size + 1 > cap + 14


def test_one_request_may_fill_a_call_exactly() -> None:
    overhead = len(json.encode(models.BatchAppend(requests=[body_of("")]).to_dict()))
    exact = body_of("x" * (wire.BATCH_APPEND_MAX_BYTES - overhead))
    assert RequestGroup().takes(SizedRequest.of(exact))
    with pytest.raises(InputError, match=r"makes a request of 10\.0 MiB, and a call takes 10 MiB\. Nothing was sent"):
        SizedRequest.of(body_of("x" * (wire.BATCH_APPEND_MAX_BYTES - overhead + 1)))


def test_batch_takes_5000_inputs() -> None:
    assert list(map(len, build_bodies(range(5000), body_of))) == [5000]
    endless = iter(int, 1)
    with pytest.raises(InputError, match=r"at most 5,000 requests, and there are more inputs\. Nothing was sent"):
        build_bodies(endless, body_of)


def test_batch_is_named_by_itself_or_its_id() -> None:
    assert as_batch_id(read_batch(FULL)) == as_batch_id("batch_1") == "batch_1"
    with pytest.raises(ConfigurationError):
        as_batch_id("")


def test_no_input_is_one_empty_call() -> None:
    assert build_bodies([], body_of) == [[]]


@pytest.mark.parametrize("inputs", ["abc", b"abc", {"prompt": "x"}])
def test_one_input_in_place_of_many_is_refused(inputs: Any) -> None:
    with pytest.raises(InputError, match="must be an iterable of inputs, not one"):
        build_bodies(inputs, body_of)


def test_input_error_names_the_index() -> None:
    def build(value: int) -> models.RunRequest:
        if value == 3:
            raise InputError("The input is empty.")
        return body_of(value)

    with pytest.raises(InputError, match=r"The input is empty\. It is the input at index 2\."):
        build_bodies([1, 2, 3], build)


# Errors


def refusal(kind: type[BadRequestError | ConflictError | NotFoundError]) -> Any:
    return kind("Refused.", operation="finalize_batch", method="POST", url="u", status_code=400)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (refusal(BadRequestError), "Refused. endpoint.batches.get('batch_1') shows the status of the batch."),
        (refusal(NotFoundError), "Refused. Batch batch_1 may not exist, or may be another endpoint's."),
        (RunpodError("Other."), "Other."),
    ],
)
def test_errors_name_the_batch_and_what_to_do(error: RunpodError, message: str) -> None:
    with pytest.raises(type(error)) as caught, BatchErrors("ep", "batch_1"):
        raise error
    assert (caught.value.message, caught.value.batch_id, caught.value.endpoint_id) == (message, "batch_1", "ep")


def test_advice_comes_before_what_the_status_suggests() -> None:
    with pytest.raises(ConflictError) as caught, BatchErrors("ep", "batch_1") as errors:
        errors.advise("The first 3 of the inputs are in the batch")
        raise refusal(ConflictError)
    assert caught.value.message == (
        "Refused. The first 3 of the inputs are in the batch. "
        "endpoint.batches.get('batch_1') shows the status of the batch."
    )


def test_block_without_an_error_does_nothing() -> None:
    with BatchErrors("ep", "batch_1") as errors:
        errors.advise("Nothing is wrong")


def lost(*, request_sent: bool) -> APIConnectionError:
    return APIConnectionError("Lost.", operation="finalize_batch", method="POST", url="u", request_sent=request_sent)


@pytest.mark.parametrize(
    ("errors", "done"),
    [
        ([], False),
        ([refusal(ConflictError)], False),
        ([lost(request_sent=False), refusal(ConflictError)], False),
        ([lost(request_sent=True), refusal(ConflictError)], True),
        ([lost(request_sent=False), lost(request_sent=True), refusal(ConflictError)], True),
        ([lost(request_sent=True)], False),  # only attempts before the last count
    ],
)
def test_refused_change_may_be_done_if_a_response_was_lost(errors: list[APIError], done: bool) -> None:
    assert may_be_done(errors) is done


def test_interrupt_gets_a_note_with_the_batch() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, BatchErrors("ep", "batch_1") as errors:
        errors.advise("The batch is a draft")
        raise KeyboardInterrupt
    assert caught.value.__notes__ == ["The batch is a draft. The batch is batch_1 of endpoint ep."]


def test_lost_append_says_what_to_compare() -> None:
    call = call_of(batch_requests()["append_batch_requests"])
    lost = call.result(answer(b"<html>", 502), seconds=1.0, wall_clock=NOW)
    error = call.after_failure(lost, now=1.0, random=Random(0))
    assert isinstance(error, RunpodError)
    assert "1 requests may have been added to batch batch-1 of endpoint ep" in error.message
    assert "Compare the request_total of endpoint.batches.get('batch-1')" in error.message


def test_interrupted_creation_names_the_new_batch() -> None:
    call = call_of(batch_requests()["create_batch"])
    created = call.result(answer({"id": "batch_7", "status": "DRAFT"}), seconds=1.0, wall_clock=NOW)
    assert isinstance(created, Batch)
    assert (
        call.interruption_note() == "batch batch_7 was created and is a draft; endpoint.batches.get('batch_7') shows it"
    )
