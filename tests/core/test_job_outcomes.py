from __future__ import annotations

import json
from typing import Any

import pytest

from runpod_typed import JobState, JobStatus, OutputError
from runpod_typed._codecs.codec import UNTYPED, codec_for
from runpod_typed._core.responses import read_job
from runpod_typed._core.results import job_error, result_of, was_cancelled, was_requeued, with_typed_output
from runpod_typed.errors import JobCancelledError, JobFailedError, JobTimedOutError


def job(status: str, **fields: Any) -> JobState[Any]:
    return read_job({"id": "job-1", "status": status, **fields})


# Typed outputs


def test_an_output_is_given_its_type_once_the_job_is_completed() -> None:
    numbers = codec_for(list[int])
    assert with_typed_output(job("COMPLETED", output=[1, 2]), numbers).output == [1, 2]
    with pytest.raises(OutputError, match="output of job job-1 does not fit") as caught:
        with_typed_output(job("COMPLETED", output=["a"]), numbers)
    assert (caught.value.path, caught.value.output, caught.value.job_id) == ("$[0]", ["a"], "job-1")


@pytest.mark.parametrize("status", ["IN_QUEUE", "IN_PROGRESS", "FAILED", "CANCELLED", "TIMED_OUT", "PAUSED"])
def test_nothing_else_is_held_against_the_type(status: str) -> None:
    state = job(status, output="progress")
    assert with_typed_output(state, codec_for(list[int])) is state


def test_a_missing_output_is_none_where_the_type_allows_it() -> None:
    assert with_typed_output(job("COMPLETED"), codec_for(UNTYPED)).output is None
    assert with_typed_output(job("COMPLETED"), codec_for(int | None)).output is None
    with pytest.raises(OutputError, match="The worker returned nothing"):
        with_typed_output(job("COMPLETED"), codec_for(int))


# What an end means


@pytest.mark.parametrize("status", ["IN_QUEUE", "IN_PROGRESS", "RUNNING", "COMPLETED", "PAUSED"])
def test_a_job_that_goes_on_or_has_a_result_is_no_error(status: str) -> None:
    assert job_error(job(status)) is None


def test_the_result_of_a_completed_job_is_its_output() -> None:
    assert result_of(job("COMPLETED", output="Hello World")) == "Hello World"


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
def test_a_bad_end_is_raised_with_the_job_and_its_state(
    state: JobState[Any], error: type[JobFailedError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        result_of(state)
    assert type(caught.value) is error
    assert (caught.value.job_id, caught.value.state) == (state.id, state)


def test_the_platform_s_words_under_another_status_are_just_words() -> None:
    error = job_error(job("FAILED", error="my job timed out after 1 retries"))
    assert type(error) is JobFailedError


def test_what_the_worker_said_stands_in_the_error() -> None:
    report = {"error_type": "<class 'ValueError'>", "error_message": "no prompt", "error_traceback": "Traceback ..."}
    error = job_error(job("FAILED", error=json.dumps({**report, "worker_id": "unknown"}), workerId="w-1"))
    assert isinstance(error, JobFailedError)
    assert error.message == "Job job-1 failed: ValueError: no prompt"
    assert (error.error_type, error.error_message, error.remote_traceback) == (
        "ValueError",
        "no prompt",
        "Traceback ...",
    )
    assert error.worker_id == "w-1"


def test_the_worker_s_own_name_for_itself_serves_where_the_platform_has_none() -> None:
    error = job_error(job("FAILED", error={"error_message": "x", "worker_id": "w-2"}))
    assert isinstance(error, JobFailedError)
    assert error.worker_id == "w-2"


def test_a_long_error_is_cut_in_the_message_alone_and_can_be_printed() -> None:
    error = job_error(job("FAILED", error="\ud83d" + "x" * 100_000))
    assert isinstance(error, JobFailedError)
    assert len(error.message) < 1_100
    error.message.encode()
    assert error.error_message is not None
    assert len(error.error_message) == 100_001


def test_what_a_lost_answer_has_done_is_told_by_the_job() -> None:
    assert [status for status in JobStatus if was_cancelled(job(status))] == ["CANCELLED"]
    assert [status for status in JobStatus if not was_requeued(job(status))] == ["FAILED", "TIMED_OUT"]
