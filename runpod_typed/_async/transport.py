# The connections of a client, and who they belong to.
"""The connections of a client: made at the first request, and made anew where the old ones cannot be used."""

from __future__ import annotations

from threading import Lock
from typing import final

import httpx

from runpod_typed._async.senders import AsyncClientSender, AsyncPoolSender, AsyncSender
from runpod_typed._core.config import ConnectionConfig, proxy_for
from runpod_typed._fast_sender import async_fast_sender, async_load_fast_sender
from runpod_typed._synchronization import async_close_with, async_runtime
from runpod_typed.errors import ConfigurationError


@final
class AsyncTransport:
    """Makes HTTP attempts, over connections that belong to the event loop and process that use them.

    A client is often built before there is a loop, used under two loops one after the other, or carried over a fork.
    """

    def __init__(self, config: ConnectionConfig, http_client: httpx.AsyncClient | None = None) -> None:
        self._config = config
        self._http_client = http_client
        self._lock = Lock()  # of threads, in both halves: nothing is awaited while it is held
        self._sender: AsyncSender | None = None
        self._owner: tuple[int, object] | None = None
        self._closed = False
        if http_client is None:
            async_load_fast_sender(config)

    def in_this_process(self) -> AsyncTransport:
        """Another one for a child of this process, over connections of its own; closed where this one is."""
        transport = AsyncTransport(self._config, self._http_client)
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
            sender.left_behind()

    def open(self) -> AsyncSender:
        """What makes attempts here and now. The first time it takes a while: libraries are loaded, and certificates.

        Raises:
            ConfigurationError: The client is closed.
        """
        sender = self._sender
        return self._open() if sender is None or self._owner != async_runtime() else sender

    def _open(self) -> AsyncSender:
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
                    former.left_behind()
                async_close_with(self, self._sender)
            return self._sender

    def _make_sender(self) -> AsyncSender:
        if self._http_client is not None:
            return AsyncClientSender(self._config, self._http_client)
        proxy = proxy_for(self._config.base_url)
        if proxy is not None:
            return AsyncPoolSender(self._config, proxy)
        return async_fast_sender(self._config) or AsyncPoolSender(self._config)
