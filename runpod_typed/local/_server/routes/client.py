"""The operations of clients."""

from runpod_queue_api import wire
from starlette.requests import Request
from starlette.responses import Response

from runpod_typed.local._engine.records import JobRecord, show_chunk, show_job
from runpod_typed.local._runtime import QueueRuntime
from runpod_typed.local._server.envelope import read_envelope
from runpod_typed.local._server.requests import json_response, read_json, read_number, read_wait, wait_for_job


async def run(runtime: QueueRuntime, request: Request) -> Response:
    """Submit a job and return at once."""
    return _short(await _submit(runtime, request, sync=False))


async def run_sync(runtime: QueueRuntime, request: Request) -> Response:
    """Submit a job and return when it ends or `wait` is over."""
    seconds = read_wait(request, wire.WAIT_DEFAULT_MS)
    record = await _submit(runtime, request, sync=True)
    await wait_for_job(runtime, request, record, seconds)
    return _show(runtime, record)


async def get_status(runtime: QueueRuntime, request: Request) -> Response:
    """Return the job as it is."""
    ttl = read_number(request, "ttl", 0, 1)
    if ttl:
        runtime.act(runtime.engine.shorten, request.path_params["job_id"], ttl / 1000)
    return _show(runtime, _get(runtime, request))


async def get_status_sync(runtime: QueueRuntime, request: Request) -> Response:
    """Return the job when it ends, or as it is when `wait` is over."""
    seconds = read_wait(request, wire.WAIT_DEFAULT_MS)
    await wait_for_job(runtime, request, _get(runtime, request), seconds)
    return _show(runtime, _get(runtime, request))


async def stream(runtime: QueueRuntime, request: Request) -> Response:
    """Return the chunks since the last call.

    With no chunks, the request is held; but while the job is in the queue only if it has a `wait` (the captured first
    response of a queued job came at once).
    """
    seconds = read_wait(request, wire.STREAM_WAIT_DEFAULT_MS)
    record = _get(runtime, request)
    has_wait = "wait" in request.query_params

    def ready() -> bool:
        return bool(record.chunks) or (record.started_at is None and not has_wait)

    await wait_for_job(runtime, request, record, seconds, ready)
    chunks = runtime.act(runtime.engine.drain, record.id)
    return json_response({"status": record.status.value, "stream": [show_chunk(chunk) for chunk in chunks]})


async def cancel(runtime: QueueRuntime, request: Request) -> Response:
    """Cancel a job; a finished job is returned as it is."""
    return _short(runtime.act(runtime.engine.cancel, request.path_params["job_id"]))


async def retry(runtime: QueueRuntime, request: Request) -> Response:
    """Queue a failed job again."""
    return _short(runtime.act(runtime.engine.retry, request.path_params["job_id"]))


async def purge_queue(runtime: QueueRuntime, request: Request) -> Response:
    """Remove the waiting jobs."""
    del request
    return json_response({"removed": runtime.act(runtime.engine.purge), "status": "completed"})


async def get_health(runtime: QueueRuntime, request: Request) -> Response:
    """Return the counters."""
    del request
    return json_response(runtime.act(runtime.engine.health))


async def get_requests(runtime: QueueRuntime, request: Request) -> Response:
    """Return the jobs that the queue knows. The form is a guess: no response is documented."""
    del request
    now = runtime.now()
    return json_response({"requests": [show_job(record, now) for record in reversed(runtime.engine.jobs.values())]})


async def get_metrics(runtime: QueueRuntime, request: Request) -> Response:
    """Return the counters of workers, and which workers are ready."""
    del request
    ready = [worker.id for worker in runtime.engine.workers.values() if worker.ready and not worker.jobs]
    return json_response({"readyWorkers": ready, "workers": runtime.act(runtime.engine.health)["workers"]})


async def _submit(runtime: QueueRuntime, request: Request, *, sync: bool) -> JobRecord:
    submission = read_envelope(await read_json(request, wire.PAYLOAD_CAPS["run_sync" if sync else "run"]))
    hidden_for: float = getattr(request.state, "hidden_for", 0.0)
    return runtime.act(lambda now: runtime.engine.submit(submission, now, sync=sync, hidden_for=hidden_for))


def _get(runtime: QueueRuntime, request: Request) -> JobRecord:
    return runtime.act(runtime.engine.get, request.path_params["job_id"])


def _show(runtime: QueueRuntime, record: JobRecord) -> Response:
    return json_response(show_job(record, runtime.now()))


def _short(record: JobRecord) -> Response:
    return json_response({"id": record.id, "status": record.status.value})
