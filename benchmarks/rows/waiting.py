"""From a job's end to its result in hand, by long-polling and by polling; and a stream's first chunk."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.charts import Bar, bars
from benchmarks.figures import Row, Section, in_seconds, milliseconds, percentile, plain, table
from benchmarks.probe import Sample
from benchmarks.processes import Probe, Server
from benchmarks.rows.bench import AIOHTTP, OURS, ROUND_TRIP, RUNPOD, Bench, Way

POLLING = "ours, polling"


def measure(bench: Bench) -> list[Section]:
    """Measure one contender after the other if milliseconds count, and both at once if seconds do."""
    streamed = [_streamed(bench, way) for way in (Way.PLAIN, Way.TLS)]
    return [*(_held(bench, way) for way in Way), _polled(bench), *streamed]


def _round_trip(server: Server, probe: Probe) -> float:
    (endless,) = server.create([{"seconds": 1e6}])
    return statistics.median(probe.do(do="status", job=endless, count=100).values)


def _held(bench: Bench, way: Way) -> Section:
    sizes = bench.sizes
    given = [{"seconds": bench.dice.uniform(*sizes.late_seconds)} for _ in range(sizes.late_jobs)]
    late: dict[str, list[float]] = {}
    trips: dict[str, float] = {}
    requests: dict[str, float] = {}
    with ExitStack() as stack:
        server = stack.enter_context(bench.server(way))
        for name in (OURS, RUNPOD, AIOHTTP):
            probe = stack.enter_context(bench.probe("async", name, server))
            probe.do(do="warm", count=len(given))
            trips[name] = _round_trip(server, probe)
            server.report()
            late[name] = probe.do(do="jobs", given=given, batches=1).values
            requests[name] = sum(server.report().requests.values()) / len(given)

    def above(name: str, share: float) -> float:
        return max(0.0, percentile(late[name], share) - trips[name])

    def row(what: str, share: float, target: float) -> Row:
        return Row(
            what=f"from job done to result, long-poll, above one round trip, {what}{way.value}",
            ours=milliseconds(above(OURS, share)),
            peer=f"runpod: {milliseconds(above(RUNPOD, share))}",
            figure=above(OURS, share),
            target=target,
            show=milliseconds,
        )

    if way is Way.LINK:
        lateness = [
            Row(
                what=f"from job done to result, long-poll, p50{way.value}",
                ours=milliseconds(percentile(late[OURS], 0.5)),
                peer=f"runpod: {milliseconds(percentile(late[RUNPOD], 0.5))}",
                figure=percentile(late[OURS], 0.5),
                target=ROUND_TRIP + 0.005,
                show=milliseconds,
            )
        ]
    else:
        lateness = [row("p50", 0.5, 0.005), row("p99", 0.99, 0.025)]
    low, high = sizes.late_seconds
    return Section(
        title=f"From done to result, long-poll{way.value}",
        rows=[
            *lateness,
            Row(
                what=f"requests a job, long-poll{way.value}",
                ours=plain(requests[OURS]),
                peer=f"runpod: {plain(requests[RUNPOD])}",
                figure=requests[OURS],
                target=2.0,
            ),
        ],
        text=f"{len(given)} async jobs at once that run {low:g} to {high:g} s each. Raw aiohttp makes the same "
        "requests as ours, and decides nothing.\n\n"
        + table(
            ["", "round trip, p50", "late by, p50", "p99", "worst", "requests a job"],
            [
                [
                    name,
                    milliseconds(trips[name]),
                    *(milliseconds(percentile(late[name], share)) for share in (0.5, 0.99, 1.0)),
                    plain(requests[name]),
                ]
                for name in late
            ],
        ),
        plots={f"{way.prefix}lateness.svg": _chart(f"From job done to result in hand, p50, ms{way.value}", late)},
    )


def _chart(title: str, late: Mapping[str, list[float]]) -> str:
    medians = {name: statistics.median(values) for name, values in late.items()}
    return bars(
        title,
        [
            Bar(name, value, milliseconds(value), OURS if name.startswith(OURS) else "other")
            for name, value in medians.items()
        ],
    )


def _polled(bench: Bench) -> Section:
    """Measure each run time with an endpoint and a client of its own, all at once, since no process is busy."""
    run_times = bench.sizes.polled_seconds
    # Random run times, so that no job ends in step with the polls.
    given = {
        seconds: [{"seconds": seconds * bench.dice.uniform(0.95, 1.0)} for _ in range(bench.sizes.polled)]
        for seconds in run_times
    }
    found: dict[str, dict[float, Sample]] = {}
    with ExitStack() as stack:
        server = stack.enter_context(Server())
        ours = {seconds: stack.enter_context(bench.probe("async", POLLING, server)) for seconds in run_times}
        theirs = {seconds: stack.enter_context(bench.probe("async", RUNPOD, server)) for seconds in run_times}
        for name, probes in ((POLLING, ours), (RUNPOD, theirs)):
            for seconds, probe in probes.items():
                probe.begin(do="wait", jobs=server.create(given[seconds]), seconds=2 * seconds + 30)
            found[name] = {seconds: probe.end() for seconds, probe in probes.items()}
    return _polled_section(found, run_times)


def _polled_section(found: Mapping[str, Mapping[float, Sample]], run_times: tuple[float, ...]) -> Section:
    def share(name: str, seconds: float) -> float:
        return statistics.median(found[name][seconds].values) / seconds

    def mean_polls(name: str, seconds: float) -> float:
        return statistics.mean(found[name][seconds].polls)

    longest = run_times[-1]
    worst = max(run_times, key=partial(share, POLLING))
    rows = [
        Row(
            what="polling only: lateness over the run time, p50, at the worst run time",
            ours=f"{share(POLLING, worst):.1%} at {worst:g} s",
            peer=f"runpod: {share(RUNPOD, worst):.1%}",
            figure=share(POLLING, worst),
            target=0.10,
            show="{:.1%}".format,
        ),
        Row(
            what=f"polling only: requests for a job of {longest:g} s, at most",
            ours=str(max(found[POLLING][longest].polls)),
            peer=f"runpod: {max(found[RUNPOD][longest].polls)}",
            figure=max(found[POLLING][longest].polls),
            target=12,
            show="{:g}".format,
        ),
    ]
    return Section(
        title="From done to result, polling only",
        rows=rows,
        text="`PollPolicy.disabled()` beside Runpod's asyncio client, which polls each second; the server counts the "
        "polls. Each run time has an endpoint of its own.\n\n"
        + table(
            [
                "run time",
                *(f"{name}: {what}" for name in found for what in ("late by, p50", "of the run time", "polls")),
            ],
            [
                [
                    f"{seconds:g} s",
                    *(
                        cell
                        for name in found
                        for cell in (
                            in_seconds(share(name, seconds) * seconds),
                            f"{share(name, seconds):.1%}",
                            f"{mean_polls(name, seconds):.1f}",
                        )
                    ),
                ]
                for seconds in run_times
            ],
        ),
    )


def _streamed(bench: Bench, way: Way) -> Section:
    low, high = bench.sizes.late_seconds
    given: list[dict[str, Any]] = [
        {"seconds": high + 1, "chunks": [bench.dice.uniform(low, high)]} for _ in range(bench.sizes.streams)
    ]
    late: dict[str, list[float]] = {}
    trips: dict[str, float] = {}
    with ExitStack() as stack:
        server = stack.enter_context(bench.server(way))
        for name in (OURS, RUNPOD, AIOHTTP):
            probe = stack.enter_context(bench.probe("async", name, server))
            probe.do(do="warm", count=len(given))
            trips[name] = _round_trip(server, probe)
            late[name] = probe.do(do="first_chunk", given=given).values
    above = {name: max(0.0, statistics.median(late[name]) - trips[name]) for name in late}
    return Section(
        title=f"The first chunk of a stream{way.value}",
        rows=[
            Row(
                what=f"first stream chunk after it was sent, above one round trip, p50{way.value}",
                ours=milliseconds(above[OURS]),
                peer=f"runpod: {milliseconds(above[RUNPOD])}",
                figure=above[OURS],
                target=0.010,
                show=milliseconds,
            )
        ],
        text=f"{len(given)} streams at once, each with its first chunk after {low:g} to {high:g} s.\n\n"
        + table(
            ["", "late by, p50", "p99"],
            [
                [name, milliseconds(statistics.median(late[name])), milliseconds(percentile(late[name], 0.99))]
                for name in late
            ],
        ),
    )
