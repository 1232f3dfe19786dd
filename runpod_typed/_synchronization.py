"""The hand-written twins: functions that an async and a sync program need in different forms.

``scripts/unasync.py`` turns ``async_sleep`` into ``sleep``, ``AsyncEvent`` into ``Event`` and so on. anyio is imported
at first use: the sync API never needs it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
import weakref
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Generator, Iterator, MutableMapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, final

from attrs import define, field

from runpod_typed._models.durations import Duration, call_timeout

if TYPE_CHECKING:
    import anyio

monotonic = time.monotonic

_SHIELDED_SECONDS: Final = 5.0
_BUFFERED_UPLOAD_SECONDS: Final = 30.0  # a socket may hold 4 MiB of what was sent, on a link of 1 Mbit/s


def deadline_after(timeout: Duration | None) -> float | None:
    """Return when the `timeout` of a call that begins now ends; None for never.

    Raises:
        ConfigurationError: It is not a duration above 0.
    """
    seconds = call_timeout(timeout)
    return None if seconds is None else monotonic() + seconds


class _TimeLimit(Protocol):
    """A time limit whose end can be moved."""

    def reschedule(self, when: float | None, /) -> None: ...


@define
class Attempt:
    """One HTTP attempt, shared by a transport and the network streams below it."""

    seconds: float
    """Seconds that the attempt may last beside its upload."""
    body_size: int = 0
    """Bytes of the request's body."""
    upload_seconds: float = 0.0
    """Seconds that sending the body may take beside."""
    bytes_sent: int | None = None
    """Bytes of the body that were handed to the network; None before its upload begins."""
    request_sent: bool = False
    """Whether the last byte of the request may have been handed to the network."""
    stream: Any = None
    """The network stream that was opened for the attempt, or None."""
    deadline: float = field(init=False)
    """The end of the attempt, on the monotonic clock."""
    _limit: tuple[_TimeLimit, float] | None = None

    def __attrs_post_init__(self) -> None:
        self.deadline = monotonic() + self.seconds + self.upload_seconds

    def left(self) -> float:
        """Return the seconds until the deadline; negative after it."""
        return self.deadline - monotonic()

    def finish_upload(self) -> None:
        """Note that the whole body was handed over: what remains is the way of its end, and the response."""
        self.bytes_sent = self.body_size
        buffered = min(self.upload_seconds, _BUFFERED_UPLOAD_SECONDS)
        self.deadline = min(self.deadline, monotonic() + self.seconds + buffered)
        if self.upload_seconds and self._limit is not None:
            limit, offset = self._limit
            limit.reschedule(self.deadline + offset)

    def limit_by(self, limit: _TimeLimit, now: float) -> None:
        """Keep the time limit that runs on another clock, whose time is `now`."""
        self._limit = limit, now - monotonic()


current_attempt: ContextVar[Attempt | None] = ContextVar("runpod_typed_attempt", default=None)


@final
class deadline:  # noqa: N801 -- used like a function; a generator would cost twice as much
    """End the attempt inside at its deadline: the network backend clips each of its steps to the time that is left."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def __enter__(self) -> None:
        self._token = current_attempt.set(self._attempt)

    def __exit__(self, *_: object) -> None:
        current_attempt.reset(self._token)


@final
class async_deadline:  # noqa: N801 -- the twin of a function
    """End the attempt inside at its deadline: it is cancelled, and TimeoutError raised."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    async def __aenter__(self) -> None:
        self._token = current_attempt.set(self._attempt)
        seconds = self._attempt.left()
        if running_asyncio_loop() is not None:
            import asyncio  # noqa: PLC0415 -- imported already

            limit = asyncio.timeout(seconds)  # a quarter of the cost of anyio's
            self._limit: AbstractAsyncContextManager[object] = limit
            self._attempt.limit_by(limit, asyncio.get_running_loop().time())
        else:
            import anyio  # noqa: PLC0415 -- the sync API never needs it

            own = _AnyioTimeLimit(seconds)
            self._limit = own
            self._attempt.limit_by(own, anyio.current_time())
        await self._limit.__aenter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        current_attempt.reset(self._token)
        return await self._limit.__aexit__(exc_type, exc, traceback)


@final
class _AnyioTimeLimit:
    """anyio's cancel scope in the form of asyncio's timeout."""

    def __init__(self, seconds: float) -> None:
        import anyio  # noqa: PLC0415 -- the sync API never needs it

        self._scope = anyio.move_on_after(seconds)

    async def __aenter__(self) -> None:
        self._scope.__enter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        suppressed = self._scope.__exit__(exc_type, exc, traceback)
        if self._scope.cancelled_caught:
            raise TimeoutError
        return suppressed

    def reschedule(self, when: float | None) -> None:
        """Move the end of the limit."""
        if when is not None:
            self._scope.deadline = when


def sleep(seconds: float) -> None:
    """Do nothing for `seconds`."""
    time.sleep(seconds)


async def async_sleep(seconds: float) -> None:
    """Do nothing for `seconds`, under asyncio or trio."""
    import anyio  # noqa: PLC0415 -- the sync half never needs it

    await anyio.sleep(seconds)


def drain(parts: Iterator[bytes], failures: tuple[type[Exception], ...]) -> None:
    """Do nothing: a generator that is not read to its end is closed at once."""
    del parts, failures


async def async_drain(parts: AsyncIterator[bytes], failures: tuple[type[Exception], ...]) -> None:
    """Run the generators behind a closed response to their end, where reading raises `failures`: trio asks for it."""
    with suppress(*failures):
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
        loop: Any = self._runtime
        if loop is async_runtime():
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


class _Transport(Protocol):
    def close(self) -> None: ...


class _AsyncTransport(Protocol):
    def abandon(self) -> None: ...


_TransportT = TypeVar("_TransportT", bound=_Transport)
_AsyncTransportT = TypeVar("_AsyncTransportT", bound=_AsyncTransport)


def close_when_collected(owner: object, transports: MutableMapping[object, _TransportT]) -> None:
    """Close the transports of an owner that is collected without being closed."""

    def close() -> None:
        while transports:
            transports.popitem()[1].close()

    weakref.finalize(owner, close).atexit = False


def async_close_when_collected(owner: object, transports: MutableMapping[object, _AsyncTransportT]) -> None:
    """Abandon the transports of an owner that is collected without being closed, and warn."""
    pid = os.getpid()

    def abandon() -> None:
        if not transports:
            return
        if os.getpid() != pid:  # after a fork, their event loop is the parent's
            _of_the_parent.append(transports)
            return
        while transports:
            transports.popitem()[1].abandon()
        warnings.warn(
            "An AsyncClient or AsyncEndpoint was not closed. Use `async with`, or `await client.aclose()`.",
            ResourceWarning,
            stacklevel=1,
        )

    weakref.finalize(owner, abandon).atexit = False


_of_the_parent: Final = list[object]()


def prepare() -> None:
    """Do nothing: the sync API needs no library that is slow to import."""


def async_prepare() -> None:
    """Import the async library early: a later import fails if all file descriptors are in use."""
    import_module("anyio.lowlevel")


def runtime() -> object:
    """Return what sync connections belong to: all threads share them."""
    return None


def async_runtime() -> object:
    """Return what async connections belong to: the running event loop, or trio's run."""
    return running_asyncio_loop() or _running_trio()


def has_ended(runtime: object) -> bool:
    """Return False: the process runs."""
    del runtime
    return False


def async_has_ended(runtime: object) -> bool:
    """Return whether an event loop is closed, or trio's run has ended."""
    is_closed: Callable[[], bool] | None = getattr(runtime, "is_closed", None)
    if is_closed is not None:
        return is_closed()
    run_sync_soon: Callable[[Callable[[], object]], None] | None = getattr(runtime, "run_sync_soon", None)
    try:
        if run_sync_soon is not None:
            run_sync_soon(bool)
    except RuntimeError:  # trio.RunFinishedError is one
        return True
    return False


def _running_trio() -> object | None:
    if "trio" not in sys.modules:
        return None
    import trio  # noqa: PLC0415 -- it is there

    with suppress(RuntimeError):
        return trio.lowlevel.current_trio_token()
    return None


def running_asyncio_loop() -> object | None:
    """Return the asyncio loop that runs this code, or None."""
    if "asyncio" not in sys.modules:
        return None
    import asyncio  # noqa: PLC0415 -- costs nothing once it is there, and much where it never is

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class Closable:
    """Nothing: `close` is the only name in the sync API."""


class AsyncClosable(ABC):
    """Has `close`, as other async libraries do, beside `aclose`."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close the connections."""

    async def close(self) -> None:
        """Close the connections, as `aclose` does."""
        await self.aclose()
