"""The operations of workers."""

from typing import Final, cast

from starlette.requests import Request
from starlette.responses import Response

from runpod_typed.local._engine.records import Chunk, JobRecord, show_for_worker
from runpod_typed.local._runtime import QueueRuntime
from runpod_typed.local._server.requests import TooLargeError, bad_request, held, json_response, read_json, read_number
from runpod_typed.local._workers.reports import RESULT_CAP, read_oversized_result, read_result, split_chunk

HOLD_SECONDS: Final = 30.0


async def take_job(runtime: QueueRuntime, request: Request) -> Response:
    """Return the next job, or 204 if none came in time."""
    jobs = await _take(runtime, request, 1)
    return json_response(show_for_worker(jobs[0])) if jobs else Response(status_code=204)


async def take_jobs(runtime: QueueRuntime, request: Request) -> Response:
    """Return the next jobs as an array, or 204 if none came in time."""
    jobs = await _take(runtime, request, read_number(request, "batch_size", 1, 1))
    return json_response([show_for_worker(job) for job in jobs]) if jobs else Response(status_code=204)


async def finish_job(runtime: QueueRuntime, request: Request) -> Response:
    """Accept a progress update or a result.

    A result above the cap gets 400 and ends the job without output, as captured.
    """
    worker_id, job_id = _subject(runtime, request)
    try:
        body = await _read(request)
    except TooLargeError as error:
        if error.beginning is not None and (result := read_oversized_result(job_id, error.beginning)) is not None:
            runtime.finish(worker_id, job_id, result)
        raise
    if body.get("status") == "IN_PROGRESS":
        runtime.act(runtime.engine.progress, worker_id, job_id, body.get("output"))
    else:
        runtime.finish(worker_id, job_id, read_result(body))
    return Response(status_code=200)


async def stream_chunk(runtime: QueueRuntime, request: Request) -> Response:
    """Accept a chunk of a generator's output."""
    worker_id, job_id = _subject(runtime, request)
    body = await _read(request)
    for chunk in split_chunk(Chunk(body.get("output"), body.get("metrics"))):
        runtime.act(runtime.engine.chunk, worker_id, job_id, chunk)
    return Response(status_code=200)


async def ping(runtime: QueueRuntime, request: Request) -> Response:
    """Accept a heartbeat."""
    job_ids = [job_id for job_id in request.query_params.get("job_id", "").split(",") if job_id]
    healthy = request.query_params.get("status") != "unhealthy"
    runtime.act(lambda now: runtime.engine.ping(request.path_params["worker_id"], job_ids, now, healthy=healthy))
    return Response(status_code=200)


async def stop_jobs(runtime: QueueRuntime, request: Request) -> Response:
    """Return the jobs to stop, or 204 if none came in time."""
    async with held(request, runtime) as waiter:
        stops = await runtime.wait_for_stops(request.path_params["worker_id"], waiter, HOLD_SECONDS)
    return json_response({"jobsToStop": stops}) if stops else Response(status_code=204)


async def _take(runtime: QueueRuntime, request: Request, limit: int) -> list[JobRecord]:
    async with held(request, runtime) as waiter:
        return await runtime.take(request.path_params["worker_id"], waiter, limit=limit, seconds=HOLD_SECONDS)


def _subject(runtime: QueueRuntime, request: Request) -> tuple[str, str]:
    """Return the ids of the worker and of the job that it reports on."""
    job_id: str = request.path_params["job_id"]
    runtime.act(runtime.engine.find, job_id)
    return request.path_params["worker_id"], job_id


async def _read(request: Request) -> dict[str, object]:
    """Read the body as JSON; its content type is ignored."""
    body = await read_json(request, RESULT_CAP, strict=False)
    if not isinstance(body, dict):
        raise bad_request("the body must be a JSON object")
    return cast("dict[str, object]", body)
