"""OpenAI's API in front of the queue: a request becomes a job, as on the platform.

The worker finds `openai_route` and `openai_input` in its input, and yields or returns an OpenAI response: an object or
JSON text; with `stream`, the events as text (`data: {...}`) or as objects.
"""

from collections.abc import AsyncIterator
from typing import Final, cast

from runpod_queue_api import wire
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from runpod_typed.local._engine.records import ABSENT, JobRecord, JobStatus, Submission
from runpod_typed.local._json import encode
from runpod_typed.local._runtime import QueueRuntime
from runpod_typed.local._server.requests import Refusal, bad_request, json_response, read_json, wait_for_job

HOLD_SECONDS: Final = wire.WAIT_MAX_MS / 1000


async def list_models(runtime: QueueRuntime, request: Request) -> Response:
    """Ask the worker for its models."""
    record = _submit(runtime, "/v1/models", {})
    await wait_for_job(runtime, request, record, HOLD_SECONDS)
    return _respond(record)


async def forward(runtime: QueueRuntime, request: Request) -> Response:
    """Run a request as a job and return its output."""
    body = await read_json(request, wire.PAYLOAD_CAPS["run_sync"])
    if not isinstance(body, dict):
        raise bad_request("the request body must be an object")
    openai_input = cast("dict[str, object]", body)
    record = _submit(runtime, f"/v1/{request.path_params['route']}", openai_input)
    if openai_input.get("stream") is True:
        return StreamingResponse(_events(runtime, request, record), media_type="text/event-stream")
    await wait_for_job(runtime, request, record, HOLD_SECONDS)
    return _respond(record)


def _submit(runtime: QueueRuntime, route: str, openai_input: dict[str, object]) -> JobRecord:
    submission = Submission(input={"openai_route": route, "openai_input": openai_input})
    return runtime.act(lambda now: runtime.engine.submit(submission, now, sync=True))


def _respond(record: JobRecord) -> Response:
    output = record.output
    if isinstance(output, list):
        outputs = cast("list[object]", output) or [chunk.output for chunk in record.chunks]
        output = outputs[-1] if outputs else ABSENT
    if record.status is not JobStatus.COMPLETED or output is ABSENT:
        raise Refusal(500, _error(record))
    if isinstance(output, str):
        return Response(output, media_type="application/json")
    return json_response(output)


def _error(record: JobRecord) -> dict[str, object]:
    error = record.error
    if isinstance(error, dict) and "message" in error:
        return {"error": cast("object", error)}
    message = error if isinstance(error, str) else f"job {record.id} is {record.status}"
    return {"error": {"message": message, "type": "server_error"}}


async def _events(runtime: QueueRuntime, request: Request, record: JobRecord) -> AsyncIterator[bytes]:
    while True:
        await wait_for_job(runtime, request, record, HOLD_SECONDS, lambda: bool(record.chunks))
        chunks, record.chunks = record.chunks, []
        for chunk in chunks:
            output = chunk.output
            yield output.encode() if isinstance(output, str) else b"data: " + encode(output) + b"\n\n"
        if not chunks:
            break
    if record.status is not JobStatus.COMPLETED:
        yield b"data: " + encode(_error(record)) + b"\n\n"
