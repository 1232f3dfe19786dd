"""Rate limits: the published ones, from the specification, and the caller's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from attrs import Attribute, field, frozen
from attrs.validators import optional
from runpod_queue_api.wire import OPERATION_LIMITS

from runpod_typed._errors import ConfigurationError
from runpod_typed._models.durations import plain_seconds
from runpod_typed._models.validators import flag, seconds, whole_number

# The share of the published concurrency that stays unused: the server may count a request after its response was read,
# and an abandoned request for longer.
_HEADROOM = 0.05


@frozen(kw_only=True)
class RateLimit:
    """The number of requests that may be sent in a window of time, and that may be open at once.

    Example:
        ``RateLimit(requests=100, window=10, concurrent=20)``

    Raises:
        ConfigurationError: A value is out of its range.
    """

    requests: int = field(validator=whole_number(1))
    """The number of requests in any window; 1 or more."""
    window: float = field(default=10.0, converter=plain_seconds, validator=seconds(above_zero=True, finite=True))
    """The length of the window in seconds (or a timedelta); above 0."""
    concurrent: int | None = field(default=None, validator=optional(whole_number(1)))
    """The number of requests that may be open at once; None for no limit."""

    def __str__(self) -> str:
        at_once = "" if self.concurrent is None else f", {self.concurrent} at once"
        return f"{self.requests} requests in {self.window:g} s{at_once}"


def _copy(overrides: Mapping[str, RateLimit | None]) -> Mapping[str, RateLimit | None]:
    given: object = overrides  # callers without a type checker may pass anything
    return dict(overrides) if isinstance(given, Mapping) else overrides  # pyright: ignore[reportUnnecessaryIsInstance] -- see above


def _check_overrides(_limits: RateLimits, _attribute: Attribute[Any], overrides: object) -> None:
    if not isinstance(overrides, dict):
        raise ConfigurationError(
            f"RateLimits.overrides must be a dict of RateLimit or None by name, not {type(overrides).__name__}."
        )
    known = sorted({limit.budget for limit in OPERATION_LIMITS.values()})
    for budget, limit in cast("dict[object, object]", overrides).items():
        if budget not in known:
            raise ConfigurationError(
                f"RateLimits.overrides: there is no limit {budget!r}. The limits are {', '.join(known)}."
            )
        if limit is not None and not isinstance(limit, RateLimit):
            raise ConfigurationError(f"RateLimits.overrides: {budget!r} must be a RateLimit or None, not {limit!r}.")


@frozen(kw_only=True, cache_hash=True)  # every request looks its window up by it
class RateLimits:
    """The rate limits that a client keeps for each endpoint.

    The published limits hold by default. They are named ``run``, ``run_sync``, ``status`` (shared by status,
    waiting and streaming), ``cancel``, ``purge_queue``, ``requests`` and ``openai``. All threads, tasks and jobs of
    a client share them: a request above a limit waits, first come, first served, and a call whose time limit ends
    before its permit fails at once. After a 429 all requests under that limit pause.

    Example:
        ``Client(rate_limits=RateLimits(overrides={"run": RateLimit(requests=100)}))``

    Raises:
        ConfigurationError: There is no limit of that name, or a value is out of its range.
    """

    enabled: bool = field(default=True, validator=flag)
    """True if any limit holds."""
    overrides: Mapping[str, RateLimit | None] = field(
        factory=dict[str, RateLimit | None], converter=_copy, validator=_check_overrides, hash=False
    )
    """Limits by name that replace the published ones; None for no limit."""

    @classmethod
    def disabled(cls) -> RateLimits:
        """Return limits that limit nothing: only a 429 slows the client down."""
        return cls(enabled=False)


def limit_for(limits: RateLimits, operation: str) -> tuple[str, RateLimit] | None:
    """Return the budget and the limit of an operation, or None if it has no limit.

    Args:
        limits: The limits that the caller has chosen.
        operation: The operation's name in the specification.
    """
    published = OPERATION_LIMITS.get(operation)
    if published is None or not limits.enabled:
        return None
    if published.budget in limits.overrides:
        override = limits.overrides[published.budget]
        return None if override is None else (published.budget, override)
    concurrent = published.concurrent
    if concurrent is not None:
        concurrent = max(1, concurrent - math.ceil(concurrent * _HEADROOM))
    return published.budget, RateLimit(
        requests=published.requests, window=published.window_seconds, concurrent=concurrent
    )
