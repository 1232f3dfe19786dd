# Connections to the server, kept from one request to the next.
"""Connections to the server, kept from one request to the next."""

from __future__ import annotations

from collections import deque
from typing import Final, final

import httpcore

from runpod_typed._synchronization import AsyncCapacityLimiter, async_shielded
from runpod_typed._transport.connection import KEEPALIVE_EXPIRY, POOL_SIZE, ConnectionConfig
from runpod_typed._transport.network import AsyncDeadlineBackend, holds_leftovers, httpcore_proxy, tls_context
from runpod_typed._transport.proxies import ProxyAddress

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


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
