# Transports: the choice of one, and the one over httpcore.
"""The choice of a transport, and the one that needs no extra: over httpcore's connections."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, final

import h11
import httpcore

from runpod_typed._synchronization import AsyncCapacityLimiter, async_drain, async_shielded, monotonic
from runpod_typed._transport.bodies import RequestBody, ResponseBody
from runpod_typed._transport.connection import CONNECT_TIMEOUT, POOL_SIZE, ConnectionConfig
from runpod_typed._transport.deadlines import Attempt, async_deadline
from runpod_typed._transport.fast import async_fast_transport
from runpod_typed._transport.idle import IdleConnections
from runpod_typed._transport.interface import AsyncTransport, Exceptions
from runpod_typed._transport.messages import HttpRequest, HttpResponse
from runpod_typed._transport.network import AsyncDeadlineBackend, holds_leftovers, httpcore_proxy, tls_context
from runpod_typed._transport.proxies import ProxyAddress, proxy_for, socks_failures
from runpod_typed.errors import ConfigurationError

if TYPE_CHECKING:
    import httpx

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_CONNECTING: Final = (httpcore.ConnectError, httpcore.ConnectTimeout)
_NEVER_SENT: Final = (*_CONNECTING, httpcore.PoolTimeout, httpcore.ProxyError, httpcore.UnsupportedProtocol)
_TIMED_OUT: Final = (httpcore.TimeoutException, TimeoutError)


def make_transport(config: ConnectionConfig, http_client: httpx.AsyncClient | None) -> AsyncTransport:
    """Return the transport of a client."""
    if http_client is not None:
        from runpod_typed._async.httpx_transport import AsyncHttpxTransport  # noqa: PLC0415 -- imports httpx

        return AsyncHttpxTransport(config, http_client)
    proxy = proxy_for(config.base_url)
    if proxy is not None:
        return AsyncHttpcoreTransport(config, proxy)
    return async_fast_transport(config) or AsyncHttpcoreTransport(config)


def load_settings(config: ConnectionConfig) -> None:
    """Read certificates and the environment's proxies. If they are invalid, the first request raises the error."""
    with suppress(ConfigurationError):
        proxy_for(config.base_url)
        if config.base_url.scheme == "https":
            tls_context()


@final
class _Request(httpcore.Request):
    """A request whose parts have httpcore's own form. The constructor of its base class checks each header again."""

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
    broken = (httpcore.NetworkError, httpcore.RemoteProtocolError)
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
        async with async_deadline(attempt), self._connections.capacity:
            connection, idle = await self._connections.acquire(attempt)
            while True:
                began = monotonic()
                try:
                    response = await self._exchange_over(connection, request, attempt)
                except BaseException as error:
                    await self._connections.discard(connection)
                    if attempt.stream is not None:
                        await self._connections.discard(attempt.stream)
                    if isinstance(error, self.broken):
                        self._connections.idle.forget()
                    if not self._is_lost(error, attempt, idle=idle, began=began):
                        raise
                else:
                    await self._connections.release(connection, idle)
                    return response
                connection, idle = self._connections.connect(), 0.0

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
    """Connections to one server, each of which serves one request at a time.

    httpcore makes them, and speaks HTTP over them. Its own pool is not used: an interrupt (Ctrl-C) at a bad moment
    leaves one of its locks locked forever, and it walks through all its connections at each request.
    """

    def __init__(self, config: ConnectionConfig, proxy: ProxyAddress | None = None) -> None:
        base = config.base_url
        self.capacity = AsyncCapacityLimiter(POOL_SIZE)
        self._origin = httpcore.Origin(
            base.scheme.encode(), base.host.encode(), base.port or _DEFAULT_PORTS[base.scheme]
        )
        # A factory that holds no connection: it knows which kind to make for which proxy.
        self._factory = httpcore.AsyncConnectionPool(
            ssl_context=tls_context() if base.scheme == "https" else None,
            network_backend=AsyncDeadlineBackend([base.scheme, "" if proxy is None else proxy.scheme].count("https")),
            proxy=None if proxy is None else httpcore_proxy(proxy),
        )
        self.idle = IdleConnections[httpcore.AsyncConnectionInterface](
            config.idle_connections, lambda connection: connection.has_expired()
        )
        self._closed = False

    async def acquire(self, attempt: Attempt) -> tuple[httpcore.AsyncConnectionInterface, float]:
        """Return an open or a new connection for one request, and the seconds that it was idle."""
        found = self.idle.take(attempt)
        await self._close_useless()
        return found or (self.connect(), 0.0)

    def connect(self) -> httpcore.AsyncConnectionInterface:
        """Return a new connection."""
        return self._factory.create_connection(self._origin)

    async def release(self, connection: httpcore.AsyncConnectionInterface, idle: float) -> None:
        """Keep a connection whose response was read to its end; close it if it cannot serve another request.

        Args:
            connection: The connection.
            idle: Seconds that it was idle before the request.
        """
        reusable = connection.is_idle() and not holds_leftovers(connection)
        if not (reusable and self.idle.keep(connection, idle)):
            await self.discard(connection)
        elif self._closed:
            await self.aclose()
        await self._close_useless()

    async def discard(self, connection: httpcore.AsyncConnectionInterface | httpcore.AsyncNetworkStream) -> None:
        """Close a connection in any state."""
        with async_shielded():
            await connection.aclose()

    async def aclose(self) -> None:
        """Close all connections, those in use as soon as their response is read."""
        self._closed = True
        while (connection := self.idle.take_any()) is not None:
            await self.discard(connection)

    async def _close_useless(self) -> None:
        while (connection := self.idle.take_useless()) is not None:
            await self.discard(connection)
