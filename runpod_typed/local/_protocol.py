"""uvicorn's HTTP protocol, with one thing added: the application can reach the connection below it.

ASGI has no way to break a connection, and breaking connections is what a faulty network does.
"""

import asyncio
import socket
import struct
from typing import Final, Protocol, cast

from starlette.requests import Request
from starlette.types import Receive, Scope, Send
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

TRANSPORT_KEY: Final = "runpod_typed.transport"
RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class _Application(Protocol):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class ReachableH11Protocol(H11Protocol):
    """h11's protocol, reachable."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        super().connection_made(transport)
        self.app = _with_transport(self.app, transport)


def http_protocol() -> type[asyncio.Protocol]:
    """The fastest protocol that is installed."""
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: PLC0415 -- optional
    except ImportError:
        return ReachableH11Protocol

    class ReachableHttpToolsProtocol(HttpToolsProtocol):
        @override
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
            super().connection_made(transport)
            self.app = _with_transport(self.app, transport)

    return ReachableHttpToolsProtocol


def close(request: Request) -> None:
    """End the connection in an orderly way (FIN) once what was written is sent, whatever the answer still lacks."""
    _transport(request).close()


def reset(request: Request) -> None:
    """Break the connection at once (RST)."""
    transport = _transport(request)
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    transport.abort()


def _transport(request: Request) -> asyncio.Transport:
    return cast("asyncio.Transport", request.scope[TRANSPORT_KEY])


def _with_transport(app: object, transport: asyncio.Transport) -> _Application:
    inner = cast("_Application", app)

    async def reachable(scope: Scope, receive: Receive, send: Send) -> None:
        scope[TRANSPORT_KEY] = transport
        await inner(scope, receive, send)

    return reachable
