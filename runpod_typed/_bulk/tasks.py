"""Tasks that outlive the function that starts them, under asyncio and trio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from types import coroutine
from typing import Any, Protocol, TypeVarTuple, final

from runpod_typed._synchronization import AsyncEvent, running_asyncio_loop

Arguments = TypeVarTuple("Arguments")
Function = Callable[[*Arguments], Coroutine[Any, Any, None]]


def turn_of_loop() -> Callable[[], Awaitable[None]]:
    """Return a function that lets all other tasks of the running event loop that are ready run once."""
    if running_asyncio_loop() is not None:
        return _asyncio_turn
    import trio  # noqa: PLC0415 -- imported already

    return trio.lowlevel.checkpoint


@coroutine
def _asyncio_turn() -> Generator[None]:
    """Do what `asyncio.sleep(0)` does, in half the time."""
    yield


class _Cancellable(Protocol):
    def cancel(self) -> Any: ...


@final
class Tasks:
    """The tasks of one owner. A nursery would have to be open around all uses of the owner."""

    def __init__(self) -> None:
        self.cancelled: bool = False
        self._running: set[_Cancellable] = set()
        self._ended: AsyncEvent | None = None
        self._call_soon: Callable[[Callable[[], None]], object] | None = None

    def spawn(self, function: Function[*Arguments], *arguments: *Arguments) -> None:
        """Start a task in the running event loop. `function` handles its own errors."""
        if running_asyncio_loop() is not None:
            self._spawn_asyncio(function, *arguments)
        else:
            self._spawn_trio(function, *arguments)

    async def wait(self, seconds: float | None) -> None:
        """Wait until all tasks are done, `seconds` at most; None for as long as it takes."""
        if self._running:
            self._ended = AsyncEvent()
            await self._ended.wait(seconds)

    def cancel(self) -> None:
        """Cancel all tasks. A second call does nothing: it would cut their clean-up short."""
        if not self.cancelled:
            self.cancelled = True
            for task in list(self._running):
                task.cancel()

    def cancel_soon(self) -> None:
        """Do what `cancel` does, from another thread or from a finalizer."""
        if self._call_soon is not None:
            with suppress(RuntimeError):  # the event loop is closed
                self._call_soon(self.cancel)

    def _end(self, task: _Cancellable) -> None:
        self._running.discard(task)
        if not self._running and self._ended is not None:
            self._ended.set()

    def _spawn_asyncio(self, function: Function[*Arguments], *arguments: *Arguments) -> None:
        import asyncio  # noqa: PLC0415 -- imported already

        loop = asyncio.get_running_loop()
        self._call_soon = loop.call_soon_threadsafe
        task = loop.create_task(function(*arguments))
        self._running.add(task)
        task.add_done_callback(self._end)

    def _spawn_trio(self, function: Function[*Arguments], *arguments: *Arguments) -> None:
        import trio  # noqa: PLC0415 -- imported already

        self._call_soon = trio.lowlevel.current_trio_token().run_sync_soon
        scope = trio.CancelScope()
        self._running.add(scope)

        async def run() -> None:
            try:
                with scope:
                    await function(*arguments)
            finally:
                self._end(scope)

        trio.lowlevel.spawn_system_task(run)
