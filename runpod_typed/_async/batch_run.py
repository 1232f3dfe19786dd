# A run of many inputs in batches.
"""A run of many inputs in batches: drafts are filled and finalized, and their results collected.

Each step happens in the caller's task or thread, while it waits for the next result. Until a draft is finalized,
nothing runs, and a lost step is repeated. Before that, the journal has its requests.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Generic, Self, final

from typing_extensions import TypeVar

from runpod_typed._async.batch_calls import AsyncBatchCalls
from runpod_typed._async.batch_drafts import AsyncDrafts
from runpod_typed._bulk.batch_journal import BatchJournal, RunSetup
from runpod_typed._bulk.options import MapOptions
from runpod_typed._bulk.progress import ProgressReporter
from runpod_typed._bulk.sources import InputsFailed
from runpod_typed._core.batch_run import (
    MAX_ACTIVE,
    MAX_IN_FLIGHT,
    ActiveBatch,
    Collected,
    may_run_again,
    poll_pause,
    take_results,
    unfinished_error,
)
from runpod_typed._core.batches import MAX_REQUESTS, SizedRequest
from runpod_typed._core.bulk import Item, Outage, ResultBuffer
from runpod_typed._core.run_request import RunRequest
from runpod_typed._models.batches import BatchResult, BatchStatus
from runpod_typed._models.map_results import MapResult, MapStats
from runpod_typed._synchronization import (
    AsyncClosable,
    AsyncInputs,
    async_iterate,
    async_shielded,
    async_sleep,
    monotonic,
)
from runpod_typed.errors import (
    APIError,
    InputError,
    NotFoundError,
)

In = TypeVar("In", default=Any, covariant=True)
Out = TypeVar("Out", default=Any, covariant=True)


@final
class AsyncBatchRun(AsyncClosable, Generic[In, Out]):
    """The results of ``endpoint.batches.run(...)``: iterate over it, best in an ``async with`` block.

    Nothing is sent before the first result is asked for, and batches are made and polled while the next result is
    waited for. Leaving the block early leaves the batches, or cancels them, as `on_exit` says.
    """

    def __init__(
        self,
        batches: AsyncBatchCalls[RunRequest, Out],
        inputs: AsyncInputs[In],
        options: MapOptions,
        setup: RunSetup,
    ) -> None:
        self._batches = batches  # its inputs are requests that are built already
        self._inputs = async_iterate(inputs)
        self._options = options
        self._setup = setup
        self._most = min(options.concurrency or MAX_IN_FLIGHT, MAX_IN_FLIGHT)
        self._counters = options.counters(inputs)
        self._outage = Outage(setup.poll)
        self._drafts = AsyncDrafts(batches, setup, self._outage)
        self._buffer = ResultBuffer(options.ordered)
        self._resumed = list[ActiveBatch]()
        self._active = list[ActiveBatch]()
        self._draft: ActiveBatch | None = None
        self._again = list[tuple[Item, BatchResult[Out]]]()  # that failed and may be run again
        self._read = 0
        self._source_ended = self._over = False
        self._source_error: BaseException | None = None
        self._error: BaseException | None = None  # follows the results
        self._reporter: ProgressReporter | None = None
        self._journal: BatchJournal | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc is not None and not isinstance(exc, Exception):
            self._explain(exc)
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> MapResult[In, Out]:
        """Return the next result. An input that fails does not raise.

        Raises:
            JournalError: The journal cannot be used.
            APIError: A batch cannot be made or read, for longer than `PollPolicy.max_outage` if the failure may pass.
        """
        while (result := self._buffer.take()) is None:
            if self._over:
                await self.aclose()
                if (failed := self._error) is not None:
                    self._error = None
                    raise failed
                raise StopAsyncIteration
            try:
                journal, reporter = self._start()
                await self._step(journal)
                reporter.update()
            except BaseException as error:  # Ctrl-C and cancellation too: the note says how to resume
                self._over = True
                self._explain(error)
                if not isinstance(error, Exception):
                    await self.aclose()
                    raise
                self._error = error
                self._deliver_rest()
                try:
                    await self.aclose()
                except Exception as failed:  # noqa: BLE001 -- the results and the first error follow
                    error.add_note(f"The run could not be closed either: {failed}")
        return result

    @property
    def stats(self) -> MapStats:
        """The counts at this moment."""
        return self._counters.stats()

    async def outputs(self) -> AsyncIterator[Out]:
        """Iterate over the outputs; the first input that did not succeed raises its error.

        Example:
            ``pictures = [picture async for picture in endpoint.batches.run(prompts).outputs()]``

        Yields:
            The outputs.

        Raises:
            RunpodError: An input did not succeed.
        """
        async with self:
            async for result in self:
                yield result.output

    async def aclose(self) -> None:
        """End the run. Batches are left, or cancelled with ``on_exit="cancel"``. A second call does nothing."""
        self._over = True
        left = self._active if self._options.on_exit == "cancel" else []
        draft, self._draft, self._active = self._draft, None, []
        with async_shielded():
            if draft is not None and self._journal is not None:
                await self._drafts.discard(draft, self._journal)
            for batch in left:
                if self._journal is not None:
                    self._journal.leave(batch.items.values())
                await self._drafts.cancel(batch.id)
        try:
            if self._journal is not None:
                self._journal.close()
        finally:
            if self._reporter is not None:
                self._reporter.close()

    def _start(self) -> tuple[BatchJournal, ProgressReporter]:
        if self._journal is None or self._reporter is None:
            self._journal = BatchJournal(self._options, self._setup)
            weakref.finalize(self, self._journal.close)  # which a loop that ends early does not
            self._resumed = self._journal.unfinished(monotonic())
            self._reporter = ProgressReporter(self._options.progress, self._counters)
        return self._journal, self._reporter

    def _explain(self, error: BaseException) -> None:
        batches = self._active if self._draft is None else [*self._active, self._draft]
        if not batches:
            return
        ids = ", ".join(batch.id for batch in batches)
        note = f"{self._options.interruption_note(self._counters.in_flight)} The batches are {ids}."
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)

    # One step

    async def _step(self, journal: BatchJournal) -> None:
        if self._resumed:  # they end before anything new is queued
            for batch in list(self._resumed):
                await self._resume(batch, journal)
            if self._resumed:
                await self._pause(self._resumed)
            return
        if await self._start_batch(journal) and self._may_start:
            return  # the next batch comes before any poll
        for batch in list(self._active):
            await self._collect_results(batch, journal)
        if self._buffer.ready or self._may_start:
            return
        if self._active or self._draft is not None:
            await self._pause(self._active)
            return
        self._over, self._error = True, self._source_error
        self._deliver_rest()

    def _deliver_rest(self) -> None:
        """Deliver the results that nothing follows any more, before the error that ended the run."""
        for item, state in self._again:  # the money is spent
            self._deliver(item.result(state))
        self._again.clear()
        self._buffer.release()

    async def _pause(self, batches: list[ActiveBatch]) -> None:
        now = monotonic()
        newest = min((now - (batch.finalized_at or now) for batch in batches), default=0.0)
        await async_sleep(poll_pause(self._setup.poll, newest))

    async def _start_batch(self, journal: BatchJournal) -> bool:
        if self._draft is None and self._may_start and (items := await self._collect(journal)):
            self._draft = await self._drafts.make(items)
            journal.queue(self._draft)
        if self._draft is None or not await self._finalize(self._draft):
            return False
        self._active.append(self._draft)
        self._draft = None
        return True

    @property
    def _may_start(self) -> bool:
        room = len(self._active) < MAX_ACTIVE and self._counters.in_flight < self._most
        return room and not self._spent and (bool(self._again) or self._may_read)

    @property
    def _may_read(self) -> bool:
        return not self._source_ended and len(self._buffer) < self._most

    @property
    def _spent(self) -> bool:
        return self._options.cost_reached(self._counters)

    # Inputs

    async def _collect(self, journal: BatchJournal) -> list[Item]:
        collected = Collected(min(MAX_REQUESTS, self._most - self._counters.in_flight))
        while not collected.full:
            item = self._again.pop()[0] if self._again else await self._next_item(journal)
            if item is None:
                break
            if (known := journal.known(item)) is not None:
                self._deliver(item.result(known, from_journal=True))
                continue
            try:
                request = self._request(item)
            except InputError as error:
                journal.refuse(item, error)
                self._deliver(item.result(error))
                continue
            item.body = request.body
            collected.add(item, request.size)
        return collected.items

    def _request(self, item: Item) -> SizedRequest:
        if item.error is not None:
            raise item.error
        return SizedRequest.of(item.body or self._setup.prepare(item.value))

    async def _next_item(self, journal: BatchJournal) -> Item | None:
        if not self._may_read:
            return None
        try:
            value = await self._inputs.__anext__()
        except StopAsyncIteration:
            self._source_ended, self._counters.total = True, self._read
            return None
        except Exception as error:  # noqa: BLE001 -- the caller gets it, after the results of what was submitted
            self._source_ended, self._source_error = True, error
            return None
        try:
            item = journal.item(self._read, value, self._setup.prepare)
        except Exception as error:  # noqa: BLE001 -- a key function may raise anything: as above
            self._source_ended, self._source_error = True, InputsFailed(error).error
            return None
        self._read += 1
        return item

    # Batches

    async def _finalize(self, draft: ActiveBatch) -> bool:
        """Queue the requests of a draft; return False if the endpoint does not accept them yet."""
        try:
            if not await self._drafts.accepted(draft, others_active=bool(self._active)):
                return False
        except APIError as error:
            await async_sleep(self._outage.pause_after(error, monotonic()))
            return False
        self._outage.passed()
        draft.finalized_at = monotonic()
        self._counters.submitted += len(draft.items)
        self._counters.in_flight += len(draft.items)
        return True

    # Results

    async def _resume(self, left: ActiveBatch, journal: BatchJournal) -> None:
        """Finalize, or wait for, a batch of an earlier run, and write its results down."""
        try:
            batch = await self._batches.get(left.id)
            if batch.status is not BatchStatus.DRAFT:
                await self._collect_results(left, journal)
                return
            if batch.request_total == len(left.items):
                await self._drafts.accepted(left, others_active=bool(self._active))
                return
            journal.withdraw(left)
            await self._drafts.cancel(left.id)
        except NotFoundError as error:
            for item in left.items.values():
                journal.lose(item, error)
            journal.flush()
        except APIError as error:
            await async_sleep(self._outage.pause_after(error, monotonic()))
            return
        self._resumed.remove(left)

    async def _collect_results(self, active: ActiveBatch, journal: BatchJournal) -> None:
        """Read the results of a batch that has finished, or whose time limit has."""
        options = self._options
        try:
            batch = await self._batches.get(active.id)
            limit = active.passed_limit(batch, options.timeout, options.queue_timeout, monotonic())
            if not batch.done and limit is None:
                return
            async for result in self._batches.results(batch):
                for item, state in take_results(active, [result]):
                    journal.finish(item, state)
                    self._finish(active, item, state)
        except APIError as error:
            await async_sleep(self._outage.pause_after(error, monotonic()))
            return
        self._outage.passed()
        for item in active.items.values():
            unfinished = unfinished_error(batch, self._setup.endpoint_id, item, None if batch.done else limit)
            journal.lose(item, unfinished)
            if active in self._active:
                self._counters.in_flight -= 1
                self._deliver(item.result(unfinished))
        journal.flush()
        (self._active if active in self._active else self._resumed).remove(active)

    def _finish(self, active: ActiveBatch, item: Item, state: BatchResult[Out]) -> None:
        if active not in self._active:  # of an earlier run: its input is still to be read
            return
        self._counters.in_flight -= 1
        self._counters.count_job(state)
        if may_run_again(item, state, self._options.attempts) and not self._spent:
            self._again.append((item, state))
        else:
            self._deliver(item.result(state))

    def _deliver(self, result: MapResult[In, Out]) -> None:
        self._counters.count_result(result)
        self._buffer.put(result)
