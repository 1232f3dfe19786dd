"""What all measurements share."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

from benchmarks.charts import Bar, bars
from benchmarks.environments import Environments
from benchmarks.figures import Rounds, Section, microseconds
from benchmarks.processes import Probe, Server
from benchmarks.sizes import Sizes

OURS = "ours"
RUNPOD = "runpod"
HTTPX = "httpx"


@frozen
class Bench:
    """One run of all measurements.

    Attributes:
        sizes: How much is measured.
        environments: What each contender has installed.
        dice: Where chance comes from; the same in each run.
    """

    sizes: Sizes
    environments: Environments = field(repr=False)
    dice: random.Random = field(factory=lambda: random.Random(7))

    def probe(self, half: str, name: str, server: Server | None = None) -> Probe:
        """A contender's process."""
        return Probe(half, name, self.environments.of(name), self.environments.profiler, server)


def chart(title: str, figures: Mapping[str, Rounds]) -> str:
    """The medians of all contenders, one thing after the other, in microseconds."""
    return bars(
        title,
        [
            Bar(
                f"{what}: {name}",
                rounds.median(name),
                microseconds(rounds.median(name)),
                OURS if name.startswith(OURS) else "other",
            )
            for what, rounds in figures.items()
            for name in rounds.figures
        ],
    )


def with_profile(section: Section, probe: Probe, file: str, **task: Any) -> Section:
    """The section, with a profile of ours where it misses a target."""
    if section.met:
        return section
    return evolve(section, profiles={**section.profiles, file: probe.do(**task, profile=True).profile})
