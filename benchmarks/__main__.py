"""Measure everything, print the table, and write RESULTS.md with its plots and profiles.

    python -m benchmarks [--smoke] [--only NAME ...] [--keep] --folder FOLDER

FOLDER is where the contenders are installed. `--smoke` is short, writes nothing, and asserts no time: it fails if a
row has no number. `--only` measures some modules of rows/ (their names), and writes nothing either.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.certificates import Certificates
from benchmarks.environments import ROOT, Environments
from benchmarks.figures import Section
from benchmarks.report import Report
from benchmarks.rows import calls, crowds, decoding, generating, jobs_at_once, maps, starting, waiting
from benchmarks.rows.bench import Bench
from benchmarks.sizes import FULL, SMOKE

MEASUREMENTS: Final[Mapping[str, Callable[[Bench], Sequence[Section]]]] = {
    "starting": starting.measure,
    "calls": calls.measure,
    "jobs_at_once": jobs_at_once.measure,
    "waiting": waiting.measure,
    "crowds": crowds.measure,
    "maps": maps.measure,
    "decoding": decoding.measure,
    "generating": generating.measure,
}


def main(arguments: Sequence[str]) -> int:
    """Measure; return 0 if each row has a number."""
    parser = argparse.ArgumentParser(prog="nox -s bench --", description="Measure this library beside others.")
    parser.add_argument("--smoke", action="store_true", help="a short run that writes nothing, for CI")
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, help="one module of rows/; may be repeated")
    parser.add_argument("--keep", action="store_true", help="keep the other installations")
    parser.add_argument("--folder", type=Path, required=True, help="where the contenders are installed")
    options = parser.parse_args(arguments)

    print("installing the contenders", flush=True)
    folder = options.folder.resolve()
    bench = Bench(
        SMOKE if options.smoke else FULL,
        Environments.install(folder, keep=options.keep),
        Certificates.make(folder / "certificates"),
    )
    sections: list[Section] = []
    for name in options.only or MEASUREMENTS:
        began = time.monotonic()
        sections += MEASUREMENTS[name](bench)
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    report = Report(sections, bench.environments)
    print(f"\n{report.table()}\n")
    markdown = report.markdown()
    if options.only:
        print(markdown)
    elif not options.smoke:
        report.write(ROOT / "benchmarks")
    empty = [row.what for row in report.rows if not math.isfinite(row.figure)]
    if empty:
        print(f"without a number: {', '.join(empty)}")
    return 1 if empty else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
