"""Faults over real sockets: what the client meets, and what has happened behind its back."""

import asyncio
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
def test_reset_comes_before_or_after_processing(queue: LocalQueue, client: Caller, kind: str, submitted: int) -> None:
    queue.inject(kind, operation="run")
    with pytest.raises(ConnectionResetError):
        client.run()
    assert queue.stats().submitted == submitted
    assert client.wait(client.run())["status"] == "COMPLETED"
    assert queue.faults_injected == {FaultKind(kind): 1}


def test_reset_hits_kept_connection(queue: LocalQueue, client: Caller) -> None:
    connection = client.connect()
    assert client.call("GET", "/health", connection=connection).status == 200
    queue.inject("reset_after", operation="run")
    with pytest.raises(LOST):
        client.call("POST", "/run", {"input": 1}, connection=connection)
    connection.close()
    assert queue.stats().submitted == 1


def test_truncated_body_is_shorter_than_announced(queue: LocalQueue, client: Caller) -> None:
    queue.inject("truncated_body", operation="run")
    with pytest.raises(http.client.IncompleteRead) as caught:
        client.run()
    assert caught.value.partial.startswith(b'{"id":"')
    assert queue.stats().submitted == 1


def test_dropped_stream_loses_chunks(queue: LocalQueue) -> None:
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


def test_html_body_hides_accepted_job(queue: LocalQueue, client: Caller) -> None:
    queue.inject("html_body", operation="run")
    response = client.post("/run", {"input": 1})
    assert (response.status, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert response.text.startswith("<!DOCTYPE html>")
    assert queue.stats().submitted == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 521, 522, 523, 524])
def test_server_and_edge_errors_use_given_status(queue: LocalQueue, client: Caller, status: int) -> None:
    queue.inject("edge_error" if status >= 520 else "server_error", operation="run", status=status)
    assert client.post("/run", {"input": 1}).status == status
    assert queue.stats().submitted == (1 if status in {504, 520, 524} else 0)
    assert client.post("/run", {"input": 1}).status == 200


def test_error_bodies_have_many_forms(queue: LocalQueue, client: Caller) -> None:
    faults = Faults(seed=5, rate=1.0, kinds=["server_error", "edge_error"], operations=["get_health"])
    with LocalQueue(faults=faults) as faulty:
        responses = [Caller(faulty).get("/health") for _ in range(60)]
    types = {response.headers.get("content-type", "").partition(";")[0] for response in responses}
    assert types == {"application/json", "text/plain", "text/html", ""}
    assert any(response.body == b"" for response in responses)


def test_rate_limit_faults_with_and_without_retry_after(queue: LocalQueue, client: Caller) -> None:
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
        responses = [Caller(queue).get("/health") for _ in range(40)]
    forms = {response.headers.get("retry-after") for response in responses}
    assert {"2", "1.5", None} < forms
    (date, *_) = [form for form in forms if form is not None and form.endswith("GMT")]
    assert parsedate_to_datetime(date).tzinfo is not None
    assert {response.headers.get("ratelimit") for response in responses} == {None, '"second";r=0;t=2'}


def test_latency_only_delays(queue: LocalQueue, client: Caller) -> None:
    queue.inject("latency", operation="get_health", seconds=0.05)
    assert client.get("/health").status == 200
    assert queue.faults_injected == {FaultKind.LATENCY: 1}


def test_stops_quietly_while_latency_holds_a_request(caplog: pytest.LogCaptureFixture) -> None:
    with LocalQueue() as queue:
        queue.inject("latency", operation="get_health", seconds=600)
        connection = Caller(queue).connect()
        headers = {"Authorization": f"Bearer {queue.api_key}"}
        connection.request("GET", f"/v2/{queue.endpoint_id}/health", headers=headers)
        eventually(lambda: queue.faults_injected, lambda faults: faults == {FaultKind.LATENCY: 1})
    connection.close()
    assert caplog.records == []


def test_clock_jump_expires_results(queue: LocalQueue, client: Caller) -> None:
    job_id = client.run()
    client.wait(job_id)
    queue.inject("clock_jump", operation="get_health", seconds=1801)
    client.get("/health")
    assert client.get(f"/status/{job_id}").status == 404


@pytest.mark.parametrize("generator", [False, True])
def test_worker_death_hands_job_to_another(generator: bool) -> None:
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


def test_worker_death_takes_all_jobs_of_the_worker() -> None:
    runs: list[str] = []

    async def handler(job: dict[str, Any]) -> str:
        runs.append(job["id"])
        if job["input"] == "waits":
            await asyncio.sleep(0 if runs.count(job["id"]) > 1 else 60)
        return "done"

    with LocalQueue({"handler": handler, "concurrency_modifier": lambda _: 2}) as queue:
        client = Caller(queue)
        waits = client.run("waits")
        eventually(lambda: runs, bool)
        queue.inject("worker_death")
        dies = client.run("dies")
        for job_id in (waits, dies):
            shown = client.wait(job_id)
            assert (shown["output"], shown["retries"]) == ("done", 1)


def test_second_worker_death_fails_job(queue: LocalQueue, client: Caller) -> None:
    queue.inject("worker_death", times=2)
    shown = client.wait(client.run())
    assert (shown["status"], shown["error"]) == ("FAILED", "job timed out after 1 retries")


def test_duplicate_result_changes_nothing(queue: LocalQueue, client: Caller) -> None:
    queue.inject("duplicate_result")
    job_id = client.run()
    assert client.wait(job_id)["status"] == "COMPLETED"
    stats = eventually(queue.stats, lambda stats: stats.ignored_results == 1)
    assert (stats.completed, stats.submitted) == (1, 1)


def test_fault_can_hit_worker_operation() -> None:
    with LocalQueue() as queue:
        client = Caller(queue)
        job_id = client.run()
        client.get("/job-take/w")
        queue.inject("server_error", operation="job_done", status=500)
        assert client.post(f"/job-done/w/{job_id}", {"output": 1}).status == 500
        assert client.get(f"/status/{job_id}").json["status"] == "IN_PROGRESS"
        assert client.post(f"/job-done/w/{job_id}", {"output": 1}).status == 200
        assert client.get(f"/status/{job_id}").json["status"] == "COMPLETED"


def test_unauthorized_requests_use_up_no_fault(queue: LocalQueue, client: Caller) -> None:
    queue.inject("server_error", status=503)
    connection = Caller(queue).connect()
    connection.request("GET", "/v2/another/health")
    assert connection.getresponse().status == 404
    connection.close()
    assert Caller(queue, key="wrong").get("/health").status == 401
    assert client.call("GET", "/health", headers={}).status == 401
    assert client.call("GET", "/health", headers={"Host": "evil.example"}).status == 403
    assert queue.faults_injected == {}
    assert client.get("/health").status == 503


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/run", "/runsync?wait=1000"])
def test_job_is_not_visible_for_some_time(path: str) -> None:
    with LocalQueue() as queue:
        client, worker = Caller(queue), Caller(queue)
        queue.inject("not_yet_visible", seconds=1000)
        job_id = client.post(path, {"input": 1}).json["id"]
        for operation in ("status", "status-sync", "stream", "cancel", "retry"):
            assert client.post(f"/{operation}/{job_id}").status == 404
        assert worker.get("/job-take/w").json["id"] == job_id
        assert worker.post(f"/job-done/w/{job_id}", {"output": 1}).status == 200
        assert client.get(f"/status/{job_id}").status == 404
        queue.advance(1000)
        if path == "/run":
            assert client.get(f"/status/{job_id}").json["status"] == "COMPLETED"
        assert queue.faults_injected == {FaultKind.NOT_YET_VISIBLE: 1}


def test_single_requests_may_find_job_invisible(queue: LocalQueue, client: Caller) -> None:
    job_id = client.run()
    queue.inject("not_yet_visible", operation="get_status")
    assert client.get(f"/status/{job_id}").json == {"error": "job not found"}
    assert client.get(f"/status/{job_id}").status == 200


def test_outage_fails_every_request_until_it_ends() -> None:
    with LocalQueue() as queue:
        client = Caller(queue)
        queue.outage(60, status=502)
        for path in ("/health", "/status/x", "/job-take/w", "/openai/v1/models"):
            assert client.get(path).status == 502
        assert client.post("/run", {"input": 1}).status == 502
        assert queue.stats().submitted == 0
        queue.outage(0.05)
        eventually(lambda: client.get("/health").status, lambda status: status == 200)


def test_outage_may_refuse_connections() -> None:
    with LocalQueue() as queue:
        client, kept = Caller(queue), Caller(queue).connect()
        assert client.call("GET", "/health", connection=kept).status == 200
        queue.outage(60, status=None)
        with pytest.raises(ConnectionRefusedError):
            client.get("/health")
        with pytest.raises(LOST):
            client.call("GET", "/health", connection=kept)
        kept.close()
        queue.outage(0.05, status=None)

        def status() -> int:
            try:
                return client.get("/health").status
            except OSError:
                return 0

        eventually(status, lambda status: status == 200)
        queue.outage(60, status=None)


def test_refuses_faults_of_another_type() -> None:
    rate: Any = 0.3
    with pytest.raises(ValueError, match="faults must be Faults"):
        LocalQueue(faults=rate)


def test_refuses_outage_with_other_status(queue: LocalQueue) -> None:
    with pytest.raises(ValueError, match="status must be from 500 to 599"):
        queue.outage(1, status=404)


def test_unknown_fault_kind_lists_the_kinds(queue: LocalQueue) -> None:
    message = "unknown fault kind 'latancy'; known are latency, reset_before, .*clock_jump"
    for use in (lambda: queue.inject("latancy"), lambda: Faults(kinds=["latancy"])):
        with pytest.raises(ValueError, match=message):
            use()


@pytest.mark.parametrize("options", [{"seconds": -1}, {"seconds": float("nan")}, {"times": 0}, {"status": 302}])
def test_refuses_injection_out_of_range(queue: LocalQueue, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        queue.inject("latency", **options)


@pytest.mark.parametrize(("kind", "operation"), [("nothing", "run"), ("latency", "nothing")])
def test_refuses_unknown_kind_or_operation(queue: LocalQueue, kind: str, operation: str) -> None:
    with pytest.raises(ValueError, match="nothing"):
        queue.inject(kind, operation=operation)


def test_random_faults_lose_no_job() -> None:
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
