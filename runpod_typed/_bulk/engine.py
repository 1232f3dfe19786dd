"""The engine of a map: reads inputs, submits jobs and collects results, in one event loop of asyncio or trio."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol, final

from attrs import evolve, frozen

from runpod_typed._bulk.concurrency import ConcurrencyControl
from runpod_typed._bulk.endpoint_jobs import EndpointJobs, MapJob
from runpod_typed._bulk.journal import JournalStatus
from runpod_typed._bulk.journal_records import JournalRecord
from runpod_typed._bulk.journal_writer import JournalWriter
from runpod_typed._bulk.keys import Keys
from runpod_typed._bulk.options import MapOptions
from runpod_typed._bulk.outage import PASSING, SubmissionGate
from runpod_typed._bulk.tasks import Tasks, next_turn
from runpod_typed._core.counters import Counters
from runpod_typed._core.run_request import RunRequest
from runpod_typed._logging import logger
from runpod_typed._models.jobs import JobState
from runpod_typed._models.map_results import MapResult
from runpod_typed._models.responses import encode_job
from runpod_typed._synchronization import AsyncEvent, async_shielded, async_sleep, monotonic
from runpod_typed.errors import (
    APIError,
    APIStatusError,
    AuthenticationError,
    ConfigurationError,
    InputError,
    JobCancelledError,
    JobError,
    JobExpiredError,
    JournalError,
    NotFoundError,
    PermissionDeniedError,
    RunpodError,
    SubmissionUncertainError,
    WaitTimeoutError,
)

_HEALTH_INTERVALS: Final = (1.0, 10.0)
_CANCEL_TIMEOUT: Final = 4.0
_EXIT_SECONDS: Final = 5.0
_SHORT_JOB: Final = 0.5
_LEAST_WINDOW: Final = 256

_FATAL: Final = (AuthenticationError, PermissionDeniedError, ConfigurationError)
"""Errors that every input would meet."""


class Source(Protocol):
    """The inputs of a map."""

    async def next(self) -> Any:
        """Return the next input.

        Raises:
            StopAsyncIteration: There are no more.
        """
        ...


@frozen(kw_only=True, eq=False)
class _Item:
    """An input that was read."""

    index: int
    value: Any
    entry: JournalRecord
    body: RunRequest | None = None
    error: RunpodError | None = None


@final
class MapEngine:
    """Runs one map.

    Args:
        jobs: The endpoint's jobs.
        source: The inputs.
        options: The options of the map.
        counters: The counts, which it keeps.
        journal: The journal, or None.
        deliver: Called with each result. The consumer calls `taken` when it has taken it.
        finish: Called once, at the end, with the error that ended the map early, or None.
    """

    def __init__(
        self,
        jobs: EndpointJobs,
        source: Source,
        options: MapOptions,
        counters: Counters,
        journal: JournalWriter | None,
        *,
        deliver: Callable[[MapResult[Any, Any]], None],
        finish: Callable[[BaseException | None], None],
    ) -> None:
        self._jobs, self._source, self._options = jobs, source, options
        self._counters, self._journal = counters, journal
        self._deliver, self._finish = deliver, finish
        self._control = ConcurrencyControl(options.concurrency)
        self._gate = SubmissionGate(jobs.health, options.max_outage)
        self._keys = Keys(options.key, journal)
        self._main, self._tasks = Tasks(), Tasks()
        self._changed: AsyncEvent | None = None
        self._error: BaseException | None = None
        self._next_index = 0
        self._completed: dict[int, MapResult[Any, Any]] = {}
        self._untaken = 0
        self._running: dict[str, MapJob] = {}
        self._collecting: dict[str, AsyncEvent] = {}
        self._short_jobs: deque[bool] = deque(maxlen=32)
        self._uncommitted = object()

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._main.spawn(self._run)

    def taken(self, count: int = 1) -> None:
        """Note that the consumer has taken results, so that there is room for more."""
        self._untaken -= count
        self._notify()

    async def stop(self) -> None:
        """End the map early: jobs that are in flight are left, or cancelled if the options say so."""
        self._main.cancel()
        await self._main.wait(_EXIT_SECONDS)

    def abandon(self) -> None:
        """Begin to end the map early, from any thread."""
        self._main.cancel_soon()

    async def ended(self) -> None:
        """Wait until an abandoned map is over, some seconds at most."""
        await self._main.wait(_EXIT_SECONDS)

    async def _run(self) -> None:
        ended_early, input_error = True, None
        try:
            self._collect_earlier_jobs()
            if self._options.concurrency is None:
                self._tasks.spawn(self._watch_health)
            try:
                await self._read_inputs()
            except Exception as error:  # noqa: BLE001 -- raised to the consumer, after the results of the inputs before
                input_error = error
            while self._counters.in_flight:
                await self._change()
            ended_early = self._error is not None
        finally:
            try:
                with async_shielded():
                    await self._wind_up(ended_early=ended_early)
            except JournalError as error:
                self._fail(error)
            finally:
                self._finish(self._error or input_error)

    async def _wind_up(self, *, ended_early: bool) -> None:
        try:
            self._tasks.cancel()
            await self._tasks.wait(_EXIT_SECONDS)
            if ended_early and self._options.on_exit == "cancel":
                await self._cancel_jobs()
        finally:
            if self._journal is not None:
                self._journal.close()
            await self._jobs.aclose()

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error

    # Inputs

    async def _read_inputs(self) -> None:
        index = 0
        while await self._has_room():
            try:
                value = await self._source.next()
            except StopAsyncIteration:
                return
            item = self._item(index, value)
            index += 1
            self._untaken += 1
            self._counters.in_flight += 1
            self._tasks.spawn(self._process, item)

    async def _has_room(self) -> bool:
        """Wait until one more input may be read; return False if none will be."""
        counters, options = self._counters, self._options
        while self._error is None:
            if options.max_cost is not None and counters.cost is not None and counters.cost >= options.max_cost:
                logger.warning("The map submits no more jobs: its estimated cost has reached max_cost.")
                return False
            target = self._control.target
            if counters.in_flight < target and self._untaken < max(_LEAST_WINDOW, 4 * target):
                return True
            await self._change()
        return False

    def _item(self, index: int, value: Any) -> _Item:
        body, error = None, None
        try:
            body = self._jobs.prepare(value)
        except InputError as refused:
            error = refused
        entry = self._keys.entry(index, value, body)
        return _Item(index=index, value=value, entry=entry, body=body, error=error)

    # One input

    async def _process(self, item: _Item) -> None:
        result: MapResult[Any, Any] | None = None
        try:
            result = await self._result_of(item)
        except Exception as error:  # noqa: BLE001 -- raised to the consumer
            self._fail(error)
        finally:
            self._counters.in_flight -= 1
            self._counters.rate_limited = self._jobs.rate_limited
            self._notify()
        if result is not None:
            self._counters.count_result(result)
            self._deliver_in_order(result)

    def _deliver_in_order(self, result: MapResult[Any, Any]) -> None:
        if not self._options.ordered:
            self._deliver(result)
            return
        self._completed[result.index] = result
        while (following := self._completed.pop(self._next_index, None)) is not None:
            self._next_index += 1
            self._deliver(following)

    async def _result_of(self, item: _Item) -> MapResult[Any, Any] | None:
        entry = item.entry
        collecting = self._collecting.get(entry.key)
        if collecting is not None and self._journal is not None:
            await collecting.wait(None)
            entry = evolve(self._journal.find(entry.key) or entry, index=item.index)
        if item.error is not None:
            if self._keys.is_known(entry):
                await self._save(entry.moved(JournalStatus.FAILED, error=str(item.error)))
            return self._result(item, entry, error=item.error)
        known = self._known_result(item, entry, from_journal=collecting is None)
        if known is not None:
            return known
        job = self._jobs.reconnect(entry.job_id) if entry.status is JournalStatus.SUBMITTED and entry.job_id else None
        while True:
            if job is None:
                submitted = await self._submit(item, entry)
                if not isinstance(submitted, tuple):
                    return submitted
                entry, job = submitted
            result = await self._finish_job(item, entry, job)
            if not self._may_run_again(result):
                return result
            job = None

    def _known_result(self, item: _Item, entry: JournalRecord, *, from_journal: bool) -> MapResult[Any, Any] | None:
        """Return the result that the journal has, or None if there is something to do."""
        match entry.status:
            case JournalStatus.SUCCEEDED:
                final = True
            case JournalStatus.FAILED:
                final = entry.attempts >= self._options.attempts
            case JournalStatus.UNCERTAIN | JournalStatus.SUBMITTING if not self._options.resubmit_uncertain:
                return self._result(item, entry, error=self._jobs.interrupted_error(), from_journal=True)
            case _:
                final = False
        if not final:
            return None
        job = None if entry.job_id is None or self._journal is None else self._journal.job(entry)
        if job is not None:
            return self._result(item, entry, state=self._jobs.read(job), from_journal=from_journal)
        message = entry.error or "The input failed."
        error = InputError(message) if entry.job_id is None else JobExpiredError(message, job_id=entry.job_id)
        return self._result(item, entry, error=error, from_journal=from_journal)

    def _may_run_again(self, result: MapResult[Any, Any]) -> bool:
        return (
            isinstance(result.error, JobError)
            and not isinstance(result.error, JobCancelledError)
            and result.attempts < self._options.attempts
            and self._error is None
        )

    async def _submit(
        self, item: _Item, entry: JournalRecord
    ) -> tuple[JournalRecord, MapJob] | MapResult[Any, Any] | None:
        """Submit a job; return its result if it was refused, or None if the map ends before."""
        waiting = entry.moved(JournalStatus.WAITING)
        while True:
            await self._gate.wait()
            if self._error is not None or item.body is None:
                return None
            sending = waiting.moved(JournalStatus.SUBMITTING, attempts=waiting.attempts + 1)
            try:
                job = await self._jobs.submit(
                    item.body,
                    hold=self._jobs_are_short(),
                    before_send=partial(self._save, sending),
                    interrupted=partial(self._interrupted, sending),
                )
            except SubmissionUncertainError as error:
                self._gate.failed()
                if not self._options.resubmit_uncertain:
                    await self._save(sending.moved(JournalStatus.UNCERTAIN, error=str(error)))
                    return self._result(item, sending, error=error)
                waiting = waiting.moved(JournalStatus.WAITING, attempts=sending.attempts)
                self._gate.check(error)
            except PASSING as error:
                self._gate.failed()
                await self._save(waiting)
                self._gate.check(error)
            except (*_FATAL, NotFoundError):
                await self._save(waiting)
                raise
            except APIStatusError as error:
                await self._save(waiting.moved(JournalStatus.FAILED, error=str(error)))
                return self._result(item, waiting, error=error)
            else:
                self._gate.succeeded()
                self._counters.submitted += 1
                return sending.moved(JournalStatus.SUBMITTED, job_id=job.id), job

    def _interrupted(self, entry: JournalRecord, job: MapJob | None) -> None:
        """Remember what became of a submission that was under way when the map was ended."""
        if job is not None:
            self._running[job.id] = job
            entry = entry.moved(JournalStatus.SUBMITTED, job_id=job.id)
        else:
            entry = entry.moved(JournalStatus.WAITING, attempts=entry.attempts - 1)
        if self._journal is not None:
            self._journal.save(entry)

    async def _finish_job(self, item: _Item, entry: JournalRecord, job: MapJob) -> MapResult[Any, Any]:
        """Wait for a job, and write its result down."""
        began = monotonic()
        try:
            if job.state is None or not job.state.done:
                await self._save(entry)
            self._running[job.id] = job
            state = await job.wait(self._options.timeout, self._options.queue_timeout)
        except (*_FATAL, *PASSING, JournalError):
            raise
        except WaitTimeoutError as error:  # the job keeps running: a later map on the journal reconnects to it
            return self._result(item, entry, error=error)
        except (JobError, NotFoundError) as error:
            gone = error if isinstance(error, JobError) else JobExpiredError(str(error), job_id=job.id)
            entry = entry.moved(JournalStatus.FAILED, job_id=job.id, error=str(gone))
            await self._save_result(entry)
            return self._result(item, entry, error=gone)
        except APIError as error:
            return self._result(item, entry, error=error)
        self._running.pop(job.id, None)
        self._short_jobs.append(monotonic() - began < _SHORT_JOB)
        self._counters.count_job(state)
        result = self._result(item, entry, state=state)
        failure = result.error if isinstance(result.error, JobError) else None
        status = JournalStatus.SUCCEEDED if failure is None else JournalStatus.FAILED
        if self._journal is not None:
            error_message = None if failure is None else str(failure)
            await self._save_result(entry.moved(status, job_id=job.id, error=error_message, job=encode_job(state)))
        return result

    def _jobs_are_short(self) -> bool:
        """Return True if a response that is held for a moment is likely to bring the result, which saves a request."""
        return 2 * sum(self._short_jobs) > len(self._short_jobs)

    def _result(
        self,
        item: _Item,
        entry: JournalRecord,
        *,
        state: JobState[Any] | None = None,
        error: RunpodError | None = None,
        from_journal: bool = False,
    ) -> MapResult[Any, Any]:
        if state is not None:
            state = self._jobs.typed(state)
            try:
                state.result()
            except RunpodError as raised:
                error = raised
        if error is not None and entry.job_id is not None:
            error.job, error.job_id = self._jobs.handle(entry.job_id), entry.job_id
            error.endpoint_id = self._jobs.endpoint_id
        return MapResult(
            index=item.index,
            key=entry.key,
            input=item.value,
            job_id=entry.job_id,
            state=state,
            error=error,
            attempts=entry.attempts,
            from_journal=from_journal,
        )

    # The journal

    async def _save(self, entry: JournalRecord) -> None:
        """Write an entry. Entries that are saved in the same turn of the event loop share a transaction."""
        journal = self._journal
        if journal is None:
            return
        journal.save(entry)
        commit = self._uncommitted
        await next_turn()
        if commit is self._uncommitted:
            self._uncommitted = object()
            try:
                journal.flush()
            except JournalError as error:
                self._fail(error)
        if isinstance(self._error, JournalError):
            raise self._error

    async def _save_result(self, entry: JournalRecord) -> None:
        """Write a result. If that fails, the map ends, and still delivers the result."""
        try:
            await self._save(entry)
        except JournalError as error:
            self._fail(error)

    def _collect_earlier_jobs(self) -> None:
        """Collect the jobs that an earlier map left in flight: their results are not kept for long."""
        for entry in () if self._journal is None else self._journal.in_flight():
            self._collecting[entry.key] = AsyncEvent()
            self._tasks.spawn(self._collect, entry)

    async def _collect(self, entry: JournalRecord) -> None:
        try:
            if entry.job_id is not None:
                item = _Item(index=entry.index, value=None, entry=entry)
                await self._finish_job(item, entry, self._jobs.reconnect(entry.job_id))
        except Exception as error:  # noqa: BLE001 -- raised to the consumer
            self._fail(error)
        finally:
            self._collecting.pop(entry.key).set()
            self._notify()

    # Beside the inputs

    async def _watch_health(self) -> None:
        interval, longest = _HEALTH_INTERVALS
        while True:
            await async_sleep(interval)
            interval = min(longest, 1.5 * interval)
            try:
                self._control.observe(await self._jobs.health(), self._counters.in_flight)
            except RunpodError as error:
                logger.debug("The map cannot read the endpoint's health: %s", error)
            self._notify()

    async def _cancel_jobs(self) -> None:
        async def cancel(job: MapJob) -> None:
            try:
                await job.cancel(_CANCEL_TIMEOUT)
            except RunpodError as error:
                logger.warning("Job %s could not be cancelled and may keep running: %s", job.id, error)

        for job in self._running.values():
            self._tasks.spawn(cancel, job)
        await self._tasks.wait(_EXIT_SECONDS)

    def _notify(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.set()

    async def _change(self) -> None:
        """Wait until something has changed."""
        if self._changed is None:
            self._changed = AsyncEvent()
        await self._changed.wait(None)
