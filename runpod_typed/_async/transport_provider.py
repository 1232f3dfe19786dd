# The transports of a client, one for each event loop.
"""The transports of a client: made at the first request, one for each event loop that uses the client."""

from __future__ import annotations

from threading import Lock
from typing import final

import httpx

from runpod_typed._async.httpcore_transport import AsyncHttpcoreTransport
from runpod_typed._async.httpx_transport import AsyncHttpxTransport
from runpod_typed._synchronization import (
    async_close_when_collected,
    async_has_ended,
    async_prepare,
    async_runtime,
)
from runpod_typed._transport.aiohttp import async_fast_transport, async_load_fast_transport
from runpod_typed._transport.connection import ConnectionConfig
from runpod_typed._transport.interface import AsyncTransport
from runpod_typed._transport.proxies import proxy_for
from runpod_typed.errors import ConfigurationError


@final
class AsyncTransportProvider:
    """Provides the transport that belongs to the running event loop.

    A client is often built before there is a loop, and used under several: one after the other, or at once in threads.
    """

    def __init__(self, config: ConnectionConfig, http_client: httpx.AsyncClient | None = None) -> None:
        self._config = config
        self._http_client = http_client
        self._lock = Lock()  # of threads, in the async API too: nothing is awaited while it is held
        self._transports = dict[object, AsyncTransport]()
        self._closed = False
        async_prepare()
        if http_client is None:
            async_load_fast_transport(config)
        if http_client is None and config.idle_connections:
            async_close_when_collected(self, self._transports)

    def after_fork(self) -> AsyncTransportProvider:
        """Return a copy for a child process, over connections of its own."""
        provider = AsyncTransportProvider(self._config, self._http_client)
        provider._closed = self._closed
        return provider

    async def aclose(self) -> None:
        """Close all connections; a second call does nothing."""
        self._closed = True
        own = self._transports.pop(async_runtime(), None)
        while self._transports:
            self._transports.popitem()[1].abandon()
        if own is not None:
            await own.aclose()

    def open(self) -> AsyncTransport:
        """Return the transport. The first call takes a while: it loads libraries, and certificates.

        Raises:
            ConfigurationError: The client is closed.
        """
        transport = self._transports.get(async_runtime())
        return self._open() if transport is None else transport

    def _open(self) -> AsyncTransport:
        with self._lock:
            if self._closed:
                raise ConfigurationError(
                    "The client is closed. Make a new one, or keep it open while its jobs are used."
                )
            owner = async_runtime()
            for other in [each for each in self._transports if async_has_ended(each)]:
                self._transports.pop(other).abandon()
            if owner not in self._transports:
                self._transports[owner] = self._make_transport()
            return self._transports[owner]

    def _make_transport(self) -> AsyncTransport:
        if self._http_client is not None:
            return AsyncHttpxTransport(self._config, self._http_client)
        proxy = proxy_for(self._config.base_url)
        if proxy is not None:
            return AsyncHttpcoreTransport(self._config, proxy)
        return async_fast_transport(self._config) or AsyncHttpcoreTransport(self._config)
