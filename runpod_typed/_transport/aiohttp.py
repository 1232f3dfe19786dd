"""HTTP attempts over aiohttp, which costs less than half of httpcore under asyncio.

It is used under asyncio if the extra ``aiohttp`` is installed, no proxy is set, and the environment's
``RUNPOD_TYPED_AIOHTTP`` is not ``0``. The sync API has nothing like it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, final

from typing_extensions import override

from runpod_typed._models.secret import MaskedStr
from runpod_typed._synchronization import running_asyncio_loop
from runpod_typed._transport.bodies import PIECE_SIZE, RequestBody, ResponseBody
from runpod_typed._transport.connection import BODY_TYPE, CONNECT_TIMEOUT, KEEPALIVE_EXPIRY, POOL_SIZE, ConnectionConfig
from runpod_typed._transport.deadlines import Attempt, current_attempt
from runpod_typed._transport.interface import AsyncTransport, Transport
from runpod_typed._transport.messages import HttpRequest, HttpResponse
from runpod_typed._transport.network import tls_context
from runpod_typed.errors import ConfigurationError

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

SWITCH_VARIABLE: Final = "RUNPOD_TYPED_AIOHTTP"


def fast_transport(config: ConnectionConfig) -> Transport | None:
    """Return None: there is no faster transport for threads."""
    del config
    return None


def async_fast_transport(config: ConnectionConfig) -> AsyncAiohttpTransport | None:
    """Return a transport over aiohttp if it can be used, or None."""
    return AsyncAiohttpTransport(config) if _may_be_used(config) and running_asyncio_loop() is not None else None


def load_fast_transport(config: ConnectionConfig) -> None:
    """Do nothing: there is no faster transport for threads."""
    del config


def async_load_fast_transport(config: ConnectionConfig) -> None:
    """Import aiohttp if it will be used: at the first request, that would take much of a short `timeout`."""
    if _may_be_used(config) and (running_asyncio_loop() is not None or "trio" not in sys.modules):
        import_module("aiohttp")


def _may_be_used(config: ConnectionConfig) -> bool:
    # An aiohttp session must be closed, and nothing closes a client that keeps no connections.
    wanted = os.environ.get(SWITCH_VARIABLE) != "0" and config.idle_connections > 0
    return wanted and find_spec("aiohttp") is not None


@final
class AsyncAiohttpTransport(AsyncTransport):
    """Attempts over aiohttp's connections."""

    uses_anyio = False

    def __init__(self, config: ConnectionConfig) -> None:
        import asyncio  # noqa: PLC0415 -- the sync API never needs it

        import aiohttp  # noqa: PLC0415 -- an extra, and slow to import
        from aiohttp.http_exceptions import HttpProcessingError  # noqa: PLC0415 -- the same
        from yarl import URL  # noqa: PLC0415 -- it comes with aiohttp

        self.failures = (aiohttp.ClientError, HttpProcessingError, OSError)
        self.connecting = self.never_sent = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
        self._config = config
        self._url = partial(URL, encoded=True)  # it is made of parts that are quoted
        self._base_url = str(config.base_url)
        self._loop = asyncio.get_running_loop()
        self._session = _session(config)

    @override
    async def _exchange(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        if self._session.closed:
            raise ConfigurationError("The client is closed. Make a new one, or keep it open while its jobs are used.")
        try:
            return await self._send(request, attempt)
        except BaseException:
            if attempt.stream is not None:
                attempt.stream.abort()  # aiohttp would keep the socket open until the rest of the body is sent
            raise

    async def _send(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        in_pieces = attempt.body_size > PIECE_SIZE
        headers = _decoded(request.headers) if request.method == "GET" else _decoded((*request.headers, BODY_TYPE))
        if in_pieces:
            headers["Content-Length"] = str(attempt.body_size)  # aiohttp adds that of a body in one piece
        response = await self._session.request(
            request.method,
            self._url(self._base_url + request.target),
            headers=headers,
            data=RequestBody(request.body, attempt) if in_pieces else request.body,
            allow_redirects=False,
        )
        try:
            body = ResponseBody(response.raw_headers, self._config.max_response_bytes)
            while part := await response.content.readany():
                if not body.add(part):
                    response.close()
                    break
            return body.response(response.status)
        finally:
            response.release()  # the connection is kept if the response was read to its end

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()

    def abandon(self) -> None:
        """Close all connections from outside a task of their event loop, or aiohttp complains that they are open."""
        if self._loop.is_closed() or running_asyncio_loop() is self._loop:
            self._close_now()
        else:
            with suppress(RuntimeError):  # it was closed in between
                self._loop.call_soon_threadsafe(self._close_now)

    def _close_now(self) -> None:
        connector = self._session.connector
        if connector is not None:
            self._session.detach()
            with suppress(StopIteration):
                next(connector.close().__await__())  # the first step closes all, and the others wait for it


def _decoded(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode(): MaskedStr(value.decode()) for name, value in headers}


def _session(config: ConnectionConfig) -> aiohttp.ClientSession:
    import aiohttp  # noqa: PLC0415 -- an extra, and slow to import

    class Connector(aiohttp.TCPConnector):
        """Notes when a request is about to leave: as soon as it has a connection that holds no leftovers."""

        @override
        async def connect(
            self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
        ) -> Connection:
            connection = await super().connect(req, traces, timeout)
            while connection.protocol is not None and connection.protocol.should_close:  # a late second response
                connection.close()
                connection = await super().connect(req, traces, timeout)
            attempt = current_attempt.get()
            if attempt is not None:
                attempt.request_sent = attempt.body_size <= PIECE_SIZE
                attempt.stream = connection.transport
            return connection

    session = aiohttp.ClientSession(
        connector=Connector(
            limit=POOL_SIZE,
            ssl=tls_context() if config.base_url.scheme == "https" else True,
            keepalive_timeout=KEEPALIVE_EXPIRY,
        ),
        headers=_decoded(config.headers(HttpRequest(method="GET", target=""))),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT),  # the attempt's deadline limits the rest
    )
    # By default aiohttp silently repeats a GET whose response was lost, and a stream's chunks would be lost with it.
    # Its own test client turns that off in the same way; a test sees whether it still works.
    session._retry_connection = False  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] -- there is no public switch
    return session
