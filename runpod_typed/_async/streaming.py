# Iterators over a job: events, chunks, outputs.
"""Iterators over the events and the chunks of a job.

They are classes and not generators: one that is left early holds nothing open, under asyncio, trio or threads.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Generic, Self, final

import attrs
from typing_extensions import TypeVar

from runpod_typed._async.polling import AsyncPoller, AsyncStatusWatch, AsyncWatch
from runpod_typed._codecs.codec import Codec
from runpod_typed._core import operations
from runpod_typed._core.job_record import JobCodecs, JobErrors
from runpod_typed._core.schedule import (
    PLAIN_POLL,
    SHORTEST_LONG_POLL_MS,
    SHORTEST_POLL,
    PollSchedule,
    PollStep,
    hold_back_until,
)
from runpod_typed._core.streaming import StreamBuffer, interrupted_error
from runpod_typed._logging import logger
from runpod_typed._models.jobs import JobEvent, JobState, JobStatus, job_error, output_of, with_typed_output
from runpod_typed._models.stream import StreamChunk, StreamPage, decode_chunk
from runpod_typed._synchronization import monotonic
from runpod_typed.errors import JobExpiredError, NotFoundError, RunpodError

T = TypeVar("T")


@final
class AsyncEvents(Generic[T]):
    """The changes of a job's status or progress."""

    def __init__(self, job: object, poller: AsyncPoller, schedule: PollSchedule, codec: Codec[T]) -> None:
        self._job = job
        self._poller = poller
        self._watch = AsyncStatusWatch(job, poller, schedule)
        self._codec = codec
        self._last: tuple[JobStatus, Any] | None = None
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JobEvent[T]:
        with JobErrors(self._job, self._poller.record):
            while not self._over:
                state = await self._watch.poll()
                self._over = state.status.is_terminal
                last, self._last = self._last, (state.status, state.progress)
                if self._last != last and repr(self._last) != repr(last):  # NaN differs from itself
                    return JobEvent(
                        status=state.status, progress=state.progress, state=with_typed_output(state, self._codec)
                    )
        raise StopAsyncIteration


@final
class AsyncStreamWatch(AsyncWatch[JobState[Any] | StreamPage]):
    """Polls the job's stream, or its status if there is no time or room for a long poll."""

    def __init__(self, job: object, poller: AsyncPoller, schedule: PollSchedule, buffer: StreamBuffer) -> None:
        super().__init__(job, poller, schedule)
        self._buffer = buffer

    async def _fetch(self, step: PollStep) -> JobState[Any] | StreamPage:
        poller, schedule = self._poller, self._schedule
        config, deadline = schedule.call_config, schedule.poll_deadline(monotonic())
        if step.long_poll_ms is None:
            return await poller.fetch_status(config, deadline, retry_not_found=not schedule.polls_once)
        retry_not_found = not (schedule.polls_once or self._buffer.confirming)
        address = poller.record.address
        request = operations.fetch_chunks(address.endpoint_id, address.job_id, wait_ms=step.long_poll_ms)
        try:
            return await poller.call(
                request, config, deadline, observe=self._buffer.note, retry_not_found=retry_not_found
            )
        except JobExpiredError:
            if self._buffer.confirming:
                raise
            state = await poller.fetch_status(config, deadline, retry_not_found=False)
            self._buffer.lost()  # the job is there, though its stream is not
            return state
        except RunpodError:
            raise
        except BaseException:  # an interrupt: the chunks that the server has sent by then are lost
            self._buffer.lost()
            raise


@final
class AsyncChunks(Generic[T]):
    """The chunks that a job's handler yields, with their metrics."""

    def __init__(self, job: object, poller: AsyncPoller, schedule: PollSchedule, codecs: JobCodecs) -> None:
        self._job = job
        self._poller = poller
        self._buffer = poller.stream_buffer()
        self._watch = AsyncStreamWatch(job, poller, schedule, self._buffer)
        self._codecs = codecs
        self._held_back_until = hold_back_until(schedule)
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamChunk[T]:
        with JobErrors(self._job, self._poller.record):
            while not self._over:
                chunk = self._buffer.take()
                if chunk is not None:
                    return self._typed(chunk)
                if self._buffer.finished:
                    await self._finish()
                else:
                    await self._read()
        raise StopAsyncIteration

    def _typed(self, chunk: StreamChunk[Any]) -> StreamChunk[T]:
        output = decode_chunk(self._codecs.chunk, chunk.output, self._poller.record.address.job_id)
        return attrs.evolve(chunk, output=output)

    async def _read(self) -> None:
        buffer = self._buffer
        if buffer.confirming:
            with suppress(NotFoundError, JobExpiredError):
                self._absorb(await self._watch.poll(SHORTEST_POLL))
                return
            self._absorb(StreamPage(status=buffer.status, chunks=()))
            return
        if buffer.held_back and monotonic() >= self._held_back_until:
            buffer.release()
            return
        response = await self._watch.poll(longest_ms=SHORTEST_LONG_POLL_MS if buffer.held_back else None)
        self._absorb(response)
        if isinstance(response, StreamPage) and response.tells_nothing:
            # The chunks that are yielded before this poll come with the next response.
            self._absorb(await self._watch.poll(PLAIN_POLL))

    def _absorb(self, response: JobState[Any] | StreamPage) -> None:
        if not isinstance(response, StreamPage):
            self._buffer.update(response.status)
            return
        self._buffer.absorb(response)
        if response.status is not None:
            self._poller.record.note(response.status)

    async def _finish(self) -> None:
        """Add what is missing from the output of the finished job, or raise its failure."""
        buffer = self._buffer
        state = await self._watch.poll(PLAIN_POLL)
        if isinstance(state, StreamPage):
            self._absorb(state)
            return
        if not state.status.is_terminal:  # it was queued again meanwhile
            buffer.reopen()
            return
        buffer.status = state.status
        if buffer.count_retries(state.retries):
            logger.warning(
                "%s ran again, as after the death of a worker: its stream may begin with chunks of an earlier run.",
                self._poller.record,
            )
        if not buffer.complete:
            buffer.reconcile(output_of(state).plain if state.status is JobStatus.COMPLETED else None)
        if buffer.available:
            return
        self._over = True
        interrupted = interrupted_error(buffer, self._poller.record.address)
        error = job_error(with_typed_output(state, self._codecs.output))
        if error is not None:
            raise error from interrupted
        if interrupted is not None:
            raise interrupted


class AsyncOutputs(Generic[T]):
    """The chunks that a job's handler yields, without their metrics."""

    def __init__(self, chunks: AsyncIterator[StreamChunk[T]]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        return (await self._chunks.__anext__()).output
