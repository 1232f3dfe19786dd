# Polling: the one loop that waits, streams and events share.
"""Polling of one job: once, or until it has finished."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Generic, final

from attrs import define
from typing_extensions import TypeVar

from runpod_typed._async.executor import AsyncRequestExecutor
from runpod_typed._core import operations
from runpod_typed._core.config import CallConfig
from runpod_typed._core.job_record import JobRecord, add_to_message, expired_error, timeout_error, was_cancelled
from runpod_typed._core.poll_slots import PollScheduler, has_room
from runpod_typed._core.rate_limiter import RateLimitUsage
from runpod_typed._core.requests import Request
from runpod_typed._core.retries import Failure, GiveUp
from runpod_typed._core.schedule import Limit, LimitReached, PollSchedule, PollStep, pause_after_not_found
from runpod_typed._core.streaming import StreamBuffer
from runpod_typed._logging import logger
from runpod_typed._models.health import EndpointHealth
from runpod_typed._models.jobs import JobState, JobStatus
from runpod_typed._models.stream import StreamPage
from runpod_typed._synchronization import async_shielded, async_sleep, deadline_after, monotonic
from runpod_typed.errors import (
    APIError,
    APIStatusError,
    JobExpiredError,
    NotFoundError,
    RunpodError,
    WaitTimeoutError,
)

T = TypeVar("T")
PollT = TypeVar("PollT", bound=JobState[Any] | StreamPage)

_CANCEL_ON_EXIT_TIMEOUT = 4.0  # seconds; shorter than the shield around it
_REFUSED_LONG_POLL = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})


@final
@define
class AsyncPoller:
    """Calls the operations of one job, and remembers what they tell."""

    executor: AsyncRequestExecutor
    record: JobRecord
    buffer: StreamBuffer | None = None
    """The chunks of the job's stream; None before they are read."""

    def stream_buffer(self) -> StreamBuffer:
        """Return the chunks of the job's stream, which all copies of a handle share."""
        if self.buffer is None:
            self.buffer = StreamBuffer(from_start=self.record.from_start, retries=self.record.retries)
        return self.buffer

    async def call(
        self,
        request: Request[T],
        config: CallConfig,
        deadline: float | None,
        *,
        observe: Callable[[APIError], None] | None = None,
        retry_not_found: bool = True,
    ) -> T:
        """Call an operation on this job. A 404 is retried for some seconds if the job was last seen unfinished."""
        missing: NotFoundError | None = None
        first_at, attempts = 0.0, 0
        while True:
            try:
                return await self.executor.call(request, config, deadline=deadline, observe=observe)
            except APIError as error:
                now = monotonic()
                if isinstance(error, NotFoundError):
                    if self.record.status is None:
                        raise
                    missing, first_at, attempts = error, first_at or now, attempts + 1
                elif missing is None or deadline is None or now < deadline:
                    raise
                remaining = math.inf if deadline is None else deadline - now
                pause = pause_after_not_found(attempts, now - first_at, remaining)
                if pause is None or not (retry_not_found and self.record.may_reappear):
                    raise expired_error(self.record) from missing
            await async_sleep(pause)

    async def fetch_status(
        self,
        config: CallConfig,
        deadline: float | None,
        *,
        long_poll_ms: int | None = None,
        ttl_ms: int | None = None,
        retry_not_found: bool = True,
    ) -> JobState[Any]:
        """Fetch the job's state; the server may delay its response until the job has finished."""
        address, refused = self.record.address, None
        if long_poll_ms is not None:
            request = operations.long_poll_status(address.endpoint_id, address.job_id, wait_ms=long_poll_ms)
            try:
                state = await self.executor.call(request, config, deadline=deadline)
            except APIStatusError as error:
                if error.status_code not in _REFUSED_LONG_POLL:
                    raise
                refused = error.status_code
            else:
                self.executor.scheduler.long_poll_succeeded(address.endpoint_id)
                return self._remember(state)
        request = operations.fetch_status(address.endpoint_id, address.job_id, ttl_ms=ttl_ms)
        state = await self.call(request, config, deadline, retry_not_found=retry_not_found)
        if refused is not None:  # and the job exists
            self.executor.scheduler.long_poll_refused(address.endpoint_id, address.job_id, refused, monotonic())
        return self._remember(state)

    async def change(
        self,
        request: Request[JobState[Any]],
        config: CallConfig,
        deadline: float | None,
        *,
        has_happened: Callable[[JobState[Any]], bool],
    ) -> JobState[Any]:
        """Call an operation that changes the job. If a response was lost, the job's state tells whether it took effect.

        If nothing was changed (a finished job is not cancelled), the response lacks fields, and the state is fetched.
        """
        failures: list[APIError] = []
        try:
            state = await self.call(request, config, deadline, observe=failures.append)
        except (APIError, JobExpiredError) as error:
            if not any(Failure.of(failure).may_have_taken_effect for failure in failures):
                raise
            self.record.doubt()
            try:
                state = await self.fetch_status(config, deadline)
            except APIError:
                raise error from None
            if not has_happened(state):
                raise
        except BaseException:  # an interrupt or a cancellation
            self.record.doubt()
            raise
        if not has_happened(state):
            return await self.fetch_status(config, deadline)
        return self._remember(state)

    async def wait(self, job: object, schedule: PollSchedule, *, cancel_on_exit: bool = False) -> JobState[Any]:
        """Poll until the job has finished.

        Args:
            job: The handle for errors.
            schedule: The schedule of the wait.
            cancel_on_exit: Whether an exception cancels the job.
        """
        if self.record.seen is not None and self.record.finished:
            return self.record.seen
        watch = AsyncStatusWatch(job, self, schedule)
        try:
            while not (state := await watch.poll()).status.is_terminal:
                pass
        except BaseException as error:
            if cancel_on_exit:
                await self.cancel_after(error, schedule.config)
            raise
        return state

    async def cancel_after(self, error: BaseException, config: CallConfig) -> None:
        """Cancel the job after an exception, unless it has finished; the exception tells the outcome."""
        streamed = self.buffer is not None and self.buffer.finished
        if self.record.finished or streamed or isinstance(error, JobExpiredError | NotFoundError):
            return
        address = self.record.address
        with async_shielded():
            try:
                state = await self.change(
                    operations.cancel_job(address.endpoint_id, address.job_id),
                    config,
                    deadline_after(_CANCEL_ON_EXIT_TIMEOUT),
                    has_happened=was_cancelled,
                )
            except RunpodError as failure:
                add_to_message(error, f"Job {address.job_id} could not be cancelled and may keep running: {failure}")
                logger.warning("Job %s could not be cancelled and may keep running: %s", address.job_id, failure)
            else:
                was = "was" if state.status == JobStatus.CANCELLED else f"is {state.status} and was not"
                add_to_message(error, f"Job {address.job_id} {was} cancelled.")

    def _remember(self, state: JobState[Any]) -> JobState[Any]:
        if state.status.is_terminal and not self.record.finished and state != self.record.seen:
            self.executor.job_ended(self.record.address.endpoint_id, state)
        self.record.update(state)
        return state


class AsyncWatch(ABC, Generic[PollT]):
    """The polling loop: polls as the schedule says, and survives failures that pass."""

    def __init__(self, job: object, poller: AsyncPoller, schedule: PollSchedule) -> None:
        self._job = job
        self._poller = poller
        self._schedule = schedule
        self._failure: APIError | None = None

    @abstractmethod
    async def _fetch(self, step: PollStep) -> PollT: ...

    async def poll(self, step: PollStep | None = None, *, longest_ms: int | None = None) -> PollT:
        """Return the next response.

        Args:
            step: The first poll; None for the one that is due.
            longest_ms: Milliseconds that a response may be delayed; None for as long as the schedule says.

        Raises:
            WaitTimeoutError: A limit of the caller ended first.
            APIError: A poll failed permanently, or polls failed for too long.
        """
        scheduler, usage = self._poller.executor.scheduler, self._usage()
        with scheduler.register(self._poller.record.address.endpoint_id):
            following = self._next(scheduler, usage) if step is None else step
            while True:
                if isinstance(following, LimitReached):
                    if following.delay > 0:
                        await async_sleep(following.delay)
                    failure, self._failure = self._failure, None
                    raise await self._timeout_error(following.limit) from failure
                if following.delay > 0:
                    await async_sleep(following.delay)
                    usage = self._usage()
                if following.long_poll_ms is not None and not has_room(usage):
                    following = following._replace(long_poll_ms=None, crowded=True)
                if longest_ms is not None and following.long_poll_ms is not None:
                    following = following._replace(long_poll_ms=min(following.long_poll_ms, longest_ms))
                asked_at = monotonic()
                try:
                    response = await self._fetch(following)
                except APIError as error:
                    usage = self._usage()
                    following = self._after_failure(error, asked_at) or self._next(scheduler, usage)
                else:
                    self._after_success(following, response, asked_at)
                    return response

    def _next(self, scheduler: PollScheduler, usage: RateLimitUsage | None) -> PollStep | LimitReached:
        now, address = monotonic(), self._poller.record.address
        return self._schedule.next(
            now,
            self._poller.executor.random,
            slot=scheduler.slot(address.endpoint_id, usage, now),
            long_poll=scheduler.supports_long_poll(address.endpoint_id, address.job_id, now),
        )

    def _usage(self) -> RateLimitUsage | None:
        return self._poller.executor.status_usage(self._schedule.config, self._poller.record.address.endpoint_id)

    def _after_success(self, step: PollStep, response: PollT, asked_at: float) -> None:
        outage, now = self._schedule.outage, monotonic()
        if outage is not None:
            logger.info("%s: polls succeed again after %.1f s.", self._poller.record, now - outage.since)
        self._failure = None
        self._schedule = self._schedule.succeeded(step, response, now - asked_at)

    def _after_failure(self, error: APIError, asked_at: float) -> LimitReached | None:
        """Return the limit that leaves no time for another poll, or None if one follows."""
        following = self._schedule.failed(
            error, asked_at=asked_at, now=monotonic(), random=self._poller.executor.random
        )
        if isinstance(following, GiveUp):
            if following.reason:
                add_to_message(error, following.reason)
            raise error
        self._failure = error
        if isinstance(following, LimitReached):
            return following
        if self._schedule.outage is None:
            logger.info("%s: a poll failed (%s), and is repeated.", self._poller.record, type(error).__name__)
        self._schedule = following
        return None

    async def _timeout_error(self, limit: Limit) -> WaitTimeoutError:
        record, schedule = self._poller.record, self._schedule
        health: EndpointHealth | None = None
        if limit is Limit.QUEUE_TIMEOUT or (record.queued and not schedule.polls_once):
            with suppress(APIError):  # the error says that the health is unknown
                health = await self._poller.executor.call(
                    operations.fetch_health(record.address.endpoint_id),
                    schedule.call_config,
                    deadline=schedule.diagnosis_deadline(monotonic()),
                )
        return timeout_error(limit, self._job, record, schedule, health)


@final
class AsyncStatusWatch(AsyncWatch[JobState[Any]]):
    """Polls the job's status."""

    async def _fetch(self, step: PollStep) -> JobState[Any]:
        return await self._poller.fetch_status(
            self._schedule.call_config,
            self._schedule.poll_deadline(monotonic()),
            long_poll_ms=step.long_poll_ms,
            retry_not_found=not self._schedule.polls_once,
        )
