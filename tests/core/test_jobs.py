from __future__ import annotations

import json
import pickle
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runpod_queue_api import models

from runpod_typed import JobEvent, JobState, JobStatus
from runpod_typed._models.responses import ValidationError, read_chunk, read_job, read_status
from tests.core.calls import copies

UNKNOWN = ["\x1b[31m\n", "HIBERNATING", "in_review", "ERROR", "IN QUEUE", "ä", "0", "name", "_missing_", "mro"]

# As they were captured, and as the documents print them.
QUEUED = {"id": "c165626f-u1", "status": "IN_QUEUE"}
RUNNING = {"delayTime": 61372, "id": "bd9227e3-u1", "status": "IN_PROGRESS", "workerId": "z3jr9rv2k3tt2y"}
PROGRESS = {
    "delayTime": 18378,
    "executionTime": 40213,
    "id": "j",
    "output": {"progress": "4/10"},
    "status": "IN_PROGRESS",
}
COMPLETED = {
    "delayTime": 15088,
    "executionTime": 60,
    "id": "04f01223-u1",
    "output": "Hello World",
    "status": "COMPLETED",
    "workerId": "uhbbfre73gqjwh",
}
GIVEN_UP = {
    "delayTime": 101050,
    "error": "job timed out after 1 retries",
    "executionTime": 42078,
    "id": "bd9227e3-u1",
    "retries": 1,
    "status": "FAILED",
    "workerId": "z3jr9rv2k3tt2y",
}


def job(status: str, **fields: Any) -> JobState[Any]:
    return read_job({"id": "job-1", "status": status, **fields})


# JobStatus


@pytest.mark.parametrize("status", [*JobStatus, *map(JobStatus, UNKNOWN)])
def test_a_status_equals_its_string(status: JobStatus) -> None:
    text = status.value
    assert status == text
    assert text == status
    assert status in {text, "other"}
    assert {text: 1}[status] == 1
    assert hash(status) == hash(text)
    assert (str(status), f"{status}", f"{status:>20}", "{}".format(status)) == (text, text, f"{text:>20}", text)  # noqa: UP032 -- one way more
    assert json.loads(json.dumps({"status": status})) == {"status": text}
    assert msgspec.json.decode(msgspec.json.encode(status)) == text
    assert repr(status).isprintable()


@pytest.mark.parametrize("text", UNKNOWN)
def test_an_unknown_status_is_kept_as_it_came(text: str) -> None:
    status = JobStatus(text)
    assert isinstance(status, JobStatus)
    assert (status.value, status.name) == (text, text)
    assert status == JobStatus(text)
    assert len({status, JobStatus(text)}) == 1
    assert status not in set(JobStatus)
    assert not status.is_terminal
    assert not status.is_running


@pytest.mark.parametrize("text", ["COMPLETED", "PAUSED"])
def test_a_status_survives_copies_and_pickles(text: str) -> None:
    for copied in copies(JobStatus(text)):
        assert isinstance(copied, JobStatus)
        assert copied == text


def test_an_unknown_status_is_not_listed() -> None:
    before = list(JobStatus)
    JobStatus("HIBERNATING")
    assert list(JobStatus) == before
    assert not hasattr(JobStatus, "HIBERNATING")


@pytest.mark.parametrize("text", ["completed", "Completed", "COMPLETED"])
def test_known_statuses_are_recognized_in_any_case(text: str) -> None:
    assert JobStatus(text) is JobStatus.COMPLETED


@pytest.mark.parametrize("value", ["", 5, None, b"COMPLETED"])
def test_only_strings_are_statuses(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid JobStatus"):
        JobStatus(value)


def test_terminal_and_running_statuses() -> None:
    assert {status for status in JobStatus if status.is_terminal} == {"COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"}
    assert {status for status in JobStatus if status.is_running} == {"IN_PROGRESS", "RUNNING"}


def test_the_statuses_are_those_of_the_specification() -> None:
    assert {read_status(known) for known in models.KnownJobStatus} == set(JobStatus)
    assert all(read_status(known) == known.value for known in models.KnownJobStatus)


@given(st.text(min_size=1))
def test_any_string_is_a_status(text: str) -> None:
    status = JobStatus(text)
    assert status == text or text.upper() in JobStatus.__members__
    assert pickle.loads(pickle.dumps(status)) == status


# JobState


@pytest.mark.parametrize(
    ("status", "worker", "started", "done", "succeeded"),
    [
        ("IN_QUEUE", None, False, False, False),
        ("IN_QUEUE", "w", True, False, False),
        ("IN_PROGRESS", None, True, False, False),
        ("RUNNING", None, True, False, False),
        ("COMPLETED", None, True, True, True),
        ("FAILED", None, True, True, False),
        ("CANCELLED", None, False, True, False),
        ("CANCELLED", "w", True, True, False),
        ("TIMED_OUT", None, False, True, False),
        ("TIMED_OUT", "w", True, True, False),
        ("PAUSED", None, False, False, False),
        ("PAUSED", "w", True, False, False),
    ],
)
def test_started_done_and_succeeded_follow_the_status(
    status: str, worker: str | None, *, started: bool, done: bool, succeeded: bool
) -> None:
    state = job(status, workerId=worker)
    assert (state.started, state.done, state.succeeded) == (started, done, succeeded)


def test_a_queued_job_has_only_an_id() -> None:
    state = read_job(QUEUED)
    assert (state.id, state.status) == ("c165626f-u1", "IN_QUEUE")
    assert (state.output, state.progress, state.error, state.worker_id) == (None, None, None, None)
    assert (state.delay_time_ms, state.execution_time_ms, state.retries) == (None, None, 0)


def test_all_fields_of_a_captured_response_are_read() -> None:
    state = read_job(COMPLETED)
    assert (state.output, state.progress) == ("Hello World", None)
    assert (state.delay_time_ms, state.execution_time_ms, state.worker_id) == (15088, 60, "uhbbfre73gqjwh")
    assert (read_job(GIVEN_UP).retries, read_job(GIVEN_UP).error) == (1, "job timed out after 1 retries")
    assert read_job(RUNNING).delay_time_ms == 61372


@pytest.mark.parametrize("status", ["IN_PROGRESS", "RUNNING", "IN_QUEUE", "PAUSED"])
def test_output_of_an_unfinished_job_is_progress(status: str) -> None:
    state = read_job({**PROGRESS, "status": status})
    assert (state.progress, state.output) == ({"progress": "4/10"}, None)


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED", "TIMED_OUT"])
def test_output_beside_an_error_is_in_failure(status: str) -> None:
    state = job(status, output={"partial": 1})
    assert (state.output, state.progress) == (None, None)
    assert state.raw["output"] == {"partial": 1}
    assert (state.failure is None) is (status != "FAILED")
    assert state.failure is None or state.failure.output == {"partial": 1}


@pytest.mark.parametrize("answer", [QUEUED, RUNNING, PROGRESS, COMPLETED, GIVEN_UP, {**QUEUED, "more": [None]}])
def test_raw_is_the_response_and_read_only(answer: dict[str, Any]) -> None:
    state = read_job(answer)
    assert state.raw == answer
    assert state.to_dict() == answer
    raw: Any = state.raw
    with pytest.raises(TypeError):
        raw["id"] = "other"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("Invalid image URL", "Invalid image URL"),
        (json.dumps({"error_message": "no prompt", "error_type": "<class 'ValueError'>"}), "no prompt"),
        ("handler: no prompt \ntraceback: Traceback\nValueError: no prompt\n", "no prompt"),
        ({"code": 5}, '{"code":5}'),
        (None, None),
    ],
)
def test_error_message_is_the_workers_message(error: object, message: str | None) -> None:
    assert job("FAILED", error=error).error_message == message


def test_nulls_are_absent_fields() -> None:
    nulls = dict.fromkeys(["output", "error", "delayTime", "executionTime", "retries", "workerId", "input", "gpu"])
    assert job("IN_QUEUE", **nulls) == job("IN_QUEUE")


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "COMPLETED",
        {},
        {"id": "j"},
        {"status": "FAILED"},
        {"id": 5, "status": "FAILED"},
        {"id": "", "status": "FAILED"},
        {"id": "\ud83d", "status": "FAILED"},
        {"id": "j", "status": 5},
        {"id": "j", "status": ""},
        {"id": "j", "status": ["FAILED"]},
        {"id": "j", "status": "FAILED", "delayTime": "5"},
        {"id": "j", "status": "FAILED", "delayTime": float("nan")},
        {"id": "j", "status": "FAILED", "executionTime": True},
        {"id": "j", "status": "FAILED", "retries": []},
        {"id": "j", "status": "FAILED", "workerId": 5},
    ],
)
def test_other_json_is_not_a_job(answer: object) -> None:
    with pytest.raises(ValidationError):
        read_job(answer)


@pytest.mark.parametrize("error", ["text", {"code": 5}, ["a"], 5, False])
def test_an_error_may_be_any_json(error: Any) -> None:
    assert job("FAILED", error=error).error == error


def test_states_compare_and_hash_by_value() -> None:
    assert job("COMPLETED", output=[1]) == job("COMPLETED", output=[1], gpu="24")
    assert job("COMPLETED", output=[1]) != job("COMPLETED", output=[2])
    assert hash(job("COMPLETED", output=[1])) == hash(job("COMPLETED", output=[1], more=1))


@pytest.mark.parametrize("status", ["COMPLETED", "IN_PROGRESS", "PAUSED"])
def test_values_survive_pickles_and_copies(status: str) -> None:
    state = job(status, output={"a": [1]})
    event = JobEvent(status=state.status, progress=state.progress, state=state)
    chunk = read_chunk({"output": 1, "metrics": {"a": 1}})
    for thing in (state, event, chunk):
        assert all(copied == thing for copied in copies(thing))
        assert isinstance(hash(thing), int)
