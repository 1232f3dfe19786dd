# Calls of operations: turns, attempts, pauses.
"""Calls of operations: one attempt after the other, as the decisions of the core say."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random, SystemRandom
from typing import final

import httpx
from attrs import evolve, field, frozen
from typing_extensions import TypeVar

from runpod_typed._async.rate_limiter import AsyncRateLimiter
from runpod_typed._async.transport_provider import AsyncTransportProvider
from runpod_typed._core.call import Call
from runpod_typed._core.config import CallConfig
from runpod_typed._core.crowd import Crowd
from runpod_typed._core.operations import STATUS, Request
from runpod_typed._core.rate_limiter import TooLate
from runpod_typed._core.retries import Retry
from runpod_typed._core.scheduler import WaitingRoom
from runpod_typed._synchronization import async_sleep, monotonic
from runpod_typed._transport.connection import ConnectionConfig
from runpod_typed._transport.messages import NO_TIME_LEFT, HttpResponse, TransportFailure
from runpod_typed.errors import APIError

T = TypeVar("T")


@frozen
class _PerProcessState:
    """What belongs to one process: a fork makes new ones, since locks, sockets and places in line are its parent's."""

    transport: AsyncTransportProvider
    pid: int = field(factory=os.getpid)
    rate_limiter: AsyncRateLimiter = field(factory=AsyncRateLimiter)
    waiting_room: WaitingRoom = field(factory=WaitingRoom)


@final
class AsyncRequestExecutor:
    """What all clients, endpoints and jobs share that share connections."""

    def __init__(self, connection: ConnectionConfig, http_client: httpx.AsyncClient | None = None) -> None:
        self.connection = connection
        self.random: Random = SystemRandom()
        self._http_client = http_client
        self._process = _PerProcessState(AsyncTransportProvider(connection, http_client))

    @property
    def waiting_room(self) -> WaitingRoom:
        """Who waits for jobs."""
        return self._state().waiting_room

    def crowd(self, config: CallConfig, endpoint_id: str) -> Crowd:
        """How many wait for jobs of an endpoint, and how many may ask."""
        here = self._state()
        waiting = here.waiting_room.waiting(endpoint_id)
        usage = here.rate_limiter.usage(config.rate_limits, endpoint_id, STATUS.name)
        if usage is None:
            return Crowd(waiting=waiting, limit=None)
        return Crowd(waiting=waiting, limit=usage.limit, asking=usage.open)

    async def call(
        self,
        request: Request[T],
        config: CallConfig,
        *,
        deadline: float | None = None,
        observe: Callable[[APIError], None] | None = None,
    ) -> T:
        """Call an operation until it answers, or the attempts, the budget or the deadline end.

        The time that a call waits for its first turn under the rate limits counts to its deadline, not to its budget.

        Args:
            request: What is asked.
            config: How calls are made.
            deadline: When the caller's own limit ends, on the monotonic clock; None for never.
            observe: Told of each failed attempt.

        Raises:
            APIError: It went wrong for good.
            SubmissionUncertainError: A job was sent and its fate is unknown.
            ConfigurationError: The client is closed, or there is no key.
        """
        call = Call(request=request, connection=self.connection, config=config, deadline=deadline)
        attempt = 0
        previous: Retry | None = None
        while True:
            attempt += 1
            result, call = await self._attempt(call)
            if not isinstance(result, APIError):
                return result
            if observe is not None:
                observe(result)
            step = call.after_failure(result, attempt=attempt, now=monotonic(), random=self.random, previous=previous)
            if not isinstance(step, Retry):
                raise step
            previous = step
            await async_sleep(step.delay)

    async def _attempt(self, call: Call[T]) -> tuple[T | APIError, Call[T]]:
        here = self._state()
        here.transport.open()  # before the time that is left is looked at
        request = call.request
        permit = await here.rate_limiter.acquire(
            call.config.rate_limits, request.endpoint_id, request.operation.name, call.deadline
        )
        if isinstance(permit, TooLate):
            return call.no_turn(permit), call
        now = monotonic()
        call = call.begun(now)
        seconds = call.attempt_seconds(now)
        outcome: HttpResponse | TransportFailure | None = None
        try:
            outcome = await here.transport.open().send(call.request.http, seconds) if seconds > 0 else NO_TIME_LEFT
            result = call.result(outcome, seconds=seconds, wall_clock=datetime.now(UTC))
            if permit is not None and call.was_refused(result):
                permit.rate_limited(result.retry_after)
            return result, call
        finally:
            if permit is not None:
                permit.release(sent=not isinstance(outcome, TransportFailure) or outcome.request_sent)

    def without_keepalive(self) -> AsyncRequestExecutor:
        """Another one, which closes each connection after its request, for where nobody would do it."""
        return AsyncRequestExecutor(evolve(self.connection, idle_connections=0), self._http_client)

    async def aclose(self) -> None:
        """Close all connections; a second call does nothing."""
        await self._state().transport.aclose()

    def _state(self) -> _PerProcessState:
        if self._process.pid != os.getpid():
            self._process = _PerProcessState(self._process.transport.after_fork())
        return self._process

    def __reduce__(self) -> tuple[type[AsyncRequestExecutor], tuple[ConnectionConfig]]:
        if self._http_client is not None:
            raise TypeError("A client with an http_client of its own cannot be pickled.")
        return AsyncRequestExecutor, (self.connection,)
