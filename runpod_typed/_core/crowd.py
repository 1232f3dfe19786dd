"""How many wait for jobs of one endpoint, and what each may ask for, so that nobody starves."""

from __future__ import annotations

from attrs import frozen

from runpod_typed._core.rate_limit import RateLimit

# Of the answers that may be held open at once, this share is given to waits; the rest is for whatever else counts to
# the same limit.
_HELD_SHARE = 0.75

# Of the requests that may be sent in a window, this share is given to waits.
_ASKED_SHARE = 0.9


@frozen(kw_only=True)
class Crowd:
    """All who wait for jobs of one endpoint at a moment.

    Attributes:
        waiting: How many wait.
        limit: The limit on looks that holds now; None for none.
    """

    waiting: int
    limit: RateLimit | None

    @property
    def fits(self) -> bool:
        """Whether each may have an answer held open for it."""
        if self.limit is None or self.limit.concurrent is None:
            return True
        return self.waiting <= max(1.0, self.limit.concurrent * _HELD_SHARE)

    @property
    def interval(self) -> float:
        """Seconds between two looks of each below which all together would be above the limit."""
        if self.limit is None:
            return 0.0
        return self.waiting * self.limit.window / (self.limit.requests * _ASKED_SHARE)
