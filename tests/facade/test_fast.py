"""The fast transports: what is theirs alone, over real sockets."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any, Final

import httpcore
import pytest
from attrs import evolve

from runpod_typed import AsyncClient, Client, RetryPolicy
from runpod_typed._synchronization import monotonic
from runpod_typed._transport import fast_connection, fast_sync, idle, pool
from runpod_typed._transport.bodies import PIECE_SIZE
from runpod_typed._transport.connection import ConnectionConfig
from runpod_typed._transport.deadlines import Attempt, deadline
from runpod_typed._transport.dialing import Dialer
from runpod_typed._transport.fast import SWITCH_VARIABLE, async_fast_transport, watches_sockets
from runpod_typed._transport.fast_sync import FastTransport
from runpod_typed._transport.messages import HttpRequest, HttpResponse, TransportFailure
from runpod_typed.errors import APIStatusError
from tests._async.ways import until
from tests.core.calls import CONNECTION
from tests.open_things import OpenThings
from tests.scripted_server import CLOSE, answer, scripted, wait_until
from tests.stubborn_servers import never_accepting, reading, trusted_tls

HEALTH: Final = HttpRequest("GET", "/ep/health")
SUBMISSION: Final = HttpRequest("POST", "/ep/run", b"{}")
OK: Final = answer(200, b"{}")
SILENT: Final = [3600.0]


def config_of(base_url: str) -> ConnectionConfig:
    return evolve(
        CONNECTION, base_url=evolve(CONNECTION.base_url, port=int(base_url.split(":")[2].split("/", maxsplit=1)[0]))
    )


def transport_to(base_url: str) -> Any:
    return async_fast_transport(config_of(base_url))


async def health(transport: Any, seconds: float = 30.0) -> Any:
    return await transport.send(HEALTH, Attempt(seconds))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SWITCH_VARIABLE, raising=False)


@pytest.mark.anyio
async def test_a_cancelled_request_ends_on_the_wire_at_once() -> None:
    with scripted(SILENT) as server:
        transport = transport_to(server.base_url)
        task = asyncio.create_task(health(transport))
        await until(lambda: len(server.requests) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not transport._pool._open


@pytest.mark.slow
@pytest.mark.anyio
async def test_nothing_is_open_after_failures_and_cancellations() -> None:
    open_before = OpenThings.now()
    with scripted(SILENT, [None], [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"], [b"no HTTP"]) as server:
        transport = transport_to(server.base_url)
        outcomes = await asyncio.gather(*(health(transport, 0.3) for _ in range(40)))
        assert all(isinstance(outcome, TransportFailure) for outcome in outcomes)
        await transport.aclose()
    assert open_before.more_now() == []


@pytest.mark.parametrize("dead", ["refused", "silent"])
@pytest.mark.anyio
async def test_an_address_that_does_not_connect_is_passed_over(
    dead: str, free_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    with scripted([OK]) as server, never_accepting() as silent:
        dead_port = free_tcp_port if dead == "refused" else config_of(silent).base_url.port
        ports = [dead_port, config_of(server.base_url).base_url.port]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]

        async def resolve(*_: Any, **__: Any) -> Any:
            return found

        monkeypatch.setattr(loop, "getaddrinfo", resolve)
        dialer: Any = Dialer(loop, "server.example", 1)
        for _ in range(2):
            sock = await dialer.dial()
            assert sock.getpeername()[1] == ports[1]
            sock.close()
        assert dialer._last_good == (socket.AF_INET, ("127.0.0.1", ports[1]))


@pytest.mark.anyio
async def test_a_host_that_cannot_be_resolved_was_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    config = evolve(CONNECTION, base_url=evolve(CONNECTION.base_url, host="no-such-host.invalid"))
    transport: Any = async_fast_transport(config)
    for _ in range(2):
        outcome = await transport.send(SUBMISSION, Attempt(30.0, 2))
        assert isinstance(outcome, TransportFailure)
        assert not outcome.request_sent
        assert "Name or service not known" in outcome.reason


@pytest.mark.anyio
async def test_ipv6_addresses_are_reached() -> None:
    with suppress_no_ipv6(), socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        dialer = Dialer(asyncio.get_running_loop(), "::1", listener.getsockname()[1])
        (await dialer.dial()).close()


@contextmanager
def suppress_no_ipv6() -> Generator[None]:
    try:
        yield
    except OSError:
        pytest.skip("this machine has no IPv6")


def test_an_event_loop_that_watches_no_sockets_is_told_apart() -> None:
    class Loop(asyncio.AbstractEventLoop):
        """As asyncio's default loop on Windows."""

    loop = asyncio.new_event_loop()
    assert watches_sockets(loop)
    loop.close()
    loop_class: Any = Loop
    loop_class.__abstractmethods__ = frozenset()
    assert not watches_sockets(loop_class())


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "stopped"])
def test_connections_of_an_event_loop_that_ended_are_closed(*, closed: bool) -> None:
    with scripted([OK], SILENT) as server:
        loop = asyncio.new_event_loop()

        async def use() -> Any:
            transport = transport_to(server.base_url)
            assert isinstance(await health(transport), HttpResponse)
            return transport

        transport = loop.run_until_complete(use())
        if closed:
            loop.close()
        transport.abandon()
        wait_until(lambda: server.open_connections == 0)
        loop.close()


@pytest.mark.anyio
async def test_connections_are_closed_from_another_thread() -> None:
    with scripted([OK]) as server:
        transport = transport_to(server.base_url)
        await health(transport)
        await asyncio.to_thread(transport.abandon)
        await until(lambda: server.open_connections == 0)


@pytest.mark.parametrize("after", [OK.replace(b"{}", b"[]"), CLOSE], ids=["a second response", "the end"])
@pytest.mark.anyio
async def test_a_request_in_the_queue_gets_no_spoiled_connection(after: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "POOL_SIZE", 1)
    monkeypatch.setattr(fast_connection, "READ_SIZE", len(OK))
    connections: Any = fast_connection.FastConnection
    read = connections._read
    with scripted([OK + after] if after else [OK, CLOSE], [OK]) as server:

        def read_late(connection: Any) -> None:
            if not after and server.connections_made == 1:
                wait_until(lambda: server.open_connections == 0)
            read(connection)

        monkeypatch.setattr(connections, "_read", read_late)
        transport = transport_to(server.base_url)
        outcomes = await asyncio.gather(health(transport), health(transport))
        assert [outcome.body for outcome in outcomes] == [b"{}", b"{}"]
        assert server.connections_made == 2
        await transport.aclose()


@pytest.mark.anyio
async def test_idle_connections_make_room_for_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "POOL_SIZE", 3)
    with scripted([OK]) as server:
        transport = transport_to(server.base_url)
        assert all(await asyncio.gather(*(health(transport) for _ in range(5))))
        monkeypatch.setattr(idle, "monotonic", lambda: monotonic() + 10)
        requests = [transport.send(SUBMISSION, Attempt(30.0, 2)) for _ in range(5)]
        assert all(isinstance(outcome, HttpResponse) for outcome in await asyncio.gather(*requests))
        assert len(transport._pool._open) <= 3
        await transport.aclose()


@pytest.mark.parametrize("ends", ["late", "cancelled"])
@pytest.mark.anyio
async def test_a_request_of_which_a_part_was_never_sent_is_known(ends: str) -> None:
    with reading(3600.0) as base_url:
        transport = transport_to(base_url)
        dial = transport._pool._dialer.dial

        async def dial_narrow() -> socket.socket:
            sock: socket.socket = await dial()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            return sock

        transport._pool._dialer.dial = dial_narrow
        attempt = Attempt(0.3 if ends == "late" else 30.0, PIECE_SIZE)
        task = asyncio.create_task(transport.send(HttpRequest("POST", "/ep/run", b"x" * PIECE_SIZE), attempt))
        if ends == "late":
            outcome = await task
            assert outcome.timed_out
            assert not outcome.request_sent
        else:
            await until(lambda: transport._pool._open and next(iter(transport._pool._open))._waiter is not None)
            task.cancel()
            await asyncio.wait([task])
        assert not attempt.request_sent


@pytest.mark.anyio
async def test_an_error_within_the_reader_ends_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise ValueError("broken")

    monkeypatch.setattr("runpod_typed._transport.http1.ResponseBody", fail)
    with scripted([OK]) as server:
        transport = transport_to(server.base_url)
        with pytest.raises(ValueError, match="broken"):
            await health(transport)
        assert not transport._pool._open


@pytest.mark.anyio
async def test_a_connection_made_as_its_request_is_cancelled_is_closed() -> None:
    dialer: Any = Dialer(asyncio.get_running_loop(), "server.example", 1)
    made = socket.socket()

    async def two_addresses() -> list[str]:
        return ["first", "second"]

    async def connect(_: str) -> socket.socket:
        dialing.cancel()
        return made

    dialer._addresses, dialer._connect = two_addresses, connect
    dialing = asyncio.create_task(dialer.dial())
    await asyncio.wait([dialing])
    assert dialing.cancelled()
    assert made.fileno() == -1


# The sync API alone


def test_tls_messages_beside_data_do_not_end_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    with trusted_tls(monkeypatch) as tls, scripted([OK], [OK, CLOSE], tls=tls) as server:
        config = config_of(server.base_url)
        transport: Any = FastTransport(evolve(config, base_url=evolve(config.base_url, scheme="https")))
        attempt = Attempt(30.0)
        with deadline(attempt):
            connection = transport._connect(attempt)
        assert select.select([connection._socket], [], [], 30.0)[0]  # session tickets have come
        assert not connection.is_closed()
        connection.exchange(transport._writer.head(HEALTH), None, attempt)
        assert not connection.is_closed()
        connection.exchange(transport._writer.head(HEALTH), None, attempt)
        wait_until(connection.is_closed)
        connection.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a reset may discard what was received")
def test_the_alert_that_ended_a_connection_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with trusted_tls(monkeypatch) as tls:
        tls.verify_mode = ssl.CERT_REQUIRED  # of the client, which has none: the server says so after the handshake
        with scripted([OK], tls=tls) as server:
            transport: Any = FastTransport(
                evolve(config_of(server.base_url), base_url=evolve(config_of(server.base_url).base_url, scheme="https"))
            )
            attempt = Attempt(30.0, 2)
            connection = transport._connect(attempt)
            wait_until(lambda: server.connections_made == 1 and not server.open_connections)
            with suppress(OSError):  # it may be reset already: in any case nothing can be sent
                socket.socket.shutdown(connection._socket, socket.SHUT_WR)
            with pytest.raises(httpcore.ReadError, match="CERTIFICATE_REQUIRED"):
                connection.exchange(transport._writer.head(SUBMISSION), SUBMISSION.body, attempt)
            connection.close()
    assert not attempt.request_sent


class AlarmError(ConnectionError):
    """As a signal handler raises."""


@pytest.mark.parametrize("alarm", [AlarmError(), TimeoutError()], ids=["an error of its own", "a builtin one"])
def test_what_a_signal_handler_raises_while_sending_is_raised(
    alarm: Exception,
) -> None:
    class Interrupted(socket.socket):
        def send(self, *args: Any) -> int:
            super().send(*args)
            raise alarm

    with scripted([OK]) as server:
        address = config_of(server.base_url).base_url
        sock = Interrupted()
        sock.connect((address.host, address.port))
        transport: Any = FastTransport(config_of(server.base_url))
        connection: Any = vars(fast_sync)["_Connection"](sock, 1000)
        transport._idle.keep(connection, 0.0)
        attempt = Attempt(30.0, 2)
        with pytest.raises(type(alarm)):
            transport.send(SUBMISSION, attempt)
        assert attempt.request_sent


# Both APIs: a response that comes before the end of the upload


@contextmanager
def refusing_uploads() -> Generator[str]:
    """A server that reads the head of a request, responds, and closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(1000)
                        connection.sendall(answer(413, b'{"error": "too large"}', "Connection: close"))
                        connection.shutdown(socket.SHUT_WR)
                        while connection.recv(1_000_000):
                            pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port: int = listener.getsockname()[1]
        yield f"http://127.0.0.1:{port}/v2"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_a_refusal_of_an_upload_is_read_before_its_end() -> None:
    with (
        refusing_uploads() as base_url,
        Client("key", base_url=base_url, retry=RetryPolicy.disabled()) as client,
        pytest.raises(APIStatusError, match="too large") as caught,
    ):
        client.endpoint("ep").run({"text": "x" * 8_000_000})
    assert caught.value.status_code == 413


@pytest.mark.anyio
async def test_a_refusal_of_an_upload_is_read_before_its_end_async() -> None:
    with refusing_uploads() as base_url:
        async with AsyncClient("key", base_url=base_url, retry=RetryPolicy.disabled()) as client:
            with pytest.raises(APIStatusError, match="too large") as caught:
                await client.endpoint("ep").run({"text": "x" * 8_000_000})
        assert caught.value.status_code == 413
