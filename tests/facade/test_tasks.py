"""An async client is shared between tasks, and is as good as new when they are cancelled."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Any, Final

import anyio
import pytest

from runpod_typed import (
    AsyncClient,
    AsyncEndpoint,
    RateLimit,
    RateLimits,
    RetryPolicy,
    RunpodError,
    StreamInterruptedError,
    WaitTimeoutError,
)
from runpod_typed.local import LocalQueue
from tests._async.ways import ALL_WAYS, AsyncClientOver, until
from tests.handlers import square
from tests.open_things import OpenThings
from tests.scripted_server import Script, answer, scripted
from tests.secrecy import KEY, assert_error_tells_no_secret, storage

HEALTHY: Final = answer(200, '{"jobs": {"inQueue": 3}, "workers": {}}')
QUEUED: Final = answer(200, '{"id": "job-1", "status": "IN_QUEUE"}')
CHUNKS: Final = answer(200, '{"status": "IN_PROGRESS", "stream": [{"output": 0}]}')

DONE: Final = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": 7}')
AT_ONCE: Final = RetryPolicy(initial_backoff=0.001, max_backoff=0.001)

Use = Callable[[AsyncEndpoint[Any, Any, Any]], Awaitable[object]]


async def read_stream(endpoint: AsyncEndpoint[Any, Any, Any]) -> None:
    async for _ in endpoint.job("job-1").stream():
        pass


async def read_events(endpoint: AsyncEndpoint[Any, Any, Any]) -> None:
    async for _ in endpoint.job("job-1").events():
        pass


USES: Final[dict[str, Use]] = {
    "a call": lambda endpoint: endpoint.health(),
    "a submission": lambda endpoint: endpoint.run({"n": 1}, s3_config=storage()),
    "a submission that waits": lambda endpoint: endpoint.run_sync({"n": 1}),
    "a wait": lambda endpoint: endpoint.job("job-1").output(),
    "a stream": read_stream,
    "events": read_events,
}

STUBBORN: Final[dict[str, Script]] = {
    "silent": [60.0],
    "silent in the middle": [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", 60.0],
    "answering": [QUEUED],
    "streaming": [CHUNKS],
    "resetting": [None],
}


async def cancelled_after(seconds: float, use: Use, endpoint: AsyncEndpoint[Any, Any, Any]) -> None:
    with anyio.move_on_after(seconds):
        while True:
            with suppress(RunpodError):
                await use(endpoint)


async def many_cancelled(client: AsyncClient) -> None:
    """Forty-two tasks on everything that a client does, each cancelled at a moment of its own."""
    dice = Random(7)
    async with anyio.create_task_group() as tasks:
        for use in USES.values():
            for _ in range(7):
                tasks.start_soon(cancelled_after, dice.uniform(0, 0.1), use, client.endpoint("ep"))


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what a process holds open")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # generators of httpx's, cut off
@pytest.mark.parametrize("way", ALL_WAYS)
async def test_cancelled_tasks_leave_nothing_open(way: str) -> None:
    before = OpenThings.now()
    for script in STUBBORN.values():
        with scripted(script) as server:
            async with AsyncClientOver(way, server.base_url, retry=AT_ONCE) as client:
                await many_cancelled(client)
                server.scripts[:] = [[HEALTHY]]
                for _ in range(8):
                    assert (await client.endpoint("ep").health(timeout=10)).jobs.in_queue == 3
    await until(lambda: not before.more_now())


@pytest.mark.slow
@pytest.mark.anyio
async def test_cancelled_tasks_keep_no_permit_and_no_waiter() -> None:
    two = {name: RateLimit(requests=1_000_000, window=1, concurrent=2) for name in ("run", "run_sync", "status")}
    with scripted([60.0]) as server:
        limits = RateLimits(overrides=two)
        async with AsyncClient("key", base_url=server.base_url, retry=AT_ONCE, rate_limits=limits) as client:
            await many_cancelled(client)
            server.scripts[:] = [[DONE]]
            endpoint = client.endpoint("ep")
            for call in (endpoint.run, endpoint.run_sync):
                await call({"n": 1}, timeout=5)
            await endpoint.job("job-1").status(timeout=5)
            scheduler = client._executor.scheduler  # pyright: ignore[reportPrivateUsage] -- shows in no public name
            assert scheduler.waiters("ep") == 0


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_cancelled_task_shows_no_secret() -> None:
    with scripted([60.0]) as server:
        async with AsyncClient(KEY, base_url=server.base_url) as client:
            for use in USES.values():
                with anyio.CancelScope() as scope:
                    scope.deadline = anyio.current_time() + 0.05
                    try:
                        await use(client.endpoint("ep"))
                    except anyio.get_cancelled_exc_class() as cancelled:
                        assert_error_tells_no_secret(cancelled)
                        raise


@pytest.mark.anyio
async def test_a_stream_cut_off_by_cancellation_has_a_hole() -> None:
    done = answer(200, '{"status": "COMPLETED", "stream": []}')
    with scripted([QUEUED], [CHUNKS], [60.0], [done], [DONE]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            job = await client.endpoint("ep").run({"n": 1})
            received: list[object] = []
            with anyio.move_on_after(0.3):
                async for chunk in job.stream():
                    received.append(chunk)
            assert received == [0]
            with pytest.raises(StreamInterruptedError) as caught:
                async for chunk in job.stream():
                    received.append(chunk)
            assert caught.value.received == [0]


# What belonged to a loop that is gone cannot be closed; the collector does it, and warns.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore:An async client:ResourceWarning")
def test_a_client_works_in_one_event_loop_after_another(anyio_backend: str) -> None:
    with scripted([HEALTHY]) as server:
        client = AsyncClient("key", base_url=server.base_url)

        async def look() -> None:
            async with anyio.create_task_group() as tasks:
                for _ in range(4):
                    tasks.start_soon(client.endpoint("ep").health)

        for _ in range(3):
            anyio.run(look, backend=anyio_backend)
            gc.collect()
        anyio.run(client.aclose, backend=anyio_backend)
        assert len(server.requests) == 12
        assert server.connections_made <= 12


@pytest.mark.anyio
async def test_tasks_share_a_client_and_get_their_own_results() -> None:
    with LocalQueue(square, workers=8) as queue:
        async with AsyncClient(queue.api_key, base_url=queue.base_url) as client:
            endpoint = client.endpoint(queue.endpoint_id)
            results: dict[int, object] = {}

            async def work(number: int) -> None:
                results[number] = (await endpoint.run_sync({"n": number}, timeout=60))["squared"]

            async with anyio.create_task_group() as tasks:
                for number in range(100):
                    tasks.start_soon(work, number)
            assert results == {number: number * number for number in range(100)}


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_event_loops_one_after_another_leave_no_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with LocalQueue(square) as queue:
        client = AsyncClient(queue.api_key, base_url=queue.base_url)

        async def use() -> object:
            return await client.endpoint(queue.endpoint_id).run_sync({"n": 3}, timeout=30)

        first, *others = [anyio.run(use) for _ in range(3)]
        assert others == [first, first]
        anyio.run(client.aclose)
        gc.collect()
    assert "Unclosed" not in caplog.text


def test_a_cancelled_wait_says_how_to_reconnect() -> None:
    async def cancel(queue: LocalQueue) -> None:
        async with AsyncClient(queue.api_key, base_url=queue.base_url) as client:
            job = await client.endpoint(queue.endpoint_id).run({"n": 1})
            task = asyncio.create_task(job.output())
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert caught.value.__notes__ == [f"The job keeps running; reconnect with endpoint.job({job.id!r})."]

    with LocalQueue() as queue:
        asyncio.run(cancel(queue))


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("seconds", [0.3, 1.5])
async def test_a_cancelled_wait_cancels_the_job_on_exit(seconds: float) -> None:
    with LocalQueue() as queue:
        async with AsyncClient(queue.api_key, base_url=queue.base_url) as client:
            with anyio.move_on_after(seconds):
                await client.endpoint(queue.endpoint_id).run_sync({"n": 1}, cancel_on_exit=True)
            assert queue.stats().cancelled == 1


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["wait", "events", "stream"])
async def test_many_watchers_leave_room_for_other_calls(kind: str) -> None:
    limits = RateLimits(overrides={"status": RateLimit(requests=30, window=3, concurrent=12)})
    with scripted([QUEUED]) as server:
        async with AsyncClient("key", base_url=server.base_url, rate_limits=limits) as client:
            job = client.endpoint("ep").job("job-1")

            async def watch() -> None:
                with suppress(WaitTimeoutError):
                    if kind == "wait":
                        await client.endpoint("ep").job("job-1").wait(timeout=6)
                    async for _ in getattr(client.endpoint("ep").job("job-1"), kind)(timeout=6):
                        pass

            async with anyio.create_task_group() as tasks:
                for _ in range(40):
                    tasks.start_soon(watch)
                await anyio.sleep(3.5)
                for _ in range(5):
                    await job.status(timeout=2)  # fails if its permit comes later: in turn, it would take 4 s
                tasks.cancel_scope.cancel()
