"""Seed 001, "Endpoints", the Python SDK's page."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import anyio
import pytest

from runpod_typed import AsyncClient, AsyncJob, Endpoint, Job, JobCancelledError, RunpodError, WaitTimeoutError
from runpod_typed.local import HandlerConfig, JobStatus, LocalQueue
from tests.samples.conftest import Serve
from tests.samples.support import ENDPOINT_ID, SECOND, SPELLING, Gate, chat, echo, refuse, say
from tests.scripted_server import wait_until


def test_endpoint_from_id_and_key(serve: Serve) -> None:
    # Seed 001, "Set your Endpoint Id". Whole as it stands; but there the key is set for the whole process.
    serve(say)
    with Endpoint("YOUR_ENDPOINT_ID", api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        assert endpoint.id == "YOUR_ENDPOINT_ID"
        assert endpoint.run_sync({"prompt": "ready?"}) == "ready?"


def test_run_sync_returns_output(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    # Seed 001, "Run synchronously". There a job that fails prints None; here it raises.
    serve(chat)
    with Endpoint("YOUR_ENDPOINT_ID", api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        try:
            answer = endpoint.run_sync(
                {
                    "prompt": "Hello, world!",
                },
                timeout=60,  # seconds
            )
            print(answer)
        except TimeoutError:
            print("Too slow.")
    assert capsys.readouterr().out == f"{chat({'input': {'prompt': 'Hello, world!'}})}\n"


@pytest.mark.slow
def test_run_sync_timeout_error_holds_the_job(serve: Serve) -> None:
    # Seed 001, "Run synchronously", its `except TimeoutError`. There the job and its id are lost with the exception.
    queue = serve(say)
    queue.pause()
    with Endpoint("YOUR_ENDPOINT_ID", api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        with pytest.raises(WaitTimeoutError) as caught:
            endpoint.run_sync({"prompt": "Hello, world!"}, timeout=60 * SECOND)
        assert isinstance(caught.value, TimeoutError)
        queue.resume()
        assert caught.value.job.output(timeout=60) == "Hello, world!"


@pytest.mark.parametrize("first", ["IN_QUEUE", "COMPLETED"])
def test_run_then_status_then_output(serve: Serve, capsys: pytest.CaptureFixture[str], first: str) -> None:
    # Seed 001, "Asynchronous execution". Whole as it stands; but there `output()` of the second branch does not wait.
    queue = serve(chat)
    queue.pause()
    payload = {"prompt": "Hello, World!"}
    with Endpoint("YOUR_ENDPOINT_ID", api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        job = endpoint.run(payload)
        if first == "COMPLETED":
            finish_waiting_jobs(queue)

        status = job.status()
        print(f"At first: {status}")
        queue.resume()

        output = job.output(timeout=60) if status != "COMPLETED" else job.output()
        print(f"In the end: {output}")
    assert capsys.readouterr().out.splitlines() == [f"At first: {first}", f"In the end: {chat({'input': payload})}"]


async def watch(job: AsyncJob, queue: LocalQueue) -> None:
    """The loop of the asyncio sample. There it ends at COMPLETED and FAILED alone, and so may never end."""
    while True:
        status = await job.status()
        print(f"Now: {status}")
        if status == "COMPLETED":
            output = await job.output()
            print("Output:", output)
            break
        if status in {"FAILED", "CANCELLED", "TIMED_OUT"}:
            print("No output.")
            break
        print("Not yet. Three seconds more...")
        queue.resume()
        await anyio.sleep(3 * SECOND)


@pytest.mark.anyio
async def test_async_loop_polls_until_output(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    # Seed 001, "Asynchronous execution with asyncio". There a session of another library must be brought along, and
    # an empty line splits the branch that ends the loop.
    queue = serve(chat)
    queue.pause()
    async with AsyncClient(os.getenv("RUNPOD_API_KEY")) as client:
        payload = {"prompt": "Hello, World!"}
        endpoint = client.endpoint("YOUR_ENDPOINT_ID")
        job: AsyncJob = await endpoint.run(payload)
        await watch(job, queue)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["Now: IN_QUEUE", "Not yet. Three seconds more..."]
    assert lines[-2:] == ["Now: COMPLETED", f"Output: {chat({'input': payload})}"]


@pytest.mark.anyio
async def test_async_loop_ends_when_job_fails(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    # Seed 001, "Asynchronous execution with asyncio", its second branch.
    queue = serve(refuse)
    queue.pause()
    async with AsyncClient(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint("YOUR_ENDPOINT_ID")
        job: AsyncJob = await endpoint.run({"prompt": "Hello, World!"})
        await watch(job, queue)
    assert capsys.readouterr().out.splitlines()[-2:] == ["Now: FAILED", "No output."]


def test_health_prints_as_json_of_the_api(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    # Seed 001, "Health check". There it is a plain dict, and the endpoint's id a real one.
    serve(say, endpoint_id="gwp4kx5yd3nur1")
    with Endpoint("gwp4kx5yd3nur1", api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        endpoint.run_sync({"prompt": "once"})
        capsys.readouterr()

        health = endpoint.health()
        print(json.dumps(health.to_dict(), indent=2))
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert printed["jobs"] == {"completed": 1, "failed": 0, "inProgress": 0, "inQueue": 0, "retried": 0}
    assert printed["workers"].items() >= {"initializing": 0, "throttled": 0}.items()
    assert health.jobs.completed == 1
    assert health.workers.idle + health.workers.running == 1


def test_stream_gives_what_handler_yields(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    # Seed 001, "Streaming", the client. There `os` is not imported, and a failed job's stream just ends.
    serve(SPELLING)
    with Endpoint("YOUR_ENDPOINT_ID", api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        job = endpoint.run(
            {
                "input": {
                    "prompt": "Hello, world!",
                }
            }
        )
        for chunk in job.stream():
            print(chunk)
    assert capsys.readouterr().out.splitlines() == list("Hello, world!")


HANDLER = """
from time import sleep
import runpod


def letters(job):
    for letter in job["input"]["prompt"]:
        sleep(0.01)
        yield letter


runpod.serverless.start({"handler": letters, "return_aggregate_stream": True})
"""


def test_streaming_handler_in_process(serve: Serve) -> None:
    # Seed 001, "Streaming", the handler; `start` takes what `LocalQueue(handler=)` takes.
    def letters(job: dict[str, Any]) -> Any:
        for letter in job["input"]["prompt"]:
            time.sleep(1 * SECOND)
            yield letter

    config: HandlerConfig = {"handler": letters, "return_aggregate_stream": True}
    serve(config)
    with Endpoint("YOUR_ENDPOINT_ID", chunk_type=str, output_type=list[str]) as endpoint:
        job = endpoint.run({"prompt": "Hello"})
        assert list(job.stream(timeout=30)) == list("Hello")
        assert job.output() == list("Hello")


@pytest.mark.slow
def test_streaming_handler_on_real_worker(tmp_path: Path) -> None:
    # Seed 001, "Streaming", the handler, by the worker SDK that the sample is written for.
    program = tmp_path / "handler.py"
    program.write_text(HANDLER, encoding="utf-8")
    with (
        LocalQueue(worker=[sys.executable, str(program)], endpoint_id=ENDPOINT_ID) as queue,
        Endpoint(queue.endpoint_id, api_key=queue.api_key, base_url=queue.base_url, chunk_type=str) as endpoint,
    ):
        job = endpoint.run({"input": {"prompt": "Hello"}})
        assert list(job.stream(timeout=30)) == list("Hello")
        assert job.output() == list("Hello")


@pytest.mark.parametrize("first", ["IN_QUEUE", "COMPLETED"])
def test_status_of_job_sent_as_request_body(serve: Serve, capsys: pytest.CaptureFixture[str], first: str) -> None:
    # Seed 001, "Status". There `os` is not imported, and the last line prints an `e` that no `except` has bound.
    queue = serve(say)
    queue.pause()
    payload = {"input": {"prompt": "Hello, World!"}}
    with Endpoint("YOUR_ENDPOINT_ID", api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        try:
            job = endpoint.run(payload)
            if first == "COMPLETED":
                finish_waiting_jobs(queue)

            status = job.status()
            print(f"At first: {status}")
            queue.resume()

            output = job.output(timeout=60) if status != "COMPLETED" else job.output()
            print(f"In the end: {output}")
        except RunpodError as error:
            print(f"It went wrong: {error}")
    assert capsys.readouterr().out.splitlines() == [f"At first: {first}", "In the end: Hello, World!"]


def test_job_error_can_be_printed(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    # Seed 001, "Status", its last line, which cannot run there.
    serve(refuse)
    with Endpoint("YOUR_ENDPOINT_ID", api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        job = endpoint.run({"input": {"prompt": "Hello, World!"}})
        try:
            job.output(timeout=60)
        except RunpodError as error:
            print(f"It went wrong: {error}")
    line = capsys.readouterr().out.strip()
    assert line == f"It went wrong: Job {job.id} failed: ValueError: no model for 'Hello, World!'"


def test_ctrl_c_in_polling_loop_cancels_running_job(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    # Seed 001, "Cancel". There the endpoint is made under one name and used under another (`rp_endpoint`), `os` is not
    # imported, `run_request` is unbound where Ctrl-C comes early, and the loop never ends for a job that times out.
    gate = Gate()
    queue = serve(gate)
    queue.pause()
    payload = {
        "messages": [{"role": "user", "content": "Hello, World"}],
        "max_tokens": 2048,
        "use_openai_format": True,
    }
    seen: list[str] = []
    job: Job | None = None
    with Endpoint("YOUR_ENDPOINT_ID", api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        try:
            job = endpoint.run(payload)
            while True:
                status = job.status()
                seen.append(status)
                if status == "COMPLETED":
                    print("Output:", job.output())
                    break
                if status in {"FAILED", "CANCELLED", "TIMED_OUT"}:
                    print("No output.")
                    break
                queue.resume()
                gate.started.wait(10 * SECOND)
                if status == "IN_PROGRESS":
                    signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            print("Ctrl-C. Cancelling...")
            if job is not None:
                job.cancel()
            print("Cancelled.")
        assert job is not None
        assert job.status() == "CANCELLED"
    gate.open.set()
    assert seen[0] == "IN_QUEUE"
    assert seen[-1] == "IN_PROGRESS"
    assert capsys.readouterr().out.splitlines() == ["Ctrl-C. Cancelling...", "Cancelled."]


def test_polling_loop_reads_chat_completion(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    # Seed 001, "Cancel", its first branch.
    def complete(job: dict[str, Any]) -> dict[str, Any]:
        (message,) = job["input"]["messages"]
        return {"choices": [{"message": {"role": "assistant", "content": f"{message['content']} to you"}}]}

    queue = serve(complete)
    queue.pause()
    payload = {
        "messages": [{"role": "user", "content": "Hello, World"}],
        "max_tokens": 2048,
        "use_openai_format": True,
    }
    with Endpoint("YOUR_ENDPOINT_ID", api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        job = endpoint.run(payload)
        while not (status := job.status()).is_terminal:
            queue.resume()
            time.sleep(10 * SECOND)
        assert status == "COMPLETED"
        output = job.output()
        print(output.get("choices", [{}])[0].get("message", {}).get("content"))
    assert capsys.readouterr().out == "Hello, World to you\n"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signal can be sent to a thread here")
def test_ctrl_c_during_wait_in_block_cancels_job(serve: Serve) -> None:
    # Seed 001, "Cancel", in three lines: the block cancels the job, without a loop and an `except`.
    main = threading.main_thread().ident
    assert main is not None
    waiting, cancelled = threading.Event(), threading.Event()

    def interrupt(job: dict[str, Any]) -> None:
        waiting.wait(30)
        time.sleep(0.5)  # until the poll is on its way
        signal.pthread_kill(main, signal.SIGINT)
        cancelled.wait(30)

    queue = serve(interrupt)
    with Endpoint("YOUR_ENDPOINT_ID") as endpoint:
        job = endpoint.run({"prompt": "Hello, World"})
        with pytest.raises(KeyboardInterrupt), job:
            waiting.set()
            job.output(timeout=60)
        cancelled.set()
    assert queue.stats().by_status[JobStatus.CANCELLED] == 1


def test_cancel_takes_timeout(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    # Seed 001, "Timeout". There the text takes `timeout=` for a delay after which the job is cancelled; it is how long
    # the call may take. The job is cancelled when `cancel` returns; nothing need be slept for.
    queue = serve(say)
    queue.pause()
    payload = {"input": {"prompt": "Hello, World!"}}
    with Endpoint("YOUR_ENDPOINT_ID", api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        job = endpoint.run(payload)

        first = job.status()
        print(f"At first: {first}")

        job.cancel(timeout=3)

        time.sleep(3 * SECOND)
        print("Slept for 3 seconds.")

        last = job.status()
        print(f"In the end: {last}")
        with pytest.raises(JobCancelledError):
            job.output()
    assert capsys.readouterr().out.splitlines() == [
        "At first: IN_QUEUE",
        "Slept for 3 seconds.",
        "In the end: CANCELLED",
    ]


def test_purge_queue_removes_waiting_jobs(serve: Serve) -> None:
    # Seed 001, "Purge queue". There the text takes `timeout=` for a delay before the queue is purged; it is how long
    # the call may take.
    queue = serve(echo)
    queue.pause()
    with Endpoint("YOUR_ENDPOINT_ID", api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        endpoint.run({"prompt": "Hello"})
        endpoint.run({"prompt": "World"})

        purged = endpoint.purge_queue(timeout=3)

        assert purged.removed == 2
        assert purged.to_dict() == {"removed": 2, "status": "completed"}
        assert endpoint.health().jobs.in_queue == 0


def finish_waiting_jobs(queue: LocalQueue) -> None:
    """Let the workers take what waits, and wait until they are done."""
    queue.resume()
    wait_until(lambda: queue.stats().by_status[JobStatus.COMPLETED] == queue.stats().submitted)
