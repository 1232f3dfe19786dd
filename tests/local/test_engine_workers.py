"""Workers: what becomes of their jobs when they vanish, what they are told, and how they are counted."""

import pytest

from runpod_typed.local._engine.engine import Engine
from runpod_typed.local._engine.events import JobsWaiting, WorkerReplaced
from runpod_typed.local._engine.records import Chunk, JobStatus, Result, show_job
from tests.local.engine_calls import DONE, status, submit, taken


@pytest.fixture
def engine() -> Engine:
    return Engine()


# Workers that vanish.


def test_lost_worker_requeues_its_job_once(engine: Engine) -> None:
    record = submit(engine)
    engine.start_worker("w1", 0.0)
    engine.take("w1", 61.0)
    behind = submit(engine, 61.0)
    engine.lose_worker("w1", 70.0)
    assert show_job(record, 70.0) == {"id": record.id, "retries": 1, "status": "IN_QUEUE"}

    engine.start_worker("w2", 70.0)
    assert engine.take("w2", 101.0) == [record]
    assert show_job(record, 101.0)["delayTime"] == 101_000  # counted anew, from the submission
    engine.lose_worker("w2", 143.0)
    assert show_job(record, 143.0) == {
        "delayTime": 101_000,
        "error": "job timed out after 1 retries",
        "executionTime": 42_000,
        "id": record.id,
        "retries": 1,
        "status": "FAILED",
        "workerId": "w2",
    }
    assert engine.health(143.0)["jobs"] == {
        "completed": 0,
        "failed": 1,
        "inProgress": 0,
        "inQueue": 1,
        "retried": 1,
    }
    assert engine.take("w3", 150.0) == [behind]


def test_silent_worker_loses_its_job(engine: Engine) -> None:
    record = taken(engine, 0.0)
    engine.advance(44.9)
    assert status(record) is JobStatus.IN_PROGRESS
    engine.advance(45.0)
    assert status(record) is JobStatus.IN_QUEUE


@pytest.mark.parametrize("sign", ["ping", "progress", "chunk"])
def test_any_report_keeps_job_with_its_worker(engine: Engine, sign: str) -> None:
    record = taken(engine, 0.0)
    for now in (40.0, 80.0, 120.0):
        if sign == "ping":
            engine.ping("w", [record.id], now)
        elif sign == "progress":
            engine.progress("w", record.id, "alive", now)
        else:
            engine.chunk("w", record.id, Chunk("alive"), now)
    engine.advance(164.9)
    assert status(record) is JobStatus.IN_PROGRESS
    engine.advance(165.0)
    assert status(record) is JobStatus.IN_QUEUE


def test_heartbeat_without_job_does_not_keep_it(engine: Engine) -> None:
    record = taken(engine, 0.0)
    for now in range(10, 50, 10):
        engine.ping("w", [], float(now))
    engine.advance(45.0)
    assert status(record) is JobStatus.IN_QUEUE


def test_repeats_stop_while_worker_reports_the_job(engine: Engine) -> None:
    cancelled, running = submit(engine), submit(engine)
    engine.take("w", 0.0, limit=2)
    engine.cancel(cancelled.id, 1.0)
    assert engine.take_stops("w", 1.0) == [cancelled.id]
    for now in (2.0, 3.0):
        engine.ping("w", [cancelled.id, running.id], now)
    assert engine.take_stops("w", 4.0) == [cancelled.id]
    engine.ping("w", [running.id], 5.0)
    assert engine.take_stops("w", 5.0) == []


def test_unfetched_stop_does_not_hit_later_run(engine: Engine) -> None:
    record = taken(engine, 0.0, execution_timeout=5.0)
    engine.advance(5.0)
    engine.retry(record.id, 6.0)
    engine.take("w", 6.0)
    assert engine.take_stops("w", 7.0) == []


def test_attached_worker_may_drop_job(engine: Engine) -> None:
    engine.start_worker("w", 0.0, attached=True)
    kept, dropped = submit(engine), submit(engine, input={})
    engine.take("w", 0.0, limit=2)
    engine.drop("w", dropped.id, 1.0)
    engine.advance(46.0)
    assert kept.status is JobStatus.IN_PROGRESS
    assert dropped.status is JobStatus.IN_QUEUE


def test_ignores_late_result_of_lost_worker(engine: Engine) -> None:
    record = taken(engine, 0.0, worker="w1")
    engine.advance(45.0)
    engine.take("w2", 46.0)
    assert not engine.finish("w1", record.id, Result(output="old"), 47.0)
    assert engine.finish("w2", record.id, Result(output="new"), 48.0)
    assert record.output == "new"
    assert engine.stats().executed_twice == (record.id,)


def test_retry_restores_redispatch(engine: Engine) -> None:
    record = submit(engine)
    for worker in ("w1", "w2"):
        engine.take(worker, 0.0)
        engine.lose_worker(worker, 1.0)
    assert status(record) is JobStatus.FAILED
    engine.retry(record.id, 2.0)
    engine.take("w3", 3.0)
    engine.lose_worker("w3", 4.0)
    assert status(record) is JobStatus.IN_QUEUE
    assert record.retries == 3


# Workers, counted.


def test_counts_workers_by_state(engine: Engine) -> None:
    def counts() -> dict[str, int]:
        return {state: count for state, count in engine.health(engine.now)["workers"].items() if count}

    engine.start_worker("w1", 0.0)
    assert counts() == {"initializing": 1}
    engine.take("w1", 1.0)
    assert counts() == {"idle": 1, "ready": 1}
    record = submit(engine, 1.0)
    engine.take("w1", 1.0)
    engine.start_worker("w2", 1.0)
    assert counts() == {"running": 1, "initializing": 1}
    engine.ping("w2", [], 2.0, healthy=False)
    engine.finish("w1", record.id, DONE, 3.0)
    engine.throttled = 3
    assert counts() == {"idle": 1, "ready": 1, "unhealthy": 1, "throttled": 3}


def test_forgets_silent_foreign_workers_only(engine: Engine) -> None:
    engine.start_worker("ours", 0.0)
    engine.take("foreign", 0.0)
    engine.ping("foreign", [], 50.0)
    engine.advance(109.0)
    assert set(engine.workers) == {"ours", "foreign"}
    engine.advance(110.0)
    assert set(engine.workers) == {"ours"}


def test_stop_pod_replaces_the_worker(engine: Engine) -> None:
    record = taken(engine)
    engine.take_events()
    engine.finish("w", record.id, Result(output=1, stop_pod=True), 2.0)
    assert WorkerReplaced("w") in engine.take_events()
    assert status(record) is JobStatus.COMPLETED


def test_paused_engine_hands_out_no_jobs(engine: Engine) -> None:
    engine.pause()
    record = submit(engine)
    assert JobsWaiting(1) not in engine.take_events()
    assert engine.take("w", 1.0) == []
    engine.resume()
    assert engine.take_events() == [JobsWaiting(1)]
    assert engine.take("w", 2.0) == [record]


def test_heartbeat_reveals_running_cancelled_job(engine: Engine) -> None:
    record = taken(engine)
    engine.ping("w", [record.id], 2.0)
    assert engine.is_running_cancelled_job("w", record.id) is False
    engine.cancel(record.id, 3.0)
    assert engine.is_running_cancelled_job("w", record.id) is None
    engine.ping("w", [record.id], 4.0)
    assert engine.is_running_cancelled_job("w", record.id) is True
    engine.ping("w", [], 5.0)
    assert engine.is_running_cancelled_job("w", record.id) is False
    assert engine.is_running_cancelled_job("unheard-of", record.id) is False


def test_worker_with_other_jobs_is_not_unresponsive(engine: Engine) -> None:
    stopped, other = submit(engine), submit(engine)
    engine.take("w", 1.0, limit=2)
    engine.cancel(stopped.id, 2.0)
    engine.ping("w", [stopped.id, other.id], 3.0)
    assert engine.is_running_cancelled_job("w", stopped.id) is False
    engine.finish("w", other.id, DONE, 4.0)
    assert engine.is_running_cancelled_job("w", stopped.id) is True


def test_successor_of_failed_worker_starts_unhealthy(engine: Engine) -> None:
    engine.start_worker("w", 0.0, healthy=False)
    assert engine.health(0.0)["workers"]["unhealthy"] == 1
    engine.take("w", 1.0)
    workers = engine.health(1.0)["workers"]
    assert (workers["unhealthy"], workers["idle"]) == (0, 1)
