"""The result of a job: its output in the declared type, or the error for its end."""

from __future__ import annotations

import json
import pickle
import re
import traceback
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import pytest
from runpod_queue_api import wire

from runpod_typed import JobFailure, JobState, JobStatus, OutputError
from runpod_typed._codecs.codec import Codec, codec_for
from runpod_typed._codecs.json import PLAIN
from runpod_typed._core.job_record import was_cancelled, was_requeued
from runpod_typed._models.jobs import job_error, with_typed_output
from runpod_typed._models.responses import decode_job, read_job
from runpod_typed._models.stream import decode_chunk
from runpod_typed.errors import JobCancelledError, JobError, JobFailedError, JobTimedOutError
from tests.core.calls import copies


def job(status: str, **fields: Any) -> JobState[Any]:
    return read_job({"id": "job-1", "status": status, **fields})


def failed(**fields: Any) -> JobFailedError:
    error = job_error(job("FAILED", **fields))
    assert isinstance(error, JobFailedError)
    return error


class Counting:
    """A codec that counts what it decodes."""

    def __init__(self) -> None:
        self.count = 0

    def encode(self, value: int) -> Any:
        return value

    def decode(self, data: Any) -> int:
        self.count += 1
        return int(data)


# Typed outputs


def test_output_and_result_have_the_declared_type() -> None:
    state = with_typed_output(job("COMPLETED", output=[1, 2]), codec_for(tuple[int, ...]))
    assert state.output == state.result() == (1, 2)


def test_misfit_raises_only_when_output_is_read() -> None:
    state = with_typed_output(job("COMPLETED", output=["a"]), codec_for(list[int]))
    assert (state.done, state.succeeded, state.failure, state.error_message) == (True, True, None, None)
    assert "output=['a']" in repr(state) or 'output=["a"]' in repr(state)
    assert state == job("COMPLETED", output=["a"])
    assert isinstance(hash(state), int)
    read: Callable[[JobState[Any]], object]
    for read in (attrgetter("output"), JobState.result, attrgetter("output")):
        with pytest.raises(OutputError, match=r"output of job job-1 does not fit `list\[int\]` at `\$\[0\]`") as caught:
            read(state)
        error = caught.value
        assert (error.path, error.output, error.job_id, error.state) == ("$[0]", ["a"], "job-1", state)
        assert 'It begins: ["a"]' in error.message


def test_misfit_survives_pickles() -> None:
    state = with_typed_output(job("COMPLETED", output=["a"]), codec_for(list[int]))
    with pytest.raises(OutputError) as caught:
        state.result()
    for copied in (*copies(state), *(error.state for error in copies(caught.value))):
        assert copied is not None
        assert copied == state
        with pytest.raises(OutputError) as again:
            copied.result()
        assert (again.value.message, again.value.path) == (caught.value.message, "$[0]")


def test_typed_output_survives_pickles_without_its_codec() -> None:
    class Unpicklable(Counting):
        def __reduce__(self) -> Any:
            raise TypeError

    for codec, output in ((codec_for(tuple[int, ...]), (1, 2)), (Unpicklable(), 5)):
        state = with_typed_output(job("COMPLETED", output=list(output) if isinstance(output, tuple) else 5), codec)
        copied = pickle.loads(pickle.dumps(state))
        assert copied == state
        assert copied.output == copied.result() == output


def test_output_is_decoded_lazily_and_once() -> None:
    codec = Counting()
    untyped = job("COMPLETED", output="5")
    state = with_typed_output(untyped, codec)
    assert state == with_typed_output(untyped, codec)
    assert (state.done, state.succeeded, codec.count) == (True, True, 0)
    assert [state.output, state.result(), with_typed_output(untyped, codec).output, codec.count] == [5, 5, 5, 1]
    assert with_typed_output(state, codec) is state
    assert with_typed_output(untyped, Counting()).output == 5


def test_a_misfit_is_decoded_once_too() -> None:
    codec = Counting()
    state = with_typed_output(job("COMPLETED", output="x"), codec)
    for _ in range(3):
        with pytest.raises(OutputError, match="`Counting` raised ValueError"):
            state.result()
    assert codec.count == 1


def test_repr_survives_values_whose_repr_raises() -> None:
    class Mute:
        def __repr__(self) -> str:
            raise RuntimeError

    class Muting:
        def encode(self, value: Mute) -> Any:
            return value

        def decode(self, data: Any) -> Mute:
            return Mute()

    assert 'output={"a":1}' in repr(with_typed_output(job("COMPLETED", output={"a": 1}), Muting()))


@pytest.mark.parametrize("status", ["IN_QUEUE", "IN_PROGRESS", "FAILED", "CANCELLED", "TIMED_OUT", "PAUSED"])
def test_only_completed_jobs_have_an_output(status: str) -> None:
    state = with_typed_output(job(status, output="progress"), codec_for(list[int]))
    assert state.output is None


def test_missing_output_is_none_if_the_type_allows_it() -> None:
    for codec in (PLAIN, codec_for(int | None)):
        state = with_typed_output(job("COMPLETED"), codec)
        assert (state.output, state.result()) == (None, None)


@pytest.mark.parametrize("fields", [{}, {"output": None}, {"output": {}}, {"output": []}])
def test_missing_output_error_names_all_causes(fields: dict[str, Any]) -> None:
    with pytest.raises(OutputError, match="The worker returned nothing") as caught:
        with_typed_output(job("COMPLETED", **fields), codec_for(int)).result()
    for cause in (
        "None or an empty object",
        "return_aggregate_stream",
        "size cap (10 MiB for run, 20 MiB for run_sync)",
    ):
        assert cause in caught.value.message


def test_misfit_message_shows_the_beginning_of_a_large_output() -> None:
    body = json.dumps(
        {"id": "job-1", "status": "COMPLETED", "output": {"message": "no model\x1b[31m", "x": "y" * 10**6}}
    )
    for decoded in (decode_job(body.encode()), json.loads(body)):
        state = read_job(decoded)
        with pytest.raises(OutputError) as caught:
            with_typed_output(state, codec_for(list[int])).result()
        assert '{"message":"no model' in caught.value.message.replace(": ", ":")
        assert "\x1b" not in caught.value.message
        assert len(caught.value.message) < 1_000
        assert len(caught.value.output["x"]) == 10**6


def test_a_chunk_that_does_not_fit_is_called_a_chunk() -> None:
    with pytest.raises(OutputError, match=r"^The chunk of job j1 does not fit `int`: ") as caught:
        decode_chunk(codec_for(int), "a", "j1")
    assert (caught.value.job_id, caught.value.state, caught.value.output) == ("j1", None, "a")


# COMPLETED with an error


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"error": "upload failed"}, "upload failed"),
        ({"error": {"message": "upload failed", "type": "S3Error"}}, "S3Error: upload failed"),
        ({"error": ["a", "b"], "output": 5}, "a; b"),
        ({"output": {"error": "CUDA OOM"}}, "CUDA OOM"),
        ({"output": {"error": {"message": "no such model", "type": "not_found"}}}, "not_found: no such model"),
        ({"output": {"error": True, "details": "x"}}, "true"),
    ],
)
def test_completed_with_an_error_is_a_failure(fields: dict[str, Any], message: str) -> None:
    for state in (
        job("COMPLETED", **fields),
        read_job(decode_job(json.dumps({"id": "job-1", "status": "COMPLETED", **fields}).encode())),
    ):
        assert (state.status, state.done, state.succeeded) == ("COMPLETED", True, False)
        assert state.failure is not None
        assert state.failure.output == fields.get("output") == state.output
        with pytest.raises(JobFailedError, match=rf"^Job job-1 is COMPLETED with an error: {message}") as caught:
            state.result()
        assert (caught.value.state, caught.value.output) == (state, fields.get("output"))


@pytest.mark.parametrize(
    "fields",
    [
        {"error": ""},
        {"error": None},
        {"error": {}, "output": {"error": None}},
        {"output": {"error": ""}},
        {"output": {"error": False, "x": 1}},
        {"output": [{"error": "x"}]},
        {"output": {"errors": ["x"]}},
        {"output": "error"},
    ],
)
def test_completed_without_a_truthy_error_succeeds(fields: dict[str, Any]) -> None:
    state = job("COMPLETED", **fields)
    assert (state.succeeded, state.failure) == (True, None)
    assert state.result() == fields.get("output")


def test_a_declared_type_decides_about_an_error_in_the_output() -> None:
    typed = with_typed_output(job("COMPLETED", output={"error": "x"}), codec_for(dict[str, str]))
    assert (typed.succeeded, typed.result()) == (True, {"error": "x"})
    with pytest.raises(OutputError, match=re.escape('It begins: {"error":"x"}')):
        with_typed_output(job("COMPLETED", output={"error": "x"}), codec_for(list[int])).result()
    beside = with_typed_output(job("COMPLETED", output={"a": "b"}, error="x"), codec_for(dict[str, str]))
    with pytest.raises(JobFailedError, match="with an error: x"):
        beside.result()


# Errors for the end of a job


@pytest.mark.parametrize("status", ["IN_QUEUE", "IN_PROGRESS", "RUNNING", "COMPLETED", "PAUSED"])
def test_unfinished_and_successful_jobs_have_no_error(status: str) -> None:
    assert job_error(job(status)) is None


@pytest.mark.parametrize("status", ["IN_QUEUE", "IN_PROGRESS", "RUNNING", "PAUSED"])
def test_unfinished_jobs_have_no_result(status: str) -> None:
    state = job(status, output="half")
    with pytest.raises(JobError, match=f"has no result yet: it is {status}") as caught:
        state.result()
    assert (type(caught.value), caught.value.state) == (JobError, state)


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        (job("FAILED", error="Invalid image URL"), JobFailedError, "Job job-1 failed: Invalid image URL"),
        (job("FAILED"), JobFailedError, "the worker gave no reason"),
        (job("CANCELLED"), JobCancelledError, "Job job-1 was cancelled"),
        (job("TIMED_OUT"), JobTimedOutError, "job.retry"),
        (job("FAILED", error="job timed out after 1 retries"), JobTimedOutError, "job timed out after 1 retries"),
    ],
)
def test_a_job_without_a_result_raises_the_error_for_its_end(
    state: JobState[Any], error: type[JobError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        state.result()
    assert type(caught.value) is error
    assert (caught.value.job_id, caught.value.state) == (state.id, state)
    assert not state.succeeded


@pytest.mark.parametrize(
    ("fields", "failure", "words"),
    [
        ({}, None, "Job job-1 ended as EVICTED. This version"),
        ({"output": [1]}, None, "Job job-1 ended as EVICTED. This version"),
        ({"error": "no capacity"}, JobFailure(error_message="no capacity"), "ended as EVICTED: no capacity. This"),
    ],
)
def test_an_unknown_final_status_has_no_result(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], failure: JobFailure | None, words: str
) -> None:
    monkeypatch.setattr(wire, "FINAL_JOB_STATUSES", (*wire.FINAL_JOB_STATUSES, "EVICTED"))
    state = job("EVICTED", **fields)
    with pytest.raises(JobError, match=re.escape(words)) as caught:
        state.result()
    assert (type(caught.value), caught.value.job_id, caught.value.state) == (JobError, "job-1", state)
    assert (state.done, state.succeeded, state.output, state.failure) == (True, False, None, failure)


def test_failure_is_structured_or_none() -> None:
    assert job("FAILED").failure == JobFailure()
    assert job("FAILED", error="x", output={"a": 1}).failure == JobFailure(error_message="x", output={"a": 1})
    assert job("CANCELLED", error="by the user").failure == JobFailure(error_message="by the user")
    assert [job(status).failure for status in ("CANCELLED", "TIMED_OUT", "COMPLETED", "IN_QUEUE")] == [None] * 4
    assert job("IN_QUEUE", error="of the attempt before").failure is None


def test_platform_timeout_text_within_another_text_is_a_failure() -> None:
    assert type(failed(error="my job timed out after 1 retries")) is JobFailedError


def test_error_holds_what_the_worker_reported() -> None:
    report = {"error_type": "<class 'ValueError'>", "error_message": "no prompt", "error_traceback": "Traceback ..."}
    error = failed(error=json.dumps({**report, "worker_id": "unknown"}), workerId="w-1")
    assert error.message == "Job job-1 failed: ValueError: no prompt"
    assert (error.error_type, error.error_message, error.remote_traceback, error.worker_id) == (
        "ValueError",
        "no prompt",
        "Traceback ...",
        "w-1",
    )


def test_error_of_worker_sdk_2_has_logs_event_and_hook() -> None:
    report = {"event": "prestart_failed", "error_message": "weights missing", "hook": "load", "logs": "loading\n"}
    error = failed(error=json.dumps({**report, "error_type": "RuntimeError"}))
    assert (error.logs, error.event, error.hook) == ("loading\n", "prestart_failed", "load")
    assert error.message == "Job job-1 failed (prestart_failed in load): RuntimeError: weights missing"
    assert "The worker's logs:\nloading" in "".join(traceback.format_exception(error))


def test_worker_id_of_the_report_is_the_fallback() -> None:
    assert failed(error={"error_message": "x", "worker_id": "w-2"}).worker_id == "w-2"


def test_error_shows_what_the_handler_returned_beside_the_error() -> None:
    output = {"details": ["Node 3: CUDA out of memory"], "log": "x" * 10_000}
    error = failed(error="Job processing failed", output=output)
    assert error.output == output
    assert 'beside the error: {"details":["Node 3: CUDA out of memory"]' in error.message
    assert len(error.message) < 500
    assert "beside" not in failed(error="x", output={}).message
    assert "beside" not in str(job_error(job("COMPLETED", output={"error": "x"})))


def test_worker_traceback_is_printed_and_survives_pickles() -> None:
    report = {"error_message": "CUDA OOM", "error_traceback": 'Traceback:\n  File "handler.py"\nRuntimeError: CUDA OOM'}
    error = failed(error=json.dumps(report))
    for each in (error, *copies(error)):
        printed = "".join(traceback.format_exception(each))
        assert '  File "handler.py"\nRuntimeError: CUDA OOM' in printed
        assert printed.count("handler.py") == 1


def test_long_and_hostile_reports_are_cut_and_escaped_when_shown() -> None:
    lines = "\n".join(["\x1b[2Jline"] * 10_000)
    report = {"error_message": "\x1b[31m\ud83d" + "x" * 3_000_000, "error_traceback": lines + "y" * 3_000_000}
    error = failed(error=report)
    printed = "".join(traceback.format_exception(error))
    printed.encode()
    assert "\x1b" not in printed
    assert len(error.message) < 1_200
    assert len(printed) < 60_000
    assert error.error_message == report["error_message"]
    assert error.remote_traceback == report["error_traceback"]


def test_lost_changes_are_recognized_by_the_status() -> None:
    assert [status for status in JobStatus if was_cancelled(job(status))] == ["CANCELLED"]
    assert [status for status in JobStatus if not was_requeued(job(status))] == ["FAILED", "TIMED_OUT"]


def test_custom_codecs_need_no_base_class() -> None:
    codec: Codec[int] = Counting()
    assert with_typed_output(job("COMPLETED", output=7), codec).result() == 7
