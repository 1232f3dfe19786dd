"""The progress of a map on the screen: a bar by rich if it is installed, or else plain lines."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from inspect import iscoroutinefunction
from typing import Any, Protocol, final

from runpod_typed._core.counters import Counters
from runpod_typed._models.map_results import MapProgress
from runpod_typed._synchronization import monotonic
from runpod_typed.errors import ConfigurationError

ProgressOption = bool | Callable[[MapProgress], object] | None

_CALLBACK_INTERVAL = 0.1
_NOTEBOOK_INTERVAL = 0.5
_LINE_INTERVAL = 10.0


def check_progress(progress: object) -> None:
    """Check the option ``progress=``.

    Raises:
        ConfigurationError: It is neither a bool nor a function.
    """
    if iscoroutinefunction(progress):
        raise ConfigurationError("progress= must be True, False or a plain function, not an async one.")
    if progress is not None and not isinstance(progress, bool) and not callable(progress):
        raise ConfigurationError(f"progress= must be True, False or a function, not {type(progress).__name__}.")


@final
class ProgressReporter:
    """Shows the progress of one map, as often as is useful.

    Args:
        progress: The option of the map.
        counters: The counts of the map.
    """

    def __init__(self, progress: ProgressOption, counters: Counters) -> None:
        self._counters = counters
        self._display: _Display | None = None
        if progress is True:
            self._display = _notebook() or _bar() or _Lines()
        elif callable(progress):
            self._display = _Callback(progress)
        self._began = monotonic()
        self._shown_at = self._began

    @property
    def interval(self) -> float | None:
        """Seconds after which `update` wants to be called again, or None if it does nothing."""
        return None if self._display is None else self._display.interval

    def update(self) -> None:
        """Show the progress, if it was not shown a moment ago."""
        if self._display is not None and monotonic() >= self._shown_at + self._display.interval:
            self._show(self._display)

    def close(self) -> None:
        """Show the progress for the last time."""
        display, self._display = self._display, None
        if display is not None:
            self._show(display)
            display.close()

    def _show(self, display: _Display) -> None:
        display.show(self._counters.progress(monotonic() - self._began))
        self._shown_at = monotonic()  # afterwards: a slow function is not called for each result


class _Display(Protocol):
    interval: float

    def show(self, progress: MapProgress) -> None: ...
    def close(self) -> None: ...


@final
class _Callback:
    interval = _CALLBACK_INTERVAL

    def __init__(self, callback: Callable[[MapProgress], object]) -> None:
        self._callback: Callable[[MapProgress], object] | None = callback

    def show(self, progress: MapProgress) -> None:
        callback, self._callback = self._callback, None  # not called again if it raises, or while it runs
        if callback is None:
            return
        try:
            callback(progress)
        except (StopIteration, StopAsyncIteration) as error:  # would end the caller's loop
            raise RuntimeError(f"progress= raised {type(error).__name__}") from error
        self._callback = callback

    def close(self) -> None:
        pass


@final
class _Lines:
    interval = _LINE_INTERVAL

    def show(self, progress: MapProgress) -> None:
        print(describe(progress), file=sys.stderr, flush=True)  # noqa: T201 -- progress=True asks for it

    def close(self) -> None:
        pass


def describe(progress: MapProgress) -> str:
    """Return the progress in one line."""
    of = "" if progress.total is None else f" of {progress.total:,}"
    left = "" if progress.remaining is None else f", {_duration(progress.remaining)} left"
    return (
        f"{progress.done:,}{of} done, {progress.failed:,} failed, {progress.in_flight:,} in flight, "
        f"{progress.rate:,.1f}/s{left}"
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _notebook() -> _Display | None:
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if not hasattr(shell, "kernel"):  # none, or in a terminal
        return None
    return _Notebook(import_module("IPython.display").display)


@final
class _Notebook:
    """A bar below the cell. rich needs ipywidgets for its own."""

    interval = _NOTEBOOK_INTERVAL

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._handle: Any = None

    def show(self, progress: MapProgress) -> None:
        line = describe(progress)
        value = "" if progress.total is None else f' value="{progress.done}" max="{max(1, progress.total)}"'
        data = {"text/plain": line, "text/html": f"<progress{value}></progress> {line}"}
        if self._handle is None:
            self._handle = self._display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)

    def close(self) -> None:
        pass


def _bar() -> _Display | None:
    try:
        from rich.console import Console  # noqa: PLC0415 -- an extra, and slow to import
        from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415 -- likewise
    except ImportError:
        return None
    console = Console(stderr=True)
    if not console.is_terminal:
        return None
    return _Bar(Progress(BarColumn(bar_width=20), TextColumn("{task.description}"), console=console))


@final
class _Bar:
    interval = _CALLBACK_INTERVAL

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._task: Any = None

    def show(self, progress: MapProgress) -> None:
        if self._task is None:
            self._bar.start()
            self._task = self._bar.add_task("")
        self._bar.update(self._task, total=progress.total, completed=progress.done, description=describe(progress))

    def close(self) -> None:
        self._bar.stop()
