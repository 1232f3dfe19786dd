"""A link with a long round trip: a proxy on the loopback interface that delays all bytes.

Each direction takes half of the round trip. The first bytes of a connection take a whole round trip more, which is what
its TCP handshake would have taken.
"""

from __future__ import annotations

import asyncio
from typing import Final

from typing_extensions import override

BACKLOG: Final = 4096


class End(asyncio.Protocol):
    """One end of a connection through the link.

    Args:
        one_way: Seconds that bytes take to the other end.
    """

    def __init__(self, one_way: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._one_way = one_way
        self._arrival = 0.0
        self.transport: asyncio.Transport | None = None
        self.other: End | None = None
        self._undelivered = list[bytes | None]()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- asyncio's own types are looser
        self.transport = transport

    def wait_for_handshake(self) -> None:
        """Let the first bytes wait for the round trip of a handshake."""
        self._arrival = self._loop.time() + 3 * self._one_way

    @override
    def data_received(self, data: bytes) -> None:
        self._send(data)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._send(None)

    def _send(self, data: bytes | None) -> None:
        # Never at the same time as what was sent before: the loop does not keep the order of equal times.
        self._arrival = max(self._loop.time() + self._one_way, self._arrival + 1e-6)
        self._loop.call_at(self._arrival, self._deliver, data)

    def _deliver(self, data: bytes | None) -> None:
        if self.other is None:
            self._undelivered.append(data)
            return
        to = self.other.transport
        if to is None or to.is_closing():
            return
        if data is None:
            to.close()
        else:
            to.write(data)

    def deliver_to(self, other: End) -> None:
        """Deliver all bytes to the other end from now on, those first that have arrived before it was there."""
        self.other = other
        for data in self._undelivered:
            self._deliver(data)


async def serve_link(port: int, round_trip: float) -> asyncio.Server:
    """Start a link to a port of this machine.

    Args:
        port: The server's port.
        round_trip: Seconds from a request to the first byte of its response, the server's own time aside.
    """
    loop = asyncio.get_running_loop()
    connecting = set[asyncio.Task[None]]()

    class Near(End):
        """The client's end."""

        @override
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.wait_for_handshake()
            task = loop.create_task(self._connect())
            connecting.add(task)
            task.add_done_callback(connecting.discard)

        async def _connect(self) -> None:
            _, far = await loop.create_connection(lambda: End(round_trip / 2), "127.0.0.1", port)
            far.other = self
            self.deliver_to(far)

    return await loop.create_server(lambda: Near(round_trip / 2), "127.0.0.1", 0, backlog=BACKLOG)
