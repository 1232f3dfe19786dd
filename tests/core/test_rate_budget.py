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

from runpod_typed._core.rate_limiter import Admitted, Budget, Budgets, Ticket, TooLate, Wait
from runpod_typed._models.rate_limits import RateLimit, RateLimits

TRAVEL = 2.0


def budget(requests: int = 1000, window: float = 10.0, concurrent: int | None = None, per_worker: int = 0) -> Budget:
    return Budget("'run' of endpoint e", RateLimit(requests=requests, window=window, concurrent=concurrent), per_worker)


def ignore() -> None:
    pass


def joins(limited: Budget, now: float, latest: float | None = None) -> Ticket:
    ticket = Ticket(latest=math.inf if latest is None else latest)
    limited.join(ticket, now)
    return ticket


def enters(limited: Budget, now: float) -> Ticket:
    ticket = joins(limited, now)
    assert isinstance(limited.poll(ticket, now, wake=ignore), Admitted)
    return ticket


def waits(limited: Budget, now: float, wake: Callable[[], None] = ignore) -> tuple[Ticket, float | None]:
    ticket = joins(limited, now)
    step = limited.poll(ticket, now, wake=wake)
    assert isinstance(step, Wait)
    return ticket, step.seconds


# Turns


def test_a_request_counts_from_its_answer_on() -> None:
    limited = budget(requests=1)
    first = enters(limited, 0.0)
    limited.leave(first, 0.25, sent=True)
    second, seconds = waits(limited, 0.5)
    assert seconds == 9.75
    assert isinstance(limited.poll(second, 10.0, wake=ignore), Wait)
    assert isinstance(limited.poll(second, 10.25, wake=ignore), Admitted)


def test_a_request_that_stays_open_counts_from_its_latest_arrival_on() -> None:
    limited = budget(requests=1)
    enters(limited, 0.0)
    second, _ = waits(limited, 5.0)
    assert limited.poll(second, 5.0, wake=ignore) == Wait(TRAVEL + 5.0)
    assert isinstance(limited.poll(second, TRAVEL + 10.0, wake=ignore), Admitted)


def test_a_turn_that_was_not_used_goes_to_the_next_in_line() -> None:
    rung: list[str] = []
    limited = budget(requests=1)
    first = enters(limited, 0.0)
    second, _ = waits(limited, 0.1, lambda: rung.append("second"))
    limited.leave(first, 0.2, sent=False)
    assert rung == ["second"]
    assert isinstance(limited.poll(second, 0.2, wake=ignore), Admitted)


def test_a_place_in_line_can_be_given_up() -> None:
    limited = budget(requests=1)
    enters(limited, 0.0)
    second, _ = waits(limited, 0.0)
    third, _ = waits(limited, 0.0)
    limited.leave(second, 1.0, sent=False)
    assert limited.waiting == 1
    assert isinstance(limited.poll(third, TRAVEL + 10.0, wake=ignore), Admitted)


def test_leaving_twice_makes_no_second_room() -> None:
    limited = budget(concurrent=2)
    first = enters(limited, 0.0)
    enters(limited, 0.0)
    limited.leave(first, 1.0, sent=True)
    limited.leave(first, 1.0, sent=True)
    assert limited.inside == 1


def test_somebody_who_leaves_makes_room_for_the_first_in_line_and_wakes_nobody_else() -> None:
    rung: list[str] = []
    limited = budget(concurrent=1)
    first = enters(limited, 0.0)
    second, seconds = waits(limited, 0.0, lambda: rung.append("second"))
    waits(limited, 0.0, lambda: rung.append("third"))
    assert seconds is None
    limited.leave(first, 3.0, sent=True)
    assert rung == ["second"]
    assert isinstance(limited.poll(second, 3.0, wake=ignore), Admitted)


def test_a_clock_reading_that_is_late_does_no_harm() -> None:
    limited = budget(requests=2)
    first = enters(limited, 10.0)
    second = enters(limited, 9.0)
    limited.leave(second, 9.5, sent=True)
    limited.leave(first, 9.0, sent=True)
    _, seconds = waits(limited, 10.0)
    assert seconds == 10.0


def test_2000_callers_at_once_are_let_through_2000_in_a_window() -> None:
    limited = budget(requests=2000)
    for ticket in [enters(limited, 0.0) for _ in range(2000)]:
        limited.leave(ticket, 0.1, sent=True)
    _, seconds = waits(limited, 0.1)
    assert seconds == pytest.approx(10.0)


# Callers with a limit of their own


def test_a_caller_whose_time_ends_before_its_turn_is_told_at_once() -> None:
    limited = budget(requests=2)
    for _ in range(2):
        limited.leave(enters(limited, 0.0), 0.0, sent=True)
    line = [joins(limited, 0.0) for _ in range(4)]
    in_time, too_late = joins(limited, 1.0, latest=30.0), joins(limited, 1.0, latest=29.0)
    assert isinstance(limited.poll(line[0], 1.0, wake=ignore), Wait)
    assert isinstance(limited.poll(in_time, 1.0, wake=ignore), Wait)
    verdict = limited.poll(too_late, 1.0, wake=ignore)
    assert isinstance(verdict, TooLate)
    assert verdict.seconds == 29.0
    assert "'run' of endpoint e (2 requests in 10 s)" in verdict.message
    assert "29 s" in verdict.message


def test_a_caller_without_any_time_has_its_turn_at_once_or_never() -> None:
    limited = budget(requests=1)
    ticket = joins(limited, 5.0, latest=5.0)
    assert isinstance(limited.poll(ticket, 5.0, wake=ignore), Admitted)
    late = joins(limited, 5.0, latest=5.0)
    assert isinstance(limited.poll(late, 5.0, wake=ignore), TooLate)


def test_a_caller_waits_for_somebody_to_leave_no_longer_than_its_time() -> None:
    limited = budget(concurrent=1)
    enters(limited, 0.0)
    ticket = joins(limited, 0.0, latest=4.0)
    assert limited.poll(ticket, 0.0, wake=ignore) == Wait(4.0)
    assert isinstance(limited.poll(ticket, 4.0, wake=ignore), TooLate)


def test_a_caller_whose_time_ends_within_a_pause_is_told_at_once() -> None:
    rung: list[str] = []
    limited = budget(concurrent=1)
    first = enters(limited, 0.0)
    hasty = joins(limited, 0.0, latest=5.0)
    limited.poll(hasty, 0.0, wake=lambda: rung.append("hasty"))
    limited.on_rate_limited(first, 1.0, 20.0)
    assert rung == ["hasty"]
    assert isinstance(limited.poll(hasty, 1.0, wake=ignore), TooLate)


# Giving way


def test_after_a_429_everybody_pauses_for_as_long_as_the_server_asks() -> None:
    limited = budget()
    limited.on_rate_limited(enters(limited, 0.0), 1.0, 7.0)
    ticket, seconds = waits(limited, 2.0)
    assert seconds == 6.0
    assert isinstance(limited.poll(ticket, 8.0, wake=ignore), Admitted)


def test_a_pause_that_the_server_does_not_name_grows_until_a_quiet_window() -> None:
    limited = budget()
    pauses: list[float | None] = []
    now = 0.0
    for _ in range(6):
        ticket = enters(limited, now)
        limited.on_rate_limited(ticket, now, None)
        limited.leave(ticket, now, sent=True)
        waiting, seconds = waits(limited, now)
        pauses.append(seconds)
        limited.leave(waiting, now, sent=False)
        now += (seconds or 0.0) + 0.5
    assert pauses == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    limited.on_rate_limited(enters(limited, now + 60.0), now + 60.0, None)
    assert waits(limited, now + 60.0)[1] == 1.0


def test_a_pause_ends_even_where_the_server_asks_for_a_day() -> None:
    limited = budget()
    limited.on_rate_limited(enters(limited, 0.0), 0.0, 86_400.0)
    assert waits(limited, 0.0)[1] == 30.0


def test_a_429_lowers_the_limit_below_what_was_in_use_and_many_at_once_lower_it_once() -> None:
    limited = budget(requests=1000)
    tickets = [enters(limited, 0.0) for _ in range(700)]
    for ticket in tickets:
        limited.on_rate_limited(ticket, 0.5, 1.0)
    assert limited.in_force.requests == 560


def test_a_429_while_many_are_open_lowers_how_many_may_be_open() -> None:
    limited = budget(requests=1000, concurrent=100)
    tickets = [enters(limited, 0.0) for _ in range(100)]
    limited.on_rate_limited(tickets[0], 0.5, 1.0)
    assert limited.in_force.concurrent == 80


def test_a_single_429_takes_no_more_than_half_and_many_leave_a_tenth() -> None:
    limited = budget(requests=1000)
    now = 0.0
    seen: list[int] = []
    for _ in range(6):
        ticket = enters(limited, now)
        limited.on_rate_limited(ticket, now, 0.0)
        limited.leave(ticket, now, sent=True)
        seen.append(limited.in_force.requests)
        now += 1.0
    assert seen == [500, 250, 125, 100, 100, 100]


def test_a_lowered_limit_recovers_slowly_at_first_and_then_wholly() -> None:
    limited = budget(requests=1000)
    limited.on_rate_limited(enters(limited, 0.0), 0.0, 0.0)
    seen: list[int] = []
    for window in range(1, 12):
        limited.leave(enters(limited, window * 10.0), window * 10.0, sent=True)
        seen.append(limited.in_force.requests)
    assert seen == [510, 530, 570, 650, 750, 850, 950, 1000, 1000, 1000, 1000]


def test_the_limit_grows_with_the_workers_and_never_below_its_base() -> None:
    limited = budget(requests=100, per_worker=50)
    limited.on_workers(0.0, 1)
    assert limited.in_force.requests == 100
    limited.on_workers(0.0, 7)
    assert limited.in_force.requests == 350
    limited.on_workers(0.0, 0)
    assert limited.in_force.requests == 100


def test_more_workers_make_room_at_once() -> None:
    rung: list[str] = []
    limited = budget(requests=1, per_worker=1)
    enters(limited, 0.0)
    waits(limited, 0.0, lambda: rung.append("second"))
    limited.on_workers(0.0, 2)
    assert rung == ["second"]


# One client's budgets


def test_operations_share_a_budget_and_endpoints_do_not() -> None:
    budgets = Budgets(RateLimits())
    status = budgets.find("a", "get_status")
    assert status is not None
    assert budgets.find("a", "stream") is budgets.find("a", "stream") is status
    assert budgets.find("b", "get_status") is not status
    assert budgets.find("a", "run") is not status
    assert budgets.find("a", "get_health") is None


def test_an_endpoints_workers_count_for_all_its_budgets_and_no_others() -> None:
    budgets = Budgets(RateLimits(requests_per_worker=300))
    run, status, other = budgets.find("a", "run"), budgets.find("a", "stream"), budgets.find("b", "run")
    assert run is not None
    assert status is not None
    assert other is not None
    budgets.on_workers("a", 0.0, 10)
    assert [limited.in_force.requests for limited in (run, status, other)] == [3000, 3000, 1000]


def test_a_client_without_limits_has_no_budgets() -> None:
    assert Budgets(RateLimits.off()).find("a", "run") is None


# Any order of events


@define(eq=False)
class Caller:
    """A caller that keeps to the shell's contract: it polls when it is woken and when its wait is over."""

    ticket: Ticket
    woken: bool = True
    polls_at: float = math.inf
    admitted_at: float | None = None
    left_at: float | None = None
    sent: bool = True

    def wake(self) -> None:
        self.woken = True

    def arrives_until(self) -> float:
        assert self.admitted_at is not None
        latest = self.admitted_at + TRAVEL
        return latest if self.left_at is None else min(latest, self.left_at)


class AnyOrderOfEvents(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.joined: list[Caller] = []
        self.line: list[Caller] = []
        self.inside: list[Caller] = []
        self.admitted: list[Caller] = []
        self.gone = 0
        self.paused_until = -math.inf

    @initialize(
        requests=st.integers(1, 5),
        window=st.sampled_from([0.5, 2.0, 10.0]),
        concurrent=st.none() | st.integers(1, 4),
        per_worker=st.integers(0, 2),
    )
    def set_up(self, requests: int, window: float, concurrent: int | None, per_worker: int) -> None:
        self.window = window
        self.budget = budget(requests, window, concurrent, per_worker)

    @rule(dt=st.sampled_from([0.0, 0.01, 0.3, 1.0, 2.5, 10.0, 60.0]) | st.floats(0, 20))
    def time_passes(self, dt: float) -> None:
        until = self.now + dt
        while True:
            self.everybody_polls_who_should()
            nearest = min((caller.polls_at for caller in self.line), default=math.inf)
            if nearest > until:
                break
            self.now = max(self.now, nearest)
        self.now = until

    @rule(time_left=st.none() | st.floats(0, 30))
    def somebody_joins(self, time_left: float | None) -> None:
        latest = None if time_left is None else self.now + time_left
        caller = Caller(joins(self.budget, self.now, latest))
        self.joined.append(caller)
        self.line.append(caller)
        self.see_who_is_admitted()
        self.everybody_polls_who_should()

    @precondition(lambda self: self.inside)
    @rule(data=st.data(), sent=st.booleans())
    def somebody_has_finished(self, data: st.DataObject, sent: bool) -> None:
        caller = data.draw(st.sampled_from(self.inside))
        self.inside.remove(caller)
        caller.left_at, caller.sent = self.now, sent
        self.leaves(caller)

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def somebody_gives_up_waiting(self, data: st.DataObject) -> None:
        caller = data.draw(st.sampled_from(self.line))
        self.line.remove(caller)
        self.leaves(caller)

    @precondition(lambda self: self.inside)
    @rule(data=st.data(), retry_after=st.none() | st.floats(0, 30))
    def the_server_says_429(self, data: st.DataObject, retry_after: float | None) -> None:
        caller = data.draw(st.sampled_from(self.inside))
        self.budget.on_rate_limited(caller.ticket, self.now, retry_after)
        self.paused_until = max(self.paused_until, self.now + (retry_after or 0.0))
        self.see_who_is_admitted()

    @rule(running=st.integers(0, 10))
    def workers_come_and_go(self, running: int) -> None:
        self.budget.on_workers(self.now, running)
        self.see_who_is_admitted()

    def leaves(self, caller: Caller) -> None:
        self.gone += 1
        self.budget.leave(caller.ticket, self.now, sent=caller.sent)
        self.see_who_is_admitted()

    def everybody_polls_who_should(self) -> None:
        while True:
            due = [caller for caller in self.line if caller.woken or caller.polls_at <= self.now]
            if not due:
                return
            for caller in due:
                caller.woken = False
                step = self.budget.poll(caller.ticket, self.now, wake=caller.wake)
                self.see_who_is_admitted()
                if isinstance(step, Wait):
                    assert step.seconds is None or step.seconds > 0
                    # Never less than the next float: a real clock moves on.
                    later = math.nextafter(self.now, math.inf)
                    caller.polls_at = math.inf if step.seconds is None else max(later, self.now + step.seconds)
                elif isinstance(step, TooLate):
                    assert caller.ticket.latest < math.inf
                    self.line.remove(caller)
                    self.leaves(caller)
                else:
                    assert caller not in self.line

    def see_who_is_admitted(self) -> None:
        """The promises, checked at each admission."""
        limit = self.budget.in_force
        for caller in list(self.line):
            if caller.ticket.admitted_at is None:
                break
            assert self.now >= self.paused_until
            self.line.remove(caller)
            caller.admitted_at = self.now
            self.inside.append(caller)
            self.admitted.append(caller)
            assert limit.concurrent is None or len(self.inside) <= limit.concurrent
            # Whenever each of them arrived at the server within what is possible: no window ends here with too many.
            may_meet = [
                other for other in self.admitted if other.sent and other.arrives_until() + self.window > self.now
            ]
            assert len(may_meet) <= limit.requests
        # First come, first served: nobody behind the first who still waits has been let in.
        assert all(caller.ticket.admitted_at is None for caller in self.line)

    @invariant()
    def nobody_is_lost(self) -> None:
        assert len(self.joined) == len(self.line) + len(self.inside) + self.gone
        if self.joined:
            assert (self.budget.waiting, self.budget.inside) == (len(self.line), len(self.inside))

    def teardown(self) -> None:
        """When all who are inside finish, all who wait have their turn, woken by nothing but the contract."""
        if not self.joined:
            return
        for _ in range(3 * len(self.joined) + 3):
            self.everybody_polls_who_should()
            while self.inside:
                caller = self.inside.pop()
                caller.left_at = self.now
                self.leaves(caller)
            nearest = min((caller.polls_at for caller in self.line if not caller.woken), default=self.now)
            if not any(caller.woken for caller in self.line):
                assert nearest < math.inf
                self.now = max(self.now, nearest)
        assert not self.line
        assert self.budget.waiting == self.budget.inside == 0


TestAnyOrderOfEvents = AnyOrderOfEvents.TestCase
TestAnyOrderOfEvents.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


# Many callers


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
    """Callers, the way and a server, without a real clock."""

    limited: Budget
    server: Server
    way: Callable[[float], float]
    work: Callable[[], float]
    now: float = 0.0
    polls: int = 0
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
        self.poll(number, joins(self.limited, self.now), [])

    def poll(self, number: int, ticket: Ticket, woken: list[bool]) -> None:
        if woken:
            return  # the event was set and the time was over as well: one wait ends once
        woken.append(True)
        self.polls += 1
        again = partial(self.poll, number, ticket, [])
        step = self.limited.poll(ticket, self.now, wake=lambda: self.after(0.0, again))
        if isinstance(step, Admitted):
            self.order.append(number)
            self.after(self.way(self.now), partial(self.arrive, ticket))
        else:
            assert isinstance(step, Wait)
            if step.seconds is not None:
                self.after(step.seconds, again)

    def arrive(self, ticket: Ticket) -> None:
        self.server.arrive(self.now)
        self.after(self.work(), partial(self.answer, ticket))

    def answer(self, ticket: Ticket) -> None:
        self.server.open -= 1
        self.after(0.001, lambda: self.limited.leave(ticket, self.now, sent=True))


@pytest.mark.parametrize(("slowest_way", "longest_work"), [(0.9, 0.1), (0.05, 3.0), (0.9, 30.0)])
def test_5000_callers_at_once_have_their_turns_in_order_and_never_meet_a_429(
    slowest_way: float, longest_work: float
) -> None:
    random = Random(5)
    simulation = Simulation(
        budget(requests=2000, concurrent=380),
        Server(RateLimit(requests=2000, concurrent=400)),
        # The first connections are slow and the later ones fast: what makes two batches meet in one window.
        way=lambda now: random.uniform(0, slowest_way) if now < 5 else 0.001,
        work=lambda: random.uniform(0, longest_work),
    )
    simulation.run(callers=5000)
    assert simulation.server.refused == 0
    assert simulation.order == list(range(5000))
    assert simulation.limited.waiting == simulation.limited.inside == 0
    assert simulation.polls <= 3 * 5000


def test_a_budget_above_the_servers_limit_meets_a_429_so_that_the_test_above_can_fail() -> None:
    simulation = Simulation(
        budget(requests=2001, concurrent=400),
        Server(RateLimit(requests=2000, concurrent=400)),
        way=lambda _now: 0.001,
        work=lambda: 0.01,
    )
    simulation.run(callers=5000)
    assert simulation.server.refused > 0


def take_turns_in_threads(limited: Budget, callers: int) -> int:
    """The shell of the module's docstring, for threads; returns how many were inside at most."""
    lock = threading.Lock()
    inside = most = 0

    def call() -> None:
        nonlocal inside, most
        ticket = Ticket()
        try:
            with lock:
                limited.join(ticket, monotonic())
            while True:
                event = threading.Event()
                with lock:
                    step = limited.poll(ticket, monotonic(), wake=event.set)
                if not isinstance(step, Wait):
                    break
                event.wait(step.seconds)
            with lock:
                inside += 1
                most = max(most, inside)
            event.wait(0.001)
            with lock:
                inside -= 1
        finally:
            with lock:
                limited.leave(ticket, monotonic(), sent=True)

    threads = [threading.Thread(target=call, daemon=True) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return most


def test_threads_take_turns_and_all_of_them_come_through() -> None:
    limited = budget(requests=40, window=0.1, concurrent=5)
    assert 1 <= take_turns_in_threads(limited, 120) <= 5
    assert limited.waiting == limited.inside == 0


def test_tasks_take_turns_and_all_of_them_come_through_though_some_are_cancelled() -> None:
    limited = budget(requests=100, window=0.1, concurrent=5)
    lock = threading.Lock()
    inside = most = 0

    async def call() -> None:
        nonlocal inside, most
        ticket = Ticket()
        sent = False
        try:
            with lock:
                limited.join(ticket, monotonic())
            while True:
                event = asyncio.Event()
                with lock:
                    step = limited.poll(ticket, monotonic(), wake=event.set)
                if not isinstance(step, Wait):
                    break
                try:
                    async with asyncio.timeout(step.seconds):
                        await event.wait()
                except TimeoutError:
                    pass
            sent = True
            inside += 1
            most = max(most, inside)
            try:
                await asyncio.sleep(0)
            finally:
                inside -= 1
        finally:
            with lock:
                limited.leave(ticket, monotonic(), sent=sent)

    async def main() -> int:
        tasks = [asyncio.create_task(call()) for _ in range(300)]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
        return sum(outcome is None for outcome in outcomes)

    assert asyncio.run(main()) >= 200
    assert 1 <= most <= 5
    assert limited.waiting == limited.inside == 0
