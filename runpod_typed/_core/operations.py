"""The seam to the generated client: each operation of the API that the facade uses, described once.

Only this module imports ``runpod_queue_api.api``. A generated operation builds the request, and a reader of ours reads
the response by way of the generated model that belongs to the operation: the types of both are compared here.
"""

# _get_kwargs and _read_success are parts of the generated code: it is pinned, and a contract test asserts the names.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from inspect import signature
from typing import Any, Literal, ParamSpec, assert_type

from runpod_queue_api import models, wire
from runpod_queue_api.api.endpoint import get_health, get_metrics, get_requests, purge_queue
from runpod_queue_api.api.jobs import cancel, get_status, get_status_sync, retry, run, run_sync, stream
from runpod_queue_api.types import UNSET
from typing_extensions import TypeVar

from runpod_typed._core.requests import (
    GeneratedOperation,
    Operation,
    Request,
    build_request,
    describe,
    long_polled,
    operation_id,
    with_credentials,
)
from runpod_typed._models import health, jobs
from runpod_typed._models.responses import checked, read_job, read_stream_page, without_nulls
from runpod_typed._models.retry_policy import OperationKind
from runpod_typed._models.stream import StreamPage

P = ParamSpec("P")
ModelT = TypeVar("ModelT")


def submission_note(job: jobs.JobState[Any], what: str = "submitted") -> str:
    """Return the note for an exception that hides the id of a submitted job."""
    return f"job {job.id} was {what} and keeps running; reconnect with endpoint.job({job.id!r})"


RUN = describe(run, OperationKind.SUBMIT, read_job, note=submission_note)
RUN_SYNC = describe(run_sync, OperationKind.SUBMIT, read_job, returns_job=True, note=submission_note)
STATUS = describe(get_status, OperationKind.READ, read_job, returns_job=True)
STATUS_SYNC = describe(get_status_sync, OperationKind.READ, read_job, returns_job=True)
STREAM = describe(stream, OperationKind.DRAIN, read_stream_page)
CANCEL = describe(cancel, OperationKind.CANCEL, read_job)
RETRY = describe(retry, OperationKind.REQUEUE, read_job, note=partial(submission_note, what="queued again"))
HEALTH = describe(get_health, OperationKind.READ, health.read_health)
METRICS = describe(get_metrics, OperationKind.READ, health.read_metrics)
REQUESTS = describe(get_requests, OperationKind.READ, health.read_requests)
PURGE = describe(purge_queue, OperationKind.PURGE, health.read_purge_result)


_WAIT = (wire.WAIT_MIN_MS, wire.WAIT_MAX_MS)
_STREAM_WAIT = (wire.STREAM_WAIT_MIN_MS, wire.STREAM_WAIT_MAX_MS)


# `built` and `build` stand alone: mypy does not see a deprecated function within a call of a generic one.
def submit(endpoint_id: str, body: models.RunRequest) -> Request[jobs.JobState[Any]]:
    """Queue a job."""
    built = run._get_kwargs(endpoint_id, body=body)
    return with_credentials(body.s_3_config, build_request(RUN, endpoint_id, built))


def submit_and_wait(
    endpoint_id: str, body: models.RunRequest, *, long_poll_ms: int | None
) -> Request[jobs.JobState[Any]]:
    """Queue a job; the server delays its response until the job has finished, `long_poll_ms` at most.

    If there is no time for a delay, the job is queued plainly, unless it needs this operation's larger cap.
    """
    if long_poll_ms is None:
        plain = submit(endpoint_id, body)
        if not plain.is_too_large:
            return plain

    def build(milliseconds: int) -> Mapping[str, Any]:
        return run_sync._get_kwargs(endpoint_id, body=body, wait=milliseconds)

    wait = wire.WAIT_MIN_MS if long_poll_ms is None else long_poll_ms
    request = long_polled(RUN_SYNC, endpoint_id, build, wait, _WAIT)
    return with_credentials(body.s_3_config, request)


assert_type(wire.STATUS_TTL_UNIT, Literal["milliseconds"])


def fetch_status(endpoint_id: str, job_id: str, *, ttl_ms: int | None = None) -> Request[jobs.JobState[Any]]:
    """Fetch the state of a job."""
    ttl = UNSET if ttl_ms is None else ttl_ms
    built = get_status._get_kwargs(endpoint_id, job_id, ttl=ttl)
    return build_request(STATUS, endpoint_id, built, job_id=job_id)


def long_poll_status(endpoint_id: str, job_id: str, *, wait_ms: int) -> Request[jobs.JobState[Any]]:
    """Fetch the state of a job; the server delays its response until the job has finished, `wait_ms` at most."""

    def build(milliseconds: int) -> Mapping[str, Any]:
        return get_status_sync._get_kwargs(endpoint_id, job_id, wait=milliseconds)

    return long_polled(STATUS_SYNC, endpoint_id, build, wait_ms, _WAIT, job_id=job_id)


def fetch_chunks(endpoint_id: str, job_id: str, *, wait_ms: int) -> Request[StreamPage]:
    """Take the chunks since the last time; the server delays its response until there are some, `wait_ms` at most."""

    def build(milliseconds: int) -> Mapping[str, Any]:
        return stream._get_kwargs(endpoint_id, job_id, wait=milliseconds)

    return long_polled(STREAM, endpoint_id, build, wait_ms, _STREAM_WAIT, job_id=job_id)


def cancel_job(endpoint_id: str, job_id: str) -> Request[jobs.JobState[Any]]:
    """Cancel a job."""
    built = cancel._get_kwargs(endpoint_id, job_id)
    return build_request(CANCEL, endpoint_id, built, job_id=job_id)


def retry_job(endpoint_id: str, job_id: str) -> Request[jobs.JobState[Any]]:
    """Queue a failed job once more."""
    built = retry._get_kwargs(endpoint_id, job_id)
    uncertain = (
        f"Job {job_id} of endpoint {endpoint_id} may have been queued again and keep running: its response did not "
        "come. Check its status"
    )
    return build_request(RETRY, endpoint_id, built, job_id=job_id)._replace(uncertain=uncertain)


def fetch_health(endpoint_id: str) -> Request[health.EndpointHealth]:
    """Fetch the counts of jobs and workers."""
    built = get_health._get_kwargs(endpoint_id)
    return build_request(HEALTH, endpoint_id, built)


def fetch_metrics(endpoint_id: str) -> Request[health.EndpointMetrics]:
    """Fetch the metrics."""
    built = get_metrics._get_kwargs(endpoint_id)
    return build_request(METRICS, endpoint_id, built)


def fetch_requests(endpoint_id: str) -> Request[Mapping[str, Any]]:
    """Fetch the requests."""
    built = get_requests._get_kwargs(endpoint_id)
    return build_request(REQUESTS, endpoint_id, built)


def purge(endpoint_id: str) -> Request[health.PurgeResult]:
    """Remove the waiting jobs."""
    built = purge_queue._get_kwargs(endpoint_id)
    return build_request(PURGE, endpoint_id, built)


# The effect of repeating a generated operation. A POST may take effect once more.
_KINDS = {"get": OperationKind.READ, "put": OperationKind.CANCEL, "delete": OperationKind.CANCEL}


def generated_request(generated: GeneratedOperation[P, ModelT], *args: P.args, **kwargs: P.kwargs) -> Request[ModelT]:
    """Build a request of any generated operation, whose result is the generated model.

    Raises:
        ConfigurationError: A part of it cannot be sent.
    """
    build = generated._get_kwargs
    arguments = signature(build).bind(*args, **kwargs).arguments
    built = build(*args, **kwargs)
    name = operation_id(generated)
    # The caller must know of a lost response that took chunks along.
    kind = OperationKind.PURGE if name == STREAM.name else _KINDS.get(built["method"], OperationKind.PURGE)
    read = partial(_read_generated, generated._read_success)
    operation = Operation(name=name, kind=kind, read=read, may_be_empty=True)
    endpoint_id = str(next(iter(arguments.values()), ""))  # each path begins with it
    return with_credentials(list(arguments.values()), build_request(operation, endpoint_id, built))


def _read_generated(read_success: Callable[[int, Any], ModelT], data: object) -> ModelT:
    status = HTTPStatus.NO_CONTENT if data is None else HTTPStatus.OK
    return checked(lambda: read_success(status, without_nulls(data, wire.JOB_OUTPUT_KEY, wire.ENVELOPE_INPUT_KEY)))


def load_models() -> None:
    """Import the generated models, so that no response is lost to an import that fails: files can run out."""
    for name in models.__all__:
        getattr(models, name)
