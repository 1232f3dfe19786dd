"""How fast a client may ask: the published rate limits, and what the caller says instead.

The figures come from the specification; `rate_budget` keeps them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from attrs import Attribute, field, frozen
from runpod_queue_api.wire import OPERATION_LIMITS

from runpod_typed._models.durations import plain_seconds, to_seconds
from runpod_typed.errors import ConfigurationError

# The share of the published concurrency that we leave unused: the server sees a request end after we have seen its
# answer, and an abandoned one later still.
_HEADROOM = 0.05


def _check_window(_limit: RateLimit, _attribute: Attribute[Any], value: float) -> None:
    if not 0 < to_seconds(value, "RateLimit.window") < math.inf:
        raise ConfigurationError(f"RateLimit.window must be a finite number of seconds above 0, and was {value!r}.")


def _check_count(_limit: RateLimit, attribute: Attribute[Any], value: object) -> None:
    if not _is_whole(value, 1):
        raise ConfigurationError(f"RateLimit.{attribute.name} must be a whole number of 1 or more, and was {value!r}.")


def _check_concurrent(limit: RateLimit, attribute: Attribute[Any], value: object) -> None:
    if value is not None:
        _check_count(limit, attribute, value)


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


@frozen(kw_only=True)
class RateLimit:
    """How many requests may be sent.

    Args:
        requests: How many in any window; 1 or more.
        window: Seconds (or a timedelta) that the window lasts; above 0.
        concurrent: How many may be open at once; None for no limit.

    Raises:
        ConfigurationError: A value is out of its range.
    """

    requests: int = field(validator=_check_count)
    window: float = field(default=10.0, converter=plain_seconds, validator=_check_window)
    concurrent: int | None = field(default=None, validator=_check_concurrent)

    def __str__(self) -> str:
        at_once = "" if self.concurrent is None else f", {self.concurrent} at once"
        return f"{self.requests} requests in {self.window:g} s{at_once}"


def _copy(overrides: Mapping[str, RateLimit | None]) -> Mapping[str, RateLimit | None]:
    given: object = overrides  # what callers without a type checker pass
    if not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] -- see above
        raise ConfigurationError(
            f"RateLimits.overrides must be a dict from budgets to a RateLimit or None, not {type(overrides).__name__}."
        )
    return dict(overrides)


def _check_overrides(_limits: RateLimits, _attribute: Attribute[Any], overrides: Mapping[str, object]) -> None:
    known = sorted({limit.budget for limit in OPERATION_LIMITS.values()})
    for budget, limit in overrides.items():
        if budget not in known:
            raise ConfigurationError(
                f"RateLimits.overrides: there is no budget {budget!r}. There are: {', '.join(known)}."
            )
        if limit is not None and not isinstance(limit, RateLimit):
            raise ConfigurationError(
                f"RateLimits.overrides: {budget!r} must have a RateLimit or None, and had {limit!r}."
            )


def _check_flag(_limits: RateLimits, attribute: Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigurationError(f"RateLimits.{attribute.name} must be True or False, and was {value!r}.")


def _check_growth(_limits: RateLimits, attribute: Attribute[Any], value: object) -> None:
    if not _is_whole(value, 0):
        raise ConfigurationError(f"RateLimits.{attribute.name} must be a whole number of 0 or more, and was {value!r}.")


@frozen(kw_only=True, cache_hash=True)  # the budgets are looked up by it, several times a call
class RateLimits:
    """How fast a client may ask, for each endpoint.

    The published limits hold by default: so many requests in any 10 s, and so many open at once, for each of the
    budgets ``run``, ``run_sync``, ``status`` (which looking, waiting and streaming share), ``cancel``, ``purge_queue``,
    ``requests`` and ``openai``. All threads, tasks and jobs of a client share them. Whoever is above a limit waits for
    its turn, first come, first served; a call whose own time limit ends before its turn fails at once.

    An answer of 429 shows that the real limit is lower, since other programs use it too. Then everybody on that budget
    pauses, goes on more slowly, and is back at the full limit after a few quiet minutes.

    Source: the vendor's documents, "Send requests", section on rate limits.

    Args:
        enabled: Whether any limit holds.
        overrides: Limits of your own by budget, in the place of the published ones; None for no limit on that budget.
        requests_per_worker: How many requests in a window each running worker allows for, where that comes to more than
            the limit. That limits grow so is documented; a figure that lasts is not (50 was the example in 2025). 0 for
            limits that do not grow.

    Raises:
        ConfigurationError: There is no budget of that name, or a value is out of its range.
    """

    enabled: bool = field(default=True, validator=_check_flag)
    overrides: Mapping[str, RateLimit | None] = field(
        factory=dict[str, RateLimit | None], converter=_copy, validator=_check_overrides, hash=False
    )
    requests_per_worker: int = field(default=0, validator=_check_growth)

    @classmethod
    def off(cls) -> RateLimits:
        """No limits: only the server's answers of 429 slow the client down."""
        return cls(enabled=False)


def limit_for(limits: RateLimits, operation: str) -> tuple[str, RateLimit] | None:
    """The budget that an operation counts to, and its limit; None where there is no limit.

    Args:
        limits: What the caller wants.
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
