"""The choice of faults: the same for the same seed, and as often as asked for."""

from collections import Counter
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from runpod_typed.local._faults import (
    EDGE_STATUSES,
    SERVER_STATUSES,
    WORKER_KINDS,
    Fault,
    FaultKind,
    FaultPlan,
    Faults,
    kinds_for,
)
from runpod_typed.local._server.app import OPERATION_NAMES

OPERATIONS = ["run", "run_sync", "get_status", "get_status_sync", "stream", "cancel", "get_health"]


def fates(faults: Faults, operation: str, count: int) -> list[Fault | None]:
    plan = FaultPlan(faults, OPERATION_NAMES)
    return [plan.draw(operation) for _ in range(count)]


@given(st.integers(), st.sampled_from(OPERATIONS))
def test_same_seed_gives_same_faults(seed: int, operation: str) -> None:
    faults = Faults(seed=seed, rate=0.5)
    assert fates(faults, operation, 30) == fates(faults, operation, 30)


@given(st.lists(st.sampled_from(OPERATIONS), max_size=60))
def test_faults_of_operations_are_independent(operations: list[str]) -> None:
    faults = Faults(seed=1, rate=0.5)
    plan = FaultPlan(faults, OPERATION_NAMES)
    mixed = [(operation, plan.draw(operation)) for operation in operations]
    for operation in OPERATIONS:
        met = [fault for name, fault in mixed if name == operation]
        assert met == fates(faults, operation, len(met))


def test_other_seed_gives_other_faults() -> None:
    assert fates(Faults(seed=1, rate=0.5), "run", 50) != fates(Faults(seed=2, rate=0.5), "run", 50)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
def test_rate_is_share_of_hit_requests(rate: float) -> None:
    hit = sum(fault is not None for fault in fates(Faults(seed=3, rate=rate), "get_status", 4000))
    assert abs(hit / 4000 - rate) < 0.03


def test_every_kind_occurs_and_is_counted() -> None:
    plan = FaultPlan(Faults(seed=4, rate=1.0), OPERATION_NAMES)
    operations = ["stream", "run"] * 1000
    drawn = Counter(fault.kind for operation in operations if (fault := plan.draw(operation)) is not None)
    struck = Counter(kind for kind in WORKER_KINDS for _ in range(100) if plan.hits_worker(kind))
    assert set(drawn) | set(struck) == set(FaultKind)
    assert plan.injected == drawn + struck


@given(st.integers(), st.sampled_from(OPERATIONS))
def test_faults_stay_within_bounds(seed: int, operation: str) -> None:
    faults = Faults(seed=seed, rate=1.0, latency=0.3, retry_after=2.5, clock_jump=7.0, not_yet_visible=2.0)
    fault = FaultPlan(faults, OPERATION_NAMES).draw(operation)
    assert fault is not None
    assert fault.kind in kinds_for(operation)
    bounds = {
        FaultKind.LATENCY: 0.3,
        FaultKind.CLOCK_JUMP: 7.0,
        FaultKind.NOT_YET_VISIBLE: 2.0,
        FaultKind.RATE_LIMITED_RETRY_AFTER: 2.5,
    }
    assert fault.seconds <= bounds.get(fault.kind, 0.0)
    assert (fault.retry_after_form is not None) is (fault.kind is FaultKind.RATE_LIMITED_RETRY_AFTER)
    statuses = {FaultKind.SERVER_ERROR: SERVER_STATUSES, FaultKind.EDGE_ERROR: EDGE_STATUSES}
    assert fault.status in statuses.get(fault.kind, (200, 429))


def test_uses_only_chosen_kinds_and_operations() -> None:
    plan = FaultPlan(
        Faults(rate=1.0, kinds=["latency", FaultKind.RESET_AFTER], operations=["run", "job_done"]), OPERATION_NAMES
    )
    kinds = {fault.kind for _ in range(100) if (fault := plan.draw("run")) is not None}
    assert kinds == {FaultKind.LATENCY, FaultKind.RESET_AFTER}
    assert plan.draw("get_status") is None
    assert plan.draw("job_done", worker=True) is not None
    assert plan.draw("job_take", worker=True) is None
    assert not plan.hits_worker(FaultKind.WORKER_DEATH)


def test_spares_worker_operations_unless_named() -> None:
    plan = FaultPlan(Faults(rate=1.0), OPERATION_NAMES)
    assert plan.draw("job_done", worker=True) is None


@pytest.mark.parametrize(
    "wrong",
    [{"rate": -0.1}, {"rate": 1.1}, {"latency": -1.0}, {"kinds": ["nothing"]}, {"not_yet_visible": float("nan")}],
)
def test_refuses_faults_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Faults(**wrong)


def test_refuses_faults_of_unknown_operations() -> None:
    with pytest.raises(ValueError, match="unknown operation 'stats'"):
        FaultPlan(Faults(operations=["stats"]), OPERATION_NAMES)


# Faults that a test asks for.


def inject(plan: FaultPlan, kind: FaultKind, operation: str | None = None, **options: float | None) -> None:
    status = options.get("status")
    plan.inject(
        kind,
        operation=operation,
        times=int(options.get("times") or 1),
        status=None if status is None else int(status),
        seconds=options.get("seconds"),
    )


def test_injection_hits_next_request_of_operation() -> None:
    plan = FaultPlan(None, OPERATION_NAMES)
    inject(plan, FaultKind.RESET_AFTER, "run")
    assert plan.draw("get_status") is None
    assert plan.draw("run") == Fault(kind=FaultKind.RESET_AFTER)
    assert plan.draw("run") is None
    assert plan.injected == {FaultKind.RESET_AFTER: 1}


def test_injection_without_operation_hits_any_it_can() -> None:
    plan = FaultPlan(None, OPERATION_NAMES)
    inject(plan, FaultKind.DROPPED_STREAM)
    assert plan.draw("get_status") is None
    assert plan.draw("job_take", worker=True) is None
    assert plan.draw("stream") == Fault(kind=FaultKind.DROPPED_STREAM)


def test_injection_honors_times_status_and_seconds() -> None:
    plan = FaultPlan(None, OPERATION_NAMES)
    inject(plan, FaultKind.EDGE_ERROR, "run", times=2, status=522)
    inject(plan, FaultKind.RATE_LIMITED_RETRY_AFTER, "cancel", seconds=3)
    for _ in range(2):
        fault = plan.draw("run")
        assert fault is not None
        assert (fault.status, fault.processed) == (522, False)
    assert plan.draw("run") is None
    fault = plan.draw("cancel")
    assert fault is not None
    assert (fault.status, fault.seconds, fault.retry_after_form) == (429, 3, "seconds")


def test_worker_fault_hits_once() -> None:
    plan = FaultPlan(None, OPERATION_NAMES)
    inject(plan, FaultKind.WORKER_DEATH)
    assert plan.draw("run") is None
    assert [plan.hits_worker(FaultKind.WORKER_DEATH) for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("kind", "status", "processed"),
    [
        (FaultKind.LATENCY, None, True),
        (FaultKind.RESET_BEFORE, None, False),
        (FaultKind.RESET_AFTER, None, True),
        (FaultKind.DROPPED_STREAM, None, True),
        (FaultKind.TRUNCATED_BODY, None, True),
        (FaultKind.HTML_BODY, None, True),
        (FaultKind.CLOCK_JUMP, None, True),
        (FaultKind.RATE_LIMITED, None, False),
        (FaultKind.RATE_LIMITED_RETRY_AFTER, None, False),
        (FaultKind.SERVER_ERROR, 500, False),
        (FaultKind.SERVER_ERROR, 502, False),
        (FaultKind.SERVER_ERROR, 503, False),
        (FaultKind.SERVER_ERROR, 504, True),
        (FaultKind.EDGE_ERROR, 520, True),
        (FaultKind.EDGE_ERROR, 521, False),
        (FaultKind.EDGE_ERROR, 522, False),
        (FaultKind.EDGE_ERROR, 523, False),
        (FaultKind.EDGE_ERROR, 524, True),
    ],
)
def test_fault_decides_if_request_is_processed(kind: FaultKind, status: int | None, processed: bool) -> None:
    plan = FaultPlan(None, OPERATION_NAMES)
    inject(plan, kind, "stream", status=status)
    fault = plan.draw("stream")
    assert fault is not None
    assert fault.processed is processed
