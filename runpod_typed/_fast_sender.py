"""HTTP attempts over aiohttp, which does them at a third of the work where many run at once.

It is used by itself under asyncio where the extra ``aiohttp`` is installed, no proxy is set, and the environment's
``RUNPOD_TYPED_AIOHTTP`` is not ``0``. The sync half has nothing like it.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, final

import httpx

from runpod_typed._core.config import CONNECT_TIMEOUT, KEEPALIVE_EXPIRY, POOL_SIZE, ConnectionConfig
from runpod_typed._core.error_mapping import transport_failure
from runpod_typed._core.http import BodyBuffer, HttpAnswer, HttpRequest, TransportFailure
from runpod_typed._network import tls_context
from runpod_typed._synchronization import async_deadline, running_asyncio_loop

if TYPE_CHECKING:
    import aiohttp
    from httpx_aiohttp import AiohttpTransport

    from runpod_typed._sync.senders import Sender

SWITCH_VARIABLE = "RUNPOD_TYPED_AIOHTTP"


def fast_sender(config: ConnectionConfig) -> Sender | None:
    """None: threads have no faster way."""
    del config
    return None


def async_fast_sender(config: ConnectionConfig) -> AsyncAiohttpSender | None:
    """Attempts over aiohttp, where that can be; else None."""
    wanted = os.environ.get(SWITCH_VARIABLE) != "0" and running_asyncio_loop() is not None
    # A session of aiohttp's must be closed, and where no connections are kept, nobody closes anything.
    if not wanted or config.idle_connections == 0 or find_spec("httpx_aiohttp") is None:
        return None
    return AsyncAiohttpSender(config)


@final
class AsyncAiohttpSender:
    """Attempts over aiohttp's connections, through httpx-aiohttp's transport."""

    def __init__(self, config: ConnectionConfig) -> None:
        from httpx_aiohttp import AiohttpTransport  # noqa: PLC0415 -- an extra, and slow to import

        self._config = config
        context = tls_context() if config.base_url.scheme == "https" else False
        self._transport: AiohttpTransport = AiohttpTransport(client=lambda: _session(config), verify=context)

    async def send(self, request: HttpRequest, seconds: float) -> HttpAnswer | TransportFailure:
        """Send a request and take the whole answer in, within `seconds`."""
        try:
            with async_deadline(seconds):
                return await self._exchange(request, seconds)
        except Exception as error:  # noqa: BLE001 -- whatever a transport raises is this attempt's failure
            # httpx-aiohttp calls an answer that was lost a connection that failed; what it stands for tells.
            cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
            return transport_failure(cause, request_sent=not _never_connected(cause))
        except BaseException as error:  # noqa: BLE001 -- cancelled; it goes on, without the frames that hold the key
            raise error.with_traceback(None)  # noqa: B904 -- it is the same error

    async def _exchange(self, request: HttpRequest, seconds: float) -> HttpAnswer:
        response = await self._transport.handle_async_request(
            httpx.Request(
                request.method,
                self._config.url(request.target),
                headers=self._config.headers(request),
                content=request.body,
                extensions={"timeout": {"connect": min(CONNECT_TIMEOUT, seconds), "pool": seconds}},
            )
        )
        try:
            buffer = BodyBuffer(self._config.max_response_bytes)
            async for part in response.aiter_raw():
                if not buffer.add(part):
                    break
        finally:
            await response.aclose()
        return buffer.answer(response.status_code, response.headers.raw)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()


def _session(config: ConnectionConfig) -> aiohttp.ClientSession:
    import aiohttp  # noqa: PLC0415 -- an extra, and slow to import

    connector = aiohttp.TCPConnector(
        limit=POOL_SIZE,
        ssl=tls_context() if config.base_url.scheme == "https" else True,
        keepalive_timeout=KEEPALIVE_EXPIRY,
    )
    session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
    # Left to itself, aiohttp repeats a GET whose answer was lost, without a word; a stream's chunks are lost with it.
    # Its own test client turns that off in the same way; a test of ours sees whether it still works.
    session._retry_connection = False  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] -- there is no public switch
    return session


def _never_connected(cause: Exception) -> bool:
    import aiohttp  # noqa: PLC0415 -- an extra, and slow to import

    return isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
