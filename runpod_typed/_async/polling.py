# Looks at a job, one or many.
"""Looking at a job: once, or until it has ended."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, final

from attrs import define, evolve
from typing_extensions import TypeVar

from runpod_typed._async.executor import AsyncRequestExecutor
from runpod_typed._core import operations
from runpod_typed._core.config import CallConfig
from runpod_typed._core.operations import Request
from runpod_typed._core.retries import Failure, may_have_taken_effect
from runpod_typed._core.schedule import Ended, Wait, may_not_hold_answers
from runpod_typed._core.wait_errors import PASSING_ERRORS, expired_error, wait_error
from runpod_typed._models.health import EndpointHealth
from runpod_typed._models.job_status import JobStatus
from runpod_typed._models.jobs import JobAddress, JobState
from runpod_typed._synchronization import async_sleep, monotonic
from runpod_typed.errors import APIError, APIStatusError, JobExpiredError, NotFoundError

T = TypeVar("T")


@final
@define
class AsyncWaiter:
    """Looks at one job, and remembers what was last seen of it.

    Attributes:
        address: Where the job is found.
        executor: Makes the calls.
        seen: What was last seen, the output as it came; None before the first look.
    """

    address: JobAddress
    executor: AsyncRequestExecutor
    seen: JobState[Any] | None = None

    async def ask(self, request: Request[JobState[Any]], config: CallConfig, deadline: float | None) -> JobState[Any]:
        """Call an operation that answers with this job, and remember the answer."""
        self.seen = await self.call(request, config, deadline)
        return self.seen

    async def change(
        self,
        request: Request[JobState[Any]],
        config: CallConfig,
        deadline: float | None,
        *,
        has_happened: Callable[[JobState[Any]], bool],
    ) -> JobState[Any]:
        """Call an operation that changes this job. Where an answer was lost, the job tells whether it has happened.

        Where nothing was changed (a job that has ended is not cancelled), the answer lacks what is known of the
        job, and the job is looked at.
        """
        failures: list[APIError] = []
        try:
            state = await self.call(request, config, deadline, observe=failures.append)
        except (APIError, JobExpiredError) as error:
            if not any(may_have_taken_effect(Failure.of(failure)) for failure in failures):
                raise
            try:
                state = await self.look(config, deadline)
            except PASSING_ERRORS:  # the job cannot be asked either
                raise error from None
            if not has_happened(state):
                raise
        if not has_happened(state):
            return await self.look(config, deadline)
        self.seen = state
        return state

    async def call(
        self,
        request: Request[T],
        config: CallConfig,
        deadline: float | None,
        *,
        observe: Callable[[APIError], None] | None = None,
    ) -> T:
        """Call an operation on this job. A 404 is an expired job where it was seen before."""
        try:
            return await self.executor.call(request, config, deadline=deadline, observe=observe)
        except NotFoundError as error:
            if self.seen is None:
                raise
            raise expired_error(self.address, self.seen) from error

    def note(self, status: JobStatus) -> None:
        """Another operation has told that the job, which has not ended, stands there."""
        if self.seen is not None and not (self.seen.done or status.is_terminal):
            self.seen = evolve(self.seen, status=status)

    async def look(
        self, config: CallConfig, deadline: float | None, *, hold_ms: int | None = None, ttl_ms: int | None = None
    ) -> JobState[Any]:
        """Ask where the job stands; the server may hold its answer for `hold_ms`."""
        endpoint_id, job_id = self.address.endpoint_id, self.address.job_id
        if hold_ms is None:
            return await self.ask(operations.look(endpoint_id, job_id, ttl_ms=ttl_ms), config, deadline)
        try:
            self.seen = await self.executor.call(
                operations.hold(endpoint_id, job_id, wait_ms=hold_ms), config, deadline=deadline
            )
        except APIStatusError as error:
            if not may_not_hold_answers(error.status_code):
                raise
            # Either the job is gone, or this server does not offer to hold answers: the plain look tells.
            state = await self.ask(operations.look(endpoint_id, job_id, ttl_ms=ttl_ms), config, deadline)
            self.executor.waiting_room.does_not_hold_answers(endpoint_id)
            return state
        return self.seen

    async def wait(
        self,
        job: object,
        config: CallConfig,
        *,
        timeout: float | None,
        queue_timeout: float | None = None,
        since: float | None = None,
    ) -> JobState[Any]:
        """Look until the job has ended.

        Args:
            job: The handle that an error shall carry.
            config: How calls are made.
            timeout: Seconds until it must have ended.
            queue_timeout: Seconds until a worker must have it.
            since: When the caller's limits began; None for now.
        """
        if self.seen is not None and self.seen.done:
            return self.seen
        began = monotonic() if since is None else since
        wait = Wait.beginning(config, began, timeout=timeout, queue_timeout=queue_timeout, known=self.seen is not None)
        room, endpoint_id = self.executor.waiting_room, self.address.endpoint_id
        with room.seat(endpoint_id):
            while True:
                wait, state = await self.step(job, wait)
                if state.done:
                    room.has_ended(endpoint_id, state)
                    return state

    async def step(self, job: object, wait: Wait) -> tuple[Wait, JobState[Any]]:
        """One look of a wait, when it is due."""
        endpoint_id, room = self.address.endpoint_id, self.executor.waiting_room
        now, crowd = monotonic(), self.executor.crowd(wait.config, endpoint_id)
        look = wait.next(
            now,
            self.executor.random,
            holds=room.holds_answers(endpoint_id),
            crowd=crowd,
            turn=room.turn(endpoint_id, crowd, now),
            usual=room.run_times(endpoint_id),
        )
        if isinstance(look, Ended):
            raise wait_error(look, job, self.address, self.seen, wait, health=await self._health_for(look, wait))
        if look.delay > 0:
            await async_sleep(look.delay)
            crowd = self.executor.crowd(wait.config, endpoint_id)
        look = look.in_crowd(crowd)
        asked_at = monotonic()
        try:
            state = await self.look(wait.config, wait.look_deadline, hold_ms=look.hold_ms)
        except PASSING_ERRORS as error:
            ended = wait.ended_with(error, monotonic())
            if ended is None:
                raise
            raise wait_error(ended, job, self.address, self.seen, wait) from error
        return wait.looked(look, state, asked_at=asked_at, answered_at=monotonic()), state

    async def _health_for(self, ended: Ended, wait: Wait) -> EndpointHealth | None:
        if ended is not Ended.QUEUE_TIMEOUT:
            return None
        with suppress(APIError):  # the wait has ended anyway; the error says that the health is unknown
            return await self.executor.call(
                operations.ask_health(self.address.endpoint_id),
                wait.config,
                deadline=wait.explain_by(monotonic()),
            )
        return None
