"""Budgets: never more than the limit in any window, never more at a time."""

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from runpod_queue_api import wire

from runpod_typed.local._server.rate_limits import Limit, RateLimiter, make_limiters


@given(
    st.integers(1, 5),
    st.none() | st.integers(1, 3),
    st.lists(st.tuples(st.floats(0, 4), st.booleans()), max_size=60),
)
def test_no_window_holds_more_than_limit(
    requests: int, concurrent: int | None, steps: list[tuple[float, bool]]
) -> None:
    budget = RateLimiter(Limit(requests, 10.0, concurrent))
    now, admitted = 0.0, list[float]()
    for pause, release in steps:
        now += pause
        if release and budget.open:
            budget.release()
        recent = [at for at in admitted if at > now - 10.0]
        full = len(recent) >= requests or (concurrent is not None and budget.open >= concurrent)
        assert budget.acquire(now) is not full
        if not full:
            admitted.append(now)


def test_published_limits_match_specification() -> None:
    budgets = make_limiters("published")
    for operation, published in wire.OPERATION_LIMITS.items():
        assert budgets[operation].limit == Limit(published.requests, published.window_seconds, published.concurrent)
    assert budgets["get_status"] is budgets["stream"] is budgets["get_status_sync"]
    assert "get_health" not in budgets


def test_mapping_changes_limits_by_operation_or_group() -> None:
    budgets = make_limiters({"run": Limit(1), "stream": Limit(2), "cancel": None})
    assert budgets["run"].limit == Limit(1)
    assert budgets["get_status"].limit == Limit(2)
    assert "cancel" not in budgets
    assert budgets["run_sync"].limit.requests == wire.OPERATION_LIMITS["run_sync"].requests
    assert make_limiters({"status": Limit(3)})["stream"].limit == Limit(3)


def test_all_openai_requests_share_a_limit() -> None:
    budgets = make_limiters("published")
    assert budgets["openai"] is budgets["list_models"]
    assert make_limiters({"openai": None}).keys().isdisjoint({"openai", "list_models"})


def test_no_limits_by_default() -> None:
    assert make_limiters(None) == {}


@pytest.mark.parametrize("unknown", ["documented", ["run"], {"run": 5}])
def test_refuses_limits_of_another_type(unknown: Any) -> None:
    with pytest.raises(ValueError, match="limits must be None, 'published' or a dict of Limit by operation"):
        make_limiters(unknown)


def test_refuses_limit_for_unknown_operation() -> None:
    with pytest.raises(ValueError, match="get_helth"):
        make_limiters({"get_helth": Limit(1)})
