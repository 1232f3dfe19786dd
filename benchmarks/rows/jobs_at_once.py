"""Many async jobs at once: processor time of the client's whole process, user and system, for each job."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from attrs import frozen

from benchmarks.figures import Rounds, Section, microseconds, ratio_row, rounds_table
from benchmarks.processes import Probe, Server
from benchmarks.rows.bench import AIOHTTP, HTTPX, OURS, RUNPOD, Bench, Way, chart, cpu, with_profile

PYREQWEST = ("pyreqwest", "pyreqwest, HTTP/1.1")
CROWDED = "httpx, default limits"
CORE = "ours, core alone"
EXPLANATION = (
    "A row that is cold measures the first jobs of a new client. A pause is at least {pause:g} s. pyreqwest speaks "
    "HTTP/2 if its name does not say otherwise and the server offers it, which it does over TLS."
)
AT_ONCE: dict[str, Any] = {"seconds": 0}


@frozen
class Targets:
    """The most that ours may take, as a share of the time of Runpod's client."""

    warm: float
    cold: float
    paused: float
    slow: float


TARGETS = {Way.PLAIN: Targets(0.7, 0.7, 0.6, 0.35), Way.TLS: Targets(0.5, 0.35, 0.5, 0.3)}


def measure(bench: Bench) -> list[Section]:
    """Measure jobs over plain HTTP and over TLS, then beside raw httpx."""
    return [*(_beside_runpod(bench, way) for way in TARGETS), _beside_httpx(bench)]


def _beside_runpod(bench: Bench, way: Way) -> Section:
    sizes, targets = bench.sizes, TARGETS[way]
    n = sizes.at_once
    given = [AT_ONCE] * n
    slow = [{"seconds": sizes.slow_seconds}] * n
    with ExitStack() as stack:
        server = stack.enter_context(bench.server(way))
        # Over plain HTTP pyreqwest speaks HTTP/1.1 under either name.
        names = (OURS, RUNPOD, AIOHTTP, CORE, *(PYREQWEST if way is Way.TLS else PYREQWEST[:1]))
        probes = {name: stack.enter_context(bench.probe("async", name, server)) for name in names}
        lasting = {name: probes[name] for name in (OURS, RUNPOD, AIOHTTP)}

        def warm_all() -> None:
            for probe in probes.values():
                probe.do(do="warm", count=n)

        def rest() -> None:
            warm_all()
            time.sleep(sizes.pause)

        rounds = sizes.rounds if way is Way.PLAIN else sizes.tls_rounds
        figures = {
            "0 s, cold": cpu(sizes.cold_rounds, probes, n, renew=True, do="jobs", given=given, batches=1),
            "0 s, warm": cpu(rounds, probes, n * sizes.batches, do="jobs", given=given, batches=sizes.batches),
            "0 s, after a pause": cpu(
                sizes.slow_rounds, probes, n, before_round=rest, do="jobs", given=given, batches=1
            ),
            f"{sizes.slow_seconds:g} s, warm": cpu(
                sizes.slow_rounds, lasting, n, before_round=warm_all, do="jobs", given=slow, batches=1
            ),
        }
        section = Section(
            title=f"{n} async jobs at once{way.value}",
            rows=_rows(f"{n} async jobs at once", way.value, figures, targets),
            text="\n\n".join(
                [
                    EXPLANATION.format(pause=sizes.pause),
                    *(
                        part
                        for what, found in figures.items()
                        for part in (f"Jobs of {what}:", rounds_table(found, OURS, microseconds))
                    ),
                    _busy(server, probes[PYREQWEST[0]], given),
                ]
            ),
            plots={
                f"{way.prefix}async.svg": chart(f"{n} async jobs at once{way.value}: processor time a job, µs", figures)
            },
        )
        file = f"{way.prefix}async-jobs.txt"
        return with_profile(section, probes[OURS], file, do="jobs", given=given, batches=10)


def _rows(what: str, way: str, figures: Mapping[str, Rounds], targets: Targets) -> list[Any]:
    aims = (targets.cold, targets.warm, targets.paused, targets.slow)
    return [
        ratio_row(f"{what}, {case}, CPU a job{way}", found, OURS, RUNPOD, target=target, show=microseconds)
        for (case, found), target in zip(figures.items(), aims, strict=True)
    ]


def _beside_httpx(bench: Bench) -> Section:
    n = bench.sizes.at_once
    with ExitStack() as stack:
        server = stack.enter_context(bench.server(Way.PLAIN))
        names = (OURS, HTTPX, CROWDED, CORE)
        probes = {name: stack.enter_context(bench.probe("async", name, server)) for name in names}
        found = cpu(bench.sizes.slow_rounds, probes, n, do="jobs", given=[AT_ONCE] * n, batches=1)
    peer = min((HTTPX, CROWDED), key=found.median)
    what = f"ours over raw httpx, async, {n} at once, CPU a job"
    return Section(
        title=f"{n} async jobs at once beside raw httpx",
        rows=[ratio_row(what, found, OURS, peer, target=0.5, show=microseconds)],
        text="Jobs of 0 s. httpx goes through all its connections at each request.\n\n"
        + rounds_table(found, OURS, microseconds),
        plots={"httpx.svg": chart(f"{n} async jobs at once: processor time a job, µs", {"0 s": found})},
    )


def _busy(server: Server, fastest: Probe, given: list[dict[str, Any]]) -> str:
    """Tell how busy the server was, which shows whether the clients had to wait for it."""
    before = server.report()
    sample = fastest.do(do="jobs", given=given, batches=10)
    after = server.report()
    spent, requests = after.cpu - before.cpu, sum(after.requests.values())
    return (
        f"The server while its fastest client, raw {fastest.name}, keeps it as busy as it can: "
        f"{microseconds(spent / requests)} of processor time a request, {spent / sample.wall:.0%} of the time on the "
        f"clock; that client itself used {sample.cpu / sample.wall:.0%}."
    )
