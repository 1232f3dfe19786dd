# Calls of operations: permits, attempts, pauses.
"""Calls of operations: permits, attempts and the pauses between them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random, SystemRandom
from threading import RLock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, final

from attrs import evolve
from typing_extensions import TypeVar

from runpod_typed._async.rate_limiter import AsyncRateLimiter
from runpod_typed._core.call import Call
from runpod_typed._core.config import CallConfig, HasOptions
from runpod_typed._core.error_messages import oversize_error
from runpod_typed._core.operations import STATUS, load_models
from runpod_typed._core.poll_slots import PollScheduler
from runpod_typed._core.rate_limiter import RateLimitUsage, SharedLimits, TooLate
from runpod_typed._core.requests import Operation, Request
from runpod_typed._interrupts import async_finish
from runpod_typed._logging import logger
from runpod_typed._models.hooks import Hooks, JobEnd, RetryInfo, notify
from runpod_typed._models.jobs import JobState
from runpod_typed._synchronization import (
    AsyncAction,
    AsyncClosable,
    async_close_when_collected,
    async_has_ended,
    async_prepare,
    async_runtime,
    async_sleep,
    forks,
    monotonic,
)
from runpod_typed._transport.connection import ConnectionConfig
from runpod_typed._transport.fast import async_load_fast_transport
from runpod_typed._transport.interface import AsyncTransport
from runpod_typed._transport.messages import NO_TIME_LEFT
from runpod_typed.errors import APIError, ConfigurationError, RateLimitError, RunpodError

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


@final
class _ProcessState:
    """The state of one process. After a fork the child makes its own: locks, sockets and permits are the parent's.

    A client is often built before there is an event loop, and used under several: one after the other, or at once in
    threads. Each has a transport of its own, which is made at its first request.
    """

    def __init__(
        self, connection: ConnectionConfig, http_client: httpx.AsyncClient | None, *, closed: bool = False
    ) -> None:
        self.forks = forks.count
        self.rate_limiter = AsyncRateLimiter()
        self.scheduler = PollScheduler()
        self._connection = connection
        self._http_client = http_client
        self._closed = closed
        self._lock = RLock()  # of threads, in the async API too: nothing is awaited while it is held
        self._transports = dict[object, AsyncTransport]()
        async_prepare()
        if http_client is None:
            async_load_fast_transport()
            if connection.idle_connections:
                async_close_when_collected(self, self._transports)

    def after_fork(self) -> _ProcessState:
        """Return the state of a child process."""
        return _ProcessState(self._connection, self._http_client, closed=self._closed)

    def transport(self) -> AsyncTransport:
        """Return the transport of the running event loop.

        Raises:
            ConfigurationError: The client is closed.
        """
        transport = self._transports.get(async_runtime())
        return self._open() if transport is None else transport

    async def aclose(self) -> None:
        """Close all connections; a second call does nothing."""
        self._closed = True
        own = self._transports.pop(async_runtime(), None)
        while self._transports:
            self._transports.popitem()[1].abandon()
        if own is not None:
            await own.aclose()

    def _open(self) -> AsyncTransport:
        with self._lock:
            owner = async_runtime()
            for other in [each for each in list(self._transports) if async_has_ended(each)]:
                self._transports.pop(other).abandon()
            transport = self._transports.get(owner)
            if transport is None and not self._closed:
                load_models()
                from runpod_typed._async.transports import make_transport  # noqa: PLC0415 -- loads HTTP libraries

                transport = self._transports.setdefault(owner, make_transport(self._connection, self._http_client))
            if transport is None or self._closed:  # perhaps meanwhile, by another thread
                self._transports.pop(owner, None)
                raise ConfigurationError(
                    "The client is closed. Make a new one, or keep it open while its jobs are used."
                )
            return transport


@final
class AsyncRequestExecutor:
    """Makes the calls of all clients, endpoints and jobs that share connections."""

    def __init__(
        self, connection: ConnectionConfig, http_client: httpx.AsyncClient | None = None, hooks: Hooks | None = None
    ) -> None:
        self.connection = connection
        self.hooks = hooks
        self.random: Random = SystemRandom()
        self.http_client = http_client
        self._observe: Callable[[APIError], None] | None = None
        self._is_loaded = False
        self._process = _ProcessState(connection, http_client)

    @property
    def scheduler(self) -> PollScheduler:
        """The schedule that all waiters share."""
        return self._state().scheduler

    def status_usage(self, config: CallConfig, endpoint_id: str) -> RateLimitUsage | None:
        """Return the use of the rate limit on polls of an endpoint's jobs, or None if it has none."""
        return self._state().rate_limiter.usage(config.rate_limits, endpoint_id, STATUS.name)

    def delay(self, config: CallConfig, endpoint_id: str, operation: Operation[object]) -> float:
        """Estimate the seconds that a call would wait for the rate limit."""
        return self._state().rate_limiter.delay(config.rate_limits, endpoint_id, operation.name)

    async def call(
        self,
        request: Request[T],
        config: CallConfig,
        *,
        deadline: float | None = None,
        observe: Callable[[APIError], None] | None = None,
        before_send: AsyncAction | None = None,
        interrupted: Callable[[T], None] | None = None,
        unsent: Callable[[], None] | None = None,
    ) -> T:
        """Call an operation: make attempts until one succeeds, or the attempts, the budget or the deadline end.

        The wait for the first permit under the rate limits counts to the deadline, not to the budget.

        Args:
            request: The request.
            config: The options of the call.
            deadline: The end of the caller's time limit, on the monotonic clock; None for no limit.
            observe: Called with the error of each failed attempt.
            before_send: Called when an attempt has its permit and is about to be sent.
            interrupted: Called with the result if it came after an interrupt, instead of a note with the job's id.
            unsent: Called after an interrupt if no attempt can have taken effect.

        Raises:
            APIError: The call failed, or the request is larger than the operation allows.
            SubmissionUncertainError: A job was sent and its fate is unknown.
            ConfigurationError: The client is closed, or there is no key.
        """
        if request.is_too_large:
            raise oversize_error(request)
        call = Call(request=request, connection=self.connection, config=config, deadline=deadline)
        try:
            while isinstance(result := await self._attempt(call, before_send), APIError):
                await async_sleep(self._pause_after(call, result, observe))
            return result
        except BaseException as error:
            if interrupted is not None and call.response is not None:
                interrupted(call.response)
                raise
            if unsent is not None and not call.is_uncertain:
                unsent()
            note = None if isinstance(error, RunpodError) else call.interruption_note()
            if note is not None:
                error.add_note(note)
                logger.warning("Interrupted: %s", note)
            raise

    def _pause_after(self, call: Call[T], error: APIError, observe: Callable[[APIError], None] | None) -> float:
        """Return the seconds until another attempt, or raise the error if none follows."""
        for each in (observe, self._observe):
            if each is not None:
                each(error)
        step = call.after_failure(error, now=monotonic(), random=self.random)
        if isinstance(step, RunpodError):
            raise step
        logger.info("%s; attempt %d follows in %.2g s", call.describe(), call.attempt + 1, step)
        if self.hooks is not None and call.info is not None:
            notify(self.hooks.on_retry, RetryInfo(request=call.info, error=error, delay=step))
        return step

    async def _attempt(self, call: Call[T], before_send: AsyncAction | None) -> T | APIError:
        state = self._state()
        permit = await state.rate_limiter.acquire(
            call.config.rate_limits, call.request.endpoint_id, call.request.operation.name, call.deadline
        )
        if isinstance(permit, TooLate):
            raise call.too_late(permit)
        try:
            transport = state.transport()  # loads libraries and certificates, before time is measured
            if before_send is not None:
                await before_send()
            self._tell_request(call)
            began = monotonic()
            attempt = call.begin(began)

            async def exchange() -> T | APIError:
                outcome = await transport.send(call.request.http, attempt) if attempt.seconds > 0 else NO_TIME_LEFT
                return call.result(outcome, seconds=monotonic() - began, wall_clock=datetime.now(UTC))

            try:
                result = await (
                    async_finish(exchange, attempt, uses_anyio=transport.uses_anyio) if attempt.billed else exchange()
                )
            except BaseException:
                call.in_flight = attempt.request_sent and call.outcome is None
                self._tell_response(call, call.response, monotonic() - began)
                raise
            self._tell_response(call, result, monotonic() - began)
            if isinstance(result, RateLimitError):
                logger.info("%s; Retry-After: %s", call.describe(), result.retry_after)
                if permit is not None:
                    permit.rate_limited(result.retry_after)
            return result
        finally:
            if permit is not None:
                permit.release(sent=call.request_sent)

    def _tell_request(self, call: Call[T]) -> None:
        if self.hooks is not None:
            call.info = call.describe_request()
            notify(self.hooks.on_request, call.info)

    def _tell_response(self, call: Call[T], result: T | APIError | None, seconds: float) -> None:
        if self.hooks is not None and call.info is not None:
            notify(self.hooks.on_response, call.describe_response(call.info, result, seconds))
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s in %.0f ms", call.describe(), 1000 * seconds)

    def job_ended(self, endpoint_id: str, state: JobState[Any]) -> None:
        """Log that a job has finished, and call the hook."""
        logger.info("Job %s of endpoint %s finished: %s", state.id, endpoint_id, state.status)
        if self.hooks is not None:
            notify(self.hooks.on_job_end, JobEnd(endpoint_id=endpoint_id, state=state))

    def without_keepalive(self) -> AsyncRequestExecutor:
        """Return a copy without keep-alive, for handles that are never closed."""
        return AsyncRequestExecutor(evolve(self.connection, idle_connections=0), self.http_client, self.hooks)

    def observed(self, observe: Callable[[APIError], None]) -> AsyncRequestExecutor:
        """Return a copy that shares the connections, and calls `observe` with the error of each failed attempt."""
        copy = object.__new__(AsyncRequestExecutor)
        copy.__dict__.update(self.__dict__)
        copy._observe = observe
        return copy

    def share_limits(self, limits: SharedLimits, scheduler: PollScheduler) -> None:
        """Share the rate limits and the schedule of another executor."""
        state = self._state()
        state.rate_limiter, state.scheduler = AsyncRateLimiter(limits), scheduler

    @property
    def limits(self) -> SharedLimits:
        """The use of the rate limits, which executors can share."""
        return self._state().rate_limiter.limits

    def load(self) -> None:
        """Load libraries and certificates, which would take much of a short time limit of the first request."""
        if self._is_loaded:  # it takes half a millisecond
            return
        load_models()
        from runpod_typed._async.transports import load_settings  # noqa: PLC0415 -- loads HTTP libraries

        if self.http_client is None:
            load_settings(self.connection)
        self._is_loaded = True

    async def aclose(self) -> None:
        """Close all connections; a second call does nothing."""
        await self._state().aclose()

    def _state(self) -> _ProcessState:
        if self._process.forks != forks.count:
            self._process = self._process.after_fork()
        return self._process

    def __reduce__(self) -> tuple[type[AsyncRequestExecutor], tuple[ConnectionConfig]]:
        if self.http_client is not None:
            raise TypeError("A client with an http_client= cannot be pickled. Make it anew in each process.")
        return AsyncRequestExecutor, (self.connection,)


class AsyncConnectionOwner(HasOptions, AsyncClosable):
    """A client, or an endpoint that made its own client. Closing it closes the connections."""

    _owned: AsyncRequestExecutor | None

    async def aclose(self) -> None:
        """Close the connections. A second call does nothing, nor does closing a copy from `with_options`."""
        if self._owned is not None:
            await self._owned.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
