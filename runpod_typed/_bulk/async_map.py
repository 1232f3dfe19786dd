"""A map for tasks: the engine runs in the caller's event loop."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Generic, Self, final

from typing_extensions import TypeVar

from runpod_typed._async.executor import AsyncRequestExecutor
from runpod_typed._bulk.endpoint_jobs import EndpointJobs, EndpointParts
from runpod_typed._bulk.engine import MapEngine
from runpod_typed._bulk.input_journal import MapJournal
from runpod_typed._bulk.options import MapOptions
from runpod_typed._bulk.progress import ProgressReporter
from runpod_typed._bulk.sources import async_source
from runpod_typed._logging import logger
from runpod_typed._models.map_results import MapResult, MapStats
from runpod_typed._synchronization import AsyncEvent, async_shielded

In = TypeVar("In", default=Any, covariant=True)
Out = TypeVar("Out", default=Any, covariant=True)


@final
class _Inbox:
    """The results that the engine has delivered. The engine does not refer to the map, so that it can be collected."""

    def __init__(self) -> None:
        self.results = deque[MapResult[Any, Any]]()
        self.finished = False
        self.error: BaseException | None = None
        self._changed: AsyncEvent | None = None

    def deliver(self, result: MapResult[Any, Any]) -> None:
        """Add a result."""
        self.results.append(result)
        self._notify()

    def finish(self, error: BaseException | None) -> None:
        """Note that no more results come."""
        self.finished, self.error = True, error
        self._notify()

    async def wait(self, seconds: float | None) -> None:
        """Wait for a result or the end, `seconds` at most."""
        if self._changed is None:  # several tasks may take results
            self._changed = AsyncEvent()
        await self._changed.wait(seconds)

    def _notify(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.set()


_abandoned: Final = dict[Path, MapEngine]()
"""Engines that may have a journal open. Their maps were collected, or nothing continued them after a cancellation."""


def _abandon(engine: MapEngine, journal: Path | None) -> None:
    if journal is not None:
        _abandoned[journal] = engine
    engine.abandon()


async def _end_abandoned(journal: Path | None) -> None:
    """Wait until a map that was abandoned in this event loop has closed the journal."""
    engine = None if journal is None else _abandoned.pop(journal, None)
    if engine is not None:
        engine.abandon()
        await engine.ended()


class AsyncJobMap(Generic[In, Out]):
    """The results of ``endpoint.map(...)``. Iterate over it, in an ``async with`` block if the loop may end early.

    Nothing is sent before the block is entered or the first result is awaited.

    Example:
        ::

            async with endpoint.map(prompts, journal="run.sqlite") as results:
                async for result in results:
                    print(result.index, result.output if result.succeeded else result.error)
    """

    def __init__(
        self,
        endpoint: EndpointParts[AsyncRequestExecutor],
        inputs: AsyncIterable[In] | Iterable[In],
        options: MapOptions,
    ) -> None:
        self._endpoint, self._inputs, self._options = endpoint, inputs, options
        self._counters = options.counters(inputs)
        self._engine: MapEngine | None = None
        self._inbox: _Inbox | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        if not self._closed:
            await self._start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc is not None and not isinstance(exc, Exception):
            note = self._explain(exc)
            if note is not None:
                logger.warning("Interrupted: %s", note)
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> MapResult[In, Out]:
        """Return the next result.

        Raises:
            JournalError: The journal cannot be used.
            AuthenticationError: The API key is refused.
            APIConnectionError: Nothing could be submitted for ``PollPolicy.max_outage`` seconds.
        """
        if self._closed:
            raise StopAsyncIteration
        engine, inbox, reporter = await self._start()
        self._continue()
        try:
            reporter.update()
            while not (inbox.results or inbox.finished):
                await inbox.wait(reporter.interval)
                reporter.update()
        except BaseException as interrupt:  # without a block, there is no other place to add the note
            self._explain(interrupt)  # in a note alone: after a time limit, the caller may ask again
            if self._options.journal is not None:
                _abandoned[self._options.journal] = engine
            raise
        if inbox.results:
            engine.taken()
            return inbox.results.popleft()
        await self.aclose()
        if inbox.error is not None:
            raise inbox.error
        raise StopAsyncIteration

    @property
    def stats(self) -> MapStats:
        """The counts at this moment."""
        return self._counters.stats()

    async def outputs(self) -> AsyncIterator[Out]:
        """Iterate over the outputs, in the order of the results. The first input that did not succeed raises its error.

        Example:
            ``pictures = [picture async for picture in endpoint.map(prompts).outputs()]``

        Raises:
            RunpodError: The error of an input that did not succeed.
        """
        async with self:
            async for result in self:
                yield result.output

    async def aclose(self) -> None:
        """End the map. Jobs in flight are left, or cancelled with ``on_exit="cancel"``. A second call does nothing."""
        self._closed = True
        engine, self._engine = self._engine, None
        if engine is None:
            return
        self._continue()
        self._finalizer.detach()
        try:
            self._reporter.close()  # first, to show what was in flight
        finally:
            with async_shielded():
                await engine.stop()

    async def _start(self) -> tuple[MapEngine, _Inbox, ProgressReporter]:
        if self._engine is None:
            await _end_abandoned(self._options.journal)
        if self._engine is None or self._inbox is None:
            endpoint = self._endpoint
            journal = MapJournal(self._options, endpoint.id, endpoint.url)
            self._inbox = inbox = _Inbox()
            self._reporter = ProgressReporter(self._options.progress, self._counters)
            self._engine = MapEngine(
                EndpointJobs(endpoint, endpoint.executor),
                async_source(self._inputs),
                self._options,
                self._counters,
                journal,
                deliver=inbox.deliver,
                finish=inbox.finish,
            )
            self._engine.start()
            self._finalizer = weakref.finalize(self, _abandon, self._engine, self._options.journal)
            self._finalizer.atexit = False
        return self._engine, self._inbox, self._reporter

    def _continue(self) -> None:
        if self._options.journal is not None:
            _abandoned.pop(self._options.journal, None)

    def _explain(self, interrupt: BaseException) -> str | None:
        """Add a note about the jobs in flight, and return it; None if there is nothing to explain."""
        if self._engine is None or isinstance(interrupt, GeneratorExit):
            return None
        note = self._options.interruption_note(self._counters.in_flight)
        if note not in getattr(interrupt, "__notes__", ()):
            interrupt.add_note(note)
        return note
