"""OpenAI's API in front of the queue: a request becomes a job, as on the platform.

A worker for it reads `openai_route` and `openai_input` from its input and yields what OpenAI would answer: one object,
or, when `stream` is true, the events as text (`data: {...}`) or as objects.
"""

from collections.abc import AsyncIterator
from typing import cast

from runpod_queue_api import wire
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from runpod_typed.local._engine.jobs import ABSENT, JobRecord, JobStatus, Submission
from runpod_typed.local._hold import hold
from runpod_typed.local._http import Refusal, bad_request, json_response, read_json
from runpod_typed.local._json import encode
from runpod_typed.local._service import QueueService

HOLD_SECONDS = wire.WAIT_MAX_MS / 1000


class OpenAIRoutes:
    """`/openai/v1/*`."""

    def __init__(self, service: QueueService) -> None:
        self._service = service
        self._engine = service.engine

    async def list_models(self, request: Request) -> Response:
        """No models: which ones a worker serves, only the worker knows."""
        del request
        return json_response({"object": "list", "data": []})

    async def forward(self, request: Request) -> Response:
        """Run a request as a job, and answer with its output."""
        body = await read_json(request, wire.RUN_SYNC_MAX_BYTES)
        if not isinstance(body, dict):
            raise bad_request("the request body must be an object")
        question = cast("dict[str, object]", body)
        asked = {"openai_input": question, "openai_route": f"/v1/{request.path_params['route']}"}
        record = self._service.act(lambda now: self._engine.submit(Submission(input=asked), now, sync=True))
        if question.get("stream") is True:
            return StreamingResponse(self._events(request, record), media_type="text/event-stream")
        await self._wait(request, record, chunks=False)
        return self._answer(record)

    def _answer(self, record: JobRecord) -> Response:
        output = record.output
        if isinstance(output, list):
            outputs = cast("list[object]", output) or record.chunks
            output = outputs[-1] if outputs else ABSENT
        if record.status is not JobStatus.COMPLETED or output is ABSENT:
            message = record.error if isinstance(record.error, str) else f"job {record.id} is {record.status}"
            raise Refusal(500, {"error": {"message": message, "type": "server_error"}})
        return json_response(output)

    async def _events(self, request: Request, record: JobRecord) -> AsyncIterator[bytes]:
        while True:
            await self._wait(request, record, chunks=True)
            chunks, record.chunks = record.chunks, []
            for chunk in chunks:
                yield chunk.encode() if isinstance(chunk, str) else b"data: " + encode(chunk) + b"\n\n"
            if not chunks:
                return

    async def _wait(self, request: Request, record: JobRecord, *, chunks: bool) -> None:
        def ready() -> bool:
            over = record.terminal or record.id not in self._engine.jobs
            return over or (chunks and bool(record.chunks))

        if not ready():
            async with hold(request, self._service) as waiter:
                await self._service.wait_for_job(record.id, waiter, ready, HOLD_SECONDS)
