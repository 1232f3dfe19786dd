"""The output of worker processes in the terminal of `serve`."""

from __future__ import annotations

import re
import shutil
import sys
import threading
from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.text import Text

from runpod_typed._cli.printer import printable

_SEPARATOR: Final = " | "
_COLORS: Final = re.compile(r"\x1b\[[\d;]*m")
_NARROWEST: Final = 20
"""The fewest columns that lines are folded to."""


class WorkerOutput:
    """Prints each line that a worker writes to stderr, after its worker's id."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._begun = threading.Event()

    def begin(self) -> None:
        """Print from now on; workers that wrote something earlier have waited."""
        self._begun.set()

    def __call__(self, worker_id: str, line: str) -> None:
        """Print a line."""
        self._begun.wait()
        prefix = f"{worker_id}{_SEPARATOR}"
        text = printable(_COLORS.sub("", line.rstrip())).expandtabs()
        shown = Text("\n").join(Text(prefix, "dim").append(row, "not dim") for row in _fold(text, len(prefix)))
        try:
            self._console.print(shown)
        except (OSError, ValueError):  # nothing reads stderr any more
            return


def _fold(text: str, indent: int) -> Iterator[str]:
    """Yield the rows of a line that fit into a terminal beside the prefix."""
    if not text or not sys.stderr.isatty():
        yield text
        return
    width = max(_NARROWEST, shutil.get_terminal_size().columns - indent)
    for begin in range(0, len(text), width):
        yield text[begin : begin + width]
