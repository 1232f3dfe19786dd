from __future__ import annotations

import math
from datetime import timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from attrs import define, evolve
from hypothesis import assume, given
from hypothesis import strategies as st

from runpod_typed import JobState, PollPolicy, RateLimit, RetryPolicy
from runpod_typed._core.call import Call, TurnTooLateError
from runpod_typed._core.config import DEFAULT_CALL_CONFIG, CallConfig
from runpod_typed._core.crowd import ALONE, Crowd
from runpod_typed._core.responses import read_job
from runpod_typed._core.schedule import (
    SHORTEST_HOLD_MS,
    Ended,
    Look,
    Wait,
    for_streaming,
    may_not_hold_answers,
    run_sync_hold_ms,
    ttl_ms,
)
from runpod_typed._models.poll_policy import RunTimes
from runpod_typed.errors import APITimeoutError, ConfigurationError
from tests.core.calls import CONNECTION, REQUESTS

START = 1000.0
RANDOM = Random(7)

QUEUED = read_job({"id": "job-1", "status": "IN_QUEUE"})
RUNNING = read_job({"id": "job-1", "status": "IN_PROGRESS"})
STEADY = PollPolicy(long_poll=False, jitter=0)

STATUS_LIMIT = RateLimit(requests=2000, window=10.0, concurrent=400)
THOUSAND = Crowd(waiting=1000, limit=STATUS_LIMIT)


def begun(config: CallConfig = DEFAULT_CALL_CONFIG, timeout: float | None = None, **options: Any) -> Wait:
    return Wait.beginning(config, START, timeout=timeout, **options)


def next_look(wait: Wait, elapsed: float = 0.0, *, holds: bool = True, **known: Any) -> Look:
    look = wait.next(START + elapsed, RANDOM, holds=holds, **known)
    assert isinstance(look, Look)
    return look


def after(wait: Wait, *, held: bool = True, state: JobState[Any] = QUEUED, elapsed: float = 0.0) -> Wait:
    """The wait after one more look, which took as long as was asked, or no time."""
    took = 5.0 if held else 0.0
    return wait.looked(Look(hold_ms=5000), state, asked_at=START + elapsed - took, answered_at=START + elapsed)


@st.composite
def configs(draw: st.DrawFn) -> CallConfig:
    shortest = draw(st.floats(0.01, 5))
    return CallConfig(
        timeout=draw(st.floats(0.05, 300)),
        retry=RetryPolicy(attempts=draw(st.integers(1, 6)), budget=draw(st.floats(0.1, 300))),
        poll=PollPolicy(
            long_poll=draw(st.booleans()),
            min_interval=shortest,
            max_interval=draw(st.floats(shortest, 60)),
            jitter=draw(st.floats(0, 1)),
        ),
        rate_limits=DEFAULT_CALL_CONFIG.rate_limits,
    )


# One look


def test_a_wait_begins_with_a_look_that_is_held() -> None:
    assert next_look(begun()) == Look(delay=0.0, hold_ms=25_000)


def test_after_a_look_that_was_held_the_next_one_follows_at_once() -> None:
    assert next_look(after(begun()), 25.0) == Look(delay=0.0, hold_ms=25_000)


def test_after_a_look_that_was_not_held_there_is_a_pause() -> None:
    look = next_look(after(begun(), held=False), 0.1)
    assert 0.5 < look.delay < 1.5
    assert look.hold_ms == 25_000


@pytest.mark.parametrize(
    ("config", "holds"),
    [(DEFAULT_CALL_CONFIG.replace(poll=PollPolicy(long_poll=False)), True), (DEFAULT_CALL_CONFIG, False)],
)
def test_where_nothing_is_held_looks_are_plain_and_paced(config: CallConfig, *, holds: bool) -> None:
    first = next_look(begun(config), holds=holds)
    assert first == Look()
    later = next_look(after(begun(config)), 60.0, holds=holds)
    assert later.hold_ms is None
    assert 10 < later.delay < 14


def test_a_job_that_was_just_queued_is_not_polled_for_at_once() -> None:
    assert next_look(begun(known=True), holds=False).delay > 0
    assert next_look(begun(known=True)) == next_look(begun())
    assert next_look(begun(timeout=0.0, known=True), holds=False) == Look()


def test_a_turn_that_comes_later_than_the_look_is_due_is_waited_for() -> None:
    wait = after(begun(), held=False)
    assert next_look(wait, 0.1, turn=7.0).delay == 7.0
    assert next_look(wait, 1e4, turn=7.0).delay > 10.0
    assert next_look(begun(config=DEFAULT_CALL_CONFIG.replace(poll=STEADY), known=True), turn=7.0).delay == 7.0


def test_where_all_fit_the_first_look_waits_for_no_turn() -> None:
    assert next_look(begun(), turn=1.0) == Look(hold_ms=25_000)


def test_those_who_do_not_fit_take_turns_at_answers_that_are_held() -> None:
    first = next_look(begun(), crowd=THOUSAND, turn=4.0)
    assert first.delay == 4.0
    assert 1_700 < (first.hold_ms or 0) < 1_800  # its share of a round: 0.3 of 5.9 s
    later = next_look(after(begun()), 30.0, crowd=THOUSAND, turn=4.0)
    assert later.delay >= 4.0
    assert 1_700 < (later.hold_ms or 0) < 4_500


def test_a_look_is_held_only_while_there_is_room_for_one_more() -> None:
    look = Look(hold_ms=2_000)
    assert look.in_crowd(ALONE) == look
    assert look.in_crowd(evolve(THOUSAND, asking=359)) == look
    assert look.in_crowd(evolve(THOUSAND, asking=360)) == Look(crowded_out=True)
    assert Look().in_crowd(evolve(THOUSAND, asking=360)) == Look()


def test_who_finds_no_room_looks_again_when_it_is_its_turn() -> None:
    look = Look(crowded_out=True)
    wait = begun().looked(look, QUEUED, asked_at=START, answered_at=START)
    assert next_look(wait, 30.0, crowd=THOUSAND, turn=4.0).delay == 4.0
    # In no crowd, others than waits have taken the room: it is asked at intervals.
    assert next_look(wait, 30.0, turn=4.0).delay > 5.0


def test_where_run_times_are_known_looks_gather_around_them() -> None:
    usual = RunTimes(20.0, 24.0)
    wait = after(begun(DEFAULT_CALL_CONFIG.replace(poll=STEADY)), state=RUNNING)
    assert next_look(wait, 14.0, usual=usual).delay == pytest.approx(3.0)
    assert next_look(wait, 22.0, usual=usual).delay == pytest.approx(3.3)
    assert next_look(wait, 22.0).delay > 7


def test_run_times_count_from_the_start_of_the_run() -> None:
    usual = RunTimes(1.0, 1.0)
    wait = begun(DEFAULT_CALL_CONFIG.replace(poll=STEADY))
    queued = after(wait, elapsed=60.0)
    assert next_look(queued, 60.0, usual=usual).delay > 10
    running = after(queued, state=RUNNING, elapsed=60.5)
    assert running.running_at == START + 60.5
    assert next_look(running, 61.0, usual=usual).delay == pytest.approx(0.15)
    assert after(running, state=QUEUED, elapsed=62.0).running_at is None


@pytest.mark.parametrize(
    ("timeout", "hold_ms"),
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
def test_an_answer_is_held_for_less_than_an_attempt_may_last(timeout: float, hold_ms: int | None) -> None:
    assert next_look(begun(DEFAULT_CALL_CONFIG.replace(timeout=timeout))).hold_ms == hold_ms


def test_with_less_than_a_second_left_the_server_is_not_asked_to_hold() -> None:
    wait = after(begun(timeout=10.0))
    assert next_look(wait, 8.8).hold_ms == 1_100
    assert next_look(wait, 8.95).hold_ms is None


# The caller's limits


def test_a_timeout_of_0_asks_once_for_as_long_as_an_attempt_may_take() -> None:
    wait = begun(timeout=0.0)
    assert wait.asks_once
    assert next_look(wait) == Look()
    assert wait.look_deadline is None
    assert wait.config.retry == RetryPolicy.disabled()
    assert after(wait).next(START, RANDOM, holds=True) is Ended.TIMEOUT


@pytest.mark.parametrize("timeout", [None, 0.001, 5.0])
def test_other_timeouts_are_no_single_look(timeout: float | None) -> None:
    wait = begun(timeout=timeout)
    assert not wait.asks_once
    assert wait.look_deadline == (None if timeout is None else START + timeout)


@pytest.mark.parametrize(
    ("options", "elapsed", "ended"),
    [
        ({"timeout": 10.0}, 9.91, Ended.TIMEOUT),
        ({"timeout": 10.0}, 50.0, Ended.TIMEOUT),
        ({"queue_timeout": 10.0}, 9.51, Ended.QUEUE_TIMEOUT),
        ({"queue_timeout": 0.3}, 0.21, Ended.QUEUE_TIMEOUT),
        ({"queue_timeout": 0.0}, 0.0, Ended.QUEUE_TIMEOUT),
        ({"timeout": 20.0, "queue_timeout": 10.0}, 10.0, Ended.QUEUE_TIMEOUT),
        ({"timeout": 10.0, "queue_timeout": 20.0}, 10.0, Ended.TIMEOUT),
        ({"timeout": 10.0, "queue_timeout": 10.5}, 10.0, Ended.TIMEOUT),
    ],
)
def test_the_limit_that_ends_first_ends_the_wait(options: dict[str, Any], elapsed: float, ended: Ended) -> None:
    wait = after(begun(**options))
    assert wait.next(START + elapsed, RANDOM, holds=True) is ended


def test_a_job_that_a_worker_has_is_no_longer_bound_by_the_queue_timeout() -> None:
    wait = after(begun(queue_timeout=5.0), state=RUNNING)
    assert next_look(wait, 100.0).hold_ms == 25_000
    requeued = after(wait)
    assert next_look(requeued, 200.0).hold_ms == 25_000


def test_the_first_look_is_made_however_late_it_is() -> None:
    assert next_look(begun(timeout=5.0), 7.0) == Look()


@pytest.mark.parametrize(("now", "over"), [(START, False), (START + 4.9, False), (START + 5.0, True)])
def test_whether_the_whole_wait_is_over(now: float, *, over: bool) -> None:
    assert begun(timeout=5.0).is_over(now) is over
    assert begun(queue_timeout=5.0).is_over(now) is False


@given(
    timeout=st.none() | st.floats(0.01, 100),
    queue_timeout=st.floats(0.01, 100),
    elapsed=st.floats(0, 200),
)
def test_why_no_worker_has_the_job_is_found_out_in_time(
    timeout: float | None, queue_timeout: float, elapsed: float
) -> None:
    wait = begun(timeout=timeout, queue_timeout=queue_timeout)
    assert wait.explain_by(START + elapsed) <= START + min(queue_timeout + 0.11, timeout or math.inf)
    ended = after(wait).next(START + elapsed, RANDOM, holds=True)
    if ended is Ended.QUEUE_TIMEOUT and elapsed < queue_timeout:
        assert queue_timeout - elapsed < 0.51


def test_a_queue_timeout_of_0_leaves_its_look_and_its_reason_an_attempt_each() -> None:
    wait = begun(queue_timeout=0.0)
    assert next_look(wait) == Look()
    assert wait.look_deadline == START + 30
    assert wait.explain_by(START + 1) == START + 31
    assert begun(queue_timeout=0.0, timeout=5.0).explain_by(START + 1) == START + 5


def test_what_happens_besides_ends_with_the_wait() -> None:
    assert begun(timeout=5.0).no_later_than(START + 9) == START + 5
    assert begun(timeout=5.0).no_later_than(START + 3) == START + 3
    assert begun().no_later_than(START + 9) == START + 9


@st.composite
def waits(draw: st.DrawFn) -> Wait:
    limit = st.none() | st.floats(0, 100)
    wait = begun(draw(configs()), draw(limit), queue_timeout=draw(limit), watch_progress=draw(st.booleans()))
    return evolve(wait, looks=draw(st.integers(0, 3)), held=draw(st.booleans()))


crowds = st.just(ALONE) | st.builds(
    Crowd, waiting=st.integers(1, 10_000), limit=st.just(STATUS_LIMIT), asking=st.integers(0, 400)
)


@given(
    wait=waits(),
    elapsed=st.floats(0, 120),
    known=st.fixed_dictionaries(
        {
            "crowd": crowds,
            "turn": st.just(0.0) | st.floats(0, 200),
            "usual": st.none() | st.builds(RunTimes, st.floats(0, 10), st.floats(10, 100)),
        }
    ),
    random=st.randoms(use_true_random=False),
)
def test_no_look_comes_or_is_held_beyond_a_limit(
    wait: Wait, elapsed: float, known: dict[str, Any], random: Random
) -> None:
    limits = wait.timeout, wait.queue_timeout
    limit = min(math.inf if limit is None else limit for limit in limits)
    config = wait.config

    look = wait.next(START + elapsed, random, holds=True, **known)

    if isinstance(look, Ended):
        assert wait.looks > 0
        assert elapsed > limit - 0.51
        return
    assert look.delay >= 0
    if look.delay > 0:
        assert elapsed + look.delay <= limit - 0.09
    if look.hold_ms is not None:
        assert config.poll.long_poll
        assert look.hold_ms >= SHORTEST_HOLD_MS
        assert elapsed + look.delay + look.hold_ms / 1000 <= limit - 0.09
        assert look.hold_ms / 1000 <= min(80.0, config.timeout / 1.05, config.timeout - 0.4)


@given(config=configs(), failures=st.integers(0, 5), seconds=st.floats(0, 1))
def test_an_attempt_may_always_last_as_long_as_its_answer_is_held(
    config: CallConfig, failures: int, seconds: float
) -> None:
    # Whatever the budget for retries is: while an answer is held as asked, nothing is late.
    assume(failures < config.retry.attempts)
    wait = begun(config)
    look = next_look(wait)
    assume(look.hold_ms is not None)
    call = Call(request=REQUESTS["get_status_sync"], connection=CONNECTION, config=wait.config)
    call.begin(0.0)
    spent = failures * seconds * (look.hold_ms or 0) / 1000
    assert call.attempt_seconds(spent) > (look.hold_ms or 0) / 1000


def test_the_budget_holds_as_it_is_where_nothing_is_held() -> None:
    config = DEFAULT_CALL_CONFIG.replace(poll=PollPolicy(long_poll=False))
    assert begun(config).config == config


# Whole waits, on a server that does as it likes


@define
class Server:
    """Answers after the time that it was asked to hold, or sooner, or late."""

    holds: float  # the share of a hold that it does hold
    way: float  # seconds to and fro
    ends_at: float  # when the job has ended, since the start of the wait

    def answers_at(self, look: Look, asked_at: float) -> float:
        held = 0.0 if look.hold_ms is None else self.holds * look.hold_ms / 1000
        return self.way + (asked_at if asked_at >= self.ends_at else min(asked_at + held, max(asked_at, self.ends_at)))


def waited(wait: Wait, server: Server, random: Random) -> tuple[Ended | None, float, list[float]]:
    """How a wait ended, when, and the moments of its looks."""
    now, looks = 0.0, list[float]()
    while len(looks) < 10_000:
        look = wait.next(START + now, random, holds=True)
        if isinstance(look, Ended):
            return look, now, looks
        now += look.delay
        looks.append(now)
        answered = server.answers_at(look, now)
        done = now >= server.ends_at or answered - server.way >= server.ends_at
        wait = wait.looked(look, QUEUED, asked_at=START + now, answered_at=START + answered)
        now = answered
        if done:
            return None, now, looks
    raise AssertionError("it looks for ever")


servers = st.builds(
    Server,
    holds=st.sampled_from([0.0, 0.3, 0.6, 1.0]),
    way=st.floats(0.001, 0.05),
    ends_at=st.floats(0, 200) | st.just(math.inf),
)


@given(server=servers, timeout=st.floats(0.2, 120), watch=st.booleans(), random=st.randoms(use_true_random=False))
def test_a_wait_ends_with_the_job_or_in_time(server: Server, timeout: float, watch: bool, random: Random) -> None:
    ended, now, looks = waited(begun(timeout=timeout, watch_progress=watch), server, random)
    if ended is None:
        assert server.ends_at <= now
        # Seen as soon as the server says so, or a poll interval later.
        assert now <= max(server.ends_at, 0.0) + max(17.0, server.ends_at * 0.2) + 2 * server.way
    else:
        assert ended is Ended.TIMEOUT
        assert timeout - 0.11 <= now <= timeout + server.way
        assert looks[-1] <= timeout - 0.09


@given(server=servers, watch=st.booleans(), random=st.randoms(use_true_random=False))
def test_no_server_is_asked_without_pause(server: Server, watch: bool, random: Random) -> None:
    _, now, looks = waited(begun(timeout=120.0, watch_progress=watch), server, random)
    # A server that does not hold is asked at growing intervals, one that holds is asked as often as it lets go.
    pauses = [later - earlier for earlier, later in pairwise(looks)]
    assert all(pause >= 0.04 for pause in pauses[:-1])
    assert len(looks) <= 3 + now / (0.25 if watch else 0.5)


@given(timeout=st.floats(2.5, 100), random=st.randoms(use_true_random=False))
def test_where_answers_are_held_the_job_s_end_is_seen_at_once(timeout: float, random: Random) -> None:
    server = Server(holds=1.0, way=0.01, ends_at=timeout / 2)
    ended, now, _ = waited(begun(timeout=timeout), server, random)
    assert ended is None
    assert now <= timeout / 2 + 0.3


# Streams and progress


def test_watching_for_progress_looks_often_at_first_and_holds_shortly_later() -> None:
    wait = begun(watch_progress=True)
    assert next_look(wait) == Look()
    assert next_look(after(wait), 0.1) == Look(delay=0.25)
    assert next_look(after(wait), 8.0) == Look(delay=0.8)
    assert next_look(after(wait), 20.0) == Look(hold_ms=2_000)
    assert next_look(after(wait), 500.0) == Look(hold_ms=5_000)


@pytest.mark.parametrize(
    ("took", "chunks", "paused"), [(0.0, 3, False), (5.0, 0, False), (0.0, 0, True), (2.0, 0, True)]
)
def test_a_stream_is_read_on_at_once_while_it_flows_or_is_held(took: float, chunks: int, *, paused: bool) -> None:
    wait = begun(for_streaming(DEFAULT_CALL_CONFIG)).drained(Look(hold_ms=5000), took=took, chunks=chunks)
    assert (wait.next(START + 60, RANDOM, holds=True) != Look(hold_ms=25_000)) is paused
    assert wait.looks == 1


@pytest.mark.parametrize("poll", [PollPolicy(), PollPolicy(long_poll=False, min_interval=5, max_interval=60)])
def test_a_stream_is_looked_at_every_second_at_least(poll: PollPolicy) -> None:
    config = for_streaming(DEFAULT_CALL_CONFIG.replace(poll=poll))
    assert config.poll.long_poll
    assert config.poll.min_interval == min(poll.min_interval, 1.0)
    assert config.poll.max_interval == 1.0
    wait = begun(config).drained(Look(hold_ms=5000), took=0.0, chunks=0)
    assert next_look(wait, 1000.0).delay <= 1.1


# Milliseconds


@pytest.mark.parametrize(
    ("remaining", "attempt_timeout", "hold_ms"),
    [
        (None, 30.0, 25_000),
        (None, 600.0, 80_000),
        (None, 5.5, None),
        (20.0, 30.0, 19_000),
        (100.0, 30.0, 25_000),
        (2.0, 30.0, 1_000),
        (1.9, 30.0, None),
        (0.0, 30.0, None),
        (-5.0, 30.0, None),
    ],
)
def test_a_submission_is_held_so_that_its_answer_comes_in_time(
    remaining: float | None, attempt_timeout: float, hold_ms: int | None
) -> None:
    assert run_sync_hold_ms(remaining=remaining, attempt_timeout=attempt_timeout) == hold_ms


@pytest.mark.parametrize(
    ("ttl", "milliseconds"), [(None, None), (60, 60_000), (timedelta(minutes=1), 60_000), (0.0001, 1), (0.5, 500)]
)
def test_a_ttl_is_said_in_seconds_and_sent_in_milliseconds(ttl: float | None, milliseconds: int | None) -> None:
    assert ttl_ms(ttl) == milliseconds


@pytest.mark.parametrize("ttl", [0, -1, math.inf, math.nan, True, "60", 604_801, 3_600_000, 1e308, timedelta.max])
def test_a_ttl_that_makes_no_sense_is_refused(ttl: Any) -> None:
    with pytest.raises(ConfigurationError, match="ttl"):
        ttl_ms(ttl)


@pytest.mark.parametrize(
    ("options", "elapsed", "ended"),
    [
        ({}, 1e6, None),
        ({"timeout": 10.0}, 9.9, None),
        ({"timeout": 10.0}, 10.0, Ended.TIMEOUT),
        ({"queue_timeout": 5.0}, 4.9, None),
        ({"queue_timeout": 5.0}, 5.0, Ended.QUEUE_TIMEOUT),
        ({"timeout": 10.0, "queue_timeout": 5.0}, 7.0, Ended.QUEUE_TIMEOUT),
        ({"timeout": 10.0, "queue_timeout": 5.0}, 10.0, Ended.TIMEOUT),
    ],
)
def test_which_limit_has_ended_is_known_at_any_moment(
    options: dict[str, Any], elapsed: float, ended: Ended | None
) -> None:
    assert begun(**options).ended(START + elapsed) is ended


# A look that fails


def refused_turn() -> TurnTooLateError:
    """A turn under the rate limits would have come too late."""
    return TurnTooLateError("late", operation="get_status", method="GET", url="u", request_sent=False)


def test_a_turn_that_is_refused_before_the_limit_has_ended_ends_the_wait() -> None:
    late = APITimeoutError("late", operation="get_status", method="GET", url="u", request_sent=True)
    wait = Wait.beginning(DEFAULT_CALL_CONFIG, 100.0, timeout=10)
    assert wait.ended_with(refused_turn(), 105.0) is Ended.TIMEOUT
    assert wait.ended_with(late, 105.0) is None
    assert wait.ended_with(late, 110.0) is Ended.TIMEOUT
    queued = Wait.beginning(DEFAULT_CALL_CONFIG, 100.0, timeout=10, queue_timeout=2)
    assert queued.ended_with(refused_turn(), 101.0) is Ended.QUEUE_TIMEOUT


@pytest.mark.parametrize(("status", "may_not"), [(404, True), (405, True), (400, False), (500, False)])
def test_two_refusals_may_mean_that_answers_are_not_held(status: int, may_not: bool) -> None:
    assert may_not_hold_answers(status) is may_not
