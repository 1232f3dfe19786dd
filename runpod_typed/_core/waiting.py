"""How a client waits for a job: when to look next, how, and when to stop.

Waiting is long-polling: the server holds the answer until the job has ended. Where it does not offer that, or where
more jobs are waited for than answers may be held at once, the client looks at growing intervals instead.
"""

from __future__ import annotations

import math
from enum import Enum
from random import Random

import attrs
from attrs import frozen
from runpod_queue_api import wire

from runpod_typed._core.config import CallConfig
from runpod_typed._core.durations import Duration, to_seconds
from runpod_typed._core.retry import RetryPolicy
from runpod_typed.errors import ConfigurationError

MS = 1000

# The official clients hold up to 90 s and the platform's edge gives up at about 100 s; an answer must also come within
# the client's timeout for one attempt, with some time left for the way: so many seconds, or half of a short timeout.
_LONGEST_HOLD = 80.0
_ATTEMPT_MARGIN = 5.0
_SHORTEST_HOLD = wire.WAIT_MIN_MS / MS
SHORTEST_HOLD_MS = wire.WAIT_MIN_MS

# An answer that comes back unfinished long before its hold is over was not held: then we pace ourselves, whatever the
# server promised.
_HELD_AT_LEAST = 0.5

_STREAM_LONGEST_PAUSE = 1.0

# The last look comes this many seconds before the caller's limit, so that its answer is in time.
_LAST_LOOK = 0.1

# Events want progress seen soon, which an answer that is held does not show: they look often at first, and then hold
# for a short while only.
_EVENT_INTERVAL = 0.25
_EVENT_SHARE = 0.1
_EVENT_SHORT_LOOKS = 10.0
_EVENT_LONGEST_HOLD = 5.0


class Ended(Enum):
    """Why a wait is over without the job's end."""

    TIMEOUT = "timeout"
    QUEUE_TIMEOUT = "queue_timeout"


@frozen(kw_only=True)
class Look:
    """The next look at the job.

    Attributes:
        delay: Seconds to sleep before it.
        hold_ms: Milliseconds that the server shall hold its answer; None for a plain look.
    """

    delay: float = 0.0
    hold_ms: int | None = None


@frozen(kw_only=True)
class Wait:
    """One wait for one job: what is known at a moment, from which the next step follows.

    All times are seconds on one monotonic clock.

    Attributes:
        config: How calls are made, and how to look.
        started_at: When the wait began.
        timeout: The caller's limit for the whole wait; None for none.
        queue_timeout: The caller's limit until a worker has the job; None for none, or once one has it.
        looks: How many looks were made.
        held: Whether the last look was held as asked, so that the next one needs no pause.
        watch_progress: Whether changes before the end matter too.
    """

    config: CallConfig
    started_at: float
    timeout: float | None = None
    queue_timeout: float | None = None
    looks: int = 0
    held: bool = True
    watch_progress: bool = False

    @classmethod
    def beginning(
        cls,
        config: CallConfig,
        now: float,
        *,
        timeout: float | None,
        queue_timeout: float | None = None,
        watch_progress: bool = False,
    ) -> Wait:
        """A wait that begins now. With a `timeout` of 0 it is one look, which is not repeated."""
        return cls(
            config=config.but(retry=RetryPolicy.none()) if timeout == 0 else _with_time_to_hold(config),
            started_at=now,
            timeout=timeout,
            queue_timeout=queue_timeout,
            watch_progress=watch_progress,
        )

    @property
    def asks_once(self) -> bool:
        """Whether it is a single look."""
        return self.timeout == 0

    @property
    def look_deadline(self) -> float | None:
        """When an answer must be here; None for never. A limit of 0 leaves its one look the time of one attempt."""
        return min((self.started_at + limit for limit in (self.timeout, self.queue_timeout) if limit), default=None)

    def no_later_than(self, moment: float) -> float:
        """The moment, or the end of the caller's limit for the whole wait where that is sooner."""
        return moment if not self.timeout else min(moment, self.started_at + self.timeout)

    def is_over(self, now: float) -> bool:
        """Whether the caller's limit for the whole wait has ended."""
        return self.timeout is not None and now >= self.started_at + self.timeout

    def ended(self, now: float) -> Ended | None:
        """Which of the caller's limits has ended; None where none has."""
        if self.is_over(now):
            return Ended.TIMEOUT
        late = self.queue_timeout is not None and now >= self.started_at + self.queue_timeout
        return Ended.QUEUE_TIMEOUT if late else None

    def next(self, now: float, random: Random, *, long_poll: bool, crowd_interval: float = 0.0) -> Look | Ended:
        """The next look, or why there is none.

        Args:
            now: The time.
            random: Where jitter comes from.
            long_poll: Whether the server is known, or hoped, to hold answers, and there is room for one more held
                answer.
            crowd_interval: Seconds between two looks below which all waiters together would be over the rate limit.
        """
        elapsed = now - self.started_at
        left = math.inf if self.timeout is None else self.timeout - elapsed
        queue_left = math.inf if self.queue_timeout is None else self.queue_timeout - elapsed
        # The first look is always made: timeout=0 asks once.
        remaining = min(left, queue_left)
        if self.looks > 0 and remaining <= _LAST_LOOK:
            return Ended.TIMEOUT if left <= queue_left else Ended.QUEUE_TIMEOUT

        if self.watch_progress and (self.looks == 0 or elapsed < _EVENT_SHORT_LOOKS):
            pause = 0.0 if self.looks == 0 else max(_EVENT_INTERVAL, _EVENT_SHARE * elapsed, crowd_interval)
            return Look(delay=min(pause, max(0.0, remaining - _LAST_LOOK)))
        holding = long_poll and self.config.poll.long_poll
        pause = 0.0
        if self.looks > 0 and not (holding and self.held):
            pause = max(self.config.poll.interval(elapsed, random), crowd_interval)
            pause = min(pause, remaining - _LAST_LOOK)
        hold = min(self._longest_hold(elapsed), remaining - pause - _LAST_LOOK)
        if not holding or hold < _SHORTEST_HOLD:
            return Look(delay=pause)
        return Look(delay=pause, hold_ms=int(hold * MS))

    def _longest_hold(self, elapsed: float) -> float:
        longest = _longest_hold(self.config)
        if not self.watch_progress:
            return longest
        return min(longest, _EVENT_LONGEST_HOLD, max(_SHORTEST_HOLD, _EVENT_SHARE * elapsed))

    def looked(self, look: Look, *, took: float, started: bool) -> Wait:
        """What is known after a look: how long its answer took, and whether a worker has the job by now."""
        return attrs.evolve(
            self,
            looks=self.looks + 1,
            held=_was_held(look, took),
            queue_timeout=None if started else self.queue_timeout,
        )

    def drained(self, look: Look, *, took: float, chunks: int) -> Wait:
        """What is known after a look at a stream: how long its answer took, and how many chunks it brought."""
        return attrs.evolve(self, looks=self.looks + 1, held=chunks > 0 or _was_held(look, took))


def _longest_hold(config: CallConfig) -> float:
    return min(_LONGEST_HOLD, config.timeout - min(_ATTEMPT_MARGIN, config.timeout / 2))


def _with_time_to_hold(config: CallConfig) -> CallConfig:
    """The options for looks: while the server holds an answer as asked, the budget stands still."""
    if not config.poll.long_poll:
        return config
    retry = config.retry
    budget = retry.budget + retry.attempts * _longest_hold(config)
    return config.but(retry=attrs.evolve(retry, budget=budget))


def _was_held(look: Look, took: float) -> bool:
    return look.hold_ms is not None and took >= _HELD_AT_LEAST * look.hold_ms / MS


def for_streaming(config: CallConfig) -> CallConfig:
    """The options for reading a stream: the server always holds its answer; where it does not, we look again soon."""
    poll = attrs.evolve(
        config.poll,
        long_poll=True,
        min_interval=min(config.poll.min_interval, _STREAM_LONGEST_PAUSE),
        max_interval=min(config.poll.max_interval, _STREAM_LONGEST_PAUSE),
    )
    return config.but(poll=poll)


def ttl_ms(ttl: Duration | None) -> int | None:
    """Milliseconds from a `ttl=` of the caller's; None where there is none.

    Raises:
        ConfigurationError: It is not above 0 and finite.
    """
    if ttl is None:
        return None
    seconds = to_seconds(ttl, "ttl=")
    if seconds == 0 or math.isinf(seconds):
        raise ConfigurationError(f"ttl must be above 0 and finite, and was {seconds:g} s.")
    return max(1, round(seconds * MS))


def run_sync_hold_ms(*, remaining: float | None, attempt_timeout: float) -> int | None:
    """Milliseconds that a submission's answer shall be held; None where there is too little time for it.

    The answer carries the job's id: it must come before the attempt ends, or the id is lost.
    """
    longest = min(_LONGEST_HOLD, attempt_timeout - _ATTEMPT_MARGIN)
    hold = longest if remaining is None else min(longest, remaining - 1)
    return None if hold < _SHORTEST_HOLD else int(hold * MS)
