"""The rules of one job's life."""

import pytest

from runpod_typed.local._engine.engine import Engine, NotAllowedError, NotFoundError
from runpod_typed.local._engine.events import JobStopped, WebhookDue
from runpod_typed.local._engine.records import Chunk, JobStatus, Result, show_for_worker, show_job
from runpod_typed.local._engine.settings import EngineSettings
from tests.local.engine_calls import DONE, FAILED, status, submit, taken


@pytest.fixture
def engine() -> Engine:
    return Engine()


def test_job_passes_from_queue_to_result(engine: Engine) -> None:
    record = submit(engine)
    assert show_job(record, 0.0) == {"id": record.id, "status": "IN_QUEUE"}

    engine.take("w", 1.5)
    assert show_job(record, 2.0) == {"delayTime": 1500, "id": record.id, "status": "IN_PROGRESS", "workerId": "w"}

    assert engine.finish("w", record.id, DONE, 4.0)
    assert show_job(record, 9.0) == {
        "delayTime": 1500,
        "executionTime": 2500,
        "id": record.id,
        "output": "done",
        "status": "COMPLETED",
        "workerId": "w",
    }


def test_job_keys_are_sorted(engine: Engine) -> None:
    record = submit(engine, 0.0)
    engine.take("w", 1.0)
    engine.lose_worker("w", 2.0)
    engine.take("w", 3.0)
    engine.finish("w", record.id, Result(output=1, error="no"), 4.0)
    keys = list(show_job(record, 5.0))
    assert keys == sorted(keys)
    assert len(keys) == 8


def test_job_ids_are_unique_and_sync_ids_have_prefix(engine: Engine) -> None:
    assert submit(engine, sync=True).id.startswith("sync-")
    assert not submit(engine).id.startswith("sync-")
    assert len({submit(engine).id for _ in range(100)}) == 100


def test_takes_jobs_in_order_of_submission(engine: Engine) -> None:
    ids = [submit(engine).id for _ in range(3)]
    assert [record.id for record in engine.take("w", 1.0, limit=2)] == ids[:2]
    assert [record.id for record in engine.take("w", 1.0, limit=2)] == ids[2:]
    assert engine.take("w", 1.0) == []


def test_low_priority_jobs_run_last(engine: Engine) -> None:
    low = submit(engine, low_priority=True)
    normal = submit(engine)
    assert engine.take("w", 1.0) == [normal]
    assert engine.take("w", 1.0) == [low]


def test_progress_is_output_until_result(engine: Engine) -> None:
    record = taken(engine)
    assert engine.progress("w", record.id, {"done": "4/10"}, 2.0)
    shown = show_job(record, 3.0)
    assert (shown["output"], shown["executionTime"], shown["status"]) == ({"done": "4/10"}, 2000, "IN_PROGRESS")
    engine.finish("w", record.id, Result(), 4.0)
    assert "output" not in show_job(record, 5.0)


def test_cancelling_removes_progress(engine: Engine) -> None:
    record = taken(engine)
    engine.progress("w", record.id, "half", 2.0)
    engine.cancel(record.id, 3.0)
    assert "output" not in show_job(record, 4.0)


def test_reports_on_finished_job_change_nothing(engine: Engine) -> None:
    record = taken(engine)
    engine.finish("w", record.id, DONE, 2.0)
    before = show_job(record, 3.0)
    assert not engine.progress("w", record.id, "late", 3.0)
    assert not engine.chunk("w", record.id, Chunk("late"), 3.0)
    assert not engine.finish("w", record.id, FAILED, 3.0)
    assert show_job(record, 3.0) == before
    assert engine.drain(record.id, 3.0) == []
    assert engine.stats().ignored_results == 1


def test_ignores_result_of_other_worker(engine: Engine) -> None:
    record = taken(engine, worker="w1")
    assert not engine.finish("w2", record.id, DONE, 2.0)
    assert status(record) is JobStatus.IN_PROGRESS


def test_keeps_output_beside_error(engine: Engine) -> None:
    record = taken(engine)
    engine.finish("w", record.id, Result(output={"partial": 1}, error={"code": 7}), 2.0)
    shown = show_job(record, 3.0)
    assert (shown["status"], shown["output"], shown["error"]) == ("FAILED", {"partial": 1}, {"code": 7})


def test_drains_chunks_once_in_order(engine: Engine) -> None:
    record = taken(engine)
    for chunk in ("a", None, {"b": 1}):
        assert engine.chunk("w", record.id, Chunk(chunk), 1.0)
    assert engine.drain(record.id, 2.0) == [Chunk("a"), Chunk(None), Chunk({"b": 1})]
    assert engine.drain(record.id, 2.0) == []


def test_cancelling_removes_job_from_queue(engine: Engine) -> None:
    record = submit(engine)
    assert engine.cancel(record.id, 1.0).status is JobStatus.CANCELLED
    assert engine.take("w", 2.0) == []
    assert show_job(record, 3.0) == {"id": record.id, "status": "CANCELLED"}


def test_cancelling_stops_the_worker(engine: Engine) -> None:
    record = submit(engine)
    other = submit(engine)
    engine.take("w", 1.0, limit=2)
    engine.take_events()
    engine.cancel(record.id, 2.0)
    assert JobStopped("w", record.id) in engine.take_events()
    assert engine.take_stops("w", 2.0) == [record.id]
    assert engine.take_stops("w", 2.0) == []
    assert other.status is JobStatus.IN_PROGRESS


@pytest.mark.parametrize("result", [DONE, FAILED])
def test_cancelling_a_finished_job_changes_nothing(engine: Engine, result: Result) -> None:
    record = taken(engine)
    engine.finish("w", record.id, result, 2.0)
    before = show_job(record, 3.0)
    engine.cancel(record.id, 3.0)
    assert show_job(record, 3.0) == before


def test_retry_runs_job_again_from_scratch(engine: Engine) -> None:
    record = taken(engine)
    engine.chunk("w", record.id, Chunk("a"), 1.5)
    engine.finish("w", record.id, Result(output="partial", error="no"), 2.0)

    engine.retry(record.id, 10.0)
    assert show_job(record, 10.0) == {"id": record.id, "retries": 1, "status": "IN_QUEUE"}
    assert engine.drain(record.id, 10.0) == []

    assert engine.take("w", 13.0) == [record]
    engine.finish("w", record.id, DONE, 14.0)
    shown = show_job(record, 15.0)
    assert (shown["delayTime"], shown["output"], shown["status"]) == (3000, "done", "COMPLETED")
    assert engine.health(15.0)["jobs"] | {"retried": 1} == engine.health(15.0)["jobs"]


@pytest.mark.parametrize("state", ["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "CANCELLED"])
def test_only_failed_or_timed_out_jobs_can_be_retried(engine: Engine, state: str) -> None:
    record = submit(engine)
    if state == "CANCELLED":
        engine.cancel(record.id, 1.0)
    elif state != "IN_QUEUE":
        engine.take("w", 1.0)
        if state == "COMPLETED":
            engine.finish("w", record.id, DONE, 1.0)
    assert record.status == state
    with pytest.raises(NotAllowedError, match=state):
        engine.retry(record.id, 2.0)


def test_purge_removes_waiting_jobs_only(engine: Engine) -> None:
    running = taken(engine)
    waiting = [submit(engine) for _ in range(2)]
    assert engine.purge(2.0) == 2
    assert engine.purge(2.0) == 0
    assert engine.get(running.id, 3.0) is running
    for record in waiting:
        with pytest.raises(NotFoundError):
            engine.get(record.id, 3.0)


@pytest.mark.parametrize("operation", ["get", "drain", "cancel", "retry"])
def test_unknown_job_is_not_found(engine: Engine, operation: str) -> None:
    with pytest.raises(NotFoundError, match="job not found"):
        getattr(engine, operation)("nobody", 1.0)


# Time.


@pytest.mark.parametrize(("sync", "kept"), [(False, 1800.0), (True, 60.0)])
def test_result_is_kept_for_its_retention(engine: Engine, sync: bool, kept: float) -> None:
    record = taken(engine, sync=sync)
    engine.finish("w", record.id, DONE, 2.0)
    assert engine.get(record.id, 2.0 + kept - 0.1) is record
    with pytest.raises(NotFoundError):
        engine.get(record.id, 2.0 + kept)
    assert engine.stats().expired == 1


def test_ttl_ends_waiting_and_running_jobs(engine: Engine) -> None:
    waiting = submit(engine, ttl=10.0)
    running = submit(engine, ttl=10.0)
    engine.cancel(waiting.id, 0.0)
    engine.take("w", 1.0)
    engine.advance(10.0)
    assert engine.jobs == {}
    assert engine.take_stops("w", 11.0) == [running.id]
    assert not engine.finish("w", running.id, DONE, 11.0)


def test_ttl_counts_from_submission_and_caps_retention(engine: Engine) -> None:
    record = taken(engine, 89.0, ttl=100.0)
    engine.finish("w", record.id, DONE, 90.0)
    assert engine.get(record.id, 99.0) is record
    with pytest.raises(NotFoundError):
        engine.get(record.id, 100.0)


def test_status_ttl_only_shortens_life(engine: Engine) -> None:
    record = submit(engine)
    engine.shorten(record.id, 6.0, 1.0)
    engine.shorten(record.id, 3600.0, 1.0)
    assert engine.get(record.id, 6.9) is record
    with pytest.raises(NotFoundError):
        engine.get(record.id, 7.0)


def test_execution_timeout_stops_the_worker(engine: Engine) -> None:
    record = submit(engine, execution_timeout=5.0)
    engine.start_worker("w", 0.0, attached=True)
    engine.take("w", 100.0)
    engine.advance(104.9)
    assert status(record) is JobStatus.IN_PROGRESS
    engine.advance(105.0)
    assert status(record) is JobStatus.TIMED_OUT
    assert engine.take_stops("w", 105.0) == [record.id]
    shown = show_job(record, 200.0)
    assert shown["executionTime"] == 5000
    assert "execution timeout" in str(shown["error"])


def test_retry_restarts_execution_timeout(engine: Engine) -> None:
    record = submit(engine, execution_timeout=10.0)
    engine.start_worker("w", 0.0, attached=True)
    engine.take("w", 0.0)
    engine.finish("w", record.id, FAILED, 1.0)
    engine.retry(record.id, 2.0)
    engine.take("w", 5.0)
    engine.advance(14.9)
    assert status(record) is JobStatus.IN_PROGRESS
    engine.advance(15.0)
    assert status(record) is JobStatus.TIMED_OUT


def test_time_scale_leaves_worker_timeouts_alone() -> None:
    engine = Engine(EngineSettings(time_scale=0.01))
    record = taken(engine, 0.0)
    engine.advance(5.9)
    assert status(record) is JobStatus.IN_PROGRESS
    engine.advance(6.0)
    assert status(record) is JobStatus.TIMED_OUT
    with pytest.raises(NotFoundError):
        engine.get(record.id, 6.0 + 18.0)

    slow = Engine(EngineSettings(time_scale=0.01))
    record = submit(slow, execution_timeout=604_800.0)
    slow.take("w", 0.0)
    slow.advance(44.9)
    assert status(record) is JobStatus.IN_PROGRESS
    slow.advance(45.0)
    assert status(record) is JobStatus.IN_QUEUE


# What a worker and a webhook see.


def test_worker_gets_input_and_its_part_of_envelope(engine: Engine) -> None:
    bucket = {"accessId": "a", "accessSecret": "b", "bucketName": "c", "endpointUrl": "d"}
    record = submit(engine, webhook="http://127.0.0.1/x", s3_config=bucket, ttl=100.0)
    assert show_for_worker(record) == {
        "id": record.id,
        "input": {"x": 1},
        "webhook": "http://127.0.0.1/x",
        "s3Config": bucket,
    }


@pytest.mark.parametrize(("given", "arrives"), [({}, False), ([], True), (None, True), ("", True), (0, True)])
def test_empty_object_input_never_reaches_worker(engine: Engine, given: object, arrives: bool) -> None:
    assert ("input" in show_for_worker(submit(engine, input=given))) is arrives


@pytest.mark.parametrize("end", ["finish", "cancel", "time out"])
def test_webhook_is_due_at_every_end(engine: Engine, end: str) -> None:
    url = "http://127.0.0.1/hook"
    record = taken(engine, webhook=url, s3_config={"accessSecret": "canary"}, execution_timeout=10.0)
    if end == "finish":
        engine.finish("w", record.id, DONE, 2.0)
    elif end == "cancel":
        engine.cancel(record.id, 2.0)
    else:
        engine.advance(11.0)
    (due,) = [event for event in engine.take_events() if isinstance(event, WebhookDue)]
    assert due.url == url
    assert due.body == show_job(record, engine.now) | {"input": {"x": 1}, "webhook": url}
    assert list(due.body) == sorted(due.body)
