"""A server that responds by a script, to do what no well-behaved server does."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

from attrs import define, field

from tests.arrivals import have_arrived

Step = bytes | float | None
"""Bytes to send, seconds to wait, or None: reset the connection."""

Script = Sequence[Step]

CLOSE: Final = b""


def answer(status: int, body: bytes | str = b"", *headers: str) -> bytes:
    """Return a complete HTTP response."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Something", f"Content-Length: {len(content)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + content


@define
class ScriptedServer:
    """Responds to each request by the next script, and by the last one from then on.

    Attributes:
        scripts: What to do at each request.
        requests: The heads of the requests that came, as text.
        bodies: Their bodies.
        pause_before_body: Seconds between the head of a request and the first byte read of its body.
        resets_before_body: The number of connections that are reset when the head of a request is read.
        tls: Its TLS settings, or None.
        played: The number of scripts that were played to their end.
        bytes_sent: The number of bytes sent.
    """

    scripts: list[Script]
    pause_before_body: float = 0.0
    resets_before_body: int = 0
    tls: ssl.SSLContext | None = None
    requests: list[str] = field(factory=list[str])
    bodies: list[bytes] = field(factory=list[bytes])
    played: int = 0
    bytes_sent: int = 0
    _listener: socket.socket = field(init=False)
    _stopped: threading.Event = field(init=False, factory=threading.Event)
    _threads: list[threading.Thread] = field(init=False, factory=list[threading.Thread])
    _connections: list[socket.socket] = field(init=False, factory=list[socket.socket])
    _lock: threading.Lock = field(init=False, factory=threading.Lock)

    @property
    def base_url(self) -> str:
        """The base URL of the server."""
        port: int = self._listener.getsockname()[1]
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{port}/v2"

    def start(self) -> None:
        """Listen."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._spawn(self._accept)

    def stop(self) -> None:
        """Close everything and end all threads."""
        self._stopped.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads:
            thread.join(10)

    @property
    def open_connections(self) -> int:
        """The number of open connections."""
        return sum(1 for connection in self._connections if connection.fileno() != -1)

    @property
    def connections_made(self) -> int:
        """The number of connections that clients have made."""
        return len(self._connections)

    @property
    def connections(self) -> Sequence[socket.socket]:
        """The connections that clients have made."""
        return self._connections

    @property
    def has_delivered(self) -> bool:
        """True if all that was sent has arrived at the other ends."""
        return have_arrived(self._connections)

    def _spawn(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._spawn(partial(self._serve, connection))

    def _serve(self, plain: socket.socket) -> None:
        with suppress(OSError, ValueError), plain, self._secured(plain) as connection:
            reader = connection.makefile("rb")
            while True:
                head = b""
                while (line := reader.readline()) not in {b"\r\n", b""}:
                    head += line
                if not head:
                    return
                text = head.decode("latin-1")
                if self._resets_connection():
                    self._play(connection, [None])
                    return
                self._stopped.wait(self.pause_before_body)
                lengths = [line for line in text.splitlines() if line.lower().startswith("content-length:")]
                body = reader.read(int(lengths[0].split(":")[1])) if lengths else b""
                with self._lock:
                    self.requests.append(text)
                    self.bodies.append(body)
                    script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
                if not self._play(connection, script):
                    return

    def _secured(self, plain: socket.socket) -> socket.socket:
        return plain if self.tls is None else self.tls.wrap_socket(plain, server_side=True)

    def _resets_connection(self) -> bool:
        with self._lock:
            self.resets_before_body -= 1
            return self.resets_before_body >= 0

    def _play(self, connection: socket.socket, script: Script) -> bool:
        for step in script:
            if step is None:
                # Linger 0 makes the close a reset.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                return False
            if step == CLOSE:
                return False
            if isinstance(step, bytes):
                connection.sendall(step)
                self.bytes_sent += len(step)
            elif self._stopped.wait(step):
                return False
        with self._lock:
            self.played += 1
        return True


@contextmanager
def scripted(*scripts: Script, tls: ssl.SSLContext | None = None) -> Generator[ScriptedServer]:
    """A server that plays these scripts, one a request."""
    server = ScriptedServer(list(scripts), tls=tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def dripping(data: bytes, seconds: float) -> Script:
    """A byte at a time."""
    steps: list[Step] = []
    for byte in data:
        steps += [bytes([byte]), seconds]
    return steps


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)
