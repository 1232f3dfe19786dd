from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_typed import RateLimit
from runpod_typed._core.crowd import Crowd

STATUS = RateLimit(requests=2000, window=10.0, concurrent=400)


@pytest.mark.parametrize("limit", [None, RateLimit(requests=5)])
def test_where_no_limit_holds_everybody_may_have_an_answer_held(limit: RateLimit | None) -> None:
    crowd = Crowd(waiting=100_000, limit=limit, asking=100_000)
    assert crowd.held_share == 1
    assert crowd.has_place


def test_three_quarters_of_the_answers_that_may_be_open_are_for_waits() -> None:
    assert Crowd(waiting=300, limit=STATUS).held_share == 1
    assert Crowd(waiting=301, limit=STATUS).held_share < 1
    assert Crowd(waiting=3000, limit=STATUS).held_share == 0.1


def test_chance_may_make_it_nine_tenths() -> None:
    assert Crowd(waiting=3000, limit=STATUS, asking=359).has_place
    assert not Crowd(waiting=3000, limit=STATUS, asking=360).has_place


def test_one_who_waits_always_fits() -> None:
    alone = Crowd(waiting=1, limit=RateLimit(requests=1, concurrent=1))
    assert alone.held_share == 1
    assert alone.has_place


def test_without_a_limit_nobody_is_slowed_down() -> None:
    assert Crowd(waiting=100_000, limit=None).interval == 0.0


@given(
    waiting=st.integers(0, 100_000),
    requests=st.integers(1, 5000),
    window=st.floats(0.1, 3600),
)
def test_all_together_stay_below_the_rate_limit(waiting: int, requests: int, window: float) -> None:
    crowd = Crowd(waiting=waiting, limit=RateLimit(requests=requests, window=window))
    assert window / crowd.spacing <= requests * 0.85 * (1 + 1e-9)
    assert crowd.interval == waiting * crowd.spacing
