"""The engine of a map: reads inputs, submits jobs and collects results, in one event loop of asyncio or trio."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import aclosing, closing
from functools import partial
from typing import Any, Final, final

from runpod_typed._bulk.concurrency import ConcurrencyControl
from runpod_typed._bulk.endpoint_jobs import EndpointJobs, MapJob
from runpod_typed._bulk.input_journal import MapJournal
from runpod_typed._bulk.options import MapOptions
from runpod_typed._bulk.outage import SubmissionGate
from runpod_typed._bulk.sources import InputsFailed, Source
from runpod_typed._bulk.tasks import Tasks
from runpod_typed._core.bulk import FATAL, Item, ResultBuffer, is_transient
from runpod_typed._core.counters import Counters
from runpod_typed._core.journal_records import JournalRecord
from runpod_typed._logging import logger
from runpod_typed._models.jobs import JobState
from runpod_typed._models.journal import JournalStatus
from runpod_typed._models.map_results import MapResult
from runpod_typed._models.responses import encode_job
from runpod_typed._synchronization import AsyncEvent, async_shielded, async_sleep, monotonic
from runpod_typed.errors import (
    APIError,
    APIResponseValidationError,
    JobCancelledError,
    JobError,
    JobExpiredError,
    JournalError,
    NotFoundError,
    RunpodError,
    SubmissionUncertainError,
    WaitTimeoutError,
)

_HEALTH_INTERVALS: Final = (1.0, 10.0)
_EXIT_SECONDS: Final = 5.0
_SHORT_JOB: Final = 0.5
_LEAST_WINDOW: Final = 256


@final
class MapEngine:
    """Runs one map.

    Args:
        jobs: The endpoint's jobs.
        source: The inputs.
        options: The options of the map.
        counters: The counts, which it keeps.
        journal: The record of the inputs.
        deliver: Called with each result. The consumer calls `taken` when it has taken it.
        finish: Called once, at the end, with the error that ended the map early, or None.
    """

    def __init__(
        self,
        jobs: EndpointJobs,
        source: Source,
        options: MapOptions,
        counters: Counters,
        journal: MapJournal,
        *,
        deliver: Callable[[MapResult[Any, Any]], None],
        finish: Callable[[BaseException | None], None],
    ) -> None:
        self._jobs, self._source, self._options = jobs, source, options
        self._counters, self._journal = counters, journal
        self._deliver, self._finish = deliver, finish
        self._control = ConcurrencyControl(options.concurrency)
        self._gate = SubmissionGate(jobs.health, jobs.poll)
        self._main, self._reader, self._tasks = Tasks(), Tasks(), Tasks()
        self._changed: AsyncEvent | None = None
        self._error: BaseException | None = None
        self._input_error: BaseException | None = None
        self._results = ResultBuffer(options.ordered)
        self._untaken, self._by_signal = 0, False
        self._running: dict[str, tuple[Item, MapJob]] = {}
        self._collecting: dict[str, tuple[Item, AsyncEvent]] = {}
        self._short_jobs: deque[bool] = deque(maxlen=32)

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
        ended_early = True
        try:
            self._collect_earlier_jobs()
            if self._options.concurrency is None:
                self._tasks.spawn(self._watch_health)
            self._reader.spawn(self._read)
            await self._reader.wait(None)
            if self._options.cost_reached(self._counters):
                logger.warning("The map submits no more jobs: its estimated cost has reached max_cost.")
            if not self._by_signal:
                while self._counters.in_flight:
                    await self._change()
                self._results.release()
                self._deliver_results()
                ended_early = self._error is not None
        finally:
            try:
                with async_shielded():
                    await self._wind_up(ended_early=ended_early)
            except JournalError as error:
                self._fail(error)
            finally:
                self._finish(self._error or self._input_error)

    async def _wind_up(self, *, ended_early: bool) -> None:
        async with aclosing(self._jobs):
            with closing(self._journal):
                self._reader.cancel()
                self._tasks.cancel()
                await self._tasks.wait(_EXIT_SECONDS)
                if ended_early and self._options.on_exit == "cancel":
                    await self._cancel_jobs()
                await self._reader.wait(_EXIT_SECONDS)  # last: the inputs may take long to end

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self._gate.open()
        self._reader.cancel()  # it may wait for an input

    # Inputs

    async def _read(self) -> None:
        try:
            await self._read_inputs()
        except InputsFailed as failed:  # raised to the consumer, after the results of the inputs before
            self._input_error, self._by_signal = failed.error, failed.may_be_interrupt
        except Exception as error:  # noqa: BLE001 -- likewise
            self._input_error = error

    async def _read_inputs(self) -> None:
        index = 0
        while await self._has_room():
            try:
                value = await self._source.next()
            except StopAsyncIteration:
                self._counters.total = index
                return
            if self._reader.cancelled:  # which the inputs have ignored
                return
            try:
                item = self._journal.item(index, value, self._jobs.prepare)
            except BaseException as error:  # noqa: BLE001 -- of the caller's key function or codec
                raise InputsFailed(error) from None
            if (earlier := self._collecting.get(item.record.key)) is not None:
                earlier[0].record = item.record  # otherwise its end is recorded as that of an input that was not read
            index += 1
            self._untaken += 1
            self._counters.in_flight += 1
            self._tasks.spawn(self._process, item, earlier)

    async def _has_room(self) -> bool:
        """Wait until one more input may be read; return False if none will be."""
        counters = self._counters
        while self._error is None and not self._options.cost_reached(counters):
            target = self._control.target
            if counters.in_flight < target and self._untaken < max(_LEAST_WINDOW, 4 * target):
                return True
            await self._change()
        return False

    # One input

    async def _process(self, item: Item, earlier: tuple[Item, AsyncEvent] | None) -> None:
        result: MapResult[Any, Any] | None = None
        try:
            result = await self._result_of(item, earlier)
        except Exception as error:  # noqa: BLE001 -- raised to the consumer
            self._fail(error)
        finally:
            self._counters.in_flight -= 1
            self._counters.rate_limited = self._jobs.rate_limited
            self._notify()
        if result is not None:
            self._counters.count_result(result)
            self._results.put(result)
            self._deliver_results()

    def _deliver_results(self) -> None:
        while (result := self._results.take()) is not None:
            self._deliver(result)

    async def _result_of(self, item: Item, earlier: tuple[Item, AsyncEvent] | None) -> MapResult[Any, Any] | None:
        """Return the result of an input, or None if the map ends before.

        Args:
            item: The input.
            earlier: The same input of an earlier map whose job is being collected, and the event of its end.
        """
        if earlier is not None:
            await earlier[1].wait(None)
            item.record = earlier[0].record
        if item.error is not None:
            if self._journal.can_record(item):
                await self._journal.commit(item, item.record.moved(JournalStatus.FAILED, error=str(item.error)))
            return self._result(item, item.error)
        if (known := self._journal.known(item)) is not None:
            return self._result(item, known, from_journal=earlier is None)
        left = item.record.job_id if item.record.status is JournalStatus.SUBMITTED else None
        job = self._jobs.reconnect(left) if left else None
        result: MapResult[Any, Any] | None = None
        while True:
            if job is None:
                with self._gate:
                    sent = await self._submit(item)
                if sent is None or isinstance(sent, RunpodError):
                    return result if sent is None else self._result(item, sent)
                job = sent
            result = await self._finish_job(item, job)
            if not self._may_run_again(result):
                return result
            job = None

    def _may_run_again(self, result: MapResult[Any, Any]) -> bool:
        return (
            isinstance(result.error, JobError)
            and not isinstance(result.error, JobCancelledError)
            and result.attempts < self._options.attempts
            and not (self._error or self._options.cost_reached(self._counters))
        )

    async def _submit(self, item: Item) -> MapJob | RunpodError | None:
        """Submit a job. Return it, or the error if it is refused, or None if the map ends before."""
        while True:
            await self._gate.wait()
            if self._error is not None or item.body is None:
                return None
            before = item.record
            sending = before.moved(JournalStatus.SUBMITTING, attempts=before.attempts + 1)
            try:
                job = await self._jobs.submit(
                    item.body,
                    hold=self._jobs_are_short(),
                    before_send=partial(self._journal.commit, item, sending),
                    interrupted=partial(self._interrupted, item, sending),
                )
            except SubmissionUncertainError as error:
                self._gate.close()
                if not (self._options.resubmit_uncertain and is_transient(error)):
                    await self._journal.commit(item, sending.moved(JournalStatus.UNCERTAIN, error=str(error)))
                    return error
                item.record = sending
                self._gate.failed(error)
            except (*FATAL, NotFoundError):
                await self._journal.commit(item, before.moved(JournalStatus.WAITING))
                raise
            except APIError as error:
                if not is_transient(error):
                    await self._journal.commit(item, before.moved(JournalStatus.FAILED, error=str(error)))
                    return error
                self._gate.close()
                await self._journal.commit(item, before.moved(JournalStatus.WAITING))
                self._gate.failed(error)
            else:
                self._gate.succeeded()
                self._counters.submitted += 1
                item.record = sending.moved(JournalStatus.SUBMITTED, job_id=job.id)
                return job

    def _interrupted(self, item: Item, sending: JournalRecord, job: MapJob | None) -> None:
        """Record what became of a submission that was under way when the map was ended."""
        if job is None:
            self._journal.save(item, sending.moved(JournalStatus.WAITING, attempts=sending.attempts - 1))
        else:
            self._running[job.id] = item, job
            self._journal.save(item, sending.moved(JournalStatus.SUBMITTED, job_id=job.id))

    async def _finish_job(self, item: Item, job: MapJob) -> MapResult[Any, Any]:
        """Wait for a job, and write its result down."""
        began = monotonic()
        try:
            if job.state is None or not job.state.done:
                await self._save(item, item.record)
            self._running[job.id] = item, job
            state = await job.wait(self._options.timeout, self._options.queue_timeout)
        except FATAL:
            raise
        except (JobError, NotFoundError) as error:
            self._running.pop(job.id)
            gone = error if isinstance(error, JobError) else JobExpiredError(str(error), job_id=job.id)
            await self._save(item, item.record.moved(JournalStatus.FAILED, job_id=job.id, error=str(gone)))
            return self._result(item, gone)
        except (APIError, WaitTimeoutError) as error:
            if is_transient(error) and not isinstance(error, APIResponseValidationError):
                raise
            return self._result(item, error)  # a later map on the journal reconnects to the job
        self._running.pop(job.id, None)
        self._short_jobs.append(monotonic() - began < _SHORT_JOB)
        self._counters.count_job(state)
        if self._options.cost_reached(self._counters):
            self._reader.cancel()  # it may wait for an input
        result = self._result(item, state)
        failed = isinstance(result.error, JobError)
        status, message = (JournalStatus.FAILED, str(result.error)) if failed else (JournalStatus.SUCCEEDED, None)
        if self._journal.is_file:
            finished = item.record.moved(status, job_id=job.id, error=message, job=encode_job(state))
            runs_again = self._journal.is_left(item, state)
            await self._save(item, item.record.moved(JournalStatus.WAITING) if runs_again else finished)
        return result

    async def _save(self, item: Item, record: JournalRecord) -> None:
        """Record the progress of a job. If that fails, the map ends, and still delivers the result."""
        try:
            await self._journal.commit(item, record)
        except JournalError as error:
            self._fail(error)

    def _jobs_are_short(self) -> bool:
        """Return True if a response that is held for a moment is likely to bring the result, which saves a request."""
        return 2 * sum(self._short_jobs) > len(self._short_jobs)

    def _result(
        self, item: Item, outcome: JobState[Any] | RunpodError, *, from_journal: bool = False
    ) -> MapResult[Any, Any]:
        if isinstance(outcome, JobState):
            outcome = self._jobs.typed(outcome)
        result = item.result(outcome, from_journal=from_journal)
        error = result.error
        if error is not None and result.job_id is not None:
            error.job_id, error.endpoint_id = result.job_id, self._jobs.endpoint_id
            error.job = self._jobs.handle(result.job_id)
        return result

    # Jobs of an earlier map

    def _collect_earlier_jobs(self) -> None:
        """Collect the jobs that an earlier map left in flight: their results are not kept for long."""
        for record in self._journal.in_flight():
            item = Item(value=None, record=record)
            self._collecting[record.key] = item, AsyncEvent()
            self._tasks.spawn(self._collect, item)

    async def _collect(self, item: Item) -> None:
        try:
            if item.record.job_id is not None:
                await self._finish_job(item, self._jobs.reconnect(item.record.job_id))
        except Exception as error:  # noqa: BLE001 -- raised to the consumer
            self._fail(error)
        finally:
            self._collecting.pop(item.record.key)[1].set()
            self._notify()

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
        async def cancel(item: Item, job: MapJob) -> None:
            if await self._jobs.cancel(job):  # a later map on the journal runs the input again
                await self._save(item, item.record.moved(JournalStatus.WAITING))

        self._journal.leave(item for item, _ in self._running.values())
        for item, job in self._running.values():
            self._tasks.spawn(cancel, item, job)
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
