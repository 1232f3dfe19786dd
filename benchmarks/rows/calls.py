"""Sync calls one after the other: processor time of the client's whole process, user and system."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from attrs import frozen

from benchmarks.figures import Section, microseconds, ratio_row, rounds_table
from benchmarks.rows.bench import HTTPX, OURS, RUNPOD, Bench, Way, chart, cpu, with_profile

PYREQWEST = "pyreqwest"
CONTENDERS = (OURS, RUNPOD, HTTPX, "http.client", PYREQWEST)
AT_ONCE: dict[str, Any] = {"seconds": 0}


@frozen
class Targets:
    """The most that ours may take, as a share of the peer's time."""

    status: float
    job: float
    over_httpx: float


TARGETS = {Way.PLAIN: Targets(0.2, 0.25, 1.2), Way.TLS: Targets(0.2, 0.25, 1.2)}


def measure(bench: Bench) -> list[Section]:
    """Measure calls over plain HTTP and over TLS."""
    return [_one_at_a_time(bench, way) for way in TARGETS]


def _one_at_a_time(bench: Bench, way: Way) -> Section:
    count, targets = bench.sizes.calls, TARGETS[way]
    rounds = bench.sizes.rounds if way is Way.PLAIN else bench.sizes.tls_rounds
    with ExitStack() as stack:
        server = stack.enter_context(bench.server(way))
        probes = {name: stack.enter_context(bench.probe("sync", name, server)) for name in CONTENDERS}
        (endless,) = server.create([{"seconds": 1e6}])
        status = cpu(rounds, probes, count, do="status", job=endless, count=count)
        job = cpu(rounds, probes, count, do="job", given=AT_ONCE, count=count)
        run_sync = cpu(rounds, probes, count, do="run_sync", given=AT_ONCE, count=count)
        named = {
            f"one status call, sync, CPU{way.value}": (status, RUNPOD, targets.status),
            f"a job of 0 s, sync, submit to result, CPU{way.value}": (job, RUNPOD, targets.job),
            f"the same in one call, `run_sync`{way.value}": (run_sync, RUNPOD, None),
            f"ours over raw httpx making the same requests, sync, CPU{way.value}": (job, HTTPX, targets.over_httpx),
        }
        section = Section(
            title=f"One call after the other, sync{way.value}",
            rows=[
                ratio_row(what, figures, OURS, peer, target=target, show=microseconds)
                for what, (figures, peer, target) in named.items()
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
            plots={
                f"{way.prefix}sync.svg": chart(
                    f"Sync{way.value}: processor time, µs", {"status": status, "job": job, "run_sync": run_sync}
                )
            },
        )
        file = f"{way.prefix}sync-job.txt"
        return with_profile(section, probes[OURS], file, do="job", given=AT_ONCE, count=count * 5)
