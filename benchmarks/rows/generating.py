"""The time of `nox -s generate`, once its dependencies are installed."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks.environments import ROOT
from benchmarks.figures import Row, Section, in_seconds
from benchmarks.rows.bench import Bench


def measure(bench: Bench) -> list[Section]:
    """Run what the session runs; `--check` does all of it, and compares where the session writes."""
    seconds: list[float] = []
    for _ in range(bench.sizes.generations):
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "scripts/generate.py", "--check"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
        )
        seconds.append(time.monotonic() - began)
    figure = statistics.median(seconds)
    return [
        Section(
            title="Generating",
            rows=[
                Row(
                    what="`nox -s generate`, once installed",
                    ours=in_seconds(figure),
                    peer="",
                    figure=figure,
                    target=10,
                    show=in_seconds,
                )
            ],
            text="`python scripts/generate.py --check`, whole process: specification checked, models made and "
            "formatted, sync API made, all compared with what is committed.",
        )
    ]
