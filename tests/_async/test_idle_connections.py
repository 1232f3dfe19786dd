# Requests over connections that were idle.
"""Idle connections serve requests that may be repeated; submissions never race with a server that closes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from random import Random
from typing import Final

import pytest

from runpod_typed import APIConnectionError, AsyncEndpoint
from runpod_typed._transport import idle
from tests._async.ways import AsyncClientOver, until
from tests.impatient_server import Clock, ImpatientServer, impatient
from tests.scripted_server import CLOSE, answer, scripted

pytestmark = pytest.mark.anyio

COMPLETED: Final = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": 7}')

Action = Callable[[AsyncEndpoint], Awaitable[object]]


async def poll(endpoint: AsyncEndpoint) -> None:
    await endpoint.job("job-1").refresh()


async def cancel(endpoint: AsyncEndpoint) -> None:
    await endpoint.job("job-1").cancel()


async def submit(endpoint: AsyncEndpoint) -> None:
    await endpoint.run({"n": 1})


async def submit_and_wait(endpoint: AsyncEndpoint) -> None:
    await endpoint.run_sync({"n": 1})


async def requeue(endpoint: AsyncEndpoint) -> None:
    await endpoint.job("job-1").retry()


async def drain(endpoint: AsyncEndpoint) -> None:
    async for _ in endpoint.job("job-1").stream():
        pass


async def check(endpoint: AsyncEndpoint) -> None:
    await endpoint.health()


REPEATABLE: Final = {"poll": poll, "check": check}
BILLED: Final = {"submit": submit, "submit and wait": submit_and_wait, "requeue": requeue}
OTHERS: Final = {"cancel": cancel, "drain": drain}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Replace the clock by which connections are idle."""
    clock = Clock()
    monkeypatch.setattr(idle, "monotonic", clock)
    return clock


@pytest.fixture(params=["straight", "over httpcore"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(clock: Clock) -> Generator[ImpatientServer]:
    with impatient(clock, lambda: 5.0) as running:
        yield running


@pytest.mark.parametrize("action", REPEATABLE.values(), ids=REPEATABLE)
async def test_repeats_what_a_closed_connection_lost(
    way: str, server: ImpatientServer, clock: Clock, action: Action
) -> None:
    async with AsyncClientOver(way, server.base_url) as client:
        endpoint = client.endpoint("ep")
        await poll(endpoint)
        clock.now += 50
        await action(endpoint)
    assert server.requests[1:3] == server.lost * 2
    assert server.connections == 2


async def test_repeats_at_once_only_once(way: str, clock: Clock) -> None:
    with scripted([COMPLETED], [None]) as server:
        async with AsyncClientOver(way, server.base_url) as client:
            endpoint = client.endpoint("ep")
            await poll(endpoint)
            clock.now += 50
            with pytest.raises(APIConnectionError):
                await poll(endpoint)
        assert len(server.requests) == 3


async def test_reports_what_a_recent_connection_lost(way: str, clock: Clock) -> None:
    with scripted([COMPLETED], [None]) as server:
        async with AsyncClientOver(way, server.base_url) as client:
            endpoint = client.endpoint("ep")
            await poll(endpoint)
            clock.now += 0.4
            with pytest.raises(APIConnectionError):
                await poll(endpoint)
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("action", "trusted"),
    [*((action, 0.5) for action in BILLED.values()), *((action, 4.0) for action in OTHERS.values())],
    ids=[*BILLED, *OTHERS],
)
async def test_sends_the_rest_over_a_new_connection(
    way: str, server: ImpatientServer, clock: Clock, action: Action, trusted: float
) -> None:
    async with AsyncClientOver(way, server.base_url) as client:
        endpoint = client.endpoint("ep")
        await poll(endpoint)
        clock.now += trusted + 0.1
        await action(endpoint)
        assert server.connections == 2
        clock.now += trusted - 0.1
        await action(endpoint)
    assert server.connections == 2
    assert not server.lost


async def test_submits_after_a_pause_that_others_survived(way: str, server: ImpatientServer, clock: Clock) -> None:
    async with AsyncClientOver(way, server.base_url) as client:
        endpoint = client.endpoint("ep")
        await poll(endpoint)
        clock.now += 3
        await poll(endpoint)  # shows that the server allows 3 s
        clock.now += 1.9
        await submit(endpoint)
        assert server.connections == 1
        clock.now += 2.1
        await submit(endpoint)
        assert server.connections == 2
        clock.now += 1.9
        await submit(endpoint)  # over the second one, which shows nothing itself
    assert server.connections == 2
    assert not server.lost


async def test_polls_over_a_connection_idle_for_50_s(way: str, server: ImpatientServer, clock: Clock) -> None:
    server.idle_limit = lambda: 60.0
    async with AsyncClientOver(way, server.base_url) as client:
        endpoint = client.endpoint("ep")
        for _ in range(3):
            await poll(endpoint)
            clock.now += 50
    assert server.connections == 1


async def test_closes_a_connection_idle_for_a_minute(way: str, server: ImpatientServer, clock: Clock) -> None:
    server.idle_limit = lambda: 1000.0
    async with AsyncClientOver(way, server.base_url) as client:
        endpoint = client.endpoint("ep")
        await poll(endpoint)
        clock.now += 60
        await poll(endpoint)
    assert server.connections == 2


async def test_submits_within_the_idle_time_that_is_known(way: str, server: ImpatientServer, clock: Clock) -> None:
    server.idle_limit = lambda: 60.0
    async with AsyncClientOver(way, server.base_url) as client:
        endpoint = client.endpoint("ep")
        await poll(endpoint)
        clock.now += 20
        await poll(endpoint)  # shows that the server allows 20 s
        clock.now += 18.9
        await submit(endpoint)
        assert server.connections == 1
        clock.now += 19.1
        await submit(endpoint)
        assert server.connections == 2


async def test_forgets_the_idle_time_when_a_connection_closes(way: str, clock: Clock) -> None:
    with scripted([COMPLETED], [COMPLETED, CLOSE], [COMPLETED]) as server:
        async with AsyncClientOver(way, server.base_url) as client:
            endpoint = client.endpoint("ep")
            await poll(endpoint)
            clock.now += 20
            await poll(endpoint)
            await until(lambda: server.open_connections == 0)
            clock.now += 10
            await submit(endpoint)  # finds the closed connection
            assert server.connections_made == 2
            clock.now += 10
            await submit(endpoint)
            assert server.connections_made == 3


@pytest.mark.parametrize("limit", [1.0, 5.0, 17.0])
@pytest.mark.parametrize("tries", [50, pytest.param(1000, marks=pytest.mark.endurance)])
async def test_never_loses_a_submission_to_an_idle_limit(
    way: str, server: ImpatientServer, clock: Clock, limit: float, tries: int
) -> None:
    random = Random(7)
    server.idle_limit = lambda: limit - random.uniform(0.0, 0.5)  # a request takes up to half a second
    # A cancellation is sent again after a pause, and a stream is told of a gap.
    actions = [*REPEATABLE.values(), *BILLED.values(), *(OTHERS.values() if limit > 4.5 else ())]
    async with AsyncClientOver(way, server.base_url) as client:
        endpoint = client.endpoint("ep")
        for _ in range(tries):
            clock.now += random.uniform(0.0, 1.5 * limit)
            await random.choice(actions)(endpoint)
    assert set(server.lost) <= {"GET status", "GET health"}
    assert server.lost
