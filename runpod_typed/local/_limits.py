"""Rate limits: so many requests in a window, so many at a time, for each budget."""

from collections import deque
from collections.abc import Mapping
from typing import Literal

from attrs import define, field, frozen
from runpod_queue_api import wire


@frozen
class Limit:
    """The limit of one budget.

    Attributes:
        requests: How many may start in any window.
        window_seconds: How long the window is, in seconds, above 0.
        concurrent: How many may be open at a time; None for any number.
    """

    requests: int
    window_seconds: float = 10.0
    concurrent: int | None = None


Limits = Literal["published"] | Mapping[str, Limit | None] | None
"""Nothing, the documented limits, or these with changes by operation id or budget (None lifts a limit)."""


@define(eq=False)
class Budget:
    """What has been used of a limit."""

    limit: Limit
    started: deque[float] = field(factory=deque[float])
    open: int = 0

    def admit(self, now: float) -> bool:
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
        """A request that was let in has ended."""
        self.open -= 1


def make_budgets(limits: Limits) -> dict[str, Budget]:
    """Each budget by its name and by the ids of the operations that share it.

    Raises:
        ValueError: A name in the mapping is neither an operation with a published limit nor a budget.
    """
    if limits is None:
        return {}
    changes: Mapping[str, Limit | None] = {} if limits == "published" else limits
    names = {operation: published.budget for operation, published in wire.OPERATION_LIMITS.items()}
    unknown = changes.keys() - names.keys() - set(names.values())
    if unknown:
        raise ValueError(f"limits: unknown operation or budget {min(unknown)!r}; known are {sorted(names)}")
    changed = {names.get(name, name): limit for name, limit in changes.items()}
    by_name: dict[str, Budget] = {}
    for published in wire.OPERATION_LIMITS.values():
        default = Limit(published.requests, published.window_seconds, published.concurrent)
        limit = changed.get(published.budget, default)
        if limit is not None:
            by_name.setdefault(published.budget, Budget(limit))
    return by_name | {operation: by_name[name] for operation, name in names.items() if name in by_name}
