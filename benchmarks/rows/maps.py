"""Maps over many inputs: processor time, the published limits, memory, and the cost of the journal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from benchmarks.figures import Row, Section, in_seconds, in_turn, microseconds, ratio_row, rounds_table
from benchmarks.processes import Probe, Server
from benchmarks.queue import BUDGETS, WINDOW_SECONDS
from benchmarks.rows.bench import OURS, RUNPOD, Bench

PUBLISHED = "ours, published limits"
AT_ONCE = 64
SHORT_MAP = 10_000
JOURNAL_INPUTS = 5000
MEGABYTE = 1_000_000


def measure(bench: Bench) -> list[Section]:
    """Beside a program of Runpod's client, under the published limits, and without a network."""
    return [_beside_runpod(bench), _within_limits(bench), _without_network(bench)]


def at_best(jobs: int) -> float:
    """Seconds until the last of the submissions may leave, if both operations are used as far as is allowed."""
    in_a_window = BUDGETS["run"][1] + BUDGETS["runsync"][1]
    return WINDOW_SECONDS * ((jobs - 1) // in_a_window)


def _beside_runpod(bench: Bench) -> Section:
    count = bench.sizes.mapped
    with ExitStack() as stack:
        server = stack.enter_context(Server())
        ours, theirs = (stack.enter_context(bench.probe("async", name, server)) for name in (OURS, RUNPOD))
        ours.do(do="map", count=AT_ONCE, at_once=AT_ONCE, journal=False)
        theirs.do(do="warm", count=AT_ONCE)

        def cpu(probe: Probe, what: str) -> Callable[[], float]:
            return lambda: probe.do(do=what, count=count, at_once=AT_ONCE, journal=False).cpu / count

        rounds = in_turn(bench.sizes.map_rounds, {OURS: cpu(ours, "map"), RUNPOD: cpu(theirs, "bounded")})
    return Section(
        title=f"A map of {count} jobs of 0 s",
        rows=[
            ratio_row(
                f"`map` of {count} jobs of 0 s, CPU a job, beside a semaphore, `run` and `output`",
                rounds,
                OURS,
                RUNPOD,
                target=0.6,
                show=microseconds,
            )
        ],
        text=rounds_table(rounds, OURS, microseconds),
    )


def _within_limits(bench: Bench) -> Section:
    count = bench.sizes.limited_map
    best = max(at_best(count), 0.1)
    with ExitStack() as stack:
        server = stack.enter_context(Server(limited=True))
        probe = stack.enter_context(bench.probe("async", PUBLISHED, server))
        sample = probe.do(do="map", count=count, at_once=500, journal=False)
        report = server.report()
    refused = report.refused / sum(report.requests.values())
    lost = sum(sample.failures.values())
    return Section(
        title="A map under the published limits",
        rows=[
            Row(
                what=f"{count} jobs of 0 s under the published limits",
                ours=in_seconds(sample.wall),
                peer=f"at best: {in_seconds(best)}",
                figure=sample.wall / best,
                target=1.1 if count > SHORT_MAP / 2 else None,
            ),
            Row(
                what="the same, responses with the status 429",
                ours=str(report.refused),
                peer="",
                figure=refused,
                target=0.01,
            ),
            Row(what="the same, results lost", ours=str(lost), peer="", figure=float(lost), target=0.0),
        ],
        text=f"Requests by operation: {report.requests}. At best, both ways to submit are used in each window.",
    )


def _without_network(bench: Bench) -> Section:
    long, short = bench.sizes.long_map, min(SHORT_MAP, bench.sizes.long_map)
    inputs = min(JOURNAL_INPUTS, short)

    def peak(count: int) -> int:
        with bench.probe("async", OURS) as probe:
            return probe.do(do="map", count=count, at_once=AT_ONCE, journal=False, nowhere=True).memory

    growth = (peak(long) - peak(short)) / MEGABYTE
    with bench.probe("async", OURS) as probe:

        def cpu(*, journal: bool = False, batches: bool = False) -> Callable[[], float]:
            task = {"do": "map", "count": inputs, "at_once": AT_ONCE, "journal": journal, "batches": batches}
            return lambda: probe.do(**task, nowhere=True).cpu / inputs

        for ways in ({"journal": True}, {"batches": True}, {}):
            cpu(**ways)()  # loads the modules
        names = "with a journal", "without", "in batches"
        rounds = in_turn(
            2 * bench.sizes.map_rounds,
            {names[0]: cpu(journal=True), names[1]: cpu(), names[2]: cpu(batches=True)},
        )
    return Section(
        title="A map without a network",
        rows=[
            Row(
                what=f"peak memory of {long} inputs above that of {short}",
                ours=f"{growth:.1f} MB",
                peer="",
                figure=growth,
                target=30.0,
                show=lambda figure: f"{figure:.0f} MB",
            ),
            ratio_row("a map with a journal, CPU an input", rounds, *names[:2], target=1.25, show=microseconds),
            ratio_row(
                "`batches.run`, CPU an input, beside a map", rounds, names[2], names[1], target=None, show=microseconds
            ),
        ],
        text=rounds_table(rounds, names[0], microseconds),
    )
