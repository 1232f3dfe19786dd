"""Budgets: never more than the limit in any window, never more at a time."""

import hypothesis.strategies as st
import pytest
from hypothesis import given
from runpod_queue_api import wire

from runpod_typed.local._limits import Budget, Limit, make_budgets


@given(
    st.integers(1, 5),
    st.none() | st.integers(1, 3),
    st.lists(st.tuples(st.floats(0, 4), st.booleans()), max_size=60),
)
def test_no_window_ever_holds_more_than_the_limit(
    requests: int, concurrent: int | None, steps: list[tuple[float, bool]]
) -> None:
    budget = Budget(Limit(requests, 10.0, concurrent))
    now, admitted = 0.0, list[float]()
    for pause, release in steps:
        now += pause
        if release and budget.open:
            budget.release()
        recent = [at for at in admitted if at > now - 10.0]
        full = len(recent) >= requests or (concurrent is not None and budget.open >= concurrent)
        assert budget.admit(now) is not full
        if not full:
            admitted.append(now)


def test_published_limits_are_those_of_the_specification() -> None:
    budgets = make_budgets("published")
    for operation, published in wire.OPERATION_LIMITS.items():
        assert budgets[operation].limit == Limit(published.requests, published.window_seconds, published.concurrent)
    assert budgets["get_status"] is budgets["stream"] is budgets["get_status_sync"]
    assert "get_health" not in budgets


def test_a_mapping_changes_single_limits_by_operation_or_budget() -> None:
    budgets = make_budgets({"run": Limit(1), "stream": Limit(2), "cancel": None})
    assert budgets["run"].limit == Limit(1)
    assert budgets["get_status"].limit == Limit(2)
    assert "cancel" not in budgets
    assert budgets["run_sync"].limit.requests == wire.OPERATION_LIMITS["run_sync"].requests
    assert make_budgets({"status": Limit(3)})["stream"].limit == Limit(3)


def test_unless_asked_for_there_are_no_limits() -> None:
    assert make_budgets(None) == {}


def test_a_limit_for_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="get_helth"):
        make_budgets({"get_helth": Limit(1)})
