"""The network backends below httpcore's pools, over real sockets of this machine."""

from __future__ import annotations

import signal
import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import httpcore
import pytest

from runpod_typed._models.secret import Secret
from runpod_typed._transport import network as _network
from runpod_typed._transport.bodies import RequestBody
from runpod_typed._transport.deadlines import Attempt, async_deadline, deadline
from runpod_typed._transport.network import AsyncDeadlineBackend, DeadlineBackend, httpcore_proxy
from runpod_typed._transport.proxies import ProxyAddress
from tests.scripted_server import CLOSE, Script, answer, dripping, scripted
from tests.stubborn_servers import never_accepting, reading

HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
LARGE: Final = bytes(8_000_000)

SILENCE: Final = 600.0  # longer than pytest lets a test run: if no deadline ends the attempt, the test fails
LATE: Final[dict[str, Script]] = {
    "silence": [SILENCE],
    "dripped headers": [*dripping(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000, 0.02), SILENCE],
    "dripped body": [HEAD, *dripping(b"x" * 999, 0.02), SILENCE],
    "silence in the middle": [HEAD, b"x", SILENCE],
}

SECONDS: Final = 0.3


@contextmanager
def pool() -> Generator[httpcore.ConnectionPool]:
    with httpcore.ConnectionPool(network_backend=DeadlineBackend()) as made:
        yield made


def ask(url: str, body: bytes = b"", seconds: float = SECONDS) -> tuple[int, bool] | tuple[Exception, bool]:
    """The status of a response, or what was raised; and whether anything was sent."""
    attempt = Attempt(seconds, len(body))
    with pool() as connections, deadline(attempt):
        try:
            response = connections.request(
                "POST", url, headers={"Content-Length": str(len(body))}, content=RequestBody(body, attempt)
            )
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            return error, attempt.request_sent
        return response.status, attempt.request_sent


def test_a_response_in_time_is_returned() -> None:
    with scripted([answer(200, "hello")]) as server:
        assert ask(server.base_url, LARGE, 30.0) == (200, True)
        assert server.bodies == [LARGE]


@pytest.mark.parametrize("name", LATE)
def test_an_attempt_ends_at_its_deadline(name: str) -> None:
    with scripted(LATE[name]) as server:
        found, sent = ask(server.base_url)
    assert isinstance(found, httpcore.ReadTimeout)
    assert sent


def test_a_large_upload_that_is_read_slowly_ends_at_the_deadline() -> None:
    with reading(0.02) as base_url:
        found, sent = ask(base_url, LARGE)
    assert isinstance(found, httpcore.WriteTimeout)
    assert not sent


def test_a_connection_attempt_ends_at_the_deadline() -> None:
    with never_accepting() as base_url:
        found, sent = ask(base_url)
    assert isinstance(found, httpcore.ConnectTimeout)
    assert not sent


def test_a_refused_connection_was_never_sent(free_tcp_port: int) -> None:
    found, sent = ask(f"http://127.0.0.1:{free_tcp_port}/", LARGE)
    assert isinstance(found, httpcore.ConnectError)
    assert not sent


def test_a_connection_that_breaks_during_an_upload_was_not_sent() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def break_it() -> None:
        connection, _ = listener.accept()
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.close()

    thread = threading.Thread(target=break_it, daemon=True)
    with listener:
        thread.start()
        found, sent = ask(f"http://127.0.0.1:{listener.getsockname()[1]}/", LARGE, 30.0)
        thread.join(10)
    assert isinstance(found, httpcore.WriteError | httpcore.ReadError | httpcore.RemoteProtocolError)
    assert not sent


def test_no_attempt_begins_after_its_deadline() -> None:
    with scripted([answer(200)]) as server:
        found, sent = ask(server.base_url, seconds=-1.0)
        assert isinstance(found, httpcore.ConnectTimeout)
        assert not sent
        assert not server.requests


def test_without_a_deadline_the_timeouts_of_each_step_hold() -> None:
    with scripted([answer(200)], [30.0]) as server, pool() as connections:
        assert connections.request("GET", server.base_url).status == 200
        with pytest.raises(httpcore.ReadTimeout):
            connections.request("GET", server.base_url, extensions={"timeout": {"read": 0.1}})


def test_each_attempt_on_a_kept_connection_has_a_deadline() -> None:
    with scripted([answer(200)]) as server, pool() as connections:
        for _ in range(3):
            attempt = Attempt(30.0)
            with deadline(attempt):
                assert connections.request("POST", server.base_url, content=b"x").status == 200
                assert attempt.request_sent
        assert len(connections.connections) == 1


# Names and addresses


def names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Give a name these addresses, in this order."""
    resolve = socket.getaddrinfo

    def answer_for_it(host: str, *arguments: Any, **options: Any) -> list[Any]:
        if host != "several.example":
            return list(resolve(host, *arguments, **options))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", answer_for_it)


def at_several(base_url: str) -> str:
    return base_url.replace("127.0.0.1", "several.example")


def test_each_address_of_a_name_is_tried_until_one_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, "127.0.0.2", "127.0.0.3", "127.0.0.1")
    with scripted([answer(200)]) as server:
        assert ask(at_several(server.base_url), seconds=30.0) == (200, True)


def test_a_silent_address_leaves_time_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, "127.0.0.2", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        backend: Any = DeadlineBackend()
        connect, tried = backend._inner.connect_tcp, list[tuple[str, float]]()

        def connect_to_one(host: str, port: int, timeout: float, *arguments: Any) -> Any:
            tried.append((host, timeout))
            if host == "127.0.0.2":
                raise httpcore.ConnectTimeout
            return connect(host, port, timeout, *arguments)

        backend._inner.connect_tcp = connect_to_one
        for _ in range(2):
            backend.connect_tcp("several.example", listener.getsockname()[1], 30.0).close()
    assert tried == [("127.0.0.2", 1.0), ("127.0.0.1", 1.0), ("127.0.0.1", 1.0)]


@pytest.mark.parametrize("raised", [TimeoutError("late"), ConnectionResetError("stop")], ids=repr)
def test_a_signal_handler_ends_the_search_for_an_address(raised: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, "127.0.0.2", "127.0.0.1")

    def handler(*_: object) -> None:
        raise raised

    def connect(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        assert address[0] == "127.0.0.2"
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("no signal came")

    monkeypatch.setattr(socket, "create_connection", connect)
    before = signal.signal(signal.SIGTERM, handler)
    try:
        with pytest.raises((httpcore.ConnectError, httpcore.ConnectTimeout)) as caught:
            DeadlineBackend().connect_tcp("several.example", 80, 30.0)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert caught.value.__cause__ is raised


def test_a_short_time_is_divided_among_the_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, "127.0.0.2", "127.0.0.3", "127.0.0.1")
    backend: Any = DeadlineBackend()
    times = list[float]()

    def connect(_host: str, _port: int, timeout: float, *_: Any) -> Any:
        times.append(timeout)
        raise httpcore.ConnectTimeout

    backend._inner.connect_tcp = connect
    with pytest.raises(httpcore.ConnectTimeout):
        backend.connect_tcp("several.example", 80, 2.0)
    assert times == [0.5] * 3 + [2.0] * 3


def test_silent_addresses_get_the_rest_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, "127.0.0.2", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        backend: Any = DeadlineBackend()
        connect = backend._inner.connect_tcp

        def connect_late(host: str, port: int, timeout: float, *arguments: Any) -> Any:
            if host == "127.0.0.2" or timeout < 30:
                raise httpcore.ConnectTimeout
            return connect(host, port, timeout, *arguments)

        backend._inner.connect_tcp = connect_late
        backend.connect_tcp("several.example", listener.getsockname()[1], 30.0).close()


def test_if_no_address_connects_the_last_failure_is_raised(monkeypatch: pytest.MonkeyPatch, free_tcp_port: int) -> None:
    names(monkeypatch, "127.0.0.2", "127.0.0.3")
    found, sent = ask(f"http://several.example:{free_tcp_port}/", seconds=30.0)
    assert isinstance(found, httpcore.ConnectError)
    assert not sent


def test_all_addresses_together_have_the_time_of_one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, *["127.0.0.1"] * 2000)
    with never_accepting() as base_url:
        found, sent = ask(at_several(base_url))
    assert isinstance(found, httpcore.ConnectTimeout)
    assert not sent


def test_a_name_without_an_address_is_a_connection_never_made(monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch)
    found, sent = ask("http://several.example/")
    assert isinstance(found, httpcore.ConnectError)
    assert "no address for several.example" in str(found)
    assert not sent


def test_an_unknown_name_is_a_connection_never_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    found, sent = ask("http://nobody.example/")
    assert isinstance(found, httpcore.ConnectError)
    assert "Name or service not known" in str(found)
    assert not sent


# TLS


def test_a_failed_handshake_was_never_sent() -> None:
    with scripted([b"this is not TLS", CLOSE]) as server:
        found, sent = ask(server.base_url.replace("http:", "https:"), LARGE)
        assert isinstance(found, httpcore.ConnectError | httpcore.ConnectTimeout)
        assert not sent


class Closable(httpcore.NetworkStream):
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def start_tls(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
        raise KeyboardInterrupt


@pytest.mark.parametrize(("seconds", "raised"), [(-1.0, httpcore.ConnectTimeout), (30.0, KeyboardInterrupt)])
def test_an_interrupted_handshake_leaves_no_socket(seconds: float, raised: type[BaseException]) -> None:
    inner = Closable()
    with deadline(Attempt(seconds)), pytest.raises(raised):
        _network.DeadlineStream(inner).start_tls(ssl.create_default_context())
    assert inner.closed


@pytest.mark.parametrize("secure", [False, True])
def test_a_proxy_s_address_and_password_are_given_to_the_pool(secure: bool) -> None:
    scheme = "https" if secure else "http"
    address = ProxyAddress(scheme=scheme, host="proxy.example", port=3128, user="me", password=Secret("pw"))
    proxy = httpcore_proxy(address)
    assert (proxy.url.scheme, proxy.url.host, proxy.url.port) == (scheme.encode(), b"proxy.example", 3128)
    assert proxy.auth == (b"me", b"pw")
    assert isinstance(proxy.ssl_context, ssl.SSLContext) is secure
    assert httpcore_proxy(ProxyAddress(scheme="http", host="proxy.example", port=None)).auth is None


class Layer(httpcore.NetworkStream):
    """A stream that keeps what is written to it; TLS on top of it changes nothing."""

    def __init__(self) -> None:
        self.written = list[bytes]()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        assert timeout is not None
        self.written.append(buffer)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return self


def test_a_secure_proxy_gets_large_bodies_in_parts() -> None:
    layer = Layer()
    stream = (
        _network.DeadlineStream(layer).start_tls(ssl.create_default_context()).start_tls(ssl.create_default_context())
    )
    attempt = Attempt(30.0)
    with deadline(attempt):
        stream.write(LARGE[:150_000])
        assert attempt.request_sent
    assert [len(part) for part in layer.written] == [65536, 65536, 18928]
    with deadline(Attempt(-1.0)), pytest.raises(httpcore.WriteTimeout):
        stream.write(b"x")


# The async API


async def async_ask(url: str, body: bytes = b"", seconds: float = SECONDS) -> tuple[object, bool]:
    """The status of a response, or what was raised; and whether anything was sent."""
    attempt = Attempt(seconds, len(body))
    try:
        async with httpcore.AsyncConnectionPool(network_backend=AsyncDeadlineBackend()) as connections:
            async with async_deadline(attempt):
                response = await connections.request(
                    "POST", url, headers={"Content-Length": str(len(body))}, content=RequestBody(body, attempt)
                )
            return response.status, attempt.request_sent
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, TimeoutError) as error:
        return error, attempt.request_sent


@pytest.mark.anyio
async def test_an_async_response_in_time_is_returned() -> None:
    with scripted([answer(200, "hello")]) as server:
        assert await async_ask(server.base_url, LARGE, 30.0) == (200, True)
        assert server.bodies == [LARGE]


@pytest.mark.anyio
@pytest.mark.parametrize("name", LATE)
async def test_an_async_attempt_ends_at_its_deadline(name: str) -> None:
    with scripted(LATE[name]) as server:
        found, sent = await async_ask(server.base_url)
    assert isinstance(found, TimeoutError)
    assert sent


@pytest.mark.anyio
async def test_a_slow_async_upload_ends_at_the_deadline() -> None:
    with reading(0.02) as base_url:
        found, sent = await async_ask(base_url, LARGE)
    assert isinstance(found, TimeoutError)
    assert not sent


@pytest.mark.anyio
async def test_an_async_connection_that_is_not_made_was_never_sent(free_tcp_port: int) -> None:
    found, sent = await async_ask(f"http://127.0.0.1:{free_tcp_port}/", LARGE)
    assert isinstance(found, httpcore.ConnectError)
    assert not sent
    with never_accepting() as base_url:
        found, sent = await async_ask(base_url)
    assert isinstance(found, TimeoutError)
    assert not sent


@pytest.mark.anyio
async def test_an_async_handshake_that_fails_was_never_sent() -> None:
    with scripted([b"this is not TLS", CLOSE]) as server:
        found, sent = await async_ask(server.base_url.replace("http:", "https:"), LARGE)
        assert isinstance(found, httpcore.ConnectError | TimeoutError)
        assert not sent
