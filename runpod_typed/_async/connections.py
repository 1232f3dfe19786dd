# Connections to the server, kept from one request to the next.
"""Connections to the server, kept from one request to the next."""

from __future__ import annotations

from collections import deque
from typing import final

import httpcore

from runpod_typed._synchronization import AsyncCapacityLimiter, async_shielded
from runpod_typed._transport.connection import KEEPALIVE_EXPIRY, POOL_SIZE, ConnectionConfig
from runpod_typed._transport.network import AsyncBackend, httpcore_proxy, tls_context
from runpod_typed._transport.proxies import ProxyAddress

_DEFAULT_PORTS = {"http": 80, "https": 443}


@final
class AsyncConnections:
    """Connections to one server. Who takes one has it alone; the one that was used last is used first.

    httpcore makes them, and speaks HTTP over them. Its own pool is not used: an interrupt (Ctrl-C) at a bad moment
    leaves a lock of that locked for ever, and at each request it goes through all its connections. Here nothing is
    shared but a deque, each of whose steps is atomic.
    """

    def __init__(self, config: ConnectionConfig, proxy: ProxyAddress | None = None) -> None:
        base = config.base_url
        self.slots = AsyncCapacityLimiter(POOL_SIZE)
        self._most_idle = config.idle_connections
        self._origin = httpcore.Origin(
            base.scheme.encode(), base.host.encode(), base.port or _DEFAULT_PORTS[base.scheme]
        )
        # It holds no connection: it knows which kind to make for which proxy.
        self._maker = httpcore.AsyncConnectionPool(
            ssl_context=tls_context() if base.scheme == "https" else None,
            keepalive_expiry=KEEPALIVE_EXPIRY,
            network_backend=AsyncBackend([base.scheme, "" if proxy is None else proxy.scheme].count("https")),
            proxy=None if proxy is None else httpcore_proxy(proxy),
        )
        self._idle: deque[httpcore.AsyncConnectionInterface] = deque()
        self._closed = False

    async def take(self) -> httpcore.AsyncConnectionInterface:
        """A connection for one request: one that was kept and is open still, or a new one."""
        while (connection := self._latest()) is not None:
            if not connection.has_expired():
                return connection
            await self.drop(connection)
        return self._maker.create_connection(self._origin)

    async def give_back(self, connection: httpcore.AsyncConnectionInterface) -> None:
        """Keep a connection whose answer was read to the end; close it where it cannot serve another request."""
        if not connection.is_idle() or len(self._idle) >= self._most_idle:
            await self.drop(connection)
            return
        self._idle.append(connection)
        if self._closed:
            await self.aclose()
        while (oldest := self._oldest()) is not None:
            await self.drop(oldest)

    async def drop(self, connection: httpcore.AsyncConnectionInterface) -> None:
        """Close a connection in whichever state it is."""
        with async_shielded():
            await connection.aclose()

    async def aclose(self) -> None:
        """Close all connections, those in use as soon as their answer is there."""
        self._closed = True
        while (connection := self._latest()) is not None:
            await self.drop(connection)

    def _latest(self) -> httpcore.AsyncConnectionInterface | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _oldest(self) -> httpcore.AsyncConnectionInterface | None:
        """The connection that has been idle for longest, where that is too long."""
        if len(self._idle) < 2:  # the latest is looked at when it is taken
            return None
        try:
            connection = self._idle.popleft()
        except IndexError:  # other threads were faster
            return None
        if connection.has_expired():
            return connection
        self._idle.appendleft(connection)
        return None
