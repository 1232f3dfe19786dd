"""The rules of one job's life."""

import pytest

from runpod_typed.local._engine.engine import Engine
from runpod_typed.local._engine.errors import NotAllowedError, NotFoundError
from runpod_typed.local._engine.events import JobStopped, WebhookDue
from runpod_typed.local._engine.jobs import JobStatus, Result, show_for_worker, show_job
from runpod_typed.local._engine.settings import EngineSettings
from tests.local.engine_calls import DONE, FAILED, status, submit


@pytest.fixture
def engine() -> Engine:
    return Engine()


def test_a_job_passes_from_the_queue_through_a_worker_to_its_result(engine: Engine) -> None:
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


def test_keys_come_in_alphabetical_order(engine: Engine) -> None:
    record = submit(engine, 0.0)
    engine.take("w", 1.0)
    engine.lose_worker("w", 2.0)
    engine.take("w", 3.0)
    engine.finish("w", record.id, Result(output=1, error="no"), 4.0)
    keys = list(show_job(record, 5.0))
    assert keys == sorted(keys)
    assert len(keys) == 8


def test_ids_of_synchronous_jobs_have_a_prefix_and_all_ids_differ(engine: Engine) -> None:
    assert submit(engine, sync=True).id.startswith("sync-")
    assert not submit(engine).id.startswith("sync-")
    assert len({submit(engine).id for _ in range(100)}) == 100


def test_jobs_are_taken_in_the_order_of_submission(engine: Engine) -> None:
    ids = [submit(engine).id for _ in range(3)]
    assert [record.id for record in engine.take("w", 1.0, limit=2)] == ids[:2]
    assert [record.id for record in engine.take("w", 1.0, limit=2)] == ids[2:]
    assert engine.take("w", 1.0) == []


def test_low_priority_runs_when_nothing_more_urgent_waits(engine: Engine) -> None:
    low = submit(engine, low_priority=True)
    normal = submit(engine)
    assert engine.take("w", 1.0) == [normal]
    assert engine.take("w", 1.0) == [low]


def test_progress_shows_as_output_until_the_result_replaces_it(engine: Engine) -> None:
    record = submit(engine)
    engine.take("w", 1.0)
    assert engine.progress("w", record.id, {"done": "4/10"}, 2.0)
    shown = show_job(record, 3.0)
    assert (shown["output"], shown["executionTime"], shown["status"]) == ({"done": "4/10"}, 2000, "IN_PROGRESS")
    engine.finish("w", record.id, Result(), 4.0)
    assert "output" not in show_job(record, 5.0)


def test_progress_is_no_output_of_a_cancelled_job(engine: Engine) -> None:
    record = submit(engine)
    engine.take("w", 1.0)
    engine.progress("w", record.id, "half", 2.0)
    engine.cancel(record.id, 3.0)
    assert "output" not in show_job(record, 4.0)


def test_late_progress_chunks_and_second_results_change_nothing(engine: Engine) -> None:
    record = submit(engine)
    engine.take("w", 1.0)
    engine.finish("w", record.id, DONE, 2.0)
    before = show_job(record, 3.0)
    assert not engine.progress("w", record.id, "late", 3.0)
    assert not engine.chunk("w", record.id, "late", 3.0)
    assert not engine.finish("w", record.id, FAILED, 3.0)
    assert show_job(record, 3.0) == before
    assert engine.drain(record.id, 3.0) == []
    assert engine.stats().ignored_results == 1


def test_a_result_from_a_worker_that_does_not_hold_the_job_changes_nothing(engine: Engine) -> None:
    record = submit(engine)
    engine.take("w1", 1.0)
    assert not engine.finish("w2", record.id, DONE, 2.0)
    assert status(record) is JobStatus.IN_PROGRESS


def test_an_error_beside_an_output_keeps_both(engine: Engine) -> None:
    record = submit(engine)
    engine.take("w", 1.0)
    engine.finish("w", record.id, Result(output={"partial": 1}, error={"code": 7}), 2.0)
    shown = show_job(record, 3.0)
    assert (shown["status"], shown["output"], shown["error"]) == ("FAILED", {"partial": 1}, {"code": 7})


def test_chunks_are_drained_once_and_in_order(engine: Engine) -> None:
    record = submit(engine)
    engine.take("w", 1.0)
    for chunk in ("a", None, {"b": 1}):
        assert engine.chunk("w", record.id, chunk, 1.0)
    assert engine.drain(record.id, 2.0) == ["a", None, {"b": 1}]
    assert engine.drain(record.id, 2.0) == []


def test_cancelling_a_waiting_job_takes_it_out_of_the_queue(engine: Engine) -> None:
    record = submit(engine)
    assert engine.cancel(record.id, 1.0).status is JobStatus.CANCELLED
    assert engine.take("w", 2.0) == []
    assert show_job(record, 3.0) == {"id": record.id, "status": "CANCELLED"}


def test_cancelling_a_running_job_tells_its_worker(engine: Engine) -> None:
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
def test_cancelling_a_job_that_has_ended_changes_nothing(engine: Engine, result: Result) -> None:
    record = submit(engine)
    engine.take("w", 1.0)
    engine.finish("w", record.id, result, 2.0)
    before = show_job(record, 3.0)
    engine.cancel(record.id, 3.0)
    assert show_job(record, 3.0) == before


def test_a_retried_job_runs_again_under_its_id_without_what_it_left(engine: Engine) -> None:
    record = submit(engine)
    engine.take("w", 1.0)
    engine.chunk("w", record.id, "a", 1.5)
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
def test_only_failed_and_timed_out_jobs_can_be_retried(engine: Engine, state: str) -> None:
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


def test_purging_removes_what_waits_and_nothing_else(engine: Engine) -> None:
    running = submit(engine)
    engine.take("w", 1.0)
    waiting = [submit(engine) for _ in range(2)]
    assert engine.purge(2.0) == 2
    assert engine.purge(2.0) == 0
    assert engine.get(running.id, 3.0) is running
    for record in waiting:
        with pytest.raises(NotFoundError):
            engine.get(record.id, 3.0)


@pytest.mark.parametrize("operation", ["get", "drain", "cancel", "retry"])
def test_an_unknown_job_is_not_found(engine: Engine, operation: str) -> None:
    with pytest.raises(NotFoundError, match="job not found"):
        getattr(engine, operation)("nobody", 1.0)


# Time.


@pytest.mark.parametrize(("sync", "kept"), [(False, 1800.0), (True, 60.0)])
def test_a_result_is_kept_for_its_retention(engine: Engine, sync: bool, kept: float) -> None:
    record = submit(engine, sync=sync)
    engine.take("w", 1.0)
    engine.finish("w", record.id, DONE, 2.0)
    assert engine.get(record.id, 2.0 + kept - 0.1) is record
    with pytest.raises(NotFoundError):
        engine.get(record.id, 2.0 + kept)
    assert engine.stats().expired == 1


def test_a_job_that_outlives_its_ttl_is_gone_even_while_it_runs(engine: Engine) -> None:
    waiting = submit(engine, ttl=10.0)
    running = submit(engine, ttl=10.0)
    engine.cancel(waiting.id, 0.0)
    engine.take("w", 1.0)
    engine.advance(10.0)
    assert engine.jobs == {}
    assert engine.take_stops("w", 11.0) == [running.id]
    assert not engine.finish("w", running.id, DONE, 11.0)


def test_the_ttl_counts_from_submission_and_bounds_the_retention_too(engine: Engine) -> None:
    record = submit(engine, ttl=100.0)
    engine.take("w", 89.0)
    engine.finish("w", record.id, DONE, 90.0)
    assert engine.get(record.id, 99.0) is record
    with pytest.raises(NotFoundError):
        engine.get(record.id, 100.0)


def test_a_status_ttl_shortens_a_life_and_never_lengthens_it(engine: Engine) -> None:
    record = submit(engine)
    engine.shorten(record.id, 6.0, 1.0)
    engine.shorten(record.id, 3600.0, 1.0)
    assert engine.get(record.id, 6.9) is record
    with pytest.raises(NotFoundError):
        engine.get(record.id, 7.0)


def test_a_job_that_runs_too_long_times_out_and_its_worker_is_told(engine: Engine) -> None:
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


def test_a_retried_job_gets_its_execution_timeout_anew(engine: Engine) -> None:
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


def test_time_scale_scales_lifetimes_and_leaves_the_workers_their_time() -> None:
    engine = Engine(EngineSettings(time_scale=0.01))
    record = submit(engine)
    engine.take("w", 0.0)
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


def test_a_worker_gets_the_input_and_the_envelope_that_concerns_it(engine: Engine) -> None:
    bucket = {"accessId": "a", "accessSecret": "b", "bucketName": "c", "endpointUrl": "d"}
    record = submit(engine, webhook="http://127.0.0.1/x", s3_config=bucket, ttl=100.0)
    assert show_for_worker(record) == {
        "id": record.id,
        "input": {"x": 1},
        "webhook": "http://127.0.0.1/x",
        "s3Config": bucket,
    }


@pytest.mark.parametrize(("given", "arrives"), [({}, False), ([], True), (None, True), ("", True), (0, True)])
def test_an_empty_object_as_input_never_reaches_the_worker(engine: Engine, given: object, arrives: bool) -> None:
    assert ("input" in show_for_worker(submit(engine, input=given))) is arrives


@pytest.mark.parametrize("end", ["finish", "cancel", "time out"])
def test_a_webhook_is_due_at_every_end_with_the_job_its_input_and_itself(engine: Engine, end: str) -> None:
    url = "http://127.0.0.1/hook"
    record = submit(engine, webhook=url, s3_config={"accessSecret": "canary"}, execution_timeout=10.0)
    engine.take("w", 1.0)
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
