from __future__ import annotations

import math
from datetime import timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from runpod_typed import JobState, PollPolicy, RateLimit, RetryPolicy
from runpod_typed._core.call import RateLimitTimeoutError
from runpod_typed._core.config import DEFAULT_CALL_CONFIG, CallConfig
from runpod_typed._core.poll_slots import FREE_SLOT, PollScheduler, PollSlot
from runpod_typed._core.rate_limiter import RateLimitUsage
from runpod_typed._core.retries import GiveUp
from runpod_typed._core.schedule import (
    PLAIN_POLL,
    SHORTEST_LONG_POLL_MS,
    SHORTEST_POLL,
    Limit,
    LimitReached,
    PollSchedule,
    PollStep,
    Watching,
    hold_back_until,
    pause_after_not_found,
    run_sync_long_poll_ms,
    ttl_ms,
)
from runpod_typed._models.responses import read_job, read_stream_page
from runpod_typed._models.stream import StreamPage
from runpod_typed._transport.messages import TransportFailure
from runpod_typed.errors import APIError, ConfigurationError
from tests.core.calls import answer, error

START = 1000.0
RANDOM = Random(7)

QUEUED = read_job({"id": "job-1", "status": "IN_QUEUE"})
RUNNING = read_job({"id": "job-1", "status": "IN_PROGRESS"})
EMPTY = read_stream_page({"status": "IN_PROGRESS", "stream": []})
STEADY = DEFAULT_CALL_CONFIG.replace(poll=PollPolicy(long_poll=False, jitter=0))
CROWDED = PollSlot(delay=4.0, longest=1.7)


def starting(config: CallConfig = DEFAULT_CALL_CONFIG, timeout: float | None = None, **options: Any) -> PollSchedule:
    return PollSchedule.starting(config, START, timeout=timeout, **options)


def next_poll(schedule: PollSchedule, elapsed: float = 0.0, *, long_poll: bool = True, **known: Any) -> PollStep:
    step = schedule.next(START + elapsed, RANDOM, long_poll=long_poll, **known)
    assert isinstance(step, PollStep)
    return step


def end_of(schedule: PollSchedule, elapsed: float) -> LimitReached:
    reached = schedule.next(START + elapsed, RANDOM, long_poll=True)
    assert isinstance(reached, LimitReached)
    return reached


def after(
    schedule: PollSchedule, *, delayed: bool = True, response: JobState[Any] | StreamPage = QUEUED
) -> PollSchedule:
    """The schedule after one more poll whose response was delayed as asked, or not at all."""
    return schedule.succeeded(PollStep(long_poll_ms=5000), response, 5.0 if delayed else 0.0)


def failed(schedule: PollSchedule, elapsed: float, failure: APIError | None = None, took: float = 0.0) -> Any:
    now = START + elapsed
    return schedule.failed(
        failure or error("get_status", answer(b"", 502)), asked_at=now - took, now=now, random=RANDOM
    )


def in_outage(schedule: PollSchedule, elapsed: float, failure: APIError | None = None) -> PollSchedule:
    following = failed(schedule, elapsed, failure)
    assert isinstance(following, PollSchedule)
    return following


# One poll


def test_starts_with_a_long_poll() -> None:
    assert next_poll(starting()) == PollStep(long_poll_ms=25_000)


def test_polls_at_once_after_a_delayed_response() -> None:
    assert next_poll(after(starting()), 25.0) == PollStep(long_poll_ms=25_000)


def test_nothing_follows_on_a_finished_job() -> None:
    schedule, done = starting(), read_job({"id": "job-1", "status": "COMPLETED", "output": 1})
    assert after(schedule, response=done) is schedule


def test_pauses_after_a_long_poll_that_was_not_delayed() -> None:
    step = next_poll(after(starting(), delayed=False), 10.0)
    assert 1.5 < step.delay < 2.5
    assert step.long_poll_ms == 25_000


@pytest.mark.parametrize(("config", "supported"), [(STEADY, True), (DEFAULT_CALL_CONFIG, False)])
def test_polls_at_intervals_without_long_polling(config: CallConfig, *, supported: bool) -> None:
    assert next_poll(starting(config), long_poll=supported) == PLAIN_POLL
    later = next_poll(after(starting(config)), 50.0, long_poll=supported)
    assert later.long_poll_ms is None
    assert 8 < later.delay < 12


def test_a_fresh_job_is_not_polled_at_once_without_long_polling() -> None:
    assert next_poll(starting(seen=QUEUED), long_poll=False).delay > 0
    assert next_poll(starting(seen=QUEUED)) == next_poll(starting())
    assert next_poll(starting(timeout=0.0, seen=QUEUED), long_poll=False) == PLAIN_POLL


@pytest.mark.parametrize(
    ("timeout", "milliseconds"),
    [
        (0.5, None),
        (1.9, None),
        (2.0, 1_000),
        (3.0, 1_500),
        (10.0, 5_000),
        (30.0, 25_000),
        (85.0, 80_000),
        (600.0, 80_000),
    ],
)
def test_long_polls_for_less_than_an_attempt_lasts(timeout: float, milliseconds: int | None) -> None:
    assert next_poll(starting(DEFAULT_CALL_CONFIG.replace(timeout=timeout))).long_poll_ms == milliseconds


def test_polls_plainly_with_less_than_a_second_left() -> None:
    schedule = after(starting(timeout=10.0), response=RUNNING)
    assert next_poll(schedule, 8.8).long_poll_ms == 1_100
    assert next_poll(schedule, 8.95).long_poll_ms is None


def test_a_poll_is_a_single_attempt() -> None:
    decided = DEFAULT_CALL_CONFIG.replace(retry=RetryPolicy(decide=lambda _: True))
    assert starting(decided).call_config == DEFAULT_CALL_CONFIG.replace(retry=RetryPolicy.disabled())


# Crowds


def test_waits_for_its_slot_if_that_is_later() -> None:
    schedule = after(starting(), delayed=False)
    slot = PollSlot(delay=7.0)
    assert next_poll(schedule, 0.1, slot=slot).delay == 7.0
    assert next_poll(schedule, 1e4, slot=slot).delay > 10.0
    assert next_poll(starting(STEADY, seen=QUEUED), slot=slot).delay == 7.0


def test_the_first_poll_waits_for_no_slot_if_all_fit() -> None:
    assert next_poll(starting(), slot=PollSlot(delay=1.0)) == PollStep(long_poll_ms=25_000)


@pytest.mark.parametrize("watching", Watching)
def test_a_crowd_takes_turns_from_the_first_poll_on(watching: Watching) -> None:
    first = next_poll(starting(watching=watching), slot=CROWDED)
    assert first.delay == 4.0
    later = next_poll(after(starting(watching=watching)), 30.0, slot=CROWDED)
    assert later.delay >= 4.0
    assert later.long_poll_ms == 1_700


def test_chunks_come_by_long_polls_however_large_the_crowd() -> None:
    slot = PollSlot(delay=4.0, longest=0.1)
    assert next_poll(starting(watching=Watching.CHUNKS), slot=slot).long_poll_ms == SHORTEST_LONG_POLL_MS
    assert next_poll(starting(), slot=slot).long_poll_ms is None


def test_polls_in_its_next_slot_after_finding_no_room() -> None:
    schedule = starting().succeeded(PollStep(crowded=True), QUEUED, 0.0)
    assert next_poll(schedule, 30.0, slot=CROWDED).delay == 4.0
    # Without a crowd, other calls use the whole limit: it polls at intervals.
    assert next_poll(schedule, 30.0, slot=PollSlot(delay=4.0)).delay > 5.0


# Limits


def test_a_timeout_of_zero_polls_once() -> None:
    schedule = starting(timeout=0.0)
    assert schedule.polls_once
    assert next_poll(schedule) == PLAIN_POLL
    assert next_poll(starting(timeout=0.0, watching=Watching.CHUNKS)) == SHORTEST_POLL
    assert schedule.poll_deadline(START + 60) == START + 90  # an iterator may begin late
    assert end_of(after(schedule), 0.0) == LimitReached(Limit.TIMEOUT)
    assert end_of(in_outage(schedule, 0.0), 0.0).limit is Limit.TIMEOUT


@pytest.mark.parametrize("timeout", [None, 0.001, 5.0])
def test_a_poll_ends_with_the_wait(timeout: float | None) -> None:
    schedule = starting(timeout=timeout)
    assert not schedule.polls_once
    assert schedule.poll_deadline(START + 1) == (None if timeout is None else START + timeout)


@pytest.mark.parametrize(
    ("options", "elapsed", "limit"),
    [
        ({"timeout": 10.0}, 9.51, Limit.TIMEOUT),
        ({"timeout": 10.0}, 50.0, Limit.TIMEOUT),
        ({"queue_timeout": 10.0}, 9.51, Limit.QUEUE_TIMEOUT),
        ({"queue_timeout": 0.3}, 0.21, Limit.QUEUE_TIMEOUT),
        ({"queue_timeout": 0.0}, 0.0, Limit.QUEUE_TIMEOUT),
        ({"timeout": 20.0, "queue_timeout": 10.0}, 10.0, Limit.QUEUE_TIMEOUT),
        ({"timeout": 10.0, "queue_timeout": 20.0}, 10.0, Limit.TIMEOUT),
        ({"timeout": 10.0, "queue_timeout": 10.5}, 10.0, Limit.TIMEOUT),
        ({"timeout": 10.0, "queue_timeout": 10.0}, 10.0, Limit.QUEUE_TIMEOUT),
    ],
)
def test_the_first_limit_ends_the_wait(options: dict[str, Any], elapsed: float, limit: Limit) -> None:
    assert end_of(after(starting(**options)), elapsed) == LimitReached(limit)


@pytest.mark.parametrize(("response", "last"), [(QUEUED, 9.5), (RUNNING, 9.9)])
def test_leaves_time_for_a_diagnosis_only_in_the_queue(response: JobState[Any], last: float) -> None:
    schedule = after(starting(timeout=10.0), response=response)
    assert next_poll(schedule, last - 0.01).long_poll_ms is None
    assert end_of(schedule, last + 0.001).limit is Limit.TIMEOUT


@pytest.mark.parametrize("response", [RUNNING, EMPTY])
def test_the_queue_timeout_ends_when_a_worker_has_the_job(response: JobState[Any] | StreamPage) -> None:
    schedule = after(starting(queue_timeout=5.0), response=response)
    assert next_poll(schedule, 100.0).long_poll_ms == 25_000
    assert next_poll(after(schedule), 200.0).long_poll_ms == 25_000
    assert starting(queue_timeout=5.0, seen=RUNNING).queue_timeout is None


def test_the_first_poll_is_made_however_late_it_is() -> None:
    assert next_poll(starting(timeout=5.0), 7.0) == PLAIN_POLL


@given(timeout=st.none() | st.floats(0.01, 100), queue_timeout=st.floats(0.01, 100), elapsed=st.floats(0, 200))
def test_the_diagnosis_ends_in_time(timeout: float | None, queue_timeout: float, elapsed: float) -> None:
    schedule = starting(timeout=timeout, queue_timeout=queue_timeout)
    latest = max(queue_timeout, elapsed) + 0.11
    assert schedule.diagnosis_deadline(START + elapsed) <= START + min(latest, timeout or math.inf)
    ended = after(schedule).next(START + elapsed, RANDOM, long_poll=True)
    if isinstance(ended, LimitReached) and ended.limit is Limit.QUEUE_TIMEOUT and elapsed < queue_timeout:
        assert queue_timeout - elapsed < 0.51


def test_queue_timeout_of_zero_leaves_time_to_poll_and_diagnose() -> None:
    schedule = starting(queue_timeout=0.0)
    assert next_poll(schedule) == PLAIN_POLL
    assert schedule.poll_deadline(START) == START + 30
    assert starting(queue_timeout=0.0, timeout=5.0).poll_deadline(START) == START + 5
    assert schedule.diagnosis_deadline(START + 1) == START + 31
    assert starting(queue_timeout=0.0, timeout=5.0).diagnosis_deadline(START + 1) == START + 5


# Failed polls


PASSING = [
    TransportFailure("ConnectError", request_sent=False),
    TransportFailure("ReadError", request_sent=True),
    TransportFailure("ReadTimeout", request_sent=True, timed_out=True),
    answer(b"", 429),
    answer(b"", 408),
    answer(b"", 500),
    answer(b"", 524),
    answer(b"<html>", 200),
]
LASTING = [answer(b"", 400), answer(b"", 401), answer(b"", 403), answer(b"", 422), answer({"status": 5}, 200)]


@pytest.mark.parametrize("outcome", PASSING, ids=repr)
def test_a_failure_that_passes_is_followed_by_another_poll(outcome: Any) -> None:
    schedule = in_outage(starting(), 1.0, error("get_status", outcome))
    assert 0 < next_poll(schedule, 1.0).delay <= 0.25


@pytest.mark.parametrize("outcome", LASTING, ids=repr)
def test_a_failure_that_does_not_pass_ends_the_wait(outcome: Any) -> None:
    assert failed(starting(timeout=100.0), 1.0, error("get_status", outcome)) == GiveUp()


@pytest.mark.parametrize(("status", "decision"), [(502, False), (401, True)])
def test_a_custom_decision_replaces_the_rules(status: int, *, decision: bool) -> None:
    config = DEFAULT_CALL_CONFIG.replace(retry=RetryPolicy(decide=lambda attempt: decision))
    following = failed(starting(config), 1.0, error("get_status", answer(b"", status)))
    assert isinstance(following, PollSchedule) is decision


def test_responses_that_are_not_json_end_the_wait_after_five() -> None:
    schedule, page = starting(timeout=100.0), error("get_status", answer(b"<html>", 200))
    for _ in range(4):
        schedule = in_outage(schedule, 1.0, page)
    assert failed(schedule, 1.0, page) == GiveUp()
    assert isinstance(failed(in_outage(schedule, 1.0), 1.0, page), PollSchedule)


def pauses_of(schedule: PollSchedule, seconds: float) -> list[float]:
    """The pauses between failed polls until the schedule ends, or for some seconds."""
    elapsed, pauses = 0.0, list[float]()
    while elapsed < seconds:
        following = failed(schedule, elapsed)
        if isinstance(following, GiveUp):
            break
        schedule = following
        step = schedule.next(START + elapsed, RANDOM, long_poll=True)
        if isinstance(step, LimitReached):
            break
        pauses.append(step.delay)
        elapsed += step.delay
    return pauses


def test_pauses_grow_to_half_a_minute() -> None:
    pauses = pauses_of(starting(timeout=7200.0), 3600.0)
    assert pauses[0] <= 0.25
    assert max(pauses) <= 30.0
    assert sum(pauses[:7]) < 40
    assert all(pause >= 15 for pause in pauses[8:])


@pytest.mark.parametrize("outage", [0.0, 3.0, 600.0])
def test_an_outage_ends_a_wait_without_timeout(outage: float) -> None:
    pauses = pauses_of(starting(DEFAULT_CALL_CONFIG.replace(poll=PollPolicy(max_outage=outage))), 10_000)
    assert sum(pauses) == pytest.approx(outage)


def test_the_end_of_an_outage_is_explained() -> None:
    following = failed(in_outage(starting(), 1.0), 602.0)
    assert isinstance(following, GiveUp)
    assert "polls failed for 601 s" in following.reason
    assert "max_outage is 600 s" in following.reason


def test_a_timeout_takes_the_place_of_the_outage_limit() -> None:
    pauses = pauses_of(starting(timeout=7200.0), 10_000)
    assert sum(pauses) == pytest.approx(7199.5)


def test_a_good_response_ends_an_outage() -> None:
    schedule = after(in_outage(starting(), 1.0))
    assert schedule.outage is None
    assert next_poll(schedule, 2.0) == PollStep(long_poll_ms=25_000)
    assert next_poll(in_outage(schedule, 3.0), 3.0).delay <= 0.25


def asking(seconds: float) -> Any:
    return error("get_status", answer(b"", 429, {"Retry-After": str(seconds)}))


@pytest.mark.parametrize("seconds", [5.0, 60.0])
def test_retry_after_is_honored(seconds: float) -> None:
    assert next_poll(in_outage(starting(timeout=300.0), 1.0, asking(seconds)), 1.0).delay >= seconds


def test_no_poll_is_made_if_retry_after_exceeds_the_timeout() -> None:
    reached = end_of(in_outage(starting(timeout=10.0), 1.0, asking(60)), 1.0)
    assert reached.limit is Limit.TIMEOUT
    assert 8 < reached.delay < 9


def test_gives_up_when_retry_after_exceeds_the_outage_limit() -> None:
    following = failed(starting(), 1.0, asking(3600))
    assert isinstance(following, GiveUp)
    assert "asks to wait 3600 s" in following.reason


def test_a_crowd_takes_turns_after_an_outage_too() -> None:
    assert next_poll(in_outage(starting(), 1.0), 1.0, slot=CROWDED).delay == 4.0


def test_a_permit_that_comes_too_late_ends_the_wait() -> None:
    late = RateLimitTimeoutError("late", operation="get_status", method="GET", url="u", request_sent=False)
    assert failed(starting(timeout=10), 5.0, late) == LimitReached(Limit.TIMEOUT)
    assert failed(starting(timeout=10, queue_timeout=2), 1.0, late) == LimitReached(Limit.QUEUE_TIMEOUT)


# Whole waits


@st.composite
def configs(draw: st.DrawFn) -> CallConfig:
    shortest = draw(st.floats(0.01, 5))
    return DEFAULT_CALL_CONFIG.replace(
        timeout=draw(st.floats(0.05, 300)),
        poll=PollPolicy(
            long_poll=draw(st.booleans()),
            min_interval=shortest,
            max_interval=draw(st.floats(shortest, 60)),
            jitter=draw(st.floats(0, 1)),
        ),
    )


@st.composite
def schedules(draw: st.DrawFn) -> PollSchedule:
    limit = st.none() | st.floats(0, 100)
    schedule = starting(
        draw(configs()), draw(limit), queue_timeout=draw(limit), watching=draw(st.sampled_from(Watching))
    )
    return schedule._replace(
        polls=draw(st.integers(0, 3)),
        at_once=draw(st.booleans()),
        queued=draw(st.booleans()),
        crowded=draw(st.booleans()),
    )


slots = st.just(FREE_SLOT) | st.builds(PollSlot, st.floats(0, 200), st.just(math.inf) | st.floats(0.001, 100))


@given(schedule=schedules(), elapsed=st.floats(0, 120), slot=slots, random=st.randoms(use_true_random=False))
def test_no_poll_ends_beyond_a_limit(schedule: PollSchedule, elapsed: float, slot: PollSlot, random: Random) -> None:
    limits = schedule.timeout, schedule.queue_timeout
    limit = min(math.inf if limit is None else limit for limit in limits)
    config = schedule.config

    step = schedule.next(START + elapsed, random, slot=slot, long_poll=True)

    if isinstance(step, LimitReached):
        assert schedule.polls > 0
        assert elapsed > limit - 0.51
        return
    assert step.delay >= 0
    if step.delay > 0:
        assert elapsed + step.delay <= limit - 0.09
    if step.long_poll_ms is not None and not schedule.polls_once:
        assert config.poll.long_poll or schedule.watching is Watching.CHUNKS
        assert step.long_poll_ms >= SHORTEST_LONG_POLL_MS
        assert elapsed + step.delay + step.long_poll_ms / 1000 <= limit - 0.09
        assert step.long_poll_ms / 1000 <= min(80.0, config.timeout / 1.05, config.timeout - 0.4)


@given(config=configs(), elapsed=st.floats(0, 1e6), random=st.randoms(use_true_random=False))
def test_pauses_are_bounded(config: CallConfig, elapsed: float, random: Random) -> None:
    policy = config.poll
    delay = after(starting(config), delayed=False).next(START + elapsed, random, long_poll=False)
    assert isinstance(delay, PollStep)
    assert delay.delay >= policy.min_interval * (1 - policy.jitter) * (1 - 1e-9)
    assert delay.delay <= policy.max_interval * (1 + policy.jitter) * (1 + 1e-9)


def test_pauses_of_many_waiters_differ() -> None:
    schedule = after(starting(DEFAULT_CALL_CONFIG.replace(poll=PollPolicy.disabled())))
    assert len({next_poll(schedule, 10.0).delay for _ in range(100)}) == 100


@given(run_time=st.floats(0.5, 70))
def test_half_of_all_jobs_are_late_by_a_tenth_of_their_run_time(run_time: float) -> None:
    polls = [0.0]
    while polls[-1] < run_time:
        polls.append(polls[-1] + next_poll(after(starting(STEADY)), polls[-1]).delay)
    assert (polls[-1] - polls[-2]) / 2 <= 0.1 * run_time + 1e-9
    assert len(polls) <= 40


@define
class Server:
    """Delays its responses as asked, or for a share of that."""

    share: float
    round_trip: float
    finishes_at: float

    def responds_at(self, step: PollStep, asked_at: float) -> float:
        delay = 0.0 if step.long_poll_ms is None else self.share * step.long_poll_ms / 1000
        if asked_at >= self.finishes_at:
            return asked_at + self.round_trip
        return self.round_trip + min(asked_at + delay, max(asked_at, self.finishes_at))


def run(schedule: PollSchedule, server: Server, random: Random) -> tuple[Limit | None, float, list[float]]:
    """Return the limit that ended the wait, the time of its end, and the times of its polls."""
    now, polls = 0.0, list[float]()
    while len(polls) < 10_000:
        step = schedule.next(START + now, random, long_poll=True)
        if isinstance(step, LimitReached):
            return step.limit, now, polls
        now += step.delay
        polls.append(now)
        responded = server.responds_at(step, now)
        done = now >= server.finishes_at or responded - server.round_trip >= server.finishes_at
        schedule = schedule.succeeded(step, QUEUED, responded - now)
        now = responded
        if done:
            return None, now, polls
    raise AssertionError("it polls for ever")


servers = st.builds(
    Server,
    share=st.sampled_from([0.0, 0.3, 0.6, 1.0]),
    round_trip=st.floats(0.001, 0.05),
    finishes_at=st.floats(0, 200) | st.just(math.inf),
)
watched = st.sampled_from([Watching.RESULT, Watching.CHANGES])


@given(server=servers, timeout=st.floats(0.2, 120), watching=watched, random=st.randoms(use_true_random=False))
def test_a_wait_ends_with_the_job_or_in_time(
    server: Server, timeout: float, watching: Watching, random: Random
) -> None:
    limit, now, polls = run(starting(timeout=timeout, watching=watching), server, random)
    if limit is None:
        assert server.finishes_at <= now
        assert now <= server.finishes_at + max(17.0, server.finishes_at * 0.25) + 2 * server.round_trip
    else:
        assert limit is Limit.TIMEOUT
        assert timeout - 0.51 <= now <= timeout + server.round_trip
        assert polls[-1] <= timeout - 0.09


@given(server=servers, watching=watched, random=st.randoms(use_true_random=False))
def test_no_server_is_polled_without_a_pause(server: Server, watching: Watching, random: Random) -> None:
    _, now, polls = run(starting(timeout=120.0, watching=watching), server, random)
    assert all(later - earlier >= 0.04 for earlier, later in pairwise(polls[:-1]))
    assert len(polls) <= 40 + now / (0.25 if watching is Watching.CHANGES else 0.5)


@given(timeout=st.floats(2.5, 100), random=st.randoms(use_true_random=False))
def test_the_end_is_seen_at_once_by_long_polling(timeout: float, random: Random) -> None:
    server = Server(share=1.0, round_trip=0.01, finishes_at=timeout / 2)
    limit, now, _ = run(starting(timeout=timeout), server, random)
    assert limit is None
    assert now <= timeout / 2 + 0.3


@given(waiters=st.integers(1, 60), watching=st.sampled_from(Watching), random=st.randoms(use_true_random=False))
def test_all_polls_together_stay_within_the_limit(waiters: int, watching: Watching, random: Random) -> None:
    usage = RateLimitUsage(RateLimit(requests=40, window=10.0, concurrent=8), open=0)
    scheduler = PollScheduler()
    registrations = [scheduler.register("ep") for _ in range(waiters)]
    due = [(0.0, number, starting(watching=watching)) for number in range(waiters)]
    polls = list[float]()
    while due and due[0][0] < 60:
        now, number, schedule = due.pop(0)
        step = schedule.next(START + now, random, slot=scheduler.slot("ep", usage, now), long_poll=True)
        assert isinstance(step, PollStep)
        polls.append(now + step.delay)
        took = (step.long_poll_ms or 0) / 1000 + 0.01
        due.append((now + step.delay + took, number, schedule.succeeded(step, QUEUED, took)))
        due.sort(key=lambda each: each[0])
    assert len(registrations) == waiters
    steady = [poll for poll in polls if poll > 15.0]
    if waiters > 6:  # a crowd
        assert all(sum(1 for poll in steady if start <= poll < start + 9.99) <= 40 for start in steady)


# Events and streams


def test_events_poll_often_at_first_then_by_short_long_polls() -> None:
    schedule = starting(watching=Watching.CHANGES)
    assert next_poll(schedule) == PLAIN_POLL
    assert next_poll(after(schedule), 0.1) == PollStep(delay=0.25)
    assert next_poll(after(schedule), 8.0) == PollStep(delay=0.8)
    assert next_poll(after(schedule), 20.0) == PollStep(long_poll_ms=2_000)
    assert next_poll(after(schedule), 500.0) == PollStep(long_poll_ms=5_000)


@pytest.mark.parametrize(
    ("took", "chunks", "paused"), [(0.0, 3, False), (5.0, 0, False), (0.0, 0, True), (2.0, 0, True)]
)
def test_a_stream_is_polled_at_once_while_it_flows_or_is_delayed(took: float, chunks: int, *, paused: bool) -> None:
    page = read_stream_page({"status": "IN_PROGRESS", "stream": [{"output": 1}] * chunks})
    schedule = starting(watching=Watching.CHUNKS).succeeded(PollStep(long_poll_ms=5000), page, took)
    assert (next_poll(schedule, 60) != PollStep(long_poll_ms=25_000)) is paused
    assert schedule.polls == 1


@pytest.mark.parametrize("poll", [PollPolicy(), PollPolicy(long_poll=False, min_interval=5, max_interval=60)])
def test_a_stream_is_polled_every_second_at_least(poll: PollPolicy) -> None:
    schedule = starting(DEFAULT_CALL_CONFIG.replace(poll=poll), watching=Watching.CHUNKS)
    step = next_poll(after(schedule, delayed=False, response=EMPTY), 1000.0, long_poll=False)
    assert step.delay <= 1.1
    assert step.long_poll_ms == 25_000


@pytest.mark.parametrize(("timeout", "seconds"), [(None, 2.0), (600.0, 2.0), (1.0, 0.5), (0.0, 0.0)])
def test_chunks_are_held_back_for_a_moment(timeout: float | None, seconds: float) -> None:
    assert hold_back_until(starting(timeout=timeout, watching=Watching.CHUNKS)) == START + seconds


# 404


def test_a_404_is_retried_for_ten_seconds() -> None:
    elapsed, pauses = 0.0, list[float]()
    while (pause := pause_after_not_found(len(pauses) + 1, elapsed, math.inf)) is not None:
        pauses.append(pause)
        elapsed += pause
    assert pauses[:4] == [0.25, 0.5, 1.0, 2.0]
    assert max(pauses) == 2.0
    assert elapsed == 10.0


@given(attempt=st.integers(1, 100), elapsed=st.floats(0, 20), remaining=st.floats(-5, 20))
def test_a_404_is_retried_within_the_callers_limit(attempt: int, elapsed: float, remaining: float) -> None:
    pause = pause_after_not_found(attempt, elapsed, remaining)
    assert pause is None or 0 < pause <= remaining - 0.1


# Milliseconds


@pytest.mark.parametrize(
    ("remaining", "attempt_timeout", "milliseconds"),
    [
        (None, 30.0, 1_000),
        (None, 2.0, 1_000),
        (None, 1.9, None),
        (20.0, 30.0, 1_000),
        (2.0, 30.0, 1_000),
        (1.9, 30.0, None),
        (0.0, 30.0, None),
    ],
)
def test_a_submission_is_answered_within_a_second(
    remaining: float | None, attempt_timeout: float, milliseconds: int | None
) -> None:
    assert run_sync_long_poll_ms(remaining=remaining, attempt_timeout=attempt_timeout) == milliseconds


@pytest.mark.parametrize(
    ("ttl", "milliseconds"), [(None, None), (60, 60_000), (timedelta(minutes=1), 60_000), (0.0001, 1), (0.5, 500)]
)
def test_a_ttl_is_sent_in_milliseconds(ttl: float | None, milliseconds: int | None) -> None:
    assert ttl_ms(ttl) == milliseconds


@pytest.mark.parametrize("ttl", [0, -1, math.inf, math.nan, True, "60", 604_801, 3_600_000, 1e308, timedelta.max])
def test_refuses_a_ttl_out_of_range(ttl: Any) -> None:
    with pytest.raises(ConfigurationError, match="ttl"):
        ttl_ms(ttl)
