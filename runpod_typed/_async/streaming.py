# Iterators over a job: chunks, outputs, events.
"""Iterators over what a job yields and how it changes.

They are classes and not generators: one that is left early holds nothing open, under asyncio, trio or threads.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Generic, Self

import attrs
from typing_extensions import TypeVar

from runpod_typed._async.polling import AsyncWaiter
from runpod_typed._codecs.codec import Codec
from runpod_typed._core import operations
from runpod_typed._core.config import CallConfig
from runpod_typed._core.schedule import SHORTEST_HOLD_MS, Ended, Wait, for_streaming
from runpod_typed._core.streaming import StreamBuffer, interrupted_error
from runpod_typed._core.wait_errors import PASSING_ERRORS, wait_error
from runpod_typed._models.job_status import JobStatus
from runpod_typed._models.jobs import JobEvent, decode_chunk, job_error, with_typed_output
from runpod_typed._models.retry_policy import RetryPolicy
from runpod_typed._models.stream import StreamChunk, StreamPage
from runpod_typed._synchronization import async_sleep, monotonic
from runpod_typed.errors import APIError, JobExpiredError, NotFoundError, RunpodError, WaitTimeoutError

T = TypeVar("T")


class AsyncEvents(Generic[T]):
    """Each change of a job's status or progress."""

    def __init__(
        self, job: object, waiter: AsyncWaiter, config: CallConfig, codec: Codec[T], *, timeout: float | None
    ) -> None:
        self._job = job
        self._waiter = waiter
        self._codec = codec
        self._wait = Wait.beginning(config, monotonic(), timeout=timeout, watch_progress=True)
        self._last: tuple[JobStatus, Any] | None = None
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JobEvent[T]:
        while not self._over:
            self._wait, state = await self._waiter.step(self._job, self._wait)
            self._over = state.done
            if (state.status, state.progress) != self._last:
                self._last = state.status, state.progress
                return JobEvent(
                    status=state.status, progress=state.progress, state=with_typed_output(state, self._codec)
                )
        raise StopAsyncIteration


class AsyncChunks(Generic[T]):
    """What a job's handler yields, with what came beside it."""

    def __init__(
        self,
        job: object,
        waiter: AsyncWaiter,
        config: CallConfig,
        codec: Codec[T],
        buffer: StreamBuffer,
        *,
        timeout: float | None,
    ) -> None:
        self._job = job
        self._waiter = waiter
        self._codec = codec
        self._buffer = buffer
        self._wait = Wait.beginning(for_streaming(config), monotonic(), timeout=timeout)
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamChunk[T]:
        while not self._over:
            chunk = self._buffer.take()
            if chunk is not None:
                return self._typed(chunk)
            await self._go_on()
        raise StopAsyncIteration

    def _typed(self, chunk: StreamChunk[Any]) -> StreamChunk[T]:
        output = decode_chunk(self._codec, chunk.output, self._waiter.address.job_id)
        return attrs.evolve(chunk, output=output)

    async def _go_on(self) -> None:
        try:
            if self._buffer.finished:
                await self._finish()
            elif self._buffer.confirming:
                self._buffer.absorb(await self._drain_rest())
            else:
                await self._read_on()
        except PASSING_ERRORS as error:
            ended = self._wait.ended_with(error, monotonic())
            if ended is None:
                raise
            raise self._timed_out(ended) from error

    def _timed_out(self, ended: Ended) -> WaitTimeoutError:
        return wait_error(ended, self._job, self._waiter.address, self._waiter.seen, self._wait)

    async def _read_on(self) -> None:
        """Take in what is new, when it is due."""
        waiter, buffer = self._waiter, self._buffer
        look = self._wait.next(monotonic(), waiter.executor.random, holds=True)
        if isinstance(look, Ended):
            raise self._timed_out(look)
        if look.delay > 0:
            await async_sleep(look.delay)
        asked_at = monotonic()
        hold_ms = SHORTEST_HOLD_MS if self._wait.asks_once else look.hold_ms
        if hold_ms is None:
            # Too little time is left for an answer that may be held; chunks of one that is cut off would be lost.
            state = await waiter.look(self._wait.config, self._wait.look_deadline)
            buffer.looked(state.status)
            self._wait = self._wait.looked(look, state, asked_at=asked_at, answered_at=monotonic())
            return
        page = await self._drain(hold_ms)
        buffer.absorb(page)
        if page.tells_nothing:  # a look comes after it, so that what is yielded in between is found by the next answer
            buffer.looked((await waiter.look(self._wait.config, self._wait.look_deadline)).status)
        if page.status is not None:
            waiter.note(page.status)
        self._wait = self._wait.drained(look, took=monotonic() - asked_at, chunks=len(page.chunks))

    async def _drain(self, hold_ms: int) -> StreamPage:
        address, buffer = self._waiter.address, self._buffer
        request = operations.drain(address.endpoint_id, address.job_id, wait_ms=hold_ms)
        try:
            return await self._waiter.call(request, self._wait.config, self._wait.look_deadline, observe=buffer.note)
        except RunpodError:
            raise
        except BaseException:  # cancelled, or Ctrl-C: what the server has sent by then, nobody reads
            buffer.lost()
            raise

    async def _drain_rest(self) -> StreamPage:
        """Ask once more after the end: an empty answer confirms that all chunks are here."""
        try:
            return await self._drain(SHORTEST_HOLD_MS)
        except (NotFoundError, JobExpiredError):
            return StreamPage(status=self._buffer.status, chunks=())

    async def _finish(self) -> None:
        """The job has ended and no more will come: fill a gap, or raise what there is to raise."""
        buffer, waiter = self._buffer, self._waiter
        if buffer.gap is None and buffer.status is JobStatus.COMPLETED:
            self._over = True
            with suppress(APIError, JobExpiredError):  # all chunks are here; this only brings job.state up to date
                await waiter.look(self._wait.config.replace(retry=RetryPolicy.disabled()), self._wait.look_deadline)
            return
        state = await waiter.look(self._wait.config, self._wait.look_deadline)
        if not state.done:  # it was queued once more meanwhile
            buffer.reopen()
            return
        if state.succeeded and buffer.heal(state.output):
            buffer.status = state.status
            return
        self._over = True
        interrupted = interrupted_error(buffer, waiter.address)
        error = job_error(state)
        if error is not None:
            raise error from interrupted
        if interrupted is not None:
            raise interrupted


class AsyncOutputs(Generic[T]):
    """What a job's handler yields, and nothing beside it."""

    def __init__(self, chunks: AsyncIterator[StreamChunk[T]]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        return (await self._chunks.__anext__()).output
