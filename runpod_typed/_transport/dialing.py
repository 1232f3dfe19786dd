"""Connecting to a host under asyncio: to one of its addresses in the way of RFC 8305 (Happy Eyeballs), and over TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from itertools import chain, zip_longest
from typing import Any, Final, final

from runpod_typed._synchronization import monotonic

_STAGGER_SECONDS: Final = 0.25
_RESOLVED_SECONDS: Final = 10.0

_Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


@final
class Dialer:
    """Makes connections to one host. Its name is resolved once for all connections of some seconds."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> None:
        self._loop = loop
        self._host, self._port = host, port
        self._tls = tls
        self._resolving: asyncio.Task[list[_Address]] | None = None
        self._resolved_at = 0.0
        self._last_good: _Address | None = None

    async def dial(self) -> socket.socket:
        """Return a connected socket that does not block.

        Raises:
            OSError: The host has no address, or none accepts the connection.
        """
        addresses = await self._addresses()
        if self._last_good in addresses:
            addresses = [self._last_good, *(each for each in addresses if each != self._last_good)]
        if len(addresses) == 1:
            return await self._connect(addresses[0])
        return await self._race(addresses)

    async def _addresses(self) -> list[_Address]:
        resolving = self._resolving
        if resolving is None or resolving.cancelled() or monotonic() - self._resolved_at > _RESOLVED_SECONDS:
            self._resolved_at = monotonic()
            self._resolving = resolving = self._loop.create_task(self._resolve())
            resolving.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            return await asyncio.shield(resolving)
        except OSError:
            self._resolving = None
            raise

    async def _resolve(self) -> list[_Address]:
        if _is_address(self._host):
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        else:
            found = await self._loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        first = found[0][0]
        families = [[(each[0], each[4]) for each in found if (each[0] == first) is same] for same in (True, False)]
        return [address for address in chain.from_iterable(zip_longest(*families)) if address is not None]

    async def _connect(self, address: _Address) -> socket.socket:
        sock = socket.socket(address[0], socket.SOCK_STREAM)
        try:
            sock.setblocking(False)  # noqa: FBT003 -- its only parameter
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.sock_connect(sock, address[1])
        except BaseException:
            sock.close()
            raise
        self._last_good = address
        return sock

    async def secure(self, plain: socket.socket) -> socket.socket:
        """Return a connected socket after the handshake of TLS, or as it is if plain HTTP is spoken.

        Raises:
            OSError: The handshake failed.
        """
        if self._tls is None:
            return plain
        try:
            sock = self._tls.wrap_socket(plain, server_hostname=self._host, do_handshake_on_connect=False)
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

    async def _race(self, addresses: list[_Address]) -> socket.socket:
        """Try one address after the other, each a moment after the one before it, or as soon as that has failed."""
        untried = iter(addresses)
        attempts = set[asyncio.Task[socket.socket]]()
        failure: BaseException | None = None
        try:
            while True:
                address = next(untried, None)
                if address is not None:
                    attempts.add(self._loop.create_task(self._connect(address)))
                elif not attempts:
                    raise failure or OSError(f"no address for {self._host}")
                patience = None if address is None else _STAGGER_SECONDS
                ended, attempts = await asyncio.wait(attempts, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                connected = list[socket.socket]()
                for attempt in ended:
                    failure = attempt.exception()
                    if failure is None:
                        connected.append(attempt.result())
                for spare in connected[1:]:
                    spare.close()
                if connected:
                    return connected[0]
        finally:
            for attempt in attempts:
                if not attempt.cancel() and not attempt.cancelled() and not attempt.exception():
                    attempt.result().close()


async def _until_ready(
    add: Callable[[int, Callable[[], Any]], Any], remove: Callable[[int], Any], sock: socket.socket
) -> None:
    ready = asyncio.get_running_loop().create_future()
    add(sock.fileno(), lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        remove(sock.fileno())


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
