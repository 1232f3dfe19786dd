"""What a call and a job cost: processor time of the client's whole process, user and system."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from benchmarks.figures import Rounds, Section, in_turn, microseconds, ratio_row, rounds_table
from benchmarks.processes import Probe, Server
from benchmarks.rows.bench import HTTPX, OURS, RUNPOD, Bench, chart, with_profile

SYNC = (OURS, RUNPOD, HTTPX, "http.client")
ASYNC = (OURS, RUNPOD, "aiohttp")
CROWDED = "httpx, default limits"
CORE = "ours, core alone"
AT_ONCE: dict[str, Any] = {"seconds": 0}


def measure(bench: Bench) -> list[Section]:
    """One call after the other, then many jobs at once."""
    return [_one_at_a_time(bench), _many_at_once(bench)]


def _one_at_a_time(bench: Bench) -> Section:
    count = bench.sizes.calls
    with ExitStack() as stack:
        server = stack.enter_context(Server())
        probes = {name: stack.enter_context(bench.probe("sync", name, server)) for name in SYNC}
        (endless,) = server.create([{"seconds": 1e6}])
        status = _cpu(bench.sizes.rounds, probes, count, do="status", job=endless, count=count)
        job = _cpu(bench.sizes.rounds, probes, count, do="job", given=AT_ONCE, count=count)
        run_sync = _cpu(bench.sizes.rounds, probes, count, do="run_sync", given=AT_ONCE, count=count)
        over_httpx = "the facade over raw httpx making the same requests, sync, CPU"
        section = Section(
            title="One call after the other, sync",
            rows=[
                ratio_row("one status call, sync, CPU", status, OURS, RUNPOD, target=0.55, show=microseconds),
                ratio_row(
                    "a job of 0 s, sync, submit to result, CPU", job, OURS, RUNPOD, target=0.40, show=microseconds
                ),
                ratio_row("the same in one call, `run_sync`", run_sync, OURS, RUNPOD, target=None, show=microseconds),
                ratio_row(over_httpx, job, OURS, HTTPX, target=1.20, show=microseconds),
            ],
            text="\n\n".join(
                [
                    "A status call:",
                    rounds_table(status, OURS, microseconds),
                    "A job of 0 s, submit to result:",
                    rounds_table(job, OURS, microseconds),
                    "The same in one call, `run_sync`:",
                    rounds_table(run_sync, OURS, microseconds),
                ]
            ),
            plots={"sync.svg": chart("Sync: processor time, µs", {"status": status, "job": job, "run_sync": run_sync})},
        )
        return with_profile(section, probes[OURS], "sync-job.txt", do="job", given=AT_ONCE, count=count * 5)


def _many_at_once(bench: Bench) -> Section:
    sizes = bench.sizes
    n = sizes.at_once
    given = [AT_ONCE] * n
    slow = [{"seconds": sizes.slow_seconds}] * n
    with ExitStack() as stack:
        server = stack.enter_context(Server())
        names = {*ASYNC, HTTPX, CROWDED, CORE}
        probes = {name: stack.enter_context(bench.probe("async", name, server)) for name in names}
        quickly = {name: probes[name] for name in ASYNC}
        slowly = {name: probes[name] for name in (OURS, HTTPX, CROWDED, CORE)}
        for probe in probes.values():
            probe.do(do="warm", count=n)
        quick = _cpu(sizes.rounds, quickly, n * sizes.batches, do="jobs", given=given, batches=sizes.batches)
        lasting = _cpu(sizes.slow_rounds, quickly, n, warm=n, do="jobs", given=slow, batches=1)
        paused = _cpu(sizes.slow_rounds, quickly, n, warm=n, pause=sizes.pause, do="jobs", given=slow, batches=1)
        beside_httpx = _cpu(sizes.slow_rounds, slowly, n, do="jobs", given=given, batches=1)
        peer = min((HTTPX, CROWDED), key=beside_httpx.median)
        section = Section(
            title=f"{n} async jobs at once",
            rows=[
                ratio_row(
                    f"{n} async jobs at once, 0 s, CPU a job", quick, OURS, RUNPOD, target=1.0, show=microseconds
                ),
                ratio_row(
                    f"the same, {sizes.slow_seconds:g} s, over open connections",
                    lasting,
                    OURS,
                    RUNPOD,
                    target=0.5,
                    show=microseconds,
                ),
                ratio_row(
                    f"the same, {sizes.slow_seconds:g} s, after a pause of {sizes.pause:g} s",
                    paused,
                    OURS,
                    RUNPOD,
                    target=None,
                    show=microseconds,
                ),
                ratio_row(
                    f"the facade over raw httpx, async, {n} at once, CPU a job",
                    beside_httpx,
                    OURS,
                    peer,
                    target=0.5,
                    show=microseconds,
                ),
            ],
            text="\n\n".join(
                [
                    "Ours has the extra `aiohttp` but for the line that says otherwise. Jobs of 0 s:",
                    rounds_table(quick, OURS, microseconds),
                    f"Jobs of {sizes.slow_seconds:g} s, over connections that are open, as in the rows above:",
                    rounds_table(lasting, OURS, microseconds),
                    _after_a_pause(n, sizes.pause),
                    rounds_table(paused, OURS, microseconds),
                    "Jobs of 0 s beside raw httpx, which goes through all its connections at each request:",
                    rounds_table(beside_httpx, OURS, microseconds),
                    _busy(server, probes["aiohttp"], given),
                ]
            ),
            plots={
                "async.svg": chart(
                    f"{n} async jobs at once: processor time a job, µs",
                    {
                        "0 s": quick,
                        f"{sizes.slow_seconds:g} s": lasting,
                        f"{sizes.slow_seconds:g} s, after a pause": paused,
                        "0 s, beside httpx": beside_httpx,
                    },
                )
            },
        )
        return with_profile(section, probes[OURS], "async-jobs.txt", do="jobs", given=given, batches=10)


def _after_a_pause(jobs: int, seconds: float) -> str:
    return (
        f"The same after a pause of {seconds:g} s. Ours closes what was idle for 4 s, so that it makes {jobs} new "
        "connections (README.md says why); the others keep theirs for 15 s:"
    )


def _busy(server: Server, fastest: Probe, given: list[dict[str, Any]]) -> str:
    """Whether the server could have been what was waited for."""
    before = server.report()
    sample = fastest.do(do="jobs", given=given, batches=10)
    after = server.report()
    spent, requests = after.cpu - before.cpu, sum(after.requests.values())
    return (
        "The server while its fastest client, raw aiohttp, keeps it as busy as it can: "
        f"{microseconds(spent / requests)} of processor time a request, {spent / sample.wall:.0%} of the time on the "
        f"clock; that client itself used {sample.cpu / sample.wall:.0%}."
    )


def _cpu(
    rounds: int, probes: Mapping[str, Probe], things: int, *, warm: int = 0, pause: float = 0, **task: Any
) -> Rounds:
    """Seconds of processor time for each of so many things, after one task that is not counted.

    Where `warm` is given, so many short jobs at once come before each measurement, so that connections are open, and a
    `pause` of so many seconds after them.
    """

    def measurement(probe: Probe) -> Callable[[], float]:
        probe.do(**task)

        def measured() -> float:
            if warm:
                probe.do(do="warm", count=warm)
                time.sleep(pause)
            sample = probe.do(**task)
            if sample.failures:
                raise RuntimeError(f"{probe.name}: {sample.failures}")
            return sample.cpu / things

        return measured

    return in_turn(rounds, {name: measurement(probe) for name, probe in probes.items()})
