"""A client's process: it does tasks, and reports the cost of each.

    python -m benchmarks.probe sync|async|decode CONTENDER BASE_URL

Nothing but the standard library and the contender's own installation is there. A task is a line of JSON on standard
input, and its sample a line on standard output. Processor time is the operating system's, user and system, of this
whole process; nothing but the contender does anything in it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final, cast

from benchmarks.contenders import (
    AsyncContender,
    Decoder,
    MapContender,
    SyncContender,
    async_contender,
    decoder,
    sync_contender,
)

MEMORY: Final = Path("/proc/self/statm")
PROFILE_INTERVAL: Final = 0.0002
PROFILE_LINES: Final = 25


@dataclass
class Sample:
    """The cost and the results of a task.

    Attributes:
        cpu: Seconds of processor time.
        wall: Seconds on the clock.
        values: Seconds, one for each thing that was timed by itself.
        ran: Seconds that each of these jobs ran.
        polls: Polls of each of them, as the server has counted.
        failures: The number of exceptions of each kind.
        memory: Bytes of memory in use more than before.
        profile: The functions that took the most time themselves, if the task asks for them.
    """

    cpu: float = 0.0
    wall: float = 0.0
    values: list[float] = field(default_factory=list[float])
    ran: list[float] = field(default_factory=list[float])
    polls: list[int] = field(default_factory=list[int])
    failures: dict[str, int] = field(default_factory=dict[str, int])
    memory: int = 0
    profile: str = ""


def processor_time() -> float:
    """Seconds of processor time that this process has used, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def memory_in_use() -> int:
    """Bytes of this process that are in memory now, or the most that ever were if the system does not tell."""
    if MEMORY.exists():
        return int(MEMORY.read_text().split()[1]) * resource.getpagesize()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


@contextmanager
def measured() -> Generator[Sample]:
    """Measure the cost of the block."""
    gc.collect()
    sample = Sample()
    cpu, clock = processor_time(), time.monotonic()
    yield sample
    sample.cpu, sample.wall = processor_time() - cpu, time.monotonic() - clock


def _repeat(count: int, action: Callable[[], object]) -> Sample:
    with measured() as sample:
        for _ in range(count):
            action()
    return sample


def sync_task(contender: SyncContender, task: dict[str, Any]) -> Sample:
    """Do a task with a client for threads."""
    match task["do"]:
        case "status":
            return _repeat(task["count"], lambda: contender.status(task["job"]))
        case "job":
            return _repeat(task["count"], lambda: contender.job(task["given"]))
        case "run_sync":
            return _repeat(task["count"], lambda: contender.run_sync(task["given"]))
        case _:
            raise ValueError(task)


async def async_task(contender: AsyncContender, task: dict[str, Any]) -> Sample:
    """Do a task with a client for asyncio."""
    match task["do"]:
        case "status":
            return await _round_trips(contender, task["job"], task["count"])
        case "warm":
            return await _all_at_once([contender.job({"seconds": 0}) for _ in range(task["count"])])
        case "jobs":
            return await _batches(contender, task["given"], task["batches"])
        case "wait":
            return await _all_at_once([contender.wait(job_id) for job_id in task["jobs"]], task["seconds"])
        case "first_chunk":
            return await _all_at_once([contender.first_chunk(given) for given in task["given"]])
        case "bounded":
            return await _bounded(contender, task["count"], task["at_once"])
        case "map":
            return await _map(cast("MapContender", contender), task)
        case "memory":
            return await _memory(contender, task["jobs"], task["seconds"])
        case _:
            raise ValueError(task)


class AsyncClients:
    """The contender that does the tasks; the task `renew` replaces it by a new one, without open connections."""

    def __init__(self, name: str, base_url: str) -> None:
        self._make = partial(async_contender, name, base_url)
        self._client: AsyncContender | None = None

    async def do(self, task: dict[str, Any]) -> Sample:
        """Do a task."""
        if task["do"] == "renew":
            await self.renew()
            return Sample()
        return await async_task(cast("AsyncContender", self._client), task)

    async def renew(self) -> None:
        """Close the contender and make a new one."""
        await self.close()
        self._client = self._make()
        await self._client.open()

    async def close(self) -> None:
        """Close the contender's connections."""
        if self._client is not None:
            await self._client.close()
            await asyncio.sleep(0.05)  # connections of TLS are closed in the background


def decode_task(decode: Decoder, task: dict[str, Any]) -> Sample:
    """Decode one body the given number of times."""
    body = task["body"].encode()
    return _repeat(task["count"], lambda: decode(body))


async def _round_trips(contender: AsyncContender, job_id: str, count: int) -> Sample:
    with measured() as sample:
        for _ in range(count):
            asked_at = time.monotonic()
            await contender.status(job_id)
            sample.values.append(time.monotonic() - asked_at)
    return sample


async def _batches(contender: AsyncContender, inputs: list[dict[str, Any]], batches: int) -> Sample:
    """Run all jobs at once, the given number of times."""
    samples = [await _all_at_once([contender.job(given) for given in inputs]) for _ in range(batches)]
    return Sample(
        cpu=sum(sample.cpu for sample in samples),
        wall=sum(sample.wall for sample in samples),
        values=[value for sample in samples for value in sample.values],
        polls=[polls for sample in samples for polls in sample.polls],
        failures=dict(sum((Counter(sample.failures) for sample in samples), Counter[str]())),
    )


async def _timed(result: Awaitable[dict[str, Any]]) -> tuple[float, dict[str, Any]]:
    """Return the seconds between the moment that a result tells of and its arrival, and the result."""
    told = await result
    return time.monotonic() - told["done_at"], told


async def _all_at_once(results: Sequence[Awaitable[dict[str, Any]]], seconds: float | None = None) -> Sample:
    with measured() as sample:
        tasks = [asyncio.ensure_future(_timed(result)) for result in results]
        done, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    raised = Counter(type(task.exception()).__name__ for task in done if task.exception() is not None)
    if late:
        raised["not done in time"] = len(late)
    sample.failures = dict(raised)
    came = [task.result() for task in done if task.exception() is None]
    sample.values = [lateness for lateness, _ in came]
    sample.polls = [told.get("polls", 0) for _, told in came]
    sample.ran = [told.get("ran", 0.0) for _, told in came]
    return sample


async def _bounded(contender: AsyncContender, count: int, at_once: int) -> Sample:
    """Run the program that people write: a task for each input, and a semaphore."""
    semaphore = asyncio.Semaphore(at_once)

    async def one() -> None:
        async with semaphore:
            await contender.job({"seconds": 0})

    with measured() as sample:
        results = await asyncio.gather(*(one() for _ in range(count)), return_exceptions=True)
    sample.failures = dict(Counter(type(result).__name__ for result in results if result is not None))
    return sample


async def _map(contender: MapContender, task: dict[str, Any]) -> Sample:
    count: int = task["count"]
    if task.get("nowhere"):
        contender.send_nowhere()
    with tempfile.TemporaryDirectory() as folder, measured() as sample:
        inputs = ({"seconds": 0, "number": number} for number in range(count))
        journal = str(Path(folder, "run.sqlite")) if task.get("journal") else None
        if task.get("batches"):
            succeeded = await contender.run_batches(inputs)
        else:
            succeeded = await contender.map(inputs, task["at_once"], journal)
    sample.memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if succeeded < count:
        sample.failures = {"not succeeded": count - succeeded}
    return sample


async def _memory(contender: AsyncContender, job_ids: list[str], seconds: float) -> Sample:
    await contender.status(job_ids[0])
    with measured() as sample:
        before = memory_in_use()
        tasks = [asyncio.ensure_future(contender.wait(job_id)) for job_id in job_ids]
        await asyncio.sleep(seconds)
        sample.memory = memory_in_use() - before
    ended = [task for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    sample.failures = dict(Counter(type(end).__name__ for task, end in zip(tasks, ends, strict=True) if task in ended))
    return sample


def _profiled(run: Callable[[], Sample]) -> Sample:
    profiling = import_module("pyinstrument")  # only if a task asks for a profile
    renderer = import_module("pyinstrument.renderers").ConsoleRenderer(flat=True, unicode=True, color=False)
    with profiling.Profiler(interval=PROFILE_INTERVAL, async_mode="disabled") as profiler:
        sample = run()
    text: str = profiler.output(renderer)
    sample.profile = "\n".join([line.rstrip() for line in text.splitlines() if line[:1].isdigit()][:PROFILE_LINES])
    return sample


def _serve(do: Callable[[dict[str, Any]], Sample]) -> None:
    for line in sys.stdin:
        task: dict[str, Any] = json.loads(line)
        run = partial(do, task)
        print(json.dumps(asdict(_profiled(run) if task.get("profile") else run())), flush=True)


def main(half: str, name: str, base_url: str) -> None:
    """Do tasks until standard input is closed."""
    if half == "decode":
        decode = decoder(name)
        _serve(lambda task: decode_task(decode, task))
        return
    if half == "sync":
        contender = sync_contender(name, base_url)
        _serve(lambda task: sync_task(contender, task))
        return
    with asyncio.Runner() as runner:
        clients = AsyncClients(name, base_url)
        runner.run(clients.renew())
        _serve(lambda task: runner.run(clients.do(task)))
        runner.run(clients.close())


if __name__ == "__main__":
    main(*sys.argv[1:])
