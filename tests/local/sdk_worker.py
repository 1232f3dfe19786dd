"""A worker as people write it, with Runpod's own SDK. The first argument says what kind of handler it has."""

import asyncio
import inspect
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, cast

import runpod

Job = dict[str, Any]


async def report_progress(job: Job) -> str:
    runpod.serverless.progress_update(job, {"done": job["input"]["what"]})
    await asyncio.sleep(0.5)
    return "finished"


async def sleep(job: Job) -> str:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        print("STOPPED", job["id"], flush=True)
        raise
    return "too late"


def block(job: Job) -> str:
    time.sleep(60)
    return "too late"


def fail(job: Job) -> None:
    raise ValueError(job["input"]["what"])


def die(job: Job) -> None:
    os._exit(3)


ACTIONS: dict[str, Callable[[Job], object]] = {
    "echo": lambda job: {"echo": job["input"]["what"]},
    "nothing": lambda _: {},
    "progress": report_progress,
    "raise": fail,
    "error": lambda job: {"error": job["input"]["what"], "partial": 1},
    "sleep": sleep,
    "block": block,
    "refresh": lambda _: {"pid": os.getpid(), "refresh_worker": True},
    "pid": lambda _: os.getpid(),
    "die": die,
}


async def on_demand(job: Job) -> object:
    """Does what the input asks for."""
    outcome = ACTIONS[job["input"]["do"]](job)
    if inspect.iscoroutine(outcome):
        return cast("object", await outcome)
    return outcome


def count(job: Job) -> Iterator[object]:
    """Yields the given number of numbers, and raises if asked to."""
    for number in range(job["input"]["count"]):
        yield {"n": number}
    if job["input"].get("raise"):
        raise ValueError("no more")


async def count_asynchronously(job: Job) -> AsyncIterator[object]:
    """The same, awaiting in between."""
    for chunk in count(job):
        await asyncio.sleep(0)
        yield chunk


running = 0
together = asyncio.Event()


async def run_together(job: Job) -> int:
    """Ends when three jobs run at the same time; how many there are then."""
    global running  # noqa: PLW0603 -- a worker is a process of its own
    running += 1
    if running == 3:
        together.set()
    await together.wait()
    return running


def three(current: int) -> int:
    """Return the number of jobs to take at a time."""
    return 3


CONFIGS: dict[str, dict[str, Any]] = {
    "plain": {"handler": on_demand},
    "generator": {"handler": count_asynchronously},
    "aggregate": {"handler": count, "return_aggregate_stream": True},
    "concurrent": {"handler": run_together, "concurrency_modifier": three},
    "refreshing": {"handler": on_demand, "refresh_worker": True},
}

if __name__ == "__main__":
    runpod.serverless.start(CONFIGS[sys.argv.pop(1)])
