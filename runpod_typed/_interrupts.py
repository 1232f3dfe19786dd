"""Finish a request although its caller is interrupted: a lost response may be the only trace of a paid job.

The caller's thread or task only waits, and another one sends. So an interrupt (Ctrl-C, another signal handler's
exception, cancellation, an enclosing timeout) does not reach the request, which gets some more seconds to end.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Generic, final

from attrs import define, field
from typing_extensions import TypeVar

from runpod_typed._synchronization import running_asyncio_loop

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")

GRACE_SECONDS = 2.0
"""Seconds that a request may last after its caller was interrupted. A second interrupt ends them."""


def finish(send: Callable[[], T], late: Callable[[T], object]) -> T:
    """Send in another thread if this is the main thread: Python interrupts no other one.

    Args:
        send: Sends the request.
        late: Called with the value of `send` if the caller was interrupted, before the interrupt is raised.

    Raises:
        BaseException: `send` raised it, or it interrupted the caller.
    """
    if threading.current_thread() is not threading.main_thread():
        return send()
    task = _Task(send)
    worker = _idle.pop() if _idle else _Worker()
    try:
        worker.start(task)
        task.ended.acquire()
    except BaseException:
        if not task.values:
            task.ended.acquire(timeout=GRACE_SECONDS)
        if task.values:
            late(task.values[0])
        raise
    if task.error is not None:
        raise task.error
    return task.values[0]


def _locked() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@define(eq=False)
class _Task(Generic[T]):
    send: Callable[[], T]
    ended: threading.Lock = field(init=False, factory=_locked)
    values: list[T] = field(init=False, factory=list[T])
    error: BaseException | None = field(init=False, default=None)

    def run(self) -> None:
        try:
            self.values.append(self.send())
        except BaseException as error:  # noqa: BLE001 -- the caller raises it
            self.error = error
        finally:
            self.ended.release()


@final
class _Worker:
    """A thread that runs one task at a time, and waits for the next."""

    def __init__(self) -> None:
        self._started = _locked()
        self._run: Callable[[], None] | None = None
        threading.Thread(target=self._loop, name="runpod_typed submissions", daemon=True).start()

    def start(self, task: _Task[T]) -> None:
        context = copy_context()
        self._run = lambda: context.run(task.run)
        self._started.release()

    def _loop(self) -> None:
        while True:
            self._started.acquire()
            run, self._run = self._run, None
            if run is not None:
                run()
            _idle.append(self)


_idle: list[_Worker] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # a child has only the thread that forked


async def async_finish(send: Callable[[], Awaitable[T]], late: Callable[[T], object]) -> T:
    """Send in another task.

    Args:
        send: Sends the request.
        late: Called with the value of `send` if the caller was interrupted, before the interrupt is raised.

    Raises:
        BaseException: `send` raised it, or it interrupted the caller.
    """
    if running_asyncio_loop() is None:
        return await _finish_under_trio(send, late)
    import asyncio  # noqa: PLC0415 -- it is loaded already

    task = asyncio.ensure_future(send())
    try:
        return await asyncio.shield(task)
    except BaseException:
        if not task.done():
            await _wait(task)
        if _succeeded(task):
            late(task.result())
        raise


def _succeeded(task: asyncio.Future[T]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


async def _wait(task: asyncio.Future[T]) -> None:
    import asyncio  # noqa: PLC0415 -- it is loaded already

    import anyio  # noqa: PLC0415 -- the sync API never needs it

    try:
        with anyio.CancelScope(shield=True):
            await asyncio.wait({task}, timeout=GRACE_SECONDS)
    finally:
        task.cancel()


async def _finish_under_trio(send: Callable[[], Awaitable[T]], late: Callable[[T], object]) -> T:
    import trio  # noqa: PLC0415 -- it is loaded already

    values, errors = list[T](), list[BaseException]()
    ended, scope = trio.Event(), trio.CancelScope(shield=True)
    interrupt: BaseException | None = None

    async def run() -> None:
        try:
            with scope:
                values.append(await send())
        except BaseException as error:  # noqa: BLE001 -- the caller raises it, and not in a group
            errors.append(error)
        finally:
            ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        try:
            await ended.wait()
        except BaseException as error:  # noqa: BLE001 -- raised below, and not in a group
            interrupt = error
            scope.deadline = trio.current_time() + GRACE_SECONDS
            with trio.CancelScope(shield=True):
                await ended.wait()
    if interrupt is None:
        if errors:
            raise errors[0]
        return values[0]
    if values:
        late(values[0])
    raise interrupt
