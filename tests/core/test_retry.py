from __future__ import annotations

import math
import pickle
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from runpod_typed._core.config import CallConfig
from runpod_typed._core.schedule import PollSchedule
from runpod_typed._models.retry_policy import FailedAttempt, RetryPolicy
from runpod_typed.errors import ConfigurationError


async def decide(_: object) -> bool:
    return True


def test_durations_are_seconds_or_timedeltas() -> None:
    policy = RetryPolicy(
        budget=timedelta(minutes=1),
        initial_backoff=timedelta(milliseconds=500),
        max_backoff=2,
        max_retry_after=timedelta(hours=1),
    )
    assert (policy.budget, policy.initial_backoff, policy.max_backoff, policy.max_retry_after) == (60, 0.5, 2, 3600)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"attempts": 0}, "RetryPolicy.attempts"),
        ({"attempts": True}, "RetryPolicy.attempts"),
        ({"attempts": 2.0}, "RetryPolicy.attempts"),
        ({"budget": 0}, "RetryPolicy.budget"),
        ({"budget": -1}, "RetryPolicy.budget"),
        ({"budget": math.nan}, "RetryPolicy.budget"),
        ({"budget": "30"}, "RetryPolicy.budget"),
        ({"budget": None}, "RetryPolicy.budget"),
        ({"initial_backoff": timedelta(seconds=-1)}, "RetryPolicy.initial_backoff"),
        ({"initial_backoff": 9.0}, "RetryPolicy.max_backoff must not be below initial_backoff"),
        ({"max_backoff": math.inf}, "RetryPolicy.max_backoff"),
        ({"max_retry_after": -0.1}, "RetryPolicy.max_retry_after"),
        ({"resubmit": 1}, "RetryPolicy.resubmit"),
        ({"decide": True}, "RetryPolicy.decide"),
        ({"decide": decide}, "RetryPolicy.decide must be a plain function, not async"),
        ({"decide": partial(decide)}, "RetryPolicy.decide must be a plain function, not async"),
    ],
)
def test_an_invalid_option_is_refused_by_field_name(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError, match=field):
        RetryPolicy(**options)


def test_policies_compare_hash_and_pickle_by_value() -> None:
    policy = RetryPolicy(attempts=2)
    assert policy == RetryPolicy(attempts=2)
    assert hash(policy) == hash(RetryPolicy(attempts=2))
    assert pickle.loads(pickle.dumps(policy)) == policy


def test_decide_may_be_an_object_without_a_hash() -> None:
    @dataclass
    class Decide:
        def __call__(self, attempt: FailedAttempt) -> bool:
            return attempt.retryable

    policy = RetryPolicy(decide=Decide())
    assert PollSchedule.starting(CallConfig(retry=policy), 0.0, timeout=None).call_config.retry.attempts == 1


def test_disabled_makes_one_attempt_without_a_budget() -> None:
    policy = RetryPolicy.disabled()
    assert (policy.attempts, policy.budget) == (1, math.inf)
