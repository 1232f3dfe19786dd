"""The hand-written twins: what an async and a sync program do in different ways.

``scripts/unasync.py`` turns ``async_sleep`` into ``sleep``, ``AsyncLock`` into ``Lock`` and so on; everything else in
the shell has one text. anyio is imported at first use: the sync half never needs it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, final

from attrs import define

from runpod_typed._models.durations import Duration
from runpod_typed._models.secret import Secret
from runpod_typed._models.validators import call_timeout

if TYPE_CHECKING:
    import anyio

monotonic = time.monotonic

_SHIELDED_SECONDS = 5.0


def deadline_after(timeout: Duration | None) -> float | None:
    """Return when the `timeout` of a call that begins now ends; None for never.

    Raises:
        ConfigurationError: It is not a duration above 0.
    """
    seconds = call_timeout(timeout)
    return None if seconds is None else monotonic() + seconds


@define
class Attempt:
    """What is shared between one HTTP attempt and the network streams below it.

    Attributes:
        deadline: When it must be over, on the monotonic clock.
        request_sent: Whether any byte of the request was handed to the network.
        secret: What must show in no log of a transport; None where there is nothing.
    """

    deadline: float
    request_sent: bool = False
    secret: Secret | None = None

    def left(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self.deadline - monotonic()


current_attempt: ContextVar[Attempt | None] = ContextVar("runpod_typed_attempt", default=None)


@final
class deadline:  # noqa: N801 -- used like a function; a generator would cost twice as much
    """End the attempt inside after `seconds`: the network backend clips each of its steps to what is left."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> Attempt:
        attempt = Attempt(monotonic() + self._seconds)
        self._token = current_attempt.set(attempt)
        return attempt

    def __exit__(self, *_: object) -> None:
        current_attempt.reset(self._token)


@final
class async_deadline:  # noqa: N801 -- the twin of a function
    """End the attempt inside after `seconds`: it is cancelled, and TimeoutError raised."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def __aenter__(self) -> Attempt:
        attempt = Attempt(monotonic() + self._seconds)
        self._token = current_attempt.set(attempt)
        self._limit = _time_limit(self._seconds)
        await self._limit.__aenter__()
        return attempt

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        current_attempt.reset(self._token)
        return await self._limit.__aexit__(exc_type, exc, traceback)


def _time_limit(seconds: float) -> AbstractAsyncContextManager[object]:
    if running_asyncio_loop() is not None:
        import asyncio  # noqa: PLC0415 -- it is there

        return asyncio.timeout(seconds)  # a quarter of the work of anyio's
    return _anyio_time_limit(seconds)


@asynccontextmanager
async def _anyio_time_limit(seconds: float) -> AsyncGenerator[None]:
    import anyio  # noqa: PLC0415 -- the sync half never needs it

    with anyio.fail_after(seconds):
        yield


def sleep(seconds: float) -> None:
    """Do nothing for `seconds`."""
    time.sleep(seconds)


async def async_sleep(seconds: float) -> None:
    """Do nothing for `seconds`, under asyncio or trio."""
    import anyio  # noqa: PLC0415 -- the sync half never needs it

    await anyio.sleep(seconds)


def content(body: bytes | None) -> tuple[bytes, ...]:
    """A request's body as a pool takes it."""
    return (body,) if body else ()


@final
class AsyncContent:
    """A request's body as a pool takes it. Its own way is a generator, and trio warns of one that is cut off."""

    def __init__(self, body: bytes | None) -> None:
        self._parts = [body] if body else []

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._parts:
            raise StopAsyncIteration
        return self._parts.pop()


async_content = AsyncContent


def drain(parts: Iterator[bytes]) -> None:
    """Nothing: a generator that is left in the middle ends at once."""
    del parts


async def async_drain(parts: AsyncIterator[bytes]) -> None:
    """Let the generators behind an answer that is closed come to their end; trio warns of each that does not."""
    with suppress(Exception):  # where it was closed in the middle, reading on fails
        async for _ in parts:
            pass


@contextmanager
def shielded() -> Generator[None]:
    """Run the block; there is no cancellation to shield it from."""
    yield


def async_shielded() -> AbstractContextManager[object]:
    """Run the block though the task is being cancelled, for a few seconds at most."""
    import anyio  # noqa: PLC0415 -- the sync half never needs it

    return anyio.move_on_after(_SHIELDED_SECONDS, shield=True)


@final
class Event:
    """One caller waits, another one sets.

    A bare lock: `threading.Event` keeps one that an interrupt (Ctrl-C) at a bad moment leaves locked, and whoever sets
    it would wait for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """Let the one who waits go on."""
        with suppress(RuntimeError):  # it is set already
            self._lock.release()

    def wait(self, seconds: float | None) -> None:
        """Wait until it is set, `seconds` at most; None for as long as it takes."""
        if self._lock.acquire(timeout=-1 if seconds is None else min(max(0.0, seconds), threading.TIMEOUT_MAX)):
            self.set()


@final
class AsyncEvent:
    """One task waits; a task or thread sets it, under the same event loop or another one."""

    def __init__(self) -> None:
        import anyio  # noqa: PLC0415 -- the sync half never needs it

        self._event: anyio.Event = anyio.Event()
        self._runtime = async_runtime()

    def set(self) -> None:
        """Let the task that waits go on."""
        loop: Any = self._runtime[1]
        if loop is async_runtime()[1]:
            self._event.set()
            return
        with suppress(RuntimeError):  # the loop has ended, and the task with it
            call_soon = loop.call_soon_threadsafe if hasattr(loop, "call_soon_threadsafe") else loop.run_sync_soon
            call_soon(self._event.set)

    async def wait(self, seconds: float | None) -> None:
        """Wait until it is set, `seconds` at most; None for as long as it takes."""
        import anyio  # noqa: PLC0415 -- the sync half never needs it

        with anyio.move_on_after(seconds):
            await self._event.wait()


@final
class CapacityLimiter:
    """No limit: each thread makes one request at a time."""

    def __init__(self, count: int) -> None:
        del count

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


@final
class AsyncCapacityLimiter:
    """So many tasks at a time; the others wait."""

    def __init__(self, count: int) -> None:
        import anyio  # noqa: PLC0415 -- the sync half never needs it

        self._semaphore = anyio.Semaphore(count, fast_acquire=True)

    async def __aenter__(self) -> None:
        await self._semaphore.acquire()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._semaphore.release()


class _Closable(Protocol):
    def close(self) -> None: ...


def close_with(owner: object, connections: _Closable) -> None:
    """Close the connections when their owner is collected: people forget to close what they made."""
    weakref.finalize(owner, connections.close).atexit = False


def async_close_with(owner: object, connections: object) -> None:
    """Nothing: what belongs to an event loop cannot be closed from a finalizer."""


def runtime() -> tuple[int, object]:
    """What the connections of the sync half belong to: this process."""
    return os.getpid(), None


def async_runtime() -> tuple[int, object]:
    """What the connections of the async half belong to: this process, and the event loop or the run of trio's."""
    return os.getpid(), running_asyncio_loop() or _running_trio()


def _running_trio() -> object | None:
    if "trio" not in sys.modules:
        return None
    import trio  # noqa: PLC0415 -- it is there

    with suppress(RuntimeError):
        return trio.lowlevel.current_trio_token()
    return None


def running_asyncio_loop() -> object | None:
    """The asyncio loop that runs this code; None under trio."""
    if "asyncio" not in sys.modules:
        return None
    import asyncio  # noqa: PLC0415 -- costs nothing once it is there, and much where it never is

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
