from __future__ import annotations

import asyncio
import heapq
import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from random import Random
from time import monotonic

import pytest
from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from runpod_typed._core.rate_limiter import SharedLimits, SlidingWindow, TooLate, Wait, Waiter
from runpod_typed._models.rate_limits import RateLimit, RateLimits

TRANSIT = 2.0


def window(requests: int = 1000, length: float = 10.0, concurrent: int | None = None) -> SlidingWindow:
    return SlidingWindow("'run' of endpoint e", RateLimit(requests=requests, window=length, concurrent=concurrent))


def ignore() -> None:
    pass


def granted(limited: SlidingWindow, now: float) -> Waiter:
    waiter = Waiter()
    assert limited.acquire(waiter, now) is None
    return waiter


def queued(
    limited: SlidingWindow, now: float, wake: Callable[[], None] = ignore, latest: float = math.inf
) -> tuple[Waiter, float | None]:
    waiter = Waiter(latest=latest)
    step = limited.acquire(waiter, now, wake)
    assert isinstance(step, Wait)
    return waiter, step.seconds


# Granting


def test_counts_a_request_from_its_response_on() -> None:
    limited = window(requests=1)
    limited.release(granted(limited, 0.0), 0.25, sent=True)
    waiter, seconds = queued(limited, 0.5)
    assert seconds == 9.75
    assert isinstance(limited.acquire(waiter, 10.0), Wait)
    assert limited.acquire(waiter, 10.25) is None


def test_counts_an_open_request_from_its_latest_arrival_on() -> None:
    limited = window(requests=1)
    granted(limited, 0.0)
    waiter, _ = queued(limited, 5.0)
    assert limited.acquire(waiter, 5.0) == Wait(TRANSIT + 5.0)
    assert limited.acquire(waiter, TRANSIT + 10.0) is None


def test_estimates_the_delay_of_a_request() -> None:
    limited = window(requests=1)
    assert limited.delay(0.0) == 0.0
    limited.release(granted(limited, 0.0), 0.25, sent=True)
    assert limited.delay(0.5) == 9.75
    queued(limited, 0.5)
    assert limited.delay(0.5) == 19.75


def test_passes_an_unused_permit_to_the_next_waiter() -> None:
    woken: list[str] = []
    limited = window(requests=1)
    first = granted(limited, 0.0)
    second, _ = queued(limited, 0.1, lambda: woken.append("second"))
    limited.release(first, 0.2, sent=False)
    assert woken == ["second"]
    assert limited.acquire(second, 0.2) is None


def test_a_waiter_can_leave_the_queue() -> None:
    limited = window(requests=1)
    granted(limited, 0.0)
    second, _ = queued(limited, 0.0)
    third, _ = queued(limited, 0.0)
    limited.release(second, 1.0, sent=False)
    assert limited.waiting == 1
    assert limited.acquire(third, TRANSIT + 10.0) is None


def test_a_second_release_does_nothing() -> None:
    limited = window(concurrent=2)
    first = granted(limited, 0.0)
    granted(limited, 0.0)
    limited.release(first, 1.0, sent=True)
    limited.release(first, 1.0, sent=True)
    assert limited.open == 1


def test_a_release_wakes_the_head_of_the_queue_alone() -> None:
    woken: list[str] = []
    limited = window(concurrent=1)
    first = granted(limited, 0.0)
    second, seconds = queued(limited, 0.0, lambda: woken.append("second"))
    queued(limited, 0.0, lambda: woken.append("third"))
    assert seconds is None
    limited.release(first, 3.0, sent=True)
    assert woken == ["second"]
    assert limited.acquire(second, 3.0) is None


def test_ignores_a_clock_reading_older_than_the_last() -> None:
    limited = window(requests=2)
    first = granted(limited, 10.0)
    second = granted(limited, 9.0)
    limited.release(second, 9.5, sent=True)
    limited.release(first, 9.0, sent=True)
    _, seconds = queued(limited, 10.0)
    assert seconds == 10.0


def test_grants_a_whole_window_at_once() -> None:
    limited = window(requests=2000)
    for waiter in [granted(limited, 0.0) for _ in range(2000)]:
        limited.release(waiter, 0.1, sent=True)
    _, seconds = queued(limited, 0.1)
    assert seconds == pytest.approx(10.0)


# Time limits of callers


def test_refuses_at_once_if_the_permit_would_come_too_late() -> None:
    limited = window(requests=2)
    for _ in range(2):
        limited.release(granted(limited, 0.0), 0.0, sent=True)
    for _ in range(4):
        queued(limited, 0.0)
    queued(limited, 1.0, latest=30.0)
    refusal = limited.acquire(Waiter(latest=29.0), 1.0)
    assert isinstance(refusal, TooLate)
    assert refusal.seconds == 29.0
    assert "'run' of endpoint e (2 requests in 10 s)" in refusal.message
    assert "29 s" in refusal.message


def test_grants_at_once_or_never_if_no_time_is_left() -> None:
    limited = window(requests=1)
    assert limited.acquire(Waiter(latest=5.0), 5.0) is None
    assert isinstance(limited.acquire(Waiter(latest=5.0), 5.0), TooLate)


def test_waits_for_a_release_until_the_time_limit() -> None:
    limited = window(concurrent=1)
    granted(limited, 0.0)
    waiter, seconds = queued(limited, 0.0, latest=4.0)
    assert seconds == 4.0
    assert isinstance(limited.acquire(waiter, 4.0), TooLate)


def test_refuses_at_once_if_the_time_limit_ends_in_a_pause() -> None:
    woken: list[str] = []
    limited = window(concurrent=1)
    first = granted(limited, 0.0)
    hasty, _ = queued(limited, 0.0, lambda: woken.append("hasty"), latest=5.0)
    limited.rate_limited(first, 1.0, 20.0)
    assert woken == ["hasty"]
    assert isinstance(limited.acquire(hasty, 1.0), TooLate)


# Pauses


def test_pauses_all_for_as_long_as_the_server_asks() -> None:
    limited = window()
    limited.rate_limited(granted(limited, 0.0), 1.0, 7.0)
    waiter, seconds = queued(limited, 2.0)
    assert seconds == 6.0
    assert limited.acquire(waiter, 8.0) is None


def test_pauses_without_retry_after_double_until_a_quiet_window() -> None:
    limited = window()
    pauses: list[float | None] = []
    now = 0.0
    for _ in range(6):
        first = granted(limited, now)
        limited.rate_limited(first, now, None)
        limited.release(first, now, sent=True)
        waiter, seconds = queued(limited, now)
        pauses.append(seconds)
        limited.release(waiter, now, sent=False)
        now += (seconds or 0.0) + 0.5
    assert pauses == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    limited.rate_limited(granted(limited, now + 60.0), now + 60.0, None)
    assert queued(limited, now + 60.0)[1] == 1.0


def test_many_429s_at_once_pause_once() -> None:
    limited = window()
    burst = [granted(limited, 0.0) for _ in range(10)]
    for waiter in burst:
        limited.rate_limited(waiter, 0.5, None)
    assert queued(limited, 0.5)[1] == 1.0


def test_a_pause_lasts_30_seconds_at_most() -> None:
    limited = window()
    limited.rate_limited(granted(limited, 0.0), 0.0, 86_400.0)
    assert queued(limited, 0.0)[1] == 30.0


# The windows of a client


def test_operations_share_a_budget_and_endpoints_do_not() -> None:
    windows, limits = SharedLimits(), RateLimits()
    status = windows.find(limits, "a", "get_status")
    assert status is not None
    assert windows.find(limits, "a", "stream") is windows.find(RateLimits(), "a", "stream") is status
    assert windows.find(limits, "b", "get_status") is not status
    assert windows.find(limits, "a", "run") is not status
    assert windows.find(limits, "a", "get_health") is None


def test_disabled_limits_have_no_window() -> None:
    assert SharedLimits().find(RateLimits.disabled(), "a", "run") is None


# Any order of events


@define(eq=False)
class Caller:
    """A caller of the I/O layer: it calls again when it is woken and when its wait is over."""

    waiter: Waiter
    woken: bool = True
    calls_at: float = math.inf
    granted_at: float | None = None
    released_at: float | None = None
    sent: bool = True

    def wake(self) -> None:
        self.woken = True

    def arrives_until(self) -> float:
        assert self.granted_at is not None
        latest = self.granted_at + TRANSIT
        return latest if self.released_at is None else min(latest, self.released_at)


class AnyOrderOfEvents(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.callers: list[Caller] = []
        self.queue: list[Caller] = []
        self.open: list[Caller] = []
        self.granted: list[Caller] = []
        self.released = 0
        self.paused_until = -math.inf

    @initialize(
        requests=st.integers(1, 5),
        length=st.sampled_from([0.5, 2.0, 10.0]),
        concurrent=st.none() | st.integers(1, 4),
    )
    def set_up(self, requests: int, length: float, concurrent: int | None) -> None:
        self.window = window(requests, length, concurrent)
        self.limit = self.window.limit

    @rule(dt=st.sampled_from([0.0, 0.01, 0.3, 1.0, 2.5, 10.0, 60.0]) | st.floats(0, 20))
    def time_passes(self, dt: float) -> None:
        until = self.now + dt
        while True:
            self.due_callers_call()
            nearest = min((caller.calls_at for caller in self.queue), default=math.inf)
            if nearest > until:
                break
            self.now = max(self.now, nearest)
        self.now = until

    @rule(time_left=st.none() | st.floats(0, 30))
    def caller_acquires(self, time_left: float | None) -> None:
        caller = Caller(Waiter(latest=math.inf if time_left is None else self.now + time_left))
        self.callers.append(caller)
        self.queue.append(caller)
        self.due_callers_call()

    @precondition(lambda self: self.open)
    @rule(data=st.data(), sent=st.booleans())
    def caller_finishes(self, data: st.DataObject, sent: bool) -> None:
        caller = data.draw(st.sampled_from(self.open))
        self.open.remove(caller)
        caller.released_at, caller.sent = self.now, sent
        self.release(caller)

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def caller_gives_up_waiting(self, data: st.DataObject) -> None:
        caller = data.draw(st.sampled_from(self.queue))
        self.queue.remove(caller)
        self.release(caller)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), retry_after=st.none() | st.floats(0, 30))
    def server_answers_429(self, data: st.DataObject, retry_after: float | None) -> None:
        caller = data.draw(st.sampled_from(self.open))
        self.window.rate_limited(caller.waiter, self.now, retry_after)
        self.paused_until = max(self.paused_until, self.now + (retry_after or 0.0))
        self.check_grants()

    def release(self, caller: Caller) -> None:
        self.released += 1
        self.window.release(caller.waiter, self.now, sent=caller.sent)
        self.check_grants()

    def due_callers_call(self) -> None:
        while True:
            due = [caller for caller in self.queue if caller.woken or caller.calls_at <= self.now]
            if not due:
                return
            for caller in due:
                caller.woken = False
                step = self.window.acquire(caller.waiter, self.now, caller.wake)
                self.check_grants()
                if isinstance(step, Wait):
                    assert step.seconds is None or step.seconds > 0
                    # At least the next float: a real clock moves on.
                    later = math.nextafter(self.now, math.inf)
                    caller.calls_at = math.inf if step.seconds is None else max(later, self.now + step.seconds)
                elif isinstance(step, TooLate):
                    assert caller.waiter.latest < math.inf
                    self.queue.remove(caller)
                    self.release(caller)
                else:
                    assert caller not in self.queue

    def check_grants(self) -> None:
        """Check the promises at each grant: the window, the open requests, the order and the pause."""
        for caller in list(self.queue):
            if caller.waiter.granted_at is None:
                break
            assert self.now >= self.paused_until
            self.queue.remove(caller)
            caller.granted_at = self.now
            self.open.append(caller)
            self.granted.append(caller)
            assert self.limit.concurrent is None or len(self.open) <= self.limit.concurrent
            # At all possible times of arrival: no window that ends here has too many.
            may_meet = [
                other for other in self.granted if other.sent and other.arrives_until() + self.limit.window > self.now
            ]
            assert len(may_meet) <= self.limit.requests
        # First come, first served: no waiter behind one that waits is granted.
        assert all(caller.waiter.granted_at is None for caller in self.queue)

    @invariant()
    def no_permit_is_lost(self) -> None:
        assert len(self.callers) == len(self.queue) + len(self.open) + self.released
        if self.callers:
            assert (self.window.waiting, self.window.open) == (len(self.queue), len(self.open))

    def teardown(self) -> None:
        """When all open requests finish, all waiters are granted, woken by nothing but the contract."""
        if not self.callers:
            return
        for _ in range(3 * len(self.callers) + 3):
            self.due_callers_call()
            while self.open:
                caller = self.open.pop()
                caller.released_at = self.now
                self.release(caller)
            if self.queue and not any(caller.woken for caller in self.queue):
                nearest = min(caller.calls_at for caller in self.queue)
                assert nearest < math.inf
                self.now = max(self.now, nearest)
        assert not self.queue
        assert self.window.waiting == self.window.open == 0


TestAnyOrderOfEvents = AnyOrderOfEvents.TestCase
TestAnyOrderOfEvents.settings = settings(max_examples=2 * settings().max_examples, stateful_step_count=40)


# Many callers at once


@define
class Server:
    """Refuses what is above a limit, by when requests arrive."""

    limit: RateLimit
    open: int = 0
    refused: int = 0
    arrivals: deque[float] = field(factory=deque[float])

    def arrive(self, now: float) -> None:
        while self.arrivals and self.arrivals[0] <= now - self.limit.window:
            self.arrivals.popleft()
        self.open += 1
        self.arrivals.append(now)
        if len(self.arrivals) > self.limit.requests or self.open > (self.limit.concurrent or math.inf):
            self.refused += 1


@define(eq=False)
class Simulation:
    """Callers, a network and a server, without a real clock."""

    limited: SlidingWindow
    server: Server
    transit: Callable[[float], float]
    work: Callable[[], float]
    now: float = 0.0
    calls: int = 0
    order: list[int] = field(factory=list[int])
    events: list[tuple[float, int, Callable[[], None]]] = field(factory=list[tuple[float, int, Callable[[], None]]])
    scheduled: Iterator[int] = field(factory=count)

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.now + seconds, next(self.scheduled), event))

    def run(self, callers: int) -> None:
        for number in range(callers):
            self.after(0.0, partial(self.join, number))
        while self.events:
            self.now, _, event = heapq.heappop(self.events)
            event()

    def join(self, number: int) -> None:
        self.acquire(number, Waiter(), [])

    def acquire(self, number: int, waiter: Waiter, woken: list[bool]) -> None:
        if woken:
            return  # the event was set and the time was over as well: one wait ends once
        woken.append(True)
        self.calls += 1
        again = partial(self.acquire, number, waiter, [])
        step = self.limited.acquire(waiter, self.now, lambda: self.after(0.0, again))
        if step is None:
            self.order.append(number)
            self.after(self.transit(self.now), partial(self.arrive, waiter))
        else:
            assert isinstance(step, Wait)
            if step.seconds is not None:
                self.after(step.seconds, again)

    def arrive(self, waiter: Waiter) -> None:
        self.server.arrive(self.now)
        self.after(self.work(), partial(self.answer, waiter))

    def answer(self, waiter: Waiter) -> None:
        self.server.open -= 1
        self.after(0.001, lambda: self.limited.release(waiter, self.now, sent=True))


@pytest.mark.slow
@pytest.mark.parametrize(("slowest_transit", "longest_work"), [(0.9, 0.1), (0.05, 3.0), (0.9, 30.0)])
def test_5000_callers_are_served_in_order_without_a_429(slowest_transit: float, longest_work: float) -> None:
    random = Random(5)
    simulation = Simulation(
        window(requests=2000, concurrent=380),
        Server(RateLimit(requests=2000, concurrent=400)),
        # The first connections are slow and the later ones fast, so that two batches meet in one window.
        transit=lambda now: random.uniform(0, slowest_transit) if now < 5 else 0.001,
        work=lambda: random.uniform(0, longest_work),
    )
    simulation.run(callers=5000)
    assert simulation.server.refused == 0
    assert simulation.order == list(range(5000))
    assert simulation.limited.waiting == simulation.limited.open == 0
    assert simulation.calls <= 3 * 5000


def test_a_limit_above_the_servers_meets_a_429() -> None:
    simulation = Simulation(
        window(requests=2001, concurrent=400),
        Server(RateLimit(requests=2000, concurrent=400)),
        transit=lambda _now: 0.001,
        work=lambda: 0.01,
    )
    simulation.run(callers=5000)
    assert simulation.server.refused > 0


def acquire_in_threads(limited: SlidingWindow, callers: int) -> int:
    """Acquire and release in threads; return the largest number of open requests."""
    lock = threading.Lock()
    open_now = most = 0

    def call() -> None:
        nonlocal open_now, most
        waiter = Waiter()
        try:
            while True:
                event = threading.Event()
                with lock:
                    step = limited.acquire(waiter, monotonic(), event.set)
                if not isinstance(step, Wait):
                    break
                event.wait(step.seconds)
            with lock:
                open_now += 1
                most = max(most, open_now)
            event.wait(0.001)
            with lock:
                open_now -= 1
        finally:
            with lock:
                limited.release(waiter, monotonic(), sent=True)

    threads = [threading.Thread(target=call, daemon=True) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return most


def test_all_threads_are_served_within_the_limit() -> None:
    limited = window(requests=40, length=0.1, concurrent=5)
    assert 1 <= acquire_in_threads(limited, 120) <= 5
    assert limited.waiting == limited.open == 0


def test_all_tasks_are_served_though_some_are_cancelled() -> None:
    limited = window(requests=100, length=0.1, concurrent=5)
    lock = threading.Lock()
    open_now = most = 0

    async def call() -> None:
        nonlocal open_now, most
        waiter = Waiter()
        sent = False
        try:
            while True:
                event = asyncio.Event()
                with lock:
                    step = limited.acquire(waiter, monotonic(), event.set)
                if not isinstance(step, Wait):
                    break
                try:
                    async with asyncio.timeout(step.seconds):
                        await event.wait()
                except TimeoutError:
                    pass
            sent = True
            open_now += 1
            most = max(most, open_now)
            try:
                await asyncio.sleep(0)
            finally:
                open_now -= 1
        finally:
            with lock:
                limited.release(waiter, monotonic(), sent=sent)

    async def main() -> int:
        tasks = [asyncio.create_task(call()) for _ in range(300)]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
        return sum(outcome is None for outcome in outcomes)

    assert asyncio.run(main()) >= 200
    assert 1 <= most <= 5
    assert limited.waiting == limited.open == 0
