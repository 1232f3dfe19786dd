"""Who waits for jobs of each endpoint at this moment, and what waiting has taught about the endpoint."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from threading import Lock
from typing import Any, final

from runpod_typed._core.crowd import Crowd
from runpod_typed._core.schedule import MS
from runpod_typed._models.jobs import JobState
from runpod_typed._models.poll_policy import RunTimes

_REMEMBERED_RUNS = 8


def _no_runs() -> deque[float]:
    return deque(maxlen=_REMEMBERED_RUNS)


@final
class Seat:
    """A place in the waiting room. A class: a generator as a context manager costs twice as much."""

    __slots__ = ("_endpoint_id", "_lock", "_waiting")

    def __init__(self, lock: Lock, waiting: Counter[str], endpoint_id: str) -> None:
        self._lock = lock
        self._waiting = waiting
        self._endpoint_id = endpoint_id

    def __enter__(self) -> None:
        with self._lock:
            self._waiting[self._endpoint_id] += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._waiting[self._endpoint_id] -= 1


@final
class WaitingRoom:
    """Shared by all that share a client's connections, threads and tasks alike."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: Counter[str] = Counter()
        self._without_long_poll: set[str] = set()
        self._next_turn: dict[str, float] = {}
        self._run_times: defaultdict[str, deque[float]] = defaultdict(_no_runs)

    def seat(self, endpoint_id: str) -> Seat:
        """Count as one who waits, for as long as the block lasts."""
        return Seat(self._lock, self._waiting, endpoint_id)

    def waiting(self, endpoint_id: str) -> int:
        """How many wait right now."""
        return self._waiting[endpoint_id]

    def turn(self, endpoint_id: str, crowd: Crowd, now: float) -> float:
        """Seconds until the turn of somebody who wants to look next, first come, first served.

        Whoever left without looking leaves a gap behind, which is why a turn is never further away than all who wait.
        """
        with self._lock:
            at = min(max(now, self._next_turn.get(endpoint_id, now)), now + crowd.interval)
            self._next_turn[endpoint_id] = at + crowd.spacing
        return at - now

    def holds_answers(self, endpoint_id: str) -> bool:
        """Whether long-polling works, as far as is known."""
        return endpoint_id not in self._without_long_poll

    def does_not_hold_answers(self, endpoint_id: str) -> None:
        """Remember that long-polling does not work."""
        with self._lock:
            self._without_long_poll.add(endpoint_id)

    def has_ended(self, endpoint_id: str, state: JobState[Any]) -> None:
        """Learn how long a job has run: one that failed, or was ended, tells nothing of the next."""
        if state.succeeded and state.execution_time_ms is not None:
            with self._lock:
                self._run_times[endpoint_id].append(state.execution_time_ms / MS)

    def run_times(self, endpoint_id: str) -> RunTimes | None:
        """How long the endpoint's last jobs have run; None where none was seen to end."""
        with self._lock:
            return RunTimes.of(self._run_times[endpoint_id])
