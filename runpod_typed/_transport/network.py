"""Network backends for httpcore's pools: they keep an attempt's deadline, and note whether its request has left.

httpcore's own timeouts are per step: a server that drips a byte a second is never late. Here each step gets what is
left of the whole attempt. Name resolution alone is exempt: the operating system offers no way to end it.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Self, cast

import httpcore
import httpx
from typing_extensions import override

from runpod_typed._synchronization import Attempt, current_attempt
from runpod_typed._transport.proxies import ProxyAddress

_WRITE_SIZE = 64 * 1024

_SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


@cache
def tls_context() -> ssl.SSLContext:
    """The one TLS context of this process; making it reads hundreds of certificates."""
    return httpx.create_ssl_context()


def httpcore_proxy(proxy: ProxyAddress) -> httpcore.Proxy:
    """A proxy as httpcore's pools take it."""
    return httpcore.Proxy(
        httpcore.URL(scheme=proxy.scheme, host=proxy.host, port=proxy.port, target="/"),
        auth=(proxy.user, proxy.password.reveal()) if proxy.user else None,
        ssl_context=tls_context() if proxy.scheme == "https" else None,
    )


def _left(timeout: float | None, late: type[httpcore.TimeoutException]) -> float | None:
    attempt = current_attempt.get()
    if attempt is None:
        return timeout
    left = attempt.left()
    if left <= 0:
        raise late("the attempt's time is over")
    return left if timeout is None else min(timeout, left)


def mark_sent() -> None:
    """Note that the attempt's request is leaving."""
    attempt: Attempt | None = current_attempt.get()
    if attempt is not None:
        attempt.request_sent = True


class _WithoutTheSecret(logging.Filter):
    """Cuts an attempt's secret from what the transports log of an answer: a server may send it back."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        attempt = current_attempt.get()
        if attempt is not None and attempt.secret is not None:
            text = record.getMessage().encode("utf-8", "surrogatepass")
            cut = attempt.secret.cut_from(text)
            if cut is not text:
                record.msg, record.args = cut.decode("utf-8", "surrogatepass"), ()
        return True


for _name in ("httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "httpcore.socks", "httpx"):
    logging.getLogger(_name).addFilter(_WithoutTheSecret())


class Backend(httpcore.NetworkBackend):
    """Opens connections whose every step ends with the attempt that it belongs to.

    Args:
        tls_layers: Through how many of them a request goes. What is written outside is for a proxy.
    """

    def __init__(self, tls_layers: int = 0) -> None:
        self._inner = httpcore.SyncBackend()
        self._tls_layers = tls_layers

    @override
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        options = tuple(socket_options or ())
        failure: Exception = httpcore.ConnectError(f"no address for {host}")
        # One address after the other, each with the time that is left; left to itself, a socket takes the whole timeout
        # for each.
        for address in _resolve(host, port):
            try:
                stream = self._inner.connect_tcp(
                    address, port, _left(timeout, httpcore.ConnectTimeout), local_address, options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return Stream(stream, layers_to_come=self._tls_layers)
        raise failure


def _resolve(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error
    return list(dict.fromkeys(str(address[4][0]) for address in found))


class Stream(httpcore.NetworkStream):
    """A connection whose every step ends with the attempt that it belongs to."""

    def __init__(self, inner: httpcore.NetworkStream, tls_layers: int = 0, *, layers_to_come: int = 0) -> None:
        self._inner = inner
        self._tls_layers = tls_layers
        self._layers_to_come = layers_to_come

    @override
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    @override
    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._layers_to_come <= 0:
            mark_sent()
        rest = memoryview(buffer)
        if self._tls_layers > 1:  # the socket is that of the outer one, a proxy's, which must not see what is inside
            while rest:
                self._inner.write(bytes(rest[:_WRITE_SIZE]), _left(timeout, httpcore.WriteTimeout))
                rest = rest[_WRITE_SIZE:]
            return
        sock: socket.socket = self._inner.get_extra_info("socket")
        try:
            while rest:
                sock.settimeout(_left(timeout, httpcore.WriteTimeout))
                rest = rest[sock.send(rest[:_WRITE_SIZE]) :]
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    @override
    def close(self) -> None:
        self._inner.close()

    @override
    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, _left(timeout, httpcore.ConnectTimeout))
        return Stream(inner, self._tls_layers + 1, layers_to_come=self._layers_to_come - 1)

    @override
    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class Cutter:
    """Cuts the connection of a foreign client when the attempt's time is over: nothing else ends it in time.

    Its own limits are per step. From a new connection on, and from an answer's headers on in each case, it is known
    which connection that is.
    """

    def __init__(self, attempt: Attempt) -> None:
        self.has_cut = False
        self.extensions: dict[str, Any] = {"trace": self._note}
        self._lock = threading.Lock()
        self._stream: httpcore.NetworkStream | None = None
        self._over = False
        self._timer = threading.Timer(max(0.0, attempt.left()), self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *raised: object) -> None:
        with self._lock:
            self._over = True
        self._timer.cancel()

    def found(self, extensions: Mapping[str, object]) -> None:
        """Headers came, over this connection."""
        stream = extensions.get("network_stream")
        if isinstance(stream, httpcore.NetworkStream):
            self._know(stream)

    def _note(self, event: str, details: Mapping[str, object]) -> None:
        stream = details.get("return_value")
        if event.startswith("connection.") and isinstance(stream, httpcore.NetworkStream):
            self._know(stream)

    def _know(self, stream: httpcore.NetworkStream) -> None:
        with self._lock:
            self._stream = stream
            late = self.has_cut
        if late:
            self._cut()

    def _cut(self) -> None:
        with self._lock:
            if self._over:
                return
            self.has_cut = True
            sock = None if self._stream is None else self._stream.get_extra_info("socket")
        if isinstance(sock, socket.socket):
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not TLS's own: its state belongs to the other thread


class AsyncCutter:
    """Nothing: an attempt that is over is cancelled."""

    has_cut = False

    def __init__(self, attempt: Attempt) -> None:
        del attempt
        self.extensions: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        pass

    def found(self, extensions: Mapping[str, object]) -> None:
        """Nothing."""


class AsyncBackend(httpcore.AsyncNetworkBackend):
    """Opens connections that note when a request leaves; the deadline itself is a cancel scope around the attempt.

    Args:
        tls_layers: Through how many of them a request goes. What is written outside is for a proxy.
    """

    def __init__(self, tls_layers: int = 0) -> None:
        self._tls_layers = tls_layers
        # It works under asyncio and trio. httpcore names a stand-in too, for where anyio is missing; it never is.
        self._inner = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        stream = await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return AsyncStream(stream, self._tls_layers)


class AsyncStream(httpcore.AsyncNetworkStream):
    """A connection that notes when a request leaves."""

    def __init__(self, inner: httpcore.AsyncNetworkStream, layers_to_come: int = 0) -> None:
        self._inner = inner
        self._layers_to_come = layers_to_come

    @override
    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._inner.read(max_bytes, timeout)

    @override
    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._layers_to_come <= 0:
            mark_sent()
        await self._inner.write(buffer, timeout)

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()

    @override
    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            inner = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:  # httpcore closes it after errors, and not where it is cancelled
            await self._inner.aclose()
            raise
        return AsyncStream(inner, self._layers_to_come - 1)

    @override
    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
