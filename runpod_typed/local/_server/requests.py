"""Requests and responses, in the forms that clients and workers of a queue meet."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from runpod_queue_api import wire
from starlette.requests import Request
from starlette.responses import Response

from runpod_typed.local._engine.engine import NotAllowedError, NotFoundError
from runpod_typed.local._engine.records import JobRecord
from runpod_typed.local._json import InvalidJSONError, decode, encode
from runpod_typed.local._runtime import QueueRuntime, Waiter
from runpod_typed.local._server.envelope import InvalidEnvelopeError

MEBIBYTE: Final = 1024 * 1024
WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,15}")
BEGINNING: Final = 64


class Refusal(Exception):  # noqa: N818 -- a response, not a defect
    """Ends the handling of a request with an error response."""

    def __init__(self, status: int, body: Mapping[str, object] | str) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body

    def to_response(self) -> Response:
        """Return the response."""
        if isinstance(self.body, str):
            return Response(self.body, self.status, media_type="text/plain")
        return json_response(self.body, self.status)


REFUSALS: Final = (Refusal, NotFoundError, NotAllowedError, InvalidEnvelopeError)
"""The exceptions that end a request with an error response."""


def show_refusal(error: Exception) -> Response:
    """Return the response to a request that one of `REFUSALS` ended."""
    if isinstance(error, Refusal):
        return error.to_response()
    return json_response({"error": str(error)}, 404 if isinstance(error, NotFoundError) else 400)


class TooLargeError(Refusal):
    """A body above its cap, or not JSON: the platform responds with the same 400 to both, not with 413."""

    def __init__(self, cap: int, beginning: bytes | None = None) -> None:
        super().__init__(400, {"error": f"json is invalid; max size is {cap // MEBIBYTE} MB"})
        self.beginning = beginning
        """The first bytes of a body above the cap."""


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response."""
    return Response(encode(value), status, headers, "application/json")


def bad_request(message: str) -> Refusal:
    """Return a 400 with a JSON body."""
    return Refusal(400, {"error": message})


async def read_json(request: Request, cap: int, *, strict: bool = True) -> object:
    """Read and decode the body.

    A body above the cap is read to its end, so that clients that send first and read later see the response.
    """
    body = bytearray()
    size = 0
    async for part in request.stream():
        size += len(part)
        if size <= cap:
            body += part
        elif len(body) < BEGINNING:
            body += part[:BEGINNING]
    if size > cap:
        raise TooLargeError(cap, bytes(body[:BEGINNING]))
    try:
        return decode(bytes(body), strict=strict)
    except InvalidJSONError:
        raise TooLargeError(cap) from None


def read_number(request: Request, name: str, default: int, least: int, most: int | None = None) -> int:
    """Read a query parameter that is a whole number."""
    text = request.query_params.get(name)
    if text is None:
        return default
    number = int(text) if WHOLE_NUMBER.fullmatch(text) else None
    if number is None or number < least or (most is not None and number > most):
        allowed = f"at least {least}" if most is None else f"between {least} and {most}"
        raise bad_request(f"{name} is invalid: it must be a whole number, {allowed}")
    return number


def read_wait(request: Request, default_ms: int) -> float:
    """Read the `wait` parameter, in seconds."""
    return read_number(request, "wait", default_ms, wire.WAIT_MIN_MS, wire.WAIT_MAX_MS) / 1000


@asynccontextmanager
async def held(request: Request, runtime: QueueRuntime) -> AsyncGenerator[Waiter]:
    """Provide a waiter that ends when the client disconnects. The body must have been read."""
    waiter = Waiter()
    runtime.held += 1

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        waiter.leave()

    watching = asyncio.create_task(watch())
    try:
        yield waiter
    finally:
        runtime.held -= 1
        watching.cancel()


async def wait_for_job(
    runtime: QueueRuntime,
    request: Request,
    record: JobRecord,
    seconds: float,
    ready: Callable[[], bool] = lambda: False,
) -> None:
    """Wait until the job has finished or `ready()`, at most the given time. The body must have been read."""

    def done() -> bool:
        return record.terminal or ready()

    if not done():
        async with held(request, runtime) as waiter:
            await runtime.wait_for(record.id, waiter, done, seconds)
