"""Functions that the async and the sync API need in different forms, both written by hand.

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
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    MutableMapping,
)
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, final

from runpod_typed._models.durations import Duration, call_timeout
from runpod_typed._models.user_warnings import caller_location

if TYPE_CHECKING:
    import anyio

monotonic = time.monotonic

_T = TypeVar("_T")

Action = Callable[[], None]
AsyncAction = Callable[[], Awaitable[None]]

Inputs = Iterable[_T]
AsyncInputs = AsyncIterable[_T] | Iterable[_T]

input_kinds: Final[tuple[type, ...]] = (Iterable,)
async_input_kinds: Final[tuple[type, ...]] = (AsyncIterable, Iterable)

_SHIELDED_SECONDS: Final = 5.0


def deadline_after(timeout: Duration | None) -> float | None:
    """Return when the `timeout` of a call that begins now ends; None for never.

    Raises:
        ConfigurationError: It is not a duration above 0.
    """
    seconds = None if timeout is None else call_timeout(timeout)
    return None if seconds is None else monotonic() + seconds


def sleep(seconds: float) -> None:
    """Do nothing for `seconds`."""
    time.sleep(min(seconds, threading.TIMEOUT_MAX))


async def async_sleep(seconds: float) -> None:
    """Do nothing for `seconds`, under asyncio or trio."""
    import anyio  # noqa: PLC0415 -- the sync API never needs it

    await anyio.sleep(seconds)


async def async_raise_if_cancelled() -> None:
    """Raise a cancellation that trio has not delivered yet. asyncio delivers it before a task runs again."""
    if running_asyncio_loop() is None:
        import trio  # noqa: PLC0415 -- imported already

        await trio.lowlevel.checkpoint_if_cancelled()


def iterate(inputs: Iterable[_T]) -> Iterator[_T]:
    """Iterate over the caller's inputs."""
    return iter(inputs)


def async_iterate(inputs: AsyncIterable[_T] | Iterable[_T]) -> AsyncIterator[_T]:
    """Iterate over the caller's inputs, which may be an async iterable."""
    return aiter(inputs) if isinstance(inputs, AsyncIterable) else _AsyncIterator(iter(inputs))


@final
class _AsyncIterator(AsyncIterator[_T]):
    def __init__(self, inputs: Iterator[_T]) -> None:
        self._inputs = inputs

    async def __anext__(self) -> _T:
        try:
            return next(self._inputs)
        except StopIteration:
            raise StopAsyncIteration from None


def drain(parts: Iterator[bytes], failures: tuple[type[Exception], ...]) -> None:
    """Do nothing: a generator that is not read to its end is closed at once."""
    del parts, failures


async def async_drain(parts: AsyncIterator[bytes], failures: tuple[type[Exception], ...]) -> None:
    """Run the generators behind a closed response to their end, as trio asks for; reading may raise `failures`."""
    with suppress(*failures):
        async for _ in parts:
            pass


@contextmanager
def shielded() -> Generator[None]:
    """Run the block; there is no cancellation to shield it from."""
    yield


def async_shielded() -> AbstractContextManager[object]:
    """Run the block though the task is being cancelled, for a few seconds at most."""
    import anyio  # noqa: PLC0415 -- the sync API never needs it

    return anyio.move_on_after(_SHIELDED_SECONDS, shield=True)


@final
class Event:
    """An event that one thread waits for and another one sets.

    It is a bare lock: an interrupt (Ctrl-C) at a bad moment leaves the lock inside a `threading.Event` locked, and the
    thread that sets the event would wait forever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """Wake the thread that waits."""
        with suppress(RuntimeError):  # it is set already
            self._lock.release()

    def wait(self, seconds: float | None) -> None:
        """Wait until it is set, `seconds` at most; None for no limit."""
        if self._lock.acquire(timeout=-1 if seconds is None else min(max(0.0, seconds), threading.TIMEOUT_MAX)):
            self.set()


@final
class AsyncEvent:
    """An event that one task waits for; a task or thread sets it, under the same event loop or another one."""

    def __init__(self) -> None:
        import anyio  # noqa: PLC0415 -- the sync API never needs it

        self._event: anyio.Event = anyio.Event()
        self._runtime = async_runtime()

    def set(self) -> None:
        """Wake the task that waits."""
        loop: Any = self._runtime
        if loop is async_runtime():
            self._event.set()
            return
        with suppress(RuntimeError):  # the loop is closed, and the task gone
            call_soon = loop.call_soon_threadsafe if hasattr(loop, "call_soon_threadsafe") else loop.run_sync_soon
            call_soon(self._event.set)

    async def wait(self, seconds: float | None) -> None:
        """Wait until it is set, `seconds` at most; None for no limit."""
        import anyio  # noqa: PLC0415 -- the sync API never needs it

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
    """Admits the given number of tasks at a time; the others wait."""

    def __init__(self, count: int) -> None:
        import anyio  # noqa: PLC0415 -- the sync API never needs it

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
    file, line = caller_location()

    def abandon() -> None:
        if not transports:
            return
        if os.getpid() != pid:  # after a fork, their event loop is the parent's
            _of_the_parent.append(transports)
            return
        while transports:
            transports.popitem()[1].abandon()
        warnings.warn_explicit(
            "The AsyncClient or AsyncEndpoint made here was not closed. Use `async with`, or `await client.aclose()`.",
            ResourceWarning,
            file,
            line,
        )

    weakref.finalize(owner, abandon).atexit = False


_of_the_parent: Final = list[object]()


def prepare() -> None:
    """Do nothing: the sync API needs no library that is slow to import."""


def async_prepare() -> None:
    """Import the async library early: a later import fails if all file descriptors are in use."""
    import_module("anyio.lowlevel")


@final
class _Forks:
    """The number of forks that led to this process. `os.getpid` would be a system call for each request."""

    count = 0

    def note(self) -> None:
        """Count a fork, in the child."""
        self.count += 1


forks: Final = _Forks()
if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(after_in_child=forks.note)


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
    """Return whether an event loop is closed, or trio's run is over."""
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
    """Nothing: the sync API has only the name `close`."""


class AsyncClosable(ABC):
    """Has `close` as well as `aclose`, as other async libraries do."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close the connections."""

    async def close(self) -> None:
        """Close the connections, as `aclose` does."""
        await self.aclose()
