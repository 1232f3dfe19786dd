# Time limits hold.
"""A `timeout` holds against any server, and the job is not lost with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from runpod_typed import (
    APIConnectionError,
    APITimeoutError,
    AsyncClient,
    AsyncEndpoint,
    AsyncJob,
    QueueTimeoutError,
    RateLimit,
    RateLimits,
    RetryPolicy,
    SubmissionUncertainError,
    WaitTimeoutError,
)
from runpod_typed._synchronization import async_sleep
from tests._async.ways import ALL_WAYS, AsyncClientOver, time_out_after_sending, until
from tests.own_clients import async_keeps_deadlines
from tests.scripted_server import Script, Step, answer, dripping, scripted
from tests.stubborn_servers import never_accepting, reading, trusted_tls

pytestmark = pytest.mark.anyio

LIMIT: Final = 0.06
PATIENCE: Final = 600.0  # longer than pytest lets a test run: if `LIMIT` does not end a call, the test fails

QUEUED: Final = answer(200, '{"id": "job-1", "status": "IN_QUEUE"}')
RUNNING: Final = answer(200, '{"id": "job-1", "status": "IN_PROGRESS"}')
DONE: Final = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": 7}')
LARGE: Final = {"text": "x" * 9_000_000}

DRIP: Final = 0.02


def repeated(times: int, data: bytes, pause: float) -> list[Step]:
    steps: tuple[Step, Step] = data, pause
    return [*steps] * times


HANGING: dict[str, Script] = {
    "silence": [PATIENCE],
    "silence in the body": [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", PATIENCE],
    "dripped headers": dripping(b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 500, DRIP),
    "dripped body": [b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", *dripping(b" " * 3000, DRIP)],
    "dripped chunks": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *repeated(3000, b"1\r\n \r\n", DRIP)],
    "dripped interim responses": repeated(3000, b"HTTP/1.1 100 Continue\r\n\r\n", DRIP),
    "a flood": [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        *repeated(9000, b"1000\r\n" + b" " * 4096 + b"\r\n", 0.001),
    ],
}
CAP: Final = 10**9  # bytes: more than a flood sends before a deadline
LONG: Final = 8 * LIMIT
DRIPPED_HEADERS: Final = (HANGING["dripped headers"], HANGING["dripped interim responses"])
hanging = pytest.mark.parametrize("script", HANGING.values(), ids=list(HANGING))


async def take(job: AsyncJob[Any, Any], kind: str, timeout: float) -> None:
    """Read a job's stream or events to the end."""
    if kind == "stream":
        async for _ in job.stream(timeout=timeout):
            pass
    else:
        async for _ in job.events(timeout=timeout):
            pass


def client_of(base_url: str) -> AsyncClient:
    return AsyncClient("key", base_url=base_url, timeout=PATIENCE)


@hanging
@pytest.mark.parametrize("way", ALL_WAYS)
async def test_a_call_ends_with_its_timeout_over_every_way(way: str, script: Script) -> None:
    if script in DRIPPED_HEADERS and not async_keeps_deadlines(way):
        pytest.skip("a custom sync client keeps its own timeouts")
    with scripted(script) as server:
        async with AsyncClientOver(way, server.base_url, timeout=PATIENCE, max_response_bytes=10**9) as client:
            error = await time_out_after_sending(client.endpoint("ep").health)
    assert error.operation == "get_health"


@pytest.mark.slow
@hanging
async def test_retries_an_attempt_that_reaches_the_client_timeout(script: Script) -> None:
    healthy = answer(200, '{"jobs": {"inQueue": 1}, "workers": {}}')
    again = RetryPolicy(attempts=9, initial_backoff=0.01, max_backoff=0.01)
    with scripted(script, [healthy]) as server:
        async with AsyncClientOver(
            "straight", server.base_url, retry=again, timeout=LONG, max_response_bytes=CAP
        ) as client:
            assert (await client.endpoint("ep").health()).jobs.in_queue == 1


@pytest.mark.parametrize("name", ["silence", "silence in the body", "dripped body", "dripped chunks", "a flood"])
async def test_a_call_over_a_kept_connection_ends_too(name: str) -> None:
    for way in ALL_WAYS:
        with scripted([answer(200, '{"jobs": {}, "workers": {}}')], HANGING[name]) as server:
            async with AsyncClientOver(way, server.base_url, timeout=PATIENCE, max_response_bytes=10**9) as client:
                await client.endpoint("ep").health()
                with pytest.raises(APITimeoutError):
                    await client.endpoint("ep").health(timeout=LIMIT)
            assert server.connections_made == 1


async def uncertain(submit: Callable[..., Any]) -> None:
    """Submit with a limit that is doubled until the request is sent before it ends."""
    limit = LIMIT
    while True:
        with pytest.raises((SubmissionUncertainError, APITimeoutError)) as caught:
            await submit({"n": 1}, timeout=limit)
        if isinstance(caught.value, SubmissionUncertainError):
            return
        assert isinstance(caught.value, APITimeoutError)
        assert not caught.value.request_sent
        limit *= 2


@hanging
async def test_submission_without_response_in_time_is_uncertain(script: Script) -> None:
    with scripted(script) as server:
        async with client_of(server.base_url) as client:
            endpoint = client.endpoint("ep")
            for submit in (endpoint.run, endpoint.run_sync):
                await uncertain(submit)
        await until(lambda: len(server.requests) == 2)


@hanging
async def test_a_wait_ends_with_its_timeout_and_its_job_runs(script: Script) -> None:
    with scripted([QUEUED], script) as server:
        async with client_of(server.base_url) as client:
            job = await client.endpoint("ep").run({"n": 1})
            with pytest.raises(WaitTimeoutError) as caught:
                await job.output(timeout=LIMIT)
            assert caught.value.job is job
            for kind in ("stream", "events"):
                with pytest.raises(WaitTimeoutError) as caught:
                    await take(job, kind, LIMIT)
                assert caught.value.job is job
            server.scripts[:] = [[DONE]]
            assert await caught.value.job.output(timeout=10) == 7


@pytest.mark.slow
async def test_leaves_a_long_poll_that_outlasts_its_limit() -> None:
    with scripted([QUEUED], [PATIENCE]) as server:
        async with client_of(server.base_url) as client:
            job = await client.endpoint("ep").run({"n": 1})
            with pytest.raises(WaitTimeoutError):
                await job.output(timeout=2.5)
        assert "status-sync" in server.requests[1]
        assert "wait=" in server.requests[1]


@pytest.mark.slow
async def test_a_server_without_long_polling_cannot_stretch_a_wait() -> None:
    with scripted([QUEUED], [RUNNING]) as server:
        async with client_of(server.base_url) as client:
            job = await client.endpoint("ep").run({"n": 1})
            with pytest.raises(WaitTimeoutError, match="IN_PROGRESS"):
                await job.output(timeout=1.15)
        assert len(server.requests) < 30


@pytest.mark.parametrize("call", ["status", "cancel", "retry"])
async def test_call_on_a_job_ends_with_timeout_and_names_operation(call: str) -> None:
    with scripted([PATIENCE]) as server:
        async with client_of(server.base_url) as client:
            job = client.endpoint("ep").job("job-1")
            with pytest.raises(APITimeoutError) as caught:
                await getattr(job, call)(timeout=LIMIT)
    assert caught.value.operation == ("get_status" if call == "status" else call)


# httpx's own clients leave a generator behind that was cut off, and trio warns of it.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_unfinished_upload_ends_with_timeout_and_was_not_sent() -> None:
    for way in filter(async_keeps_deadlines, ("straight", "over httpcore", "own client")):  # a proxy takes all in
        with reading(0.02) as base_url:
            async with AsyncClientOver(way, base_url, timeout=PATIENCE) as client:
                with pytest.raises(APITimeoutError, match="of its body within") as caught:
                    await client.endpoint("ep").run(LARGE, timeout=1.5)  # writing it as JSON takes some
                assert not caught.value.request_sent


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_an_unfinished_upload_over_tls_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with trusted_tls(monkeypatch) as tls:
        for way in filter(async_keeps_deadlines, ("straight", "over httpcore", "own client")):
            with reading(0.02, scheme="https", tls=tls) as base_url:
                async with AsyncClientOver(way, base_url, timeout=PATIENCE) as client:
                    with pytest.raises(APITimeoutError, match="of its body within") as caught:
                        await client.endpoint("ep").run(LARGE, timeout=1.5)
                    assert not caught.value.request_sent


@pytest.mark.slow
async def test_an_upload_may_take_longer_than_an_attempt() -> None:
    pauses: Script = [QUEUED]
    for way in ALL_WAYS:
        with scripted(pauses) as server:
            server.pause_before_body = 0.3
            async with AsyncClientOver(way, server.base_url, timeout=0.2) as client:
                job = await client.endpoint("ep").run(LARGE)
            assert job.id == "job-1"


async def test_an_unfinished_upload_is_tried_again() -> None:
    again = RetryPolicy(attempts=2, initial_backoff=0.01, max_backoff=0.01)
    for way in ALL_WAYS:
        with scripted([QUEUED]) as server:
            server.resets_before_body = 1
            async with AsyncClientOver(way, server.base_url, retry=again) as client:
                assert (await client.endpoint("ep").run(LARGE)).id == "job-1"
            assert len(server.requests) == 1


@pytest.mark.slow
async def test_pending_connection_ends_with_timeout_and_sends_nothing() -> None:
    with never_accepting() as base_url:
        for way in ("straight", "own client"):
            async with AsyncClientOver(way, base_url, timeout=PATIENCE) as client:
                endpoint = client.endpoint("ep")
                # A custom client may not say in time that it is still connecting: then the submission is uncertain.
                with pytest.raises((APITimeoutError, SubmissionUncertainError)) as caught:
                    await endpoint.run({"n": 1}, timeout=0.3)
                assert way == "own client" or not getattr(caught.value, "request_sent", True)
                job = endpoint.job("job-1").with_options(retry=RetryPolicy())
                with pytest.raises(WaitTimeoutError) as waited:
                    await job.output(timeout=0.3)
                assert waited.value.job is job


async def test_pending_handshake_ends_with_timeout_and_sends_nothing() -> None:
    with reading(PATIENCE, scheme="https") as base_url:
        for way in ("straight", "proxy"):
            async with AsyncClientOver(way, base_url, timeout=PATIENCE) as client:
                with pytest.raises(APITimeoutError) as caught:
                    await client.endpoint("ep").run({"n": 1}, timeout=LIMIT)
                assert not caught.value.request_sent


async def test_retries_do_not_stretch_a_timeout() -> None:
    for script in ([answer(503, "busy")], [None], [answer(429, "busy", "Retry-After: 1")]):
        with scripted(script) as server:
            async with AsyncClient(
                "key", base_url=server.base_url, retry=RetryPolicy(attempts=10_000, budget=PATIENCE)
            ) as client:
                with pytest.raises(Exception, match="get_health"):
                    await client.endpoint("ep").health(timeout=LIMIT)


async def test_a_call_without_a_timeout_ends_with_the_retry_budget() -> None:
    with scripted([PATIENCE]) as server:
        policy = RetryPolicy(budget=LIMIT)
        async with AsyncClient("key", base_url=server.base_url, retry=policy, timeout=PATIENCE) as client:
            with pytest.raises(APITimeoutError):
                await client.endpoint("ep").health()


async def test_late_permit_ends_with_timeout_and_sends_nothing() -> None:
    limits = RateLimits(overrides={"run": RateLimit(requests=1, window=60, concurrent=None)})
    with scripted([QUEUED]) as server:
        async with AsyncClient("key", base_url=server.base_url, rate_limits=limits) as client:
            endpoint: AsyncEndpoint[Any, Any, Any] = client.endpoint("ep")
            await endpoint.run({"n": 1})
            with pytest.raises(APITimeoutError) as caught:
                await endpoint.run({"n": 1}, timeout=LIMIT)
            assert not caught.value.request_sent
        assert len(server.requests) == 1


async def test_queue_timeout_holds_if_the_health_check_hangs_too() -> None:
    with scripted([QUEUED], [QUEUED], [PATIENCE]) as server:
        async with client_of(server.base_url) as client:
            job = await client.endpoint("ep").run({"n": 1})
            with pytest.raises(QueueTimeoutError) as caught:
                await job.output(queue_timeout=LIMIT)
            assert caught.value.health is None
            assert caught.value.job is job


async def test_a_queue_timeout_of_zero_asks_once_and_says_why() -> None:
    healthy = answer(200, '{"jobs": {"inQueue": 1}, "workers": {}}')
    with scripted([QUEUED], [QUEUED], [healthy]) as server:
        async with client_of(server.base_url) as client:
            job = await client.endpoint("ep").run({"n": 1})
            with pytest.raises(QueueTimeoutError) as caught:
                await job.output(queue_timeout=0)
            assert caught.value.health is not None
        assert len(server.requests) == 3


@hanging
async def test_a_queue_timeout_ends_with_a_job_that_cannot_be_asked(script: Script) -> None:
    with scripted([QUEUED], script) as server:
        async with client_of(server.base_url) as client:
            job = await client.endpoint("ep").run({"n": 1})
            with pytest.raises(QueueTimeoutError, match="health is unknown") as caught:
                await job.output(queue_timeout=LIMIT)
            assert caught.value.job is job


async def test_a_timeout_of_zero_asks_once_within_one_attempt() -> None:
    with scripted([PATIENCE]) as server:
        async with AsyncClient("key", base_url=server.base_url, timeout=LIMIT) as client:
            job = client.endpoint("ep").job("job-1")
            with pytest.raises((WaitTimeoutError, APIConnectionError)):
                await job.output(timeout=0)
            await async_sleep(0.1)
        assert len(server.requests) == 1


@pytest.mark.parametrize("answers", [QUEUED, RUNNING])
async def test_timeout_of_zero_polls_an_unfinished_job_once(answers: bytes) -> None:
    with scripted([QUEUED], [answers]) as server:
        async with client_of(server.base_url) as client:
            job = await client.endpoint("ep").run({"n": 1})
            with pytest.raises(WaitTimeoutError):
                await job.output(timeout=0)
        assert len(server.requests) == 2
        assert "/status/" in server.requests[1]
