"""The progress of a map on the screen."""

import io
import itertools
import sys
from contextlib import suppress
from types import SimpleNamespace

import pytest

from runpod_typed import ConfigurationError, MapProgress
from runpod_typed._bulk import progress as module
from runpod_typed._bulk.progress import ProgressReporter, check_progress, describe
from runpod_typed._core.counters import Counters


def at(done: int, *, total: int | None = 100, elapsed: float = 10.0) -> MapProgress:
    return MapProgress(done=done, failed=2, in_flight=8, total=total, elapsed=elapsed, rate=done / elapsed)


def test_describes_progress_in_one_line() -> None:
    assert describe(at(40)) == "40 of 100 done, 2 failed, 8 in flight, 4.0/s, 0:15 left"
    assert describe(at(40, total=None)) == "40 done, 2 failed, 8 in flight, 4.0/s"
    assert describe(at(10, total=100_000)) == "10 of 100,000 done, 2 failed, 8 in flight, 1.0/s, 27:46:30 left"


def test_prints_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = ProgressReporter(True, Counters(total=3))
    reporter.update()
    reporter.close()
    reporter.close()
    assert capsys.readouterr().err == "0 of 3 done, 0 failed, 0 in flight, 0.0/s\n"


def test_prints_lines_without_rich(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    ProgressReporter(True, Counters(total=3)).close()
    assert capsys.readouterr().err.startswith("0 of 3 done")


def test_shows_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    counters = Counters(total=3)
    reporter = ProgressReporter(True, counters)
    counters.succeeded = 2
    reporter.close()
    assert "2 of 3 done" in terminal.getvalue()


def test_calls_a_function_from_time_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 100.05, 100.15, 100.15, 100.35, 100.4, 100.5, 100.5, 100.5])  # the first call takes 0.2 s
    monkeypatch.setattr(module, "monotonic", lambda: next(times))
    seen: list[MapProgress] = []
    reporter = ProgressReporter(seen.append, Counters(total=3))
    for _ in range(4):
        reporter.update()
    assert [round(progress.elapsed, 2) for progress in seen] == [0.15, 0.5]


@pytest.mark.parametrize("raised", [OSError, KeyboardInterrupt, StopIteration, StopAsyncIteration])
def test_a_function_that_has_raised_is_not_called_again(raised: type[BaseException]) -> None:
    seen: list[MapProgress] = []

    def show(progress: MapProgress) -> None:
        seen.append(progress)
        raise raised

    reporter = ProgressReporter(show, Counters())
    ends_loops = raised in {StopIteration, StopAsyncIteration}
    with pytest.raises(RuntimeError if ends_loops else raised):
        reporter.close()
    reporter = ProgressReporter(show, Counters())
    while not seen[1:]:
        with suppress(RuntimeError, raised):
            reporter.update()
    reporter.close()
    assert len(seen) == 2


async def show_later(_: MapProgress) -> None: ...


def test_shows_nothing_unless_asked() -> None:
    for option in (None, False):
        check_progress(option)
        reporter = ProgressReporter(option, Counters())
        assert reporter.interval is None
        reporter.update()
        reporter.close()
    for wrong in ("bar", show_later):
        with pytest.raises(ConfigurationError, match=r"True, False or a (plain )?function"):
            check_progress(wrong)


def test_updates_one_display_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Handle:
        def update(self, data: dict[str, str], *, raw: bool) -> None:
            assert raw
            shown.append(data["text/html"])

    def display(data: dict[str, str], *, raw: bool, display_id: bool) -> Handle:
        assert raw
        assert display_id
        shown.append(data["text/plain"])
        return Handle()

    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    counters = Counters(total=3)
    reporter = ProgressReporter(True, counters)
    monkeypatch.setattr(module, "monotonic", itertools.count(10**6).__next__)
    reporter.update()
    counters.succeeded = 3
    reporter.close()
    assert shown[0].startswith("0 of 3 done")
    assert shown[-1].startswith('<progress value="3" max="3"></progress> 3 of 3 done')
