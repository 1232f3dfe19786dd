"""The nine batch operations."""

from collections.abc import Callable
from typing import Final, cast

from runpod_queue_api import wire
from starlette.requests import Request
from starlette.responses import Response

from runpod_typed.local._engine.batches import BatchRecord
from runpod_typed.local._engine.jobs import Submission
from runpod_typed.local._envelope import InvalidEnvelopeError, read_envelopes
from runpod_typed.local._http import bad_request, json_response, read_json, read_number
from runpod_typed.local._service import QueueService

PAGE_SIZE: Final = 50
BODY_CAP: Final = wire.BATCH_APPEND_MAX_BYTES


class BatchRoutes:
    """One method per operation. Where the documents show no answer, the whole batch is given."""

    def __init__(self, service: QueueService) -> None:
        self._service = service
        self._batches = service.batches

    async def create(self, request: Request) -> Response:
        """A new draft."""
        submissions = _read_submissions(await read_json(request, BODY_CAP), "the request body")
        batch = self._service.act(lambda now: self._batches.create(submissions, now))
        return json_response({"id": batch.id, "status": self._batches.status(batch).value})

    async def append(self, request: Request) -> Response:
        """More requests for a draft."""
        body = await read_json(request, BODY_CAP)
        if not isinstance(body, dict):
            raise bad_request("the request body must be an object with an array `requests`")
        submissions = _read_submissions(cast("dict[str, object]", body).get("requests"), "requests")
        return self._change(request, lambda batch_id, now: self._batches.append(batch_id, submissions, now))

    async def finalize(self, request: Request) -> Response:
        """Let a draft run."""
        return self._change(request, self._batches.finalize)

    async def update(self, request: Request) -> Response:
        """Another display name. Attributes that we do not know are ignored."""
        body = await read_json(request, BODY_CAP)
        name = cast("dict[str, object]", body).get("name") if isinstance(body, dict) else 0
        if name is not None and not isinstance(name, str):
            raise bad_request("the request body must be an object, and its name a string")
        return self._change(request, lambda batch_id, now: self._batches.rename(batch_id, name, now))

    async def delete_request(self, request: Request) -> Response:
        """One request less in a draft."""
        request_id: str = request.path_params["request_id"]
        return self._change(request, lambda batch_id, now: self._batches.delete_request(batch_id, request_id, now))

    async def list(self, request: Request) -> Response:
        """Every batch. The documents show no envelope: ours has the form of the page of requests."""
        del request
        batches = self._service.act(lambda _: self._batches.show_all())
        total = len(batches)
        return json_response({"batches": batches, "hasMore": False, "limit": total, "offset": 0, "total": total})

    async def get(self, request: Request) -> Response:
        """One batch."""
        return self._change(request, self._batches.get)

    async def cancel(self, request: Request) -> Response:
        """Cancel what waits."""
        return self._change(request, self._batches.cancel)

    async def list_requests(self, request: Request) -> Response:
        """A page of a batch's requests."""
        offset = read_number(request, "offset", 0, 0)
        limit = read_number(request, "limit", PAGE_SIZE, 1)
        batch = self._service.act(lambda now: self._batches.get(request.path_params["batch_id"], now))
        return json_response(self._batches.show_page(batch, offset, limit))

    def _change(self, request: Request, action: Callable[[str, float], BatchRecord]) -> Response:
        batch = self._service.act(lambda now: action(request.path_params["batch_id"], now))
        return json_response(self._batches.show(batch))


def _read_submissions(body: object, what: str) -> list[Submission]:
    try:
        return read_envelopes(body, what)
    except InvalidEnvelopeError as error:
        raise bad_request(str(error)) from None
