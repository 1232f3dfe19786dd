"""uvicorn's HTTP protocols with two additions: limited headers, and access to the connection.

ASGI has no way to break a connection, as a faulty network does.
"""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Final, Protocol, cast

from starlette.requests import Request
from starlette.types import Receive, Scope, Send
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_CAP: Final = 64 * 1024  # as in h11
TRANSPORT_KEY: Final = "runpod_typed.transport"
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class _Application(Protocol):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class LocalH11Protocol(H11Protocol):
    """h11's protocol. It limits headers by itself."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        super().connection_made(transport)
        self.app = _with_transport(self.app, transport)


def http_protocol() -> type[asyncio.Protocol]:
    """Return the fastest protocol that is installed."""
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: PLC0415 -- optional
    except ImportError:
        return LocalH11Protocol

    class LocalHttpToolsProtocol(HttpToolsProtocol):
        _requests = 0
        _in_headers = False
        _header_bytes = 0

        @override
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
            super().connection_made(transport)
            self.app = _with_transport(self.app, transport)

        @override
        def data_received(self, data: bytes) -> None:
            requests = self._requests
            super().data_received(data)
            if self._in_headers and requests == self._requests:
                self._header_bytes += len(data)
                if self._header_bytes > HEADER_CAP:
                    self.send_400_response("The request headers are too large.")

        @override
        def on_message_begin(self) -> None:
            self._requests += 1
            self._in_headers = True
            self._header_bytes = 0
            super().on_message_begin()

        @override
        def on_headers_complete(self) -> None:
            self._in_headers = False
            super().on_headers_complete()

    return LocalHttpToolsProtocol


def close(request: Request) -> None:
    """Close the connection (FIN) once the written data is sent, however incomplete the response is."""
    _transport(request).close()


def reset(request: Request) -> None:
    """Break the connection at once (RST)."""
    transport = _transport(request)
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError, ValueError):  # uvloop's socket may be closed
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()


def _transport(request: Request) -> asyncio.Transport:
    return cast("asyncio.Transport", request.scope[TRANSPORT_KEY])


def _with_transport(app: object, transport: asyncio.Transport) -> _Application:
    inner = cast("_Application", app)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        scope[TRANSPORT_KEY] = transport
        await inner(scope, receive, send)

    return application
