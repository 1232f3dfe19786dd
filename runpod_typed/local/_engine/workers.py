"""A worker, as far as the queue knows it, and how `/health` counts them."""

from collections.abc import Iterable
from enum import StrEnum

from attrs import define, field


class WorkerState(StrEnum):
    """The counters of `/health`; `ready` is counted as `idle` is, as in every capture."""

    IDLE = "idle"
    INITIALIZING = "initializing"
    RUNNING = "running"
    UNHEALTHY = "unhealthy"


@define(eq=False, kw_only=True)
class WorkerRecord:
    """One worker.

    Attributes:
        seen_at: Its last poll or heartbeat.
        supervised: Somebody in this process tells us when it ends; it is not forgotten for being silent.
        attached: It runs in this very process: its jobs are alive as long as it is.
        ready: It has asked for work at least once.
        healthy: False after a heartbeat that said so.
        jobs: What it holds, in the order taken.
        stops: What it should stop and has not been told yet.
        reported: The jobs that its last heartbeat named; None since it was told to stop one, until the next.
    """

    id: str
    seen_at: float
    supervised: bool = False
    attached: bool = False
    ready: bool = False
    healthy: bool = True
    jobs: dict[str, None] = field(factory=dict[str, None])
    stops: list[str] = field(factory=list[str])
    reported: frozenset[str] | None = None

    @property
    def state(self) -> WorkerState:
        """Where it counts."""
        if not self.healthy:
            return WorkerState.UNHEALTHY
        if self.jobs:
            return WorkerState.RUNNING
        return WorkerState.IDLE if self.ready else WorkerState.INITIALIZING


def count_workers(workers: Iterable[WorkerRecord], throttled: int) -> dict[str, int]:
    """The `workers` half of `/health`, keys in alphabetical order."""
    states = [worker.state for worker in workers]
    idle = states.count(WorkerState.IDLE)
    return {
        "idle": idle,
        "initializing": states.count(WorkerState.INITIALIZING),
        "ready": idle,
        "running": states.count(WorkerState.RUNNING),
        "throttled": throttled,
        "unhealthy": states.count(WorkerState.UNHEALTHY),
    }
