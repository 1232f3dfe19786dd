"""How often to look for a job's end, where the server does not hold its answers."""

from __future__ import annotations

import math
from random import Random

from attrs import field, frozen

from runpod_typed._core.durations import Duration, to_seconds
from runpod_typed.errors import ConfigurationError


def _interval(value: Duration) -> float:
    return to_seconds(value, "an interval of a PollPolicy")


@frozen(kw_only=True)
class PollPolicy:
    """How to look for a job's end.

    Args:
        long_poll: Whether to let the server hold its answer until the job has ended. Where the server does not offer
            that, the client finds out and polls.
        min_interval: Seconds (or a timedelta) between two looks at first, when polling; above 0.
        max_interval: Seconds (or a timedelta) between two looks at most; not below `min_interval`, and finite. In
            between, the interval grows with the square root of the time that the wait has lasted.
        jitter: By which part of itself an interval varies at random, up and down, 0 to 1; it keeps many waiters from
            asking at the same moment.

    Raises:
        ConfigurationError: A value is out of its range.
    """

    long_poll: bool = True
    min_interval: float = field(default=0.25, converter=_interval)
    max_interval: float = field(default=15.0, converter=_interval)
    jitter: float = 0.1

    def __attrs_post_init__(self) -> None:
        if not 0 < self.min_interval <= self.max_interval or math.isinf(self.max_interval):
            raise ConfigurationError(
                "PollPolicy.min_interval must be above 0 and not above max_interval, and they were "
                f"{self.min_interval:g} s and {self.max_interval:g} s."
            )
        if not 0 <= self.jitter <= 1:
            raise ConfigurationError(f"PollPolicy.jitter must be 0 to 1, and was {self.jitter!r}.")

    def interval(self, elapsed: float, random: Random) -> float:
        """Seconds until the next look.

        Args:
            elapsed: Seconds that the wait has lasted, 0 or more.
            random: Where the jitter comes from.
        """
        # Looks at 0.25, 0.9, 2.1, 4, 6.6, 10 ... 55 s: 13 of them in the first minute. A job's end after a minute is
        # seen 5 s late on average, a twelfth of its run time.
        steady = min(self.max_interval, max(self.min_interval, 1.3 * math.sqrt(elapsed)))
        return steady * (1 + random.uniform(-self.jitter, self.jitter))
