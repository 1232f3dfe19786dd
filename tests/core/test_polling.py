from __future__ import annotations

import math
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_typed import PollPolicy
from runpod_typed.errors import ConfigurationError


@st.composite
def policies(draw: st.DrawFn) -> PollPolicy:
    shortest = draw(st.floats(0.001, 60))
    longest = draw(st.floats(shortest, 3600))
    return PollPolicy(min_interval=shortest, max_interval=longest, jitter=draw(st.floats(0, 1)))


@given(policy=policies(), elapsed=st.floats(0, 1e9), random=st.randoms(use_true_random=False))
def test_an_interval_lies_between_the_bounds_give_or_take_the_jitter(
    policy: PollPolicy, elapsed: float, random: Random
) -> None:
    interval = policy.interval(elapsed, random)
    assert policy.min_interval * (1 - policy.jitter) <= interval * (1 + 1e-9)
    assert interval <= policy.max_interval * (1 + policy.jitter) * (1 + 1e-9)


@given(policy=policies(), earlier=st.floats(0, 1e6), later=st.floats(0, 1e6))
def test_without_jitter_intervals_grow_with_the_wait(policy: PollPolicy, earlier: float, later: float) -> None:
    steady = PollPolicy(min_interval=policy.min_interval, max_interval=policy.max_interval, jitter=0)
    earlier, later = sorted((earlier, later))
    assert steady.interval(earlier, Random(1)) <= steady.interval(later, Random(2))


def test_the_first_look_comes_soon_and_a_minute_takes_a_dozen() -> None:
    policy = PollPolicy(jitter=0)
    moments = [0.0]
    while moments[-1] < 60:
        moments.append(moments[-1] + policy.interval(moments[-1], Random(1)))
    assert moments[1] == 0.25
    assert 12 <= len([moment for moment in moments if 0 < moment < 60]) <= 14


def test_waiters_of_the_same_moment_do_not_look_at_the_same_moment() -> None:
    policy, random = PollPolicy(), Random(7)
    assert len({policy.interval(10.0, random) for _ in range(100)}) == 100


def test_intervals_may_be_timedeltas() -> None:
    policy = PollPolicy(min_interval=timedelta(seconds=2), max_interval=timedelta(minutes=1), jitter=0)
    assert (policy.interval(0, Random(1)), policy.interval(1e6, Random(1))) == (2.0, 60.0)


@pytest.mark.parametrize(
    "options",
    [
        {"min_interval": 0},
        {"min_interval": -1},
        {"min_interval": math.nan},
        {"min_interval": True},
        {"min_interval": 16},
        {"max_interval": 0.1},
        {"max_interval": math.inf},
        {"max_interval": "15"},
        {"jitter": -0.1},
        {"jitter": 1.1},
        {"jitter": math.nan},
    ],
)
def test_intervals_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="PollPolicy"):
        PollPolicy(**options)
