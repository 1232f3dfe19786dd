"""The health of an endpoint: its jobs, its workers, its queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from attrs import field, frozen
from runpod_queue_api import models
from runpod_queue_api.types import Unset

from runpod_typed._errors import RunpodError
from runpod_typed._models.responses import (
    ValidationError,
    as_array,
    as_count,
    as_int,
    as_object,
    as_optional_string,
    as_string,
    read_only,
    reads,
)


@frozen(kw_only=True)
class JobCounts:
    """The numbers of an endpoint's jobs by state; a number that the response leaves out is 0."""

    in_queue: int = 0
    """Jobs that wait for a worker."""
    in_progress: int = 0
    """Jobs that a worker has."""
    completed: int = 0
    """Jobs completed, cumulative."""
    failed: int = 0
    """Jobs failed, cumulative."""
    retried: int = 0
    """Jobs assigned to a worker again after another one was lost, cumulative."""


@frozen(kw_only=True)
class WorkerCounts:
    """The numbers of an endpoint's workers by state; a number that the response leaves out is 0."""

    idle: int = 0
    """Workers without a job."""
    running: int = 0
    """Workers with a job."""
    initializing: int = 0
    """Workers that are starting."""
    ready: int = 0
    """Workers that could take a job at once."""
    throttled: int = 0
    """Workers that wait for a free machine of the wanted kind."""
    unhealthy: int = 0
    """Workers that failed their checks."""


@frozen(kw_only=True)
class _Response:
    raw: Mapping[str, Any] = field(repr=False, eq=False)
    """The response as it came, read-only."""

    def to_dict(self) -> dict[str, Any]:
        """Return the response's JSON as it came."""
        return dict(self.raw)


@frozen(kw_only=True)
class EndpointHealth(_Response):
    """An endpoint's jobs and workers at one moment.

    Example:
        ``if endpoint.health().workers.throttled: ...``
    """

    jobs: JobCounts
    """The jobs by state."""
    workers: WorkerCounts
    """The workers by state."""


@frozen(kw_only=True)
class EndpointMetrics(_Response):
    """The known part of an endpoint's metrics, which Runpod does not document; `raw` has the rest."""

    workers: WorkerCounts
    """The workers by state."""
    ready_workers: tuple[str, ...]
    """The ids of the workers that could take a job at once."""


@frozen(kw_only=True)
class PurgeResult(_Response):
    """The result of emptying a queue."""

    removed: int
    """The number of waiting jobs that were removed."""
    status: str | None
    """``completed`` once they are removed; None if the response does not tell."""


@reads(models.EndpointHealth)
def read_health(model: models.EndpointHealth, raw: Mapping[str, Any]) -> EndpointHealth:
    """Return an endpoint's health."""
    if raw and model.additional_properties == raw:
        raise ValidationError("the response tells neither of jobs nor of workers")
    # A generated model takes an empty array for an object without fields.
    for name, value in model.to_dict().items():
        if isinstance(value, Mapping):
            as_object(raw[name], f"the field {name!r}")
    return EndpointHealth(jobs=_job_counts(model.jobs), workers=_worker_counts(model.workers), raw=read_only(raw))


@reads(models.EndpointMetrics)
def read_metrics(model: models.EndpointMetrics, raw: Mapping[str, Any]) -> EndpointMetrics:
    """Return an endpoint's metrics."""
    ready: list[str] | Unset = model.ready_workers
    names = cast("list[str]", as_array(ready, "the ready workers"))
    return EndpointMetrics(
        workers=_worker_counts(model.workers),
        ready_workers=tuple(as_string(name, "a ready worker's id") for name in names),
        raw=read_only(raw),
    )


@reads(models.EndpointRequests)
def read_requests(_model: models.EndpointRequests, raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the recent requests, whose form is not documented: any JSON object."""
    return read_only(raw)


@reads(models.PurgeResult)
def read_purge_result(model: models.PurgeResult, raw: Mapping[str, Any]) -> PurgeResult:
    """Return a purge's result."""
    return PurgeResult(
        removed=as_int(model.removed, "the number of removed jobs"),
        status=as_optional_string(model.status, "the purge's status"),
        raw=read_only(raw),
    )


def _job_counts(model: models.JobCounts | Unset) -> JobCounts:
    if isinstance(model, Unset):
        return JobCounts()
    return JobCounts(
        in_queue=as_count(model.in_queue, "the count of jobs in the queue"),
        in_progress=as_count(model.in_progress, "the count of jobs in progress"),
        completed=as_count(model.completed, "the count of completed jobs"),
        failed=as_count(model.failed, "the count of failed jobs"),
        retried=as_count(model.retried, "the count of retried jobs"),
    )


def _worker_counts(model: models.WorkerCounts | Unset) -> WorkerCounts:
    if isinstance(model, Unset):
        return WorkerCounts()
    return WorkerCounts(
        idle=as_count(model.idle, "the count of idle workers"),
        running=as_count(model.running, "the count of running workers"),
        initializing=as_count(model.initializing, "the count of initializing workers"),
        ready=as_count(model.ready, "the count of ready workers"),
        throttled=as_count(model.throttled, "the count of throttled workers"),
        unhealthy=as_count(model.unhealthy, "the count of unhealthy workers"),
    )


class WaitTimeoutError(RunpodError, TimeoutError):
    """The caller's time limit ended before the job finished.

    The job keeps running. ``error.job.output()`` keeps waiting for it.
    """

    health: EndpointHealth | None
    """The endpoint's jobs and workers at that moment if the job was in the queue, or None if they are unknown."""

    def __init__(self, message: str, *, job: Any, health: EndpointHealth | None = None) -> None:
        super().__init__(message)
        self.job = job
        self.health = health


class QueueTimeoutError(WaitTimeoutError):
    """No worker took the job within `queue_timeout`. The message says why, as far as the endpoint's health tells."""


def explain_waiting(health: EndpointHealth | None) -> str:
    """Return the likely reason why a job is still waiting for a worker, and the advice."""
    if health is None:
        return "The endpoint's health is unknown."
    workers, ahead = health.workers, health.jobs.in_queue
    queue = f"{ahead} {'job waits' if ahead == 1 else 'jobs wait'} in the queue"
    if workers.unhealthy > 0:
        others = workers.idle + workers.running + workers.initializing + workers.throttled
        return (
            f"{_workers_are(workers.unhealthy)} unhealthy (besides {others} other{'' if others == 1 else 's'}) and "
            f"{queue}: workers crash or fail to start. Look at the workers' logs."
        )
    if workers.idle + workers.ready > 0:
        return (
            f"{_workers_are(max(workers.idle, workers.ready))} idle, and {queue}: a worker should take the job any "
            "moment. Wait longer; if that does not help, look at the workers' logs."
        )
    if workers.running > 0:
        return (
            f"All workers are busy ({workers.running} running) and {queue}. "
            "Raise the endpoint's maximum of workers, or wait longer."
        )
    if workers.throttled > 0:
        return (
            f"{_workers_are(workers.throttled)} throttled: no machine of the wanted kind is free; {queue}. "
            "Allow more GPU types or regions, or wait longer."
        )
    if workers.initializing > 0:
        return f"{_workers_are(workers.initializing)} initializing (a cold start) and {queue}. Wait longer."
    return (
        f"The endpoint has no workers and {queue}. An idle endpoint is scaled down: to at most 2 workers after 3 days "
        "without a request, and to 0 after 7 days, until its maximum of workers is raised again. Check that maximum "
        "and the account's balance."
    )


def _workers_are(number: int) -> str:
    return "1 worker is" if number == 1 else f"{number} workers are"
