"""A soak: many jobs over real sockets, a tenth of all requests hit by a fault. Prints what came of them.

    python -m tests.soak [--jobs 20000] [--seed 1] [--rate 0.1]

It ends with 1 where a job was lost or doubled, a deadline was overrun, or an error came from outside the library's
tree.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.soak.tally import Tally, add

ROOT = Path(__file__).resolve().parent.parent.parent

# Everything but the death of workers, which takes the platform three quarters of a minute to notice: it has a round of
# its own.
REQUEST_FAULTS = [
    "latency",
    "reset_before",
    "reset_after",
    "rate_limited",
    "rate_limited_retry_after",
    "server_error",
    "edge_error",
    "html_body",
    "truncated_body",
    "dropped_stream",
    "duplicate_result",
    "clock_jump",
]
WORKER_FAULTS = ["worker_death", "duplicate_result"]


@frozen(kw_only=True)
class Round:
    """One round of a soak.

    Attributes:
        title: What it is about.
        jobs: How many jobs each client submits, by its name.
        kinds: The faults.
        rate: Which share of the requests, or of the jobs, they hit.
    """

    title: str
    jobs: Mapping[str, int]
    kinds: list[str]
    rate: float


CLIENTS: Mapping[str, Mapping[str, Any]] = {
    "sync, threads": {"runtime": "threads", "at_once": 12},
    "asyncio, aiohttp": {"runtime": "asyncio", "at_once": 24},
    "asyncio, httpcore": {"runtime": "asyncio", "at_once": 12, "environment": {"RUNPOD_TYPED_AIOHTTP": "0"}},
    "trio": {"runtime": "trio", "at_once": 12},
}


def python(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """A Python of this project's, with its pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def play(round_: Round, seed: int) -> tuple[Tally, dict[str, Any]]:
    """Play a round: what the clients counted, and what the server did."""
    options = {"seed": seed, "rate": round_.rate, "kinds": round_.kinds, "workers": 24}
    server = python("tests.soak.queues", json.dumps(options))
    clients: list[subprocess.Popen[str]] = []
    try:
        assert server.stdout is not None
        where = server.stdout.readline()
        for name, jobs in round_.jobs.items():
            client = CLIENTS[name]
            order = {
                "name": name,
                "jobs": jobs,
                "seed": f"{seed}/{name}",
                "runtime": client["runtime"],
                "at_once": client["at_once"],
            }
            clients.append(
                python("tests.soak.clients", where, json.dumps(order), environment=client.get("environment"))
            )
        tallies: list[dict[str, Any]] = []
        for client_process in clients:
            answer, _ = client_process.communicate()
            if client_process.returncode != 0:
                raise SystemExit(f"a client of the soak ended with {client_process.returncode}")
            tallies.append(json.loads(answer))
        answer, _ = server.communicate("report\n", timeout=60)
        return add(tallies), json.loads(answer)
    finally:
        for process in [*clients, server]:
            if process.poll() is None:
                process.kill()
                process.wait()


def table(rows: list[tuple[str, object]]) -> str:
    """Two columns."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value!s:>8}" for name, value in rows)


def report(round_: Round, tally: Tally, served: Mapping[str, Any], seconds: float) -> bool:
    """Print what came of a round; whether all is well."""
    injected: Counter[str] = Counter(served["injected"])
    print(f"\n{round_.title}: {seconds:.0f} s\n")
    print(table([(f"fault {kind}", count) for kind, count in sorted(injected.items())]))
    print(table([("faults in all", injected.total())]))
    print()
    bad = {
        "lost": tally.lost,
        "doubled without consent": len(served["doubled"]),
        "deadlines overrun": tally.overrun,
        "errors outside the tree": tally.outside,
    }
    rows: list[tuple[str, object]] = [
        ("jobs submitted", tally.submitted),
        ("accepted by the queue", served["accepted"]),
        ("delivered as they should", tally.delivered),
        *bad.items(),
        ("uncertain, and reported", tally.uncertain),
        ("streams with a gap, and reported", tally.interrupted),
        ("given up by the platform, and reported", tally.given_up),
        ("waits that went on after an error", tally.went_on),
        ("longest overrun, in ms", round(tally.worst_overrun * 1000)),
    ]
    print(table(rows))
    counted = tally.delivered + tally.uncertain + tally.interrupted + tally.given_up + tally.lost + tally.outside
    if counted != tally.submitted:
        print(f"\n  {tally.submitted} jobs were submitted, and {counted} are accounted for")
    for sample in tally.samples:
        print(f"  {sample}")
    return not any(bad.values()) and counted == tally.submitted


def main(argv: list[str] | None = None) -> int:
    """Play all rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20_000, help="how many jobs in all")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same orders and faults")
    parser.add_argument("--rate", type=float, default=0.1, help="which share of all requests is hit by a fault")
    options = parser.parse_args(argv)
    jobs: int = options.jobs
    shares = {"sync, threads": 0.4, "asyncio, aiohttp": 0.3, "asyncio, httpcore": 0.15, "trio": 0.15}
    rounds = [
        Round(
            title=f"Faults of requests, {options.rate:.0%} of all",
            jobs={name: round(jobs * 0.97 * share) for name, share in shares.items()},
            kinds=REQUEST_FAULTS,
            rate=options.rate,
        ),
        Round(
            title=f"Workers that die with {options.rate:.0%} of the jobs",
            jobs={"asyncio, aiohttp": round(jobs * 0.03) + 1},
            kinds=WORKER_FAULTS,
            rate=options.rate,
        ),
    ]
    well = True
    for round_ in rounds:
        began = time.monotonic()
        tally, served = play(round_, options.seed)
        well &= report(round_, tally, served, time.monotonic() - began)
    print("\nAll is well." if well else "\nNot all is well: see above.")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
