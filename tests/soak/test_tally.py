from __future__ import annotations

import pytest

from tests.soak.tally import Tally, runs_in


@pytest.mark.parametrize(
    ("numbers", "runs"), [([0], [[0]]), ([0, 1], [[0, 1]]), ([0, 0, 1], [[0], [0, 1]]), ([0, 2, 1], [[0, 2], [1]])]
)
def test_a_run_begins_at_a_number_that_does_not_follow(numbers: list[int], runs: list[list[int]]) -> None:
    assert runs_in(numbers) == runs


@pytest.mark.parametrize(
    ("timeout", "lasted", "waited", "overrun", "late"),
    [(0.1, 0.3, 0.0, 0, 0), (0.1, 0.5, 0.0, 1, 0), (0.1, 0.5, 0.2, 0, 1), (0.1, 0.9, 0.2, 1, 0), (60, 61, 9, 1, 0)],
)
def test_excuses_no_more_lateness_than_the_machine_caused(
    timeout: float, lasted: float, waited: float, overrun: int, late: int
) -> None:
    tally = Tally()
    tally.count_lateness(timeout, lasted, waited)
    assert (tally.overrun, tally.late) == (overrun, late)


def test_a_stream_without_chunks_is_one_empty_run() -> None:
    assert runs_in([]) == [[]]
