"""Lifetimes over the wire: real seconds where scaled, and leaps of the queue's clock."""

import asyncio

import pytest

from runpod_typed.local import LocalQueue
from tests.local.caller import Caller, eventually, in_background


@pytest.mark.parametrize(("path", "kept"), [("/run", 1800), ("/runsync", 60)])
def test_result_expires_after_retention(path: str, kept: int) -> None:
    with LocalQueue(lambda job: job["input"]) as queue:
        client = Caller(queue)
        job_id = client.post(path, {"input": 1}).json["id"]
        client.wait(job_id)
        queue.advance(kept - 5)
        assert client.get(f"/status/{job_id}").status == 200
        queue.advance(6)
        for operation in ("status", "status-sync", "stream", "cancel", "retry"):
            assert client.post(f"/{operation}/{job_id}").status == 404
        assert queue.stats().expired == 1


@pytest.mark.slow
def test_scaled_result_expires_by_itself() -> None:
    with LocalQueue(lambda job: job["input"], time_scale=0.0005) as queue:
        client = Caller(queue)
        job_id = client.run()
        assert client.wait(job_id)["status"] == "COMPLETED"
        eventually(lambda: client.get(f"/status/{job_id}").status, lambda status: status == 404)


def test_wakes_waiters_when_ttl_ends() -> None:
    with LocalQueue(time_scale=0.02) as queue:
        client = Caller(queue)
        job_id = client.run(policy={"ttl": 10_000})
        assert client.get(f"/status-sync/{job_id}").status == 404
        response = client.post("/runsync", {"input": 1, "policy": {"ttl": 10_000}})
        assert (response.status, response.json["status"]) == (200, "TIMED_OUT")


def test_status_ttl_shortens_life(queue: LocalQueue, client: Caller) -> None:
    job_id = client.run()
    assert client.get(f"/status/{job_id}?ttl=6000").status == 200
    queue.advance(5)
    assert client.get(f"/status/{job_id}?ttl=60000").status == 200
    queue.advance(1)
    assert client.get(f"/status/{job_id}").status == 404


def test_execution_timeout_stops_async_handler() -> None:
    ended: list[str] = []

    async def handler(job: dict[str, object]) -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("stopped")
            raise
        return "too late"

    with LocalQueue(handler, time_scale=0.02) as queue:
        client = Caller(queue)
        shown = client.wait(client.run(policy={"executionTimeout": 5000}))
        assert shown["status"] == "TIMED_OUT"
        assert "execution timeout" in shown["error"]
        eventually(lambda: ended, lambda seen: seen == ["stopped"])


def test_held_requests_keep_real_time(queue: LocalQueue, client: Caller, worker: Caller) -> None:
    job_id = client.run()
    response = in_background(lambda: client.get(f"/status-sync/{job_id}?wait=20000"))
    eventually(lambda: queue.held_requests, lambda count: count == 1)
    queue.advance(3600)
    worker.get("/job-take/w")
    worker.post(f"/job-done/w/{job_id}", {"output": 1})
    assert response().json["status"] == "COMPLETED"


def test_advance_shows_in_job_times(queue: LocalQueue, client: Caller, worker: Caller) -> None:
    job_id = client.run()
    queue.advance(7)
    worker.get("/job-take/w")
    queue.advance(5)
    worker.post(f"/job-done/w/{job_id}", {"output": 1})
    shown = client.get(f"/status/{job_id}").json
    assert shown["delayTime"] // 1000 == 7
    assert shown["executionTime"] // 1000 == 5
