# Waiting for permits of the rate limiters.
"""Wait for permits of the rate limiters."""

from __future__ import annotations

import math
from collections import deque
from typing import final
from weakref import ref

from runpod_typed._core.rate_limiter import RateLimitUsage, SharedLimits, SlidingWindow, TooLate, Wait, Waiter
from runpod_typed._logging import logger
from runpod_typed._models.rate_limits import RateLimits
from runpod_typed._synchronization import AsyncEvent, monotonic

_LOGGED_SECONDS = 0.5


@final
class AsyncRateLimiter:
    """The rate limits of one client, shared by its threads, tasks and event loops."""

    def __init__(self, limits: SharedLimits | None = None) -> None:
        self.limits = SharedLimits() if limits is None else limits
        self.lock = self.limits.lock  # nothing is awaited while it is held
        self.held: dict[ref[AsyncPermit], tuple[SlidingWindow, Waiter]] = {}
        self._abandoned: deque[ref[AsyncPermit]] = deque()

    async def acquire(
        self, rate_limits: RateLimits, endpoint_id: str, operation: str, deadline: float | None
    ) -> AsyncPermit | TooLate | None:
        """Wait for the permit to send a request; return None if there is no limit.

        Args:
            rate_limits: The limits that the caller has chosen.
            endpoint_id: The endpoint.
            operation: The operation's name in the specification.
            deadline: The time, on the monotonic clock, when the caller stops waiting; None for never.
        """
        if self.limits.is_locked_here():
            return None  # called by a signal handler: waiting for the lock would be a deadlock
        with self.lock:
            window = self.limits.find(rate_limits, endpoint_id, operation)
            if window is None:
                return None
            now = monotonic()
            if self._abandoned:
                self._release_abandoned(now)
            waiter = Waiter(latest=math.inf if deadline is None else deadline)
            permit = AsyncPermit(self, window, waiter)
            # A weak reference and not `__del__`: an interrupt in a finalizer is lost, and the permit with it.
            self.held[ref(permit, self._abandoned.append)] = window, waiter
            step = window.acquire(waiter, now)
        if step is None:
            return permit
        try:
            while isinstance(step, Wait):
                event = AsyncEvent()
                with self.lock:
                    step = window.acquire(waiter, monotonic(), event.set)
                if isinstance(step, Wait):
                    await event.wait(step.seconds)
            waited = monotonic() - now
            if waited > _LOGGED_SECONDS:
                logger.info("Waited %.1f s for the rate limit on %s (%s)", waited, window.name, window.limit)
            return permit if step is None else step
        finally:
            if step is not None:
                permit.release(sent=False)

    def usage(self, rate_limits: RateLimits, endpoint_id: str, operation: str) -> RateLimitUsage | None:
        """Return the limit that an operation counts to and the number of open requests, or None if it has no limit."""
        with self.lock:
            window = self.limits.find(rate_limits, endpoint_id, operation)
            return None if window is None else RateLimitUsage(window.limit, window.open)

    def delay(self, rate_limits: RateLimits, endpoint_id: str, operation: str) -> float:
        """Estimate the seconds until a request would get its permit."""
        with self.lock:
            window = self.limits.find(rate_limits, endpoint_id, operation)
            return 0.0 if window is None else window.delay(monotonic())

    def _release_abandoned(self, now: float) -> None:
        """Release the permits of calls that an interrupt (Ctrl-C) ended before they could do it."""
        while self._abandoned:
            abandoned = self._abandoned[0]
            if abandoned in self.held:
                window, waiter = self.held[abandoned]
                window.release(waiter, now, sent=True)
                del self.held[abandoned]
            self._abandoned.popleft()  # last: after an interrupt it is done again


@final
class AsyncPermit:
    """The permission to send one request. It must be released."""

    __slots__ = ("__weakref__", "_limiter", "_waiter", "_window")

    def __init__(self, limiter: AsyncRateLimiter, window: SlidingWindow, waiter: Waiter) -> None:
        self._limiter = limiter
        self._window = window
        self._waiter = waiter

    def rate_limited(self, retry_after: float | None) -> None:
        """Pause all requests under the limit, after a 429."""
        with self._limiter.lock:
            self._window.rate_limited(self._waiter, monotonic(), retry_after)

    def release(self, *, sent: bool) -> None:
        """Return the permit; `sent` says whether the request may have reached the server."""
        with self._limiter.lock:
            self._window.release(self._waiter, monotonic(), sent=sent)
            self._limiter.held.pop(ref(self), None)
