"""The operations that clients call."""

from functools import partial

from runpod_queue_api import wire
from starlette.requests import Request
from starlette.responses import Response

from runpod_typed.local._engine.jobs import JobRecord, show_job
from runpod_typed.local._envelope import InvalidEnvelopeError, read_envelope
from runpod_typed.local._hold import hold
from runpod_typed.local._http import bad_request, json_response, read_json, read_number, read_wait
from runpod_typed.local._service import QueueService


class ClientRoutes:
    """One method per operation of the API's documentation."""

    def __init__(self, service: QueueService) -> None:
        self._service = service
        self._engine = service.engine

    async def run(self, request: Request) -> Response:
        """Submit; answer at once."""
        record = await self._submit(request, sync=False)
        return json_response({"id": record.id, "status": record.status.value})

    async def run_sync(self, request: Request) -> Response:
        """Submit, and answer when the job ends or `wait` is over."""
        seconds = read_wait(request, wire.WAIT_DEFAULT_MS)
        record = await self._submit(request, sync=True)
        await self._wait_for_end(request, record, seconds)
        return self._show(record)

    async def get_status(self, request: Request) -> Response:
        """The job as it is."""
        job_id = request.path_params["job_id"]
        ttl = read_number(request, "ttl", 0, 1)
        if ttl:
            self._service.act(partial(self._engine.shorten, job_id, ttl / 1000))
        return self._show(self._get(job_id))

    async def get_status_sync(self, request: Request) -> Response:
        """The job when it ends, or as it is when `wait` is over."""
        seconds = read_wait(request, wire.WAIT_DEFAULT_MS)
        job_id = request.path_params["job_id"]
        await self._wait_for_end(request, self._get(job_id), seconds)
        return self._show(self._get(job_id))

    async def stream(self, request: Request) -> Response:
        """The chunks since the last call.

        With nothing to give, the request is held: not while the job still waits for a worker, unless the caller named a
        `wait` (the captured first answer of a queued job came at once).
        """
        seconds = read_wait(request, wire.STREAM_WAIT_DEFAULT_MS)
        record = self._get(request.path_params["job_id"])
        asked = "wait" in request.query_params

        def ready() -> bool:
            if record.chunks or record.terminal or record.id not in self._engine.jobs:
                return True
            return record.started_at is None and not asked

        if not ready():
            async with hold(request, self._service) as waiter:
                await self._service.wait_for_job(record.id, waiter, ready, seconds)
        chunks = self._service.act(partial(self._engine.drain, record.id))
        return json_response({"status": record.status.value, "stream": [{"output": chunk} for chunk in chunks]})

    async def cancel(self, request: Request) -> Response:
        """Cancel; a job that has ended is answered as it is."""
        job_id = request.path_params["job_id"]
        record = self._service.act(partial(self._engine.cancel, job_id))
        return json_response({"id": record.id, "status": record.status.value})

    async def retry(self, request: Request) -> Response:
        """Put a failed job back into the line."""
        job_id = request.path_params["job_id"]
        record = self._service.act(partial(self._engine.retry, job_id))
        return json_response({"id": record.id, "status": record.status.value})

    async def purge_queue(self, request: Request) -> Response:
        """Remove what waits."""
        del request
        removed = self._service.act(self._engine.purge)
        return json_response({"removed": removed, "status": "completed"})

    async def get_health(self, request: Request) -> Response:
        """The counters."""
        del request
        return json_response(self._service.act(self._engine.health))

    async def get_requests(self, request: Request) -> Response:
        """The jobs that the queue knows. Nobody has documented this answer; ours is a guess."""
        del request
        now = self._service.now()
        shown = [show_job(record, now) for record in reversed(self._engine.jobs.values())]
        return json_response({"requests": shown})

    async def get_metrics(self, request: Request) -> Response:
        """The workers, and which of them are ready."""
        del request
        ready = [worker.id for worker in self._engine.workers.values() if worker.ready and not worker.jobs]
        workers = self._service.act(self._engine.health)["workers"]
        return json_response({"readyWorkers": ready, "workers": workers})

    async def _submit(self, request: Request, *, sync: bool) -> JobRecord:
        body = await read_json(request, wire.RUN_SYNC_MAX_BYTES if sync else wire.RUN_MAX_BYTES)
        try:
            submission = read_envelope(body)
        except InvalidEnvelopeError as error:
            raise bad_request(str(error)) from None
        return self._service.act(partial(self._engine.submit, submission, sync=sync))

    async def _wait_for_end(self, request: Request, record: JobRecord, seconds: float) -> None:
        def ready() -> bool:
            return record.terminal or record.id not in self._engine.jobs

        if not ready():
            async with hold(request, self._service) as waiter:
                await self._service.wait_for_job(record.id, waiter, ready, seconds)

    def _get(self, job_id: str) -> JobRecord:
        return self._service.act(partial(self._engine.get, job_id))

    def _show(self, record: JobRecord) -> Response:
        return json_response(show_job(record, self._service.now()))
