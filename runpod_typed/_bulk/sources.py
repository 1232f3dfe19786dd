"""The inputs of a map, read one at a time."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Final, Protocol, final

from anyio import get_cancelled_exc_class

_READ_AHEAD: Final = 64


@final
class InputsFailed(Exception):  # noqa: N818 -- its error is raised to the consumer
    """An exception of the inputs that would cancel the task of the map, or be taken for the end of the inputs."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error
        if isinstance(error, StopIteration | StopAsyncIteration):
            self.error = RuntimeError(f"the inputs raised {type(error).__name__}")
            self.error.__cause__ = error
        is_main = threading.current_thread() is threading.main_thread()
        self.may_be_interrupt = is_main and isinstance(error, KeyboardInterrupt | SystemExit)
        """True if a signal handler may have raised the error: it runs in the main thread."""


class Source(Protocol):
    """The inputs of a map."""

    async def next(self) -> Any:
        """Return the next input.

        Raises:
            StopAsyncIteration: There are no more.
        """
        ...


@final
class PlainSource:
    """Reads an iterable in the thread of the event loop."""

    def __init__(self, inputs: Iterable[Any]) -> None:
        self._inputs: Iterator[Any] = iter(inputs)

    async def next(self) -> Any:
        """Return the next input.

        Raises:
            StopAsyncIteration: There are no more.
        """
        try:
            return next(self._inputs)
        except StopIteration:
            raise StopAsyncIteration from None
        except BaseException as error:  # noqa: BLE001 -- raised to the consumer
            raise InputsFailed(error) from None

    def close(self) -> None:
        """Do nothing: the iterable is the caller's."""


@final
class AsyncSource:
    """Reads an async iterable."""

    def __init__(self, inputs: AsyncIterable[Any]) -> None:
        self._inputs: AsyncIterator[Any] = aiter(inputs)

    async def next(self) -> Any:
        """Return the next input.

        Raises:
            StopAsyncIteration: There are no more.
        """
        try:
            return await anext(self._inputs)
        except BaseException as error:
            if isinstance(error, Exception) or _is_cancelled(error):
                raise
            raise InputsFailed(error) from None


def _is_cancelled(error: BaseException) -> bool:
    """Return whether an exception cancels this task; the inputs may raise one that was cancelled elsewhere."""
    if not isinstance(error, get_cancelled_exc_class()):
        return False
    task = asyncio.current_task() if isinstance(error, asyncio.CancelledError) else None
    return task is None or task.cancelling() > 0


def async_source(inputs: AsyncIterable[Any] | Iterable[Any]) -> AsyncSource | PlainSource:
    """Return the source of an async map."""
    return AsyncSource(inputs) if isinstance(inputs, AsyncIterable) else PlainSource(inputs)


@final
class ThreadSource:
    """Reads an iterable in its own thread, so that one that blocks does not block the event loop."""

    def __init__(self, inputs: Iterable[Any]) -> None:
        self._inputs = inputs
        self._read = deque[Any]()
        self._room = threading.Semaphore(_READ_AHEAD)
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._waiting = False
        self._end: Exception | None = None
        self._closed = False
        run = copy_context().run
        threading.Thread(target=run, args=(self._main,), name="runpod_typed map inputs", daemon=True).start()

    async def next(self) -> Any:
        """Return the next input.

        Raises:
            StopAsyncIteration: There are no more.
        """
        while not self._read:
            if self._end is not None and not self._read:
                raise self._end
            self._changed.clear()
            self._waiting = True
            if not self._read and self._end is None:
                await self._changed.wait()
            self._waiting = False
        self._room.release()
        return self._read.popleft()

    def close(self) -> None:
        """Let the thread end after the input that it reads."""
        self._closed = True
        self._room.release()

    def _main(self) -> None:
        end: Exception = StopAsyncIteration()
        try:
            for value in self._inputs:
                self._room.acquire()
                if self._closed:
                    return
                self._read.append(value)
                if self._waiting:
                    self._notify()
        except BaseException as error:  # noqa: BLE001 -- raised to the consumer of the map
            end = InputsFailed(error)
        self._end = end
        self._notify()

    def _notify(self) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._changed.set)
