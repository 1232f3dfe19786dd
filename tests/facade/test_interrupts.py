"""Ctrl-C at each place in a call where Python can deliver it, one after the other, and what a wait says of it."""

from __future__ import annotations

import dis
import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from types import CodeType, FrameType
from typing import Any

import pytest

import runpod_typed
from runpod_typed import Client, Job, RateLimit, RateLimits
from runpod_typed._transport.deadlines import current_attempt
from runpod_typed.local import LocalQueue
from tests.scripted_server import answer, scripted, wait_until

HERE = runpod_typed.__path__[0]
DONE = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": 7}')

pytestmark = pytest.mark.skipif(sys.implementation.name != "cpython", reason="where interrupts come is CPython's own")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, as far as this test goes."""


@cache
def places(code: CodeType) -> frozenset[int]:
    """Return the offsets at which CPython checks for signals: on entry, in loops, and after a call into C."""
    bytecode: Any = dis.Bytecode(code)  # not all of it is known to type checkers
    found: set[int] = set()
    for before, step in pairwise(bytecode):
        called = before.opname in {"RESUME", "CALL", "CALL_KW", "CALL_FUNCTION_EX"}
        # It is raised at the call, and here one step later: the two must be within the same blocks.
        if "BACKWARD" in step.opname or (called and blocks(bytecode, before) == blocks(bytecode, step)):
            found.add(step.offset)
    return frozenset(found)


def blocks(bytecode: Any, step: dis.Instruction) -> list[int]:
    """Return the offsets of the handlers of an error at a step."""
    return [entry.target for entry in bytecode.exception_entries if entry.start <= step.offset < entry.end]


class InterruptAt:
    """Interrupts a block at the nth place in our own code; `came` tells whether there was such a place."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.came = False

    def __enter__(self) -> None:
        self.before = sys.gettrace()
        sys.settrace(self.on_call)

    def __exit__(self, *error: object) -> bool:
        sys.settrace(self.before)
        return isinstance(error[1], Interrupted)

    def on_call(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(HERE):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self.on_step

    def on_step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode" and frame.f_lasti in places(frame.f_code):
            self.left -= 1
            if self.left == 0:
                self.came = True
                raise Interrupted
        return self.on_step


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    # What an interrupted call held is free as soon as its error is, not when the collector comes by.
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    yield
    if was_on:
        gc.enable()


@pytest.fixture(autouse=True)
def _no_attempt_left() -> Iterator[None]:
    yield
    current_attempt.set(None)  # an interrupt may come before the block that resets it; each attempt sets its own


# One that comes while Python frees an object is printed, and goes no further.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("fast", ["0", "1"])
def test_an_interrupt_anywhere_keeps_no_permit(fast: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_TYPED_FAST", fast)
    limits = RateLimits(overrides={"status": RateLimit(requests=1_000_000, window=1, concurrent=1)})
    with scripted([DONE]) as server, Client("key", base_url=server.base_url, rate_limits=limits) as client:
        job = client.endpoint("ep").job("job-1")
        number, came = 0, True
        while came:
            number += 1
            with InterruptAt(0):  # Python 3.12 and 3.13 forget the first time, and after an error, to report steps
                job.status(timeout=5)
            interrupt = InterruptAt(number)
            with interrupt:
                job.status(timeout=5)
            # With one place kept, there is none.
            assert job.status(timeout=5) == "COMPLETED", f"place {number}"
            came = interrupt.came
        assert number > 200
        client.close()
        wait_until(lambda: server.open_connections == 0)


WATCHES: dict[str, Callable[[Job[Any, Any]], object]] = {
    "output": lambda job: job.output(timeout=5),
    "events": lambda job: next(iter(job.events(timeout=5))),
    "stream": lambda job: next(iter(job.stream(timeout=5)), None),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("watch", WATCHES.values(), ids=list(WATCHES))
def test_an_interrupt_anywhere_leaves_no_waiter(watch: Callable[[Job[Any, Any]], object]) -> None:
    with scripted([DONE]) as server, Client("key", base_url=server.base_url) as client:
        scheduler = client._executor.scheduler  # pyright: ignore[reportPrivateUsage] -- shows in no public name
        number, came = 0, True
        while came:
            number += 7
            with InterruptAt(0):
                client.endpoint("ep").job("job-1").status(timeout=5)
            interrupt = InterruptAt(number)
            with interrupt:
                watch(client.endpoint("ep").job("job-1"))
            assert scheduler.waiters("ep") == 0, f"place {number}"
            came = interrupt.came
        assert number > 200


# What a wait says of an interrupt


def interrupted(call: Callable[[], object], seconds: float) -> list[str]:
    """The notes of a KeyboardInterrupt that ends a call after some seconds."""
    main = threading.main_thread().ident or 0
    timer = threading.Timer(seconds, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        call()
    timer.join()
    return caught.value.__notes__


@pytest.fixture(name="queue")
def _queue() -> Iterator[LocalQueue]:
    with LocalQueue() as running:  # no worker: the jobs stay in the queue
        yield running


WAITS: dict[str, Callable[[Job[Any, Any]], object]] = {
    "wait": lambda job: job.wait(),
    "output": lambda job: job.output(),
    "stream": lambda job: list(job.stream()),
    "events": lambda job: list(job.events()),
}


@pytest.mark.slow
@pytest.mark.parametrize("wait", WAITS.values(), ids=list(WAITS))
def test_an_interrupted_wait_says_how_to_reconnect(queue: LocalQueue, wait: Callable[[Job[Any, Any]], object]) -> None:
    with Client(queue.api_key, base_url=queue.base_url) as client:
        job = client.endpoint(queue.endpoint_id).run({"n": 1})
        notes = interrupted(lambda: wait(job), 0.3)
        assert notes == [f"The job keeps running; reconnect with endpoint.job({job.id!r})."]
        assert job.status() == "IN_QUEUE"


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.3, 1.5])
@pytest.mark.parametrize("cancel_on_exit", [False, True])
def test_an_interrupted_run_sync_keeps_or_cancels_the_job(
    queue: LocalQueue, seconds: float, *, cancel_on_exit: bool
) -> None:
    with Client(queue.api_key, base_url=queue.base_url) as client:
        endpoint = client.endpoint(queue.endpoint_id)
        endpoint.health()  # opens the connection
        (note,) = interrupted(lambda: endpoint.run_sync({"n": 1}, cancel_on_exit=cancel_on_exit), seconds)
    assert ("was cancelled" if cancel_on_exit else "keeps running; reconnect with endpoint.job('sync-") in note
    assert queue.stats().cancelled == cancel_on_exit


@pytest.mark.slow
def test_an_interrupted_output_cancels_the_job_on_exit(queue: LocalQueue) -> None:
    with Client(queue.api_key, base_url=queue.base_url) as client:
        job = client.endpoint(queue.endpoint_id).run({"n": 1})
        assert interrupted(lambda: job.output(cancel_on_exit=True), 0.3) == [f"Job {job.id} was cancelled."]
        assert job.status() == "CANCELLED"
