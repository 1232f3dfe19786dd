"""Jobs in the order in which they finish."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Any, Final, Generic, final

from attrs import frozen
from typing_extensions import TypeVar

from runpod_typed._async.executor import AsyncRequestExecutor
from runpod_typed._async.job import AsyncJob
from runpod_typed._async.polling import AsyncPoller
from runpod_typed._bulk.bridge import async_executor
from runpod_typed._bulk.tasks import Tasks
from runpod_typed._bulk.threads import LoopThread
from runpod_typed._models.durations import Duration, wait_timeout
from runpod_typed._sync.executor import RequestExecutor
from runpod_typed._sync.job import Job
from runpod_typed._synchronization import AsyncEvent
from runpod_typed.errors import ConfigurationError, JobExpiredError, RunpodError, WaitTimeoutError

Out = TypeVar("Out", default=Any)
Chunk = TypeVar("Chunk", default=Any)
JobT = TypeVar("JobT")

_EXIT_SECONDS: Final = 5.0


@frozen
class _Finished(Generic[JobT]):
    """A job that has finished, or whose wait has failed."""

    job: JobT
    error: BaseException | None = None


def as_completed(jobs: Iterable[Job[Out, Chunk]], timeout: Duration | None = None) -> Iterator[Job[Out, Chunk]]:
    """Iterate over jobs as they finish, well or not. They may be of different endpoints and clients.

    A job that was yielded has its final `state`, and `output()` returns without a request.

    Example:
        ::

            for job in as_completed([endpoint.run(prompt) for prompt in prompts], timeout=600):
                print(job.id, job.state)

    Args:
        jobs: The handles of the jobs. One that is passed twice is yielded once.
        timeout: Seconds (or a timedelta) until all must have finished, 0 or more; None for no limit.

    Raises:
        WaitTimeoutError: `timeout` ended first; the other jobs keep running.
        APIError: A poll failed permanently, or polls failed for too long.
    """
    return _as_completed(_distinct(jobs, Job), wait_timeout(timeout))


def async_as_completed(
    jobs: Iterable[AsyncJob[Out, Chunk]], timeout: Duration | None = None
) -> AsyncIterator[AsyncJob[Out, Chunk]]:
    """Iterate over jobs as they finish, well or not. They may be of different endpoints and clients.

    A job that was yielded has its final `state`, and `output()` returns without a request.

    Example:
        ::

            async for job in async_as_completed(jobs, timeout=600):
                print(job.id, job.state)

    Args:
        jobs: The handles of the jobs. One that is passed twice is yielded once.
        timeout: Seconds (or a timedelta) until all must have finished, 0 or more; None for no limit.

    Raises:
        WaitTimeoutError: `timeout` ended first; the other jobs keep running.
        APIError: A poll failed permanently, or polls failed for too long.
    """
    return _async_as_completed(_distinct(jobs, AsyncJob), wait_timeout(timeout))


def _distinct(jobs: Iterable[JobT], kind: type[Any]) -> list[JobT]:
    given: object = jobs  # callers without a type checker may pass anything
    if not isinstance(given, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] -- see above
        raise ConfigurationError(f"jobs must be an iterable of handles, not {type(given).__name__}.")
    distinct = list(dict.fromkeys(jobs))
    for job in distinct:
        if not isinstance(job, kind):
            raise ConfigurationError(f"jobs must be handles of type {kind.__name__}, not {type(job).__name__}.")
    return distinct


def _as_completed(jobs: list[Job[Out, Chunk]], timeout: float | None) -> Iterator[Job[Out, Chunk]]:
    finished = SimpleQueue[_Finished[Job[Out, Chunk]] | BaseException]()

    async def main(stopped: AsyncEvent) -> None:
        executors = dict[RequestExecutor, AsyncRequestExecutor]()
        tasks = Tasks()
        try:
            for job in jobs:
                tasks.spawn(_watch, job, _async_job(job, executors), timeout, finished.put)
            await stopped.wait(None)
        finally:
            tasks.cancel()
            await tasks.wait(_EXIT_SECONDS)
            for executor in executors.values():
                await executor.aclose()

    thread = LoopThread(main, finished.put)
    outcome = _Outcome[Job[Out, Chunk]](len(jobs), timeout)
    thread.start()
    try:
        while outcome.left:
            thread.check()
            item = finished.get()
            if isinstance(item, BaseException):
                raise item
            if outcome.is_finished(item):
                yield item.job
    finally:
        thread.stop()
    outcome.check()


async def _async_as_completed(
    jobs: list[AsyncJob[Out, Chunk]], timeout: float | None
) -> AsyncIterator[AsyncJob[Out, Chunk]]:
    finished = deque[_Finished[AsyncJob[Out, Chunk]]]()
    changed = AsyncEvent()

    def deliver(item: _Finished[AsyncJob[Out, Chunk]]) -> None:
        finished.append(item)
        changed.set()

    tasks = Tasks()
    outcome = _Outcome[AsyncJob[Out, Chunk]](len(jobs), timeout)
    try:
        for job in jobs:
            tasks.spawn(_watch, job, job, timeout, deliver)
        while outcome.left:
            if not finished:
                changed = AsyncEvent()
                await changed.wait(None)
            item = finished.popleft()
            if outcome.is_finished(item):
                yield item.job
    finally:
        tasks.cancel()
    outcome.check()


@final
class _Outcome(Generic[JobT]):
    """The jobs that are left, and those that did not finish in time."""

    def __init__(self, count: int, timeout: float | None) -> None:
        self.left = count
        self._count, self._timeout = count, timeout
        self._late: list[_Finished[JobT]] = []

    def is_finished(self, item: _Finished[JobT]) -> bool:
        """Return True if the job is to be yielded: it has finished, or is gone.

        Raises:
            APIError: The wait for it has failed.
        """
        self.left -= 1
        if isinstance(item.error, WaitTimeoutError):
            self._late.append(item)
            return False
        if item.error is not None and not isinstance(item.error, JobExpiredError):
            raise item.error
        return True

    def check(self) -> None:
        """Raise if jobs did not finish in time."""
        if self._late:
            first = self._late[0]
            error = WaitTimeoutError(
                f"{len(self._late)} of {self._count} jobs did not finish within {self._timeout:g} s, and keep running. "
                "`error.job` is one of them.",
                job=first.job,
            )
            if isinstance(first.error, RunpodError):
                error.job_id, error.endpoint_id = first.error.job_id, first.error.endpoint_id
            raise error from first.error


async def _watch(
    handle: JobT, job: AsyncJob[Any, Any], timeout: float | None, deliver: Callable[[_Finished[JobT]], object]
) -> None:
    try:
        await job.wait(timeout)
    except Exception as error:  # noqa: BLE001 -- raised to the consumer
        if isinstance(error, RunpodError):
            error.job = handle
        deliver(_Finished(handle, error))
    else:
        deliver(_Finished(handle))


def _async_job(job: Job[Any, Any], executors: dict[RequestExecutor, AsyncRequestExecutor]) -> AsyncJob[Any, Any]:
    """Return an async handle of the same job. Both share what is known of it."""
    poller, config, codecs = job._poller, job._config, job._codecs  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] -- of the package
    if poller.executor not in executors:
        executors[poller.executor] = async_executor(poller.executor)
    return AsyncJob(AsyncPoller(executors[poller.executor], poller.record), config, codecs)
