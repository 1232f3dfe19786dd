"""A proxy on this machine, for names that exist nowhere: it passes bytes on, and remembers for whom."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from attrs import define, field

from tests.arrivals import have_arrived

_BUFFERED = 64 * 1024
"""Bytes on the way: few, so that a client which sends a large body notices that the server does not read it."""


@define
class LoopbackProxy:
    """Passes each connection on to where its first request wants to go.

    Attributes:
        targets: What the first lines asked for, such as ``GET http://127.0.0.1:1234/v2/ep/health``.
        heads: The first bytes of each connection.
        passed_back: The number of bytes that were passed on to clients.
    """

    targets: list[str] = field(factory=list[str])
    heads: list[bytes] = field(factory=list[bytes])
    passed_back: int = 0
    _listener: socket.socket = field(init=False)
    _threads: list[threading.Thread] = field(init=False, factory=list[threading.Thread])
    _connections: list[socket.socket] = field(init=False, factory=list[socket.socket])
    _lock: threading.Lock = field(init=False, factory=threading.Lock)
    _stopped: bool = field(init=False, default=False)

    @property
    def url(self) -> str:
        """The URL of the proxy."""
        port: int = self._listener.getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def has_passed_back(self, count: int) -> bool:
        """Tell whether at least that many bytes have arrived at clients."""
        return self.passed_back >= count and have_arrived(self._connections)

    def start(self) -> None:
        """Listen."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFERED)
        self._spawn(self._accept)

    def stop(self) -> None:
        """Close everything and end all threads."""
        with self._lock:
            self._stopped = True
            for each in (self._listener, *self._connections):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
        for thread in self._threads:
            thread.join(10)

    def _keep(self, connection: socket.socket) -> None:
        """Close a connection when the proxy stops, or now if it has stopped."""
        with self._lock:
            self._connections.append(connection)
            if self._stopped:
                connection.close()

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._keep(client)
            self._spawn(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, ValueError):  # who connects may leave without a word
            head = client.recv(65536)
            self.heads.append(head)
            method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
            self.targets.append(f"{method} {target}")
            where = urlsplit(f"//{target}" if method == "CONNECT" else target)
            server = socket.create_connection(("127.0.0.1", where.port or 80))  # as if each name were this machine's
            server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFERED)
            self._keep(server)
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                server.sendall(head)
            self._spawn(_pass_on, server, client, self._count_back)
            _pass_on(client, server)
            client.close()  # a client that is still sending sees a reset

    def _count_back(self, count: int) -> None:
        with self._lock:
            self.passed_back += count


def _pass_on(source: socket.socket, target: socket.socket, count: Callable[[int], None] = lambda _: None) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
            count(len(data))
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxying() -> Generator[LoopbackProxy]:
    """A proxy for the length of a block."""
    proxy = LoopbackProxy()
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
