"""A connection whose socket an asyncio event loop watches.

asyncio's own transports are not used: they cost more, over TLS above all, and cannot be closed after their event loop.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import final

import httpcore

from runpod_typed._synchronization import monotonic
from runpod_typed._transport.bodies import PIECE_SIZE, RequestBody
from runpod_typed._transport.deadlines import Attempt
from runpod_typed._transport.fast_sync import NOT_YET, READ_SIZE, is_readable
from runpod_typed._transport.http1 import ResponseReader
from runpod_typed._transport.messages import HttpResponse


@final
class FastConnection:
    """A connected socket that the event loop watches, and what arrives over it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, most_bytes: int) -> None:
        self.reader = ResponseReader(most_bytes)
        self._loop = loop
        self._socket = sock
        self._is_in_use = False
        self._tls = sock if isinstance(sock, ssl.SSLSocket) else None
        self._number = sock.fileno()
        self._waiter: asyncio.Future[None] | None = None
        self._waits_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ends_at = 0.0
        self._broken: Exception | None = None
        self.is_closed = False
        loop.add_reader(self._number, self._read)

    @property
    def is_new(self) -> bool:
        """True if no response has come over the connection."""
        return not self.reader.complete

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
                raise self._broken
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
            except OSError:  # a response or an alert of TLS may say why, and the end follows
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
        """Wait until something has happened; not always what is waited for.

        The timer runs on after the wait, and serves later ones: a timer for each costs as much as the rest of a wait.

        Raises:
            TimeoutError: The attempt's time is over.
        """
        self._waits_until = attempt.deadline
        if self._timer is None or self._timer_ends_at > attempt.deadline:
            self._set_timer()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ends_at = self._waits_until
        self._timer = self._loop.call_later(self._waits_until - monotonic(), self._end_wait)

    def _end_wait(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if monotonic() < self._waits_until:
            self._set_timer()
        else:
            self._waiter.set_exception(TimeoutError())

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _read(self) -> None:
        """Take what has arrived."""
        try:
            data = self._socket.recv(READ_SIZE)
            if not self._is_in_use:  # no request was sent for it: a server may also say that it has waited for too long
                self._fail(httpcore.RemoteProtocolError("the server closed the connection before a request"), None)
                self.close()
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
        """Return whether an idle connection is closed. The event loop may not have seen its end yet."""
        if not self.is_closed and is_readable(self._socket):
            self._read()
        return self.is_closed or self._broken is not None

    def close(self) -> None:
        """Close the connection in any state."""
        self._stop_reading()
        self.is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._socket.close()
