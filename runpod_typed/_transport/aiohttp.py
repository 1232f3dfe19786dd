"""HTTP attempts over aiohttp, which does them at less than half of the work under asyncio.

It is used by itself under asyncio where the extra ``aiohttp`` is installed, no proxy is set, and the environment's
``RUNPOD_TYPED_AIOHTTP`` is not ``0``. The sync half has nothing like it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, final

from typing_extensions import override

from runpod_typed._synchronization import async_deadline, running_asyncio_loop
from runpod_typed._transport.connection import BODY_TYPE, CONNECT_TIMEOUT, KEEPALIVE_EXPIRY, POOL_SIZE, ConnectionConfig
from runpod_typed._transport.failures import transport_failure
from runpod_typed._transport.messages import BodyBuffer, HttpRequest, HttpResponse, TransportFailure
from runpod_typed._transport.network import mark_sent, tls_context

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

    from runpod_typed._sync.httpcore_transport import Transport

SWITCH_VARIABLE = "RUNPOD_TYPED_AIOHTTP"

_LARGEST_PART = 64 * 1024


def fast_transport(config: ConnectionConfig) -> Transport | None:
    """None: threads have no faster way."""
    del config
    return None


def async_fast_transport(config: ConnectionConfig) -> AsyncAiohttpTransport | None:
    """Attempts over aiohttp, where that can be; else None."""
    return AsyncAiohttpTransport(config) if _may_be_used(config) and running_asyncio_loop() is not None else None


def load_fast_transport(config: ConnectionConfig) -> None:
    """Nothing: threads have no faster way."""
    del config


def async_load_fast_transport(config: ConnectionConfig) -> None:
    """Import aiohttp, where it will be used: at the first request that would take much of a short `timeout`."""
    if _may_be_used(config) and (running_asyncio_loop() is not None or "trio" not in sys.modules):
        import_module("aiohttp")


def _may_be_used(config: ConnectionConfig) -> bool:
    # A session of aiohttp's must be closed, and where no connections are kept, nobody closes anything.
    wanted = os.environ.get(SWITCH_VARIABLE) != "0" and config.idle_connections > 0
    return wanted and find_spec("aiohttp") is not None


@final
class AsyncAiohttpTransport:
    """Attempts over aiohttp's connections."""

    def __init__(self, config: ConnectionConfig) -> None:
        import asyncio  # noqa: PLC0415 -- the sync half never needs it

        from yarl import URL  # noqa: PLC0415 -- it comes with aiohttp, an extra

        self._config = config
        self._url = partial(URL, encoded=True)  # it is made of parts that are quoted
        self._base_url = str(config.base_url)
        self._loop = asyncio.get_running_loop()
        self._session = _session(config)

    async def send(self, request: HttpRequest, seconds: float) -> HttpResponse | TransportFailure:
        """Send a request and take the whole answer in, within `seconds`."""
        sent = False
        try:
            async with async_deadline(seconds) as attempt:
                try:
                    return await self._exchange(request)
                finally:
                    sent = attempt.request_sent
        except Exception as error:  # noqa: BLE001 -- whatever a transport raises is this attempt's failure
            return transport_failure(error, request_sent=sent)
        except BaseException as error:  # noqa: BLE001 -- cancelled; it goes on, without the frames that hold the key
            raise error.with_traceback(None)  # noqa: B904 -- it is the same error

    async def _exchange(self, request: HttpRequest) -> HttpResponse:
        config = self._config
        response = await self._session.request(
            request.method,
            self._url(self._base_url + request.target),
            headers=_decoded(request.headers) | ({} if request.method == "GET" else _BODY_HEADERS),
            data=_sendable(request.body),
            allow_redirects=False,
        )
        try:
            buffer = BodyBuffer(config.max_response_bytes)
            while part := await response.content.readany():
                if not buffer.add(part):
                    response.close()
                    break
            return buffer.answer(response.status, response.raw_headers)
        finally:
            response.release()  # the connection is kept where the answer was read to its end

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()

    def abandon(self) -> None:
        """Let go of the connections of a loop that has ended, or else aiohttp complains that nobody closed them."""
        connector = self._session.connector
        if connector is None or not self._loop.is_closed():
            return
        self._session.detach()
        with suppress(StopIteration):
            next(connector.close().__await__())  # no loop is needed: where it has ended, this closes nothing more


def _sendable(body: bytes | None) -> bytes | BytesIO | None:
    """The body as aiohttp wants it: a large one in parts, so that other tasks get their turn in between."""
    return BytesIO(body) if body is not None and len(body) > _LARGEST_PART else body


def _decoded(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in headers}


_BODY_HEADERS = _decoded([BODY_TYPE])  # aiohttp adds the length


def _session(config: ConnectionConfig) -> aiohttp.ClientSession:
    import aiohttp  # noqa: PLC0415 -- an extra, and slow to import

    class Connector(aiohttp.TCPConnector):
        """Notes when a request is about to leave: as soon as it has a connection."""

        @override
        async def connect(
            self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
        ) -> Connection:
            connection = await super().connect(req, traces, timeout)
            mark_sent()
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
        timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT),  # for the rest there is the attempt's deadline
    )
    # Left to itself, aiohttp repeats a GET whose answer was lost, without a word; a stream's chunks are lost with it.
    # Its own test client turns that off in the same way; a test of ours sees whether it still works.
    session._retry_connection = False  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] -- there is no public switch
    return session
