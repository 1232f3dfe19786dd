"""Seed 003, the reference of all operations in four languages. As a browser had it: all indentation is lost."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import frozen

from runpod_typed import (
    BadRequestError,
    Endpoint,
    InputError,
    Job,
    JobExpiredError,
    JobFailedError,
    NotFoundError,
    WaitTimeoutError,
)
from runpod_typed.local import JobStatus
from tests.samples.conftest import Serve
from tests.samples.support import SECOND, SPELLING, Flaky, Gate, chat, echo, refuse, say
from tests.scripted_server import answer, scripted

# /runsync


def test_run_sync_with_timeout(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    # Seed 003, /runsync (Python). There the indentation is lost.
    serve(say)
    with Endpoint(os.environ["ENDPOINT_ID"], api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        try:
            answered = endpoint.run_sync(
                {"prompt": "Hello, world!"},
                timeout=60,  # seconds
            )
            print(answered)
        except TimeoutError:
            print("Too slow.")
    assert capsys.readouterr().out == "Hello, world!\n"


@pytest.mark.slow
def test_run_sync_with_timeout_that_ends_first(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    # Seed 003, /runsync (Python), its `except`.
    queue = serve(say)
    queue.pause()
    with Endpoint(os.environ["ENDPOINT_ID"], api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        try:
            answered = endpoint.run_sync({"prompt": "Hello, world!"}, timeout=60 * SECOND)
            print(answered)
        except TimeoutError:
            print("Too slow.")
    assert capsys.readouterr().out == "Too slow.\n"


def test_run_sync_takes_request_body_and_timeout(serve: Serve) -> None:
    # Seed 003, /runsync (JavaScript). There `timeout` stands inside the request, where the server discards it.
    serve(echo)
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        assert endpoint.run_sync({"input": {"prompt": "Hello, World!"}}, timeout=60) == {"prompt": "Hello, World!"}


def test_dict_with_key_unknown_to_the_body(serve: Serve) -> None:
    # Seed 003, /runsync (JavaScript): no request body has a field `timeout`. Nothing is dropped silently.
    serve(echo)
    request = {"input": {"prompt": "Hello, World!"}, "timeout": 60000}
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        with pytest.raises(InputError, match="no field 'timeout'"):
            endpoint.run_sync(request, timeout=60)
        assert endpoint.run_sync({"input": request}, timeout=60) == request


def test_run_sync_state_shows_what_go_client_prints(serve: Serve) -> None:
    # Seed 003, /runsync (Go). There one import does not exist ("github.com.runpod/..."), and the base URL is passed
    # where the endpoint's id belongs.
    serve(say)
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        state = endpoint.run_sync_state({"prompt": "Hello World"}, timeout=60)
    shown: dict[str, Any] = json.loads(json.dumps(state.to_dict()))
    assert shown.keys() >= {"delayTime", "executionTime", "id", "output", "status"}


def test_run_sync_waits_longer_than_server_holds(serve: Serve) -> None:
    # Seed 003, /runsync (cURL, and the URL above it with ?wait=120000). There the header holds the key without
    # "Bearer". The caller's timeout decides here how long the server holds the request.
    serve(say)
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        assert endpoint.run_sync({"prompt": "Hello, world!"}, timeout=120) == "Hello, world!"


@frozen
class Image:
    image: str
    seed: int


def test_output_has_declared_type(serve: Serve) -> None:
    # Seed 003, /runsync, its response.
    def paint(job: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"image": "https://image.url", "seed": 46578}]

    serve(paint)
    with Endpoint(os.environ["ENDPOINT_ID"], output_type=list[Image]) as endpoint:
        (image,) = endpoint.run_sync({"prompt": "Hello, world!"}, timeout=60)
        assert image == Image(image="https://image.url", seed=46578)


# /run


def test_run_then_output(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    # Seed 003, /run (Python). There the indentation is lost.
    queue = serve(chat)
    queue.pause()
    with Endpoint(os.environ["ENDPOINT_ID"], api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        job = endpoint.run({"prompt": "Hello, World!"})

        status = job.status()
        print(f"At first: {status}")
        queue.resume()

        output = job.output(timeout=60) if status != "COMPLETED" else job.output()
        print(f"In the end: {output}")
    expected = chat({"input": {"prompt": "Hello, World!"}})
    assert capsys.readouterr().out.splitlines() == ["At first: IN_QUEUE", f"In the end: {expected}"]


def test_run_with_request_body(serve: Serve) -> None:
    # Seed 003, /run (JavaScript). Whole as it stands, but for its indentation.
    serve(echo)
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        job = endpoint.run(
            {
                "input": {
                    "prompt": "Hello, World!",
                },
            }
        )
        assert job.id
        assert job.output(timeout=60) == {"prompt": "Hello, World!"}


def test_run_with_request_timeout_of_go_client(serve: Serve) -> None:
    # Seed 003, /run (Go). There `sdk.New` is given what it does not take, and `NewEndpoint` does not exist.
    serve(echo)
    with Endpoint("YOUR_ENDPOINT_ID") as endpoint:
        job = endpoint.run({"prompt": "Hello World"}, timeout=120)
        assert job.output(timeout=60) == {"prompt": "Hello World"}


def test_run_with_plain_input(serve: Serve) -> None:
    # Seed 003, /run (cURL). There the header holds the key without "Bearer".
    serve(echo)
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        assert endpoint.run({"prompt": "Hello, world!"}).output(timeout=60) == {"prompt": "Hello, world!"}


# /status


def test_status_and_output_of_request_body(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    # Seed 003, /status (Python). There `os` is not imported, and the indentation is lost.
    queue = serve(say)
    queue.pause()
    with Endpoint(os.environ["ENDPOINT_ID"], api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        payload = {"input": {"prompt": "Hello, World!"}}
        job = endpoint.run(payload)

        status = job.status()
        print(f"At first: {status}")
        queue.resume()

        output = job.output(timeout=60) if status != "COMPLETED" else job.output()
        print(f"In the end: {output}")
    assert capsys.readouterr().out.splitlines() == ["At first: IN_QUEUE", "In the end: Hello, World!"]


def test_status_of_saved_job_id(serve: Serve) -> None:
    # Seed 003, /status (JavaScript, Go and cURL). There the id is a placeholder, and cURL's last line ends in a
    # backslash with nothing after it.
    serve(say)
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        job_id = endpoint.run({"input": {"prompt": "Hello, World!"}}).id
    with Endpoint(os.environ["ENDPOINT_ID"]) as another:
        job = another.job(job_id)
        assert job.state is None
        assert job.status() in {"IN_QUEUE", "IN_PROGRESS", "COMPLETED"}
        assert job.wait(timeout=60).to_dict()["output"] == "Hello, World!"


def test_status_ttl_shortens_retention(serve: Serve) -> None:
    # Seed 003, /status, the text: "?ttl=6000 sets the TTL to 6 seconds".
    queue = serve(say)
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        job = endpoint.run({"input": {"prompt": "Hello, World!"}})
        job.wait(timeout=60)
        assert job.status(ttl=6) == "COMPLETED"
        queue.advance(5)
        assert job.status() == "COMPLETED"
        queue.advance(2)
        with pytest.raises(JobExpiredError):
            job.status()
        with pytest.raises(NotFoundError):
            endpoint.job(job.id).status()


# /stream


def test_stream_of_request_body(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    # Seed 003, /stream (Python). There `os` is not imported, and the indentation is lost.
    serve(SPELLING)
    with Endpoint(os.environ["ENDPOINT_ID"], api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        job = endpoint.run(
            {
                "input": {
                    "prompt": "Hello, world!",
                }
            }
        )
        for output in job.stream():
            print(output)
    assert capsys.readouterr().out.splitlines() == list("Hello, world!")


def test_stream_by_job_id(serve: Serve) -> None:
    # Seed 003, /stream (JavaScript and cURL).
    serve(SPELLING)
    with Endpoint(os.environ["ENDPOINT_ID"], chunk_type=str) as endpoint:
        job_id = endpoint.run({"input": {"prompt": "Hello, World!"}}).id
        assert "".join(endpoint.job(job_id).stream()) == "Hello, World!"


def test_stream_has_no_capacity(serve: Serve) -> None:
    # Seed 003, /stream (Go). There the base URL is passed where the endpoint's id belongs, and the channel for 100
    # results, which is read after the call, blocks the call for ever where there are more.
    def numbers(job: dict[str, Any]) -> Iterator[int]:
        yield from range(250)

    serve(numbers)
    with Endpoint(os.environ["ENDPOINT_ID"], chunk_type=int) as endpoint:
        job = endpoint.run({"prompt": "Hello World"})
        assert list(job.stream(timeout=60)) == list(range(250))


@pytest.mark.slow
def test_stream_continues_after_timeout(serve: Serve) -> None:
    # Seed 003, /stream (Go), its "ctx timeout reached". There the rest of the stream is lost.
    gate = Gate()

    def letters(job: dict[str, Any]) -> Iterator[str]:
        yield from "Hello"
        gate.started.set()
        gate.open.wait(30)
        yield from "World"

    serve(letters)
    with Endpoint(os.environ["ENDPOINT_ID"], chunk_type=str) as endpoint:
        job = endpoint.run({"prompt": "Hello World"})
        gate.started.wait(30)
        stream = job.stream(timeout=150 * SECOND)
        assert [next(stream) for _ in "Hello"] == list("Hello")
        with pytest.raises(WaitTimeoutError) as caught:
            next(stream)
        assert caught.value.job == job
        gate.open.set()
        assert list(job.stream(timeout=60)) == list("World")


@frozen
class Piece:
    input_tokens: int
    output_tokens: int
    text: list[str]


def test_stream_of_bare_array_has_metrics() -> None:
    # Seed 003, /stream, its response: an array with no status, where the platform really sends an object.
    measured = {"stream_index": 2, "running": 1, "scenario": "stream"}
    piece = {"input_tokens": 0, "output_tokens": 1, "text": [" How"]}
    with (
        scripted(
            [answer(200, '{"id": "job-1", "status": "IN_QUEUE"}')],
            [answer(200, json.dumps([{"metrics": measured, "output": piece}]))],
            [answer(200, "[]")],
            [answer(200, '{"id": "job-1", "status": "COMPLETED", "output": []}')],
            [answer(200, "[]")],
            [answer(200, '{"id": "job-1", "status": "COMPLETED", "output": []}')],
        ) as server,
        Endpoint("demo", api_key="key", base_url=server.base_url, chunk_type=Piece) as endpoint,
    ):
        (chunk,) = endpoint.run({"prompt": "Hello World"}).stream_detailed(timeout=30)
    assert chunk.output == Piece(input_tokens=0, output_tokens=1, text=[" How"])
    assert chunk.metrics is not None
    assert chunk.metrics["scenario"] == "stream"


# /cancel


@pytest.mark.parametrize(("handler", "last"), [(say, "Output: Hello, world!"), (refuse, "No output.")])
def test_polling_loop_until_the_end(serve: Serve, capsys: pytest.CaptureFixture[str], handler: Any, last: str) -> None:
    # Seed 003, /cancel (Python). There `os` is not imported, "ERROR" does not exist as a status, CANCELLED and
    # TIMED_OUT do not end the loop, and the indentation is lost.
    queue = serve(handler)
    queue.pause()
    watch_and_cancel_on_ctrl_c(meanwhile=queue.resume)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Now: IN_QUEUE"
    assert lines[-1] == last


def test_ctrl_c_in_polling_loop_cancels(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    # Seed 003, /cancel (Python), its `except KeyboardInterrupt`.
    queue = serve(say)
    queue.pause()
    watch_and_cancel_on_ctrl_c(meanwhile=lambda: signal.raise_signal(signal.SIGINT))
    assert capsys.readouterr().out.splitlines() == ["Now: IN_QUEUE", "Ctrl-C. Cancelling...", "Cancelled."]
    assert queue.stats().by_status[JobStatus.CANCELLED] == 1


def watch_and_cancel_on_ctrl_c(meanwhile: Callable[[], None]) -> None:
    """The sample. `meanwhile` happens each time it sleeps for ten seconds."""
    with Endpoint(os.environ["ENDPOINT_ID"], api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        job: Job = endpoint.run(
            {
                "input": {
                    "prompt": "Hello, world!",
                }
            }
        )
        try:
            while True:
                status = job.status()
                print(f"Now: {status}")
                if status == "COMPLETED":
                    output = job.output()
                    print("Output:", output)
                    break
                if status in {"FAILED", "CANCELLED", "TIMED_OUT"}:
                    print("No output.")
                    break
                meanwhile()
                time.sleep(10 * SECOND)
        except KeyboardInterrupt:
            print("Ctrl-C. Cancelling...")
            job.cancel()
            print("Cancelled.")


def test_cancel_job_submitted_elsewhere(serve: Serve) -> None:
    # Seed 003, /cancel (JavaScript and cURL). There cURL's last line ends in a backslash with nothing after it.
    queue = serve(say)
    queue.pause()
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        job_id = endpoint.run({"input": {"prompt": "Hello, World!"}}).id
        state = endpoint.job(job_id).cancel()
        assert state.to_dict() == {"id": job_id, "status": "CANCELLED"}


def test_cancel_of_unknown_id_raises(serve: Serve) -> None:
    # Seed 003, /cancel (Go). There the base URL is passed where the endpoint's id belongs, and what is printed is
    # called health.
    serve(say)
    with (
        Endpoint(os.environ["ENDPOINT_ID"]) as endpoint,
        pytest.raises(NotFoundError, match="job not found"),
    ):
        endpoint.job("00edfd03-8094-46da-82e3-ea47dd9566dc-u1").cancel()


# /retry


def test_retry_queues_failed_job_under_same_id(serve: Serve) -> None:
    # Seed 003, /retry (cURL alone: none of the clients has it).
    serve(Flaky())
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        job = endpoint.run({"prompt": "Hello, World!"})
        with pytest.raises(JobFailedError, match="not loaded yet"):
            job.output(timeout=60)
        assert job.retry().to_dict() == {"id": job.id, "status": "IN_QUEUE"}
        assert job.output(timeout=60) == {"prompt": "Hello, World!"}


def test_retry_of_completed_job_is_refused(serve: Serve) -> None:
    # Seed 003, /retry, the text: "Only works for jobs with FAILED or TIMED_OUT status".
    serve(say)
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        job = endpoint.run({"prompt": "Hello, World!"})
        job.output(timeout=60)
        with pytest.raises(BadRequestError):
            job.retry()


# /purge-queue


def test_purge_queue_takes_timeout(serve: Serve) -> None:
    # Seed 003, /purge-queue (Python). Whole as it stands.
    queue = serve(say)
    queue.pause()
    with Endpoint(os.environ["ENDPOINT_ID"], api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        assert endpoint.purge_queue(timeout=3).removed == 0


def test_purge_queue_keeps_running_job(serve: Serve) -> None:
    # Seed 003, /purge-queue (JavaScript and cURL).
    gate = Gate()
    serve(gate)
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        running = endpoint.run({"input": {"prompt": "Hello, World!"}})
        gate.started.wait(30)
        endpoint.run({"input": {"prompt": "Hello, World!"}})
        endpoint.run({"input": {"prompt": "Hello, World!"}})

        purged = endpoint.purge_queue()

        assert purged.to_dict() == {"removed": 2, "status": "completed"}
        gate.open.set()
        assert running.output(timeout=60) == {"prompt": "Hello, World!"}


# /health


def test_health_prints_as_json(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    # Seed 003, /health (Python). Whole as it stands.
    serve(say)
    with Endpoint(os.environ["ENDPOINT_ID"], api_key=os.getenv("RUNPOD_API_KEY")) as endpoint:
        health = endpoint.health()
        print(json.dumps(health.to_dict(), indent=2))
    assert json.loads(capsys.readouterr().out) == health.to_dict()


def test_health_is_typed(serve: Serve) -> None:
    # Seed 003, /health (JavaScript, Go and cURL). There the Go sample leaves out an argument that `Health` needs.
    queue = serve(say)
    queue.pause()
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        endpoint.run({"prompt": "one"})
        endpoint.run({"prompt": "two"})
        health = endpoint.health()
    assert (health.jobs.in_queue, health.jobs.completed, health.workers.idle, health.workers.running) == (2, 0, 1, 0)


def test_missing_health_counters_are_zero() -> None:
    # Seed 003, /health, its response: two of the six counts of workers.
    jobs = {"completed": 1, "failed": 5, "inProgress": 0, "inQueue": 2, "retried": 0}
    body = json.dumps({"jobs": jobs, "workers": {"idle": 0, "running": 0}})
    with (
        scripted([answer(200, body)]) as server,
        Endpoint("demo", api_key="key", base_url=server.base_url) as endpoint,
    ):
        health = endpoint.health()
    assert (health.jobs.failed, health.jobs.in_queue) == (5, 2)
    assert (health.workers.ready, health.workers.throttled, health.workers.unhealthy) == (0, 0, 0)
