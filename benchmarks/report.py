"""RESULTS.md, and the plots and profiles beside it."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from attrs import field, frozen

from benchmarks.charts import Bar, bars
from benchmarks.environments import Environments
from benchmarks.figures import Row, Section, table

HEAD: Final = ["what", "ours", "the peer", "ratio or figure", "target, at most", ""]

# The texts stand in benchmarks/ and, as a page, in docs/: this way leads from either to the same place.
WAY: Final = "../benchmarks"

INTRODUCTION: Final = (
    "Written by `nox -s bench`. A ratio is ours over the peer's: the median of the rounds' ratios, below 1 where ours "
    "needs less. The file README.md beside the programs says more."
)


@frozen
class Report:
    """The results of a run."""

    sections: Sequence[Section]
    environments: Environments = field(repr=False)

    @property
    def rows(self) -> list[Row]:
        """All lines of the table."""
        return [row for section in self.sections for row in section.rows]

    def table(self) -> str:
        """Return ours beside the peers, and the targets."""
        return table(HEAD, [row.cells for row in self.rows])

    def markdown(self) -> str:
        """The whole text."""
        aimed = [row for row in self.rows if row.target is not None]
        met = sum(row.met for row in aimed)
        return "\n\n".join(
            [
                "# Results",
                INTRODUCTION,
                f"{met} of {len(aimed)} targets are met.",
                self.table(),
                f"![Each figure over its target]({WAY}/plots/targets.svg)",
                "## Machine and versions",
                self._machine(),
                *(self._section(section) for section in self.sections),
                "",
            ]
        )

    def write(self, folder: Path) -> None:
        """Write everything into a folder."""
        for name in ("plots", "profiles"):
            (folder / name).mkdir(parents=True, exist_ok=True)
            for old in (folder / name).iterdir():
                old.unlink()
        (folder / "RESULTS.md").write_text(self.markdown(), encoding="utf-8")
        (folder / "plots" / "targets.svg").write_text(self._overview(), encoding="utf-8")
        for section in self.sections:
            for name, plot in section.plots.items():
                (folder / "plots" / name).write_text(plot, encoding="utf-8")
            for name, profile in section.profiles.items():
                (folder / "profiles" / name).write_text(profile + "\n", encoding="utf-8")

    def _overview(self) -> str:
        content = [
            Bar(
                row.what.replace("`", ""),
                row.figure / row.target,
                f"{row.figure / row.target:.2f}",
                "ours" if row.met else "missed",
            )
            for row in self.rows
            if row.target
        ]
        return bars("Each figure over its target (the line): shorter is better", content, mark=1.0)

    def _machine(self) -> str:
        installed = self.environments
        versions = {
            "runpod_typed": installed.ours.versions["runpod-typed"],
            **{name: installed.ours.versions[name] for name in ("httpcore", "httptools", "msgspec", "attrs", "anyio")},
            "httpx": installed.httpx.versions["httpx"],
            "aiohttp": installed.aiohttp.versions["aiohttp"],
            "pyreqwest": installed.pyreqwest.versions["pyreqwest"],
            "runpod": installed.runpod.versions["runpod"],
            "requests": installed.runpod.versions["requests"],
        }
        load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
        return "\n".join(
            [
                f"- {datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.release()}, {platform.machine()}",
                f"- {os.cpu_count()} processors; load averages at the end {load}",
                f"- {platform.python_implementation()} {platform.python_version()}",
                "- " + ", ".join(f"{name} {version}" for name, version in versions.items()),
            ]
        )

    @staticmethod
    def _section(section: Section) -> str:
        return "\n\n".join(
            [
                f"## {section.title}",
                *([section.text] if section.text else []),
                *(f"![{name.removesuffix('.svg')}]({WAY}/plots/{name})" for name in section.plots),
                *(f"Where the time goes: [{name}]({WAY}/profiles/{name})" for name in section.profiles),
            ]
        )
