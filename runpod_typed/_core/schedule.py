"""How a client waits for a job: when to look next, how, and when to stop.

Waiting is long-polling: the server holds the answer until the job has ended. Where it does not offer that, or where
more jobs are waited for than answers may be held at once, the client looks at intervals instead.
"""

from __future__ import annotations

import math
from enum import Enum
from functools import lru_cache
from http import HTTPStatus
from random import Random
from typing import Any

import attrs
from attrs import Factory, field, frozen
from runpod_queue_api import wire

from runpod_typed._core.call import TurnTooLateError
from runpod_typed._core.config import CallConfig
from runpod_typed._core.crowd import ALONE, Crowd
from runpod_typed._models.durations import Duration, to_seconds
from runpod_typed._models.jobs import JobState
from runpod_typed._models.poll_policy import Age, RunTimes, poll_interval
from runpod_typed._models.retry_policy import RetryPolicy
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

# Where no worker has the job in time, the endpoint's health tells why. The last look leaves it this many seconds, or
# this share of a short limit, and its answer may come that much after the limit, which is less than people notice.
_EXPLAINING = 0.5
_EXPLAINING_SHARE = 0.1
_EXPLAINED_AFTER = 0.1

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
        crowded_out: Whether it is plain because there was no room for one more answer that is held.
    """

    delay: float = 0.0
    hold_ms: int | None = None
    crowded_out: bool = False

    def in_crowd(self, crowd: Crowd) -> Look:
        """The look as it is made when its time has come: held only where there is room for that."""
        if self.hold_ms is None or crowd.has_place:
            return self
        return attrs.evolve(self, hold_ms=None, crowded_out=True)


@frozen(kw_only=True)
class Wait:
    """One wait for one job: what is known at a moment, from which the next step follows.

    All times are seconds on one monotonic clock.

    Attributes:
        config: How calls are made, and how to look.
        started_at: When the wait began.
        timeout: The caller's limit for the whole wait; None for none.
        queue_timeout: The caller's limit until a worker has the job; None for none, or once one has it.
        known: Whether something is known of the job before the first look, which need not come at once then.
        looks: How many looks were made.
        held: Whether the last look was held as asked, so that the next one needs no pause.
        crowded_out: Whether it was not, since there was no room.
        idle_at: When the job last was known not to run.
        running_at: When it was first seen running since; None where it was not.
        watch_progress: Whether changes before the end matter too.
    """

    config: CallConfig
    started_at: float
    timeout: float | None = None
    queue_timeout: float | None = None
    known: bool = False
    looks: int = 0
    held: bool = True
    crowded_out: bool = False
    idle_at: float = field(default=Factory(lambda wait: wait.started_at, takes_self=True))
    running_at: float | None = None
    watch_progress: bool = False

    @classmethod
    def beginning(
        cls,
        config: CallConfig,
        now: float,
        *,
        timeout: float | None,
        queue_timeout: float | None = None,
        known: bool = False,
        watch_progress: bool = False,
    ) -> Wait:
        """A wait that begins now. With a `timeout` of 0 it is one look, which is not repeated."""
        return cls(
            config=config.replace(retry=RetryPolicy.disabled()) if timeout == 0 else _with_time_to_hold(config),
            started_at=now,
            timeout=timeout,
            queue_timeout=queue_timeout,
            known=known,
            watch_progress=watch_progress,
        )

    @property
    def asks_once(self) -> bool:
        """Whether it is a single look."""
        return self.timeout == 0

    @property
    def look_deadline(self) -> float | None:
        """When an answer must be here; None for never. A limit of 0 leaves its one look the time of one attempt."""
        limits = [] if not self.timeout else [self.timeout]
        if self.queue_timeout is not None:
            limits.append(self.queue_timeout or self.config.timeout)
        return min((self.started_at + limit for limit in limits), default=None)

    def explain_by(self, now: float) -> float:
        """When the reason why no worker has the job must be here, now that it is asked for."""
        if not self.queue_timeout:
            return self.no_later_than(now + self.config.timeout)
        return self.no_later_than(self.started_at + self.queue_timeout + _EXPLAINED_AFTER)

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

    def ended_with(self, error: Exception, now: float) -> Ended | None:
        """Which of the caller's limits has ended, a look having failed; None where none has.

        A turn under the rate limits that would come after the end is refused before it.
        """
        refused_until = self.look_deadline if isinstance(error, TurnTooLateError) else None
        return self.ended(refused_until or now)

    def next(
        self,
        now: float,
        random: Random,
        *,
        holds: bool,
        crowd: Crowd = ALONE,
        turn: float = 0.0,
        usual: RunTimes | None = None,
    ) -> Look | Ended:
        """The next look, or why there is none.

        Args:
            now: The time.
            random: Where jitter comes from.
            holds: Whether the server is known, or hoped, to hold answers.
            crowd: All who wait for jobs of the endpoint.
            turn: Seconds until one more look keeps all of them below the rate limit.
            usual: How long the endpoint's jobs run; None where that is not known.
        """
        elapsed = now - self.started_at
        left, queue_left = self._left(elapsed), self._queue_left(elapsed)
        remaining = max(0.0, min(left, queue_left))
        # The first look is always made: timeout=0 asks once.
        if self.looks > 0 and remaining == 0:
            return Ended.TIMEOUT if left <= queue_left else Ended.QUEUE_TIMEOUT

        if self.watch_progress and (self.looks == 0 or elapsed < _EVENT_SHORT_LOOKS):
            pause = 0.0 if self.looks == 0 else max(_EVENT_INTERVAL, _EVENT_SHARE * elapsed, turn)
            return Look(delay=min(pause, remaining))
        longest = self._longest_hold(elapsed) if holds and self.config.poll.long_poll else 0.0
        pause = 0.0
        if longest == 0:
            at_once = self.looks == 0 and not self.known
        elif crowd.held_share == 1:
            at_once = self.held
        else:
            at_once, pause = self.held or self.crowded_out, turn
            longest = min(longest, crowd.interval * crowd.held_share)
        if not at_once:
            pause = max(turn, poll_interval(self.config.poll, self._age(now), random, usual=self._usual(usual)))
        pause = min(pause, remaining)
        hold = min(longest, remaining - pause)
        return Look(delay=pause, hold_ms=int(hold * MS) if hold >= _SHORTEST_HOLD else None)

    def _left(self, elapsed: float) -> float:
        """Seconds until the last look before the end of the whole wait."""
        return math.inf if self.timeout is None else self.timeout - elapsed - _LAST_LOOK

    def _queue_left(self, elapsed: float) -> float:
        """Seconds until the last look before the end of the queue timeout."""
        if self.queue_timeout is None:
            return math.inf
        explaining = min(_EXPLAINING, _EXPLAINING_SHARE * self.queue_timeout)
        return self.queue_timeout - elapsed - max(_LAST_LOOK, explaining)

    def _age(self, now: float) -> Age:
        if self.running_at is None:
            return Age(now - self.started_at, now - self.started_at)
        return Age(now - self.running_at, now - self.idle_at)

    def _usual(self, usual: RunTimes | None) -> RunTimes | None:
        return None if self.running_at is None else usual

    def _longest_hold(self, elapsed: float) -> float:
        longest = _longest_hold(self.config)
        if not self.watch_progress:
            return longest
        return min(longest, _EVENT_LONGEST_HOLD, max(_SHORTEST_HOLD, _EVENT_SHARE * elapsed))

    def looked(self, look: Look, state: JobState[Any], *, asked_at: float, answered_at: float) -> Wait:
        """What is known after a look: how long its answer took, and where the job stands by now."""
        if state.done:
            return self  # nothing comes after
        runs = state.status.is_running
        return attrs.evolve(
            self,
            looks=self.looks + 1,
            held=_was_held(look, answered_at - asked_at),
            crowded_out=look.crowded_out,
            queue_timeout=None if state.started else self.queue_timeout,
            idle_at=self.idle_at if runs else asked_at,
            running_at=(self.running_at or answered_at) if runs else None,
        )

    def drained(self, look: Look, *, took: float, chunks: int) -> Wait:
        """What is known after a look at a stream: how long its answer took, and how many chunks it brought."""
        return attrs.evolve(self, looks=self.looks + 1, held=chunks > 0 or _was_held(look, took))


def _longest_hold(config: CallConfig) -> float:
    return min(_LONGEST_HOLD, config.timeout - min(_ATTEMPT_MARGIN, config.timeout / 2))


@lru_cache(maxsize=64)
def _with_time_to_hold(config: CallConfig) -> CallConfig:
    """The options for looks: while the server holds an answer as asked, the budget stands still."""
    if not config.poll.long_poll:
        return config
    retry = config.retry
    budget = retry.budget + retry.attempts * _longest_hold(config)
    return config.replace(retry=attrs.evolve(retry, budget=budget))


def may_not_hold_answers(status: int) -> bool:
    """Whether a look that was to be held was refused since this server offers no such look, or knows no such job."""
    return status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}


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
    return config.replace(poll=poll)


def ttl_ms(ttl: Duration | None) -> int | None:
    """Milliseconds from a `ttl=` of the caller's; None where there is none.

    Raises:
        ConfigurationError: It is 0, or longer than any job lives.
    """
    if ttl is None:
        return None
    seconds = to_seconds(ttl, "ttl=")
    if not 0 < seconds <= wire.TTL_MAX_MS / MS:
        raise ConfigurationError(
            f"ttl= must be above 0 and at most {wire.TTL_MAX_MS / MS:g} s (seconds, not milliseconds), and was "
            f"{seconds:g} s."
        )
    return max(1, round(seconds * MS))


def run_sync_hold_ms(*, remaining: float | None, attempt_timeout: float) -> int | None:
    """Milliseconds that a submission's answer shall be held; None where there is too little time for it.

    The answer carries the job's id: it must come before the attempt ends, or the id is lost.
    """
    longest = min(_LONGEST_HOLD, attempt_timeout - _ATTEMPT_MARGIN)
    hold = longest if remaining is None else min(longest, remaining - 1)
    return None if hold < _SHORTEST_HOLD else int(hold * MS)
