"""The seam to the generated client: each operation of the API that the facade uses, described once.

Only this module imports ``runpod_queue_api.api``. Of a generated operation it uses the part that builds a request; the
answer is read by the generated models, from JSON that the transport has decoded. A contract test holds the pinned
generator to both.
"""

# _get_kwargs is the generator's builder of requests; the generator is pinned, and a contract test asserts the name.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from http import HTTPStatus
from types import ModuleType
from typing import Any, Generic
from urllib.parse import urlencode

from attrs import evolve, field, frozen
from runpod_queue_api import models, wire
from runpod_queue_api.api.endpoint import get_health, get_metrics, get_requests, purge_queue
from runpod_queue_api.api.jobs import cancel, get_status, get_status_sync, retry, run, run_sync, stream
from runpod_queue_api.types import UNSET, Unset
from typing_extensions import TypeVar

from runpod_typed._codecs import json
from runpod_typed._core import responses as job_answers
from runpod_typed._models import health, jobs
from runpod_typed._models.retry_policy import OperationKind
from runpod_typed._models.secret import Secret
from runpod_typed._transport.messages import HttpRequest
from runpod_typed.errors import PayloadTooLargeError

T_co = TypeVar("T_co", covariant=True)


@frozen(kw_only=True)
class Operation(Generic[T_co]):
    """One operation of the API.

    Attributes:
        name: Its operationId in the specification.
        kind: What repeating it means.
        read: Decoded JSON to what people see; ValidationError where it does not fit.
        model: The generated model of its 200 answer, which `read` goes through.
        returns_job: Whether a body that describes a job is an answer, whatever the HTTP status.
    """

    name: str
    kind: OperationKind
    read: Callable[[object], T_co]
    model: type
    returns_job: bool = False

    @property
    def payload_cap(self) -> int | None:
        """Bytes that a request's body may have; None where no cap is known."""
        return wire.PAYLOAD_CAPS.get(self.name)


@frozen(kw_only=True)
class Request(Generic[T_co]):
    """One call of an operation, ready to be sent.

    Attributes:
        operation: What is asked.
        endpoint_id: Of whom.
        http: What is sent.
        hold_ms: Milliseconds that the server is asked to hold its answer; None where it is not asked to.
    """

    operation: Operation[T_co]
    endpoint_id: str
    http: HttpRequest
    hold_ms: int | None = None
    _target_for: Callable[[int], str] | None = field(default=None, alias="target_for", eq=False, repr=False)

    def held_within(self, seconds: float) -> Request[T_co]:
        """The request for an attempt of so many seconds.

        An answer that is held beyond its attempt's end is lost, and with it the id of a new job or the chunks of a
        stream: after a pause, or a wait for its turn, an attempt may be shorter than the hold was meant for.
        """
        if self.hold_ms is None or self._target_for is None or self.hold_ms <= (seconds - _HOLD_MARGIN) * 1000:
            return self
        hold_ms = max(wire.WAIT_MIN_MS, int((seconds - _SHORTENED_HOLD_MARGIN) * 1000))
        if hold_ms >= self.hold_ms:
            return self
        return evolve(self, hold_ms=hold_ms, http=evolve(self.http, target=self._target_for(hold_ms)))


# Seconds for the way to and fro: what holds that were chosen for an attempt leave at least, and what shortened ones do.
_HOLD_MARGIN = 0.05
_SHORTENED_HOLD_MARGIN = 1.0


def _operation(
    module: ModuleType,
    kind: OperationKind,
    read: Callable[[object], T_co],
    model: type,
    *,
    returns_job: bool = False,
) -> Operation[T_co]:
    # The generator names a module after its operationId.
    name = module.__name__.rpartition(".")[2]
    return Operation(name=name, kind=kind, read=read, model=model, returns_job=returns_job)


RUN = _operation(run, OperationKind.SUBMIT, job_answers.read_job, models.Job)
RUN_SYNC = _operation(run_sync, OperationKind.SUBMIT, job_answers.read_job, models.Job, returns_job=True)
STATUS = _operation(get_status, OperationKind.READ, job_answers.read_job, models.Job, returns_job=True)
STATUS_SYNC = _operation(get_status_sync, OperationKind.READ, job_answers.read_job, models.Job, returns_job=True)
STREAM = _operation(stream, OperationKind.DRAIN, job_answers.read_stream_page, models.StreamAnswer)
CANCEL = _operation(cancel, OperationKind.CANCEL, job_answers.read_job, models.Job)
RETRY = _operation(retry, OperationKind.REQUEUE, job_answers.read_job, models.Job)
HEALTH = _operation(get_health, OperationKind.READ, health.read_health, models.EndpointHealth)
METRICS = _operation(get_metrics, OperationKind.READ, health.read_metrics, models.EndpointMetrics)
REQUESTS = _operation(get_requests, OperationKind.READ, health.read_requests, models.EndpointRequests)
PURGE = _operation(purge_queue, OperationKind.PURGE, health.read_purge_result, models.PurgeResult)


def submit(endpoint_id: str, body: models.RunRequest) -> Request[jobs.JobState[Any]]:
    """Queue a job."""
    return _with_credentials(body, _request(RUN, endpoint_id, run._get_kwargs(endpoint_id, body=body)))


def submit_and_hold(endpoint_id: str, body: models.RunRequest, *, hold_ms: int | None) -> Request[jobs.JobState[Any]]:
    """Queue a job and hold the answer until it has ended, `hold_ms` at most.

    Where there is no time to hold, the job is queued plainly, unless it needs this operation's larger cap.
    """
    if hold_ms is None:
        plain = submit(endpoint_id, body)
        if oversize_error(plain) is None:
            return plain
    wait = wire.WAIT_MIN_MS if hold_ms is None else hold_ms
    held = _held(RUN_SYNC, endpoint_id, lambda ms: run_sync._get_kwargs(endpoint_id, body=body, wait=ms), wait)
    return _with_credentials(body, held)


def look(endpoint_id: str, job_id: str, *, ttl_ms: int | None = None) -> Request[jobs.JobState[Any]]:
    """Ask where a job stands."""
    ttl = UNSET if ttl_ms is None else ttl_ms
    return _request(STATUS, endpoint_id, get_status._get_kwargs(endpoint_id, job_id, ttl=ttl))


def hold(endpoint_id: str, job_id: str, *, wait_ms: int) -> Request[jobs.JobState[Any]]:
    """Ask where a job stands, and hold the answer until it has ended, `wait_ms` at most."""
    return _held(
        STATUS_SYNC, endpoint_id, lambda ms: get_status_sync._get_kwargs(endpoint_id, job_id, wait=ms), wait_ms
    )


def drain(endpoint_id: str, job_id: str, *, wait_ms: int) -> Request[jobs.StreamPage]:
    """Take what a job has yielded since the last time; hold the answer until there is something, `wait_ms` at most."""
    return _held(STREAM, endpoint_id, lambda ms: stream._get_kwargs(endpoint_id, job_id, wait=ms), wait_ms)


def cancel_job(endpoint_id: str, job_id: str) -> Request[jobs.JobState[Any]]:
    """Cancel a job."""
    return _request(CANCEL, endpoint_id, cancel._get_kwargs(endpoint_id, job_id))


def retry_job(endpoint_id: str, job_id: str) -> Request[jobs.JobState[Any]]:
    """Queue a failed job once more."""
    return _request(RETRY, endpoint_id, retry._get_kwargs(endpoint_id, job_id))


def ask_health(endpoint_id: str) -> Request[health.EndpointHealth]:
    """Ask for the counts of jobs and workers."""
    return _request(HEALTH, endpoint_id, get_health._get_kwargs(endpoint_id))


def ask_metrics(endpoint_id: str) -> Request[health.EndpointMetrics]:
    """Ask for the metrics."""
    return _request(METRICS, endpoint_id, get_metrics._get_kwargs(endpoint_id))


def ask_requests(endpoint_id: str) -> Request[Mapping[str, Any]]:
    """Ask for the requests."""
    return _request(REQUESTS, endpoint_id, get_requests._get_kwargs(endpoint_id))


def purge(endpoint_id: str) -> Request[health.PurgeResult]:
    """Remove the waiting jobs."""
    return _request(PURGE, endpoint_id, purge_queue._get_kwargs(endpoint_id))


def _request(
    operation: Operation[T_co],
    endpoint_id: str,
    kwargs: Mapping[str, Any],
    hold_ms: int | None = None,
    target_for: Callable[[int], str] | None = None,
) -> Request[T_co]:
    content = kwargs.get("json")
    body = None if content is None else json.encode(content)
    method: str = kwargs["method"].upper()
    return Request(
        operation=operation,
        endpoint_id=endpoint_id,
        http=HttpRequest(method=method, target=_target(kwargs), body=body),
        hold_ms=hold_ms,
        target_for=target_for,
    )


def _with_credentials(body: models.RunRequest, request: Request[T_co]) -> Request[T_co]:
    storage = body.s_3_config
    if isinstance(storage, Unset):
        return request
    credentials = (Secret(str(storage.access_id)), Secret(str(storage.access_secret)))
    return evolve(request, http=evolve(request.http, credentials=credentials))


def _held(
    operation: Operation[T_co], endpoint_id: str, build: Callable[[int], Mapping[str, Any]], hold_ms: int
) -> Request[T_co]:
    def target_for(milliseconds: int) -> str:
        return _target(build(milliseconds))

    return _request(operation, endpoint_id, build(hold_ms), hold_ms, target_for)


def _target(kwargs: Mapping[str, Any]) -> str:
    target: str = kwargs["url"]
    query: Mapping[str, Any] = kwargs.get("params") or {}
    return f"{target}?{_query(*query.items())}" if query else target


@lru_cache(maxsize=256)  # most looks ask for the same
def _query(*items: tuple[str, int]) -> str:
    return urlencode(items)


def oversize_error(request: Request[Any]) -> PayloadTooLargeError | None:
    """The error for a body above the operation's cap; None where it is not.

    It is returned and not raised: a traceback from here would show the body, and with it storage credentials.
    """
    name, cap = request.operation.name, request.operation.payload_cap
    size = len(request.http.body or b"")
    if cap is None or size <= cap:
        return None
    advice = "run_sync() takes larger ones; or put" if cap < max(wire.PAYLOAD_CAPS.values()) else "Put"
    return PayloadTooLargeError(
        f"The input for endpoint {request.endpoint_id} makes a request of {size / 2**20:.1f} MiB, and {name} takes "
        f"{cap / 2**20:.0f} MiB. Nothing was sent. {advice} large data into storage and send its URL.",
        operation=name,
        method=request.http.method,
        url=request.http.target,
        status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    )
