"""The operations of clients over a real socket: exact requests and responses."""

import json

import pytest

from runpod_typed.local import LocalQueue
from tests.local.caller import Caller, eventually, in_background


def take(worker: Caller, name: str = "w") -> str:
    response = worker.get(f"/job-take/{name}?gpu=x&job_in_progress=0")
    assert response.status == 200
    job_id = response.json["id"]
    assert isinstance(job_id, str)
    return job_id


def finish(worker: Caller, job_id: str, body: object, name: str = "w") -> None:
    assert worker.post(f"/job-done/{name}/{job_id}?gpu=x&isStream=false", body).status == 200


def test_run_returns_id_and_status_at_once(client: Caller) -> None:
    response = client.post("/run", {"input": {"prompt": "hi"}})
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    assert set(response.json) == {"id", "status"}
    assert response.json["status"] == "IN_QUEUE"


def test_responses_have_sorted_keys_and_no_blanks(client: Caller, worker: Caller) -> None:
    job_id = client.run()
    take(worker)
    finish(worker, job_id, {"output": {"b": 1, "a": "é"}})
    response = client.get(f"/status/{job_id}")
    assert list(response.json) == ["delayTime", "executionTime", "id", "output", "status", "workerId"]
    assert '"output":{"b":1,"a":"é"},"status":"COMPLETED","workerId":"w"}' in response.text


def test_runsync_is_held_until_job_ends(client: Caller, worker: Caller) -> None:
    response = in_background(lambda: client.post("/runsync", {"input": 1}))
    job_id = take(worker)
    assert job_id.startswith("sync-")
    finish(worker, job_id, {"output": "done"})
    assert response().json | {"id": job_id, "output": "done", "status": "COMPLETED"} == response().json


@pytest.mark.slow
@pytest.mark.parametrize("taken", [False, True])
def test_returns_job_as_it_is_when_wait_ends(client: Caller, worker: Caller, taken: bool) -> None:
    response = in_background(lambda: client.post("/runsync?wait=1000", {"input": 1}))
    if taken:
        take(worker)
    assert response().status == 200
    assert response().json["status"] == ("IN_PROGRESS" if taken else "IN_QUEUE")
    job_id = response().json["id"]
    assert client.get(f"/status-sync/{job_id}?wait=1000").json["id"] == job_id


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_reads_accept_get_and_post(client: Caller, worker: Caller, method: str) -> None:
    job_id = client.run()
    take(worker)
    finish(worker, job_id, {"output": 1})
    for path in ("status", "status-sync", "stream"):
        response = client.call(method, f"/{path}/{job_id}")
        assert (response.status, response.json["status"]) == (200, "COMPLETED")


@pytest.mark.parametrize("body", [None, {}])
def test_cancel_and_purge_accept_empty_bodies(client: Caller, body: object) -> None:
    job_id = client.run()
    assert client.post(f"/cancel/{job_id}", body).json == {"id": job_id, "status": "CANCELLED"}
    client.run()
    assert client.post("/purge-queue", body).json == {"removed": 1, "status": "completed"}


def test_cancel_and_retry_return_id_and_status(client: Caller, worker: Caller) -> None:
    job_id = client.run()
    take(worker)
    finish(worker, job_id, {"error": "no"})
    assert client.get(f"/status/{job_id}").json["error"] == "no"
    assert client.post(f"/cancel/{job_id}").json == {"id": job_id, "status": "FAILED"}
    assert client.post(f"/retry/{job_id}").json == {"id": job_id, "status": "IN_QUEUE"}
    assert client.get(f"/status/{job_id}").json == {"id": job_id, "retries": 1, "status": "IN_QUEUE"}
    refused = client.post(f"/retry/{job_id}")
    assert (refused.status, "IN_QUEUE" in refused.json["error"]) == (400, True)


def test_health_counts_jobs_and_workers(client: Caller, worker: Caller) -> None:
    zero = {"completed": 0, "failed": 0, "inProgress": 0, "inQueue": 0, "retried": 0}
    assert client.get("/health").json == {
        "jobs": zero,
        "workers": {"idle": 0, "initializing": 0, "ready": 0, "running": 0, "throttled": 0, "unhealthy": 0},
    }
    job_id = client.run()
    client.run()
    take(worker)
    assert client.get("/health").json["jobs"] == zero | {"inProgress": 1, "inQueue": 1}
    finish(worker, job_id, {"output": 1})
    health = client.get("/health").json
    assert health["jobs"] == zero | {"completed": 1, "inQueue": 1}
    assert health["workers"] | {"idle": 1, "ready": 1} == health["workers"]


def test_health_shows_throttled_workers(queue: LocalQueue, client: Caller) -> None:
    queue.throttle(2)
    assert client.get("/health").json["workers"] | {"throttled": 2} == client.get("/health").json["workers"]


def test_metrics_list_ready_workers(client: Caller, worker: Caller) -> None:
    client.run()
    finish(worker, take(worker), {"output": 1})
    assert client.get("/metrics").json | {"readyWorkers": ["w"]} == client.get("/metrics").json
    assert client.get("/metrics").json["workers"] == client.get("/health").json["workers"]


def test_requests_returns_an_object(client: Caller) -> None:
    job_id = client.run()
    assert client.get("/requests").json == {"requests": [{"id": job_id, "status": "IN_QUEUE"}]}


def test_head_is_a_get_without_a_body(client: Caller) -> None:
    job_id = client.run()
    for path in ("/health", f"/status/{job_id}", "/batch"):
        response, expected = client.call("HEAD", path), client.get(path)
        assert (response.status, response.body) == (200, b"")
        assert response.headers["content-length"] == expected.headers["content-length"]
    assert client.call("HEAD", "/status/unknown").status == 404


def test_unknown_methods_and_paths_get_json_errors(client: Caller) -> None:
    wrong = client.call("DELETE", "/run")
    assert (wrong.status, wrong.json, wrong.headers["allow"]) == (405, {"error": "method not allowed"}, "POST")
    assert client.call("GET", "/run").status == 405
    assert client.call("POST", "/health").status == 405
    for unknown in (client.get("/no-such-operation"), client.post("/run/", {"input": 1})):
        assert (unknown.status, unknown.json) == (404, {"error": "not found"})


@pytest.mark.parametrize("path", ["/status/x", "/status-sync/x", "/stream/x", "/cancel/x", "/retry/x"])
def test_unknown_job_gets_404(client: Caller, path: str) -> None:
    response = client.post(path)
    assert (response.status, response.json) == (404, {"error": "job not found"})


# The stream.


def test_stream_returns_each_chunk_once(client: Caller, worker: Caller) -> None:
    job_id = client.run()
    assert client.get(f"/stream/{job_id}").json == {"status": "IN_QUEUE", "stream": []}
    take(worker)
    for chunk in ("a", {"b": 1}):
        worker.post(f"/job-stream/w/{job_id}?gpu=x&isStream=false", {"output": chunk})
    assert client.get(f"/stream/{job_id}").json == {
        "status": "IN_PROGRESS",
        "stream": [{"output": "a"}, {"output": {"b": 1}}],
    }
    worker.post(f"/job-stream/w/{job_id}?gpu=x&isStream=false", {"output": "c"})
    finish(worker, job_id, {"output": []})
    assert client.get(f"/stream/{job_id}").json == {"status": "COMPLETED", "stream": [{"output": "c"}]}
    assert client.get(f"/stream/{job_id}").json == {"status": "COMPLETED", "stream": []}
    assert client.get(f"/status/{job_id}").json["output"] == []


def test_stream_is_held_until_chunk_or_end(client: Caller, worker: Caller) -> None:
    job_id = client.run()
    response = in_background(lambda: client.get(f"/stream/{job_id}?wait=20000"))
    take(worker)
    worker.post(f"/job-stream/w/{job_id}?gpu=x&isStream=false", {"output": "a"})
    assert response().json == {"status": "IN_PROGRESS", "stream": [{"output": "a"}]}
    response = in_background(lambda: client.get(f"/stream/{job_id}"))
    finish(worker, job_id, {"error": "no"})
    assert response().json == {"status": "FAILED", "stream": []}


def test_cancelled_job_ends_its_stream(client: Caller, worker: Caller) -> None:
    job_id = client.run()
    take(worker)
    response = in_background(lambda: client.get(f"/stream/{job_id}"))
    client.post(f"/cancel/{job_id}")
    assert response().json == {"status": "CANCELLED", "stream": []}


# What is refused.


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"null", b"[]", b'{"input": NaN}', b"\xff\xfe", b"[" * 100_000, b'{"inputs": 1}']
)
@pytest.mark.parametrize("path", ["/run", "/runsync"])
def test_invalid_envelope_gets_400_with_reason(client: Caller, path: str, raw: bytes) -> None:
    response = client.call("POST", path, raw=raw)
    assert response.status == 400
    assert response.json["error"]


@pytest.mark.parametrize("value", ["999", "300001", "-1", "abc", "1e4", "", "1000.0", "9" * 40])
@pytest.mark.parametrize("path", ["/status-sync/{id}", "/stream/{id}", "/runsync"])
def test_wait_out_of_range_gets_400(client: Caller, path: str, value: str) -> None:
    job_id = client.run()
    response = client.post(f"{path.format(id=job_id)}?wait={value}", {"input": 1})
    assert response.status == 400
    assert "wait" in response.json["error"]


def test_status_ttl_must_be_positive(client: Caller) -> None:
    job_id = client.run()
    for value in ("0", "-5", "x"):
        assert client.get(f"/status/{job_id}?ttl={value}").status == 400


def test_ignores_unknown_parameters_and_envelope_keys(client: Caller, worker: Caller) -> None:
    job_id = client.run("x", timeout=5)
    assert client.get(f"/status/{job_id}?verbose=1").status == 200
    assert worker.get("/job-take/w?gpu=x").json == {"id": job_id, "input": "x"}


@pytest.mark.slow
@pytest.mark.parametrize(("path", "megabytes"), [("/run", 10), ("/runsync?wait=1000", 20)])
def test_body_above_cap_gets_400(client: Caller, path: str, megabytes: int) -> None:
    envelope = b'{"input": "%s"}'
    room = megabytes * 1024 * 1024 - len(envelope % b"")
    assert client.call("POST", path, raw=envelope % (b"x" * room)).status == 200
    response = client.call("POST", path, raw=envelope % (b"x" * (room + 1)))
    assert (response.status, response.json) == (400, {"error": f"json is invalid; max size is {megabytes} MB"})


def test_keeps_connection_for_many_requests(client: Caller) -> None:
    connection = client.connect()
    try:
        for _ in range(3):
            assert client.call("GET", "/health", connection=connection).status == 200
        socket = connection.sock
        assert client.call("POST", "/run", {"input": 1}, connection=connection).status == 200
        assert connection.sock is socket
    finally:
        connection.close()


def test_client_may_leave_while_waiting(queue: LocalQueue, client: Caller, worker: Caller) -> None:
    connection = client.connect()
    body = json.dumps({"input": 1})
    headers = {"Authorization": queue.api_key}
    connection.request("POST", "/v2/demo/runsync", body=body, headers=headers)
    job_id = take(worker)
    connection.close()
    finish(worker, job_id, {"output": 1})
    assert client.get(f"/status/{job_id}").json["status"] == "COMPLETED"


def test_unfinished_upload_submits_nothing(queue: LocalQueue, client: Caller, caplog: pytest.LogCaptureFixture) -> None:
    connection = client.connect()
    connection.putrequest("POST", "/v2/demo/run")
    connection.putheader("Authorization", queue.api_key)
    connection.putheader("Content-Length", "100")
    connection.endheaders(b'{"input": ')
    client.get("/health")
    connection.close()
    for _ in range(3):
        assert client.get("/health").json["jobs"]["inQueue"] == 0
    assert caplog.text == ""


def test_wakes_all_waiters_when_job_ends(client: Caller, worker: Caller) -> None:
    job_id = client.run()
    responses = [in_background(lambda: client.get(f"/status-sync/{job_id}")) for _ in range(10)]
    take(worker)
    finish(worker, job_id, {"output": 1})
    assert {response().json["status"] for response in responses} == {"COMPLETED"}


def test_wakes_waiters_when_job_is_purged(queue: LocalQueue, client: Caller) -> None:
    job_id = client.run()
    held = in_background(lambda: client.get(f"/status-sync/{job_id}"))
    synchronous = in_background(lambda: client.post("/runsync", {"input": 1}))
    eventually(queue.stats, lambda stats: stats.submitted == 2)
    client.post("/purge-queue")
    assert held().status == 404
    assert synchronous().json["status"] == "CANCELLED"
