"""The number of jobs that a map keeps in flight."""

from __future__ import annotations

from typing import Final, final

from runpod_typed._core.operations import STATUS
from runpod_typed._models.health import EndpointHealth
from runpod_typed._models.rate_limits import RateLimits, limit_for

_FIRST: Final = 32
_LEAST: Final = 8
_WAITING_PER_WORKER: Final = 2
_WAITING_SPARE: Final = 8
_UNLIMITED: Final = 2000


def _most() -> int:
    """Return the number of jobs that can each be polled once in a window of the published limit."""
    limit = limit_for(RateLimits(), STATUS.name)
    return _UNLIMITED if limit is None else limit[1].requests


@final
class ConcurrencyControl:
    """Keeps the workers of an endpoint busy and its queue short.

    The number doubles while the queue is short, and falls by the jobs that wait in excess.

    Args:
        fixed: The number that the caller chose, or None.
    """

    def __init__(self, fixed: int | None) -> None:
        self._fixed = fixed is not None
        self.target = _FIRST if fixed is None else fixed

    def observe(self, health: EndpointHealth, in_flight: int) -> None:
        """Adapt to the endpoint's workers and queue while the map has `in_flight` jobs."""
        if self._fixed:
            return
        workers = health.workers.running + health.workers.idle + health.workers.initializing
        excess = health.jobs.in_queue - (_WAITING_PER_WORKER * workers + _WAITING_SPARE)
        if excess > 0:
            self.target = max(_LEAST, min(self.target, in_flight) - excess)
        elif in_flight >= self.target:
            self.target = min(_most(), 2 * self.target)
