# The connections of a client, and who they belong to.
"""The connections of a client: made at the first request, and made anew where the old ones cannot be used."""

from __future__ import annotations

from threading import Lock
from typing import final

import httpx

from runpod_typed._async.httpcore_transport import AsyncHttpcoreTransport, AsyncHttpxTransport, AsyncTransport
from runpod_typed._synchronization import async_close_with, async_runtime
from runpod_typed._transport.aiohttp import async_fast_transport, async_load_fast_transport
from runpod_typed._transport.connection import ConnectionConfig
from runpod_typed._transport.proxies import proxy_for
from runpod_typed.errors import ConfigurationError


@final
class AsyncTransportProvider:
    """Makes HTTP attempts, over connections that belong to the event loop and process that use them.

    A client is often built before there is a loop, used under two loops one after the other, or carried over a fork.
    """

    def __init__(self, config: ConnectionConfig, http_client: httpx.AsyncClient | None = None) -> None:
        self._config = config
        self._http_client = http_client
        self._lock = Lock()  # of threads, in both halves: nothing is awaited while it is held
        self._sender: AsyncTransport | None = None
        self._owner: tuple[int, object] | None = None
        self._closed = False
        if http_client is None:
            async_load_fast_transport(config)

    def after_fork(self) -> AsyncTransportProvider:
        """Another one for a child of this process, over connections of its own; closed where this one is."""
        transport = AsyncTransportProvider(self._config, self._http_client)
        transport._closed = self._closed
        return transport

    async def aclose(self) -> None:
        """Close all connections; a second call does nothing."""
        self._closed = True
        sender, self._sender = self._sender, None
        if sender is None:
            return
        if self._owner == async_runtime():
            await sender.aclose()
        else:
            sender.abandon()

    def open(self) -> AsyncTransport:
        """What makes attempts here and now. The first time it takes a while: libraries are loaded, and certificates.

        Raises:
            ConfigurationError: The client is closed.
        """
        sender = self._sender
        return self._open() if sender is None or self._owner != async_runtime() else sender

    def _open(self) -> AsyncTransport:
        with self._lock:
            if self._closed:
                raise ConfigurationError(
                    "The client is closed. Make a new one, or keep it open while its jobs are used."
                )
            owner = async_runtime()
            if self._sender is None or self._owner != owner:
                # What belonged to another loop or process cannot be closed from here.
                former = self._sender
                self._sender, self._owner = self._make_sender(), owner
                if former is not None:
                    former.abandon()
                async_close_with(self, self._sender)
            return self._sender

    def _make_sender(self) -> AsyncTransport:
        if self._http_client is not None:
            return AsyncHttpxTransport(self._config, self._http_client)
        proxy = proxy_for(self._config.base_url)
        if proxy is not None:
            return AsyncHttpcoreTransport(self._config, proxy)
        return async_fast_transport(self._config) or AsyncHttpcoreTransport(self._config)
