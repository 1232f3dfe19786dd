# HTTP attempts over connections of our own.
"""HTTP attempts over httpcore's connections: half the work of a whole HTTP client."""

from __future__ import annotations

import sys
from typing import Final, final

import h11
import httpcore

from runpod_typed._async.connections import AsyncConnections
from runpod_typed._synchronization import Attempt, async_deadline, async_drain
from runpod_typed._transport.bodies import RequestBody, ResponseBody
from runpod_typed._transport.connection import CONNECT_TIMEOUT, ConnectionConfig
from runpod_typed._transport.failures import foreign_exception, transport_failure, without_frames
from runpod_typed._transport.messages import HttpRequest, HttpResponse, TransportFailure
from runpod_typed._transport.proxies import ProxyAddress

_CONNECTING: Final = (httpcore.ConnectError, httpcore.ConnectTimeout)
_NEVER_SENT: Final = (*_CONNECTING, httpcore.PoolTimeout, httpcore.ProxyError, httpcore.UnsupportedProtocol)
_TIMED_OUT: Final = (httpcore.TimeoutException, TimeoutError)
_FAILURES: Final = (
    *_NEVER_SENT,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    h11.ProtocolError,
    OSError,
)


@final
class _Request(httpcore.Request):
    """A request of parts that are as httpcore keeps them. Its own constructor checks each header at each request."""

    def __init__(
        self,
        method: bytes,
        url: httpcore.URL,
        headers: list[tuple[bytes, bytes]],
        body: RequestBody,
        *,
        connect_timeout: float,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.stream = body
        self.extensions = {"timeout": {"connect": connect_timeout}}


@final
class AsyncHttpcoreTransport:
    """Attempts over httpcore's connections, of which it keeps those that can serve another request."""

    def __init__(self, config: ConnectionConfig, proxy: ProxyAddress | None = None) -> None:
        self._config = config
        self._scheme = config.base_url.scheme.encode()
        self._host = config.base_url.host.encode()
        self._proxy = None if proxy is None else str(proxy)
        self._connections = AsyncConnections(config, proxy)

    async def send(
        self, request: HttpRequest, seconds: float, *, upload_seconds: float = 0.0
    ) -> HttpResponse | TransportFailure:
        """Send a request and read the whole response."""
        outer = sys.exception()
        attempt = Attempt(seconds, len(request.body or b""), upload_seconds)
        try:
            async with async_deadline(attempt):
                return await self._send(request, attempt)
        except BaseException as error:  # noqa: BLE001 -- what is no failure of the attempt is raised again
            foreign = foreign_exception(error, _FAILURES, _CONNECTING, attempt)
            if foreign is not None:
                raise without_frames(foreign, outer)  # noqa: B904 -- it is this error, or the cause of it
            return transport_failure(
                error,
                attempt,
                request_sent=attempt.request_sent and not isinstance(error, _NEVER_SENT),
                timed_out=isinstance(error, _TIMED_OUT),
                proxy=self._proxy,
            )

    async def _send(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        async with self._connections.capacity:
            connection = await self._connections.acquire()
            try:
                response = await self._exchange(connection, request, attempt)
            except BaseException:
                await self._connections.discard(connection)
                if attempt.stream is not None:
                    await self._connections.discard(attempt.stream)
                raise
            await self._connections.release(connection)
            return response

    async def _exchange(
        self, connection: httpcore.AsyncConnectionInterface, request: HttpRequest, attempt: Attempt
    ) -> HttpResponse:
        base = self._config.base_url
        response = await connection.handle_async_request(
            _Request(
                request.method.encode(),
                httpcore.URL(
                    scheme=self._scheme, host=self._host, port=base.port, target=f"{base.path}{request.target}".encode()
                ),
                self._config.headers(request),
                RequestBody(request.body, attempt),
                connect_timeout=min(CONNECT_TIMEOUT, attempt.seconds),
            )
        )
        body = ResponseBody(response.headers, self._config.max_response_bytes)
        parts = response.aiter_stream()
        try:
            async for part in parts:
                if not body.add(part):
                    break
        finally:
            await response.aclose()
        await async_drain(parts, _FAILURES)
        return body.response(response.status, self._proxy)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connections.aclose()

    def abandon(self) -> None:
        """Do nothing: the connections are closed when they are collected."""
