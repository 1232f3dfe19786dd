"""How many wait for jobs of one endpoint, and what each may ask for, so that nobody starves."""

from __future__ import annotations

import math
from typing import Final

from attrs import frozen

from runpod_typed._models.rate_limits import RateLimit

# Of the answers that may be held open at once, this share is given to waits; the rest is for whatever else counts to
# the same limit.
_HELD_SHARE = 0.75

# Chance makes them more at times, up to this share.
_HELD_AT_MOST = 0.9

# Of the requests that may be sent in a window, this share is given to waits. What is left bears that thousands who
# begin to wait at one moment keep a program busy, so that its first looks come late, and then many together.
_ASKED_SHARE = 0.85


@frozen(kw_only=True)
class Crowd:
    """All who wait for jobs of one endpoint at a moment.

    Where they are more than answers may be held open at once, they take turns: each looks as often as the rate limit
    allows for all together, and its answers are held for its share of the time.

    Attributes:
        waiting: How many wait.
        limit: The limit on looks that holds now; None for none.
        asking: How many requests are open under that limit.
    """

    waiting: int
    limit: RateLimit | None
    asking: int = 0

    @property
    def held_share(self) -> float:
        """The share of the time for which each may have an answer held open for it, up to 1: all of it."""
        return min(1.0, self._places(_HELD_SHARE) / max(1, self.waiting))

    @property
    def has_place(self) -> bool:
        """Whether there is room now for one more answer that is held."""
        return self.asking < self._places(_HELD_AT_MOST)

    @property
    def spacing(self) -> float:
        """Seconds between two looks of any two of them, below which all together would be above the limit."""
        return 0.0 if self.limit is None else self.limit.window / (self.limit.requests * _ASKED_SHARE)

    @property
    def interval(self) -> float:
        """Seconds between two looks of each below which all together would be above the limit."""
        return self.waiting * self.spacing

    def _places(self, share: float) -> float:
        if self.limit is None or self.limit.concurrent is None:
            return math.inf
        return max(1.0, self.limit.concurrent * share)


ALONE: Final = Crowd(waiting=1, limit=None)
"""One who waits where no limit holds."""
