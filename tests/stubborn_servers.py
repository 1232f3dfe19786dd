"""Servers that delay before they accept a connection, or while they read a request."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from attrs import define

from runpod_typed._transport.network import tls_context

_CERTIFICATE = Path(__file__).parent / "localhost.pem"  # for this test alone; with its key
_FEW = 4096


def _base_url(listener: socket.socket, scheme: str = "http") -> str:
    port: int = listener.getsockname()[1]
    return f"{scheme}://127.0.0.1:{port}/v2"


@contextmanager
def never_accepting() -> Generator[str]:
    """A port whose queue of connections is full: a new one is neither made nor refused."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        yield _base_url(listener)


@contextmanager
def trusted_tls(monkeypatch: pytest.MonkeyPatch) -> Generator[ssl.SSLContext]:
    """Return the TLS settings of a server on loopback that clients trust, through the environment."""
    monkeypatch.setenv("SSL_CERT_FILE", str(_CERTIFICATE))
    tls_context.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_CERTIFICATE)
    yield context
    tls_context.cache_clear()


@contextmanager
def reading(pause: float, *, scheme: str = "http", tls: ssl.SSLContext | None = None) -> Generator[str]:
    """A server that reads a little, then pauses, and never responds.

    Args:
        pause: The seconds of each pause.
        scheme: The scheme of its URL. Without `tls`, there is no handshake.
        tls: Its TLS settings, or None.
    """
    stopped = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _FEW)
    threads: list[threading.Thread] = []

    def serve(plain: socket.socket) -> None:
        with plain, suppress(OSError), plain if tls is None else tls.wrap_socket(plain, server_side=True) as connection:
            while connection.recv(_FEW) and not stopped.wait(pause):
                pass

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                spawn(threading.Thread(target=serve, args=(connection,), daemon=True))

    def spawn(thread: threading.Thread) -> None:
        threads.append(thread)
        thread.start()

    spawn(threading.Thread(target=accept, daemon=True))
    try:
        yield _base_url(listener, scheme)
    finally:
        stopped.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in threads:
            thread.join(10)


Handshake = Sequence[bytes | None]
"""Bytes to send, one part for each that is received, and then to close; None: be silent until the client leaves."""


@define
class HandshakingServer:
    """A proxy that gives the same responses to each connection."""

    port: int
    accepted: int = 0
    closed: int = 0
    """The number of connections that the client has closed."""

    def serve(self, connection: socket.socket, handshake: Handshake) -> None:
        """Serve a connection until the client closes it."""
        with connection, suppress(OSError):
            for part in handshake:
                if part is None or not connection.recv(_FEW):
                    break
                connection.sendall(part)
            else:
                connection.shutdown(socket.SHUT_WR)
            while connection.recv(_FEW):
                pass
        self.closed += 1


@contextmanager
def handshaking(handshake: Handshake) -> Generator[HandshakingServer]:
    """A proxy for the length of a block."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(30)
    server = HandshakingServer(listener.getsockname()[1])
    threads: list[threading.Thread] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.settimeout(30)
                server.accepted += 1
                spawn(threading.Thread(target=server.serve, args=(connection, handshake), daemon=True))

    def spawn(thread: threading.Thread) -> None:
        threads.append(thread)
        thread.start()

    spawn(threading.Thread(target=accept, daemon=True))
    try:
        yield server
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in threads:
            thread.join(30)
