"""Many more jobs waited for at once than answers may be held."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.figures import Row, Section, in_seconds, kilobytes, percentile, table
from benchmarks.processes import Server
from benchmarks.rows.bench import RUNPOD, Bench
from benchmarks.server import OPEN_AT_ONCE, WINDOW_REQUESTS, WINDOW_SECONDS

PUBLISHED = "ours, published limits"
AT_BEST = (
    "At best: a client that makes a request whenever the limits allow one, to whichever job has gone without for the "
    "longest time, held for as long as keeps all places taken (`at_best` in `rows/crowds.py`)."
)


def measure(bench: Bench) -> list[Section]:
    """Lateness under the published limits, and memory."""
    return [_lateness(bench), _memory(bench)]


def at_best(ends: Sequence[float]) -> list[float]:
    """How late each job is seen by a client that knows all limits and wastes nothing, one job after the other in turn.

    It makes a request whenever the limits allow one, to the job that has gone without for the longest time, and lets
    it be held for as long as keeps all places taken.
    """
    hold = OPEN_AT_ONCE / (WINDOW_REQUESTS / WINDOW_SECONDS)
    waiting = deque(ends)
    counting: deque[float] = deque()  # when each of the last requests stops counting
    held: list[tuple[float, float]] = []  # when an answer comes, and the job's end
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
                what="the same: answers 429, and waits that failed",
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
        f"job; waits that had ended by then: {failures or 'none'}.",
    )
