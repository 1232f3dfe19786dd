"""The number of connections that are made at once, by a clock that the test sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_typed._transport.dial_budget import REVIEW_SECONDS, DialBudget


def reviewed(budget: DialBudget, *, at: int, waiting: int, dialing: int = 0, handed_on: int = 0, made: int = 0) -> int:
    """Return the budget after the review of that number, and what happened before it."""
    for _ in range(handed_on):
        budget.note_handed_on()
    for _ in range(made):
        budget.note_made()
    budget.review(at * REVIEW_SECONDS, waiting, dialing)
    return budget.left


@pytest.fixture
def budget() -> DialBudget:
    budget = DialBudget()
    budget.begin(0.0, 0, 0)
    return budget


def test_the_first_requests_get_a_connection_each(budget: DialBudget) -> None:
    assert budget.left == 16


def test_a_pool_with_connections_makes_few_more_at_first() -> None:
    budget = DialBudget()
    budget.begin(0.0, 300, 0)
    assert budget.left == 4


def test_a_pool_with_few_connections_may_always_make_one(budget: DialBudget) -> None:
    budget.left = 0
    assert [budget.allows(connections) for connections in (0, 15, 16)] == [True, True, False]
    budget.left = 1
    assert budget.allows(300)


def test_requests_that_come_and_go_share_a_budget(budget: DialBudget) -> None:
    budget.left = 0
    budget.begin(REVIEW_SECONDS / 2, 16, 0)
    assert budget.left == 0
    budget.begin(REVIEW_SECONDS, 16, 0)
    assert budget.left == 4


def test_connections_that_come_back_soon_are_enough(budget: DialBudget) -> None:
    budget.note_reached()
    assert reviewed(budget, at=1, waiting=184, made=16) == 0
    assert reviewed(budget, at=2, waiting=160, handed_on=24) == 0


def test_held_responses_double_the_connections(budget: DialBudget) -> None:
    assert [reviewed(budget, at=at, waiting=900) for at in range(1, 5)] == [32, 64, 64, 64]


def test_new_connections_have_the_time_of_a_review_to_come_back(budget: DialBudget) -> None:
    budget.note_reached()
    assert reviewed(budget, at=1, waiting=184, made=16) == 0
    assert reviewed(budget, at=2, waiting=184) == 32


def test_a_server_that_is_far_gets_more_connections_soon(budget: DialBudget) -> None:
    assert reviewed(budget, at=1, waiting=184, dialing=16) == 16
    assert reviewed(budget, at=2, waiting=184, dialing=32) == 32


def test_a_busy_event_loop_makes_no_more_connections(budget: DialBudget) -> None:
    assert reviewed(budget, at=2, waiting=184, dialing=16) == 0


def test_connections_that_are_never_made_hold_up_others_briefly(budget: DialBudget) -> None:
    budget.note_reached()
    assert reviewed(budget, at=1, waiting=184, dialing=16) == 0
    assert reviewed(budget, at=40, waiting=184, dialing=16) == 16


def test_idle_connections_have_time_to_join_new_ones(budget: DialBudget) -> None:
    budget.begin(1.0, 300, 200)
    assert reviewed(budget, at=51, waiting=200, dialing=4) == 0
    budget.note_made()
    assert [reviewed(budget, at=at, waiting=196) for at in range(52, 56)] == [0, 0, 0, 32]


def test_more_connections_are_made_if_the_first_take_long(budget: DialBudget) -> None:
    budget.begin(1.0, 300, 200)
    later = [reviewed(budget, at=at, waiting=200, dialing=4) for at in range(51, 62)]
    assert later == [0] * 10 + [28]


def test_an_early_review_changes_nothing(budget: DialBudget) -> None:
    budget.review(REVIEW_SECONDS / 3, 184, 16)
    assert budget.left == 16
    assert reviewed(budget, at=1, waiting=184, dialing=16) == 16


@given(
    steps=st.lists(
        st.tuples(st.integers(1, 1000), st.integers(0, 64), st.integers(0, 100), st.integers(0, 64)), max_size=20
    )
)
def test_no_more_than_64_are_made_at_once(steps: list[tuple[int, int, int, int]]) -> None:
    budget = DialBudget()
    budget.begin(0.0, 0, 0)
    for at, (waiting, dialing, handed_on, made) in enumerate(steps, 1):
        left = reviewed(budget, at=at, waiting=waiting, dialing=dialing, handed_on=handed_on, made=made)
        assert 0 <= left <= 64 - dialing


@given(waiting=st.integers(1, 1000), idle=st.integers(0, 1000))
def test_a_wait_without_an_end_is_always_noticed(waiting: int, idle: int) -> None:
    budget = DialBudget()
    budget.begin(0.0, 1000, idle)
    assert any(reviewed(budget, at=at, waiting=waiting, dialing=1) for at in range(1, 13))
