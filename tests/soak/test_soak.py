"""The soak in small: what `nox -s faults` does with 20,000 jobs, with a few hundred."""

from __future__ import annotations

from tests.soak.__main__ import main


def test_a_short_soak_loses_and_doubles_nothing() -> None:
    assert main(["--jobs", "300", "--seed", "7", "--busy"]) == 0
