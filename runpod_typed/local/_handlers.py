"""Handlers in this process: each worker is a daemon thread with an event loop, and runs one job at a time."""

import asyncio
import concurrent.futures
import inspect
import logging
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final, Required, TypedDict, TypeVar, cast

from runpod_typed.local._engine.jobs import show_for_worker
from runpod_typed.local._json import copy
from runpod_typed.local._service import QueueService, Waiter
from runpod_typed.local._worker_messages import (
    chunk_error,
    read_result,
    show_exception,
    show_generator_exception,
    show_return,
    split_chunk,
)

T = TypeVar("T")
TAKE_SECONDS: Final = 86_400.0
GRACE_SECONDS: Final = 1.0
STOP_SECONDS: Final = 1.0

logger = logging.getLogger("runpod_typed.local")

Handler = Callable[[dict[str, Any]], Any]
"""A handler as the worker SDK takes it: a plain, async, generator or async generator function of the job."""


class HandlerConfig(TypedDict, total=False):
    """What `runpod.serverless.start` is given, as far as it makes sense within one process.

    Attributes:
        handler: The handler.
        return_aggregate_stream: A generator's chunks become the job's output too. Without it that output is `[]`.
        refresh_worker: Replace the worker after each job.
    """

    handler: Required[Handler]
    return_aggregate_stream: bool
    refresh_worker: bool


class _QueueGoneError(Exception):
    """The queue has stopped."""


def read_config(handler: Handler | HandlerConfig) -> HandlerConfig:
    """What `LocalQueue(handler=...)` was given -> a configuration.

    Raises:
        ValueError: It is neither a function nor a dict with one, or the dict asks for something that we do not do.
    """
    if callable(handler):
        return {"handler": handler}
    given = cast("object", handler)  # whoever calls may not use a type checker
    if not isinstance(given, dict) or not callable(handler.get("handler")):
        raise ValueError('handler must be a function of the job, or a dict such as {"handler": function}')  # noqa: TRY004
    known = HandlerConfig.__annotations__.keys()
    unknown = handler.keys() - known
    if unknown:
        raise ValueError(f"handler: {min(unknown)!r} means nothing here; known are {', '.join(sorted(known))}")
    return handler


_reporters: dict[str, Callable[[object], None]] = {}


def progress_update(job: dict[str, Any], progress: object) -> None:
    """Report progress from a handler that `LocalQueue(handler=...)` runs.

    The twin of `runpod.serverless.progress_update`. May be called from any thread. `/status` shows the job as
    IN_PROGRESS with `progress` as its output, until the next update or the result. Once the job has ended, updates are
    ignored.

    Args:
        job: The job as the handler got it.
        progress: Any JSON.

    Raises:
        TypeError: `progress` is no JSON.
        ValueError: It contains itself, or is nested too deeply.
    """
    update = copy(progress)
    report = _reporters.get(job["id"])
    if report is None:
        logger.debug("Progress of job %s is ignored: no handler of this process runs it.", job["id"])
    else:
        report(update)


class HandlerWorker:
    """One worker.

    Args:
        config: The handler and its options.
        service: The queue.
        loop: The event loop in which the queue lives.
    """

    def __init__(self, config: HandlerConfig, service: QueueService, loop: asyncio.AbstractEventLoop) -> None:
        self._config = config
        self._handler = config["handler"]
        self._service = service
        self._queue_loop = loop
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = threading.Event()
        self._doomed: str | None = None
        self._cancelled: str | None = None
        self._successor: HandlerWorker | None = None
        self.job_id: str | None = None
        self.worker_id = _new_worker_id()
        self._thread = threading.Thread(target=self._run, name=f"runpod-typed {self.worker_id}", daemon=True)

    # From other threads.

    def start(self) -> None:
        """Begin to take jobs."""
        self._queue_loop.call_soon_threadsafe(self._adopt)
        self._thread.start()

    def stop(self) -> None:
        """Take no more jobs, and cancel the present one where that is possible."""
        self._stopping.set()
        self._cancel_soon(None)
        if self._successor is not None:
            self._successor.stop()

    def join(self) -> list[str]:
        """Wait for the end, but not for a handler that blocks."""
        complaints = self._successor.join() if self._successor is not None else []
        self._thread.join(GRACE_SECONDS if self._successor is None else 0)  # who has one was given time
        if self._thread.is_alive() and self.job_id is None:
            self._thread.join(GRACE_SECONDS)  # its job is over, and it is about to end
        if self._thread.is_alive():
            complaints.append(
                f"handler {self._handler_name} still runs job {self.job_id}: "
                "it cannot be interrupted and is left in its daemon thread"
            )
        return complaints

    @property
    def output(self) -> str:
        """Handlers write where this process does."""
        return ""

    @property
    def pid(self) -> int | None:
        """It has no process of its own."""
        return None

    def stop_job(self, job_id: str) -> None:
        """Cancel the job. One that has not begun never will; a handler that blocks does not notice, and is replaced."""
        self._cancelled = job_id
        self._cancel_soon(job_id)
        self._queue_loop.call_later(STOP_SECONDS, self._replace_if_deaf, job_id)

    def _replace_if_deaf(self, job_id: str) -> None:
        worker = self._service.engine.workers.get(self.worker_id)
        if self._stopping.is_set() or self.job_id != job_id or worker is None or worker.jobs:
            return
        logger.warning(
            "Handler %s does not stop job %s and goes on in its thread; another worker takes its place.",
            self._handler_name,
            job_id,
        )
        self._stopping.set()
        self._service.forget_worker(self.worker_id)
        self._successor = HandlerWorker(self._config, self._service, self._queue_loop)
        self._successor.start()

    def replace(self) -> None:
        """Nothing to do: `_execute` begins anew by itself."""

    def crash(self, job_id: str) -> None:
        """Die in the middle of this job: its work is done and lost."""
        self._doomed = job_id

    @property
    def _handler_name(self) -> str:
        return str(getattr(self._handler, "__qualname__", self._handler))

    def _cancel_soon(self, job_id: str | None) -> None:
        loop = self._loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(self._cancel, job_id)
            except RuntimeError:
                return  # the loop has closed: nothing runs any more

    # In the worker's thread.

    def _run(self) -> None:
        # A handler that blocked may outlive the queue; nobody wants its result any more.
        with suppress(_QueueGoneError), asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._main())

    async def _main(self) -> None:
        while not self._stopping.is_set() and (job := await self._take()) is not None:
            if self._stopping.is_set():
                break  # it came while `stop` looked for a task to cancel
            if self._cancelled == job["id"]:
                continue  # on its way from the queue to us
            self.job_id = job["id"]
            self._task = asyncio.create_task(self._execute(job))
            await asyncio.wait({self._task})
            if not self._task.cancelled() and (error := self._task.exception()) is not None:
                raise error
            self._task = self.job_id = None
        await self._call(partial(self._service.forget_worker, self.worker_id))

    def _cancel(self, job_id: str | None) -> None:
        if self._task is not None and job_id in {None, self.job_id}:
            self._task.cancel()

    async def _take(self) -> dict[str, Any] | None:
        async def take() -> dict[str, Any] | None:
            jobs = await self._service.take(self.worker_id, Waiter(), limit=1, seconds=TAKE_SECONDS)
            self._cancelled = None  # whatever that was, it was about an earlier run
            return cast("dict[str, Any]", copy(show_for_worker(jobs[0]))) if jobs else None

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(take(), self._queue_loop))

    async def _execute(self, job: dict[str, Any]) -> None:
        job_id: str = job["id"]
        if "input" not in job:
            logger.warning("Job %s is dropped, as the platform does: its input is an empty object.", job_id)
            await self._act(partial(self._service.engine.drop, self.worker_id, job_id))
            return
        streams = inspect.isgeneratorfunction(self._handler) or inspect.isasyncgenfunction(self._handler)
        body: dict[str, object] = {}
        try:
            with self._reporting(job_id):
                body = await (self._run_generator(job) if streams else self._run_plain(job))
        except SystemExit:
            logger.warning("Worker %s has ended: its handler left by SystemExit in job %s.", self.worker_id, job_id)
            self._doomed = job_id
        if self._doomed == job_id:
            await self._begin_anew()
            return
        if self._config.get("refresh_worker"):
            body["stopPod"] = True
        result = read_result(self._as_sent(body))
        await self._call(partial(self._service.finish, self.worker_id, job_id, result))
        if result.stop_pod:
            await self._begin_anew()

    async def _run_plain(self, job: dict[str, Any]) -> dict[str, object]:
        try:
            value = self._handler(job)
            return show_return(await value if inspect.isawaitable(value) else value)
        except Exception as error:  # noqa: BLE001 -- whatever a handler raises is the job's result
            return show_exception(error, self.worker_id)

    async def _run_generator(self, job: dict[str, Any]) -> dict[str, object]:
        aggregate: list[object] = []
        try:
            async for output in _iterate(self._handler(job)):
                if (error_body := chunk_error(output)) is not None:
                    return error_body
                chunk = copy(output)
                for piece in split_chunk(chunk):
                    await self._act(partial(self._service.engine.chunk, self.worker_id, job["id"], piece))
                if self._doomed == job["id"]:
                    break
                if self._config.get("return_aggregate_stream"):
                    aggregate.append(chunk)
        except Exception as error:  # noqa: BLE001 -- whatever a handler raises is the job's result
            return show_generator_exception(error)
        return {"output": aggregate}

    def _as_sent(self, body: dict[str, object]) -> dict[str, object]:
        """The body after its way through JSON; what is no JSON fails the job (the worker SDK would lose the result)."""
        try:
            return cast("dict[str, object]", copy(body))
        except (TypeError, ValueError) as error:
            return show_exception(TypeError(f"the handler's output is no JSON: {error}"), self.worker_id)

    @contextmanager
    def _reporting(self, job_id: str) -> Generator[None]:
        service, worker_id = self._service, self.worker_id

        def report(progress: object) -> None:
            update = partial(service.engine.progress, worker_id, job_id, progress)
            with suppress(RuntimeError):  # the queue has stopped, and its loop has closed
                self._queue_loop.call_soon_threadsafe(service.act, update)

        _reporters[job_id] = report
        try:
            yield
        finally:
            if _reporters.get(job_id) is report:  # the job may run anew elsewhere
                del _reporters[job_id]

    # In the queue's loop.

    async def _begin_anew(self) -> None:
        """End as this worker, and begin as another one."""
        await self._call(partial(self._service.forget_worker, self.worker_id))
        self._doomed = None
        self.worker_id = _new_worker_id()
        await self._call(self._adopt)

    def _adopt(self) -> None:
        self._service.adopt_worker(self.worker_id, self, attached=True)

    async def _act(self, action: Callable[[float], T]) -> T:
        return await self._call(lambda: self._service.act(action))

    async def _call(self, action: Callable[[], T]) -> T:
        """Do something in the queue's loop, and wait until it is done."""
        done: concurrent.futures.Future[T] = concurrent.futures.Future()

        def call() -> None:
            if not done.set_running_or_notify_cancel():
                return  # nobody waits any more: the queue is stopping
            try:
                done.set_result(action())
            except Exception as error:  # noqa: BLE001 -- goes to who waits
                done.set_exception(error)

        try:
            self._queue_loop.call_soon_threadsafe(call)
        except RuntimeError:  # its loop has closed
            raise _QueueGoneError from None
        return await asyncio.wrap_future(done)


async def _iterate(generator: Any) -> AsyncIterator[object]:
    """Both kinds of generator as one."""
    if inspect.isasyncgen(generator):
        async for output in generator:
            yield output
    else:
        for output in generator:
            yield output


def _new_worker_id() -> str:
    return f"local{secrets.token_hex(4)}"
