"""Bodies of requests and responses, piece by piece."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Final, Self, final

from runpod_typed._synchronization import async_raise_if_cancelled
from runpod_typed._transport.deadlines import Attempt
from runpod_typed._transport.messages import HttpResponse

PIECE_SIZE: Final = 64 * 1024
"""Bytes of a request's body that are handed to the network at a time."""

_WINDOW_BITS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}


@final
class RequestBody:
    """A request's body, sent piece by piece: a piece is asked for once all before it were handed to the network."""

    def __init__(self, body: bytes | None, attempt: Attempt) -> None:
        self._body = body or b""
        self._attempt = attempt
        self._start = 0

    def _next_piece(self) -> bytes | None:
        start = self._attempt.bytes_sent = self._start
        if start >= len(self._body):
            self._attempt.finish_upload()
            return None
        self._start += PIECE_SIZE
        if self._start >= len(self._body):
            self._attempt.request_sent = True
        return self._body if len(self._body) <= PIECE_SIZE else self._body[start : self._start]

    def __iter__(self) -> Self:
        self._start = 0
        return self

    def __next__(self) -> bytes:
        piece = self._next_piece()
        if piece is None:
            raise StopIteration
        return piece

    def __aiter__(self) -> Self:
        return iter(self)

    async def __anext__(self) -> bytes:
        await async_raise_if_cancelled()  # before the request counts as sent
        piece = self._next_piece()
        if piece is None:
            raise StopAsyncIteration
        return piece


@final
class ResponseBody:
    """A response's body as it arrives: decompressed at once, so that neither time nor memory goes into a bomb."""

    def __init__(self, headers: Sequence[tuple[bytes, bytes]], cap: int) -> None:
        encodings = [value for name, value in headers if name.lower() == b"content-encoding"]
        self._encoding = b", ".join(encodings).decode("latin-1").strip().lower() if encodings else ""
        self._headers = headers
        self._cap = cap
        self._parts = list[bytes]()
        self._size = 0
        self._first = b""
        self._problem: str | None = None
        window_bits = _WINDOW_BITS.get(self._encoding)
        self._unpacker = None if window_bits is None else zlib.decompressobj(window_bits)
        if window_bits is None and self._encoding not in {"", "identity"}:
            self._problem = f"a body that cannot be read ({_named(self._encoding)} was not asked for)"

    def add(self, part: bytes) -> bool:
        """Take a part; False if the rest need not be read."""
        self._first = self._first or part
        if self._unpacker is None:
            self._keep(part)
            return self._size <= self._cap
        try:
            while part and self._size <= self._cap:
                if self._unpacker.eof:  # a body may have several members
                    self._unpacker = zlib.decompressobj(_WINDOW_BITS[self._encoding])
                self._keep(self._unpacker.decompress(part, self._cap + 1 - self._size))
                part = self._unpacker.unconsumed_tail or self._unpacker.unused_data
        except zlib.error as error:
            self._problem = f"a body that cannot be read (content-encoding {self._encoding}: {error})"
        return self._problem is None and self._size <= self._cap

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= self._cap:
            self._parts.append(part)

    def response(self, status: int, proxy: str | None = None) -> HttpResponse:
        """Return the complete response."""
        problem = self._problem
        if self._size > self._cap:
            problem = f"a body above the cap of {self._cap} bytes (raise max_response_bytes= of the client)"
            return HttpResponse(status, self._headers, b"", problem, proxy)
        if problem is None and self._unpacker is not None and self._first and not self._unpacker.eof:
            problem = f"a body that cannot be read (content-encoding {self._encoding}: it is cut short)"
        body = b"".join(self._parts) if problem is None else self._first
        return HttpResponse(status, self._headers, body, problem, proxy)


def _named(encoding: str) -> str:
    """Return an encoding for a message: a server may send anything in its place."""
    can_be_one = re.fullmatch(r"[a-z][a-z, -]{0,20}", encoding)
    return f"content-encoding {encoding!r}" if can_be_one else "its content-encoding"
