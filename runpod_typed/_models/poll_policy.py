"""How often to look for a job's end, where the server does not hold its answers."""

from __future__ import annotations

import math
from collections.abc import Collection
from random import Random
from typing import Any

from attrs import Attribute, field, frozen

from runpod_typed._errors import ConfigurationError
from runpod_typed._models.durations import Duration, to_seconds

# Looks at 0.05, 0.7, 2.8, 6, 11, 17, 24, 32, 41, 52 and 63 s: a job's end after a minute is seen after 11 looks, and
# half of such ends 5.6 s late or less, which is 9 % of the run time. More looks early on would cost more than they
# gain.
_STEADY_PACE = 2.3
_STEADY_GROWTH = 0.4

# Where it is known how long an endpoint's jobs run, ends are expected from a bit before the shortest time until a bit
# after the longest. Looks come then at this share of the run time, so that half of them are late by half of it or less.
_EXPECTED_FROM = 0.8
_EXPECTED_UNTIL = 1.25
_EXPECTED_SHARE = 0.15

# Before that, an end is unlikely, and this many times fewer looks will do.
_SELDOM = 2.0


def _interval(value: Duration) -> float:
    return to_seconds(value, "an interval of a PollPolicy")


def _check_flag(_policy: PollPolicy, attribute: Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigurationError(f"PollPolicy.{attribute.name} must be True or False, and was {value!r}.")


@frozen(kw_only=True)
class PollPolicy:
    """How to look for a job's end.

    A client that polls learns how long an endpoint's jobs run, and looks more often when an end is likely.

    Args:
        long_poll: Whether to let the server hold its answer until the job has ended. Where the server does not offer
            that, the client finds out and polls.
        min_interval: Seconds (or a timedelta) between two looks at least, and before the first one, when polling; above
            0.
        max_interval: Seconds (or a timedelta) between two looks at most; not below `min_interval`, and finite. In
            between, the interval grows with the time that the job has run, or waits to.
        jitter: By which part of itself an interval varies at random, up and down, 0 to 1; it keeps many waiters from
            asking at the same moment.

    Raises:
        ConfigurationError: A value is out of its range.
    """

    long_poll: bool = field(default=True, validator=_check_flag)
    min_interval: float = field(default=0.05, converter=_interval)
    max_interval: float = field(default=15.0, converter=_interval)
    jitter: float = 0.1

    def __attrs_post_init__(self) -> None:
        if not 0 < self.min_interval <= self.max_interval or math.isinf(self.max_interval):
            raise ConfigurationError(
                "PollPolicy.min_interval must be above 0 and not above max_interval, and they were "
                f"{self.min_interval:g} s and {self.max_interval:g} s."
            )
        jitter: object = self.jitter  # what callers without a type checker pass
        if isinstance(jitter, bool) or not isinstance(jitter, int | float) or not 0 <= jitter <= 1:  # pyright: ignore[reportUnnecessaryIsInstance] -- see above
            raise ConfigurationError(f"PollPolicy.jitter must be 0 to 1, and was {self.jitter!r}.")


@frozen
class Age:
    """How long a job has run or waited, in seconds, as far as looks tell.

    Attributes:
        least: Since it was first seen as it is.
        most: Since it was last seen otherwise.
    """

    least: float
    most: float


@frozen
class RunTimes:
    """Between which bounds the run times of an endpoint's last jobs lie, in seconds."""

    shortest: float
    longest: float

    @classmethod
    def of(cls, seconds: Collection[float]) -> RunTimes | None:
        """The bounds of some run times; None where there are none."""
        return cls(min(seconds), max(seconds)) if seconds else None


def poll_interval(policy: PollPolicy, age: Age, random: Random, *, usual: RunTimes | None = None) -> float:
    """Seconds until the next look.

    Args:
        policy: What the caller wants.
        age: How long the job has run, or has waited to.
        random: Where the jitter comes from.
        usual: How long the endpoint's jobs run; None where that is not known, or the job does not run yet.
    """
    seconds = _STEADY_PACE * math.pow(age.most, _STEADY_GROWTH)
    if usual is not None and age.least <= _EXPECTED_UNTIL * usual.longest:
        until_expected = _EXPECTED_FROM * usual.shortest - age.most
        while_expected = _EXPECTED_SHARE * max(age.least, usual.shortest)
        if until_expected > 0:
            seconds *= _SELDOM
        seconds = min(seconds, max(until_expected, while_expected))
    steady = min(policy.max_interval, max(policy.min_interval, seconds))
    return steady * (1 + random.uniform(-policy.jitter, policy.jitter))
