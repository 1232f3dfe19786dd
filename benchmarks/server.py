"""The server that every contender talks to: the queue of `benchmarks.queue` over HTTP and HTTPS.

    python -m benchmarks.server [--limits] [--tls CERTIFICATE KEY] [--delay SECONDS]

It prints its ports (plain, TLS and TLS behind the link, or 0), and ends when its standard input is closed. With
``--limits`` it enforces the published limits (`BUDGETS`): on ``/status``, ``/status-sync`` and ``/stream`` together
2,000 requests in any 10 s and 400 open at once. ``--delay`` is the round trip of the link.

Plain HTTP/1.1 is written on `asyncio.Protocol`. TLS with HTTP/1.1 and HTTP/2 is granian's, which calls the same queue
in the same event loop.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from typing_extensions import override

from benchmarks.link import serve_link
from benchmarks.queue import Held, Queue, Response

BACKLOG: Final = 4096
STREAMS: Final = 128
"""Requests that the server accepts at once on one connection of HTTP/2; as many as large providers accept."""
REASONS: Final = {200: "OK", 404: "Not Found", 429: "Too Many Requests"}


class Connection(asyncio.Protocol):
    """One client's connection over plain HTTP/1.1."""

    def __init__(self, queue: Queue, loop: asyncio.AbstractEventLoop) -> None:
        self._queue = queue
        self._loop = loop
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._held: tuple[asyncio.TimerHandle, str] | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- asyncio's own types are looser
        self._transport = transport
        self._address = transport.get_extra_info("peername")

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._held is not None:
            timer, operation = self._held
            timer.cancel()
            self._queue.leave(operation)

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head, body = self._received[:end], self._received[end + 4 :]
        length = 0
        if not head.startswith(b"GET"):
            found = head.lower().find(b"content-length:")
            length = int(head[found + 15 :].split(b"\r", 1)[0]) if found >= 0 else 0
        if len(body) < length:
            return
        self._received = body[length:]
        target = head[: head.index(b"\r")].split(b" ")[1].decode()
        response = self._queue.handle(self._address, target, body[:length])
        if isinstance(response, Held):
            self._held = self._loop.call_at(response.until, self._finish, response), response.operation
        else:
            self._write(response)

    def _finish(self, held: Held) -> None:
        self._held = None
        self._write(self._queue.finish(held))

    def _write(self, response: Response) -> None:
        status, body = response
        if self._transport is not None:
            self._transport.write(
                f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )


class Application:
    """The same queue as granian calls it, for each request of HTTP/1.1 and of HTTP/2."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Respond to one request."""
        query = scope.query_string
        target = f"{scope.path}?{query}" if query else scope.path
        body = b"" if scope.method == "GET" else await protocol()
        response = self._queue.handle(scope.client, target, body)
        if isinstance(response, Held):
            await asyncio.sleep(response.until - self._queue.clock())
            response = self._queue.finish(response)
        protocol.response_bytes(response[0], [("content-type", "application/json")], response[1])


@asynccontextmanager
async def serve_tls(queue: Queue, certificate: Path, key: Path) -> AsyncGenerator[int]:
    """Serve HTTP/1.1 and HTTP/2 over TLS on the port that is yielded."""
    from granian.http import HTTP2Settings  # noqa: PLC0415 -- the plain server does not need it
    from granian.server.embed import Server  # noqa: PLC0415 -- the same

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    server: Any = Server(  # its methods have no types
        Application(queue),
        port=port,
        backlog=BACKLOG,
        backpressure=BACKLOG,
        http2_settings=HTTP2Settings(max_concurrent_streams=STREAMS),
        log_enabled=False,
        websockets=False,
        ssl_cert=certificate,
        ssl_key=key,
    )
    serving = asyncio.create_task(server.serve())
    await _accepts(port)
    yield port
    server.stop()
    await serving


async def serve(*, limited: bool, tls: Sequence[Path] | None, delay: float) -> None:
    """Serve until standard input is closed."""
    loop = asyncio.get_running_loop()
    queue = Queue(limited, loop.time)
    ports = [0, 0, 0]
    async with AsyncExitStack() as stack:
        plain = await loop.create_server(lambda: Connection(queue, loop), "127.0.0.1", 0, backlog=BACKLOG)
        ports[0] = plain.sockets[0].getsockname()[1]
        if tls is not None:
            ports[1] = await stack.enter_async_context(serve_tls(queue, *tls))
            if delay:
                link = await serve_link(ports[1], delay)
                ports[2] = link.sockets[0].getsockname()[1]
        print(*ports, flush=True)
        await loop.run_in_executor(None, sys.stdin.read)


async def _accepts(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--limits", action="store_true")
    parser.add_argument("--tls", nargs=2, type=Path)
    parser.add_argument("--delay", type=float, default=0.0)
    options = parser.parse_args()
    asyncio.run(serve(limited=options.limits, tls=options.tls, delay=options.delay))
