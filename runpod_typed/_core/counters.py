"""The running counts of many jobs."""

from __future__ import annotations

from random import Random
from typing import Any, final

from runpod_typed._models.jobs import JobState
from runpod_typed._models.map_results import MapProgress, MapResult, MapStats
from runpod_typed.errors import SubmissionUncertainError

_COLD_START_SECONDS = 5.0
_SAMPLE_SIZE = 2048


@final
class _Sample:
    """A uniform sample of numbers, of bounded size."""

    def __init__(self) -> None:
        self._values: list[float] = []
        self._seen = 0
        self._random = Random(0)

    def add(self, value: float) -> None:
        self._seen += 1
        if len(self._values) < _SAMPLE_SIZE:
            self._values.append(value)
        elif (place := int(self._random.random() * self._seen)) < _SAMPLE_SIZE:
            self._values[place] = value

    def percentile(self, share: float) -> float | None:
        values = sorted(self._values)
        return values[min(len(values) - 1, int(share * len(values)))] if values else None


@final
class Counters:
    """The running counts of a map.

    Args:
        total: The number of inputs, or None if it is not known in advance.
        price_per_second: The price of one second of execution, or None.
    """

    def __init__(self, total: int | None = None, price_per_second: float | None = None) -> None:
        self.total: int | None = total
        self.submitted: int = 0
        self.in_flight: int = 0
        self.succeeded: int = 0
        self.failed: int = 0
        self.uncertain: int = 0
        self.from_journal: int = 0
        self.rate_limited: int = 0
        self._price = price_per_second
        self._jobs = self._cold_starts = 0
        self._execution_seconds = 0.0
        self._queue_times, self._execution_times = _Sample(), _Sample()

    @property
    def done(self) -> int:
        """Inputs with a result, good or bad."""
        return self.succeeded + self.failed + self.uncertain

    @property
    def cost(self) -> float | None:
        """The price of the execution time so far, or None without a price."""
        return None if self._price is None else self._execution_seconds * self._price

    def count_job(self, state: JobState[Any]) -> None:
        """Count a job that has finished."""
        self._jobs += 1
        if state.delay_time_ms is not None:
            delay = state.delay_time_ms / 1000
            self._queue_times.add(delay)
            self._cold_starts += delay > _COLD_START_SECONDS
        if state.execution_time_ms is not None:
            seconds = state.execution_time_ms / 1000
            self._execution_times.add(seconds)
            self._execution_seconds += seconds

    def count_result(self, result: MapResult[Any, Any]) -> None:
        """Count the result of an input."""
        if result.error is None:
            self.succeeded += 1
        elif isinstance(result.error, SubmissionUncertainError):
            self.uncertain += 1
        else:
            self.failed += 1
        self.from_journal += result.from_journal

    def stats(self) -> MapStats:
        """Return the counts at this moment."""
        return MapStats(
            submitted=self.submitted,
            in_flight=self.in_flight,
            succeeded=self.succeeded,
            failed=self.failed,
            uncertain=self.uncertain,
            from_journal=self.from_journal,
            rate_limited=self.rate_limited,
            queue_time_p50=self._queue_times.percentile(0.5),
            queue_time_p95=self._queue_times.percentile(0.95),
            execution_time_p50=self._execution_times.percentile(0.5),
            execution_time_p95=self._execution_times.percentile(0.95),
            cold_start_share=self._cold_starts / self._jobs if self._jobs else None,
            execution_seconds=self._execution_seconds,
            estimated_cost=self.cost,
        )

    def progress(self, elapsed: float) -> MapProgress:
        """Return the progress `elapsed` seconds after the map began."""
        return MapProgress(
            done=self.done,
            failed=self.failed + self.uncertain,
            in_flight=self.in_flight,
            total=self.total,
            elapsed=elapsed,
            rate=(self.done - self.from_journal) / elapsed if elapsed > 0 else 0.0,
        )
