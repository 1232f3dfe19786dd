"""Reading requests and writing answers, in the forms that queue clients and workers meet."""

import re
from collections.abc import Mapping

from runpod_queue_api import wire
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from runpod_typed.local._json import InvalidJSONError, decode, encode

MEBIBYTE = 1024 * 1024
WHOLE_NUMBER = re.compile(r"[0-9]{1,15}")


class Refusal(Exception):  # noqa: N818 -- an answer, not a defect
    """Ends the handling of a request with an answer other than 200.

    Attributes:
        status: The HTTP status.
        body: A JSON object, or plain text.
        headers: More headers.
    """

    def __init__(self, status: int, body: Mapping[str, object] | str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = headers

    def to_response(self) -> Response:
        """The answer."""
        if isinstance(self.body, str):
            return Response(self.body, self.status, self.headers, "text/plain")
        return json_response(self.body, self.status, self.headers)


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(encode(value), status, headers, "application/json")


def bad_request(message: str) -> Refusal:
    """400 with a JSON body."""
    return Refusal(400, {"error": message})


def too_large(cap: int) -> Refusal:
    """What the platform answers to an oversized body: 400, not 413."""
    return bad_request(f"json is invalid; max size is {cap // MEBIBYTE} MB")


async def read_body(request: Request, cap: int) -> bytes:
    """The whole body.

    A body above the cap is read to its end before it is refused, so that a client that sends first and reads later gets
    to see the answer.

    Raises:
        Refusal: It is larger than `cap` bytes.
        ClientDisconnect: The client left.
    """
    body = bytearray()
    size = 0
    async for part in request.stream():
        size += len(part)
        if size <= cap:
            body += part
    if size > cap:
        raise too_large(cap)
    return bytes(body)


async def read_json(request: Request, cap: int, *, strict: bool = True) -> object:
    """The body as plain objects.

    Raises:
        Refusal: It is too large, or no JSON.
    """
    body = await read_body(request, cap)
    try:
        return decode(body, strict=strict)
    except InvalidJSONError:
        raise too_large(cap) from None


def read_number(request: Request, name: str, default: int, least: int, most: int | None = None) -> int:
    """A query parameter that is a whole number.

    Raises:
        Refusal: It is something else, or out of range.
    """
    text = request.query_params.get(name)
    if text is None:
        return default
    number = int(text) if WHOLE_NUMBER.fullmatch(text) else None
    if number is None or number < least or (most is not None and number > most):
        allowed = f"at least {least}" if most is None else f"between {least} and {most}"
        raise bad_request(f"{name} is invalid: it must be a whole number, {allowed}")
    return number


def read_wait(request: Request, default_ms: int) -> float:
    """The `wait` parameter, in seconds.

    Raises:
        Refusal: It is no whole number of milliseconds within the documented range.
    """
    return read_number(request, "wait", default_ms, wire.WAIT_MIN_MS, wire.WAIT_MAX_MS) / 1000


__all__ = [
    "MEBIBYTE",
    "ClientDisconnect",
    "Refusal",
    "bad_request",
    "json_response",
    "read_body",
    "read_json",
    "read_number",
    "read_wait",
    "too_large",
]
