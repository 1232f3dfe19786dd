"""HTTP attempts over plain sockets, for asyncio."""

from __future__ import annotations

import asyncio
from typing import final

from runpod_typed._synchronization import monotonic
from runpod_typed._transport.connection import ConnectionConfig
from runpod_typed._transport.deadlines import Attempt
from runpod_typed._transport.fast_sync import BROKEN, CONNECTING, FAILURES, NEVER_SENT, TIMED_OUT
from runpod_typed._transport.http1 import RequestWriter
from runpod_typed._transport.interface import AsyncTransport
from runpod_typed._transport.messages import HttpRequest, HttpResponse
from runpod_typed._transport.pool import ConnectionPool
from runpod_typed.errors import ConfigurationError


@final
class AsyncFastTransport(AsyncTransport):
    """Attempts over sockets, of which it keeps those that can serve another request."""

    failures = FAILURES
    connecting = CONNECTING
    broken = BROKEN
    never_sent = NEVER_SENT
    timed_out = TIMED_OUT
    uses_anyio = False

    def __init__(self, config: ConnectionConfig, loop: asyncio.AbstractEventLoop) -> None:
        self._pool = ConnectionPool(config, loop)
        self._writer = RequestWriter(config)

    async def _exchange(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        pool = self._pool
        if pool.is_closed:
            raise ConfigurationError("The client is closed. Make a new one, or keep it open while its jobs are used.")
        connection, idle = await pool.acquire(attempt)
        while True:
            began = monotonic()
            try:
                response = await connection.exchange(self._writer.head(request), request.body, attempt)
            except BaseException as error:
                pool.discard(connection)
                if isinstance(error, self.broken):
                    pool.forget()
                if not self._is_lost(error, attempt, idle=idle, began=began):
                    raise
            else:
                pool.release(connection, idle)
                return response
            connection, idle = await pool.acquire_fresh(attempt), 0.0

    async def aclose(self) -> None:
        """Close all connections, those in use as soon as their response is read."""
        await self._pool.aclose()

    def abandon(self) -> None:
        """Close all connections from outside a task of their event loop."""
        self._pool.abandon()
