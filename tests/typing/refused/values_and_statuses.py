"""Changing what is fixed, and forgetting what may come. Checked for its types, never run."""

# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# These follow from a mistake, and are none.

from datetime import timedelta
from typing import assert_never

from runpod_typed import (
    Client,
    Endpoint,
    EndpointHealth,
    ExecutionPolicy,
    Job,
    JobError,
    JobFailedError,
    JobState,
    JobStatus,
    PollPolicy,
    RateLimits,
    RetryPolicy,
    S3Config,
    StreamChunk,
)


def values_are_frozen(state: JobState[int], chunk: StreamChunk[int], health: EndpointHealth) -> None:
    state.status = JobStatus.COMPLETED  # E: mypy[misc] pyright[reportAttributeAccessIssue]
    state.output = 7  # E: mypy[misc] pyright[reportAttributeAccessIssue]
    state.raw["id"] = "a"  # E: mypy[index] pyright[reportIndexIssue]
    state.succeeded = True  # E: mypy[misc] pyright[reportAttributeAccessIssue]
    chunk.output = 7  # E: mypy[misc] pyright[reportAttributeAccessIssue]
    health.jobs.in_queue = 0  # E: mypy[misc] pyright[reportAttributeAccessIssue]
    print(health.jobs.waiting)  # E: mypy[attr-defined] pyright[reportAttributeAccessIssue]


def policies_are_frozen(policy: ExecutionPolicy, config: S3Config) -> None:
    policy.ttl = 60  # E: mypy[misc] pyright[reportAttributeAccessIssue]
    config.bucket_name = "other"  # E: mypy[misc] pyright[reportAttributeAccessIssue]
    RetryPolicy().attempts = 1  # E: mypy[misc] pyright[reportAttributeAccessIssue]
    PollPolicy().long_poll = False  # E: mypy[misc] pyright[reportAttributeAccessIssue]
    RateLimits().overrides["run"] = None  # E: mypy[index] pyright[reportIndexIssue]


def handles_are_read_only(client: Client, endpoint: Endpoint, job: Job) -> None:
    job.id = "other"  # E: mypy[misc] pyright[reportAttributeAccessIssue]
    job.state = None  # E: mypy[misc] pyright[reportAttributeAccessIssue]
    endpoint.id = "other"  # E: mypy[misc] pyright[reportAttributeAccessIssue]
    client.base_url = "http://127.0.0.1"  # E: mypy[misc] pyright[reportAttributeAccessIssue]


def every_status_has_its_case(status: JobStatus) -> str:
    match status:
        case JobStatus.IN_QUEUE | JobStatus.IN_PROGRESS | JobStatus.RUNNING:
            return "wait"
        case JobStatus.COMPLETED:
            return "take"
        case JobStatus.FAILED | JobStatus.CANCELLED:
            return "look"
        case _:
            assert_never(status)  # E: mypy[arg-type] pyright[reportArgumentType]


def a_status_that_is_none(status: JobStatus) -> None:
    print(status is JobStatus.CANCELED)  # E: mypy[attr-defined] pyright[reportAttributeAccessIssue]
    print(status == 3)  # E: mypy[comparison-overlap] pyright[reportUnnecessaryComparison]
    print(status.is_done)  # E: mypy[attr-defined] pyright[reportAttributeAccessIssue]


def durations_of_a_policy_are_seconds(policy: ExecutionPolicy) -> None:
    kept: timedelta = policy.ttl  # E: mypy[assignment] pyright[reportAssignmentType]
    print(kept)


def an_error_holds_what_its_class_says(error: JobError, failed: JobFailedError) -> None:
    print(error.remote_traceback)  # E: mypy[attr-defined] pyright[reportAttributeAccessIssue]
    print(error.state.error)  # E: mypy[union-attr] pyright[reportOptionalMemberAccess]
    failed.remote_traceback.splitlines()  # E: mypy[union-attr] pyright[reportOptionalMemberAccess]
