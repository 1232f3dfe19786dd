# A job: its handle.
"""The handle of a job: wait for it, stream it, cancel it, reconnect to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from types import TracebackType
from typing import Any, Generic, Self

from attrs import evolve
from typing_extensions import TypeVar

from runpod_typed._async.executor import AsyncRequestExecutor
from runpod_typed._async.polling import AsyncPoller
from runpod_typed._async.streaming import AsyncChunks, AsyncEvents, AsyncOutputs
from runpod_typed._codecs.codec import UNTYPED, codec_for
from runpod_typed._core import operations
from runpod_typed._core.config import DEFAULT_CALL_CONFIG, CallConfig, HasOptions
from runpod_typed._core.job_record import JobAddress, JobCodecs, JobErrors, JobRecord, was_cancelled, was_requeued
from runpod_typed._core.requests import Request
from runpod_typed._core.schedule import PollSchedule, Watching, ttl_ms
from runpod_typed._models.durations import Duration, wait_timeout
from runpod_typed._models.jobs import JobEvent, JobState, JobStatus, with_typed_output
from runpod_typed._models.stream import StreamChunk
from runpod_typed._models.validators import check_flags
from runpod_typed._synchronization import deadline_after, monotonic
from runpod_typed._transport.connection import ConnectionConfig

Out = TypeVar("Out", default=Any, covariant=True)
Chunk = TypeVar("Chunk", default=Any, covariant=True)


class AsyncJob(HasOptions, Generic[Out, Chunk]):
    """The handle of a job, typed by its output and its chunks.

    ``endpoint.run()`` and ``endpoint.job(id)`` return it. The job is never cancelled implicitly, neither by a timeout
    nor by task cancellation. ``async with job:`` cancels it if an exception leaves the block before it has finished.

    Example:
        ::

            job = await endpoint.run({"prompt": "a lighthouse"})
            output = await job.output(timeout=600)
    """

    __slots__ = ("_codecs", "_config", "_poller")

    def __init__(self, poller: AsyncPoller, config: CallConfig, codecs: JobCodecs) -> None:
        self._poller = poller
        self._config = config
        self._codecs = codecs

    def __repr__(self) -> str:
        status = self._poller.record.status or "not seen yet"
        address = self._poller.record.address
        return f"<{type(self).__name__} {address.job_id} of endpoint {address.endpoint_id}: {status}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncJob) and self._poller.record.address == other._poller.record.address

    def __hash__(self) -> int:
        return hash(self._poller.record.address)

    def __reduce__(self) -> tuple[Callable[..., AsyncJob[Any, Any]], tuple[ConnectionConfig, JobAddress]]:
        # Types and options may not be picklable; the address is enough to reconnect.
        return _unpickle_job, (self._poller.executor.connection, self._poller.record.address)

    @property
    def id(self) -> str:
        """The job's id; ``endpoint.job(id)`` reconnects to the job."""
        return self._poller.record.address.job_id

    @property
    def endpoint_id(self) -> str:
        """The endpoint that the job was sent to."""
        return self._poller.record.address.endpoint_id

    @property
    def state(self) -> JobState[Out] | None:
        """The last known state, without a request; None before the first one."""
        seen = self._poller.record.seen
        return None if seen is None else with_typed_output(seen, self._codecs.output)

    async def refresh(self, timeout: Duration | None = None, *, ttl: Duration | None = None) -> JobState[Out]:
        """Fetch the job's state once: output, error, progress, times, worker.

        Example:
            ``state = await job.refresh()``

        Args:
            timeout: Seconds (or a timedelta) that the call may take with its retries, above 0; None for the budget
                of the retry policy.
            ttl: Seconds (or a timedelta) from now on for which the platform keeps the job and its result, above 0, at
                most 7 days; None leaves it as it is.

        Raises:
            JobExpiredError: The job was known to this handle and is gone.
            NotFoundError: There is no such job, or it is gone.
            APIError: The call failed.
        """
        with JobErrors(self, self._poller.record):
            return self._typed(await self._fetch(timeout, ttl))

    async def status(self, timeout: Duration | None = None, *, ttl: Duration | None = None) -> JobStatus:
        """Fetch the job's status once; the rest of the response is in `state`.

        Example:
            ``if await job.status() == "COMPLETED": ...``

        Args:
            timeout: Seconds (or a timedelta) that the call may take with its retries, above 0; None for the budget
                of the retry policy.
            ttl: Seconds (or a timedelta) from now on for which the platform keeps the job and its result, above 0, at
                most 7 days; None leaves it as it is.

        Raises:
            JobExpiredError: The job was known to this handle and is gone.
            NotFoundError: There is no such job, or it is gone.
            APIError: The call failed.
        """
        with JobErrors(self, self._poller.record):
            return (await self._fetch(timeout, ttl)).status

    async def wait(self, timeout: Duration | None = None, queue_timeout: Duration | None = None) -> JobState[Out]:
        """Wait until the job has finished, well or not, and return its state.

        The wait survives connection errors, 429 and 5xx until `timeout` ends; without one, for
        ``PollPolicy.max_outage`` seconds.

        Example:
            ``state = await job.wait(timeout=600)``

        Args:
            timeout: Seconds (or a timedelta) until it must have finished; None for no limit, 0 to poll once.
            queue_timeout: Seconds (or a timedelta) until a worker must have it, 0 or more; None for no limit.

        Raises:
            WaitTimeoutError: `timeout` ended first; the job keeps running.
            QueueTimeoutError: `queue_timeout` ended first; the message says why no worker took the job.
            APIError: A poll failed permanently, or polls failed for too long.
        """
        with JobErrors(self, self._poller.record):
            return self._typed(await self._finished(timeout, queue_timeout))

    async def output(
        self,
        timeout: Duration | None = None,
        queue_timeout: Duration | None = None,
        *,
        cancel_on_exit: bool = False,
    ) -> Out:
        """Wait until the job has finished and return its output; a job without one raises.

        The wait survives connection errors, 429 and 5xx until `timeout` ends; without one, for
        ``PollPolicy.max_outage`` seconds.

        Example:
            ``output = await job.output(timeout=600)``

        Args:
            timeout: Seconds (or a timedelta) until it must have finished; None for no limit, 0 to poll once.
            queue_timeout: Seconds (or a timedelta) until a worker must have it, 0 or more; None for no limit.
            cancel_on_exit: Whether to cancel the job if an exception ends the wait, timeouts and Ctrl-C included.

        Raises:
            JobError: The job failed, was cancelled, timed out or has expired.
            WaitTimeoutError: A limit ended first; the job keeps running.
            APIError: A poll failed permanently, or polls failed for too long.
        """
        with JobErrors(self, self._poller.record):
            check_flags(cancel_on_exit=cancel_on_exit)
            state = await self._finished(timeout, queue_timeout, cancel_on_exit=cancel_on_exit)
            return self._typed(state).result()

    def stream(self, timeout: Duration | None = None, queue_timeout: Duration | None = None) -> AsyncIterator[Chunk]:
        """Iterate over the chunks that the handler yields; the failure of the job raises after them.

        Each chunk comes once: a second call continues after the last chunk. If the worker dies, another one starts
        over, and chunks come again: ``job.state.retries`` counts that. A job has one reader: chunks that another
        program has read are gone, unless the worker aggregates them in the job's output.

        Example:
            ``async for chunk in job.stream(timeout=600): ...``

        Args:
            timeout: Seconds (or a timedelta) until the job must have finished; None for no limit, 0 to poll once, which
                takes a second if nothing is there.
            queue_timeout: Seconds (or a timedelta) until a worker must have it, 0 or more; None for no limit.

        Raises:
            JobError: The job failed, was cancelled, timed out or has expired.
            StreamInterruptedError: Chunks were lost and cannot be replayed from the job's output.
            WaitTimeoutError: A limit ended first; the job keeps running, and its stream can be continued.
        """
        return AsyncOutputs(self.stream_detailed(timeout, queue_timeout))

    def stream_detailed(
        self, timeout: Duration | None = None, queue_timeout: Duration | None = None
    ) -> AsyncIterator[StreamChunk[Chunk]]:
        """Iterate over the chunks like `stream`, with the worker's metrics and the raw JSON.

        Example:
            ``async for chunk in job.stream_detailed(): print(chunk.metrics)``

        Args:
            timeout: Seconds (or a timedelta) until the job must have finished; None for no limit, 0 to poll once, which
                takes a second if nothing is there.
            queue_timeout: Seconds (or a timedelta) until a worker must have it, 0 or more; None for no limit.

        Raises:
            JobError: The job failed, was cancelled, timed out or has expired.
            StreamInterruptedError: Chunks were lost and cannot be replayed from the job's output.
            WaitTimeoutError: A limit ended first; the job keeps running, and its stream can be continued.
        """
        schedule = self._schedule(Watching.CHUNKS, timeout, queue_timeout)
        return AsyncChunks[Chunk](self, self._poller, schedule, self._codecs)

    def events(
        self, timeout: Duration | None = None, queue_timeout: Duration | None = None
    ) -> AsyncIterator[JobEvent[Out]]:
        """Iterate over the changes of the job's status or progress, the end included; a failed job does not raise.

        Polls are a quarter of a second apart at first, and some seconds in a long wait: changes in quick succession may
        come as one.

        Example:
            ``async for event in job.events(): print(event.status, event.progress)``

        Args:
            timeout: Seconds (or a timedelta) until the job must have finished, 0 or more; None for no limit.
            queue_timeout: Seconds (or a timedelta) until a worker must have it, 0 or more; None for no limit.

        Raises:
            WaitTimeoutError: A limit ended first; the job keeps running.
            APIError: A poll failed permanently, or polls failed for too long.
        """
        schedule = self._schedule(Watching.CHANGES, timeout, queue_timeout)
        return AsyncEvents(self, self._poller, schedule, self._codecs.output)

    async def cancel(self, timeout: Duration | None = None) -> JobState[Out]:
        """Cancel the job: a waiting job is removed, a running one is stopped.

        Example:
            ``state = await job.cancel()``

        Args:
            timeout: Seconds (or a timedelta) that the call may take with its retries, above 0; None for the budget
                of the retry policy.

        Raises:
            JobExpiredError: The job was known to this handle and is gone.
            NotFoundError: There is no such job, or it is gone.
            APIError: The call failed.
        """
        return await self._change(operations.cancel_job, timeout, was_cancelled)

    async def retry(self, timeout: Duration | None = None) -> JobState[Out]:
        """Queue the job again, with the same id and input; its previous output is removed.

        Only a FAILED or TIMED_OUT job can be retried, as long as it has not expired.

        Example:
            ``state = await job.retry()``

        Args:
            timeout: Seconds (or a timedelta) that the call may take with its retries, above 0; None for the budget
                of the retry policy.

        Raises:
            BadRequestError: The job's status does not allow a retry.
            JobExpiredError: The job was known to this handle and is gone.
            APIError: The call failed.
        """
        record = self._poller.record
        retries = record.retries + 1
        try:
            state = await self._change(operations.retry_job, timeout, was_requeued)
        except BaseException:
            if not record.finished:
                self._poller.buffer = None
            raise
        self._poller.buffer, record.retries = None, max(record.retries, retries)
        return state

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc is not None:
            await self._poller.cancel_after(exc, self._config)

    def _typed(self, state: JobState[Any]) -> JobState[Out]:
        return with_typed_output(state, self._codecs.output)

    async def _fetch(self, timeout: Duration | None, ttl: Duration | None) -> JobState[Any]:
        return await self._poller.fetch_status(self._config, deadline_after(timeout), ttl_ms=ttl_ms(ttl))

    async def _finished(
        self, timeout: Duration | None, queue_timeout: Duration | None, *, cancel_on_exit: bool = False
    ) -> JobState[Any]:
        schedule = self._schedule(Watching.RESULT, timeout, queue_timeout)
        return await self._poller.wait(self, schedule, cancel_on_exit=cancel_on_exit)

    def _schedule(self, watching: Watching, timeout: Duration | None, queue_timeout: Duration | None) -> PollSchedule:
        with JobErrors(self, self._poller.record):
            return PollSchedule.starting(
                self._config,
                monotonic(),
                watching=watching,
                timeout=wait_timeout(timeout),
                queue_timeout=wait_timeout(queue_timeout, "queue_timeout"),
                seen=self._poller.record.seen,
            )

    async def _change(
        self,
        operation: Callable[[str, str], Request[JobState[Any]]],
        timeout: Duration | None,
        has_happened: Callable[[JobState[Any]], bool],
    ) -> JobState[Out]:
        record = self._poller.record
        with JobErrors(self, record):
            request = operation(record.address.endpoint_id, record.address.job_id)
            state = await self._poller.change(request, self._config, deadline_after(timeout), has_happened=has_happened)
            return self._typed(state)


@lru_cache(maxsize=64)
def _executor_for(connection: ConnectionConfig) -> AsyncRequestExecutor:
    return AsyncRequestExecutor(connection)


def _unpickle_job(connection: ConnectionConfig, address: JobAddress) -> AsyncJob[Any, Any]:
    """Return a job from a pickle; it looks up the environment's key at its first request.

    No owner closes its connections, so it keeps none open.
    """
    untyped = JobCodecs(output=codec_for(UNTYPED), chunk=codec_for(UNTYPED))
    executor = _executor_for(evolve(connection, idle_connections=0))
    return AsyncJob(AsyncPoller(executor, JobRecord(address)), DEFAULT_CALL_CONFIG, untyped)
