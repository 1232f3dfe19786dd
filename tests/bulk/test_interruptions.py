"""Ctrl-C, outages, abandoned maps and custom clients."""

# The limits of a client are private.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from runpod_typed import (
    APIConnectionError,
    AsyncClient,
    AuthenticationError,
    Client,
    ConfigurationError,
    Journal,
    PollPolicy,
    RateLimit,
    RateLimits,
    ServerError,
    SubmissionUncertainError,
    as_completed,
)
from runpod_typed._bulk.bridge import async_executor
from runpod_typed._bulk.endpoint_jobs import EndpointJobs, MapJob
from runpod_typed._bulk.threads import LoopThread
from runpod_typed.local import LocalQueue
from tests.local.caller import eventually

LOOPS = {"runpod_typed loop", "runpod_typed map inputs"}


class Gate:
    """A handler that waits for `go` if the input says so."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, job: dict[str, Any]) -> int:
        if job["input"].get("wait"):
            self.go.wait(20)
        return int(job["input"]["n"])


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def queue(gate: Gate) -> Iterator[LocalQueue]:
    with LocalQueue(gate, workers=4) as running:
        yield running
        gate.go.set()


def interrupt_soon() -> None:
    def interrupt() -> None:
        time.sleep(0.3)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()


@pytest.mark.parametrize("inside", [True, False], ids=["waiting", "working"])
def test_an_interrupt_says_how_to_resume(queue: LocalQueue, tmp_path: Path, inside: bool) -> None:
    path = tmp_path / "run.sqlite"
    inputs = [{"n": 0}, {"n": 1, "wait": True}, {"n": 2, "wait": True}]
    with Client(queue.api_key, base_url=queue.base_url) as client:
        with pytest.raises(KeyboardInterrupt) as caught, client.endpoint("local").map(inputs, journal=path) as mapped:
            next(mapped)
            interrupt_soon()
            if inside:
                next(mapped)
            time.sleep(10)
        notes = " ".join(caught.value.__notes__)
        assert notes.count("2 jobs are in flight") == 1
        assert f"journal={str(path)!r}" in notes
        assert Journal(path).counts().in_flight == 2


def test_an_interrupt_without_a_journal_says_how_to_cancel(queue: LocalQueue) -> None:
    with Client(queue.api_key, base_url=queue.base_url) as client:
        with (
            pytest.raises(KeyboardInterrupt) as caught,
            client.endpoint("local").map([{"n": 1, "wait": True}]) as mapped,
        ):
            interrupt_soon()
            next(mapped)
        assert "on_exit='cancel'" in " ".join(caught.value.__notes__)


@pytest.mark.parametrize("kind", [TimeoutError, SystemExit])
def test_an_exception_of_a_signal_handler_says_so_too(queue: LocalQueue, kind: type[BaseException]) -> None:
    def end(_signal: int, _frame: object) -> None:
        raise kind

    before = signal.signal(signal.SIGALRM, end)
    try:
        with Client(queue.api_key, base_url=queue.base_url) as client, pytest.raises(kind) as caught:
            signal.setitimer(signal.ITIMER_REAL, 0.5)
            list(client.endpoint("local").map([{"n": 1, "wait": True}]))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert "1 job is in flight" in " ".join(caught.value.__notes__)


@pytest.mark.anyio
@pytest.mark.parametrize("block", [True, False])
async def test_a_cancellation_says_so_too(queue: LocalQueue, block: bool) -> None:
    interrupts: list[BaseException] = []

    async def take(client: AsyncClient) -> None:
        mapped = client.endpoint("local").map([{"n": 1, "wait": True}])
        try:
            if block:
                await mapped.__aenter__()
            async for _ in mapped:
                pass
        except BaseException as interrupt:
            interrupts.append(interrupt)
            await mapped.__aexit__(type(interrupt), interrupt, None)
            raise

    async with AsyncClient(queue.api_key, base_url=queue.base_url) as client:
        with anyio.move_on_after(0.5):
            await take(client)
    (notes,) = (interrupt.__notes__ for interrupt in interrupts)
    assert " ".join(notes).count("1 job is in flight") == 1


class Inputs:
    """Raises an exception after two inputs, as an iterable and as an async one."""

    def __init__(self, raised: type[BaseException]) -> None:
        self.raised = raised
        self.left = iter([{"n": 1}, {"n": 2}])

    def __iter__(self) -> Iterator[dict[str, int]]:
        return self

    def __next__(self) -> dict[str, int]:
        for each in self.left:
            return each
        raise self.raised


class AsyncInputs(Inputs):
    """The same for the async API alone."""

    __iter__ = None  # type: ignore[assignment] # pyright: ignore[reportAssignmentType] -- not an iterable

    def __aiter__(self) -> AsyncIterator[dict[str, int]]:
        return self

    async def __anext__(self) -> dict[str, int]:
        return next(self)


RAISED = [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, StopAsyncIteration]


@pytest.mark.parametrize("raised", RAISED)
@pytest.mark.parametrize("place", ["inputs", "key"])
def test_whatever_the_inputs_raise_follows_the_results(
    queue: LocalQueue, raised: type[BaseException], place: str
) -> None:
    def key(item: dict[str, int]) -> str:
        if item["n"] == 3:
            raise raised
        return str(item["n"])

    inputs = Inputs(raised) if place == "inputs" else ({"n": number} for number in range(1, 9))
    outputs: list[int] = []
    with Client(queue.api_key, base_url=queue.base_url) as client:
        expected = RuntimeError if raised is StopAsyncIteration else raised
        with pytest.raises(expected):
            for result in client.endpoint("local", output_type=int).map(inputs, key=key):
                outputs.append(result.output)
    assert outputs == [1, 2]


@pytest.mark.anyio
@pytest.mark.parametrize("raised", [GeneratorExit, asyncio.CancelledError])
@pytest.mark.parametrize("kind", [Inputs, AsyncInputs])
async def test_whatever_async_inputs_raise_follows_the_results(
    queue: LocalQueue, raised: type[BaseException], kind: type[Inputs]
) -> None:
    outputs: list[int] = []
    async with AsyncClient(queue.api_key, base_url=queue.base_url) as client:
        with pytest.raises(raised):
            async for result in client.endpoint("local", output_type=int).map(kind(raised)):
                outputs.append(result.output)
    assert outputs == [1, 2]


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("kind", [Inputs, AsyncInputs])
def test_an_interrupt_of_async_inputs_waits_for_no_job(
    gate: Gate, queue: LocalQueue, raised: type[BaseException], kind: type[Inputs]
) -> None:
    inputs = kind(raised)
    inputs.left = iter([{"n": 1, "wait": True}])

    async def take() -> None:
        async with AsyncClient(queue.api_key, base_url=queue.base_url) as client:
            async for _ in client.endpoint("local").map(inputs):
                gate.go.set()  # no result may come

    with pytest.raises(raised):
        asyncio.run(take())
    assert not gate.go.is_set()


@pytest.mark.anyio
async def test_a_time_limit_on_one_result_does_not_end_the_map(
    gate: Gate, queue: LocalQueue, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncClient(queue.api_key, base_url=queue.base_url) as client:
        mapped = client.endpoint("local", output_type=int).map([{"n": 1, "wait": True}])
        with anyio.move_on_after(0.3):
            await anext(mapped)
        gate.go.set()
        assert (await anext(mapped)).output == 1
        await mapped.aclose()
    assert "Interrupted" not in caplog.text


def test_an_interrupt_ends_a_map_without_a_block(queue: LocalQueue, gate: Gate, tmp_path: Path) -> None:
    inputs = [{"n": 0}, {"n": 1, "wait": True}]
    with Client(queue.api_key, base_url=queue.base_url) as client:
        endpoint = client.endpoint("local", output_type=int)
        mapped = endpoint.map(inputs, journal=tmp_path / "run.sqlite")
        next(mapped)
        interrupt_soon()
        with pytest.raises(KeyboardInterrupt) as caught:
            next(mapped)
        gate.go.set()
        assert list(endpoint.map(inputs, journal=tmp_path / "run.sqlite").outputs()) == [0, 1]
    assert "make the same call" in " ".join(caught.value.__notes__)
    assert len(queue.submissions) == 2


def test_a_map_whose_function_raised_gives_its_journal_up(queue: LocalQueue, gate: Gate, tmp_path: Path) -> None:
    def fail(_: object) -> None:
        raise OSError("no screen")

    inputs = [{"n": 0}, {"n": 1, "wait": True}]
    with Client(queue.api_key, base_url=queue.base_url) as client:
        endpoint = client.endpoint("local", output_type=int)
        mapped = endpoint.map(inputs, journal=tmp_path / "run.sqlite", progress=fail)
        with pytest.raises(OSError, match="no screen"):
            list(mapped)
        gate.go.set()
        assert list(endpoint.map(inputs, journal=tmp_path / "run.sqlite").outputs()) == [0, 1]
        assert list(mapped) == []
    assert len(queue.submissions) == 2


@pytest.mark.anyio
async def test_an_async_map_whose_function_raised_does_so_too(queue: LocalQueue, gate: Gate, tmp_path: Path) -> None:
    def fail(_: object) -> None:
        raise OSError("no screen")

    inputs = [{"n": 0}, {"n": 1, "wait": True}]
    async with AsyncClient(queue.api_key, base_url=queue.base_url) as client:
        endpoint = client.endpoint("local", output_type=int)
        mapped = endpoint.map(inputs, journal=tmp_path / "run.sqlite", progress=fail)
        with pytest.raises(OSError, match="no screen") as caught:
            [result async for result in mapped]
        gate.go.set()
        again = endpoint.map(inputs, journal=tmp_path / "run.sqlite")
        assert [output async for output in again.outputs()] == [0, 1]
        await mapped.aclose()
    assert "make the same call" in " ".join(caught.value.__notes__)
    assert len(queue.submissions) == 2


@pytest.mark.anyio
async def test_a_cancelled_map_gives_its_journal_up(queue: LocalQueue, gate: Gate, tmp_path: Path) -> None:
    inputs = [{"n": 0}, {"n": 1, "wait": True}]
    async with AsyncClient(queue.api_key, base_url=queue.base_url) as client:
        endpoint = client.endpoint("local", output_type=int)
        mapped = endpoint.map(inputs, journal=tmp_path / "run.sqlite")
        await anext(mapped)
        with anyio.move_on_after(0.1):
            await anext(mapped)
        gate.go.set()
        again = endpoint.map(inputs, journal=tmp_path / "run.sqlite")
        assert [output async for output in again.outputs()] == [0, 1]
        assert [result async for result in mapped] == []
    assert len(queue.submissions) == 2


@pytest.mark.anyio
async def test_a_map_that_is_ended_twice_keeps_what_it_submits(queue: LocalQueue, tmp_path: Path) -> None:
    path, inputs = tmp_path / "run.sqlite", [{"n": 0}, {"n": 1}]
    async with AsyncClient(queue.api_key, base_url=queue.base_url) as client:
        endpoint = client.endpoint("local", output_type=int)
        assert [output async for output in endpoint.map(inputs[:1], journal=path).outputs()] == [0]
        for operation in ("run", "run_sync"):
            queue.inject("latency", operation=operation, seconds=0.5)
        async for _ in endpoint.map(inputs, journal=path):
            while len(list(Journal(path))) < 2 or Journal(path).counts().waiting:
                await anyio.sleep(0.01)
            break  # the second input is being submitted
        gc.collect()  # ends the map
        await anyio.sleep(0.05)
        again = endpoint.map(inputs, journal=path)  # ends it too
        assert [output async for output in again.outputs()] == [0, 1]
    assert len(queue.submissions) == 2


@pytest.mark.anyio
async def test_a_cancelled_job_runs_again_if_its_map_heard_nothing(
    queue: LocalQueue, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel = EndpointJobs.cancel

    async def cancel_unheard(jobs: EndpointJobs, job: MapJob) -> bool:
        await cancel(jobs, job)
        return False  # as after a second Ctrl-C

    inputs = [{"n": n, "wait": True} for n in range(3)]
    async with AsyncClient(queue.api_key, base_url=queue.base_url) as client:
        endpoint = client.endpoint("local", output_type=int)
        with monkeypatch.context() as patch:
            patch.setattr(EndpointJobs, "cancel", cancel_unheard)
            async with endpoint.map(inputs, journal=tmp_path / "run.sqlite", on_exit="cancel") as mapped:
                while mapped.stats.submitted < 3:
                    await anyio.sleep(0.01)
        assert Journal(tmp_path / "run.sqlite").counts().in_flight == 3
        gate.go.set()
        again = endpoint.map(inputs, journal=tmp_path / "run.sqlite")
        assert [output async for output in again.outputs()] == [0, 1, 2]
    assert len(queue.submissions) == 6


@pytest.mark.anyio
async def test_inputs_that_are_slow_to_end_hold_nothing_up(queue: LocalQueue, tmp_path: Path) -> None:
    async def inputs() -> AsyncIterator[dict[str, int]]:
        for n in range(4):
            yield {"n": n}
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():  # which is ignored
            with anyio.move_on_after(4, shield=True):
                while mapped.stats.in_flight:
                    await anyio.sleep(0.01)
                ended.append(True)
        yield {"n": 4}

    ended, one = list[bool](), RateLimit(requests=1, window=60)
    limits = RateLimits(overrides={"run": one, "run_sync": one})
    async with AsyncClient(queue.api_key, base_url=queue.base_url, rate_limits=limits) as client:
        async with client.endpoint("local").map(inputs(), journal=tmp_path / "run.sqlite", concurrency=8) as mapped:
            while not mapped.stats.succeeded:
                await anyio.sleep(0.01)
        await anyio.sleep(0.05)
    assert ended == [True]
    assert len(queue.submissions) + Journal(tmp_path / "run.sqlite").counts().waiting == 4


def test_an_error_of_the_endpoint_waits_for_no_input(queue: LocalQueue, gate: Gate) -> None:
    def inputs() -> Iterator[dict[str, int]]:
        yield {"n": 1}
        gate.go.wait(20)
        read.append(True)

    read: list[bool] = []
    with Client("wrong", base_url=queue.base_url) as client, pytest.raises(AuthenticationError):
        list(client.endpoint("local").map(inputs()))
    assert not read


@pytest.mark.anyio
async def test_an_error_of_the_endpoint_waits_for_no_async_input(queue: LocalQueue) -> None:
    ended: list[bool] = []

    async def inputs() -> AsyncIterator[dict[str, int]]:
        yield {"n": 1}
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)

    async with AsyncClient("wrong", base_url=queue.base_url) as client:
        with anyio.fail_after(30), pytest.raises(AuthenticationError):
            async for _ in client.endpoint("local").map(inputs()):
                pass
    assert ended == [True]


def test_the_cost_limit_waits_for_no_input(queue: LocalQueue, gate: Gate) -> None:
    def inputs() -> Iterator[dict[str, Any]]:
        yield {"n": 1, "wait": True}
        ended.wait(20)
        read.append(True)

    read, ended = list[bool](), threading.Event()
    threading.Timer(0.1, gate.go.set).start()  # a run of less than 1 ms costs nothing
    with Client(queue.api_key, base_url=queue.base_url) as client:
        mapped = client.endpoint("local").map(inputs(), price_per_second=1000.0, max_cost=0.000001)
        assert [result.output for result in mapped] == [1]
    assert not read
    ended.set()


def test_the_inputs_may_close_the_map(queue: LocalQueue) -> None:
    def inputs() -> Iterator[dict[str, int]]:
        mapped.close()
        yield {"n": 1}

    with Client(queue.api_key, base_url=queue.base_url) as client:
        mapped = client.endpoint("local").map(inputs())
        assert list(mapped) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.parametrize("kind", ["map", "as_completed"])
def test_a_fork_does_not_iterate_over_the_rest(queue: LocalQueue, gate: Gate, kind: str) -> None:
    with Client(queue.api_key, base_url=queue.base_url) as client:
        endpoint = client.endpoint("local")
        inputs = [{"n": 0}, *({"n": number, "wait": True} for number in range(1, 4))]
        iterator: Iterator[object] = (
            endpoint.map(inputs) if kind == "map" else as_completed([endpoint.run(each) for each in inputs])
        )
        next(iterator)
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # ends a child that waits forever
            try:
                list(iterator)
            except ConfigurationError as error:
                os._exit(17 if "before a fork" in str(error) else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 17
        gate.go.set()
        assert len(list(iterator)) == 3


def test_a_loop_that_ends_early_leaves_no_thread(queue: LocalQueue, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    inputs = ({"n": number} for number in range(1000))
    with Client(queue.api_key, base_url=queue.base_url) as client:
        assert next(iter(client.endpoint("local").map(inputs, journal=tmp_path / "run.sqlite"))).index == 0
        gc.collect()
        deadline = time.monotonic() + 10
        while [thread for thread in set(threading.enumerate()) - before if thread.name in LOOPS]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        again = client.endpoint("local").map([{"n": 0}], journal=tmp_path / "run.sqlite")
        assert [each.from_journal for each in again] == [True]


def test_equal_inputs_get_their_own_jobs_back(queue: LocalQueue, gate: Gate, tmp_path: Path) -> None:
    path, repeated = tmp_path / "run.sqlite", {"n": 0, "wait": True}
    with Client(queue.api_key, base_url=queue.base_url) as client:
        endpoint = client.endpoint("local")
        with endpoint.map([repeated, repeated, {"n": 1}], journal=path, concurrency=3, ordered=False) as mapped:
            next(mapped)
            eventually(lambda: len(queue.submissions), lambda submitted: submitted == 3)
        assert Journal(path).counts().in_flight == 2

        def read_slowly() -> Iterator[dict[str, Any]]:
            yield repeated
            gate.go.set()
            eventually(lambda: Journal(path).counts().succeeded, lambda succeeded: succeeded == 3)
            yield repeated

        results = list(endpoint.map(read_slowly(), journal=path, concurrency=2))
    assert len({result.job_id for result in results}) == 2
    assert [entry.index for entry in Journal(path)] == [0, 1, 2]
    assert len(queue.submissions) == 3


@pytest.mark.slow
def test_submissions_wait_until_an_outage_ends(queue: LocalQueue) -> None:
    with Client(queue.api_key, base_url=queue.base_url) as client:
        queue.outage(1.0)
        results = list(client.endpoint("local").map(({"n": number} for number in range(50)), concurrency=4))
    uncertain = [result for result in results if not result.succeeded]
    assert len(uncertain) <= 4
    assert all(isinstance(result.error, SubmissionUncertainError) for result in uncertain)


@pytest.mark.slow
def test_a_map_ended_by_an_outage_can_be_resumed(queue: LocalQueue, gate: Gate, tmp_path: Path) -> None:
    path, inputs = tmp_path / "run.sqlite", [{"n": number} for number in range(60)]
    delivered = 0
    with Client(queue.api_key, base_url=queue.base_url, poll=PollPolicy(max_outage=0.5)) as client:
        with (
            pytest.raises((APIConnectionError, ServerError)) as caught,
            client.endpoint("local").map(inputs, concurrency=4, journal=path) as mapped,
        ):
            for result in mapped:
                delivered += result.succeeded
                if delivered == 10:
                    queue.outage(3600)
        assert "(PollPolicy.max_outage)" in " ".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
    counts = Journal(path).counts()
    assert counts.failed == 0
    assert delivered <= counts.succeeded
    queue.outage(0)
    with Client(queue.api_key, base_url=queue.base_url) as client:
        results = list(client.endpoint("local", output_type=int).map(inputs, journal=path, resubmit_uncertain=True))
    assert [result.output for result in results] == list(range(60))


def test_uses_a_custom_client_in_threads(queue: LocalQueue) -> None:
    requests: list[str] = []

    def note(request: httpx.Request) -> None:
        requests.append(request.url.path)

    with (
        httpx.Client(event_hooks={"request": [note]}) as own,
        Client(queue.api_key, base_url=queue.base_url, http_client=own) as client,
    ):
        outputs = list(client.endpoint("local", output_type=int).map([{"n": 1}, {"n": 2}]).outputs())
    assert outputs == [1, 2]
    assert sum("/run" in path for path in requests) == 2


def test_shares_the_rate_limits_of_the_sync_client(queue: LocalQueue) -> None:
    with Client(queue.api_key, base_url=queue.base_url) as client:
        executor = client._executor
        bridged = async_executor(executor)
        assert bridged.limits is executor.limits
        assert bridged.scheduler is executor.scheduler


@pytest.mark.anyio
async def test_reads_async_inputs(queue: LocalQueue) -> None:
    async def inputs() -> AsyncIterator[dict[str, int]]:
        for number in range(5):
            yield {"n": number}

    async with AsyncClient(queue.api_key, base_url=queue.base_url) as client:
        outputs = [output async for output in client.endpoint("local", output_type=int).map(inputs()).outputs()]
    assert outputs == [0, 1, 2, 3, 4]


def test_a_blocking_input_does_not_block_results(queue: LocalQueue) -> None:
    taken = threading.Event()

    def inputs() -> Iterator[dict[str, int]]:
        yield {"n": 1}
        assert taken.wait(20)
        yield {"n": 2}

    with Client(queue.api_key, base_url=queue.base_url) as client:
        outputs: list[int] = []
        for result in client.endpoint("local", output_type=int).map(inputs()):
            outputs.append(result.output)
            taken.set()
    assert outputs == [1, 2]


def test_refuses_async_inputs_in_the_sync_api(queue: LocalQueue) -> None:
    async def inputs() -> AsyncIterator[dict[str, int]]:
        yield {"n": 1}

    wrong: Any = inputs()
    with Client(queue.api_key, base_url=queue.base_url) as client:
        for call in (client.endpoint("local").map, client.endpoint("local").batches.run):
            with pytest.raises(ConfigurationError, match="Only the async API takes async iterables"):
                call(wrong)


def test_several_threads_may_take_results(queue: LocalQueue) -> None:
    taken: list[int] = []
    with Client(queue.api_key, base_url=queue.base_url) as client:
        mapped = client.endpoint("local").map([{"n": number} for number in range(60)])
        threads = [threading.Thread(target=lambda: taken.extend(result.index for result in mapped)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert sorted(taken) == list(range(60))


@pytest.mark.anyio
async def test_several_tasks_may_take_results(queue: LocalQueue) -> None:
    taken: list[int] = []

    async def take() -> None:
        async for result in mapped:
            taken.append(result.index)

    async with AsyncClient(queue.api_key, base_url=queue.base_url) as client:
        mapped = client.endpoint("local").map([{"n": number} for number in range(60)])
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(take)
    assert sorted(taken) == list(range(60))


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("block", [True, False])
async def test_the_journal_is_free_after_an_early_end(queue: LocalQueue, tmp_path: Path, block: bool) -> None:
    inputs = [{"n": number} for number in range(200)]
    async with AsyncClient(queue.api_key, base_url=queue.base_url) as client:
        endpoint = client.endpoint("local", output_type=int)
        if block:
            with anyio.CancelScope() as scope:
                async with endpoint.map(inputs, journal=tmp_path / "run.sqlite") as mapped:
                    async for _ in mapped:
                        scope.cancel()
        else:
            async for _ in endpoint.map(inputs, journal=tmp_path / "run.sqlite"):
                break
        outputs = [output async for output in endpoint.map(inputs, journal=tmp_path / "run.sqlite").outputs()]
    assert outputs == list(range(200))


@pytest.mark.slow
def test_a_loop_over_outputs_may_end_early(queue: LocalQueue, caplog: pytest.LogCaptureFixture) -> None:
    inputs = ({"n": number} for number in range(1000))
    with Client(queue.api_key, base_url=queue.base_url) as client:
        for output in client.endpoint("local", output_type=int).map(inputs).outputs():
            assert output == 0
            break
        gc.collect()
    assert "Interrupted" not in caplog.text


def test_a_thread_that_was_never_started_can_be_stopped() -> None:
    async def main(_: object) -> None: ...

    LoopThread(main, print).stop()
