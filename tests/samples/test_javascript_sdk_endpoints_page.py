"""Seed 002, "Endpoints", the JavaScript SDK's page as a browser shows it: here with the async API."""

from __future__ import annotations

import os
from typing import Any

import anyio
import pytest

from runpod_typed import (
    AsyncClient,
    AsyncEndpoint,
    Endpoint,
    ExecutionPolicy,
    JobCancelledError,
    JobFailedError,
    WaitTimeoutError,
)
from runpod_typed.local import HandlerConfig, JobStatus
from tests.samples.conftest import Serve
from tests.samples.support import SECOND, SPELLING, Gate, choose, echo, refuse, say

pytestmark = pytest.mark.anyio

HELLO = {"input": {"prompt": "Hello, World!"}}
ANSWER = choose(HELLO)


async def test_async_endpoint_from_two_environment_variables(serve: Serve) -> None:
    # Seed 002, "Set your Endpoint Id" (JavaScript). Line breaks survive, indentation does not.
    serve(choose)
    async with AsyncClient(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        assert (await endpoint.health()).jobs.completed == 0


async def test_run_sync_state_says_started_done_succeeded(serve: Serve) -> None:
    # Seed 002, "Run synchronously" (JavaScript).
    serve(choose)
    async with AsyncClient(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        result = await endpoint.run_sync_state(HELLO)
    assert result.id.startswith("sync-")
    assert result.output == ANSWER
    assert (result.started, result.done, result.succeeded) == (True, True, True)


async def test_run_sync_state_of_failed_job_does_not_raise(serve: Serve) -> None:
    # Seed 002, "Run synchronously" (JavaScript), for a job that fails: there `succeeded` is false, too.
    serve(refuse)
    async with AsyncEndpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        result = await endpoint.run_sync_state(HELLO)
        assert (result.started, result.done, result.succeeded) == (True, True, False)
        with pytest.raises(JobFailedError):
            await endpoint.run_sync(HELLO)


async def test_run_returns_at_once(serve: Serve) -> None:
    # Seed 002, "Run asynchronously" (JavaScript).
    queue = serve(choose)
    queue.pause()
    async with AsyncClient(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        result = await endpoint.run(HELLO)
    assert result.state is not None
    assert result.state.to_dict() == {"id": result.id, "status": "IN_QUEUE"}


@pytest.mark.parametrize(("handler", "last"), [(choose, "COMPLETED"), (refuse, "FAILED")])
async def test_async_polls_result_by_job_id_in_a_loop(serve: Serve, handler: Any, last: str) -> None:
    # Seed 002, "Get results from an asynchronous run" (JavaScript). There CANCELLED and TIMED_OUT do not end the loop.
    queue = serve(handler)
    queue.pause()
    async with AsyncClient(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        result = await endpoint.run(HELLO)
        job = endpoint.job(result.id)
        for _ in range(20):
            status = await job.status()
            if status in {"COMPLETED", "FAILED"}:
                break
            queue.resume()
            await anyio.sleep(5 * SECOND)
        assert job.state is not None
        assert job.state.status == last
        assert job.state.output == (ANSWER if last == "COMPLETED" else None)


@pytest.mark.parametrize(("handler", "last"), [(say, "COMPLETED"), (refuse, "FAILED")])
async def test_polls_status_until_the_end(
    serve: Serve, capsys: pytest.CaptureFixture[str], handler: Any, last: str
) -> None:
    # Seed 002, "Poll the status of an asynchronous run" (JavaScript). There a cancelled job is polled for ever.
    queue = serve(handler)
    queue.pause()
    async with AsyncClient(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        result = await endpoint.run(HELLO)
        complete = False
        while not complete:
            status = await result.status()
            print(f"Now: {status}")
            if status.is_terminal:
                complete = True
                print(f"The job has {status.lower()}.")
                assert result.state is not None
                if result.state.succeeded:
                    print("Output:", result.state.output)
                else:
                    print("Error:", result.state.error)
            else:
                queue.resume()
                await anyio.sleep(5 * SECOND)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Now: IN_QUEUE"
    assert lines[-3:-1] == [f"Now: {last}", f"The job has {last.lower()}."]
    kind, _, words = lines[-1].partition(": ")
    assert kind == ("Output" if last == "COMPLETED" else "Error")
    assert "Hello, World!" in words


@pytest.mark.slow
async def test_events_replace_the_polling_loop(serve: Serve) -> None:
    # Seed 002, "Poll the status of an asynchronous run" (JavaScript), with no loop of one's own.
    gate = Gate()
    queue = serve(gate)
    queue.pause()
    async with AsyncEndpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        job = await endpoint.run(HELLO)
        seen: list[str] = []
        async for event in job.events(timeout=60):
            seen.append(event.status)
            queue.resume()
            if event.status == "IN_PROGRESS":
                gate.open.set()
    assert seen == ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]


async def test_stream_detailed_gives_raw_chunks(serve: Serve) -> None:
    # Seed 002, "Stream" (JavaScript): there each item is an object that holds the output.
    serve(SPELLING)
    async with AsyncClient(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"], chunk_type=str)
        result = await endpoint.run(HELLO)
        chunks = [chunk async for chunk in result.stream_detailed()]
        assert [dict(chunk.raw) for chunk in chunks] == [{"output": letter} for letter in "Hello, World!"]
        assert "".join(chunk.output for chunk in chunks) == "Hello, World!"


async def test_async_streaming_handler(serve: Serve) -> None:
    # Seed 002, "Stream", the handler: its one sample in Python. All indentation is lost there.
    async def letters(job: dict[str, Any]) -> Any:
        for letter in job["input"]["prompt"]:
            await anyio.sleep(1 * SECOND)
            yield letter

    config: HandlerConfig = {"handler": letters, "return_aggregate_stream": True}
    serve(config)
    async with AsyncEndpoint(os.environ["ENDPOINT_ID"], chunk_type=str, output_type=list[str]) as endpoint:
        job = await endpoint.run({"prompt": "Hello"})
        assert [chunk async for chunk in job.stream(timeout=60)] == list("Hello")
        assert await job.output() == list("Hello")


async def test_health_counts_jobs_and_workers(serve: Serve) -> None:
    # Seed 002, "Health check" (JavaScript).
    queue = serve(choose)
    queue.pause()
    async with AsyncClient(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        await endpoint.run(HELLO)
        health = await endpoint.health()
    assert health.jobs.in_queue == 1
    assert health.workers.idle == 1
    assert health.to_dict()["jobs"]["inQueue"] == 1


async def test_status_by_job_id(serve: Serve) -> None:
    # Seed 002, "Status" (JavaScript).
    gate = Gate()
    serve(gate)
    async with AsyncClient(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        result = await endpoint.run(HELLO)
        await anyio.to_thread.run_sync(gate.started.wait, 30)
        job = endpoint.job(result.id)
        assert await job.status() == "IN_PROGRESS"
        assert job.state is not None
        assert (job.state.started, job.state.done, job.state.succeeded) == (True, False, False)
        gate.open.set()


async def test_cancel_by_job_id(serve: Serve) -> None:
    # Seed 002, "Cancel" (JavaScript).
    queue = serve(choose)
    queue.pause()
    async with AsyncClient(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        result = await endpoint.run(HELLO)
        cancelled = await endpoint.job(result.id).cancel()
        assert cancelled.to_dict() == {"id": result.id, "status": "CANCELLED"}
        with pytest.raises(JobCancelledError):
            await result.output()


async def test_cancelled_block_cancels_its_job(serve: Serve) -> None:
    # Seed 002, "Cancel" (JavaScript), where a task that is cancelled shall take its job with it.
    queue = serve(say)
    queue.pause()
    async with AsyncEndpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        with anyio.move_on_after(10 * SECOND) as scope:
            async with await endpoint.run(HELLO) as job:
                await job.output()
        assert scope.cancelled_caught
    assert queue.stats().by_status[JobStatus.CANCELLED] == 1


async def test_async_run_timeout_is_in_seconds(serve: Serve) -> None:
    # Seed 002, "Timeout" (JavaScript): 5000 milliseconds there are 5 seconds here.
    serve(say)
    async with AsyncClient(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        result = await endpoint.run(HELLO, timeout=5)
        assert await result.output(timeout=60) == "Hello, World!"


async def test_every_call_takes_timeout_in_seconds(serve: Serve) -> None:
    # Seed 002, "Timeout" (JavaScript): there each method takes milliseconds, 3000 by default.
    serve(say)
    async with AsyncEndpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        job = await endpoint.run(HELLO, timeout=5)
        await job.status(timeout=3)
        await job.wait(timeout=90)
        await job.cancel(timeout=3)
        await endpoint.run_sync(HELLO, timeout=90)
        await endpoint.health(timeout=3)
        await endpoint.purge_queue(timeout=3)


@pytest.mark.slow
async def test_wait_is_status_sync(serve: Serve) -> None:
    # Beside the samples of seed 002: `statusSync` of the JavaScript and Go clients holds until the job is finished, and
    # returns a state without an error when its time is over.
    queue = serve(echo)
    queue.pause()
    async with AsyncEndpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        job = await endpoint.run(HELLO)
        with pytest.raises(WaitTimeoutError):
            await job.wait(timeout=20 * SECOND)
        assert job.state is not None
        assert job.state.status == "IN_QUEUE"
        queue.resume()
        assert (await job.wait(timeout=90)).succeeded


async def test_policy_in_body_and_as_object(serve: Serve) -> None:
    # Seed 002, "Execution policy" (JavaScript).
    gate = Gate()
    queue = serve(gate)
    async with AsyncClient(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        first = await endpoint.run({**HELLO, "policy": {"executionTimeout": 5000}})
        await anyio.to_thread.run_sync(gate.started.wait, 30)
        queue.advance(6)
        assert (await first.wait(timeout=60)).status == "TIMED_OUT"
        gate.open.set()
        second = await endpoint.run(HELLO, policy=ExecutionPolicy(execution_timeout=5))
        assert await second.output(timeout=60) == HELLO["input"]


async def test_async_purge_queue_counts_removed_jobs(serve: Serve) -> None:
    # Seed 002, "Purge queue" (JavaScript).
    queue = serve(choose)
    queue.pause()
    async with AsyncClient(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        await endpoint.run(HELLO)
        purged = await endpoint.purge_queue()
    assert purged.to_dict() == {"removed": 1, "status": "completed"}


async def test_sync_endpoint_reconnects_to_async_job(serve: Serve) -> None:
    # Beside the samples of seed 002: the sync API reconnects to a job of the async API.
    serve(say)
    async with AsyncEndpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        job_id = (await endpoint.run(HELLO)).id

    def take_up() -> Any:
        with Endpoint(os.environ["ENDPOINT_ID"]) as blocking:
            return blocking.job(job_id).output(timeout=60)

    assert await anyio.to_thread.run_sync(take_up) == "Hello, World!"
