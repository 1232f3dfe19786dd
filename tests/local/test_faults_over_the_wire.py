"""Faults over real sockets: what the client meets, and what has happened behind its back."""

import http.client
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from runpod_typed.local import FaultKind, Faults, JobStatus, LocalQueue
from tests.local.caller import Caller, eventually

LOST = (ConnectionResetError, http.client.RemoteDisconnected, http.client.IncompleteRead)


@pytest.fixture
def queue() -> Iterator[LocalQueue]:
    with LocalQueue(lambda job: job["input"]) as queue:
        yield queue


@pytest.mark.parametrize(("kind", "submitted"), [("reset_before", 0), ("reset_after", 1)])
def test_a_reset_breaks_the_connection_before_or_after_the_request(
    queue: LocalQueue, client: Caller, kind: str, submitted: int
) -> None:
    queue.inject(kind, operation="run")
    with pytest.raises(ConnectionResetError):
        client.run()
    assert queue.stats().submitted == submitted
    assert client.wait(client.run())["status"] == "COMPLETED"
    assert queue.faults_injected == {FaultKind(kind): 1}


def test_a_reset_comes_on_a_connection_that_has_served_before(queue: LocalQueue, client: Caller) -> None:
    connection = client.connect()
    assert client.call("GET", "/health", connection=connection).status == 200
    queue.inject("reset_after", operation="run")
    with pytest.raises(LOST):
        client.call("POST", "/run", {"input": 1}, connection=connection)
    connection.close()
    assert queue.stats().submitted == 1


def test_a_truncated_answer_promises_more_than_it_gives(queue: LocalQueue, client: Caller) -> None:
    queue.inject("truncated_body", operation="run")
    with pytest.raises(http.client.IncompleteRead) as caught:
        client.run()
    assert caught.value.partial.startswith(b'{"id":"')
    assert queue.stats().submitted == 1


def test_a_dropped_stream_answer_takes_its_chunks_along(queue: LocalQueue) -> None:
    def handler(job: dict[str, Any]) -> Iterator[object]:
        yield from ("a", "b")

    with LocalQueue(handler) as streaming:
        client = Caller(streaming)
        job_id = client.run()
        client.wait(job_id)
        streaming.inject("dropped_stream")
        with pytest.raises(LOST):
            client.get(f"/stream/{job_id}")
        assert client.get(f"/stream/{job_id}").json == {"status": "COMPLETED", "stream": []}


def test_a_page_of_html_hides_that_the_job_was_accepted(queue: LocalQueue, client: Caller) -> None:
    queue.inject("html_body", operation="run")
    answer = client.post("/run", {"input": 1})
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.text.startswith("<!DOCTYPE html>")
    assert queue.stats().submitted == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 521, 522, 523, 524])
def test_errors_of_server_and_edge_come_with_the_status_asked_for(
    queue: LocalQueue, client: Caller, status: int
) -> None:
    queue.inject("edge_error" if status >= 520 else "server_error", operation="run", status=status)
    assert client.post("/run", {"input": 1}).status == status
    assert queue.stats().submitted == (1 if status in {504, 520, 524} else 0)
    assert client.post("/run", {"input": 1}).status == 200


def test_bodies_of_errors_have_many_forms(queue: LocalQueue, client: Caller) -> None:
    faults = Faults(seed=5, rate=1.0, kinds=["server_error", "edge_error"], operations=["get_health"])
    with LocalQueue(faults=faults) as faulty:
        answers = [Caller(faulty).get("/health") for _ in range(60)]
    types = {answer.headers.get("content-type", "").partition(";")[0] for answer in answers}
    assert types == {"application/json", "text/plain", "text/html", ""}
    assert any(answer.body == b"" for answer in answers)


def test_a_429_says_nothing_or_when_to_come_back(queue: LocalQueue, client: Caller) -> None:
    queue.inject("rate_limited", operation="run")
    bare = client.post("/run", {"input": 1})
    assert bare.status == 429
    assert not {"retry-after", "ratelimit"} & set(bare.headers)

    queue.inject("rate_limited_retry_after", operation="run", seconds=7)
    assert client.post("/run", {"input": 1}).headers["retry-after"] == "7"
    assert queue.stats().submitted == 0


def test_retry_after_comes_in_every_form() -> None:
    faults = Faults(rate=1.0, kinds=["rate_limited_retry_after"], retry_after=1.5)
    with LocalQueue(faults=faults) as queue:
        answers = [Caller(queue).get("/health") for _ in range(40)]
    forms = {answer.headers.get("retry-after") for answer in answers}
    assert {"2", "1.5", None} < forms
    (date, *_) = [form for form in forms if form is not None and form.endswith("GMT")]
    assert parsedate_to_datetime(date).tzinfo is not None
    assert {answer.headers.get("ratelimit") for answer in answers} == {None, '"second";r=0;t=2'}


def test_latency_delays_and_does_no_more(queue: LocalQueue, client: Caller) -> None:
    queue.inject("latency", operation="get_health", seconds=0.05)
    assert client.get("/health").status == 200
    assert queue.faults_injected == {FaultKind.LATENCY: 1}


def test_a_clock_jump_ages_everything(queue: LocalQueue, client: Caller) -> None:
    job_id = client.run()
    client.wait(job_id)
    queue.inject("clock_jump", operation="get_health", seconds=1801)
    client.get("/health")
    assert client.get(f"/status/{job_id}").status == 404


@pytest.mark.parametrize("generator", [False, True])
def test_a_worker_that_dies_in_the_middle_loses_its_job_to_another(generator: bool) -> None:
    runs: list[str] = []

    def plain(job: dict[str, Any]) -> object:
        runs.append(job["id"])
        return "done"

    def streaming(job: dict[str, Any]) -> Iterator[object]:
        runs.append(job["id"])
        yield "a"
        yield "b"

    with LocalQueue(streaming if generator else plain) as queue:
        client = Caller(queue)
        queue.inject("worker_death")
        job_id = client.run()
        shown = client.wait(job_id)
        if generator:
            assert client.get(f"/stream/{job_id}").json["stream"] == [{"output": "a"}, {"output": "b"}]
        assert (shown["status"], shown["retries"]) == ("COMPLETED", 1)
        assert runs == [job_id, job_id]
        assert queue.stats().executed_twice == (job_id,)
        client.until("/health", lambda health: health["workers"]["idle"] == 1)


def test_a_job_whose_workers_die_twice_fails_as_on_the_platform(queue: LocalQueue, client: Caller) -> None:
    queue.inject("worker_death", times=2)
    shown = client.wait(client.run())
    assert (shown["status"], shown["error"]) == ("FAILED", "job timed out after 1 retries")


def test_a_second_result_changes_nothing(queue: LocalQueue, client: Caller) -> None:
    queue.inject("duplicate_result")
    job_id = client.run()
    assert client.wait(job_id)["status"] == "COMPLETED"
    stats = eventually(queue.stats, lambda stats: stats.ignored_results == 1)
    assert (stats.completed, stats.submitted) == (1, 1)


def test_a_fault_may_hit_a_worker_that_calls_over_http() -> None:
    with LocalQueue() as queue:
        client = Caller(queue)
        job_id = client.run()
        client.get("/job-take/w")
        queue.inject("server_error", operation="job_done", status=500)
        assert client.post(f"/job-done/w/{job_id}", {"output": 1}).status == 500
        assert client.get(f"/status/{job_id}").json["status"] == "IN_PROGRESS"
        assert client.post(f"/job-done/w/{job_id}", {"output": 1}).status == 200
        assert client.get(f"/status/{job_id}").json["status"] == "COMPLETED"


def test_a_wrong_key_or_endpoint_is_not_worth_a_fault(queue: LocalQueue) -> None:
    queue.inject("server_error")
    connection = Caller(queue).connect()
    connection.request("GET", "/v2/another/health")
    assert connection.getresponse().status == 404
    connection.close()
    assert queue.faults_injected == {}


@pytest.mark.parametrize(("kind", "operation"), [("nothing", "run"), ("latency", "nothing")])
def test_an_unknown_kind_or_operation_is_refused(queue: LocalQueue, kind: str, operation: str) -> None:
    with pytest.raises(ValueError, match="nothing"):
        queue.inject(kind, operation=operation)


def test_under_random_faults_no_job_is_lost() -> None:
    faults = Faults(seed=7, rate=0.3, latency=0.01)
    unfinished = (JobStatus.IN_QUEUE, JobStatus.IN_PROGRESS)
    with LocalQueue(lambda job: job["input"], workers=4, faults=faults) as queue:
        client = Caller(queue)
        for number in range(200):
            try:
                client.post("/run", {"input": number})
            except LOST:
                continue
        stats = eventually(queue.stats, lambda stats: not any(stats.by_status[status] for status in unfinished))
        injected = queue.faults_injected
    assert stats.submitted == sum(stats.by_status.values()) + stats.expired + stats.purged
    assert stats.by_status[JobStatus.COMPLETED] + stats.by_status[JobStatus.FAILED] == stats.submitted
    assert sum(injected.values()) > 40
