"""The operations of clients."""

from functools import partial

from runpod_queue_api import wire
from starlette.requests import Request
from starlette.responses import Response

from runpod_typed.local._engine.records import JobRecord, show_chunk, show_job
from runpod_typed.local._envelope import InvalidEnvelopeError, read_envelope
from runpod_typed.local._http import bad_request, held, json_response, read_json, read_number, read_wait
from runpod_typed.local._service import QueueService


async def run(service: QueueService, request: Request) -> Response:
    """Submit a job and return at once."""
    return _short(await _submit(service, request, sync=False))


async def run_sync(service: QueueService, request: Request) -> Response:
    """Submit a job and return when it ends or `wait` is over."""
    seconds = read_wait(request, wire.WAIT_DEFAULT_MS)
    record = await _submit(service, request, sync=True)
    await _wait_for_end(service, request, record, seconds)
    return _show(service, record)


async def get_status(service: QueueService, request: Request) -> Response:
    """Return the job as it is."""
    ttl = read_number(request, "ttl", 0, 1)
    if ttl:
        service.act(partial(service.engine.shorten, request.path_params["job_id"], ttl / 1000))
    return _show(service, _get(service, request))


async def get_status_sync(service: QueueService, request: Request) -> Response:
    """Return the job when it ends, or as it is when `wait` is over."""
    seconds = read_wait(request, wire.WAIT_DEFAULT_MS)
    await _wait_for_end(service, request, _get(service, request), seconds)
    return _show(service, _get(service, request))


async def stream(service: QueueService, request: Request) -> Response:
    """Return the chunks since the last call.

    With no chunks, the request is held; but while the job is in the queue only if it has a `wait` (the captured first
    response of a queued job came at once).
    """
    seconds = read_wait(request, wire.STREAM_WAIT_DEFAULT_MS)
    record = _get(service, request)
    has_wait = "wait" in request.query_params

    def ready() -> bool:
        if record.chunks or record.terminal or record.id not in service.engine.jobs:
            return True
        return record.started_at is None and not has_wait

    if not ready():
        async with held(request, service) as waiter:
            await service.wait_for(record.id, waiter, ready, seconds)
    chunks = service.act(partial(service.engine.drain, record.id))
    return json_response({"status": record.status.value, "stream": [show_chunk(chunk) for chunk in chunks]})


async def cancel(service: QueueService, request: Request) -> Response:
    """Cancel a job; a finished job is returned as it is."""
    return _short(service.act(partial(service.engine.cancel, request.path_params["job_id"])))


async def retry(service: QueueService, request: Request) -> Response:
    """Queue a failed job again."""
    return _short(service.act(partial(service.engine.retry, request.path_params["job_id"])))


async def purge_queue(service: QueueService, request: Request) -> Response:
    """Remove the waiting jobs."""
    del request
    return json_response({"removed": service.act(service.engine.purge), "status": "completed"})


async def get_health(service: QueueService, request: Request) -> Response:
    """Return the counters."""
    del request
    return json_response(service.act(service.engine.health))


async def get_requests(service: QueueService, request: Request) -> Response:
    """Return the jobs that the queue knows. The form is a guess: no response is documented."""
    del request
    now = service.now()
    return json_response({"requests": [show_job(record, now) for record in reversed(service.engine.jobs.values())]})


async def get_metrics(service: QueueService, request: Request) -> Response:
    """Return the counters of workers, and which workers are ready."""
    del request
    ready = [worker.id for worker in service.engine.workers.values() if worker.ready and not worker.jobs]
    return json_response({"readyWorkers": ready, "workers": service.act(service.engine.health)["workers"]})


async def _submit(service: QueueService, request: Request, *, sync: bool) -> JobRecord:
    body = await read_json(request, wire.PAYLOAD_CAPS["run_sync" if sync else "run"])
    try:
        submission = read_envelope(body)
    except InvalidEnvelopeError as error:
        raise bad_request(str(error)) from None
    hidden_for: float = getattr(request.state, "hidden_for", 0.0)
    return service.act(partial(service.engine.submit, submission, sync=sync, hidden_for=hidden_for))


async def _wait_for_end(service: QueueService, request: Request, record: JobRecord, seconds: float) -> None:
    def ready() -> bool:
        return record.terminal or record.id not in service.engine.jobs

    if not ready():
        async with held(request, service) as waiter:
            await service.wait_for(record.id, waiter, ready, seconds)


def _get(service: QueueService, request: Request) -> JobRecord:
    return service.act(partial(service.engine.get, request.path_params["job_id"]))


def _show(service: QueueService, record: JobRecord) -> Response:
    return json_response(show_job(record, service.now()))


def _short(record: JobRecord) -> Response:
    return json_response({"id": record.id, "status": record.status.value})
