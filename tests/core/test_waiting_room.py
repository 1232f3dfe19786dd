from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_typed import JobState, RateLimit
from runpod_typed._core.crowd import Crowd
from runpod_typed._core.responses import read_job
from runpod_typed._core.scheduler import WaitingRoom
from runpod_typed._models.poll_policy import RunTimes


def test_who_waits_is_counted_for_each_endpoint_while_they_wait() -> None:
    room = WaitingRoom()
    with room.seat("a"), room.seat("a"), room.seat("b"):
        assert (room.waiting("a"), room.waiting("b"), room.waiting("c")) == (2, 1, 0)
    assert (room.waiting("a"), room.waiting("b")) == (0, 0)


def test_who_leaves_with_an_error_has_left() -> None:
    room = WaitingRoom()

    def fail() -> None:
        with room.seat("a"):
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fail()
    assert room.waiting("a") == 0


def test_no_seat_is_lost_between_threads() -> None:
    room = WaitingRoom()

    def come_and_go(_: int) -> None:
        for _ in range(200):
            with room.seat("a"):
                assert room.waiting("a") >= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(come_and_go, range(8)))
    assert room.waiting("a") == 0


def test_an_endpoint_holds_answers_until_it_is_known_not_to() -> None:
    room = WaitingRoom()
    assert room.holds_answers("a")
    room.does_not_hold_answers("a")
    room.does_not_hold_answers("a")
    assert not room.holds_answers("a")
    assert room.holds_answers("b")


LIMIT = RateLimit(requests=100, window=10.0, concurrent=10)


@given(pauses=st.lists(st.floats(0, 1), min_size=1, max_size=300))
def test_turns_keep_all_together_below_the_rate_limit(pauses: list[float]) -> None:
    room, crowd = WaitingRoom(), Crowd(waiting=10_000, limit=LIMIT)
    now, looks = 0.0, list[float]()
    for pause in pauses:
        now += pause
        looks.append(now + room.turn("a", crowd, now))
    assert looks == sorted(looks)
    assert all(sum(1 for look in looks if start <= look < start + 9.99) <= 85 for start in looks)


def test_nobody_waits_longer_for_a_turn_than_all_who_are_there_take() -> None:
    room = WaitingRoom()
    for _ in range(1000):
        room.turn("a", Crowd(waiting=1000, limit=LIMIT), 0.0)
    assert room.turn("a", Crowd(waiting=17, limit=LIMIT), 0.0) == pytest.approx(2.0)
    assert room.turn("b", Crowd(waiting=9, limit=LIMIT), 0.0) == 0


def test_without_a_limit_it_is_always_ones_turn() -> None:
    room = WaitingRoom()
    assert {room.turn("a", Crowd(waiting=1000, limit=None), 5.0) for _ in range(1000)} == {0.0}


def ended(status: str, seconds: float | None) -> JobState[Any]:
    """A job that has ended, and ran for so long, where that is known."""
    ran = {} if seconds is None else {"executionTime": int(seconds * 1000)}
    return read_job({"id": "job-1", "status": status, **ran})


def test_the_run_times_of_an_endpoints_last_jobs_are_known() -> None:
    room = WaitingRoom()
    assert room.run_times("a") is None
    for seconds in (500.0, 3.0, *([5.0] * 6), 4.0):
        room.has_ended("a", ended("COMPLETED", seconds))
    assert room.run_times("a") == RunTimes(3.0, 5.0)
    assert room.run_times("b") is None


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED", "TIMED_OUT"])
def test_a_job_without_a_result_tells_nothing_of_how_long_the_next_runs(status: str) -> None:
    room = WaitingRoom()
    room.has_ended("a", ended(status, 3.0))
    room.has_ended("a", ended("COMPLETED", None))
    assert room.run_times("a") is None
