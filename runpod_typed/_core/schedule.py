"""Poll schedule: when a wait polls next, for how long the server may delay its response, and when the wait ends.

The loop that follows it is `runpod_typed._async.polling.AsyncWatch.poll`.
"""

from __future__ import annotations

import math
from enum import Enum
from functools import lru_cache
from random import Random
from typing import Final, NamedTuple

from runpod_queue_api import wire

from runpod_typed._core.call import RateLimitTimeoutError
from runpod_typed._core.config import CallConfig
from runpod_typed._core.poll_slots import FREE_SLOT, PollSlot
from runpod_typed._core.retries import Failure, GiveUp, is_allowed
from runpod_typed._models.durations import Duration, to_seconds
from runpod_typed._models.jobs import JobState
from runpod_typed._models.poll_policy import PollPolicy
from runpod_typed._models.retry_policy import OperationKind, RetryPolicy
from runpod_typed._models.stream import StreamPage
from runpod_typed.errors import APIError, ConfigurationError

MS = 1000
SHORTEST_LONG_POLL_MS = wire.WAIT_MIN_MS

# The official clients long-poll for up to 90 s, and the platform's edge gives up at about 100 s. The response must also
# arrive within the timeout of one attempt: the margin, or half of a short timeout, is left for the network.
_LONGEST_LONG_POLL = min(80.0, wire.WAIT_MAX_MS / MS, wire.STREAM_WAIT_MAX_MS / MS)
_ATTEMPT_MARGIN = 5.0
_SHORTEST_LONG_POLL = wire.WAIT_MIN_MS / MS

# A long poll that returns an unfinished job much sooner than asked was not delayed by the server.
_DELAYED_AT_LEAST = 0.5

# Without long polling, the pause is this share of the time that the wait has lasted: half of all jobs are seen late by
# a tenth of their run time or less.
_PAUSE_SHARE = 0.2
_STREAM_LONGEST_PAUSE = 1.0

# A stream of a job that runs already holds its first chunks back for this long.
_HOLD_BACK = 2.0

# Events poll often at first and then by short long polls, since a long poll does not return when progress changes.
_EVENT_PAUSE = 0.25
_EVENT_SHARE = 0.1
_EVENT_SHORT_POLLS = 10.0
_EVENT_LONGEST_LONG_POLL = 5.0

# The last poll is over this many seconds before the caller's limit. If the job is queued, more time is left to ask for
# the endpoint's health: this many seconds, or this share of a short limit.
_LAST_POLL = 0.1
_DIAGNOSIS = 0.5
_DIAGNOSIS_SHARE = 0.1

# Pauses between failed polls double from the first to the longest.
_FIRST_RETRY_PAUSE = 0.25
_LONGEST_RETRY_PAUSE = 30.0

# A success whose body is not JSON may pass (a page of a proxy), but not if it comes this many times in a row.
_UNREADABLE_RESPONSES = 5

# After a 404, a job that was last seen unfinished may become visible in a moment.
_NOT_FOUND_SECONDS = 10.0


class Watching(Enum):
    """The part of a job's life that a wait is for."""

    RESULT = "result"
    CHANGES = "changes"
    CHUNKS = "chunks"


class Limit(Enum):
    """A limit of the caller."""

    TIMEOUT = "timeout"
    QUEUE_TIMEOUT = "queue_timeout"


class PollStep(NamedTuple):
    """The next poll."""

    delay: float = 0.0
    """Seconds to sleep before it."""
    long_poll_ms: int | None = None
    """Milliseconds that the server may delay its response; None for a plain poll."""
    crowded: bool = False
    """True if it is plain because too many long polls were open."""


class LimitReached(NamedTuple):
    """The wait ends after a delay, since a limit of the caller is over or leaves no time for another poll."""

    limit: Limit
    delay: float = 0.0


class FailedPolls(NamedTuple):
    """Failed polls in a row."""

    since: float
    failures: int
    unreadable: int
    """The number of responses at its end whose body was not JSON."""
    next_poll_at: float
    retry_after_at: float = -math.inf
    """The time before which the server asked not to be polled."""


PLAIN_POLL: Final = PollStep()
SHORTEST_POLL: Final = PollStep(long_poll_ms=SHORTEST_LONG_POLL_MS)


class PollSchedule(NamedTuple):
    """One wait for one job at one moment, from which its next poll follows.

    All times are seconds on one monotonic clock.
    """

    config: CallConfig
    started_at: float
    watching: Watching = Watching.RESULT
    timeout: float | None = None
    """The caller's limit for the whole wait; 0 polls once."""
    queue_timeout: float | None = None
    """The caller's limit until a worker has the job; None once one has it."""
    known: bool = False
    """True if the job's state is known before the first poll, which need not be made at once then."""
    queued: bool = True
    """True if the job may still be waiting for a worker."""
    polls: int = 0
    at_once: bool = True
    """True if the last response was delayed by the server, or brought chunks, so that the next poll needs no pause."""
    crowded: bool = False
    """True if the last poll was plain because too many long polls were open."""
    outage: FailedPolls | None = None

    @classmethod
    def starting(
        cls,
        config: CallConfig,
        now: float,
        *,
        timeout: float | None,
        queue_timeout: float | None = None,
        watching: Watching = Watching.RESULT,
        seen: JobState[object] | None = None,
    ) -> PollSchedule:
        """Return the schedule of a wait that starts now."""
        started = seen is not None and seen.started
        return cls(
            config=config,
            started_at=now,
            watching=watching,
            timeout=timeout,
            queue_timeout=None if started else queue_timeout,
            known=seen is not None,
            queued=not started,
        )

    @property
    def call_config(self) -> CallConfig:
        """The options of one poll: a single attempt, since the schedule decides what follows if it fails."""
        return _single_attempts(self.config)

    @property
    def polls_once(self) -> bool:
        """True if it is a single poll."""
        return self.timeout == 0

    def poll_deadline(self, now: float) -> float | None:
        """Return the time at which a poll that begins now must be over, or None.

        With a limit of 0 it may last as long as an attempt, the wait for its permit included.
        """
        limits = [limit for limit in (self.timeout, self.queue_timeout) if limit is not None]
        return min((self.started_at + limit if limit else now + self.config.timeout for limit in limits), default=None)

    def diagnosis_deadline(self, now: float) -> float:
        """Return the time at which the endpoint's health must be known for the error of a wait that ends now."""
        moment = now + self.config.timeout
        if self.queue_timeout:
            moment = max(self.started_at + self.queue_timeout, now) + _LAST_POLL
        return moment if not self.timeout else min(moment, self.started_at + self.timeout)

    @property
    def first_limit(self) -> Limit:
        """The limit that ends first; the queue timeout if both end together."""
        return Limit.QUEUE_TIMEOUT if self._queue_end() <= self._timeout_end() else Limit.TIMEOUT

    def next(
        self, now: float, random: Random, *, slot: PollSlot = FREE_SLOT, long_poll: bool
    ) -> PollStep | LimitReached:
        """Return the next poll, or the limit that leaves no time for it.

        Args:
            now: The time.
            random: The source of jitter.
            slot: This waiter's turn under the rate limit.
            long_poll: Whether the server supports long polling, as far as is known.
        """
        remaining = max(0.0, self._last_poll_end() - now)
        if self.outage is not None and self.outage.retry_after_at > now + remaining:
            return LimitReached(self.first_limit, remaining)
        if self.polls > 0 and remaining == 0:  # the first poll is always made: timeout=0 polls once
            return LimitReached(self.first_limit)
        if self.polls_once:
            return SHORTEST_POLL if self.watching is Watching.CHUNKS else PLAIN_POLL
        elapsed = now - self.started_at
        often = self.watching is Watching.CHANGES and (self.polls == 0 or elapsed < _EVENT_SHORT_POLLS)
        # Chunks come by long polls alone.
        long_polls = self.watching is Watching.CHUNKS or (long_poll and self.config.poll.long_poll and not often)
        longest = self._longest_long_poll(elapsed) if long_polls else 0.0
        delay = min(self._pause(now, random, slot, longest, often=often), remaining)
        share = max(slot.longest, _SHORTEST_LONG_POLL) if self.watching is Watching.CHUNKS else slot.longest
        seconds = min(longest, share, remaining - delay)
        return PollStep(delay=delay, long_poll_ms=int(seconds * MS) if seconds >= _SHORTEST_LONG_POLL else None)

    def succeeded(self, step: PollStep, response: JobState[object] | StreamPage, took: float) -> PollSchedule:
        """Return the schedule after a response that took that many seconds."""
        if isinstance(response, JobState) and response.done and self.outage is None:
            return self  # no poll follows
        delayed = step.long_poll_ms is not None and took >= _DELAYED_AT_LEAST * step.long_poll_ms / MS
        flowing = isinstance(response, StreamPage) and bool(response.chunks)
        return self._replace(
            polls=self.polls + 1,
            at_once=delayed or flowing,
            crowded=step.crowded,
            queued=self.queued and not response.started,
            queue_timeout=None if response.started else self.queue_timeout,
            outage=None,
        )

    def failed(
        self, error: APIError, *, asked_at: float, now: float, random: Random
    ) -> PollSchedule | LimitReached | GiveUp:
        """Return the schedule after a failed poll, or the reason why no other poll follows."""
        if isinstance(error, RateLimitTimeoutError):
            return LimitReached(self.first_limit)
        failure, before = Failure.of(error), self.outage or FailedPolls(asked_at, 0, 0, now)
        since, failures = before.since, before.failures + 1
        unreadable = before.unreadable + 1 if failure.unreadable else 0
        retryable = is_allowed(self.config.retry, OperationKind.READ, error, attempt=failures, elapsed=now - since)
        if not retryable or unreadable == _UNREADABLE_RESPONSES:
            return GiveUp()
        retry_after = failure.retry_after or 0.0
        pause = min(_LONGEST_RETRY_PAUSE, _FIRST_RETRY_PAUSE * 2.0 ** min(failures - 1, 10)) * random.uniform(0.5, 1)
        next_poll_at = now + max(pause, retry_after)
        if self.timeout is None:
            end = since + self.config.poll.max_outage
            if now >= end or now + retry_after > end:
                asked = f", and the server asks to wait {retry_after:g} s" if now < end else ""
                return GiveUp(
                    f"Gave up after polls failed for {now - since:.3g} s{asked}; PollPolicy.max_outage is "
                    f"{self.config.poll.max_outage:g} s."
                )
            next_poll_at = min(next_poll_at, end)
        return self._replace(
            polls=self.polls + 1,
            at_once=False,
            crowded=False,
            outage=FailedPolls(since, failures, unreadable, next_poll_at, retry_after_at=now + retry_after),
        )

    def _queue_end(self) -> float:
        return math.inf if self.queue_timeout is None else self.started_at + self.queue_timeout

    def _timeout_end(self) -> float:
        return math.inf if self.timeout is None else self.started_at + self.timeout

    def _last_poll_end(self) -> float:
        """Return the time at which the last poll must be over, which leaves time to say why a queued job waits."""
        if self.timeout is None and self.queue_timeout is None:
            return math.inf
        end = min(self._queue_end(), self._timeout_end())
        diagnosis = min(_DIAGNOSIS, _DIAGNOSIS_SHARE * (end - self.started_at)) if self.queued else 0.0
        return end - max(_LAST_POLL, diagnosis)

    def _longest_long_poll(self, elapsed: float) -> float:
        timeout = self.config.timeout
        longest = min(_LONGEST_LONG_POLL, timeout - min(_ATTEMPT_MARGIN, timeout / 2))
        if self.watching is Watching.CHANGES:
            return min(longest, _EVENT_LONGEST_LONG_POLL, max(_SHORTEST_LONG_POLL, _EVENT_SHARE * elapsed))
        return longest

    def _pause(self, now: float, random: Random, slot: PollSlot, longest: float, *, often: bool) -> float:
        if self.outage is not None:
            return max(slot.delay, self.outage.next_poll_at - now)
        elapsed, crowd = now - self.started_at, math.isfinite(slot.longest)
        if often:
            pause = 0.0 if self.polls == 0 else max(_EVENT_PAUSE, _EVENT_SHARE * elapsed)
            return max(pause, slot.delay) if crowd or pause else 0.0
        at_once = self.at_once if longest else self.polls == 0 and not self.known
        if at_once or (longest and crowd and self.crowded):
            return slot.delay if crowd else 0.0
        return max(slot.delay, _interval(self.config.poll, elapsed, random, self.watching))


@lru_cache(maxsize=64)
def _single_attempts(config: CallConfig) -> CallConfig:
    return config.replace(retry=RetryPolicy.disabled())


def _interval(policy: PollPolicy, elapsed: float, random: Random, watching: Watching) -> float:
    most = _STREAM_LONGEST_PAUSE if watching is Watching.CHUNKS else math.inf
    pause = min(policy.max_interval, max(policy.min_interval, _PAUSE_SHARE * elapsed), most)
    return pause * (1 + random.uniform(-policy.jitter, policy.jitter))


def hold_back_until(schedule: PollSchedule) -> float:
    """Return the time until which a stream of a job that was reconnected to while it ran holds its chunks back.

    If the job finishes by then, and its output has all chunks, the ones that another reader took are replayed.
    """
    share = math.inf if schedule.timeout is None else schedule.timeout / 2
    return schedule.started_at + min(_HOLD_BACK, share)


def pause_after_not_found(attempt: int, elapsed: float, remaining: float) -> float | None:
    """Return the seconds until a job is asked for again that was last seen unfinished, or None to give up.

    Args:
        attempt: The number of 404s in a row.
        elapsed: Seconds since the first of them.
        remaining: Seconds until the caller's limit.
    """
    left = min(_NOT_FOUND_SECONDS - elapsed, remaining - _LAST_POLL)
    return None if left <= 0 else min(left, _FIRST_RETRY_PAUSE * 2.0 ** min(attempt - 1, 3))


def ttl_ms(ttl: Duration | None) -> int | None:
    """Return the milliseconds of a `ttl=` argument, or None.

    Raises:
        ConfigurationError: It is 0, or longer than any job lives.
    """
    if ttl is None:
        return None
    seconds = to_seconds(ttl, "ttl=")
    if not 0 < seconds <= wire.TTL_MAX_MS / MS:
        raise ConfigurationError(
            f"ttl= must be above 0 and at most {wire.TTL_MAX_MS / MS:g} s (seconds, not milliseconds), not "
            f"{seconds:g} s."
        )
    return max(1, round(seconds * MS))


def run_sync_long_poll_ms(*, remaining: float | None, attempt_timeout: float) -> int | None:
    """Return the milliseconds that a submission's response may be delayed, or None if there is no time for any.

    The shortest delay makes the job's id known within a second; after that an interrupt cannot lose the job.
    """
    longest = min(attempt_timeout / 2, math.inf if remaining is None else remaining - 1)
    return None if longest < _SHORTEST_LONG_POLL else SHORTEST_LONG_POLL_MS
