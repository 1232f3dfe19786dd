"""Threads whose end can be waited for even after Ctrl-C."""

import threading
from collections.abc import Callable

from typing_extensions import override


class DaemonThread(threading.Thread):
    """A daemon thread. CPython before 3.13 takes a thread for ended if its `join` is interrupted; `wait` does not."""

    def __init__(self, target: Callable[[], None], name: str) -> None:
        super().__init__(target=target, name=name, daemon=True)
        self._finished = threading.Event()

    @override
    def run(self) -> None:
        try:
            super().run()
        finally:
            self._finished.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most the given time, and tell if it came."""
        if not self._finished.wait(seconds):
            return False
        self.join()
        return True
