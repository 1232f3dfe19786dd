# Leaks.
"""After many calls, waits and streams that failed or were left early, nothing is open that was not open before."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import settings

from runpod_typed import (
    APIConnectionError,
    AsyncClient,
    AsyncEndpoint,
    JobFailedError,
    PollPolicy,
    RateLimits,
    RetryPolicy,
    ServerError,
    WaitTimeoutError,
)
from tests._async.ways import WAYS, AsyncClientOver, until
from tests.open_things import OpenThings
from tests.scripted_server import Script, answer, scripted

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.deep,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what a process holds open"),
]

TIMES: Final = settings().max_examples
Use = Callable[[AsyncEndpoint[Any, Any, Any]], Any]


async def failed_call(endpoint: AsyncEndpoint[Any, Any, Any]) -> None:
    with pytest.raises(APIConnectionError):
        await endpoint.health()


async def refused_call(endpoint: AsyncEndpoint[Any, Any, Any]) -> None:
    with pytest.raises(ServerError):
        await endpoint.health()


async def wait_that_times_out(endpoint: AsyncEndpoint[Any, Any, Any]) -> None:
    with pytest.raises(WaitTimeoutError):
        await endpoint.job("job-1").output(timeout=0.005)


async def wait_for_a_failed_job(endpoint: AsyncEndpoint[Any, Any, Any]) -> None:
    with pytest.raises(JobFailedError):
        await endpoint.job("job-1").output()


async def stream_left_early(endpoint: AsyncEndpoint[Any, Any, Any]) -> None:
    async for chunk in endpoint.job("job-1").stream():
        assert chunk == 0
        break


async def events_left_early(endpoint: AsyncEndpoint[Any, Any, Any]) -> None:
    async for event in endpoint.job("job-1").events():
        assert event.status == "IN_PROGRESS"
        break


USES: dict[str, tuple[Script, Use]] = {
    "calls that are reset": ([None], failed_call),
    "calls whose responses are cut short": ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b""], failed_call),
    "calls that are refused": ([answer(503)], refused_call),
    "waits that time out": ([60.0], wait_that_times_out),
    "waits for failed jobs": ([answer(200, '{"id": "job-1", "status": "FAILED"}')], wait_for_a_failed_job),
    "streams": (
        [answer(200, '{"status": "IN_PROGRESS", "stream": [{"output": 0}, {"output": 1}]}')],
        stream_left_early,
    ),
    "events": ([answer(200, '{"id": "job-1", "status": "IN_PROGRESS"}')], events_left_early),
}


@pytest.mark.parametrize(("script", "use"), USES.values(), ids=list(USES))
async def test_nothing_stays_open_after_many(script: Script, use: Use) -> None:
    before = OpenThings.now()
    with scripted(script) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=RetryPolicy.disabled()) as client:
            endpoint = client.endpoint("ep").with_options(
                poll=PollPolicy(min_interval=0.001, max_interval=0.001), rate_limits=RateLimits.disabled()
            )
            for _ in range(TIMES):
                await use(endpoint)
            ours = [thing for thing in before.more_now() if isinstance(thing, str)]
            assert len(ours) < 10 + len(server.requests) * (script == [60.0]), "connections pile up"
        if script != [60.0]:  # there the server is asleep
            await until(lambda: server.open_connections == 0)
    await until(lambda: not before.more_now())


@pytest.mark.parametrize("way", WAYS)
async def test_a_client_that_is_closed_leaves_nothing_open(way: str) -> None:
    before = OpenThings.now()
    with scripted([answer(200, '{"jobs": {}, "workers": {}}')]) as server:
        for _ in range(3):
            async with AsyncClientOver(way, server.base_url) as client:
                await client.endpoint("ep").health()
        await until(lambda: server.open_connections == 0)
    await until(lambda: not before.more_now())


async def test_a_client_that_is_forgotten_leaves_nothing_open() -> None:
    before = OpenThings.now()
    with scripted([answer(503)]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=RetryPolicy.disabled()) as client:
            endpoint = client.endpoint("ep")
            for _ in range(TIMES):
                AsyncClient("key", base_url=server.base_url)
                client.with_options(timeout=1).endpoint("ep")
            await refused_call(endpoint)
    await until(lambda: not before.more_now())
