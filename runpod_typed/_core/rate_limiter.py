"""Client-side rate limits: when a request may be sent.

`SlidingWindow` is a state machine without I/O: the I/O layer passes it the time, and serializes its calls with a lock.
Each waiter that was passed to `acquire` must be passed to `release` afterwards, even if the call was interrupted.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import RLock
from typing import Any, NamedTuple, final

from runpod_typed._models.rate_limits import RateLimit, RateLimits, limit_for

# The server counts a request when it arrives, at some time between its permit and its response. It is counted here from
# the response on, or from this many seconds after its permit if that is earlier. Counting from the permit would let
# a batch on slow new connections and the next one on warm connections meet in one window of the server.
_LONGEST_TRANSIT = 2.0

# Pauses after a 429 without Retry-After double from the first to the window. A longer Retry-After is cut here: the next
# request is then refused too, and its caller learns how long the server asks to wait.
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0


@final
class Waiter:
    """A request: in the waiter queue until its permit is granted, then open until it is released."""

    __slots__ = ("earliest", "granted_at", "latest", "wake", "wakes_at")

    def __init__(self, latest: float = math.inf) -> None:
        self.latest: float = latest
        """The time after which the caller no longer wants the permit."""
        self.earliest: float = -math.inf
        """The earliest time of the grant, as estimated when it was queued."""
        self.granted_at: float | None = None
        self.wake: Callable[[], None] | None = None
        """Called when it is time to call `SlidingWindow.acquire` again."""
        self.wakes_at: float = math.inf
        """The time when it calls again by itself."""

    def notify(self) -> None:
        """Wake the thread or task that waits."""
        if self.wake is not None:
            self.wake()


class Wait(NamedTuple):
    """The permit is not granted yet: call again when woken or after `seconds`; None waits until woken."""

    seconds: float | None


class TooLate(NamedTuple):
    """The permit cannot be granted within the caller's time limit."""

    seconds: float
    """Seconds until it could be granted."""
    message: str
    """The reason and the advice, for an error."""


class RateLimitUsage(NamedTuple):
    """The use of one limit at one moment."""

    limit: RateLimit
    open: int
    """The number of requests that are open."""


@final
class SlidingWindow:
    """Grant permits within one limit, first come, first served.

    No more requests than the limit reach the server in any window, and no more are open at once. All times are seconds
    on one monotonic clock. An interrupt (Ctrl-C) at any point loses no permit.
    """

    def __init__(self, name: str, limit: RateLimit) -> None:
        self.name = name
        """The limited operations and their endpoint, for messages."""
        self.limit = limit
        self._now = -math.inf
        self._queue = OrderedDict[Waiter, None]()
        self._open = set[Waiter]()
        self._in_transit = OrderedDict[Waiter, None]()
        """Granted, in order, and not yet known to have reached the server."""
        self._expiries = deque[float]()
        """The times at which requests that have arrived leave the window, in order."""
        self._paused_until = -math.inf
        self._next_pause = _FIRST_PAUSE

    @property
    def open(self) -> int:
        """The number of requests that are open."""
        return len(self._open)

    @property
    def waiting(self) -> int:
        """The length of the waiter queue."""
        return len(self._queue)

    def acquire(self, waiter: Waiter, now: float, wake: Callable[[], None] | None = None) -> Wait | TooLate | None:
        """Queue the waiter on its first call; return None once its permit is granted.

        Args:
            waiter: The caller.
            now: The current time.
            wake: Called, under the lock, when it is time to call again.
        """
        if waiter.granted_at is None:
            self._advance(now)
            if not self._queue and self._has_capacity():
                self._grant(waiter)
            else:
                self._enqueue(waiter, wake)
        if waiter.granted_at is not None:
            return None
        earliest = max(waiter.earliest, self._grant_time(0))
        if earliest > waiter.latest or self._now >= waiter.latest:
            return self._too_late(max(0.0, earliest - self._now))
        # The first in the queue watches the clock; the others are woken when they become the first.
        waiter.wakes_at = self._next_change() if waiter is next(iter(self._queue)) else math.inf
        until = min(waiter.wakes_at, waiter.latest)
        return Wait(None if math.isinf(until) else until - self._now)

    def release(self, waiter: Waiter, now: float, *, sent: bool) -> None:
        """Return the permit, or leave the queue. A second call does nothing.

        Args:
            waiter: The caller.
            now: The current time.
            sent: Whether the request may have reached the server. If not, it does not count.
        """
        self._advance(now)
        self._queue.pop(waiter, None)
        if waiter in self._in_transit:
            if sent:
                self._expiries.append(self._now + self.limit.window)
            del self._in_transit[waiter]
        self._open.discard(waiter)
        self._grant_next()

    def rate_limited(self, waiter: Waiter, now: float, retry_after: float | None) -> None:
        """Pause all requests after a 429.

        Args:
            waiter: The caller.
            now: The current time.
            retry_after: Seconds that the server asks to wait, or None.
        """
        self._advance(now)
        if retry_after is None:
            if waiter.granted_at is not None and waiter.granted_at < self._paused_until:
                return  # it was sent before the pause for another 429, which says as much
            if self._now >= self._paused_until + self.limit.window:
                self._next_pause = _FIRST_PAUSE
            retry_after = self._next_pause
            self._next_pause = min(2 * self._next_pause, self.limit.window)
        self._paused_until = max(self._paused_until, self._now + min(retry_after, _LONGEST_PAUSE))
        for queued in self._queue:
            if queued.latest < self._paused_until:
                queued.notify()

    def delay(self, now: float) -> float:
        """Estimate the seconds until a request that is queued now gets its permit, if requests end in time."""
        self._advance(now)
        return max(0.0, self._grant_time(len(self._queue)) - self._now)

    def _advance(self, now: float) -> None:
        """Let requests arrive and leave the window; a clock reading older than the last one is ignored."""
        self._now = now = max(now, self._now)
        while self._in_transit:
            waiter = next(iter(self._in_transit))
            arrived = (waiter.granted_at or 0.0) + _LONGEST_TRANSIT
            if arrived > now:
                break
            self._expiries.append(arrived + self.limit.window)
            del self._in_transit[waiter]
        while self._expiries and self._expiries[0] <= now:
            self._expiries.popleft()

    def _enqueue(self, waiter: Waiter, wake: Callable[[], None] | None) -> None:
        if waiter not in self._queue:
            waiter.earliest = self._grant_time(len(self._queue))
            self._queue[waiter] = None
        self._grant_next()
        waiter.wake = wake

    def _grant_next(self) -> None:
        """Grant while there is capacity, then wake the head of the queue in time for the next change."""
        while self._queue and self._has_capacity():
            waiter = next(iter(self._queue))
            self._grant(waiter)
            waiter.notify()
            del self._queue[waiter]  # last: after an interrupt it is granted and woken again
        if self._queue:
            first, change = next(iter(self._queue)), self._next_change()
            if change < first.wakes_at:
                first.notify()
                first.wakes_at = change

    def _grant(self, waiter: Waiter) -> None:
        self._open.add(waiter)
        self._in_transit[waiter] = None
        waiter.granted_at = self._now

    def _has_capacity(self) -> bool:
        counted = len(self._in_transit) + len(self._expiries)
        return counted < self.limit.requests and self._has_open_capacity() and self._now >= self._paused_until

    def _has_open_capacity(self) -> bool:
        return self.limit.concurrent is None or len(self._open) < self.limit.concurrent

    def _next_change(self) -> float:
        """Return the time when the clock alone makes capacity, or infinity if a release must come first."""
        return self._grant_time(0) if self._has_open_capacity() else math.inf

    def _grant_time(self, ahead: int) -> float:
        """Estimate the earliest time of a grant with the given number of waiters ahead, if requests end in time."""
        start = max(self._now, self._paused_until)
        rounds, place = divmod(ahead, self.limit.requests)
        counted = len(self._in_transit) + len(self._expiries)
        blocking = place + counted - self.limit.requests  # this many must leave the window before
        if blocking >= len(self._expiries):
            start = max(start, self._now + self.limit.window)
        elif blocking >= 0:
            start = max(start, self._expiries[blocking])
        return start + rounds * self.limit.window

    def _too_late(self, seconds: float) -> TooLate:
        return TooLate(
            seconds,
            f"The rate limit on {self.name} ({self.limit}) allows the next request in {seconds:.3g} s, and the time "
            "limit ends before that. Allow more time, send fewer requests, or change the client's RateLimits.",
        )


@final
class SharedLimits:
    """The windows of one client, by limits, endpoint and operation. The executors of its sync and async calls share it.

    Each caller of `find`, and of the windows, holds the lock.
    """

    def __init__(self) -> None:
        lock: Any = RLock()
        self.lock: AbstractContextManager[bool] = lock
        """A lock of threads, in both APIs."""
        self.is_locked_here: Callable[[], bool] = lock._is_owned  # noqa: SLF001 -- as threading.Condition asks it
        """True if this thread holds the lock: then a signal handler runs in the middle of a change of a window."""
        self._by_operation = dict[tuple[RateLimits, str, str], SlidingWindow | None]()
        self._by_budget = dict[tuple[RateLimits, str, str], SlidingWindow]()

    def find(self, rate_limits: RateLimits, endpoint_id: str, operation: str) -> SlidingWindow | None:
        """Return the window that an operation on an endpoint counts to, or None if it has no limit."""
        key = rate_limits, endpoint_id, operation
        try:
            return self._by_operation[key]
        except KeyError:
            window = self._by_operation[key] = self._make(rate_limits, endpoint_id, operation)
            return window

    def _make(self, rate_limits: RateLimits, endpoint_id: str, operation: str) -> SlidingWindow | None:
        found = limit_for(rate_limits, operation)
        if found is None:
            return None
        budget, limit = found
        window = SlidingWindow(f"{budget!r} of endpoint {endpoint_id}", limit)
        return self._by_budget.setdefault((rate_limits, endpoint_id, budget), window)
