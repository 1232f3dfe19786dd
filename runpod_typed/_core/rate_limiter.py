"""Who may send, and when: the state machine behind the rate limits.

Why no library: aiolimiter and its like serve asyncio alone and let twice the limit through in a window; pyrate-limiter
(4.5: exact windows, both halves) starts a thread, reads a clock of its own, lets threads overtake each other, and takes
no turn back. None can be paused or lowered by a 429, or bounds how many requests are open at once.

A `Budget` is one endpoint's share of one limit. It sends nothing, sleeps nowhere and knows no clock, so that the same
class serves threads and tasks. The shell around it holds a plain ``threading.Lock`` in both halves, never while it
waits, and reads the monotonic clock under it::

    ticket = Ticket(latest=deadline)
    sent = False
    try:
        with lock:
            budget.join(ticket, monotonic())
        while True:
            event = AsyncEvent()
            with lock:
                step = budget.poll(ticket, monotonic(), wake=event.set)
            if not isinstance(step, Wait):
                break
            await event.wait(step.seconds)              # until the event is set, or the time is over
        if isinstance(step, TooLate):
            raise ...                                   # with step.message
        sent = True                                     # or what the transport says, if it failed
        answer = await send(request)
        if answer.status == 429:
            with lock:
                budget.on_rate_limited(ticket, monotonic(), retry_after)
    finally:
        with lock:
            budget.leave(ticket, monotonic(), sent=sent)

That is the whole contract: each `join`, even one that an interrupt broke off, is followed by one `leave`, whatever
happens in between; a caller polls again when it is woken and when its wait is over; `wake` is quick and does not call
the budget. After a fork the child makes new budgets: the callers inside the old ones are the parent's.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable

from attrs import Factory, define, field, frozen

from runpod_typed._models.rate_limits import RateLimit, RateLimits, limit_for

# A request counts at the server from its arrival on, which we do not see; it lies between the turn and the answer. We
# count from the answer, or from this many seconds after the turn where that is sooner, which leaves room for a first
# connection, a busy event loop and a slow way. Counting from the turn would let a batch that was slow on cold
# connections, and the next one, fast on warm ones, meet in one window of the server's.
_TRAVEL_SECONDS = 2.0

# How a budget gives way and recovers, in shares of its limit. A 429 takes it a bit below what was in use, and never to
# less than half of what it was; then it grows window by window, by little at first, so as to meet a real limit gently.
_BELOW_WHAT_FAILED = 0.8
_LOWEST_SHARE = 0.1
_FIRST_STEP = 0.01
_LARGEST_STEP = 0.1

# Pauses double until a quiet window. A server may ask for longer than the longest: then the next caller is refused too,
# and so learns for how long.
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0


@define(eq=False)
class Ticket:
    """A caller's place: in line at first, inside from its turn until it leaves.

    Attributes:
        latest: When the turn is too late for the caller; infinity for never.
        earliest: The earliest time for its turn, as far as could be told when it joined.
        admitted_at: When its turn came; None before.
        gone: Whether it has left.
        wake: Tells the caller to poll again; None before it first has.
        wakes_at: When the caller polls by itself, while it is the first in line.
    """

    latest: float = math.inf
    earliest: float = -math.inf
    admitted_at: float | None = None
    gone: bool = False
    wake: Callable[[], None] | None = None
    wakes_at: float = math.inf

    def ring(self) -> None:
        """Wake the caller, unless it has never polled: it will."""
        if self.wake is not None:
            self.wake()


@frozen
class Admitted:
    """It is the caller's turn: send."""


@frozen
class Wait:
    """It is not the caller's turn: wait until woken, and so many seconds at most (None: until woken)."""

    seconds: float | None


@frozen
class TooLate:
    """The turn comes after the caller's own time limit: give up.

    Attributes:
        seconds: Until the turn, as things stand.
        message: What happened and what to do, in words.
    """

    seconds: float
    message: str


_ADMITTED = Admitted()


@define(eq=False)
class Budget:
    """Who may send within one limit, in the order of asking.

    In no window of time do more requests reach the server than the limit says, and at no time are more open. All times
    are seconds on one monotonic clock; a reading older than the last one counts as the last one.

    Attributes:
        name: What is limited, for messages.
        limit: The limit, as published or as the caller says.
        requests_per_worker: How many requests in a window each running worker allows for, where that is more.
    """

    name: str
    limit: RateLimit
    requests_per_worker: int = 0

    _now: float = field(init=False, default=-math.inf)
    _line: OrderedDict[Ticket, None] = field(init=False, factory=OrderedDict[Ticket, None], repr=False)
    # Admitted, and not known to have arrived, in the order of admission.
    _travelling: OrderedDict[Ticket, None] = field(init=False, factory=OrderedDict[Ticket, None], repr=False)
    # When each request that has arrived stops counting, in order.
    _expiries: deque[float] = field(init=False, factory=deque[float], repr=False)
    _inside: set[Ticket] = field(init=False, factory=set[Ticket], repr=False)

    _workers: int = field(init=False, default=0)
    _share: float = field(init=False, default=1.0)
    _step: float = field(init=False, default=_FIRST_STEP)
    _lowered_at: float = field(init=False, default=-math.inf)
    _recovers_at: float = field(init=False, default=math.inf)
    _paused_until: float = field(init=False, default=-math.inf)
    _next_pause: float = field(init=False, default=_FIRST_PAUSE)

    # The limits in force, which follow from limit, workers and share.
    _requests: int = field(init=False, default=1)
    _concurrent: float = field(init=False, default=math.inf)
    _in_force: RateLimit = field(init=False, default=Factory(lambda budget: budget.limit, takes_self=True))

    def __attrs_post_init__(self) -> None:
        self._set_limits()

    @property
    def in_force(self) -> RateLimit:
        """The limit that holds now: lower after a 429, higher with many workers."""
        return self._in_force  # each look asks for it, and it changes seldom

    @property
    def waiting(self) -> int:
        """How many callers stand in line."""
        return len(self._line)

    @property
    def inside(self) -> int:
        """How many callers have had their turn and not left."""
        return len(self._inside)

    def join(self, ticket: Ticket, now: float) -> Admitted | None:
        """Take a place at the end of the line, or go in at once where nobody stands in it and there is room.

        Args:
            ticket: The caller's place. The caller has it before, so that it can leave whatever happens here.
            now: The time.
        """
        self._pass_time(now)
        if not self._line and self._has_room():  # as it mostly is
            ticket.earliest = self._now
            self._let_in(ticket)
            return _ADMITTED
        ticket.earliest = self._turn(len(self._line))
        self._line[ticket] = None
        return None

    def poll(self, ticket: Ticket, now: float, *, wake: Callable[[], None]) -> Admitted | Wait | TooLate:
        """Ask whether it is the ticket's turn.

        Args:
            ticket: The caller's place.
            now: The time.
            wake: Called from within another caller's call, when it is time to poll again.
        """
        if ticket.admitted_at is None:
            self._pass_time(now)
            self._admit()
        if ticket.admitted_at is not None:
            return _ADMITTED
        turn = max(ticket.earliest, self._turn(0))
        if turn > ticket.latest or self._now >= ticket.latest:
            return self._too_late(max(0.0, turn - self._now))
        ticket.wake = wake
        # The first in line watches the clock for all. The others are woken when they become the first.
        ticket.wakes_at = self._due() if ticket is self._first() else math.inf
        until = min(ticket.wakes_at, ticket.latest)
        return Wait(None if math.isinf(until) else until - self._now)

    def leave(self, ticket: Ticket, now: float, *, sent: bool) -> None:
        """Leave the line, or make room after the turn. Leaving twice does nothing.

        Args:
            ticket: The caller's place.
            now: The time.
            sent: Whether the request may have reached the server. If not, the next caller has its turn.
        """
        if ticket.gone:
            return
        # Who was interrupted half-way leaves once more: each step may be taken twice.
        self._pass_time(now)
        self._line.pop(ticket, None)
        if ticket in self._travelling:
            if sent:
                self._expiries.append(self._now + self.limit.window)
            del self._travelling[ticket]
        self._inside.discard(ticket)
        self._admit()
        ticket.gone = True

    def on_rate_limited(self, ticket: Ticket, now: float, retry_after: float | None) -> None:
        """Give way: the server has answered 429.

        Args:
            ticket: Whose request it was.
            now: The time.
            retry_after: Seconds that the server asks to wait, where it says so.
        """
        self._pass_time(now)
        pause = retry_after or 0.0
        # Of many such answers to what was sent before we gave way, the first has said it all.
        if ticket.admitted_at is not None and ticket.admitted_at > self._lowered_at:
            self._lower()
            if retry_after is None:
                pause = self._next_pause
            self._next_pause = min(2 * self._next_pause, self.limit.window)
        self._paused_until = max(self._paused_until, self._now + min(pause, _LONGEST_PAUSE))
        self._recovers_at = self._paused_until + self.limit.window
        for waiting in self._line:
            if waiting.latest < self._paused_until:
                waiting.ring()

    def on_workers(self, now: float, running: int) -> None:
        """Follow the number of the endpoint's running workers."""
        self._pass_time(now)
        self._workers = running
        self._set_limits()
        self._admit()

    def _pass_time(self, now: float) -> None:
        self._now = now = max(now, self._now)
        while now >= self._recovers_at:
            self._recover()
        while self._travelling:
            ticket = next(iter(self._travelling))
            arrived = (ticket.admitted_at or 0.0) + _TRAVEL_SECONDS
            if arrived > now:
                break
            del self._travelling[ticket]
            self._expiries.append(arrived + self.limit.window)
        while self._expiries and self._expiries[0] <= now:
            self._expiries.popleft()

    def _admit(self) -> None:
        """Give all the turns that there are, and see to it that the first in line polls in time for the next."""
        if not self._line:
            return
        while self._line and self._has_room():
            ticket = next(iter(self._line))
            self._let_in(ticket)
            del self._line[ticket]  # the last step: who is interrupted before it has their turn once more
            ticket.ring()
        first = self._first()
        if first is not None and (due := self._due()) < first.wakes_at:
            first.wakes_at = due
            first.ring()

    def _let_in(self, ticket: Ticket) -> None:
        ticket.admitted_at = self._now
        self._travelling[ticket] = None
        self._inside.add(ticket)

    def _has_room(self) -> bool:
        return (
            self._used() < self._requests and len(self._inside) < self._concurrent and self._now >= self._paused_until
        )

    def _used(self) -> int:
        return len(self._travelling) + len(self._expiries)

    def _first(self) -> Ticket | None:
        return next(iter(self._line), None)

    def _due(self) -> float:
        """When the clock alone may make room; infinity while somebody has to leave first."""
        return math.inf if self.inside >= self._concurrent else self._turn(0)

    def _turn(self, ahead: int) -> float:
        """The earliest time for the turn of somebody with so many ahead, as far as the clock decides."""
        start = max(self._now, self._paused_until)
        rounds, place = divmod(ahead, self._requests)
        # So many of those that count now have to stop counting before, the oldest first.
        blocking = place + self._used() - self._requests
        if blocking >= len(self._expiries):
            start = max(start, self._now + self.limit.window)
        elif blocking >= 0:
            start = max(start, self._expiries[blocking])
        return start + rounds * self.limit.window

    def _too_late(self, seconds: float) -> TooLate:
        return TooLate(
            seconds,
            f"The rate limit on {self.name} ({self.in_force}) leaves no turn in time: as things stand, it comes in "
            f"{seconds:.3g} s. Allow more time, ask less often, or change the client's RateLimits.",
        )

    def _lower(self) -> None:
        # Of the two limits, the one that was closer is the likelier one.
        used = self._used() / self._most_requests()
        open_at_once = self.inside / (self.limit.concurrent or math.inf)
        share = _BELOW_WHAT_FAILED * min(self._share, max(used, open_at_once))
        self._share = max(share, self._share / 2, _LOWEST_SHARE)
        self._step = _FIRST_STEP
        self._lowered_at = self._now
        self._set_limits()

    def _recover(self) -> None:
        self._share = min(1.0, self._share + self._step)
        self._step = min(2 * self._step, _LARGEST_STEP)
        self._next_pause = _FIRST_PAUSE
        self._recovers_at = math.inf if self._share >= 1 else self._recovers_at + self.limit.window
        self._set_limits()

    def _most_requests(self) -> int:
        return max(self.limit.requests, self._workers * self.requests_per_worker)

    def _set_limits(self) -> None:
        self._requests = max(1, round(self._most_requests() * self._share))
        if self.limit.concurrent is not None:
            self._concurrent = max(1, round(self.limit.concurrent * self._share))
        concurrent = None if math.isinf(self._concurrent) else int(self._concurrent)
        self._in_force = RateLimit(requests=self._requests, window=self.limit.window, concurrent=concurrent)


@define(eq=False)
class Budgets:
    """The budgets of one client, each made when it is first asked for. The shell's lock guards this too."""

    limits: RateLimits
    _by_name: dict[tuple[str, str], Budget] = field(init=False, factory=dict[tuple[str, str], Budget], repr=False)
    _by_operation: dict[tuple[str, str], Budget | None] = field(
        init=False, factory=dict[tuple[str, str], Budget | None], repr=False
    )

    def find(self, endpoint_id: str, operation: str) -> Budget | None:
        """The budget that an operation on an endpoint counts to; None where there is no limit."""
        key = endpoint_id, operation
        try:
            return self._by_operation[key]
        except KeyError:
            budget = self._by_operation[key] = self._make(endpoint_id, operation)
            return budget

    def on_workers(self, endpoint_id: str, now: float, running: int) -> None:
        """Follow the number of an endpoint's running workers, in all its budgets."""
        for (endpoint, _), budget in self._by_name.items():
            if endpoint == endpoint_id:
                budget.on_workers(now, running)

    def _make(self, endpoint_id: str, operation: str) -> Budget | None:
        found = limit_for(self.limits, operation)
        if found is None:
            return None
        name, limit = found
        key = endpoint_id, name
        if key not in self._by_name:
            description = f"{name!r} of endpoint {endpoint_id}"
            self._by_name[key] = Budget(description, limit, self.limits.requests_per_worker)
        return self._by_name[key]
