from __future__ import annotations

import pickle
from typing import Any

import pytest

from runpod_typed import EndpointHealth, EndpointMetrics, JobCounts, PurgeResult, WorkerCounts
from runpod_typed._models.health import explain_waiting, read_health, read_metrics, read_purge_result, read_requests
from runpod_typed._models.responses import ValidationError

CAPTURED = {
    "jobs": {"completed": 31, "failed": 1, "inProgress": 2, "inQueue": 3, "retried": 4},
    "workers": {"idle": 5, "initializing": 6, "ready": 7, "running": 8, "throttled": 9, "unhealthy": 10},
}


def health(in_queue: int = 1, **workers: int) -> EndpointHealth:
    return read_health({"jobs": {"inQueue": in_queue}, "workers": workers})


def test_every_counter_of_a_captured_response_arrives() -> None:
    found = read_health(CAPTURED)
    assert found.jobs == JobCounts(in_queue=3, in_progress=2, completed=31, failed=1, retried=4)
    assert found.workers == WorkerCounts(idle=5, running=8, initializing=6, ready=7, throttled=9, unhealthy=10)
    assert found.to_dict() == CAPTURED
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize(
    "answer",
    [{}, {"jobs": None, "workers": None}, {"jobs": {}, "workers": {}}, {"jobs": {"inQueue": None}, "more": 1}],
)
def test_counters_that_are_left_out_are_0(answer: dict[str, Any]) -> None:
    found = read_health(answer)
    assert (found.jobs, found.workers) == (JobCounts(), WorkerCounts())
    assert found.to_dict() == answer


@pytest.mark.parametrize(
    "answer",
    [
        [],
        None,
        {"jobs": 5},
        {"workers": "many"},
        {"workers": [1]},
        {"jobs": {"inQueue": "2"}},
        {"jobs": {"inQueue": True}},
        {"workers": {"idle": [1]}},
        {"workers": {"idle": float("nan")}},
    ],
)
def test_a_health_of_another_shape_is_refused(answer: object) -> None:
    with pytest.raises(ValidationError):
        read_health(answer)


def test_metrics_have_workers_ready_ones_and_unknown_fields() -> None:
    answer = {"workers": {"ready": 1}, "readyWorkers": ["a", "b"], "more": [1]}
    found = read_metrics(answer)
    assert found == EndpointMetrics(workers=WorkerCounts(ready=1), ready_workers=("a", "b"), raw={})
    assert found.to_dict() == answer


@pytest.mark.parametrize("answer", [{}, {"readyWorkers": None}, {"readyWorkers": []}])
def test_metrics_may_name_no_worker(answer: object) -> None:
    assert read_metrics(answer).ready_workers == ()


@pytest.mark.parametrize("answer", [[], {"readyWorkers": "a"}, {"readyWorkers": {"a": 1}}, {"readyWorkers": [None]}])
def test_metrics_of_another_shape_are_refused(answer: object) -> None:
    with pytest.raises(ValidationError):
        read_metrics(answer)


@pytest.mark.parametrize("answer", [{}, {"requests": None}, {"a": [1, {"b": None}]}])
def test_requests_are_any_object_as_it_came(answer: dict[str, Any]) -> None:
    assert read_requests(answer) == answer


@pytest.mark.parametrize("answer", [[], None, "text"])
def test_requests_that_are_no_object_are_refused(answer: object) -> None:
    with pytest.raises(ValidationError):
        read_requests(answer)


def test_a_purge_says_how_many_jobs_it_removed() -> None:
    answer = {"removed": 2, "status": "completed"}
    found = read_purge_result(answer)
    assert found == PurgeResult(removed=2, status="completed", raw={})
    assert found.to_dict() == answer


@pytest.mark.parametrize("answer", [{"removed": 2}, {"removed": 2, "status": None}])
def test_a_purge_need_not_say_more_as_the_specification_has_it(answer: object) -> None:
    assert read_purge_result(answer) == PurgeResult(removed=2, status=None, raw={})


@pytest.mark.parametrize("answer", [[], {}, {"removed": None}, {"removed": "2"}, {"removed": 2, "status": 5}])
def test_a_purge_response_of_another_shape_is_refused(answer: object) -> None:
    with pytest.raises(ValidationError):
        read_purge_result(answer)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "health is unknown"),
        (health(in_queue=2), "no workers and 2 jobs wait in the queue"),
        (health(), "no workers and 1 job waits in the queue"),
        (health(throttled=1), "1 worker is throttled: no machine of the wanted kind is free"),
        (health(throttled=2, initializing=1), "2 workers are throttled"),
        (health(initializing=2), "2 workers are initializing (a cold start)"),
        (health(unhealthy=3), "3 workers are unhealthy (besides 0 others)"),
        (health(unhealthy=1, initializing=1), "1 worker is unhealthy (besides 1 other)"),
        (health(unhealthy=2, throttled=1, running=2), "2 workers are unhealthy (besides 3 others)"),
        (health(unhealthy=1, idle=1, ready=1), "1 worker is unhealthy (besides 1 other)"),
        (health(), "scaled down"),
        (health(running=2, throttled=1), "All workers are busy (2 running)"),
        (health(idle=1, ready=1, running=3), "1 worker is idle, and 1 job waits"),
        (health(ready=2, initializing=1), "2 workers are idle"),
    ],
)
def test_says_why_a_job_waits_and_what_to_do(found: EndpointHealth | None, words: str) -> None:
    said = explain_waiting(found)
    assert words in said
    assert said.endswith(".")


@pytest.mark.parametrize(
    "answer",
    [{"error": "nope"}, {"jobs": [], "workers": []}, {"jobs": {}, "workers": ""}, {"jobs": [["inQueue", 5]]}],
)
def test_another_shape_is_not_read_as_an_endpoint_without_jobs(answer: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read_health(answer)
