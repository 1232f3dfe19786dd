"""Many jobs waited for at once, most of them more than the platform holds responses for."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.figures import Row, Section, in_seconds, kilobytes, percentile, table
from benchmarks.processes import Server
from benchmarks.queue import OPEN_AT_ONCE, WINDOW_REQUESTS, WINDOW_SECONDS
from benchmarks.rows.bench import OURS, RUNPOD, Bench, Way

PUBLISHED = "ours, published limits"
AT_BEST = (
    "At best: a client that makes a request whenever the limits allow one, to the job that has gone without for the "
    "longest time, held for as long as keeps all places taken (`at_best` in `rows/crowds.py`)."
)


def measure(bench: Bench) -> list[Section]:
    """Measure lateness under the published limits, memory, and connections."""
    return [_lateness(bench), _memory(bench), *(_held(bench, way) for way in (Way.PLAIN, Way.TLS))]


def at_best(ends: Sequence[float]) -> list[float]:
    """Return the lateness of each job for a client that knows all limits and wastes nothing.

    It makes a request whenever the limits allow one, to the job that has gone without for the longest time, and lets
    it be held for as long as keeps all places taken.
    """
    hold = OPEN_AT_ONCE / (WINDOW_REQUESTS / WINDOW_SECONDS)
    waiting = deque(ends)
    counting: deque[float] = deque()  # when each of the last requests stops counting
    held: list[tuple[float, float]] = []  # when a response comes, and the job's end
    late: list[float] = []
    now = 0.0
    while waiting or held:
        while held and held[0][0] <= now:
            _, end = heapq.heappop(held)
            if end <= now:
                late.append(0.0)
            else:
                waiting.append(end)
        while counting and counting[0] <= now:
            counting.popleft()
        if waiting and len(held) < OPEN_AT_ONCE and len(counting) < WINDOW_REQUESTS:
            end = waiting.popleft()
            counting.append(now + WINDOW_SECONDS)
            if end <= now:
                late.append(now - end)
            else:
                longest = now + hold if len(waiting) + len(held) >= OPEN_AT_ONCE else end
                heapq.heappush(held, (min(end, longest), end))
            continue
        moments = [held[0][0]] if held else []
        if waiting and len(counting) >= WINDOW_REQUESTS:
            moments.append(counting[0])
        now = min(moments, default=now)
    return late


def _lateness(bench: Bench) -> Section:
    sizes = bench.sizes
    ends = [bench.dice.uniform(0, sizes.crowd_seconds) for _ in range(sizes.crowd)]
    lines: list[list[str]] = []
    with ExitStack() as stack:
        server = stack.enter_context(Server(limited=True))
        probe = stack.enter_context(bench.probe("async", PUBLISHED, server))
        jobs = server.create([{"seconds": end} for end in ends])
        sample = probe.do(do="wait", jobs=jobs, seconds=sizes.crowd_patience)
        report = server.report()
    best = at_best(ends)
    # A job that was never seen is as late as the wait was long.
    missing = [sizes.crowd_patience] * (len(ends) - len(sample.values))
    late = [*sample.values, *missing]
    ours, ideal = percentile(late, 0.99), percentile(best, 0.99)
    # With no more jobs than places all are seen at once, and nothing is to be divided by.
    figure = ours / ideal if ideal > 0.01 else ours / 0.01
    for name, values in (("ours", late), ("what the limits allow at best", best)):
        lines.append([name, *(in_seconds(percentile(values, share)) for share in (0.5, 0.9, 0.99, 1.0))])
    return Section(
        title=f"{len(ends):,} jobs at once under the published limits",
        rows=[
            Row(
                what=f"{len(ends):,} jobs at once under the published limits: p99 lateness",
                ours=in_seconds(ours),
                peer=f"at best: {in_seconds(ideal)}",
                figure=figure,
                target=1.5,
            ),
            Row(
                what="the same: responses with 429, and waits that failed",
                ours=f"{report.refused} and {sum(sample.failures.values())}",
                peer="",
                figure=report.refused + sum(sample.failures.values()),
                target=0,
                show="{:g}".format,
            ),
        ],
        text=f"They end within {sizes.crowd_seconds:g} s. The server refuses more than {WINDOW_REQUESTS:,} requests "
        f"in {WINDOW_SECONDS:g} s, and more than {OPEN_AT_ONCE} open at once. Ours made "
        f"{sum(report.requests.values()):,} requests, at most {report.most_open} of them open at once; failures: "
        f"{sample.failures or 'none'}. {AT_BEST}\n\n" + table(["late by", "p50", "p90", "p99", "worst"], lines),
    )


def _memory(bench: Bench) -> Section:
    sizes = bench.sizes
    memory: dict[str, float] = {}
    failures: dict[str, int] = {}
    with ExitStack() as stack:
        server = stack.enter_context(Server())
        probes = {name: stack.enter_context(bench.probe("async", name, server)) for name in (PUBLISHED, RUNPOD)}
        for probe in probes.values():
            jobs = server.create([{"seconds": 1e6}] * sizes.remembered)
            probe.begin(do="memory", jobs=jobs, seconds=sizes.remembered_seconds)
        for name, probe in probes.items():
            sample = probe.end()
            memory[name] = sample.memory / sizes.remembered
            failures |= {f"{name}: {kind}": count for kind, count in sample.failures.items()}
    return Section(
        title="Memory of waiting",
        rows=[
            Row(
                what=f"{sizes.remembered:,} jobs waited for at once, async: memory a job",
                ours=kilobytes(memory[PUBLISHED]),
                peer=f"runpod: {kilobytes(memory[RUNPOD])}",
                figure=memory[PUBLISHED],
                target=10_000,
                show=kilobytes,
            )
        ],
        text=f"Resident memory after {sizes.remembered_seconds:g} s of waiting less that before, each with one task a "
        f"job; waits that were over by then: {failures or 'none'}.",
    )


def _held(bench: Bench, way: Way) -> Section:
    """Count the connections that held jobs need; the two contenders wait one after the other."""
    sizes = bench.sizes
    memory: dict[str, float] = {}
    connections: dict[str, int] = {}
    with ExitStack() as stack:
        server = stack.enter_context(bench.server(way))
        for name in (OURS, RUNPOD):
            probe = stack.enter_context(bench.probe("async", name, server))
            server.report()
            jobs = server.create([{"seconds": 1e6}] * sizes.held)
            memory[name] = probe.do(do="memory", jobs=jobs, seconds=sizes.held_seconds).memory / sizes.held
            connections[name] = server.report().connections
    what = f"{sizes.held:,} jobs held at once{way.value}"
    return Section(
        title=what,
        rows=[
            Row(
                what=f"{what}: connections opened",
                ours=str(connections[OURS]),
                peer=f"runpod: {connections[RUNPOD]}",
                figure=connections[OURS],
                target=10 if way is Way.TLS else None,
                show="{:g}".format,
            ),
            Row(
                what=f"{what}: memory a job",
                ours=kilobytes(memory[OURS]),
                peer=f"runpod: {kilobytes(memory[RUNPOD])}",
                figure=memory[OURS],
                target=5000 if way is Way.TLS else None,
                show=kilobytes,
            ),
        ],
        text=f"A new client waits for {sizes.held_seconds:g} s. Its connections count as memory too.",
    )
