"""How many wait for jobs of each endpoint at this moment, and which endpoints do not hold their answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from typing import final


@final
class WaitingRoom:
    """Shared by all that share a client's connections, threads and tasks alike."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: Counter[str] = Counter()
        self._without_long_poll: set[str] = set()

    @contextmanager
    def seat(self, endpoint_id: str) -> Generator[None]:
        """Count as one who waits, for as long as the block lasts."""
        with self._lock:
            self._waiting[endpoint_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting[endpoint_id] -= 1

    def waiting(self, endpoint_id: str) -> int:
        """How many wait right now."""
        return self._waiting[endpoint_id]

    def holds_answers(self, endpoint_id: str) -> bool:
        """Whether long-polling works, as far as is known."""
        return endpoint_id not in self._without_long_poll

    def does_not_hold_answers(self, endpoint_id: str) -> None:
        """Remember that long-polling does not work."""
        with self._lock:
            self._without_long_poll.add(endpoint_id)
