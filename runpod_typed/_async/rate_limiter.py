# Waiting for one's turn under the rate limits.
"""Waiting for one's turn under the rate limits. The decisions are the budgets'; here is the waiting."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import final
from weakref import ref

from attrs import define

from runpod_typed._core.crowd import Crowd
from runpod_typed._core.rate_limiter import Admitted, Budget, Budgets, Ticket, TooLate, Wait
from runpod_typed._models.rate_limits import RateLimits
from runpod_typed._synchronization import AsyncEvent, monotonic


@final
class AsyncLimiter:
    """The budgets of one client, by the limits that its callers go by."""

    def __init__(self) -> None:
        self.lock = Lock()  # of threads, in both halves: nothing is awaited while it is held
        self.held: dict[ref[Turn], tuple[Budget, Ticket]] = {}
        self._abandoned: deque[ref[Turn]] = deque()
        self._budgets: dict[RateLimits, Budgets] = {}

    async def enter(
        self, limits: RateLimits, endpoint_id: str, operation: str, latest: float | None
    ) -> Turn | TooLate | None:
        """Wait for a turn to send, until `latest`; None where there is no limit."""
        with self.lock:
            budget = self._find(limits, endpoint_id, operation)
            if budget is None:
                return None
            now = monotonic()
            if self._abandoned:
                self._leave_abandoned(now)
            turn = self._hold(budget, Ticket(latest=math.inf if latest is None else latest))
            step = budget.join(turn.ticket, now) or budget.poll(turn.ticket, now, wake=_nobody)
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
        with self.lock:
            budget = self._find(limits, endpoint_id, operation)
            if budget is None:
                return Crowd(waiting=waiting, limit=None)
            return Crowd(waiting=waiting, limit=budget.in_force, asking=budget.inside)

    def on_workers(self, limits: RateLimits, endpoint_id: str, running: int) -> None:
        """Follow the number of an endpoint's running workers."""
        with self.lock:
            self._of(limits).on_workers(endpoint_id, monotonic(), running)

    def _hold(self, budget: Budget, ticket: Ticket) -> Turn:
        turn = Turn(self, budget, ticket)
        # Not a `__del__`, in which an interrupt gets lost with the rest of it: this is called without any Python.
        self.held[ref(turn, self._abandoned.append)] = budget, ticket
        return turn

    def _leave_abandoned(self, now: float) -> None:
        while self._abandoned:
            # Taken from the list when all is done: who is interrupted does it once more.
            abandoned = self._abandoned[0]
            if abandoned in self.held:
                budget, ticket = self.held[abandoned]
                budget.leave(ticket, now, sent=True)
                del self.held[abandoned]
            self._abandoned.popleft()

    def _find(self, limits: RateLimits, endpoint_id: str, operation: str) -> Budget | None:
        return self._of(limits).find(endpoint_id, operation)

    def _of(self, limits: RateLimits) -> Budgets:
        budgets = self._budgets.get(limits)
        if budgets is None:
            budgets = self._budgets[limits] = Budgets(limits)
        return budgets


@define(eq=False, weakref_slot=True)
class Turn:
    """A place under a limit: it must be left, whatever happens.

    Where an interrupt (Ctrl-C) at a bad moment prevents that, the next caller makes up for it.
    """

    _limiter: AsyncLimiter
    _budget: Budget
    ticket: Ticket

    def poll(self, wake: Callable[[], None]) -> Admitted | Wait | TooLate:
        """Ask whether the turn has come."""
        with self._limiter.lock:
            return self._budget.poll(self.ticket, monotonic(), wake=wake)

    def refused(self, retry_after: float | None) -> None:
        """The server has answered 429."""
        with self._limiter.lock:
            self._budget.on_rate_limited(self.ticket, monotonic(), retry_after)

    def leave(self, *, sent: bool) -> None:
        """Make room for the next."""
        with self._limiter.lock:
            self._budget.leave(self.ticket, monotonic(), sent=sent)
            self._limiter.held.pop(ref(self), None)


def _nobody() -> None:
    """Nobody waits yet."""
