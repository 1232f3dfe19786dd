"""The operations that workers call."""

import asyncio
from functools import partial
from typing import Final, cast

from runpod_queue_api import wire
from starlette.requests import Request
from starlette.responses import Response

from runpod_typed.local._engine.jobs import JobRecord, show_for_worker
from runpod_typed.local._hold import hold
from runpod_typed.local._http import Refusal, bad_request, json_response, read_json
from runpod_typed.local._service import QueueService
from runpod_typed.local._worker_messages import read_result, split_chunk

HOLD_SECONDS: Final = 30.0
UNAUTHORIZED_PAUSE: Final = 1.0
RESULT_CAP: Final = wire.RUN_SYNC_MAX_BYTES


class WorkerRoutes:
    """One method per call of the worker SDK."""

    def __init__(self, service: QueueService) -> None:
        self._service = service
        self._engine = service.engine

    async def take_job(self, request: Request) -> Response:
        """The next job; 204 when none came in time."""
        jobs = await self._take(request, 1)
        return json_response(show_for_worker(jobs[0])) if jobs else Response(status_code=204)

    async def take_jobs(self, request: Request) -> Response:
        """The next jobs, as an array."""
        size = request.query_params.get("batch_size", "1")
        jobs = await self._take(request, int(size) if size.isdecimal() and size != "0" else 1)
        return json_response([show_for_worker(job) for job in jobs]) if jobs else Response(status_code=204)

    async def finish_job(self, request: Request) -> Response:
        """A progress update, or the result."""
        worker_id, job_id, body = await self._report(request)
        if body.get("status") == "IN_PROGRESS":
            self._service.act(partial(self._engine.progress, worker_id, job_id, body.get("output")))
        else:
            self._service.finish(worker_id, job_id, read_result(body))
        return Response(status_code=200)

    async def stream_chunk(self, request: Request) -> Response:
        """One chunk of a generator's output."""
        worker_id, job_id, body = await self._report(request)
        for output in split_chunk(body.get("output")):
            self._service.act(partial(self._engine.chunk, worker_id, job_id, output))
        return Response(status_code=200)

    async def ping(self, request: Request) -> Response:
        """A heartbeat."""
        worker_id: str = request.path_params["worker_id"]
        job_ids = [job_id for job_id in request.query_params.get("job_id", "").split(",") if job_id]
        healthy = request.query_params.get("status") != "unhealthy"
        self._service.act(partial(self._engine.ping, worker_id, job_ids, healthy=healthy))
        return Response(status_code=200)

    async def stop_jobs(self, request: Request) -> Response:
        """The jobs to stop; 204 when none came in time."""
        async with hold(request, self._service) as waiter:
            stops = await self._service.wait_for_stops(request.path_params["worker_id"], waiter, HOLD_SECONDS)
        return json_response({"jobsToStop": stops}) if stops else Response(status_code=204)

    async def _take(self, request: Request, limit: int) -> list[JobRecord]:
        async with hold(request, self._service) as waiter:
            worker_id: str = request.path_params["worker_id"]
            return await self._service.take(worker_id, waiter, limit=limit, seconds=HOLD_SECONDS)

    async def _report(self, request: Request) -> tuple[str, str, dict[str, object]]:
        """Who reports on what, and what. The body is JSON, whatever its content type says."""
        body = await read_json(request, RESULT_CAP, strict=False)
        if not isinstance(body, dict):
            raise bad_request("the body must be a JSON object")
        worker_id: str = request.path_params["worker_id"]
        job_id: str = request.path_params["job_id"]
        self._service.act(partial(self._engine.get, job_id))
        return worker_id, job_id, cast("dict[str, object]", body)


async def refuse_worker() -> Refusal:
    """The answer to a worker without a valid token: late, since the SDK asks again at once."""
    await asyncio.sleep(UNAUTHORIZED_PAUSE)
    return Refusal(401, {"error": "unauthorized"})
