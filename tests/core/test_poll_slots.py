from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_typed import RateLimit
from runpod_typed._core.poll_slots import FREE_SLOT, PollScheduler, has_room, long_poll_share, spacing
from runpod_typed._core.rate_limiter import RateLimitUsage

STATUS = RateLimit(requests=2000, window=10.0, concurrent=400)
SMALL = RateLimitUsage(RateLimit(requests=100, window=10.0, concurrent=10), open=0)


# Registration


def test_counts_waiters_by_endpoint() -> None:
    scheduler = PollScheduler()
    with scheduler.register("a"), scheduler.register("a"), scheduler.register("b"):
        assert [scheduler.waiters(name) for name in "abc"] == [2, 1, 0]
    assert [scheduler.waiters(name) for name in "abc"] == [0, 0, 0]


def test_counts_no_waiter_that_left_with_an_error() -> None:
    scheduler = PollScheduler()
    with pytest.raises(ValueError, match=r"^$"), scheduler.register("a"):
        raise ValueError
    assert scheduler.waiters("a") == 0


def test_counts_no_waiter_whose_exit_was_interrupted() -> None:
    scheduler = PollScheduler()
    registration = scheduler.register("a")
    registration.__enter__()
    assert scheduler.waiters("a") == 1
    del registration
    assert scheduler.waiters("a") == 0


def test_loses_no_waiter_between_threads() -> None:
    scheduler = PollScheduler()

    def register(_: int) -> None:
        for _ in range(200):
            with scheduler.register("a"):
                assert scheduler.waiters("a") >= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(register, range(8)))
    assert scheduler.waiters("a") == 0


# Shares of a limit


@pytest.mark.parametrize("limit", [None, RateLimit(requests=5)])
def test_all_long_poll_without_a_cap_on_open_requests(limit: RateLimit | None) -> None:
    assert long_poll_share(100_000, limit) == 1
    assert has_room(None if limit is None else RateLimitUsage(limit, open=100_000))


@pytest.mark.parametrize(("waiters", "share"), [(0, 1), (1, 1), (300, 1), (3000, 0.1)])
def test_long_polls_take_three_quarters_of_open_requests(waiters: int, share: float) -> None:
    assert long_poll_share(waiters, STATUS) == share


def test_no_long_poll_starts_at_nine_tenths_of_open_requests() -> None:
    assert has_room(RateLimitUsage(STATUS, open=359))
    assert not has_room(RateLimitUsage(STATUS, open=360))


def test_one_waiter_always_has_room() -> None:
    limit = RateLimit(requests=1, concurrent=1)
    assert long_poll_share(1, limit) == 1
    assert has_room(RateLimitUsage(limit, open=0))


@given(requests=st.integers(1, 5000), window=st.floats(0.1, 3600))
def test_spacing_leaves_a_part_of_the_limit_to_other_calls(requests: int, window: float) -> None:
    assert window / spacing(RateLimit(requests=requests, window=window)) <= requests * 0.85 * (1 + 1e-9)


def test_no_limit_needs_no_spacing() -> None:
    assert spacing(None) == 0


# Slots


def test_no_limit_gives_free_slots() -> None:
    scheduler = PollScheduler()
    with scheduler.register("a"):
        assert {scheduler.slot("a", None, 5.0) for _ in range(1000)} == {FREE_SLOT}


@given(pauses=st.lists(st.floats(0, 1), min_size=1, max_size=300))
def test_slots_keep_all_polls_within_the_limit(pauses: list[float]) -> None:
    scheduler = PollScheduler()
    waiters = [scheduler.register("a") for _ in range(500)]
    now, polls = 0.0, list[float]()
    for pause in pauses:
        now += pause
        polls.append(now + scheduler.slot("a", SMALL, now).delay)
    assert polls == sorted(polls)
    assert all(sum(1 for poll in polls if start <= poll < start + 9.99) <= 85 for start in polls)
    del waiters


def test_no_slot_is_further_away_than_one_round() -> None:
    scheduler = PollScheduler()
    crowd = [scheduler.register("a") for _ in range(1000)]
    for _ in range(1000):
        scheduler.slot("a", SMALL, 0.0)
    del crowd[17:]
    assert scheduler.slot("a", SMALL, 0.0).delay == pytest.approx(2.0)
    assert scheduler.slot("b", SMALL, 0.0).delay == 0


def test_long_polls_of_many_waiters_last_their_share_of_a_round() -> None:
    scheduler, usage = PollScheduler(), RateLimitUsage(STATUS, open=0)
    crowd = [scheduler.register("a") for _ in range(300)]
    assert scheduler.slot("a", usage, 0.0).longest == math.inf
    crowd += [scheduler.register("a") for _ in range(700)]
    assert scheduler.slot("a", usage, 0.0).longest == pytest.approx(0.3 * 1000 * spacing(STATUS))


# Support of long polling


def refuse(scheduler: PollScheduler, *jobs: str, status: int = 404, now: float = 0.0) -> None:
    for job in jobs:
        scheduler.long_poll_refused("ep", job, status, now)


def test_one_404_does_not_end_long_polling() -> None:
    scheduler = PollScheduler()
    refuse(scheduler, "a", "b", "c", "d")
    assert all(scheduler.supports_long_poll("ep", job, 1.0) for job in "abcdx")


def test_repeated_404s_end_long_polling_of_that_job() -> None:
    scheduler = PollScheduler()
    refuse(scheduler, "a", "a")
    assert not scheduler.supports_long_poll("ep", "a", 1.0)
    assert scheduler.supports_long_poll("ep", "b", 1.0)
    assert scheduler.supports_long_poll("ep", "a", 61.0)


def test_repeated_404s_of_several_jobs_end_long_polling() -> None:
    scheduler = PollScheduler()
    refuse(scheduler, "a", "a", "b", "b", "c", "c")
    assert not scheduler.supports_long_poll("ep", "x", 59.0)
    assert scheduler.supports_long_poll("other", "x", 59.0)


def test_404s_of_several_jobs_long_apart_end_nothing() -> None:
    scheduler = PollScheduler()
    for number, job in enumerate("abcd"):
        refuse(scheduler, job, job, now=61.0 * number)
    assert scheduler.supports_long_poll("ep", "x", 200.0)


def test_404s_of_many_jobs_end_long_polling() -> None:
    scheduler = PollScheduler()
    refuse(scheduler, *map(str, range(30)))
    assert not scheduler.supports_long_poll("ep", "x", 59.0)


def test_404s_long_ago_are_forgotten() -> None:
    scheduler = PollScheduler()
    for number in range(100):
        refuse(scheduler, str(number), now=10.0 * number)
    assert scheduler.supports_long_poll("ep", "x", 1000.0)


def test_405_ends_long_polling_at_once() -> None:
    scheduler = PollScheduler()
    refuse(scheduler, "a", status=405)
    assert not scheduler.supports_long_poll("ep", "x", 0.1)


def test_long_polling_is_tried_again_after_a_minute() -> None:
    scheduler = PollScheduler()
    refuse(scheduler, "a", status=405, now=100.0)
    assert not scheduler.supports_long_poll("ep", "a", 159.9)
    assert scheduler.supports_long_poll("ep", "a", 160.0)


def test_a_long_poll_that_succeeds_makes_refusals_forgotten() -> None:
    scheduler = PollScheduler()
    refuse(scheduler, "a", "a", "b", "b", "c")
    scheduler.long_poll_succeeded("ep")
    refuse(scheduler, "c")
    assert all(scheduler.supports_long_poll("ep", job, 1.0) for job in "abc")
