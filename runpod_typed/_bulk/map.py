"""A map for threads: the engine runs in its own thread, and the caller's thread takes the results."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from types import TracebackType
from typing import Any, Final, Generic, Self, final

from attrs import frozen
from typing_extensions import TypeVar

from runpod_typed._bulk.bridge import async_executor
from runpod_typed._bulk.endpoint_jobs import EndpointJobs, EndpointParts
from runpod_typed._bulk.engine import MapEngine
from runpod_typed._bulk.input_journal import MapJournal
from runpod_typed._bulk.options import MapOptions
from runpod_typed._bulk.progress import ProgressReporter
from runpod_typed._bulk.sources import PlainSource, ThreadSource
from runpod_typed._bulk.threads import LoopThread
from runpod_typed._core.counters import Counters
from runpod_typed._logging import logger
from runpod_typed._models.map_results import MapResult, MapStats
from runpod_typed._sync.executor import RequestExecutor
from runpod_typed._synchronization import AsyncEvent
from runpod_typed.errors import RunpodError

In = TypeVar("In", default=Any, covariant=True)
Out = TypeVar("Out", default=Any, covariant=True)


@frozen
class _End:
    """Follows the last result."""

    error: BaseException | None


@final
class _Worker:
    """The engine of a map in its thread."""

    def __init__(
        self,
        jobs: EndpointJobs,
        inputs: Iterable[Any],
        options: MapOptions,
        counters: Counters,
        journal: MapJournal,
        *,
        results: SimpleQueue[MapResult[Any, Any] | _End],
    ) -> None:
        self._results = results
        self._jobs, self._inputs, self._options = jobs, inputs, options
        self._counters, self._journal = counters, journal
        self._engine: MapEngine | None = None
        self._thread = LoopThread(self._main, lambda error: self._results.put(_End(error)))
        self.start, self.stop, self.check = self._thread.start, self._thread.stop, self._thread.check

    def taken(self, count: int) -> None:
        """Note that the consumer has taken results."""
        if self._engine is not None:
            self._thread.call(self._engine.taken, count)

    async def _main(self, stopped: AsyncEvent) -> None:
        end = _End(None)

        def finish(error: BaseException | None) -> None:
            nonlocal end
            end = _End(error)
            stopped.set()

        # A list or tuple does not block.
        inputs = self._inputs
        source = PlainSource(inputs) if isinstance(inputs, list | tuple) else ThreadSource(inputs)
        engine = self._engine = MapEngine(
            self._jobs,
            source,
            self._options,
            self._counters,
            self._journal,
            deliver=self._results.put,
            finish=finish,
        )
        engine.start()
        try:
            await stopped.wait(None)
        finally:
            source.close()
            await engine.stop()
            self._results.put(end)


_abandoned: Final = dict[Path, _Worker]()
"""Workers that have a journal open, of maps that nothing continued after an exception of a function of the caller."""


def _end_abandoned(journal: Path | None) -> None:
    worker = None if journal is None else _abandoned.pop(journal, None)
    if worker is not None:
        worker.stop()


class JobMap(Generic[In, Out]):
    """The results of ``endpoint.map(...)``. Iterate over it, in a ``with`` block if the loop may end early.

    Nothing is sent before the block is entered or the first result is requested. The inputs are read in another thread,
    unless they are a list or tuple.

    Example:
        ::

            with endpoint.map(prompts, journal="run.sqlite") as results:
                for result in results:
                    print(result.index, result.output if result.succeeded else result.error)
    """

    def __init__(
        self,
        endpoint: EndpointParts[RequestExecutor],
        inputs: Iterable[In],
        options: MapOptions,
    ) -> None:
        self._endpoint, self._inputs, self._options = endpoint, inputs, options
        self._counters = options.counters(inputs)
        self._worker: _Worker | None = None
        self._queue = SimpleQueue[MapResult[In, Out] | _End]()
        self._results = deque[MapResult[In, Out] | _End]()  # taken from the queue
        self._closed = False
        self._lock = Lock()

    def __enter__(self) -> Self:
        if not self._closed:
            self._start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc is not None and not isinstance(exc, Exception | GeneratorExit):
            self._explain(exc)
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> MapResult[In, Out]:
        """Return the next result.

        Raises:
            JournalError: The journal cannot be used.
            AuthenticationError: The API key is refused.
            APIConnectionError: Nothing could be submitted for ``PollPolicy.max_outage`` seconds.
        """
        try:
            if self._worker is not None:
                self._continue()
                self._reporter.update()
            while (result := self._take()) is None:
                worker, reporter = self._start()
                worker.check()
                self._receive(worker, reporter.interval)
                reporter.update()
        except BaseException as error:  # what a signal handler raises too
            if not isinstance(error, StopIteration | RunpodError):
                self._explain(error)
            if not isinstance(error, Exception):
                self.close()  # without a block, nothing else would end the map
            elif self._worker is not None and self._options.journal is not None:
                _abandoned[self._options.journal] = self._worker
            raise
        if isinstance(result, _End):
            self._queue.put(_End(None))  # for other threads that take results
            self._stop()
            if result.error is not None:
                raise result.error
            raise StopIteration
        return result

    @property
    def stats(self) -> MapStats:
        """The counts at this moment."""
        return self._counters.stats()

    def outputs(self) -> Iterator[Out]:
        """Iterate over the outputs, in the order of the results. The first input that did not succeed raises its error.

        Example:
            ``pictures = list(endpoint.map(prompts).outputs())``

        Raises:
            RunpodError: The error of an input that did not succeed.
        """
        with self:
            for result in self:
                yield result.output

    def close(self) -> None:
        """End the map. Jobs in flight are left, or cancelled with ``on_exit="cancel"``. A second call does nothing."""
        self._closed = True
        self._results.clear()
        self._stop()

    def _stop(self) -> None:
        self._closed = True
        worker, self._worker = self._worker, None
        if worker is None:
            return
        self._continue()
        self._finalizer.detach()
        try:
            self._reporter.close()  # first, to show what was in flight
        finally:
            worker.stop()

    def _start(self) -> tuple[_Worker, ProgressReporter]:
        with self._lock:
            if self._closed:
                raise StopIteration
            worker = self._worker
            if worker is None:
                endpoint = self._endpoint
                _end_abandoned(self._options.journal)
                journal = MapJournal(self._options, endpoint.id, endpoint.url)
                jobs = EndpointJobs(endpoint, async_executor(endpoint.executor), own_client=True)
                self._reporter = ProgressReporter(self._options.progress, self._counters)
                worker = _Worker(jobs, self._inputs, self._options, self._counters, journal, results=self._queue)
                self._worker = worker
                self._finalizer = weakref.finalize(self, worker.stop)
                worker.start()
            return worker, self._reporter

    def _take(self) -> MapResult[In, Out] | _End | None:
        with suppress(IndexError):
            return self._results.popleft()
        return None

    def _receive(self, worker: _Worker, timeout: float | None) -> None:
        count = 0
        with suppress(Empty):
            self._results.append(self._queue.get(timeout=timeout))
            while True:
                count += 1
                self._results.append(self._queue.get_nowait())
        if count:
            worker.taken(count)

    def _continue(self) -> None:
        if self._options.journal is not None:
            _abandoned.pop(self._options.journal, None)

    def _explain(self, interrupt: BaseException) -> None:
        note = self._options.interruption_note(self._counters.in_flight)
        if self._worker is not None and note not in getattr(interrupt, "__notes__", ()):
            interrupt.add_note(note)
            logger.warning("Interrupted: %s", note)
