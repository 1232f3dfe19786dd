"""Finish a request although its caller is interrupted: a lost response may be the only trace of a paid job.

Once a request may have reached the server, an interrupt (Ctrl-C, another signal handler's exception, cancellation, an
enclosing timeout) is held back until its response has come, for some seconds at most. A second one ends the wait.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Awaitable, Callable, Generator
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, Generic, final

from typing_extensions import TypeVar

from runpod_typed._synchronization import monotonic, running_asyncio_loop
from runpod_typed._transport.deadlines import Attempt

if TYPE_CHECKING:
    import asyncio
    from contextvars import Context

T = TypeVar("T")

GRACE_SECONDS: Final = 2.0
"""Seconds that a request may last after its caller was interrupted."""

# The functions behind those of `signal`, which make enums of their arguments and take ten times as long.
_signal: Any = import_module("_signal")
_SIGNALS: Final = tuple(int(number) for number in set(signal.Signals) & signal.valid_signals())


def finish(send: Callable[[], T], attempt: Attempt, *, uses_anyio: bool) -> T:
    """Send in the caller's thread, and hold back what signal handlers raise. Python runs them in the main thread alone.

    Args:
        send: Sends the request.
        attempt: The attempt, which tells whether the request may have reached the server.
        uses_anyio: Unused in the sync API.

    Raises:
        BaseException: `send` raised it, or a signal handler.
    """
    del uses_anyio
    if threading.current_thread() is not threading.main_thread():
        return send()
    handlers = _SignalHandlers(attempt)
    try:
        handlers.replace()
        return send()
    finally:
        handlers.restore()


@final
class _SignalHandlers:
    """Python's signal handlers, replaced by one that calls them and keeps the first exception for later."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._handlers: dict[int, Callable[[int, FrameType | None], object]] = {}
        self._interrupt: BaseException | None = None
        self._limit: _GraceLimit | None = None
        self._over = False

    def replace(self) -> None:
        for number in _SIGNALS:
            handler = _signal.getsignal(number)
            if callable(handler):
                self._handlers[number] = handler
                _signal.signal(number, self._handle)

    def restore(self) -> None:
        """Bring the handlers back, and raise the exception that was held back."""
        self._over = True
        try:
            if self._limit is not None:
                self._limit.end()
            self._put_back()
        except BaseException:  # a handler raised it
            self._put_back()
            raise
        if self._interrupt is not None:
            raise self._interrupt

    def _put_back(self) -> None:
        for number, handler in self._handlers.items():
            if _signal.getsignal(number) == self._handle:  # a handler may have installed another one
                _signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._interrupt is not None and self._limit is not None and self._limit.reached:
            raise self._interrupt
        try:
            self._handlers[number](number, frame)
        except BaseException as error:
            if self._interrupt is not None or self._over or not self._attempt.request_sent:
                raise
            try:
                self._limit = _GraceLimit(number)
            except RuntimeError:  # no thread can be started
                raise error from None
            self._interrupt = error.with_traceback(None)  # its frames lead to those of the request, with the API key


@final
class _GraceLimit:
    """Ends a request that takes too long after an interrupt, by another signal to the thread that waits."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.reached = False
        threading.Thread(target=self._run, daemon=True).start()

    def end(self) -> None:
        with self._lock:
            self._ended.set()

    def _run(self) -> None:
        if self._ended.wait(GRACE_SECONDS):
            return
        with self._lock:
            if not self._ended.is_set():
                self.reached = True
                _interrupt_main_thread(self._number)


def _interrupt_main_thread(number: int) -> None:
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, number)
    else:
        import_module("_thread").interrupt_main(number)


async def async_finish(send: Callable[[], Awaitable[T]], attempt: Attempt, *, uses_anyio: bool) -> T:
    """Send, and hold back the cancellation of the caller's task.

    Args:
        send: Sends the request.
        attempt: The attempt, which tells whether the request may have reached the server.
        uses_anyio: Whether code of anyio runs within `send`: it polls the cancel scopes around it.

    Raises:
        BaseException: `send` raised it, or the task was cancelled.
    """
    if running_asyncio_loop() is None:
        return await _finish_under_trio(send, attempt)
    if uses_anyio:
        return await _finish_in_task(send, attempt)
    return await _UncancelledSteps(send, attempt)


async def _finish_in_task(send: Callable[[], Awaitable[T]], attempt: Attempt) -> T:
    import asyncio  # noqa: PLC0415 -- it is loaded already

    task = asyncio.ensure_future(send())
    try:
        return await asyncio.shield(task)
    except BaseException:
        import anyio  # noqa: PLC0415 -- the sync API never needs it

        try:
            with anyio.CancelScope(shield=True):
                if attempt.request_sent:
                    await asyncio.wait({task}, timeout=GRACE_SECONDS)
                task.cancel()
                await asyncio.wait({task}, timeout=GRACE_SECONDS)
        finally:
            task.cancel()
            if task.done() and not task.cancelled():
                task.exception()  # the interrupt is raised instead
        raise


@final
class _UncancelledSteps(Generic[T]):
    """Runs a coroutine in the current task of asyncio, step by step; a cancellation is raised after its last step.

    Each future that it awaits is wrapped in one that is not cancelled with the task.
    """

    def __init__(self, send: Callable[[], Awaitable[T]], attempt: Attempt) -> None:
        self._send = send
        self._attempt = attempt
        self._held_back = list[tuple[Any, ...]]()
        self._grace_ends_at = 0.0

    def __await__(self) -> Generator[Any, None, T]:
        import asyncio  # noqa: PLC0415 -- it is loaded already

        task = asyncio.current_task()
        cancellations = 0 if task is None else task.cancelling()
        steps: Any = self._send().__await__()
        error: BaseException | None = None
        while True:
            try:
                future = steps.send(None) if error is None else steps.throw(error)
            except StopIteration as end:
                result: T = end.value
                break
            error = None
            try:
                yield from self._wait(future)
            except BaseException as raised:  # noqa: BLE001 -- the coroutine gets it
                error = raised
        # A time limit within the coroutine cancels the task too, and takes that back.
        if self._held_back and task is not None and task.cancelling() > cancellations:
            raise asyncio.CancelledError(*self._held_back[0])
        return result

    def _wait(self, future: Any) -> Generator[Any]:
        import asyncio  # noqa: PLC0415 -- it is loaded already

        waiter = None if future is None else _Waiter(future, self._hold_back)
        if not self._held_back:
            try:
                yield waiter
            except asyncio.CancelledError as error:
                if future is not None or not self._hold_back(error.args):
                    raise
            if future is None or not self._held_back:
                return
        import anyio  # noqa: PLC0415 -- the sync API never needs it

        while future is None or not future.done():
            # anyio cancels a task again and again until it is within a shield.
            with anyio.CancelScope(deadline=anyio.current_time() + self._grace_ends_at - monotonic(), shield=True):
                yield waiter
            if future is None:
                return

    def _hold_back(self, cancellation: tuple[Any, ...]) -> bool:
        if self._held_back or not self._attempt.request_sent or self._attempt.left() <= _CLOCK_TOLERANCE:
            return False
        self._held_back.append(cancellation)
        self._grace_ends_at = monotonic() + GRACE_SECONDS
        return True


_CLOCK_TOLERANCE: Final = 0.01  # the attempt's own time limit cancels the task too


@final
class _Waiter:
    """A future that wakes its task when another one is done, or at a cancellation that is held back."""

    __slots__ = ("_asyncio_future_blocking", "_callback", "_context", "_future", "_hold_back")

    def __init__(self, future: asyncio.Future[Any], hold_back: Callable[[tuple[Any, ...]], bool]) -> None:
        self._asyncio_future_blocking = True
        self._future = future
        self._hold_back = hold_back

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._future.get_loop()

    def add_done_callback(self, callback: Callable[[Any], object], *, context: Context | None = None) -> None:
        self._callback, self._context = callback, context
        self._asyncio_future_blocking = True  # it is awaited again after a cancellation
        self._future.add_done_callback(callback, context=context)

    def cancel(self, msg: object = None) -> bool:
        if not self._hold_back(() if msg is None else (msg,)):
            return self._future.cancel(msg)
        if self._future.remove_done_callback(self._callback):
            self.get_loop().call_soon(self._callback, self, context=self._context)
        return True

    def result(self) -> None:
        """Return to the task, which awaits the future again."""


async def _finish_under_trio(send: Callable[[], Awaitable[T]], attempt: Attempt) -> T:
    """Send in another task. If the caller's task were shielded, it would not learn of a cancellation."""
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
            if attempt.request_sent:
                scope.deadline = trio.current_time() + GRACE_SECONDS
            else:
                scope.cancel()
            with trio.CancelScope(shield=True):
                await ended.wait()
    if interrupt is None:
        if errors:
            raise errors[0]
        return values[0]
    raise interrupt
