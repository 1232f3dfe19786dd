"""Ctrl-C at each place in a call where Python can deliver it, one after the other."""

from __future__ import annotations

import dis
import gc
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from types import CodeType, FrameType
from typing import Any

import pytest

import runpod_typed
from runpod_typed import Client, RateLimit, RateLimits
from tests.scripted_server import answer, scripted, wait_until

HERE = runpod_typed.__path__[0]
DONE = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": 7}')

pytestmark = pytest.mark.skipif(sys.implementation.name != "cpython", reason="where interrupts come is CPython's own")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, as far as this test goes."""


@cache
def places(code: CodeType) -> frozenset[int]:
    """Where in a function CPython looks for signals: on entry, in loops, and after a call of something in C."""
    bytecode: Any = dis.Bytecode(code)  # not all of it is known to type checkers
    found: set[int] = set()
    for before, step in pairwise(bytecode):
        called = before.opname in {"RESUME", "CALL", "CALL_KW", "CALL_FUNCTION_EX"}
        # It is raised at the call, and here one step later: the two must be within the same blocks.
        if "BACKWARD" in step.opname or (called and blocks(bytecode, before) == blocks(bytecode, step)):
            found.add(step.offset)
    return frozenset(found)


def blocks(bytecode: Any, step: dis.Instruction) -> list[int]:
    """Where an error at a step is handled."""
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


# One that comes while Python frees an object is printed, and goes no further.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_place_keeps_no_place_under_a_limit() -> None:
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
