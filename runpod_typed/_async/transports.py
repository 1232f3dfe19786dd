# Transports: the choice of one, and the one over httpcore.
"""The choice of a transport, and the one that needs no extra: over httpcore's connections."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, final

import h11
import httpcore

from runpod_typed._synchronization import (
    AsyncCapacityLimiter,
    async_drain,
    async_shielded,
)
from runpod_typed._transport.bodies import RequestBody, ResponseBody
from runpod_typed._transport.connection import CONNECT_TIMEOUT, KEEPALIVE_EXPIRY, POOL_SIZE, ConnectionConfig
from runpod_typed._transport.deadlines import Attempt
from runpod_typed._transport.fast import async_fast_transport
from runpod_typed._transport.interface import AsyncTransport, Exceptions
from runpod_typed._transport.messages import HttpRequest, HttpResponse
from runpod_typed._transport.network import AsyncDeadlineBackend, holds_leftovers, httpcore_proxy, tls_context
from runpod_typed._transport.proxies import ProxyAddress, proxy_for, socks_failures

if TYPE_CHECKING:
    import httpx

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_CONNECTING: Final = (httpcore.ConnectError, httpcore.ConnectTimeout)
_NEVER_SENT: Final = (*_CONNECTING, httpcore.PoolTimeout, httpcore.ProxyError, httpcore.UnsupportedProtocol)
_TIMED_OUT: Final = (httpcore.TimeoutException, TimeoutError)


def make_transport(config: ConnectionConfig, http_client: httpx.AsyncClient | None) -> AsyncTransport:
    """Return the transport of a client. The first call takes a while: it loads libraries, and certificates."""
    if http_client is not None:
        from runpod_typed._async.httpx_transport import AsyncHttpxTransport  # noqa: PLC0415 -- imports httpx

        return AsyncHttpxTransport(config, http_client)
    proxy = proxy_for(config.base_url)
    if proxy is not None:
        return AsyncHttpcoreTransport(config, proxy)
    return async_fast_transport(config) or AsyncHttpcoreTransport(config)


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
class AsyncHttpcoreTransport(AsyncTransport):
    """Attempts over httpcore's connections, of which it keeps those that can serve another request."""

    failures: Exceptions = (
        *_NEVER_SENT,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        *_TIMED_OUT,
        h11.ProtocolError,
        OSError,
    )
    connecting = _CONNECTING
    never_sent: Exceptions = _NEVER_SENT
    timed_out = _TIMED_OUT

    def __init__(self, config: ConnectionConfig, proxy: ProxyAddress | None = None) -> None:
        self._config = config
        self._scheme = config.base_url.scheme.encode()
        self._host = config.base_url.host.encode()
        self.proxy = None if proxy is None else str(proxy)
        if proxy is not None:
            self.failures = (*self.failures, *socks_failures())
            self.never_sent = (*self.never_sent, *socks_failures())
        self._connections = AsyncConnections(config, proxy)

    async def _exchange(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        async with self._connections.capacity:
            connection = await self._connections.acquire()
            try:
                response = await self._exchange_over(connection, request, attempt)
            except BaseException:
                await self._connections.discard(connection)
                if attempt.stream is not None:
                    await self._connections.discard(attempt.stream)
                raise
            await self._connections.release(connection)
            return response

    async def _exchange_over(
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
                    with async_shielded():
                        await response.aclose()
                    await async_drain(parts, self.failures)
                    break
        finally:
            await response.aclose()
        return body.response(response.status, self.proxy)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connections.aclose()


@final
class AsyncConnections:
    """Connections to one server: each serves one request at a time, and the one that was used last is used first.

    httpcore makes them, and speaks HTTP over them. Its own pool is not used: an interrupt (Ctrl-C) at a bad moment
    leaves one of its locks locked forever, and it walks through all its connections at each request. Here a deque is
    all that is shared, and each of its steps is atomic.
    """

    def __init__(self, config: ConnectionConfig, proxy: ProxyAddress | None = None) -> None:
        base = config.base_url
        self.capacity = AsyncCapacityLimiter(POOL_SIZE)
        self._most_idle = config.idle_connections
        self._origin = httpcore.Origin(
            base.scheme.encode(), base.host.encode(), base.port or _DEFAULT_PORTS[base.scheme]
        )
        # A factory that holds no connection: it knows which kind to make for which proxy.
        self._factory = httpcore.AsyncConnectionPool(
            ssl_context=tls_context() if base.scheme == "https" else None,
            keepalive_expiry=KEEPALIVE_EXPIRY,
            network_backend=AsyncDeadlineBackend([base.scheme, "" if proxy is None else proxy.scheme].count("https")),
            proxy=None if proxy is None else httpcore_proxy(proxy),
        )
        self._idle = deque[httpcore.AsyncConnectionInterface]()
        self._closed = False

    async def acquire(self) -> httpcore.AsyncConnectionInterface:
        """Return a connection for one request: an idle one that is still open, or a new one."""
        while (connection := self._newest()) is not None:
            if not connection.has_expired():
                return connection
            await self.discard(connection)
        return self._factory.create_connection(self._origin)

    async def release(self, connection: httpcore.AsyncConnectionInterface) -> None:
        """Keep a connection whose response was read to its end; close it if it cannot serve another request."""
        if not connection.is_idle() or len(self._idle) >= self._most_idle or holds_leftovers(connection):
            await self.discard(connection)
            return
        self._idle.append(connection)
        if self._closed:
            await self.aclose()
        while (expired := self._oldest_expired()) is not None:
            await self.discard(expired)

    async def discard(self, connection: httpcore.AsyncConnectionInterface | httpcore.AsyncNetworkStream) -> None:
        """Close a connection in any state."""
        with async_shielded():
            await connection.aclose()

    async def aclose(self) -> None:
        """Close all connections, those in use as soon as their response is read."""
        self._closed = True
        while (connection := self._newest()) is not None:
            await self.discard(connection)

    def _newest(self) -> httpcore.AsyncConnectionInterface | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _oldest_expired(self) -> httpcore.AsyncConnectionInterface | None:
        """Take out the connection that has been idle for longest, if it has expired."""
        if len(self._idle) < 2:  # the newest is checked when it is acquired
            return None
        try:
            connection = self._idle.popleft()
        except IndexError:  # other threads were faster
            return None
        if connection.has_expired():
            return connection
        self._idle.appendleft(connection)
        return None
