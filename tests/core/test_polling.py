from __future__ import annotations

import math
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from runpod_typed import PollPolicy
from runpod_typed._models.poll_policy import Age, RunTimes, poll_interval
from runpod_typed.errors import ConfigurationError


@st.composite
def policies(draw: st.DrawFn) -> PollPolicy:
    shortest = draw(st.floats(0.001, 60))
    longest = draw(st.floats(shortest, 3600))
    return PollPolicy(min_interval=shortest, max_interval=longest, jitter=draw(st.floats(0, 1)))


def at(seconds: float) -> Age:
    return Age(seconds, seconds)


def looks_at(run_time: float, policy: PollPolicy, random: Random, usual: RunTimes | None = None) -> list[float]:
    """When a job is looked at that runs at once, the look that finds it done included."""
    looks = [poll_interval(policy, at(0.0), random, usual=usual)]
    while looks[-1] < run_time:
        looks.append(looks[-1] + poll_interval(policy, at(looks[-1]), random, usual=usual))
    return looks


@st.composite
def ages(draw: st.DrawFn) -> Age:
    least = draw(st.floats(0, 1e6))
    return Age(least, least + draw(st.floats(0, 1e6)))


@st.composite
def run_times(draw: st.DrawFn) -> RunTimes:
    shortest = draw(st.floats(0, 1e5))
    return RunTimes(shortest, shortest + draw(st.floats(0, 1e5)))


@given(policy=policies(), age=ages(), usual=st.none() | run_times(), random=st.randoms(use_true_random=False))
def test_an_interval_lies_between_the_bounds_give_or_take_the_jitter(
    policy: PollPolicy, age: Age, usual: RunTimes | None, random: Random
) -> None:
    interval = poll_interval(policy, age, random, usual=usual)
    assert policy.min_interval * (1 - policy.jitter) <= interval * (1 + 1e-9)
    assert interval <= policy.max_interval * (1 + policy.jitter) * (1 + 1e-9)


@given(policy=policies(), earlier=st.floats(0, 1e6), later=st.floats(0, 1e6))
def test_without_jitter_intervals_grow_with_the_run(policy: PollPolicy, earlier: float, later: float) -> None:
    steady = evolve(policy, jitter=0)
    earlier, later = sorted((earlier, later))
    assert poll_interval(steady, at(earlier), Random(1)) <= poll_interval(steady, at(later), Random(2))


def test_the_end_of_a_minute_is_seen_after_11_looks() -> None:
    looks = looks_at(60.0, PollPolicy(jitter=0), Random(1))
    assert looks[0] == 0.05
    assert len(looks) == 11


@given(run_time=st.floats(58, 3600))
def test_half_of_the_long_jobs_are_seen_a_tenth_of_their_run_time_late_or_less(run_time: float) -> None:
    before, seen = looks_at(run_time, PollPolicy(jitter=0), Random(1))[-2:]
    # Of those that end at some moment between two looks, half are late by half the interval or less.
    assert (seen - before) / 2 <= 0.1 * (seen + before) / 2


@given(
    shortest=st.floats(0.01, 600),
    spread=st.floats(1, 10),
    place=st.floats(0, 1),
    random=st.randoms(use_true_random=False),
)
def test_a_job_that_runs_as_long_as_others_did_is_seen_soon_after_its_end(
    shortest: float, spread: float, place: float, random: Random
) -> None:
    usual = RunTimes(shortest, shortest * spread)
    run_time = shortest + place * (usual.longest - shortest)
    looks = looks_at(run_time, PollPolicy(), random, usual)
    # At worst; half of them half as late.
    assert looks[-1] - run_time <= max(0.15 * run_time, 0.05) * 1.1 * (1 + 1e-9)


@given(run_time=st.floats(0.01, 60), random=st.randoms(use_true_random=False))
def test_a_dozen_requests_are_enough_for_a_job_that_runs_as_long_as_others_did(run_time: float, random: Random) -> None:
    looks = looks_at(run_time, PollPolicy(), random, RunTimes(run_time / 1.1, run_time * 1.1))
    assert 1 + len(looks) <= 12


@given(run_time=st.floats(0, 600), usual=run_times(), random=st.randoms(use_true_random=False))
def test_knowing_other_run_times_makes_nobody_much_later(run_time: float, usual: RunTimes, random: Random) -> None:
    looks = looks_at(run_time, PollPolicy(), random, usual)
    before = looks[-2] if len(looks) > 1 else 0.0
    longest = max(0.05, min(15.0, 2 * 2.3 * before**0.4))
    assert looks[-1] - run_time <= longest * 1.1 * (1 + 1e-9)


def test_a_start_that_was_seen_late_leaves_the_end_expected_for_as_much_longer() -> None:
    # Queued when last seen 10 s ago, running when seen 1 s ago: of 5 s, it may have run 1 or 10.
    policy = PollPolicy(jitter=0)
    assert poll_interval(policy, Age(1.0, 10.0), Random(1), usual=RunTimes(5.0, 5.0)) == 0.75
    assert poll_interval(policy, Age(6.0, 15.0), Random(1), usual=RunTimes(5.0, 5.0)) == pytest.approx(0.9)
    assert poll_interval(policy, Age(6.5, 15.5), Random(1), usual=RunTimes(5.0, 5.0)) > 6


def test_run_times_are_known_by_their_bounds() -> None:
    assert RunTimes.of([]) is None
    assert RunTimes.of([3.0, 1.0, 2.0]) == RunTimes(1.0, 3.0)


def test_waiters_of_the_same_moment_do_not_look_at_the_same_moment() -> None:
    policy, random = PollPolicy(), Random(7)
    assert len({poll_interval(policy, at(10.0), random) for _ in range(100)}) == 100


def test_intervals_may_be_timedeltas() -> None:
    policy = PollPolicy(min_interval=timedelta(seconds=2), max_interval=timedelta(minutes=1), jitter=0)
    assert [poll_interval(policy, at(seconds), Random(1)) for seconds in (0, 1e6)] == [2.0, 60.0]


@pytest.mark.parametrize(
    "options",
    [
        {"min_interval": 0},
        {"min_interval": -1},
        {"min_interval": math.nan},
        {"min_interval": True},
        {"min_interval": 16},
        {"max_interval": 0.04},
        {"max_interval": math.inf},
        {"max_interval": "15"},
        {"jitter": -0.1},
        {"jitter": 1.1},
        {"jitter": math.nan},
        {"jitter": "0.1"},
        {"jitter": True},
        {"long_poll": "no"},
        {"long_poll": None},
    ],
)
def test_intervals_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="PollPolicy"):
        PollPolicy(**options)
