"""Import and first client: the whole process, from nothing to its end; and what an installation weighs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter

from benchmarks.charts import Bar, bars
from benchmarks.contenders import API_KEY, ENDPOINT
from benchmarks.environments import Environment, Start
from benchmarks.figures import Rounds, Row, Section, in_turn, megabytes, milliseconds, ratio_row, rounds_table
from benchmarks.processes import Server
from benchmarks.rows.bench import HTTPX, OURS, RUNPOD, Bench

PARTS = "httpx, attrs and msgspec"
BARE = "a bare interpreter"
HELP = "`runpod-typed --help`"
_PRINT_HELP = """
import sys
from runpod_typed._cli import main
sys.argv = ["runpod-typed", "--help"]
try:
    main()
except SystemExit:
    pass
"""
PROGRAMS = (
    "`from runpod_typed import Client; Client(api_key='k')` and `import httpx; httpx.Client()`: whole processes, "
    "interpreter included. Time on the clock:"
)


def programs(base_url: str, job_id: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return programs that end with a client, and programs that end with a response."""
    url = f"{base_url}/{ENDPOINT}/status/{job_id}"
    ours = f"from runpod_typed import Client; client = Client(api_key={API_KEY!r}, base_url={base_url!r})"
    runpod = f"import runpod; runpod.api_key = {API_KEY!r}; runpod.endpoint_url_base = {base_url!r}"
    clients = {
        BARE: "pass",
        HTTPX: "import httpx; client = httpx.Client()",
        PARTS: "import httpx, attrs, msgspec; client = httpx.Client()",
        OURS: ours,
        RUNPOD: f"{runpod}; endpoint = runpod.Endpoint({ENDPOINT!r})",
    }
    answers = {
        HTTPX: f"{clients[HTTPX]}; client.get({url!r}).json()",
        OURS: f"{ours}; client.endpoint({ENDPOINT!r}).job({job_id!r}).status()",
        RUNPOD: f"{clients[RUNPOD]}; runpod.endpoint.Job({ENDPOINT!r}, {job_id!r}, endpoint.rp_client).status()",
    }
    return clients, answers


def measure(bench: Bench) -> list[Section]:
    """Start the programs, and measure what is installed."""
    with Server() as server:
        (job_id,) = server.create([{"seconds": 1e6}])
        clients, answers = programs(server.base_url, job_id)
        started = _starts(bench, clients)
        answered = _starts(bench, answers)
        helped = _starts(bench, {BARE: clients[BARE], HELP: _PRINT_HELP})
    wall, cpu, memory = (_rounds(started, attrgetter(name)) for name in ("wall", "cpu", "memory"))
    first, helping = _rounds(answered, attrgetter("wall")), _rounds(helped, attrgetter("wall"))
    section = Section(
        title="Import and first client",
        rows=[
            ratio_row("import and first client over httpx's: time", wall, OURS, HTTPX, target=1.3, show=milliseconds),
            ratio_row("the same: memory", memory, OURS, HTTPX, target=1.6, show=megabytes),
            ratio_row("the same, with a first response: time", first, OURS, HTTPX, target=None, show=milliseconds),
            Row(
                what="`runpod-typed --help` beyond a bare interpreter: time",
                ours=milliseconds(helping.median(HELP)),
                peer=f"{BARE}: {milliseconds(helping.median(BARE))}",
                figure=helping.median(HELP) - helping.median(BARE),
                target=0.3,
                show=milliseconds,
            ),
        ],
        text="\n\n".join(
            [
                PROGRAMS,
                rounds_table(wall, OURS, milliseconds),
                "Processor time:",
                rounds_table(cpu, OURS, milliseconds),
                "Memory, at most:",
                rounds_table(memory, OURS, megabytes),
                "With a first status call and its response, time on the clock:",
                rounds_table(first, OURS, milliseconds),
            ]
        ),
        plots={
            "starting.svg": bars(
                "Import and first client, whole process, ms",
                [
                    Bar(name, wall.median(name), milliseconds(wall.median(name)), OURS if name == OURS else "other")
                    for name in clients
                ],
            )
        },
    )
    return [section, _weight(bench.environments.core, bench.environments.runpod)]


def _starts(bench: Bench, programs: Mapping[str, str]) -> dict[str, list[Start]]:
    installed = bench.environments
    environments = {
        BARE: installed.bare,
        HTTPX: installed.httpx,
        PARTS: installed.parts,
        OURS: installed.core,
        HELP: installed.cli,
        RUNPOD: installed.runpod,
    }
    for name, program in programs.items():
        environments[name].start(program)  # writes bytecode
    starts: dict[str, list[Start]] = {name: [] for name in programs}

    def measurement(name: str) -> Callable[[], float]:
        def start() -> float:
            starts[name].append(environments[name].start(programs[name]))
            return 0.0

        return start

    in_turn(bench.sizes.starts, {name: measurement(name) for name in programs})
    return starts


def _rounds(starts: Mapping[str, list[Start]], what: Callable[[Start], float]) -> Rounds:
    return Rounds({name: [what(start) for start in found] for name, found in starts.items()})


def _weight(core: Environment, peer: Environment) -> Section:
    return Section(
        title="Installation",
        rows=[
            Row(
                what="core install, dependencies in, over `runpod`'s",
                ours=f"{megabytes(core.size)}, {len(core.versions)} distributions",
                peer=f"runpod: {megabytes(peer.size)}, {len(peer.versions)} distributions",
                figure=core.size / peer.size,
                target=0.06,
            )
        ],
        text="All files but bytecode. Ours: "
        + ", ".join(f"{name} {version}" for name, version in sorted(core.versions.items()))
        + ".",
    )
