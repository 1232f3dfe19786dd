"""The decisions of a run over batches: which request is which, in which order results leave, when to give up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runpod_queue_api import models

from runpod_typed import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    CertificateError,
    ConfigurationError,
    InputError,
    JobError,
    JobFailedError,
    JournalStatus,
    MapResult,
    PollPolicy,
    QueueTimeoutError,
    RunpodError,
    SubmissionUncertainError,
    WaitTimeoutError,
)
from runpod_typed._core.batch_run import (
    ActiveBatch,
    Collected,
    TimeLimit,
    anchor_count,
    in_order,
    may_run_again,
    new_id,
    order_error,
    poll_pause,
    take_results,
    unfinished_error,
)
from runpod_typed._core.bulk import Item, Outage, ResultBuffer, checked_key, is_transient, repeated_key
from runpod_typed._core.journal_records import JournalRecord, journal_id, split_journal_id
from runpod_typed._models.batch_responses import read_batch, read_result

CALL: dict[str, Any] = {"operation": "get_batch", "method": "GET", "url": "u"}

IDS = st.lists(st.text("abcdefgh", min_size=1, max_size=3), min_size=1, unique=True)


def item(index: int = 0, *, attempts: int = 0, request_id: str | None = None, **fields: Any) -> Item:
    job_id = None if request_id is None else journal_id("b", request_id)
    record = JournalRecord(
        index=index, key=str(index), fingerprint="", status=JournalStatus.WAITING, attempts=attempts, job_id=job_id
    )
    return Item(value=f"input {index}", record=record, **fields)


# The requests of a draft


@given(IDS, st.booleans())
def test_order_of_submission_is_found_in_either_direction(ids: list[str], reverse: bool) -> None:
    listed = ids[::-1] if reverse else ids
    assert in_order(listed, ids[: anchor_count(len(ids))]) == ids


@given(IDS.filter(lambda ids: len(ids) <= 5).flatmap(lambda ids: st.tuples(st.just(ids), st.permutations(ids))))
def test_small_draft_is_never_put_in_a_wrong_order(drawn: tuple[list[str], list[str]]) -> None:
    ids, listed = drawn
    assert in_order(listed, ids[: anchor_count(len(ids))]) in (None, ids)


@given(IDS, st.text("xyz", min_size=1))
def test_id_that_is_new_is_known(ids: list[str], added: str) -> None:
    assert new_id([*ids, added], ids) == new_id([added, *ids], ids) == added
    assert new_id(ids, ids) is None
    assert new_id([*ids, added, added + "2"], ids) is None
    assert new_id([added], ids) is None or not ids


def test_all_requests_but_one_are_anchors_up_to_four() -> None:
    assert [anchor_count(count) for count in (1, 2, 3, 4, 5, 6, 5000)] == [1, 1, 2, 3, 4, 4, 4]


def test_draft_in_another_order_says_what_to_use_instead() -> None:
    error = order_error("batch_1", "ep")
    assert (error.batch_id, error.endpoint_id) == ("batch_1", "ep")
    assert "Batch batch_1 of endpoint ep does not list its requests in the order of submission" in error.message
    assert "Nothing was run, and the draft is discarded. Use endpoint.map()" in error.message


# Results


@given(st.permutations(range(12)))
def test_buffer_gives_results_in_the_order_of_the_inputs(arrived: list[int]) -> None:
    ordered, unordered = ResultBuffer(ordered=True), ResultBuffer(ordered=False)
    taken = list[int]()
    for index in arrived:
        for buffer in (ordered, unordered):
            buffer.put(item(index).result(InputError("no")))
        while (result := ordered.take()) is not None:
            taken.append(result.index)
        assert len(ordered) + len(taken) == len(unordered)
    assert taken == list(range(12))
    assert [found.index for found in iter(unordered.take, None)] == list(arrived)
    assert not ordered.ready


def test_buffer_releases_the_results_behind_a_missing_one() -> None:
    buffer = ResultBuffer(ordered=True)
    for index in (5, 0, 3):
        buffer.put(item(index).result(InputError("no")))
    buffer.release()
    assert [found.index for found in iter(buffer.take, None)] == [0, 3, 5]
    assert not len(buffer)


def test_result_is_the_output_or_the_error() -> None:
    good = item().result(read_result({"id": "r", "status": "COMPLETED", "output": 7}))
    bad = item(1, request_id="r").result(read_result({"id": "r", "status": "FAILED", "error": "no"}))
    assert isinstance(good, MapResult)
    assert (good.output, good.succeeded, bad.job_id) == (7, True, "r")
    assert isinstance(bad.error, JobFailedError)


def test_only_failures_run_again_within_the_attempts() -> None:
    failed = read_result({"id": "r", "status": "FAILED", "error": "no"})
    cancelled = read_result({"id": "r", "status": "CANCELLED"})
    assert may_run_again(item(attempts=1), failed, 2)
    assert not may_run_again(item(attempts=2), failed, 2)
    assert not may_run_again(item(attempts=1), cancelled, 2)


def test_finished_requests_leave_their_batch_once() -> None:
    active = ActiveBatch(id="b", items={"r1": item(0), "r2": item(1)})
    done = read_result({"id": "r1", "status": "COMPLETED", "output": 1})
    queued = read_result({"id": "r2", "status": "IN_QUEUE"})
    foreign = read_result({"id": "r9", "status": "COMPLETED", "output": 1})
    assert [(found.record.index, result.id) for found, result in take_results(active, [done, queued, foreign])] == [
        (0, "r1")
    ]
    assert take_results(active, [done]) == []
    assert list(active.items) == ["r2"]


def test_request_without_a_result_says_why() -> None:
    ended, running = ({"id": "b", "status": status, "requestTotal": 3} for status in ("FAILED", "FINALIZED"))
    error = unfinished_error(read_batch(ended), "ep", item(request_id="r"), None)
    assert isinstance(error, JobError)
    assert error.message == "Request r of batch b of endpoint ep has no result, and the batch has finished as FAILED."
    late = unfinished_error(read_batch(running), "ep", item(request_id="r"), TimeLimit(2.0, until_started=False))
    assert isinstance(late, WaitTimeoutError)
    assert "did not finish within 2 s. The batch keeps running" in late.message
    assert (late.job_id, late.batch_id, late.endpoint_id) == ("r", "b", "ep")
    queued = unfinished_error(read_batch(running), "ep", item(request_id="r"), TimeLimit(2.0, until_started=True))
    assert isinstance(queued, QueueTimeoutError)
    assert "was not taken by a worker within 2 s" in queued.message


# Batches


def test_batch_is_full_by_number_or_by_size() -> None:
    by_number, by_size, seen = Collected(2), Collected(10), list[bool]()
    for collected, size in ((by_number, 10), (by_number, 10), (by_size, 1), (by_size, 128 * 2**20)):
        collected.add(item(body=models.RunRequest(input_=1)), size)
        seen.append(collected.full)
    assert seen == [False, True, False, True]


def test_time_limits_count_from_finalizing() -> None:
    queued = read_batch({"id": "b", "status": "FINALIZED", "requestTotal": 1})
    running = read_batch({"id": "b", "status": "FINALIZED", "requestTotal": 1, "requestInProgress": 1})
    draft, active = ActiveBatch(id="b", items={}), ActiveBatch(id="b", items={}, finalized_at=10.0)
    assert draft.passed_limit(queued, 1.0, 1.0, 99.0) is None
    assert active.passed_limit(queued, None, None, 99.0) is None
    assert active.passed_limit(running, 5.0, 1.0, 14.9) is None
    assert active.passed_limit(running, 5.0, 1.0, 15.0) == TimeLimit(5.0, until_started=False)
    assert active.passed_limit(queued, 5.0, 1.0, 11.0) == TimeLimit(1.0, until_started=True)


def test_journal_tells_requests_of_batches_from_jobs() -> None:
    assert split_journal_id(journal_id("batch_1", "req_2")) == ("batch_1", "req_2")
    assert split_journal_id("2f1c-u1") is None
    assert split_journal_id(None) is None


def test_pauses_grow_with_the_time_that_a_batch_takes() -> None:
    policy = PollPolicy(min_interval=0.1, max_interval=10)
    assert [poll_pause(policy, elapsed) for elapsed in (0.0, 5.0, 1000.0)] == [0.1, 1.0, 10]


def test_outage_ends_after_its_limit_and_not_before() -> None:
    outage = Outage(PollPolicy(min_interval=0.1, max_interval=1, max_outage=60))
    error = APIConnectionError("Lost.", operation="get_batch", method="GET", url="u", request_sent=True)
    assert outage.pause(0.0) == 0.1
    assert [outage.pause_after(error, now) for now in (0.0, 0.1, 0.2, 0.4, 9.0)] == [0.1, 0.1, 0.2, 0.4, 1]
    outage.passed()
    assert outage.pause_after(error, 100.0) == 0.1
    with pytest.raises(APIConnectionError) as caught:
        outage.pause_after(error, 160.0)
    assert caught.value.__notes__ == ["Gave up after an outage of 60 s (PollPolicy.max_outage)."]


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (APIConnectionError("lost", **CALL, request_sent=True), True),
        (APIStatusError("late", **CALL, status_code=408), True),
        (APIStatusError("down", **CALL, status_code=503), True),
        (APIStatusError("no", **CALL, status_code=403), False),
        (CertificateError("expired", **CALL, request_sent=False), False),
        (APIResponseValidationError("page", **CALL, status_code=200, body="<html>", is_json=False), True),
        (APIResponseValidationError("shape", **CALL, status_code=200, body={}, is_json=True), False),
        (InputError("no"), False),
        (None, False),
    ],
)
def test_tells_what_may_pass(error: RunpodError | None, *, passes: bool) -> None:
    assert is_transient(error) is passes
    uncertain = SubmissionUncertainError("lost", **CALL, endpoint_id="ep")
    uncertain.__cause__ = error
    assert is_transient(uncertain) is passes


def test_no_pause_follows_an_error_that_does_not_pass() -> None:
    with pytest.raises(InputError):
        Outage(PollPolicy()).pause_after(InputError("no"), 0.0)


# Keys


@pytest.mark.parametrize(
    ("key", "problem"),
    [("", "not empty"), (None, "not empty"), (7, "not empty"), ("\ud800", "has a lone surrogate")],
)
def test_key_must_be_a_string_that_a_journal_can_hold(key: object, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        checked_key(key)
    assert checked_key("k") == "k"


def test_repeated_key_is_named() -> None:
    assert str(repeated_key("k")) == "key= returns 'k' for two inputs. Each input needs its own key."


# Records of a journal


def test_record_moves_with_its_identity_and_attempts() -> None:
    record = JournalRecord.from_row((7, "k", 3, "f", "waiting", 2, None, "no", 4))
    moved = record.moved(JournalStatus.SUBMITTED, job_id="j")
    assert (moved.number, moved.key, moved.index, moved.fingerprint, moved.run) == (7, "k", 3, "f", 4)
    assert (moved.status, moved.attempts, moved.job_id, moved.error) == (JournalStatus.SUBMITTED, 2, "j", None)
    assert record.moved(JournalStatus.SUBMITTING, attempts=3).attempts == 3
