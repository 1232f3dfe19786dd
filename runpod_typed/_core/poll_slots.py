"""Poll slots: share the rate limit on status requests between all waiters for the jobs of an endpoint."""

from __future__ import annotations

import math
from collections import defaultdict
from http import HTTPStatus
from threading import RLock
from typing import Final, NamedTuple, Self, final
from weakref import ref

from runpod_typed._core.rate_limiter import RateLimitUsage
from runpod_typed._models.rate_limits import RateLimit

# Share of the requests that may be open at once that waiters plan to use for long polls. The rest is for other calls
# that count to the same limit.
_LONG_POLL_SHARE = 0.75

# Share above which no further long poll is started.
_MAX_LONG_POLL_SHARE = 0.9

# Share of the requests in a window that waiters plan to use.
_REQUEST_SHARE = 0.85

# A job is no longer long-polled after this many 404s in a row while its status is known, and no job is after several
# such jobs, or after many with a single 404: the server does not support long polling. A minute later it is tried
# again.
_MISSES_PER_JOB = 2
_JOBS_WITHOUT_LONG_POLL = 3
_JOBS_WITH_A_MISS = 30
_LONG_POLL_RETRY_SECONDS = 60.0


class PollSlot(NamedTuple):
    """The next turn of one waiter."""

    delay: float = 0.0
    """Seconds until its poll keeps all waiters together within the rate limit."""
    longest: float = math.inf
    """Seconds that its long poll may last so that all waiters get a turn; infinity if all may long-poll at once."""


FREE_SLOT: Final = PollSlot()
"""The slot of a waiter that no limit slows down."""


def long_poll_share(waiters: int, limit: RateLimit | None) -> float:
    """Return the share of the time, up to 1, for which each waiter may have a long poll open."""
    return min(1.0, _long_polls(limit, _LONG_POLL_SHARE) / max(1, waiters))


def spacing(limit: RateLimit | None) -> float:
    """Return the seconds between two polls of any two waiters that keep them all within the limit."""
    return 0.0 if limit is None else limit.window / (limit.requests * _REQUEST_SHARE)


def has_room(usage: RateLimitUsage | None) -> bool:
    """Tell whether one more long poll may be started now."""
    return usage is None or usage.open < _long_polls(usage.limit, _MAX_LONG_POLL_SHARE)


def _long_polls(limit: RateLimit | None, share: float) -> float:
    if limit is None or limit.concurrent is None:
        return math.inf
    return max(1.0, limit.concurrent * share)


@final
class Registration:
    """A waiter, for the length of a ``with`` block.

    It counts for as long as the object lives: an interrupt that prevents the block's exit leaves nothing behind.
    """

    __slots__ = ("__weakref__", "_ref", "_waiters")

    def __init__(self, waiters: set[ref[Registration]]) -> None:
        self._waiters = waiters
        self._ref: ref[Registration] = ref(self, waiters.discard)  # a C function: an interrupt cannot get lost in it
        waiters.add(self._ref)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._waiters.discard(self._ref)


class _Misses(NamedTuple):
    """404s in a row to long polls of one job, although its status is known."""

    number: int
    last_at: float

    def at(self, now: float) -> int:
        return self.number if now < self.last_at + _LONG_POLL_RETRY_SECONDS else 0


_NO_MISSES: Final = _Misses(0, -math.inf)


class _Endpoint:
    def __init__(self) -> None:
        self.waiters = set[ref[Registration]]()
        self.next_slot = -math.inf
        self.no_long_poll_until = -math.inf
        self.misses = dict[str, _Misses]()  # refused long polls by job


@final
class PollScheduler:
    """Polling state of one client, shared by all its threads and tasks."""

    def __init__(self) -> None:
        self._lock = RLock()  # a signal handler may poll too
        self._endpoints: defaultdict[str, _Endpoint] = defaultdict(_Endpoint)

    def register(self, endpoint_id: str) -> Registration:
        """Return a context manager; the caller counts as a waiter until its block ends."""
        return Registration(self._endpoints[endpoint_id].waiters)

    def waiters(self, endpoint_id: str) -> int:
        """Return the number of waiters at this moment."""
        return len(self._endpoints[endpoint_id].waiters)

    def slot(self, endpoint_id: str, usage: RateLimitUsage | None, now: float) -> PollSlot:
        """Reserve the next poll of a waiter, first come, first served.

        A waiter that leaves early leaves an unused slot, so the delay is capped at one full round.
        """
        if usage is None:
            return FREE_SLOT
        state, gap = self._endpoints[endpoint_id], spacing(usage.limit)
        waiters = len(state.waiters)
        with self._lock:
            at = min(max(now, state.next_slot), now + waiters * gap)
            state.next_slot = at + gap
        share = long_poll_share(waiters, usage.limit)
        return PollSlot(at - now, math.inf if share == 1 else waiters * gap * share)

    def supports_long_poll(self, endpoint_id: str, job_id: str, now: float) -> bool:
        """Tell whether long-polling the job is worth a try."""
        state = self._endpoints[endpoint_id]
        return now >= state.no_long_poll_until and state.misses.get(job_id, _NO_MISSES).at(now) < _MISSES_PER_JOB

    def long_poll_succeeded(self, endpoint_id: str) -> None:
        """Forget refusals: the server supports long polling."""
        self._endpoints[endpoint_id].misses.clear()

    def long_poll_refused(self, endpoint_id: str, job_id: str, status: int, now: float) -> None:
        """Note a 404 or 405 to a long poll, although the job's status is known.

        A 405 turns long polling off for a minute, and so do repeated 404s on several jobs, or 404s on many.
        """
        state = self._endpoints[endpoint_id]
        with self._lock:
            state.misses = {job: misses for job, misses in state.misses.items() if misses.at(now)}
            state.misses[job_id] = _Misses(state.misses.get(job_id, _NO_MISSES).number + 1, now)
            jobs = sum(misses.number >= _MISSES_PER_JOB for misses in state.misses.values())
            unsupported = jobs >= _JOBS_WITHOUT_LONG_POLL or len(state.misses) >= _JOBS_WITH_A_MISS
            if status == HTTPStatus.METHOD_NOT_ALLOWED or unsupported:
                state.misses.clear()
                state.no_long_poll_until = now + _LONG_POLL_RETRY_SECONDS
