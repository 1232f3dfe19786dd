"""The operations of workers over a real socket, in the worker SDK's own forms."""

from functools import partial
from urllib.parse import quote

import pytest

from runpod_typed.local import LocalQueue
from tests.local.caller import Caller, eventually, in_background

FORM = {"Content-Type": "application/x-www-form-urlencoded", "charset": "utf-8"}


def report(worker: Caller, queue: LocalQueue, path: str, raw: bytes) -> int:
    token = queue.worker_environment()["RUNPOD_AI_API_KEY"]
    return worker.call("POST", path, raw=raw, headers=FORM | {"Authorization": token}).status


def test_take_is_held_until_job_comes(client: Caller, worker: Caller) -> None:
    response = in_background(lambda: worker.get("/job-take/w?gpu=x&job_in_progress=0"))
    job_id = client.run({"a": 1}, webhook="http://127.0.0.1:9/hook")
    assert response().json == {"id": job_id, "input": {"a": 1}, "webhook": "http://127.0.0.1:9/hook"}
    assert response().headers["content-type"] == "application/json"


def test_gives_each_job_to_one_worker(queue: LocalQueue, client: Caller, worker: Caller) -> None:
    takes = [in_background(partial(worker.get, f"/job-take/w{n}?gpu=x")) for n in range(5)]
    eventually(lambda: queue.held_requests, lambda count: count == 5)
    ids = [client.run(n) for n in range(5)]
    assert sorted(take().json["id"] for take in takes) == sorted(ids)
    assert queue.stats().executed_twice == ()


def test_head_takes_no_job(client: Caller, worker: Caller) -> None:
    job_id = client.run()
    assert worker.call("HEAD", "/job-take/w?gpu=x").status == 405
    for taking in ("/job-take-batch/w?gpu=x", "/job-stop/w", "/ping/w"):
        assert worker.call("HEAD", taking).status == 405
    for taking in (f"/stream/{job_id}", "/openai/v1/models"):
        assert client.call("HEAD", taking).status == 405
    assert worker.get("/job-take/w?gpu=x").json["id"] == job_id


def test_batch_take_returns_up_to_its_size(client: Caller, worker: Caller) -> None:
    ids = [client.run(n) for n in range(4)]
    response = worker.get("/job-take-batch/w?gpu=x&batch_size=3&job_in_progress=0")
    assert [job["id"] for job in response.json] == ids[:3]
    response = worker.get("/job-take-batch/w?gpu=x&batch_size=3&job_in_progress=1")
    assert [job["id"] for job in response.json] == ids[3:]


@pytest.mark.parametrize("size", ["0", "-1", "x", "9" * 5000])
def test_batch_take_of_invalid_size_gets_400(worker: Caller, size: str) -> None:
    assert worker.get(f"/job-take-batch/w?gpu=x&batch_size={size}").status == 400


def test_disconnected_worker_gets_no_job(queue: LocalQueue, client: Caller, worker: Caller) -> None:
    connection = worker.connect()
    token = queue.worker_environment()["RUNPOD_AI_API_KEY"]
    connection.request("GET", "/v2/demo/job-take/w1?gpu=x", headers={"Authorization": token})
    client.until("/health", lambda health: health["workers"]["idle"] == 1)
    connection.close()
    eventually(lambda: queue.held_requests, lambda count: count == 0)
    job_id = client.run()
    assert worker.get("/job-take/w2?gpu=x").json["id"] == job_id


def test_reads_json_of_any_content_type(queue: LocalQueue, client: Caller, worker: Caller) -> None:
    job_id = client.run()
    worker.get("/job-take/w?gpu=x")
    done, stream = f"/job-done/w/{job_id}?gpu=x&isStream=false", f"/job-stream/w/{job_id}?gpu=x&isStream=false"
    assert report(worker, queue, done, '{"status": "IN_PROGRESS", "output": "é 50%"}'.encode()) == 200
    assert client.get(f"/status/{job_id}").json["output"] == "é 50%"
    assert report(worker, queue, stream, b'{"output": "a=b&c=d"}') == 200
    assert report(worker, queue, done, b'{"output": NaN}') == 200
    assert b'"output":NaN' in client.get(f"/status/{job_id}").body
    assert client.get(f"/stream/{job_id}").json["stream"] == [{"output": "a=b&c=d"}]


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"output=1"])
def test_report_that_is_not_an_object_gets_400(queue: LocalQueue, client: Caller, worker: Caller, raw: bytes) -> None:
    job_id = client.run()
    worker.get("/job-take/w?gpu=x")
    assert report(worker, queue, f"/job-done/w/{job_id}?gpu=x", raw) == 400
    assert client.get(f"/status/{job_id}").json["status"] == "IN_PROGRESS"


def test_late_reports_get_200_and_are_ignored(client: Caller, worker: Caller) -> None:
    job_id = client.run()
    worker.get("/job-take/w?gpu=x")
    assert worker.post(f"/job-done/w/{job_id}?gpu=x", {"output": 1}).status == 200
    before = client.get(f"/status/{job_id}").json
    assert worker.post(f"/job-done/w/{job_id}?gpu=x", {"output": 2}).status == 200
    assert worker.post(f"/job-done/w/{job_id}?gpu=x", {"status": "IN_PROGRESS", "output": 3}).status == 200
    assert worker.post(f"/job-stream/w/{job_id}?gpu=x", {"output": 4}).status == 200
    assert client.get(f"/status/{job_id}").json == before
    assert client.get(f"/stream/{job_id}").json["stream"] == []


def test_report_on_unknown_job_gets_404(worker: Caller) -> None:
    assert worker.post("/job-done/w/nobody?gpu=x", {"output": 1}).status == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"output": {"a": 1}}, "COMPLETED"),
        ({}, "COMPLETED"),
        ({"error": "text"}, "FAILED"),
        ({"error": {"code": 7}}, "FAILED"),
        ({"output": 1, "stopPod": True}, "COMPLETED"),
    ],
)
def test_every_form_of_result_ends_job(client: Caller, worker: Caller, body: dict[str, object], status: str) -> None:
    job_id = client.run()
    worker.get("/job-take/w?gpu=x")
    worker.post(f"/job-done/w/{job_id}?gpu=x&isStream=false", body)
    shown = client.get(f"/status/{job_id}").json
    assert shown["status"] == status
    assert {key: shown[key] for key in ("output", "error") if key in shown} == {
        key: value for key, value in body.items() if key != "stopPod"
    }


BIG = "x" * 20 * 1024 * 1024


def test_result_above_cap_gets_400_and_completes_job(
    client: Caller, worker: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = client.run()
    worker.get("/job-take/w?gpu=x")
    assert worker.post(f"/job-done/w/{job_id}?gpu=x", {"output": BIG}).status == 400
    shown = client.get(f"/status/{job_id}").json
    assert (shown["status"], "output" in shown) == ("COMPLETED", False)
    assert caplog.messages == [f"The result of job {job_id} is above 20 MB and is lost, as on the platform."]


def test_error_above_cap_fails_job(client: Caller, worker: Caller) -> None:
    job_id = client.run()
    worker.get("/job-take/w?gpu=x")
    worker.post(f"/job-done/w/{job_id}?gpu=x", {"error": BIG})
    assert client.get(f"/status/{job_id}").json["error"] == "the error was above 20 MB and is lost"


def test_progress_above_cap_does_not_end_job(client: Caller, worker: Caller) -> None:
    job_id = client.run()
    worker.get("/job-take/w?gpu=x")
    body = {"status": "IN_PROGRESS", "output": BIG}
    assert worker.post(f"/job-done/w/{job_id}?gpu=x", body).status == 400
    assert client.get(f"/status/{job_id}").json["status"] == "IN_PROGRESS"


def test_passes_metrics_of_chunks_on(client: Caller, worker: Caller) -> None:
    job_id = client.run()
    worker.get("/job-take/w?gpu=x")
    chunk = {"metrics": {"output_tokens": 1}, "output": "Hello"}
    worker.post(f"/job-stream/w/{job_id}?gpu=x", chunk)
    assert client.get(f"/stream/{job_id}").json["stream"] == [chunk]


def test_splits_string_chunk_at_one_megabyte(client: Caller, worker: Caller) -> None:
    job_id = client.run()
    worker.get("/job-take/w?gpu=x")
    text = "abcdefg" * 200_000
    worker.post(f"/job-stream/w/{job_id}?gpu=x", {"output": text})
    pieces = [chunk["output"] for chunk in client.get(f"/stream/{job_id}").json["stream"]]
    assert len(pieces) > 1
    assert "".join(pieces) == text


def test_stop_channel_is_held_until_stop(client: Caller, worker: Caller) -> None:
    job_id = client.run()
    worker.get("/job-take/w?gpu=x")
    response = in_background(lambda: worker.get("/job-stop/w?gpu=x"))
    client.post(f"/cancel/{job_id}")
    assert response().json == {"jobsToStop": [job_id]}


def test_stops_wait_for_the_worker(client: Caller, worker: Caller) -> None:
    ids = [client.run() for _ in range(2)]
    worker.get("/job-take-batch/w?gpu=x&batch_size=2")
    for job_id in ids:
        client.post(f"/cancel/{job_id}")
    assert worker.get("/job-stop/w?gpu=x").json == {"jobsToStop": ids}


def test_heartbeats_keep_named_jobs(queue: LocalQueue, client: Caller, worker: Caller) -> None:
    named, forgotten = client.run(1), client.run(2)
    worker.get("/job-take-batch/w?gpu=x&batch_size=2")
    for _ in range(3):
        queue.advance(20)
        assert worker.get(f"/ping/w?job_id={quote(f'{named},other')}&runpod_version=1.12.0").status == 200
    assert client.get(f"/status/{named}").json["status"] == "IN_PROGRESS"
    assert client.get(f"/status/{forgotten}").json == {"id": forgotten, "retries": 1, "status": "IN_QUEUE"}


def test_counts_unhealthy_worker(client: Caller, worker: Caller) -> None:
    worker.get("/ping/w?status=unhealthy&check=disk&reason=full&runpod_version=1.12.0")
    assert client.get("/health").json["workers"] | {"unhealthy": 1} == client.get("/health").json["workers"]


def test_worker_environment_uses_given_host(queue: LocalQueue) -> None:
    here, there = queue.worker_environment("w"), queue.worker_environment("w", host="host.docker.internal")
    assert there == {name: value.replace("127.0.0.1", "host.docker.internal") for name, value in here.items()}
    assert "http://[fd00::1]:" in queue.worker_environment(host="fd00::1")["RUNPOD_WEBHOOK_PING"]


def test_stop_releases_held_requests() -> None:
    queue = LocalQueue().start()
    client, worker = Caller(queue), Caller(queue)
    job_id = client.run()
    paths = (f"/status-sync/{job_id}", f"/stream/{job_id}?wait=60000", "/job-stop/w")
    held = [in_background(partial(client.get, path)) for path in paths]
    queue.pause()
    held.append(in_background(partial(worker.get, "/job-take/w")))
    eventually(lambda: queue.held_requests, lambda count: count == 4)
    queue.stop()
    assert [response().status for response in held] == [200, 200, 204, 204]
