"""HTTP attempts over plain sockets, for threads."""

from __future__ import annotations

import select
import socket
import ssl
import sys
from collections.abc import Callable
from typing import Final, TypeVar, final

import httpcore

from runpod_typed._synchronization import monotonic
from runpod_typed._transport.bodies import PIECE_SIZE, RequestBody
from runpod_typed._transport.connection import CONNECT_TIMEOUT, ConnectionConfig
from runpod_typed._transport.deadlines import Attempt, deadline
from runpod_typed._transport.failures import foreign_exception
from runpod_typed._transport.http1 import RequestWriter, ResponseReader
from runpod_typed._transport.idle import IdleConnections
from runpod_typed._transport.interface import Transport
from runpod_typed._transport.messages import HttpRequest, HttpResponse
from runpod_typed._transport.network import DeadlineBackend, tls_context

READ_SIZE: Final = 64 * 1024
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
BROKEN: Final = (httpcore.NetworkError, httpcore.RemoteProtocolError)
CONNECTING: Final = (httpcore.ConnectError, httpcore.ConnectTimeout)
NEVER_SENT: Final = (*CONNECTING, httpcore.LocalProtocolError)
TIMED_OUT: Final = (httpcore.TimeoutException, TimeoutError)
FAILURES: Final = (*NEVER_SENT, httpcore.NetworkError, httpcore.ProtocolError, *TIMED_OUT, OSError)
NOT_YET: Final = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

_A = TypeVar("_A")
_T = TypeVar("_T")


@final
class FastTransport(Transport):
    """Attempts over sockets, of which it keeps those that can serve another request."""

    failures = FAILURES
    connecting = CONNECTING
    broken = BROKEN
    never_sent = NEVER_SENT
    timed_out = TIMED_OUT

    def __init__(self, config: ConnectionConfig) -> None:
        base = config.base_url
        self._host, self._port = base.host, base.port or DEFAULT_PORTS[base.scheme]
        self._tls = tls_context() if base.scheme == "https" else None
        self._backend = DeadlineBackend(0 if self._tls is None else 1)
        self._writer = RequestWriter(config)
        self._most_bytes = config.max_response_bytes
        self._idle = IdleConnections[_Connection](config.idle_connections, lambda each: each.is_closed())
        self._closed = False

    def _exchange(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        found = self._idle.take(attempt)
        self._close_useless()
        connection, idle = found or (self._connect(attempt), 0.0)
        while True:
            began = monotonic()
            try:
                response = connection.exchange(self._writer.head(request), request.body, attempt)
            except BaseException as error:
                connection.close()
                if isinstance(error, self.broken):
                    self._idle.forget()
                if not self._is_lost(error, attempt, idle=idle, began=began):
                    raise
            else:
                self._release(connection, idle)
                return response
            connection, idle = self._connect(attempt), 0.0

    def _connect(self, attempt: Attempt) -> _Connection:
        timeout = min(CONNECT_TIMEOUT, attempt.seconds)
        with deadline(attempt):
            stream: httpcore.NetworkStream = self._backend.connect_tcp(self._host, self._port, timeout)
            if self._tls is not None:
                stream = stream.start_tls(self._tls, self._host, timeout)
        return _Connection(stream.get_extra_info("socket"), self._most_bytes)

    def _release(self, connection: _Connection, idle: float) -> None:
        if not (connection.reader.reusable and self._idle.keep(connection, idle)):
            connection.close()
        elif self._closed:
            self.close()
        self._close_useless()

    def _close_useless(self) -> None:
        while (connection := self._idle.take_useless()) is not None:
            connection.close()

    def close(self) -> None:
        """Close all connections, those in use as soon as their response is read."""
        self._closed = True
        while (connection := self._idle.take_any()) is not None:
            connection.close()


@final
class _Connection:
    """A connected socket, and what arrives over it."""

    def __init__(self, sock: socket.socket, most_bytes: int) -> None:
        self._socket = sock
        self.reader = ResponseReader(most_bytes)

    def exchange(self, head: bytes, body: bytes | None, attempt: Attempt) -> HttpResponse:
        """Send a request and read its response."""
        reader = self.reader
        reader.expect()
        self._send(head, body, attempt)
        while not reader.complete:
            data = self._step(self._socket.recv, READ_SIZE, attempt, httpcore.ReadTimeout, httpcore.ReadError)
            reader.feed(data) if data else reader.end()
        return reader.response()

    def _send(self, head: bytes, body: bytes | None, attempt: Attempt) -> None:
        """Send a request. If the server closes early, a response or an alert of TLS may say why."""
        try:
            if attempt.body_size <= PIECE_SIZE:
                self._send_all(head + (body or b""), attempt, is_last=True)
            else:
                self._send_all(head, attempt)
                for piece in RequestBody(body, attempt):
                    self._send_all(piece, attempt, is_last=attempt.request_sent)
        except httpcore.WriteError as error:
            if _passes_through(error, attempt):
                raise
            self.reader.reusable = False

    def _send_all(self, data: bytes, attempt: Attempt, *, is_last: bool = False) -> None:
        rest = memoryview(data)
        attempt.request_sent = is_last
        try:
            while rest:
                sent = self._step(self._socket.send, rest, attempt, httpcore.WriteTimeout, httpcore.WriteError)
                rest = rest[sent:]
        except (httpcore.WriteTimeout, httpcore.WriteError) as error:
            if not _passes_through(error, attempt):
                attempt.request_sent = False  # its end was not handed to the network
            raise

    def _step(
        self,
        act: Callable[[_A], _T],
        argument: _A,
        attempt: Attempt,
        late: type[httpcore.TimeoutException],
        broken: type[httpcore.NetworkError],
    ) -> _T:
        """Make one call of the socket, in the time that is left."""
        left = attempt.left()
        if left <= 0:
            raise late("the attempt's time is over")
        self._socket.settimeout(left)
        try:
            return act(argument)
        except TimeoutError as error:
            raise late(str(error)) from error
        except OSError as error:
            raise broken(str(error)) from error

    def is_closed(self) -> bool:
        """Return whether an idle connection is closed, or holds bytes that were not asked for.

        A TLS server may send more than data, such as session tickets.
        """
        if not is_readable(self._socket):
            return False
        try:
            self._socket.settimeout(0)
            self._socket.recv(1)
        except NOT_YET:
            return False
        except OSError:
            pass
        return True

    def close(self) -> None:
        """Close the connection in any state."""
        self._socket.close()


if sys.platform == "win32":

    def is_readable(sock: socket.socket) -> bool:
        """Return whether something has come."""
        return bool(select.select([sock], [], [], 0)[0])

else:

    def is_readable(sock: socket.socket) -> bool:
        """Return whether something has come; an attempt to read it costs several times as much, over TLS above all."""
        poll = select.poll()  # select() takes no numbers above 1,023
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))


def _passes_through(error: Exception, attempt: Attempt) -> bool:
    """Return whether a signal handler raised what seems to be an error of the socket: all may have been sent."""
    return foreign_exception(error, FAILURES, CONNECTING, attempt) is not None
