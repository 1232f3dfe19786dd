"""An alarm clock: things that are due at a time, the earliest first."""

import heapq
from enum import Enum, auto
from itertools import count

from attrs import field, frozen


class Due(Enum):
    """What is due. Entries are hints: the engine looks again before it acts, so a stale one does no harm."""

    JOB_EXPIRY = auto()
    EXECUTION_TIMEOUT = auto()
    ORPHAN_CHECK = auto()
    WORKER_CHECK = auto()


@frozen(order=True)
class Deadline:
    """One entry: `subject` is a job or worker id."""

    at: float
    sequence: int
    due: Due = field(order=False)
    subject: str = field(order=False)


class Deadlines:
    """A heap of deadlines."""

    def __init__(self) -> None:
        self._heap: list[Deadline] = []
        self._sequence = count()

    def add(self, at: float, due: Due, subject: str) -> None:
        """Remember that something is due."""
        heapq.heappush(self._heap, Deadline(at, next(self._sequence), due, subject))

    @property
    def next_at(self) -> float | None:
        """When the earliest is due, if there is one."""
        return self._heap[0].at if self._heap else None

    def pop_due(self, now: float) -> Deadline | None:
        """Take out the earliest that is due by now."""
        if self._heap and self._heap[0].at <= now:
            return heapq.heappop(self._heap)
        return None
