"""Rate limits: the requests that may start in a window, and those that may be open at a time."""

from collections import deque
from collections.abc import Mapping
from typing import Literal, cast

from attrs import define, field, frozen
from runpod_queue_api import wire


@frozen
class Limit:
    """A rate limit."""

    requests: int
    """Requests that may start in any window."""
    window_seconds: float = 10.0
    """Length of the window in seconds, above 0."""
    concurrent: int | None = None
    """Requests that may be open at a time; None for any number."""


Limits = Literal["published"] | Mapping[str, Limit | None] | None
"""None, the documented limits, or these with changes by operation id or group (None lifts a limit)."""


@define(eq=False)
class RateLimiter:
    """The use of a limit."""

    limit: Limit
    started: deque[float] = field(factory=deque[float])
    open: int = 0

    def acquire(self, now: float) -> bool:
        """Let one more request start, if the limit allows it."""
        while self.started and self.started[0] <= now - self.limit.window_seconds:
            self.started.popleft()
        if len(self.started) >= self.limit.requests:
            return False
        if self.limit.concurrent is not None and self.open >= self.limit.concurrent:
            return False
        self.started.append(now)
        self.open += 1
        return True

    def release(self) -> None:
        """End a request."""
        self.open -= 1


def make_limiters(limits: Limits) -> dict[str, RateLimiter]:
    """Return the limiters by group and by operation id; the operations of a group share one.

    The group `openai` is also the name of the operation that takes all of its POSTs.

    Raises:
        ValueError: The limits are of another type, or a name is neither an operation with a published limit nor a group
            of them.
    """
    if limits is None:
        return {}
    changes: Mapping[str, Limit | None] = {} if limits == "published" else limits
    if not _are_limits(changes):  # callers without a type checker may pass anything
        raise ValueError(f"limits must be None, 'published' or a dict of Limit by operation, not {limits!r}")
    groups = {operation: published.budget for operation, published in wire.OPERATION_LIMITS.items()}
    unknown = changes.keys() - groups.keys() - set(groups.values())
    if unknown:
        raise ValueError(f"limits: unknown operation or group {min(unknown)!r}; known are {sorted(groups)}")
    changed = {groups.get(name, name): limit for name, limit in changes.items()}
    by_group: dict[str, RateLimiter] = {}
    for published in wire.OPERATION_LIMITS.values():
        default = Limit(published.requests, published.window_seconds, published.concurrent)
        limit = changed.get(published.budget, default)
        if limit is not None:
            by_group.setdefault(published.budget, RateLimiter(limit))
    return by_group | {operation: by_group[group] for operation, group in groups.items() if group in by_group}


def _are_limits(given: object) -> bool:
    if not isinstance(given, Mapping):
        return False
    return all(limit is None or isinstance(limit, Limit) for limit in cast("Mapping[object, object]", given).values())
