# Connections of our own: h11 over httpcore's networks.
"""Attempts over connections of our own: h11 speaks HTTP, httpcore's backends open the network.

Why not httpcore's pool: at each request it goes through all its connections and all requests that wait, so that 200 at
once cost thirty times what one costs; and even one costs half as much again.
"""

from __future__ import annotations

import math
from collections import deque
from contextlib import suppress
from threading import Lock
from typing import final

import h11
import httpcore

from runpod_typed._core.config import CONNECT_TIMEOUT, KEEPALIVE_EXPIRY, POOL_SIZE, ConnectionConfig
from runpod_typed._core.error_mapping import transport_failure
from runpod_typed._core.http import BodyBuffer, HttpAnswer, HttpRequest, TransportFailure
from runpod_typed._network import AsyncBackend, tls_context
from runpod_typed._synchronization import AsyncSlots, async_deadline, async_shielded, monotonic

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST_HEAD = 100 * 1024
_READ_SIZE = 64 * 1024


@final
class AsyncConnection:
    """One connection to the server. It serves one request at a time."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        self.expires_at = math.inf

    async def exchange(self, head: h11.Request, body: bytes | None, cap: int) -> HttpAnswer:
        """Send a request, and take the whole answer in, up to `cap` bytes of body."""
        protocol = self._protocol
        data = [protocol.send(head), protocol.send(h11.Data(body or b"")), protocol.send(h11.EndOfMessage())]
        with suppress(httpcore.WriteError):  # a server may refuse a large body before it has all of it
            await self._stream.write(b"".join(part or b"" for part in data))
        buffer = BodyBuffer(cap)
        response: h11.Response | None = None
        while True:
            match protocol.next_event():
                case h11.NEED_DATA:
                    await self._receive()
                case h11.Response() as event:
                    response = event
                case h11.Data(data=part):
                    if not buffer.add(bytes(part)):
                        break
                case h11.EndOfMessage():
                    break
                case _:  # an answer that only announces another one
                    pass
        if response is None:
            raise httpcore.RemoteProtocolError("an answer's body came before its head")
        return buffer.answer(response.status_code, response.headers.raw_items())

    async def _receive(self) -> None:
        data = await self._stream.read(_READ_SIZE)
        if not data and self._protocol.their_state is h11.SEND_RESPONSE:
            raise httpcore.RemoteProtocolError("Server disconnected without sending a response.")
        self._protocol.receive_data(data)

    def recycle(self) -> bool:
        """Get ready for another request; False where this connection cannot take one."""
        protocol = self._protocol
        # What came beyond the answer would be taken for the next one.
        if protocol.our_state is not h11.DONE or protocol.their_state is not h11.DONE or protocol.trailing_data[0]:
            return False
        protocol.start_next_cycle()
        self.expires_at = monotonic() + KEEPALIVE_EXPIRY
        return True

    @property
    def is_fresh(self) -> bool:
        """Whether the server is likely to be there still: where there is something to read, it has hung up."""
        return monotonic() < self.expires_at and not self._stream.get_extra_info("is_readable")

    async def aclose(self) -> None:
        """Close it."""
        await self._stream.aclose()


@final
class AsyncDirectSender:
    """Attempts over connections to the server itself; the one that was used last is used first."""

    def __init__(self, config: ConnectionConfig) -> None:
        self._config = config
        self._backend = AsyncBackend()
        self._slots = AsyncSlots(POOL_SIZE)
        self._lock = Lock()  # of threads, in both halves: nothing is awaited while it is held
        self._idle: deque[AsyncConnection] = deque()
        self._closed = False

    async def send(self, request: HttpRequest, seconds: float) -> HttpAnswer | TransportFailure:
        """Send a request and take the whole answer in, within `seconds`."""
        sent = False
        try:
            with async_deadline(seconds) as attempt:
                try:
                    return await self._in_turn(request, seconds)
                finally:
                    sent = attempt.request_sent
        except Exception as error:  # noqa: BLE001 -- whatever a transport raises is this attempt's failure
            return transport_failure(error, request_sent=sent)
        except BaseException as error:  # noqa: BLE001 -- cancelled, or Ctrl-C; it goes on, without the frames that hold the key
            raise error.with_traceback(None)  # noqa: B904 -- it is the same error

    async def aclose(self) -> None:
        """Close all connections, those in use as soon as their answer is there."""
        self._closed = True
        while (connection := self._latest()) is not None:
            await connection.aclose()

    async def _in_turn(self, request: HttpRequest, seconds: float) -> HttpAnswer:
        if not await self._slots.enter(seconds):
            raise httpcore.PoolTimeout("all connections are in use")
        try:
            return await self._exchange(request, seconds)
        finally:
            self._slots.leave()

    async def _exchange(self, request: HttpRequest, seconds: float) -> HttpAnswer:
        config = self._config
        connection = await self._kept() or await self._open(seconds)
        try:
            head = h11.Request(
                method=request.method, target=f"{config.base_url.path}{request.target}", headers=config.headers(request)
            )
            answer = await connection.exchange(head, request.body, config.max_response_bytes)
        except BaseException:
            await _close(connection)
            raise
        await self._keep(connection)
        return answer

    async def _kept(self) -> AsyncConnection | None:
        """A connection that was kept and can be used; those that cannot are closed."""
        while (connection := self._latest()) is not None:
            if connection.is_fresh:
                return connection
            await _close(connection)
        return None

    async def _keep(self, connection: AsyncConnection) -> None:
        if connection.recycle() and len(self._idle) < self._config.idle_connections and not self._closed:
            self._idle.append(connection)
        else:
            await _close(connection)
        while (stale := self._stale()) is not None:
            await _close(stale)

    def _latest(self) -> AsyncConnection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _stale(self) -> AsyncConnection | None:
        """The connection that has been idle for longest, where that is too long."""
        with self._lock:
            return self._idle.popleft() if self._idle and self._idle[0].expires_at <= monotonic() else None

    async def _open(self, seconds: float) -> AsyncConnection:
        base, timeout = self._config.base_url, min(CONNECT_TIMEOUT, seconds)
        stream = await self._backend.connect_tcp(base.host, base.port or _DEFAULT_PORTS[base.scheme], timeout)
        if base.scheme == "https":
            stream = await stream.start_tls(tls_context(), base.host, timeout)
        return AsyncConnection(stream)


async def _close(connection: AsyncConnection) -> None:
    with async_shielded():
        await connection.aclose()
