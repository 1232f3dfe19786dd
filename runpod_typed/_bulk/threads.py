"""A thread with an event loop, for the sync API."""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVarTuple, final

from runpod_typed._synchronization import AsyncEvent, forks
from runpod_typed.errors import ConfigurationError

if TYPE_CHECKING:
    import asyncio

Arguments = TypeVarTuple("Arguments")

_EXIT_SECONDS = 10.0


@final
class LoopThread:
    """Runs a coroutine in its own thread and event loop.

    Args:
        main: Makes the coroutine, in the thread. It ends soon after the event that it gets is set.
        fail: Called with the exception that the coroutine raised.
    """

    def __init__(
        self, main: Callable[[AsyncEvent], Coroutine[Any, Any, None]], fail: Callable[[BaseException], object]
    ) -> None:
        self._main, self._fail = main, fail
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: AsyncEvent | None = None
        self._started = threading.Event()
        self._forks = forks.count
        self._thread = threading.Thread(target=self._run, name="runpod_typed loop", daemon=True)

    def start(self) -> None:
        """Start the thread, and return when its event loop runs."""
        self._thread.start()
        self._started.wait()

    def check(self) -> None:
        """Check that this is the process of the thread, which a fork does not copy.

        Raises:
            ConfigurationError: It is a child of that process, and would wait for the thread forever.
        """
        if self._forks != forks.count:
            raise ConfigurationError(
                "The iterator was started before a fork: only the parent process can iterate over the rest of it."
            )

    def call(self, function: Callable[[*Arguments], object], *arguments: *Arguments) -> None:
        """Call a function in the event loop, unless it is closed."""
        if self._loop is not None:
            with suppress(RuntimeError):  # it is closed
                self._loop.call_soon_threadsafe(function, *arguments)

    def stop(self) -> None:
        """Let the coroutine end, and wait for the thread. A cancellation could cut its clean-up short."""
        if self._thread.ident is None:  # an interrupt came before it was started
            return
        self._started.wait(_EXIT_SECONDS)
        if self._stopped is not None:
            self._stopped.set()
        if self._thread is not threading.current_thread():  # the garbage collector runs in any thread
            self._thread.join(_EXIT_SECONDS)

    def _run(self) -> None:
        import asyncio  # noqa: PLC0415 -- slow to import, and not needed by most programs

        async def main() -> None:
            self._loop, self._stopped = asyncio.get_running_loop(), AsyncEvent()
            self._started.set()
            await self._main(self._stopped)

        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 -- raised in the consumer's thread
            self._fail(error)
        finally:
            self._started.set()
