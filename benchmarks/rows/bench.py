"""The parts that all measurements share."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from attrs import evolve, field, frozen

from benchmarks.certificates import Certificates
from benchmarks.charts import Bar, bars
from benchmarks.environments import Environments
from benchmarks.figures import Rounds, Section, in_turn, microseconds
from benchmarks.processes import Probe, Server
from benchmarks.sizes import Sizes

OURS = "ours"
RUNPOD = "runpod"
HTTPX = "httpx"
AIOHTTP = "aiohttp"
ROUND_TRIP = 0.03
"""Seconds that a request and its response take on the slow link."""


class Way(Enum):
    """A way to the server; the value ends names and titles."""

    PLAIN = ""
    TLS = ", TLS"
    LINK = f", TLS over a link of {ROUND_TRIP * 1000:g} ms"

    @property
    def prefix(self) -> str:
        """The beginning of the names of files."""
        return "" if self is Way.PLAIN else f"{self.name.lower()}-"


@frozen
class Bench:
    """One run of all measurements.

    Attributes:
        sizes: How much is measured.
        environments: The installations of the contenders.
        certificates: The certificate of the server over TLS.
        dice: The source of random numbers; the same in each run.
    """

    sizes: Sizes
    environments: Environments = field(repr=False)
    certificates: Certificates = field(repr=False)
    dice: random.Random = field(factory=lambda: random.Random(7))

    def probe(self, half: str, name: str, server: Server | None = None) -> Probe:
        """Start a contender's process."""
        return Probe(half, name, self.environments.of(name), self.environments.profiler, server)

    def server(self, way: Way) -> Server:
        """Start a server that is reached in one of three ways."""
        if way is Way.PLAIN:
            return Server()
        return Server(tls=self.certificates, round_trip=ROUND_TRIP if way is Way.LINK else 0.0)


def cpu(
    rounds: int,
    probes: Mapping[str, Probe],
    things: int,
    *,
    renew: bool = False,
    before_round: Callable[[], None] | None = None,
    **task: Any,
) -> Rounds:
    """Measure processor time.

    Args:
        rounds: The number of rounds, after one task of each that does not count.
        probes: The contenders.
        things: The number of things that a task does; the figures are seconds for each.
        renew: True if each task begins with a new client.
        before_round: Called before each round.
        task: The task.
    """

    def measurement(probe: Probe) -> Callable[[], float]:
        probe.do(**task)

        def measured() -> float:
            if renew:
                probe.do(do="renew")
            sample = probe.do(**task)
            if sample.failures:
                raise RuntimeError(f"{probe.name}: {sample.failures}")
            return sample.cpu / things

        return measured

    measurements = {name: measurement(probe) for name, probe in probes.items()}
    return in_turn(rounds, measurements, before_round=before_round)


def chart(title: str, figures: Mapping[str, Rounds]) -> str:
    """Draw the medians of all contenders, one thing after the other, in microseconds."""
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
    """Return the section, with a profile of ours if it misses a target."""
    if section.met:
        return section
    return evolve(section, profiles={**section.profiles, file: probe.do(**task, profile=True).profile})
