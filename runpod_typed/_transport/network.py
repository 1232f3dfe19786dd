"""Network backends for httpcore's connections: they keep an attempt's deadline and note when its request leaves.

httpcore's own timeouts are per step: a server that drips a byte a second is never late. Here each step gets the time
that is left of the whole attempt. Name resolution alone is exempt: the operating system offers no way to end it.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Any, Final, TypeVar, cast

import httpcore
from typing_extensions import override

from runpod_typed._models.secret import MaskedBytes
from runpod_typed._transport.deadlines import current_attempt
from runpod_typed._transport.failures import raised_by_signal_handler
from runpod_typed._transport.proxies import ProxyAddress
from runpod_typed.errors import ConfigurationError

_WRITE_SIZE: Final = 64 * 1024
_PATIENCE: Final = 1.0
"""Seconds after which another address of a host is tried."""

_StreamT = TypeVar("_StreamT")
_SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


@cache
def tls_context() -> ssl.SSLContext:
    """Return the one TLS context of this process, which tells servers that HTTP/1.1 is spoken.

    Making it reads hundreds of certificates.

    Raises:
        ConfigurationError: ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` names no certificates.
    """
    context = _certifying_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _certifying_context() -> ssl.SSLContext:
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file:
        name, value, kind, exists = "SSL_CERT_FILE", file, "file", os.path.isfile(file)  # noqa: PTH113 -- as OpenSSL
    elif folder:
        name, value, kind, exists = "SSL_CERT_DIR", folder, "folder", os.path.isdir(folder)  # noqa: PTH112 -- the same
    else:
        import certifi  # noqa: PLC0415 -- plain HTTP never needs it

        return ssl.create_default_context(cafile=certifi.where())
    problem = "" if exists else f"there is no such {kind}"
    try:
        if exists:
            return ssl.create_default_context(cafile=file or None, capath=None if file else folder)
    except OSError as error:  # ssl.SSLError is one
        problem = str(error)
    raise ConfigurationError(
        f"The environment variable {name} is {value!r}, and no certificates can be read from it: {problem}. "
        f"Correct it, or unset it to use the certificates of the package certifi."
    )


def httpcore_proxy(proxy: ProxyAddress) -> httpcore.Proxy:
    """Return a proxy in the form that httpcore takes."""
    return httpcore.Proxy(
        httpcore.URL(scheme=proxy.scheme, host=proxy.host, port=proxy.port, target="/"),
        auth=(proxy.user.encode(), MaskedBytes(proxy.password.reveal().encode())) if proxy.user else None,
        ssl_context=tls_context() if proxy.scheme == "https" else None,
    )


def note_leaving() -> None:
    """Note that a request begins to leave; its body, if it has one, is counted where it is sent."""
    attempt = current_attempt.get()
    if attempt is not None and not attempt.body_size:
        attempt.request_sent = True


def holds_leftovers(connection: object) -> bool:
    """Return whether a connection has received more than the response that it delivered.

    The next request would take that for its response. Neither httpcore nor httpx tells, so this looks into their
    objects, from a connection or a response's stream down to the HTTP/1.1 parser; a test sees that it is found there.
    """
    inner: object | None = connection
    while inner is not None:
        parser = getattr(inner, "_h11_state", None)
        if parser is not None:
            return bool(parser.trailing_data[0])
        names = ("_connection", "_stream", "_httpcore_stream")
        inner = next((found for name in names if (found := getattr(inner, name, None)) is not None), None)
    return False


def shut_down(stream: httpcore.NetworkStream | httpcore.AsyncNetworkStream) -> None:
    """End a connection in a pool of the user's, which finds it readable at its end and drops it.

    A closed socket would not do: trio refuses to tell if it is readable.
    """
    kept: socket.socket = stream.get_extra_info("socket")
    with suppress(OSError), socket.fromfd(kept.fileno(), kept.family, kept.type) as copy:  # uvloop's has no shutdown()
        copy.shutdown(socket.SHUT_RDWR)


def _noted(stream: _StreamT) -> _StreamT:
    """Let the attempt know its new connection: httpcore closes none that fails on the way through a SOCKS proxy."""
    attempt = current_attempt.get()
    if attempt is not None:
        attempt.stream = stream
    return stream


def _time_left(timeout: float | None, late: type[httpcore.TimeoutException]) -> float | None:
    attempt = current_attempt.get()
    if attempt is None:
        return timeout
    left = attempt.left()
    if left <= 0:
        raise late("the attempt's time is over")
    return left if timeout is None else min(timeout, left)


class DeadlineBackend(httpcore.NetworkBackend):
    """Opens connections whose every step ends with the attempt that it belongs to.

    Args:
        tls_layers: The number of TLS layers around a request. What is written outside of them is for a proxy.
    """

    def __init__(self, tls_layers: int = 0) -> None:
        self._inner = httpcore.SyncBackend()
        self._tls_layers = tls_layers
        self._last_good: str | None = None

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
        addresses = sorted(_resolve(host, port), key=lambda each: each != self._last_good)
        left = _time_left(timeout, httpcore.ConnectTimeout)
        patience = _PATIENCE if left is None else min(_PATIENCE, left / (len(addresses) + 1))
        # One address after the other. If there are several, those that are silent get the time that is left at the end.
        for limit in [patience, timeout][len(addresses) == 1 :]:
            silent = list[str]()
            for address in addresses:
                try:
                    stream = self._inner.connect_tcp(
                        address, port, _time_left(limit, httpcore.ConnectTimeout), local_address, options
                    )
                except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                    if raised_by_signal_handler(error) is not None:
                        raise
                    failure = error
                    if isinstance(error, httpcore.ConnectTimeout):
                        silent.append(address)
                else:
                    self._last_good = address
                    return _noted(DeadlineStream(stream, layers_to_come=self._tls_layers))
            addresses = silent
        raise failure


def _resolve(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error
    return list(dict.fromkeys(str(address[4][0]) for address in found))


class DeadlineStream(httpcore.NetworkStream):
    """A connection whose every step ends with the attempt that it belongs to."""

    def __init__(self, inner: httpcore.NetworkStream, tls_layers: int = 0, *, layers_to_come: int = 0) -> None:
        self._inner = inner
        self._tls_layers = tls_layers
        self._layers_to_come = layers_to_come

    @override
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _time_left(timeout, httpcore.ReadTimeout))

    @override
    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._layers_to_come <= 0:
            note_leaving()
        rest = memoryview(buffer)
        if self._tls_layers > 1:  # the socket is that of the outer one, a proxy's, which must not see what is inside
            while rest:
                self._inner.write(bytes(rest[:_WRITE_SIZE]), _time_left(timeout, httpcore.WriteTimeout))
                rest = rest[_WRITE_SIZE:]
            return
        sock: socket.socket = self._inner.get_extra_info("socket")
        try:
            while rest:
                sock.settimeout(_time_left(timeout, httpcore.WriteTimeout))
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
        try:
            inner = self._inner.start_tls(ssl_context, server_hostname, _time_left(timeout, httpcore.ConnectTimeout))
        except BaseException:  # httpcore closes it neither at an interrupt nor if no time is left to begin
            self._inner.close()
            raise
        return DeadlineStream(inner, self._tls_layers + 1, layers_to_come=self._layers_to_come - 1)

    @override
    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class AsyncDeadlineBackend(httpcore.AsyncNetworkBackend):
    """Opens connections that note when a request leaves; the deadline itself is a time limit around the attempt.

    Args:
        tls_layers: The number of TLS layers around a request. What is written outside of them is for a proxy.
    """

    def __init__(self, tls_layers: int = 0) -> None:
        self._tls_layers = tls_layers
        # It works under asyncio and trio. httpcore's types name a stand-in for a missing anyio too.
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
        return _noted(AsyncDeadlineStream(stream, self._tls_layers))


class AsyncDeadlineStream(httpcore.AsyncNetworkStream):
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
            note_leaving()
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
        except BaseException:  # httpcore closes it after errors, but not if it is cancelled
            await self._inner.aclose()
            raise
        return AsyncDeadlineStream(inner, self._layers_to_come - 1)

    @override
    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
