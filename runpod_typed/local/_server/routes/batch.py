"""The nine batch operations. If the documents show no response, the whole batch is returned."""

from collections.abc import Callable
from typing import Final, cast

from runpod_queue_api import wire
from starlette.requests import Request
from starlette.responses import Response

from runpod_typed.local._engine.batches import BatchRecord
from runpod_typed.local._runtime import QueueRuntime
from runpod_typed.local._server.envelope import read_envelopes, read_requests
from runpod_typed.local._server.requests import bad_request, json_response, read_json, read_number

PAGE_SIZE: Final = 50
BODY_CAP: Final = wire.PAYLOAD_CAPS["append_batch_requests"]


async def create_batch(runtime: QueueRuntime, request: Request) -> Response:
    """Create a draft."""
    submissions = read_envelopes(await read_json(request, BODY_CAP))
    batch = runtime.act(runtime.batches.create, submissions)
    return json_response({"id": batch.id, "status": runtime.batches.status(batch).value})


async def append_requests(runtime: QueueRuntime, request: Request) -> Response:
    """Add requests to a draft."""
    submissions = read_requests(await read_json(request, BODY_CAP))
    return _change(runtime, request, lambda batch_id, now: runtime.batches.append(batch_id, submissions, now))


async def finalize_batch(runtime: QueueRuntime, request: Request) -> Response:
    """Queue the requests of a draft."""
    return _change(runtime, request, runtime.batches.finalize)


async def update_batch(runtime: QueueRuntime, request: Request) -> Response:
    """Change the display name. Unknown attributes are ignored."""
    body = await read_json(request, BODY_CAP)
    name = cast("dict[str, object]", body).get("name") if isinstance(body, dict) else 0
    if name is not None and not isinstance(name, str):
        raise bad_request("the request body must be an object, and its name a string")
    return _change(runtime, request, lambda batch_id, now: runtime.batches.rename(batch_id, name, now))


async def delete_request(runtime: QueueRuntime, request: Request) -> Response:
    """Remove a request from a draft."""
    request_id: str = request.path_params["request_id"]
    return _change(runtime, request, lambda batch_id, now: runtime.batches.delete_request(batch_id, request_id, now))


async def list_batches(runtime: QueueRuntime, request: Request) -> Response:
    """Return a page of all batches, in the form of the page of requests: no response is documented."""
    offset, limit = _read_page(request)
    return json_response(runtime.act(lambda _: runtime.batches.show_all(offset, limit)))


async def get_batch(runtime: QueueRuntime, request: Request) -> Response:
    """Return a batch."""
    return _change(runtime, request, runtime.batches.get)


async def cancel_batch(runtime: QueueRuntime, request: Request) -> Response:
    """Cancel the waiting requests."""
    return _change(runtime, request, runtime.batches.cancel)


async def list_requests(runtime: QueueRuntime, request: Request) -> Response:
    """Return a page of a batch's requests."""
    offset, limit = _read_page(request)
    batch = runtime.act(runtime.batches.get, request.path_params["batch_id"])
    return json_response(runtime.batches.show_page(batch, offset, limit))


def _change(runtime: QueueRuntime, request: Request, action: Callable[[str, float], BatchRecord]) -> Response:
    batch = runtime.act(action, request.path_params["batch_id"])
    return json_response(runtime.batches.show(batch))


def _read_page(request: Request) -> tuple[int, int]:
    return read_number(request, "offset", 0, 0), read_number(request, "limit", PAGE_SIZE, 1)
