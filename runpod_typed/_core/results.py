"""What a job's state amounts to: its output in the caller's type, or the error that its end is."""

from __future__ import annotations

from typing import Any, cast

from attrs import evolve
from runpod_queue_api import wire
from typing_extensions import TypeVar

from runpod_typed._codecs.codec import Codec, decode_output
from runpod_typed._codecs.json_values import printable
from runpod_typed._models.failure import is_platform_timeout, parse_worker_failure
from runpod_typed._models.jobs import JobState, JobStatus, output_as_it_came
from runpod_typed.errors import JobCancelledError, JobError, JobFailedError, JobTimedOutError

# Of what a worker says, so much stands in an error's message; all of it in the error's attributes.
_SHOWN_CHARACTERS = 1000

OutT = TypeVar("OutT")


def with_typed_output(state: JobState[Any], codec: Codec[OutT]) -> JobState[OutT]:
    """The state with its output in the caller's type.

    Raises:
        OutputError: The job is COMPLETED and its output does not fit the type.
    """
    if state.status is not JobStatus.COMPLETED:
        return cast("JobState[OutT]", state)
    came = output_as_it_came(state)
    output = decode_output(codec, came, job_id=state.id)
    return cast("JobState[OutT]", state) if output is came else evolve(state, output=output)


def was_cancelled(state: JobState[Any]) -> bool:
    """Whether a cancellation whose answer was lost has happened."""
    return state.status is JobStatus.CANCELLED


def was_requeued(state: JobState[Any]) -> bool:
    """Whether queueing a failed job once more, whose answer was lost, has happened."""
    return state.status not in wire.RETRYABLE_JOB_STATUSES


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
