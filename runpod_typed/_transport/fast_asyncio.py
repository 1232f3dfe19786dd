"""HTTP attempts over plain sockets, for asyncio: the event loop says when they can be read or written.

asyncio's own transports are not used: they cost more, over TLS above all, and cannot be closed after their event loop.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from contextlib import suppress
from typing import Any, Final, TypeVar, final

import httpcore

from runpod_typed._synchronization import monotonic, running_asyncio_loop
from runpod_typed._transport.bodies import PIECE_SIZE, RequestBody
from runpod_typed._transport.connection import CONNECT_TIMEOUT, POOL_SIZE, ConnectionConfig
from runpod_typed._transport.deadlines import Attempt
from runpod_typed._transport.dialing import Dialer
from runpod_typed._transport.fast_sync import (
    BROKEN,
    CONNECTING,
    DEFAULT_PORTS,
    FAILURES,
    NEVER_SENT,
    NOT_YET,
    READ_SIZE,
    TIMED_OUT,
)
from runpod_typed._transport.http1 import RequestWriter, ResponseReader
from runpod_typed._transport.idle import IdleConnections
from runpod_typed._transport.interface import AsyncTransport
from runpod_typed._transport.messages import HttpRequest, HttpResponse
from runpod_typed._transport.network import tls_context
from runpod_typed.errors import ConfigurationError

_T = TypeVar("_T")

_DIALS_AT_ONCE: Final = 32


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
        base = config.base_url
        self._loop = loop
        self._host = base.host
        self._dialer = Dialer(loop, base.host, base.port or DEFAULT_PORTS[base.scheme])
        self._tls = tls_context() if base.scheme == "https" else None
        self._writer = RequestWriter(config)
        self._most_bytes = config.max_response_bytes
        self._open = set[_Connection]()
        self._idle = IdleConnections[_Connection](config.idle_connections, lambda each: each.is_over())
        self._waiting = deque[asyncio.Future[_Connection | None]]()
        self._dialing = 0
        self._closed = False

    async def _exchange(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        if self._closed:
            raise ConfigurationError("The client is closed. Make a new one, or keep it open while its jobs are used.")
        found = self._idle.take(attempt)
        self._discard_useless()
        connection, idle = found or (await self._next_connection(attempt), 0.0)
        while True:
            began = monotonic()
            try:
                response = await connection.exchange(self._writer.head(request), request.body, attempt)
            except BaseException as error:
                self._discard(connection)
                if isinstance(error, self.broken):
                    self._idle.forget()
                if not self._is_lost(error, attempt, idle=idle, began=began):
                    raise
            else:
                self._release(connection, idle)
                return response
            connection, idle = await self._next_connection(attempt), 0.0

    async def _next_connection(self, attempt: Attempt) -> _Connection:
        """Return a new connection, or one that is released before there is a turn to make one."""
        while (connection := await self._turn(attempt)) is not None:
            if not connection.is_over():  # more than its response may have come, or its end
                return connection
            self._discard(connection)
        try:
            return await self._connect(attempt)
        finally:
            self._give_back(None)

    async def _turn(self, attempt: Attempt) -> _Connection | None:
        turn: asyncio.Future[_Connection | None] = self._loop.create_future()
        self._waiting.append(turn)
        self._give_turns()
        try:
            return await _in_time(turn, attempt)
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._give_back(turn.result())
            raise

    def _give_turns(self) -> None:
        """Let requests that wait make connections: some at a time, as those made first may serve the others too."""
        while self._waiting and self._dialing < _DIALS_AT_ONCE:
            if len(self._open) + self._dialing >= POOL_SIZE:
                spare = self._idle.take_any()  # these requests cannot use it
                if spare is None:
                    break
                self._close(spare)
            turn = self._waiting.popleft()
            if not turn.done():
                self._dialing += 1
                turn.set_result(None)

    def _give_back(self, connection: _Connection | None) -> None:
        if connection is not None:
            self._release(connection, 0.0)
        else:
            self._dialing -= 1
            self._give_turns()

    async def _connect(self, attempt: Attempt) -> _Connection:
        try:
            async with asyncio.timeout(min(CONNECT_TIMEOUT, attempt.left())):
                sock = await self._dialer.dial()
                if self._tls is not None:
                    sock = await self._start_tls(sock, self._tls)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("the connection was not made in time") from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        connection = _Connection(self._loop, sock, self._most_bytes)
        self._open.add(connection)
        return connection

    async def _start_tls(self, plain: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
        try:
            sock = context.wrap_socket(plain, server_hostname=self._host, do_handshake_on_connect=False)
        except BaseException:
            plain.close()
            raise
        try:
            while True:
                try:
                    sock.do_handshake()
                    return sock
                except ssl.SSLWantReadError:
                    await _until_ready(self._loop.add_reader, self._loop.remove_reader, sock)
                except ssl.SSLWantWriteError:
                    await _until_ready(self._loop.add_writer, self._loop.remove_writer, sock)
        except BaseException:
            sock.close()
            raise

    def _release(self, connection: _Connection, idle: float) -> None:
        if self._closed or not connection.reader.reusable:
            self._discard(connection)
            return
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return
        if not self._idle.keep(connection, idle):
            self._discard(connection)
        self._discard_useless()

    def _discard_useless(self) -> None:
        while (connection := self._idle.take_useless()) is not None:
            self._discard(connection)

    def _discard(self, connection: _Connection) -> None:
        self._close(connection)
        self._give_turns()

    def _close(self, connection: _Connection) -> None:
        connection.close()
        self._open.discard(connection)

    async def aclose(self) -> None:
        """Close all connections, those in use as soon as their response is read."""
        self._close_idle()

    def abandon(self) -> None:
        """Close all connections from outside a task of their event loop."""
        if self._loop.is_closed():
            while self._open:
                self._open.pop().close()
        elif self._loop.is_running() and running_asyncio_loop() is not self._loop:
            with suppress(RuntimeError):  # it was closed in between
                self._loop.call_soon_threadsafe(self._close_idle)
        else:
            self._close_idle()

    def _close_idle(self) -> None:
        self._closed = True
        while (connection := self._idle.take_any()) is not None:
            self._discard(connection)


async def _in_time(future: asyncio.Future[_T], attempt: Attempt) -> _T:
    """Wait for a future until the attempt's deadline, for a quarter of what `asyncio.timeout` costs.

    Raises:
        TimeoutError: The time is over.
    """
    timer = future.get_loop().call_later(attempt.left(), _end_late, future)
    try:
        return await future
    finally:
        timer.cancel()


def _end_late(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


async def _until_ready(add: Any, remove: Any, sock: socket.socket) -> None:
    ready = asyncio.get_running_loop().create_future()
    add(sock.fileno(), lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        remove(sock.fileno())


@final
class _Connection:
    """A connected socket that the event loop watches, and what arrives over it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, most_bytes: int) -> None:
        self.reader = ResponseReader(most_bytes)
        self._loop = loop
        self._socket = sock
        self._is_in_use = True
        self._tls = sock if isinstance(sock, ssl.SSLSocket) else None
        self._number = sock.fileno()
        self._waiter: asyncio.Future[None] | None = None
        self._broken: Exception | None = None
        self._unsent: Exception | None = None
        self.is_closed = False
        loop.add_reader(self._number, self._read)

    async def exchange(self, head: bytes, body: bytes | None, attempt: Attempt) -> HttpResponse:
        """Send a request and read its response."""
        reader = self.reader
        reader.expect()
        self._is_in_use = True
        if attempt.body_size <= PIECE_SIZE:
            await self._send(head + (body or b""), attempt, is_last=True)
        else:
            await self._send(head, attempt)
            for piece in RequestBody(body, attempt):
                if not await self._send(piece, attempt, is_last=attempt.request_sent):
                    break
        while not reader.complete:
            if self._broken is not None:
                raise self._unsent or self._broken
            await self._wait(attempt)
        self._is_in_use = False
        return reader.response()

    async def _send(self, data: bytes, attempt: Attempt, *, is_last: bool = False) -> bool:
        """Send a part of a request; False if the server has responded early, or closed the connection."""
        rest = memoryview(data)
        while rest and not self.reader.complete and self._broken is None:
            attempt.request_sent = is_last
            try:
                rest = rest[self._socket.send(rest) :]
            except NOT_YET as error:
                attempt.request_sent = False  # its end is not handed to the network
                await (self._wait if isinstance(error, ssl.SSLWantReadError) else self._until_writable)(attempt)
            except OSError as error:
                self._unsent = httpcore.WriteError(str(error))
                self._unsent.__cause__ = error
                break
        if rest:
            self.reader.reusable = attempt.request_sent = False
        return not rest

    async def _until_writable(self, attempt: Attempt) -> None:
        self._loop.add_writer(self._number, self._wake)
        try:
            await self._wait(attempt)
        finally:
            self._loop.remove_writer(self._number)

    async def _wait(self, attempt: Attempt) -> None:
        """Wait until something has happened; not always what is waited for."""
        self._waiter = self._loop.create_future()
        try:
            await _in_time(self._waiter, attempt)
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _read(self) -> None:
        """Take what has arrived."""
        try:
            data = self._socket.recv(READ_SIZE)
            if not self._is_in_use:
                self.close()  # between two responses only the end of the connection can come
            elif not data:
                self._stop_reading()
                self.reader.end()
            else:
                self.reader.feed(data)
                while self._tls is not None and self._tls.pending():
                    self.reader.feed(self._tls.recv(READ_SIZE))
        except NOT_YET:
            pass
        except OSError as error:
            self._fail(httpcore.ReadError(str(error)), error)
            if not self._is_in_use:
                self.close()
        except Exception as error:  # noqa: BLE001 -- it is raised by the request, which would wait for its deadline
            self._fail(error, error.__cause__)
        self._wake()

    def _fail(self, error: Exception, cause: BaseException | None) -> None:
        error.__cause__ = cause
        self._broken = self._broken or error
        self._stop_reading()

    def _stop_reading(self) -> None:
        if not self.is_closed and not self._loop.is_closed():
            self._loop.remove_reader(self._number)

    def is_over(self) -> bool:
        """Return whether an idle connection is closed. The event loop may not have seen what came of late."""
        if not self.is_closed:
            self._read()
        return self.is_closed

    def close(self) -> None:
        """Close the connection in any state."""
        self._stop_reading()
        self.is_closed = True
        self._socket.close()
