# A job: its handle.
"""A job's handle: wait for it, stream it, cancel it, take it up again."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from functools import cache
from types import TracebackType
from typing import Any, Generic, Self

from attrs import evolve
from typing_extensions import TypeVar

from runpod_typed._async.executor import AsyncRequestExecutor
from runpod_typed._async.polling import AsyncWaiter
from runpod_typed._async.streaming import AsyncChunks, AsyncEvents, AsyncOutputs
from runpod_typed._codecs.codec import UNTYPED, codec_for
from runpod_typed._core import operations
from runpod_typed._core.config import DEFAULT_CALL_CONFIG, CallConfig
from runpod_typed._core.results import was_cancelled, was_requeued
from runpod_typed._core.schedule import ttl_ms
from runpod_typed._core.streaming import StreamBuffer
from runpod_typed._models.durations import Duration, to_optional_seconds
from runpod_typed._models.job_status import JobStatus
from runpod_typed._models.jobs import JobAddress, JobCodecs, JobEvent, JobState, with_typed_output
from runpod_typed._models.poll_policy import PollPolicy
from runpod_typed._models.rate_limits import RateLimits
from runpod_typed._models.retry_policy import RetryPolicy
from runpod_typed._models.stream import StreamChunk
from runpod_typed._synchronization import async_shielded, deadline_after
from runpod_typed._transport.connection import ConnectionConfig
from runpod_typed.errors import RunpodError

Out = TypeVar("Out", default=Any, covariant=True)
Chunk = TypeVar("Chunk", default=Any, covariant=True)

_CANCEL_ON_EXIT_TIMEOUT = 4.0  # seconds; shorter than the shield around it
_log = logging.getLogger("runpod_typed")


class AsyncJob(Generic[Out, Chunk]):
    """A job, and the types of its output and of the chunks it streams.

    ``endpoint.run()`` and ``endpoint.job(id)`` make them. Nothing here cancels the job by itself, neither a timeout nor
    a cancelled task, but for one thing: left by an exception before the job has ended, ``async with job:`` cancels it.
    """

    __slots__ = ("_buffer", "_codecs", "_config", "_waiter")

    def __init__(self, waiter: AsyncWaiter, config: CallConfig, codecs: JobCodecs) -> None:
        self._waiter = waiter
        self._config = config
        self._codecs = codecs
        self._buffer: StreamBuffer | None = None

    def __repr__(self) -> str:
        seen = self._waiter.seen
        status = "not looked at yet" if seen is None else seen.status
        address = self._waiter.address
        return f"<{type(self).__name__} {address.job_id} of endpoint {address.endpoint_id}: {status}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncJob) and self._waiter.address == other._waiter.address

    def __hash__(self) -> int:
        return hash(self._waiter.address)

    def __reduce__(self) -> tuple[Callable[..., AsyncJob[Any, Any]], tuple[ConnectionConfig, JobAddress]]:
        # Types and options may be of any kind; the address is what takes a job up again.
        return _unpickle_job, (self._waiter.executor.connection, self._waiter.address)

    @property
    def id(self) -> str:
        """The job's id; keep it to take the job up again with ``endpoint.job(id)``."""
        return self._waiter.address.job_id

    @property
    def endpoint_id(self) -> str:
        """The endpoint that the job was sent to."""
        return self._waiter.address.endpoint_id

    @property
    def state(self) -> JobState[Out] | None:
        """What was last seen of the job, without asking; None before the first look.

        Raises:
            OutputError: The job is COMPLETED and its output does not fit its type.
        """
        seen = self._waiter.seen
        return None if seen is None else with_typed_output(seen, self._codecs.output)

    def with_options(
        self,
        *,
        timeout: Duration | None = None,
        retry: RetryPolicy | None = None,
        poll: PollPolicy | None = None,
        rate_limits: RateLimits | None = None,
    ) -> Self:
        """A handle of the same job with other options; it shares the connections.

        Args:
            timeout: Seconds (or a timedelta) that one HTTP attempt may last, above 0; None keeps it, and so on.
            retry: How often, how long and when a call that failed is made again.
            poll: How to look for the job's end.
            rate_limits: How many requests may be sent.

        Raises:
            ConfigurationError: A value is out of its range.
        """
        copy = object.__new__(type(self))
        for name in AsyncJob.__slots__:
            setattr(copy, name, getattr(self, name))
        copy._config = self._config.replace(timeout=timeout, retry=retry, poll=poll, rate_limits=rate_limits)
        return copy

    async def refresh(self, timeout: Duration | None = None, *, ttl: Duration | None = None) -> JobState[Out]:
        """Ask where the job stands, once, and get its whole state: output, error, progress, times, worker.

        Source: the vendor's documents, "Operation reference", /status.

        Args:
            timeout: Seconds (or a timedelta) that it may take in all, above 0; None for the retry policy's budget
                alone.
            ttl: Seconds (or a timedelta) that the platform shall keep the job and its result from now on, above 0, at
                most 7 days; None leaves it.

        Raises:
            JobExpiredError: The job was known to this handle and is gone.
            NotFoundError: There is no such job, or it is gone.
            OutputError: The job is COMPLETED and its output does not fit its type.
            APIError: The call failed for good.
            ConfigurationError: A limit is out of its range, or the client is closed or has no key.
        """
        state = await self._waiter.look(self._config, deadline_after(timeout), ttl_ms=ttl_ms(ttl))
        return with_typed_output(state, self._codecs.output)

    async def status(self, timeout: Duration | None = None, *, ttl: Duration | None = None) -> JobStatus:
        """Ask where the job stands, in a word. What else the answer told is in `state`.

        Source: the vendor's documents, "Operation reference", /status.

        Args:
            timeout: Seconds (or a timedelta) that it may take in all, above 0; None for the retry policy's budget
                alone.
            ttl: Seconds (or a timedelta) that the platform shall keep the job and its result from now on, above 0, at
                most 7 days; None leaves it.

        Raises:
            JobExpiredError: The job was known to this handle and is gone.
            NotFoundError: There is no such job, or it is gone.
            APIError: The call failed for good.
            ConfigurationError: A limit is out of its range, or the client is closed or has no key.
        """
        state = await self._waiter.look(self._config, deadline_after(timeout), ttl_ms=ttl_ms(ttl))
        return state.status

    async def wait(self, timeout: Duration | None = None, queue_timeout: Duration | None = None) -> JobState[Out]:
        """Wait for the job's end, good or bad, and get its state.

        Source: the vendor's clients (/status-sync), and the documents, "Operation reference", /status.

        Args:
            timeout: Seconds (or a timedelta) until it must have ended; None for no limit, 0 to ask once.
            queue_timeout: Seconds (or a timedelta) until a worker must have it, 0 or more; None for no limit.

        Raises:
            WaitTimeoutError: `timeout` ended first; the job goes on.
            QueueTimeoutError: `queue_timeout` ended first; it says why no worker took the job, as far as can be told.
            JobExpiredError: The job was known to this handle and is gone.
            NotFoundError: There is no such job, or it is gone.
            OutputError: The output does not fit its type.
            APIError: A call failed for good.
            ConfigurationError: A limit is out of its range, or the client is closed or has no key.
        """
        state = await self._waiter.wait(
            self,
            self._config,
            timeout=to_optional_seconds(timeout, "timeout"),
            queue_timeout=to_optional_seconds(queue_timeout, "queue_timeout"),
        )
        return with_typed_output(state, self._codecs.output)

    async def output(self, timeout: Duration | None = None, queue_timeout: Duration | None = None) -> Out:
        """Wait for the job's end and get its output. A job without one raises.

        Source: the vendor's clients (/status-sync), and the documents, "Operation reference", /status.

        Args:
            timeout: Seconds (or a timedelta) until it must have ended; None for no limit, 0 to ask once.
            queue_timeout: Seconds (or a timedelta) until a worker must have it, 0 or more; None for no limit.

        Raises:
            JobFailedError: The handler raised or returned an error.
            JobCancelledError: The job was cancelled.
            JobTimedOutError: The platform gave the job up.
            JobExpiredError: The job was known to this handle and is gone.
            NotFoundError: There is no such job, or it is gone.
            WaitTimeoutError: `timeout` ended first; the job goes on.
            QueueTimeoutError: `queue_timeout` ended first; it says why no worker took the job, as far as can be told.
            OutputError: The output does not fit its type.
            APIError: A call failed for good.
            ConfigurationError: A limit is out of its range, or the client is closed or has no key.
        """
        state = await self.wait(timeout, queue_timeout)
        return state.result()

    def stream(self, timeout: Duration | None = None) -> AsyncIterator[Chunk]:
        """What the handler yields, one after the other, as it comes. The job's failure raises, after what it yielded.

        Each chunk comes once: a second call goes on where the first one stopped. One consumer a job: chunks that
        another program has taken are gone.

        Source: the vendor's documents, "Operation reference", /stream.

        Args:
            timeout: Seconds (or a timedelta) until the job must have ended; None for no limit, 0 to ask once, which
                takes a second where nothing is there: the API holds no answer of this kind for less.

        Raises:
            JobError: The job failed, was cancelled, timed out or has expired.
            StreamInterruptedError: An answer with chunks was lost, and the job's output does not hold them.
            WaitTimeoutError: `timeout` ended first; the job goes on, and so does its stream.
            OutputError: A chunk does not fit its type.
            NotFoundError: There is no such job, or it is gone.
            APIError: A call failed for good.
            ConfigurationError: A limit is out of its range, or the client is closed or has no key.
        """
        return AsyncOutputs(self.stream_detailed(timeout))

    def stream_detailed(self, timeout: Duration | None = None) -> AsyncIterator[StreamChunk[Chunk]]:
        """Like `stream`, and get what came beside each chunk: the worker's metrics, and the raw JSON.

        Source: the vendor's documents, "Operation reference", /stream.

        Args:
            timeout: Seconds (or a timedelta) until the job must have ended; None for no limit, 0 to ask once, which
                takes a second where nothing is there: the API holds no answer of this kind for less.

        Raises:
            JobError: The job failed, was cancelled, timed out or has expired.
            StreamInterruptedError: An answer with chunks was lost, and the job's output does not hold them.
            WaitTimeoutError: `timeout` ended first; the job goes on, and so does its stream.
            OutputError: A chunk does not fit its type.
            NotFoundError: There is no such job, or it is gone.
            APIError: A call failed for good.
            ConfigurationError: A limit is out of its range, or the client is closed or has no key.
        """
        if self._buffer is None:
            self._buffer = StreamBuffer()
        return AsyncChunks(
            self,
            self._waiter,
            self._config,
            self._codecs.chunk,
            self._buffer,
            timeout=to_optional_seconds(timeout, "timeout"),
        )

    def events(self, timeout: Duration | None = None) -> AsyncIterator[JobEvent[Out]]:
        """Each change of the job's status or progress, the end included.

        A failed job does not raise; its last event says so. Looks come a quarter of a second apart at first, and some
        seconds apart in a long wait: changes in quick succession may be seen as one.

        Source: the vendor's documents, "Operation reference", /status, and the worker SDK's progress updates.

        Args:
            timeout: Seconds (or a timedelta) until the job must have ended, 0 or more; None for no limit.

        Raises:
            WaitTimeoutError: `timeout` ended first; the job goes on.
            JobExpiredError: The job was known to this handle and is gone.
            NotFoundError: There is no such job, or it is gone.
            OutputError: The output does not fit its type.
            APIError: A call failed for good.
            ConfigurationError: A limit is out of its range, or the client is closed or has no key.
        """
        return AsyncEvents(
            self, self._waiter, self._config, self._codecs.output, timeout=to_optional_seconds(timeout, "timeout")
        )

    async def cancel(self, timeout: Duration | None = None) -> JobState[Out]:
        """Cancel the job: one that waits is removed, one that runs is stopped.

        Source: the vendor's documents, "Operation reference", /cancel.

        Args:
            timeout: Seconds (or a timedelta) that it may take in all, above 0; None for the retry policy's budget
                alone.

        Raises:
            JobExpiredError: The job was known to this handle and is gone.
            NotFoundError: There is no such job, or it is gone.
            OutputError: The job is COMPLETED and its output does not fit its type.
            APIError: The call failed for good.
            ConfigurationError: A limit is out of its range, or the client is closed or has no key.
        """
        address = self._waiter.address
        request = operations.cancel_job(address.endpoint_id, address.job_id)
        state = await self._waiter.change(request, self._config, deadline_after(timeout), has_happened=was_cancelled)
        return with_typed_output(state, self._codecs.output)

    async def retry(self, timeout: Duration | None = None) -> JobState[Out]:
        """Queue the job once more, with the same id and input. Its former output is gone.

        Only a FAILED or TIMED_OUT job can be retried, as long as it has not expired.

        Source: the vendor's documents, "Operation reference", /retry.

        Args:
            timeout: Seconds (or a timedelta) that it may take in all, above 0; None for the retry policy's budget
                alone.

        Raises:
            BadRequestError: The job is in no state to be retried.
            JobExpiredError: The job was known to this handle and is gone.
            NotFoundError: There is no such job, or it is gone.
            OutputError: The job is COMPLETED and its output does not fit its type.
            APIError: The call failed for good.
            ConfigurationError: A limit is out of its range, or the client is closed or has no key.
        """
        address = self._waiter.address
        request = operations.retry_job(address.endpoint_id, address.job_id)
        state = await self._waiter.change(request, self._config, deadline_after(timeout), has_happened=was_requeued)
        self._buffer = None
        return with_typed_output(state, self._codecs.output)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        seen, buffer = self._waiter.seen, self._buffer
        ended = (seen is not None and seen.done) or (buffer is not None and buffer.finished)
        if exc is None or ended:
            return
        with async_shielded():
            try:
                await self.cancel(timeout=_CANCEL_ON_EXIT_TIMEOUT)
            except RunpodError as error:
                exc.add_note(f"Job {self.id} could not be cancelled and may go on: {error}")
                _log.warning("Job %s could not be cancelled and may go on: %s", self.id, error)


@cache
def _executor_for(connection: ConnectionConfig) -> AsyncRequestExecutor:
    return AsyncRequestExecutor(connection)


def _unpickle_job(connection: ConnectionConfig, address: JobAddress) -> AsyncJob[Any, Any]:
    """A job from a pickle. Its key is the environment's, looked up at its first request.

    Nobody closes its connections, so none are kept.
    """
    untyped = JobCodecs(output=codec_for(UNTYPED), chunk=codec_for(UNTYPED))
    executor = _executor_for(evolve(connection, idle_connections=0))
    return AsyncJob(AsyncWaiter(address, executor), DEFAULT_CALL_CONFIG, untyped)
