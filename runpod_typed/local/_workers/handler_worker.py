"""Handlers in this process: each worker is a daemon thread with an event loop."""

import asyncio
import inspect
import logging
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar, cast

from runpod_typed.local._engine.records import Chunk, Result, show_for_worker
from runpod_typed.local._json import copy, decode, encode_as_worker
from runpod_typed.local._runtime import QueueRuntime, Waiter, Worker
from runpod_typed.local._threads import DaemonThread
from runpod_typed.local._workers.handler_config import Handler, HandlerConfig
from runpod_typed.local._workers.reports import (
    RESULT_CAP,
    chunk_error,
    read_oversized_result,
    read_result,
    show_exception,
    show_generator_exception,
    show_return,
    split_chunk,
)

P = ParamSpec("P")
T = TypeVar("T")
TAKE_SECONDS: Final = 86_400.0
GRACE_SECONDS: Final = 1.0
STOP_SECONDS: Final = 1.0

logger = logging.getLogger("runpod_typed.local")


class _QueueStoppedError(Exception):
    """The queue has stopped."""


_reporters: dict[str, Callable[[object], None]] = {}


def progress_update(job: dict[str, Any], progress: object) -> None:
    """Report progress from a handler that `LocalQueue(handler=...)` runs, as `runpod.serverless.progress_update` does.

    `/status` shows the job as IN_PROGRESS with `progress` as its output, until the next update or the result. Updates
    of a finished job are ignored. May be called from any thread.

    ```python
    def handler(job):
        progress_update(job, {"step": 1})
        return "done"
    ```

    Args:
        job: The job that the handler got.
        progress: Any JSON.

    Raises:
        TypeError: `progress` is not JSON.
        ValueError: It contains itself, or is nested too deeply.
    """
    update = copy(progress)
    report = _reporters.get(job["id"])
    if report is None:
        logger.debug("Progress of job %s is ignored: no handler of this process runs it.", job["id"])
    else:
        report(update)


class HandlerWorker(Worker):
    """A worker in this process. `loop` is the queue's event loop."""

    def __init__(self, config: HandlerConfig, runtime: QueueRuntime, loop: asyncio.AbstractEventLoop) -> None:
        self._config = config
        self._handler = config["handler"]
        self._is_generator = _is(self._handler, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
        self._is_async = _is(self._handler, inspect.iscoroutinefunction, inspect.isasyncgenfunction)
        self._runtime = runtime
        self._queue_loop = loop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._concurrency = 1
        self._stopping = threading.Event()
        self._cancelled: set[str] = set()
        self._crash_on: str | None = None
        self._renew = False
        self._successor: HandlerWorker | None = None
        self.worker_id = _new_worker_id()
        self._thread = DaemonThread(self._run, f"runpod-typed {self.worker_id}")

    # Called from other threads.

    def start(self) -> None:
        """Begin to take jobs."""
        self._queue_loop.call_soon_threadsafe(self._add_worker)
        self._thread.start()

    def stop(self) -> None:
        """Take no more jobs, and cancel the running ones if possible. May be repeated."""
        self._stopping.set()
        self._cancel_soon(None)
        if self._successor is not None:
            self._successor.stop()

    def join(self) -> list[str]:
        """Wait for the end, but not for a handler that blocks. May be repeated."""
        warnings = self._successor.join() if self._successor is not None else []
        ended = self._thread.wait(GRACE_SECONDS if self._successor is None else 0)  # one with a successor had its time
        if not ended and not self._tasks:
            ended = self._thread.wait(GRACE_SECONDS)  # its job is finished, and it is about to end
        if not ended:
            jobs = ", ".join(self._tasks) or "(none)"
            warnings.append(
                f"handler {self._handler_name} still runs job {jobs}: "
                "it cannot be interrupted and is left in its daemon thread"
            )
        return warnings

    def stop_job(self, job_id: str) -> None:
        """Cancel the job. If its handler blocks, another worker takes over."""
        self._cancelled.add(job_id)
        self._cancel_soon(job_id)
        self._queue_loop.call_later(STOP_SECONDS, self._replace_if_unresponsive, job_id)

    def replace(self) -> None:
        """Stop waiting for jobs, so that `_main` can begin anew."""
        self._runtime.release_worker(self.worker_id)

    def crash(self, job_id: str) -> None:
        """Die in the middle of this job: its work is done and lost."""
        self._crash_on = job_id

    def _replace_if_unresponsive(self, job_id: str) -> None:
        worker = self._runtime.engine.workers.get(self.worker_id)
        if self._stopping.is_set() or job_id not in self._tasks or worker is None or worker.jobs:
            return
        logger.warning(
            "Handler %s does not stop job %s and keeps running in its thread; another worker takes over.",
            self._handler_name,
            job_id,
        )
        self._stopping.set()
        self._runtime.remove_worker(self.worker_id)
        self._successor = HandlerWorker(self._config, self._runtime, self._queue_loop)
        self._successor.start()

    @property
    def _handler_name(self) -> str:
        return str(getattr(self._handler, "__qualname__", self._handler))

    def _cancel_soon(self, job_id: str | None) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has closed: nothing runs
                self._loop.call_soon_threadsafe(self._cancel, job_id)

    # Run in the worker's thread.

    def _run(self) -> None:
        # A handler that blocked may outlive the queue; its result is not needed then.
        with suppress(_QueueStoppedError), asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._main())

    async def _main(self) -> None:
        while not self._stopping.is_set():
            free = 0 if self._renew else self._allowed() - len(self._tasks)
            if free > 0:
                jobs = await self._take(free)
                if not jobs and not self._renew:
                    break
                self._start_jobs(jobs)
            elif self._tasks:
                await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)
            if self._renew and not self._tasks:
                await self._begin_anew()
        if self._tasks:
            await asyncio.wait(self._tasks.values())
        await self._call(self._runtime.remove_worker, self.worker_id)

    def _allowed(self) -> int:
        """Return how many jobs may run at a time."""
        modifier = self._config.get("concurrency_modifier")
        if modifier is not None and self._is_async:
            try:
                self._concurrency = max(1, int(modifier(self._concurrency)))
            except Exception:
                logger.exception("concurrency_modifier failed; %d jobs run at a time.", self._concurrency)
        return self._concurrency

    async def _take(self, limit: int) -> list[dict[str, Any]]:
        async def take() -> list[dict[str, Any]]:
            records = await self._runtime.take(self.worker_id, Waiter(), limit=limit, seconds=TAKE_SECONDS)
            self._cancelled.difference_update(record.id for record in records)  # these were about earlier runs
            return [cast("dict[str, Any]", copy(show_for_worker(record))) for record in records]

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(take(), self._queue_loop))

    def _start_jobs(self, jobs: list[dict[str, Any]]) -> None:
        if self._stopping.is_set():
            return  # they came after `stop` cancelled all tasks
        for job in jobs:
            job_id: str = job["id"]
            if job_id in self._cancelled:  # on its way here
                self._renew = self._renew or job_id == self._crash_on
            else:
                task = self._tasks[job_id] = asyncio.create_task(self._execute(job_id, job))
                task.add_done_callback(partial(self._forget, job_id))

    def _forget(self, job_id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(job_id) is task:  # the job may run again already
            del self._tasks[job_id]
            self._cancelled.discard(job_id)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, _QueueStoppedError):
            logger.error("A worker failed in job %s.", job_id, exc_info=error)

    def _cancel(self, job_id: str | None) -> None:
        for task_id, task in self._tasks.items():
            if job_id in {None, task_id}:
                task.cancel()

    async def _execute(self, job_id: str, job: dict[str, Any]) -> None:
        if "input" not in job:
            logger.warning("Job %s is dropped, as on the platform: its input is an empty object.", job_id)
            await self._call(self._runtime.act, self._runtime.engine.drop, self.worker_id, job_id)
            return
        with self._reporting(job_id):
            body = await (self._run_generator(job_id, job) if self._is_generator else self._run_plain(job_id, job))
        if self._crash_on == job_id:
            self._crash_on = None
            self._renew = True
            await self._cancel_others(job_id)
            await self._call(self.replace)
            return
        if self._config.get("refresh_worker"):
            body["stopPod"] = True
        result = self._as_posted(job_id, body)
        self._renew = self._renew or result.stop_pod
        await self._call(self._runtime.finish, self.worker_id, job_id, result)

    async def _run_plain(self, job_id: str, job: dict[str, Any]) -> dict[str, object]:
        try:
            value = self._handler(job)
            return show_return(await value if inspect.isawaitable(value) else value)
        except BaseException as error:  # noqa: BLE001 -- any exception of a handler is the job's result
            self._raise_if_cancelled(error, job_id)
            return show_exception(error, self.worker_id)

    async def _run_generator(self, job_id: str, job: dict[str, Any]) -> dict[str, object]:
        aggregate: list[object] = []
        try:
            async for output in _iterate(self._handler(job)):
                if (error_body := chunk_error(output)) is not None:
                    return error_body
                given = output if isinstance(output, Chunk) else Chunk(output)
                chunk = Chunk(copy(given.output), copy(given.metrics))
                for piece in split_chunk(chunk):
                    await self._call(self._runtime.act, self._runtime.engine.chunk, self.worker_id, job_id, piece)
                if self._crash_on == job_id:
                    break
                if self._config.get("return_aggregate_stream"):
                    aggregate.append(chunk.output)
        except BaseException as error:  # noqa: BLE001 -- any exception of a handler is the job's result
            self._raise_if_cancelled(error, job_id)
            return show_generator_exception(error)
        return {"output": aggregate}

    def _raise_if_cancelled(self, error: BaseException, job_id: str) -> None:
        """Raise a cancellation by the queue. One by the handler itself fails its job."""
        if isinstance(error, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is None or job_id in self._cancelled or self._stopping.is_set():
                raise error
            task.uncancel()

    def _as_posted(self, job_id: str, body: dict[str, object]) -> Result:
        """Return the result as the queue reads it. One that is not JSON fails the job (the worker SDK loses it)."""
        try:
            posted = encode_as_worker(body)
            if len(posted) > RESULT_CAP:
                return read_oversized_result(job_id, posted[:64]) or Result()
            return read_result(cast("dict[str, object]", decode(posted, strict=False)))
        except (TypeError, ValueError) as error:
            failure = TypeError(f"the handler's output is not JSON: {error}")
            return read_result(show_exception(failure, self.worker_id))

    @contextmanager
    def _reporting(self, job_id: str) -> Generator[None]:
        runtime, worker_id = self._runtime, self.worker_id

        def report(progress: object) -> None:
            with suppress(RuntimeError):  # the queue has stopped
                self._queue_loop.call_soon_threadsafe(runtime.act, runtime.engine.progress, worker_id, job_id, progress)

        _reporters[job_id] = report
        try:
            yield
        finally:
            if _reporters.get(job_id) is report:  # the job may run again elsewhere
                del _reporters[job_id]

    # Calls into the queue's event loop.

    async def _cancel_others(self, job_id: str) -> None:
        others = {other: task for other, task in self._tasks.items() if other != job_id}
        self._cancelled.update(others)
        for task in others.values():
            task.cancel()
        if others:
            await asyncio.wait(others.values(), timeout=STOP_SECONDS)

    async def _begin_anew(self) -> None:
        """End as this worker, and begin as another one."""
        await self._call(self._runtime.remove_worker, self.worker_id)
        self._renew = False
        self.worker_id = _new_worker_id()
        await self._call(self._add_worker)

    def _add_worker(self) -> None:
        self._runtime.add_worker(self.worker_id, self, attached=True)

    async def _call(self, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in the queue's event loop, and wait for its result. A future costs less there than a task."""
        done: Future[T] = Future()

        def call() -> None:
            if not done.set_running_or_notify_cancel():
                return  # the queue is stopping
            try:
                done.set_result(action(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 -- goes to the waiter
                done.set_exception(error)

        try:
            self._queue_loop.call_soon_threadsafe(call)
        except RuntimeError:  # its loop has closed
            raise _QueueStoppedError from None
        return await asyncio.wrap_future(done)


def _is(handler: Handler, *checks: Callable[[object], bool]) -> bool:
    """Check a function, or the `__call__` of an object."""
    return any(check(handler) or check(getattr(handler, "__call__", None)) for check in checks)  # noqa: B004


async def _iterate(generator: Any) -> AsyncIterator[object]:
    """Iterate over both kinds of generators."""
    if inspect.isasyncgen(generator):
        async for output in generator:
            yield output
    else:
        for output in generator:
            yield output


def _new_worker_id() -> str:
    return f"local{secrets.token_hex(4)}"
