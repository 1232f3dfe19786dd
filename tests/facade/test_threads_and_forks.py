"""A sync client is shared between threads, and survives a fork."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from multiprocessing import get_context

import pytest

from runpod_typed import Client, ConfigurationError, RateLimit, RateLimits, RetryPolicy, RunpodError
from runpod_typed._async.rate_limiter import AsyncPermit, AsyncRateLimiter
from runpod_typed.local import LocalQueue
from tests.handlers import square
from tests.scripted_server import ScriptedServer, answer, scripted, wait_until
from tests.secrecy import KEY, assert_error_tells_no_secret, storage

HEALTHY = answer(200, '{"jobs": {"inQueue": 3}, "workers": {}}')
DONE = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": 7}')

forking = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),  # newer Pythons warn of what is tested
]


@pytest.fixture(scope="module")
def queue() -> Iterator[LocalQueue]:
    with LocalQueue(square, workers=8) as running:
        yield running


def test_threads_share_a_client_and_get_their_own_results(queue: LocalQueue) -> None:
    with Client(queue.api_key, base_url=queue.base_url) as client:
        endpoint = client.endpoint(queue.endpoint_id)

        def work(thread: int) -> list[int]:
            results: list[int] = []
            for n in range(thread * 100, thread * 100 + 10):
                results.append(endpoint.run_sync({"n": n}, timeout=30)["squared"])
                results.append(endpoint.run({"n": n}).output(timeout=30)["squared"])
            return results

        with ThreadPoolExecutor(16) as threads:
            for thread, results in enumerate(threads.map(work, range(16))):
                assert results == [n * n for n in range(thread * 100, thread * 100 + 10) for _ in range(2)]


def test_a_signal_handler_may_call_in_the_middle_of_any_change() -> None:
    found = list[int]()
    with scripted([HEALTHY]) as server, Client("key", base_url=server.base_url) as client:

        def call() -> None:
            state = client._executor._state()
            with state.rate_limiter.lock, state._lock, state.scheduler._lock:  # as an interrupted call holds them
                found.append(client.endpoint("ep").health().jobs.in_queue)

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        thread.join(30)
    assert found == [3]


def test_threads_share_the_connections_of_a_client() -> None:
    with scripted([HEALTHY]) as server, Client("key", base_url=server.base_url) as client:
        with ThreadPoolExecutor(16) as threads:
            for health in [threads.submit(client.endpoint("ep").health) for _ in range(160)]:
                health.result(10)
        assert server.connections_made <= 16
        assert len(server.requests) == 160


def test_two_event_loops_share_one_rate_limiter() -> None:
    limiter = AsyncRateLimiter()
    limits = RateLimits(overrides={"run": RateLimit(requests=1000, concurrent=1)})

    async def request() -> None:
        permit = await limiter.acquire(limits, "ep", "run", None)
        assert isinstance(permit, AsyncPermit)
        await asyncio.sleep(0.002)
        permit.release(sent=True)

    async def requests() -> None:
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(request())

    with ThreadPoolExecutor(2) as threads:
        for ended in [threads.submit(asyncio.run, requests()) for _ in range(2)]:
            ended.result(40)
    usage = limiter.usage(limits, "ep", "run")
    assert usage is not None
    assert usage.open == 0


def test_closing_in_one_thread_breaks_nothing_in_others() -> None:
    with scripted([HEALTHY]) as server:
        client = Client("key", base_url=server.base_url, retry=RetryPolicy.disabled())
        started = threading.Barrier(5)

        def work() -> str:
            started.wait(10)
            try:
                while True:
                    client.endpoint("ep").health(timeout=10)
            except RunpodError as error:
                return str(error)

        with ThreadPoolExecutor(4) as threads:
            ends = [threads.submit(work) for _ in range(4)]
            started.wait(10)
            wait_until(lambda: len(server.requests) > 20)
            client.close()
            for end in ends:
                assert "closed" in end.result(20) or "connection" in end.result(20)
        wait_until(lambda: server.open_connections == 0)


def in_a_child(work: Callable[[], object], seconds: int = 20) -> int:
    """Do something in a forked child; its exit code, 0 for good."""
    child = os.fork()
    if child == 0:
        code = 1
        with suppress(BaseException):
            signal.alarm(seconds)  # a child that hangs ends
            work()
            code = 0
        os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize("used_before", [True, False])
def test_client_works_on_both_sides_of_a_fork(*, used_before: bool) -> None:
    with scripted([HEALTHY]) as server, Client("key", base_url=server.base_url) as client:
        endpoint = client.endpoint("ep")

        def look() -> None:
            assert endpoint.health(timeout=10).jobs.in_queue == 3

        if used_before:
            look()
        assert in_a_child(look) == 0
        look()

        def look_and_close() -> None:
            look()
            client.close()
            client.close()

        assert in_a_child(look_and_close) == 0
        look()
        assert server.connections_made == 3
        assert len(server.requests) == 4 + used_before


@pytest.mark.slow
def test_fork_during_requests_leaves_no_lock_in_child(queue: LocalQueue) -> None:
    with Client(queue.api_key, base_url=queue.base_url) as client:
        endpoint = client.endpoint(queue.endpoint_id)
        stopped = threading.Event()

        def work() -> None:
            while not stopped.is_set():
                endpoint.run_sync({"n": 3}, timeout=30)

        with ThreadPoolExecutor(4) as threads:
            ends = [threads.submit(work) for _ in range(4)]
            codes = [in_a_child(lambda: endpoint.run_sync({"n": 3}, timeout=10)) for _ in range(8)]
            stopped.set()
            for end in ends:
                end.result(30)
        assert codes == [0] * 8


def test_client_closed_in_child_stays_open_in_parent() -> None:
    with scripted([HEALTHY]) as server, Client("key", base_url=server.base_url) as client:
        client.endpoint("ep").health()
        assert in_a_child(client.close) == 0
        client.endpoint("ep").health()
        assert server.connections_made == 1


def test_a_client_that_is_closed_stays_closed_in_a_child() -> None:
    client = Client("key", base_url="http://127.0.0.1:1/v2")
    client.close()

    def look() -> None:
        with pytest.raises(ConfigurationError, match="closed"):
            client.endpoint("ep").health()

    assert in_a_child(look) == 0


for _test in (
    test_client_works_on_both_sides_of_a_fork,
    test_fork_during_requests_leaves_no_lock_in_child,
    test_client_closed_in_child_stays_open_in_parent,
    test_a_client_that_is_closed_stays_closed_in_a_child,
):
    for _mark in forking:
        _mark(_test)


def result_of(job_pickle: bytes) -> object:
    """The work of another process."""
    return pickle.loads(job_pickle).output(timeout=10)


@pytest.mark.slow
def test_a_job_goes_to_another_process_without_the_key(queue: LocalQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", queue.api_key)
    with Client(base_url=queue.base_url) as client:
        job = client.endpoint(queue.endpoint_id).run({"n": 6})
        with get_context("spawn").Pool(1) as others:
            assert others.apply(result_of, (pickle.dumps(job),)) == {"squared": 36}


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, as far as this test goes."""


def interrupt_after(seconds: float) -> None:
    """Interrupt the main thread again and again: Python loses an interrupt that comes while it frees an object."""

    def handle(number: int, frame: object) -> None:
        raise Interrupted

    signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)


def no_more_interrupts() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.fixture
def _alarm_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGALRM)
    yield
    no_more_interrupts()
    signal.signal(signal.SIGALRM, before)


@pytest.mark.slow
@pytest.mark.usefixtures("_alarm_as_before")
@pytest.mark.parametrize("script", [[60.0], [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", 60.0]])
def test_interrupt_shows_no_secret_and_leaves_client_usable(script: list[float | bytes]) -> None:
    with scripted(script) as server, Client(KEY, base_url=server.base_url) as client:
        endpoint = client.endpoint("ep")
        for call in (
            endpoint.health,
            lambda: endpoint.run({"n": 1}, s3_config=storage()),
            lambda: endpoint.job("job-1").output(timeout=60),
            lambda: next(endpoint.job("job-1").stream(timeout=60)),
        ):
            interrupt_after(0.1)
            with pytest.raises(Interrupted) as caught:
                call()
            no_more_interrupts()
            assert_error_tells_no_secret(caught.value)
        usable_again(server, client)


def usable_again(server: ScriptedServer, client: Client) -> None:
    server.scripts[:] = [[HEALTHY]]
    with ThreadPoolExecutor(8) as threads:
        for health in [threads.submit(client.endpoint("ep").health, timeout=10) for _ in range(16)]:
            assert health.result(20).jobs.in_queue == 3


def asking_until_interrupted(client: Client, seconds: float) -> None:
    interrupt_after(seconds)
    while True:
        client.endpoint("ep").job("job-1").status(timeout=10)


# One in the middle of opening a socket leaves it to the collector, which closes it and warns.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("_alarm_as_before")
def test_interrupts_at_any_moment_leave_the_client_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    # An interrupt within pytest's own hook would fail the test. This one runs no Python, so nothing interrupts it.
    monkeypatch.setattr(sys, "unraisablehook", deque[object](maxlen=0).append)
    # Had one of them kept its place, there soon would be no more.
    limits = RateLimits(overrides={"status": RateLimit(requests=1_000_000, window=1, concurrent=2)})
    with scripted([DONE]) as server, Client("key", base_url=server.base_url, rate_limits=limits) as client:
        for number in range(300):
            with pytest.raises(Interrupted):
                # What it leaves in the context, the next attempt replaces; other tests look at it.
                copy_context().run(asking_until_interrupted, client, 0.0002 + number * 0.00001)
            no_more_interrupts()
        assert client.endpoint("ep").job("job-1").status(timeout=5) == "COMPLETED"
        usable_again(server, client)
        client.close()
        wait_until(lambda: server.open_connections == 0)


@pytest.mark.usefixtures("_alarm_as_before")
def test_interrupt_cancels_the_job_of_its_block() -> None:
    with LocalQueue() as queue, Client(queue.api_key, base_url=queue.base_url) as client:
        with pytest.raises(Interrupted), client.endpoint(queue.endpoint_id).run({"n": 1}) as job:
            interrupt_after(0.2)
            job.output(timeout=60)
        no_more_interrupts()
        assert job.status() == "CANCELLED"


@pytest.mark.slow
def test_block_that_cannot_cancel_its_job_says_so() -> None:
    queued = answer(200, '{"id": "job-1", "status": "IN_QUEUE"}')
    with (
        scripted([queued], [60.0]) as server,
        Client("key", base_url=server.base_url) as client,
        pytest.raises(KeyError) as caught,
        client.endpoint("ep").run({"n": 1}),
    ):
        raise KeyError
    assert any("could not be cancelled" in note for note in caught.value.__notes__)
