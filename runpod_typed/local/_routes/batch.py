"""The nine batch operations. If the documents show no response, the whole batch is returned."""

from collections.abc import Callable
from typing import Final, cast

from runpod_queue_api import wire
from starlette.requests import Request
from starlette.responses import Response

from runpod_typed.local._engine.batches import BatchRecord
from runpod_typed.local._envelope import read_envelopes, read_requests
from runpod_typed.local._http import bad_request, json_response, read_json, read_number
from runpod_typed.local._service import QueueService

PAGE_SIZE: Final = 50
BODY_CAP: Final = wire.PAYLOAD_CAPS["append_batch_requests"]


async def create_batch(service: QueueService, request: Request) -> Response:
    """Create a draft."""
    submissions = read_envelopes(await read_json(request, BODY_CAP))
    batch = service.act(service.batches.create, submissions)
    return json_response({"id": batch.id, "status": service.batches.status(batch).value})


async def append_requests(service: QueueService, request: Request) -> Response:
    """Add requests to a draft."""
    submissions = read_requests(await read_json(request, BODY_CAP))
    return _change(service, request, lambda batch_id, now: service.batches.append(batch_id, submissions, now))


async def finalize_batch(service: QueueService, request: Request) -> Response:
    """Queue the requests of a draft."""
    return _change(service, request, service.batches.finalize)


async def update_batch(service: QueueService, request: Request) -> Response:
    """Change the display name. Unknown attributes are ignored."""
    body = await read_json(request, BODY_CAP)
    name = cast("dict[str, object]", body).get("name") if isinstance(body, dict) else 0
    if name is not None and not isinstance(name, str):
        raise bad_request("the request body must be an object, and its name a string")
    return _change(service, request, lambda batch_id, now: service.batches.rename(batch_id, name, now))


async def delete_request(service: QueueService, request: Request) -> Response:
    """Remove a request from a draft."""
    request_id: str = request.path_params["request_id"]
    return _change(service, request, lambda batch_id, now: service.batches.delete_request(batch_id, request_id, now))


async def list_batches(service: QueueService, request: Request) -> Response:
    """Return a page of all batches, in the form of the page of requests: no response is documented."""
    offset, limit = _read_page(request)
    return json_response(service.act(lambda _: service.batches.show_all(offset, limit)))


async def get_batch(service: QueueService, request: Request) -> Response:
    """Return a batch."""
    return _change(service, request, service.batches.get)


async def cancel_batch(service: QueueService, request: Request) -> Response:
    """Cancel the waiting requests."""
    return _change(service, request, service.batches.cancel)


async def list_requests(service: QueueService, request: Request) -> Response:
    """Return a page of a batch's requests."""
    offset, limit = _read_page(request)
    batch = service.act(service.batches.get, request.path_params["batch_id"])
    return json_response(service.batches.show_page(batch, offset, limit))


def _change(service: QueueService, request: Request, action: Callable[[str, float], BatchRecord]) -> Response:
    batch = service.act(action, request.path_params["batch_id"])
    return json_response(service.batches.show(batch))


def _read_page(request: Request) -> tuple[int, int]:
    return read_number(request, "offset", 0, 0), read_number(request, "limit", PAGE_SIZE, 1)
