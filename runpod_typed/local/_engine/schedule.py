"""Orderings: the jobs that wait, first come first served, and the deadlines, earliest first."""

import heapq
from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from typing import NamedTuple


class Deadline(NamedTuple):
    """A check that is due at a time. It looks at its subject again before it acts, so a stale one is harmless."""

    at: float
    sequence: int
    check: Callable[[str], None]
    subject: str
    """The id of a job or worker."""


class Deadlines:
    """A heap of deadlines."""

    def __init__(self) -> None:
        self._heap: list[Deadline] = []
        self._sequence = count()

    def add(self, at: float, check: Callable[[str], None], subject: str) -> None:
        """Add a deadline."""
        heapq.heappush(self._heap, Deadline(at, next(self._sequence), check, subject))

    @property
    def next_at(self) -> float | None:
        """The time of the earliest deadline."""
        return self._heap[0].at if self._heap else None

    def pop_due(self, now: float) -> Deadline | None:
        """Remove and return the earliest deadline that is due by now."""
        return heapq.heappop(self._heap) if self._heap and self._heap[0].at <= now else None


class WaitingJobs:
    """The ids of the waiting jobs. Low-priority jobs come after all others."""

    def __init__(self) -> None:
        self._normal: OrderedDict[str, None] = OrderedDict()
        self._low: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._normal) + len(self._low)

    def add(self, job_id: str, *, low_priority: bool, first: bool = False) -> None:
        """Add a job at the end, or put it back at the front."""
        queue = self._low if low_priority else self._normal
        queue[job_id] = None
        queue.move_to_end(job_id, last=not first)

    def pop(self) -> str | None:
        """Remove and return the next job."""
        queue = self._normal or self._low
        return queue.popitem(last=False)[0] if queue else None

    def discard(self, job_id: str) -> None:
        """Remove a job, if it waits."""
        self._normal.pop(job_id, None)
        self._low.pop(job_id, None)

    def clear(self) -> list[str]:
        """Remove all jobs and return their ids in order."""
        ids = [*self._normal, *self._low]
        self._normal.clear()
        self._low.clear()
        return ids
