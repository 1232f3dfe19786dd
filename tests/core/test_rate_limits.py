from __future__ import annotations

import math
import pickle
from datetime import timedelta
from typing import Any

import pytest
from runpod_queue_api.wire import OPERATION_LIMITS

from runpod_typed._models.rate_limits import RateLimit, RateLimits, limit_for
from runpod_typed.errors import ConfigurationError


@pytest.mark.parametrize("operation", OPERATION_LIMITS)
def test_published_limits_hold_with_some_concurrency_left_free(operation: str) -> None:
    published = OPERATION_LIMITS[operation]
    found = limit_for(RateLimits(), operation)
    assert found is not None
    budget, limit = found
    assert budget == published.budget
    assert (limit.requests, limit.window) == (published.requests, published.window_seconds)
    if published.concurrent is None:
        assert limit.concurrent is None
    else:
        assert limit.concurrent is not None
        assert 1 <= limit.concurrent < published.concurrent
        assert limit.concurrent >= published.concurrent // 2


def test_status_waiting_and_streaming_share_a_budget() -> None:
    limits = RateLimits()
    assert limit_for(limits, "get_status") == limit_for(limits, "get_status_sync") == limit_for(limits, "stream")


def test_an_operation_without_a_published_limit_has_none() -> None:
    assert limit_for(RateLimits(), "get_health") is None


def test_disabled_limits_limit_no_operation() -> None:
    assert all(limit_for(RateLimits.disabled(), operation) is None for operation in OPERATION_LIMITS)


def test_an_override_is_used_unchanged() -> None:
    own = RateLimit(requests=100, window=timedelta(seconds=5), concurrent=10)
    limits = RateLimits(overrides={"run": own, "status": None})
    assert limit_for(limits, "run") == ("run", own)
    assert own.window == 5
    assert limit_for(limits, "stream") is None
    assert limit_for(limits, "cancel") == limit_for(RateLimits(), "cancel")


def test_overrides_are_copied() -> None:
    overrides: dict[str, RateLimit | None] = {}
    limits = RateLimits(overrides=overrides)
    overrides["run"] = None
    assert limit_for(limits, "run") is not None


def test_an_unknown_budget_is_refused_with_the_known_names() -> None:
    with pytest.raises(
        ConfigurationError, match=r"there is no limit 'runs'.*cancel, openai, purge_queue, requests, run, run_sync"
    ):
        RateLimits(overrides={"runs": None})


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"requests": 0}, "RateLimit.requests"),
        ({"requests": 1.5}, "RateLimit.requests"),
        ({"requests": True}, "RateLimit.requests"),
        ({"requests": None}, "RateLimit.requests"),
        ({"requests": 1, "window": 0}, "RateLimit.window"),
        ({"requests": 1, "window": math.inf}, "RateLimit.window"),
        ({"requests": 1, "window": "10"}, "RateLimit.window"),
        ({"requests": 1, "concurrent": 0}, "RateLimit.concurrent"),
    ],
)
def test_an_invalid_limit_is_refused_by_field_name(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError, match=field):
        RateLimit(**options)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"overrides": {"run": 100}}, "RateLimits.overrides: 'run'"),
        ({"overrides": None}, "RateLimits.overrides must be a dict"),
        ({"overrides": ["run"]}, "RateLimits.overrides must be a dict"),
        ({"enabled": "no"}, "RateLimits.enabled"),
    ],
)
def test_invalid_options_are_refused_by_field_name(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError, match=field):
        RateLimits(**options)


def test_limits_compare_hash_and_pickle_by_value() -> None:
    limits = RateLimits(overrides={"run": RateLimit(requests=5)})
    assert limits == RateLimits(overrides={"run": RateLimit(requests=5)})
    assert limits != RateLimits()
    assert len({limits, limits}) == 1
    assert pickle.loads(pickle.dumps(limits)) == limits
