# Waiting for one's turn under the rate limits.
"""Waiting for one's turn under the rate limits. The decisions are the budgets'; here is the waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import final

from attrs import define

from runpod_typed._core.crowd import Crowd
from runpod_typed._core.rate_budget import Admitted, Budget, Budgets, Ticket, TooLate, Wait
from runpod_typed._core.rate_limit import RateLimits
from runpod_typed._synchronization import AsyncEvent, monotonic


@final
class AsyncLimiter:
    """The budgets of one client, by the limits that its callers go by."""

    def __init__(self) -> None:
        self._lock = Lock()  # of threads, in both halves: nothing is awaited while it is held
        self._budgets: dict[RateLimits, Budgets] = {}
        self._abandoned: deque[tuple[Budget, Ticket]] = deque()

    async def enter(
        self, limits: RateLimits, endpoint_id: str, operation: str, latest: float | None
    ) -> Turn | TooLate | None:
        """Wait for a turn to send, until `latest`; None where there is no limit."""
        with self._lock:
            budget = self._find(limits, endpoint_id, operation)
            if budget is None:
                return None
            now = monotonic()
            while self._abandoned:
                left, its_ticket = self._abandoned.pop()
                left.leave(its_ticket, now, sent=True)
            turn = Turn(self._lock, budget, self._abandoned)
            turn.ticket = budget.join(now, latest=latest)
            step = budget.poll(turn.ticket, now, wake=_nobody)
        if isinstance(step, Wait):
            return await self._wait(turn)
        if isinstance(step, TooLate):
            turn.leave(sent=False)
            return step
        return turn

    async def _wait(self, turn: Turn) -> Turn | TooLate:
        admitted = False
        try:
            while True:
                event = AsyncEvent()
                step = turn.poll(event.set)
                if not isinstance(step, Wait):
                    break
                await event.wait(step.seconds)
            if isinstance(step, TooLate):
                return step
            admitted = True
            return turn
        finally:
            if not admitted:
                turn.leave(sent=False)

    def crowd(self, limits: RateLimits, endpoint_id: str, operation: str, waiting: int) -> Crowd:
        """Those who wait for jobs by an operation, under the limit that holds for it now."""
        with self._lock:
            budget = self._find(limits, endpoint_id, operation)
            if budget is None:
                return Crowd(waiting=waiting, limit=None)
            return Crowd(waiting=waiting, limit=budget.in_force, asking=budget.inside)

    def on_workers(self, limits: RateLimits, endpoint_id: str, running: int) -> None:
        """Follow the number of an endpoint's running workers."""
        with self._lock:
            self._of(limits).on_workers(endpoint_id, monotonic(), running)

    def _find(self, limits: RateLimits, endpoint_id: str, operation: str) -> Budget | None:
        return self._of(limits).find(endpoint_id, operation)

    def _of(self, limits: RateLimits) -> Budgets:
        if limits not in self._budgets:
            self._budgets[limits] = Budgets(limits)
        return self._budgets[limits]


_NOBODYS = Ticket(latest=0.0, earliest=0.0, gone=True)


@define(eq=False)
class Turn:
    """A place under a limit: it must be left, whatever happens.

    Where an interrupt (Ctrl-C) at a bad moment prevents that, the next caller makes up for it.
    """

    _lock: Lock
    _budget: Budget
    _abandoned: deque[tuple[Budget, Ticket]]
    ticket: Ticket = _NOBODYS

    def poll(self, wake: Callable[[], None]) -> Admitted | Wait | TooLate:
        """Ask whether the turn has come."""
        with self._lock:
            return self._budget.poll(self.ticket, monotonic(), wake=wake)

    def refused(self, retry_after: float | None) -> None:
        """The server has answered 429."""
        with self._lock:
            self._budget.on_rate_limited(self.ticket, monotonic(), retry_after)

    def leave(self, *, sent: bool) -> None:
        """Make room for the next."""
        with self._lock:
            self._budget.leave(self.ticket, monotonic(), sent=sent)

    def __del__(self) -> None:
        if not self.ticket.gone:
            # Atomic: this may run at any moment, under the lock too.
            self._abandoned.append((self._budget, self.ticket))


def _nobody() -> None:
    """Nobody waits yet."""
