"""The connections of the fast async transport: how many are made, and who gets them. Over real sockets."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Generator
from typing import Any, Final

import pytest
from attrs import evolve

from runpod_typed._transport import dialing, pool
from runpod_typed._transport.connection import ConnectionConfig
from runpod_typed._transport.deadlines import Attempt
from runpod_typed._transport.fast import SWITCH_VARIABLE, async_fast_transport
from runpod_typed._transport.messages import HttpRequest, HttpResponse, TransportFailure
from tests._async.ways import until
from tests.core.calls import CONNECTION
from tests.open_things import OpenThings
from tests.scripted_server import CLOSE, answer, scripted, wait_until
from tests.stubborn_servers import never_accepting, trusted_tls

HEALTH: Final = HttpRequest("GET", "/ep/health")
SUBMISSION: Final = HttpRequest("POST", "/ep/run", b"{}")
OK: Final = answer(200, b"{}")
SILENT: Final = [3600.0]

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SWITCH_VARIABLE, raising=False)


@pytest.fixture
def no_reviews(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no requests get more connections than the first ones, however slow the machine is."""
    monkeypatch.setattr(pool, "REVIEW_SECONDS", 3600.0)


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest) -> str:
    scheme: str = request.param
    return scheme


@pytest.fixture
def tls(scheme: str, monkeypatch: pytest.MonkeyPatch) -> Generator[Any]:
    with trusted_tls(monkeypatch) as context:
        yield context if scheme == "https" else None


def transport_to(base_url: str) -> Any:
    scheme, _, rest = base_url.partition("://")
    port = int(rest.split(":")[1].split("/")[0])
    config: ConnectionConfig = evolve(CONNECTION, base_url=evolve(CONNECTION.base_url, scheme=scheme, port=port))
    return async_fast_transport(config)


def send(transport: Any, count: int, request: HttpRequest = HEALTH, seconds: float = 60.0) -> list[asyncio.Task[Any]]:
    return [asyncio.create_task(transport.send(request, Attempt(seconds))) for _ in range(count)]


@pytest.mark.usefixtures("no_reviews")
@pytest.mark.parametrize("request_", [HEALTH, SUBMISSION], ids=["a read", "a submission"])
async def test_short_requests_share_few_connections(request_: HttpRequest, tls: Any) -> None:
    with scripted([OK], tls=tls) as server:
        transport = transport_to(server.base_url)
        outcomes = await asyncio.gather(*send(transport, 200, request_))
        assert {type(outcome) for outcome in outcomes} == {HttpResponse}
        assert server.connections_made <= 16
        await transport.aclose()


@pytest.mark.slow
async def test_held_requests_all_get_a_connection(tls: Any) -> None:
    with scripted(SILENT, tls=tls) as server:
        transport = transport_to(server.base_url)
        tasks = send(transport, 300)
        await until(lambda: len(server.requests) == 300)
        await end(tasks)
        await transport.aclose()  # closes what is idle alone
        assert not transport._pool._open


async def test_requests_are_served_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "POOL_SIZE", 1)
    with scripted([OK]) as server:
        transport = transport_to(server.base_url)
        numbered = [HttpRequest("GET", f"/ep/status/{number}") for number in range(60)]
        await asyncio.gather(*(transport.send(each, Attempt(60.0)) for each in numbered))
        assert [head.split()[1] for head in server.requests] == [f"/v2{each.target}" for each in numbered]
        await transport.aclose()


async def test_a_slow_connection_holds_up_no_request(no_reviews: None) -> None:
    with scripted([0.2, OK], [OK]) as server:
        transport = transport_to(server.base_url)
        slow = SlowDials(transport, first=2)
        assert all(isinstance(each, HttpResponse) for each in await asyncio.gather(*send(transport, 3)))
        assert server.connections_made == 1
        slow.go_on.set()
        await until(lambda: server.connections_made == 3)
        await until(lambda: not transport._pool._dials)
        outcomes = await asyncio.gather(*send(transport, 3, SUBMISSION))
        assert all(isinstance(each, HttpResponse) for each in outcomes)
        assert server.connections_made == 3, "what was not needed is idle now"
        await transport.aclose()


async def test_a_hanging_connection_holds_up_no_later_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CONNECT_TIMEOUT", 3600.0)
    monkeypatch.setattr(pool, "_LATE_REVIEWS", 2)
    with scripted([0.1, OK], [OK]) as server:
        transport = transport_to(server.base_url)
        slow = SlowDials(transport, first=2)
        assert all(isinstance(each, HttpResponse) for each in await asyncio.gather(*send(transport, 2)))
        transport._pool._close(transport._pool._idle.take_any())
        slow.lets_next_pass()
        (outcome,) = await asyncio.gather(*send(transport, 1, SUBMISSION, seconds=30.0))
        assert isinstance(outcome, HttpResponse)
        await transport.aclose()


@pytest.mark.parametrize("billed", [False, True])
@pytest.mark.parametrize(
    "last_words",
    [b"", b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", answer(408, b"{}"), OK[:-4]],
    ids=["nothing", "a response", "a response with a length", "half a response"],
)
async def test_a_connection_may_be_closed_before_its_first_use(last_words: bytes, billed: bool) -> None:
    with scripted([0.1, OK], [OK]) as server:
        transport = transport_to(server.base_url)
        slow = SlowDials(transport, first=2)
        assert all(isinstance(each, HttpResponse) for each in await asyncio.gather(*send(transport, 2)))
        slow.go_on.set()
        await until(lambda: server.connections_made == 2 and not transport._pool._dials)
        server.connections[1].sendall(last_words)
        if last_words != OK[:-4]:  # its end is not always seen with it
            server.connections[1].shutdown(socket.SHUT_RDWR)
            await asyncio.to_thread(wait_until, lambda: server.open_connections == 1)
        outcome = await transport.send(SUBMISSION, Attempt(60.0, billed=billed))
        assert isinstance(outcome, HttpResponse)
        await transport.aclose()


@pytest.mark.usefixtures("no_reviews")
async def test_a_server_that_keeps_no_connection_is_served_at_once() -> None:
    with scripted([answer(200, b"{}", "Connection: close"), CLOSE]) as server:
        transport = transport_to(server.base_url)
        for _ in range(40):
            (outcome,) = await asyncio.gather(*send(transport, 1, SUBMISSION, seconds=30.0))
            assert isinstance(outcome, HttpResponse)
        await transport.aclose()
        assert not transport._pool._open


async def test_a_cancelled_resolution_of_the_host_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialing, "_RESOLVED_SECONDS", 3600.0)
    with scripted([OK]) as server:
        transport = transport_to(server.base_url)
        dialer = transport._pool._dialer
        resolve, dialer._resolve = dialer._resolve, asyncio.Event().wait
        (first,) = send(transport, 1, seconds=30.0)
        await until(lambda: dialer._resolving)
        dialer._resolve = resolve
        dialer._resolving.cancel()
        assert isinstance(await first, HttpResponse)
        await transport.aclose()


class SlowDials:
    """Lets the connections of a transport from a number on wait for an event."""

    def __init__(self, transport: Any, first: int) -> None:
        self.go_on = asyncio.Event()
        self._dial = transport._pool._dialer.dial
        self._left = first - 1
        transport._pool._dialer.dial = self.dial

    def lets_next_pass(self) -> None:
        """Let one more connection be made at once."""
        self._left = 1

    async def dial(self) -> Any:
        self._left -= 1
        if self._left < 0:
            await self.go_on.wait()
        return await self._dial()


async def test_cancelled_requests_end_their_connections_too() -> None:
    open_before = OpenThings.now()
    with never_accepting() as base_url:
        transport = transport_to(base_url)
        tasks = send(transport, 100)
        await until(lambda: transport._pool._dials)
        assert len(transport._pool._dials) <= 64
        await end(tasks)
        await until(lambda: not transport._pool._dials)
        assert not transport._pool._waiting
    assert open_before.more_now() == []


async def test_a_connection_that_comes_with_the_cancellation_is_kept() -> None:
    with scripted([0.1, OK], [OK]) as server:
        transport = transport_to(server.base_url)
        SlowDials(transport, first=2)
        first, second = send(transport, 2)
        await until(lambda: len(server.requests) == 1)
        handed_on = transport._pool._budget.note_handed_on

        def cancel() -> None:
            second.cancel()
            handed_on()

        transport._pool._budget.note_handed_on = cancel
        assert isinstance(await first, HttpResponse)
        await asyncio.wait([second])
        assert second.cancelled()
        assert isinstance(await transport.send(HEALTH, Attempt(60.0)), HttpResponse)
        assert server.connections_made == 1
        await transport.aclose()


async def test_a_request_without_a_connection_was_never_sent() -> None:
    with never_accepting() as base_url:
        transport = transport_to(base_url)
        (outcome,) = await asyncio.gather(*send(transport, 1, SUBMISSION, seconds=0.2))
        assert isinstance(outcome, TransportFailure)
        assert (outcome.request_sent, outcome.timed_out) == (False, True)
        assert outcome.reason == "ConnectTimeout: no connection was made in time"
        await transport.aclose()


async def test_a_full_pool_is_named_as_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "POOL_SIZE", 2)
    with scripted(SILENT) as server:
        transport = transport_to(server.base_url)
        held = send(transport, 2)
        await until(lambda: len(server.requests) == 2)
        (outcome,) = await asyncio.gather(*send(transport, 1, SUBMISSION, seconds=0.2))
        assert (outcome.request_sent, outcome.timed_out) == (False, True)
        assert "no connection was free in time: 2 requests are open" in outcome.reason
        await end(held)


@pytest.mark.usefixtures("no_reviews")
async def test_a_server_that_refuses_ends_all_waits(free_tcp_port: int) -> None:
    transport = transport_to(f"http://127.0.0.1:{free_tcp_port}/v2")
    outcomes = await asyncio.gather(*send(transport, 300, SUBMISSION))
    assert {outcome.request_sent for outcome in outcomes} == {False}
    assert all("Connect call failed" in outcome.reason for outcome in outcomes)
    assert not transport._pool._dials


async def test_one_refused_connection_ends_one_request(no_reviews: None) -> None:
    with scripted([OK]) as server:
        transport = transport_to(server.base_url)
        dial = transport._pool._dialer.dial
        failures = iter([ConnectionRefusedError(111, "refused")])

        async def dial_or_fail() -> socket.socket:
            for failure in failures:
                raise failure
            sock: socket.socket = await dial()
            return sock

        transport._pool._dialer.dial = dial_or_fail
        outcomes = await asyncio.gather(*send(transport, 40))
        assert sum(isinstance(outcome, TransportFailure) for outcome in outcomes) == 1
        assert "refused" in outcomes[0].reason
        await transport.aclose()


async def test_a_failed_connection_ends_no_later_request() -> None:
    with scripted([0.2, OK], [OK]) as server:
        transport = transport_to(server.base_url)
        failing = asyncio.Event()
        dial = transport._pool._dialer.dial
        dials = list[int]()

        async def fail_second() -> socket.socket:
            dials.append(1)
            if len(dials) == 2:
                await failing.wait()
                raise ConnectionResetError(104, "reset")
            sock: socket.socket = await dial()
            return sock

        transport._pool._dialer.dial = fail_second
        assert all(isinstance(each, HttpResponse) for each in await asyncio.gather(*send(transport, 2)))
        later = send(transport, 3)
        await asyncio.sleep(0)
        failing.set()
        assert all(isinstance(each, HttpResponse) for each in await asyncio.gather(*later))
        await transport.aclose()


async def test_an_error_that_is_no_failure_is_raised() -> None:
    transport = transport_to("http://127.0.0.1:1/v2")

    async def fail() -> socket.socket:
        raise UnicodeError("label too long")

    transport._pool._dialer.dial = fail
    with pytest.raises(UnicodeError, match="label too long"):
        await transport.send(HEALTH, Attempt(60.0))


async def test_closing_ends_connections_that_are_being_made() -> None:
    open_before = OpenThings.now()
    with scripted([OK]) as server:
        transport = transport_to(server.base_url)
        SlowDials(transport, first=2)
        assert all(isinstance(each, HttpResponse) for each in await asyncio.gather(*send(transport, 2)))
        assert len(transport._pool._dials) == 1
        await transport.aclose()
        assert not transport._pool._dials
    assert open_before.more_now() == []


async def test_a_request_that_waits_is_served_after_the_close() -> None:
    with scripted([0.1, OK], [OK]) as server:
        transport = transport_to(server.base_url)
        SlowDials(transport, first=2)
        both = asyncio.gather(*send(transport, 2))
        await until(lambda: len(server.requests) == 1)
        await transport.aclose()
        assert all(isinstance(each, HttpResponse) for each in await both)
        await until(lambda: server.open_connections == 0)
        assert not transport._pool._open


def test_an_event_loop_that_ended_leaves_no_handshake_open(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with trusted_tls(monkeypatch), socket.create_server(("127.0.0.1", 0)) as listener:
        loop = asyncio.new_event_loop()

        async def begin_needlessly() -> Any:
            transport = transport_to(f"https://127.0.0.1:{listener.getsockname()[1]}/v2")
            (task,) = send(transport, 1)
            await until(lambda: transport._pool._dials)
            transport._pool._waiting.clear()
            server_side = await loop.run_in_executor(None, lambda: listener.accept()[0])
            server_side.settimeout(30.0)
            await loop.run_in_executor(None, server_side.recv, 10_000)
            monkeypatch.setattr(transport._pool, "_end_needless_dials", lambda: None)
            await end([task])
            return transport, server_side

        transport, server_side = loop.run_until_complete(begin_needlessly())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        with server_side:
            transport.abandon()
            assert server_side.recv(1) == b""
    del transport
    gc.collect()
    assert "destroyed" not in caplog.text


async def end(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
