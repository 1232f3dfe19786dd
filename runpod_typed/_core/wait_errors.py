"""The errors that end a wait before the job has ended."""

from __future__ import annotations

from typing import Any

from runpod_typed._core.schedule import Ended, Wait
from runpod_typed._models.health import EndpointHealth, explain_waiting
from runpod_typed._models.jobs import JobAddress, JobState
from runpod_typed.errors import (
    APIConnectionError,
    JobExpiredError,
    QueueTimeoutError,
    RateLimitError,
    ServerError,
    WaitTimeoutError,
)

PASSING_ERRORS = (APIConnectionError, RateLimitError, ServerError)
"""What ends a wait as a timeout when the caller's limit ends at the same moment."""


def expired_error(address: JobAddress, seen: JobState[Any]) -> JobExpiredError:
    """The error for a job that was seen before and is gone."""
    return JobExpiredError(
        f"Job {address.job_id} of endpoint {address.endpoint_id} is gone: it was last seen {seen.status}. Results are "
        "kept for 30 minutes after /run and 1 minute after /runsync, a job's ttl deletes it even while it runs, and a "
        "purge removes what waits. Fetch results sooner, or raise ExecutionPolicy.ttl.",
        job_id=address.job_id,
        state=seen,
    )


def wait_error(
    ended: Ended,
    job: Any,
    address: JobAddress,
    seen: JobState[Any] | None,
    wait: Wait,
    *,
    health: EndpointHealth | None = None,
) -> WaitTimeoutError:
    """The error for a limit of the caller's own that ended first."""
    last = "not seen yet" if seen is None else f"last seen {seen.status}"
    where = f"Job {address.job_id} of endpoint {address.endpoint_id}"
    if ended is Ended.QUEUE_TIMEOUT:
        return QueueTimeoutError(
            f"{where} was not taken by a worker within {wait.queue_timeout:g} s. {explain_waiting(health)} The job "
            "goes on waiting: error.job.output() goes on with it, error.job.cancel() ends it.",
            job=job,
            health=health,
        )
    return WaitTimeoutError(
        f"{where} had not ended within {wait.timeout:g} s ({last}). It goes on: error.job.output() goes on waiting, "
        "error.job.cancel() ends it.",
        job=job,
    )
