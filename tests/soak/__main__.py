"""A soak: many jobs over real sockets, a tenth of all requests hit by a fault. Prints the outcome.

    python -m tests.soak [--jobs 20000] [--seed 1] [--rate 0.1]

Each round has an outage of 5 s. It ends with 1 if a job was lost or doubled, a job ran although its submission was
reported as never queued, a deadline was overrun, or an error came from outside the library's tree.
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

from tests.soak.tally import Tally

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
    "not_yet_visible",
    "duplicate_result",
    "clock_jump",
]
WORKER_FAULTS = ["worker_death", "duplicate_result"]


@frozen(kw_only=True)
class Round:
    """One round of a soak.

    Attributes:
        title: What it is about.
        client: Which client submits the jobs.
        jobs: How many.
        kinds: The faults.
        rate: Which share of the requests, or of the jobs, they hit.
    """

    title: str
    client: str
    jobs: int
    kinds: list[str]
    rate: float


CLIENTS: Mapping[str, Mapping[str, Any]] = {
    "sync, threads": {"runtime": "threads", "at_once": 12},
    "asyncio, fast": {"runtime": "asyncio", "at_once": 24},
    "asyncio, httpcore": {"runtime": "asyncio", "at_once": 12, "environment": {"RUNPOD_TYPED_FAST": "0"}},
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


def play(round_: Round, seed: int, outage: float) -> tuple[Tally, dict[str, Any]]:
    """Play a round, and return the counts of the client and the report of the server."""
    options = {"seed": seed, "rate": round_.rate, "kinds": round_.kinds, "workers": 24}
    options |= {"jobs": round_.jobs, "outage": outage}
    how = CLIENTS[round_.client]
    order = {
        "name": round_.client,
        "jobs": round_.jobs,
        "seed": f"{seed}/{round_.client}",
        "runtime": how["runtime"],
        "at_once": how["at_once"],
    }
    server = python("tests.soak.queues", json.dumps(options))
    processes = [server]
    try:
        assert server.stdout is not None
        where = server.stdout.readline()
        client = python("tests.soak.clients", where, json.dumps(order), environment=how.get("environment"))
        processes.append(client)
        counted, _ = client.communicate()
        if client.returncode != 0:
            raise SystemExit(f"the client of the soak ended with {client.returncode}")
        tally = Tally(**json.loads(counted))
        served, _ = server.communicate(json.dumps(tally.never_queued) + "\n", timeout=120)
        return tally, json.loads(served)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def table(rows: list[tuple[str, object]]) -> str:
    """Two columns."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"  {name:<{width}}  {value!s:>8}" for name, value in rows)


BAD = {
    "lost": "lost",
    "doubled": "doubled without consent",
    "unreported": "ran though reported as never queued",
    "overrun": "deadlines overrun",
    "outside": "errors outside the tree",
}


def report(round_: Round, tally: Tally, served: Mapping[str, Any]) -> Counter[str]:
    """Return the outcome of a round, by the rows of the table."""
    total: Counter[str] = Counter({f"fault {kind}": count for kind, count in served["injected"].items()})
    total.update(
        {
            "faults in all": sum(served["injected"].values()),
            "jobs submitted": tally.submitted,
            "accepted by the queue": served["accepted"],
            "delivered as they should": tally.delivered,
            BAD["lost"]: tally.lost + abs(tally.submitted - tally.ended),
            BAD["doubled"]: len(served["doubled"]),
            BAD["unreported"]: len(served["ran_unreported"]),
            BAD["overrun"]: tally.overrun,
            BAD["outside"]: tally.outside,
            "uncertain, and reported": tally.uncertain,
            "streams with a gap, and reported": tally.interrupted,
            "given up by the platform, and reported": tally.given_up,
            "never queued, and reported": tally.refused,
            "submissions that were cancelled": tally.cut,
            "waits repeated after an error": tally.went_on,
            "late without a processor": tally.late,
        }
    )
    return total


def main(argv: list[str] | None = None) -> int:
    """Play all rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20_000, help="how many jobs in all")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same orders and faults")
    parser.add_argument("--rate", type=float, default=0.1, help="which share of all requests is hit by a fault")
    parser.add_argument("--outage", type=float, default=5.0, help="seconds of an outage in each round")
    options = parser.parse_args(argv)
    jobs: int = options.jobs
    shares = {"sync, threads": 0.4, "asyncio, fast": 0.3, "asyncio, httpcore": 0.15, "trio": 0.15}
    rounds = [
        *(
            Round(
                title=f"{name}: {options.rate:.0%} of the requests are hit",
                client=name,
                jobs=round(jobs * 0.97 * share),
                kinds=REQUEST_FAULTS,
                rate=options.rate,
            )
            for name, share in shares.items()
        ),
        Round(
            title=f"asyncio, fast: {options.rate:.0%} of the jobs lose their worker",
            client="asyncio, fast",
            jobs=round(jobs * 0.03) + 1,
            kinds=WORKER_FAULTS,
            rate=options.rate,
        ),
    ]
    total: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    worst = 0.0
    for round_ in rounds:
        began = time.monotonic()
        tally, served = play(round_, options.seed, options.outage)
        counts = report(round_, tally, served)
        print(f"{round_.title}; {round_.jobs} jobs in {time.monotonic() - began:.0f} s", flush=True)
        for sample in tally.samples:
            print(f"  {sample}")
        total.update(counts)
        worst = max(worst, tally.worst_overrun)
    rows: list[tuple[str, object]] = [(name, total[name]) for name in sorted(total) if name.startswith("fault ")]
    rows += [(name, total[name]) for name in counts if not name.startswith("fault ")]
    print(f"\n{table([*rows, ('longest overrun, in ms', round(worst * 1000))])}")
    well = not any(total[word] for word in BAD.values())
    print("\nAll is well." if well else "\nNot all is well: see above.")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
