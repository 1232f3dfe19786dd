"""Seed 000, "Endpoints", the JavaScript SDK's page as its source: here with the sync API."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from runpod_typed import Client, ConfigurationError, Endpoint, ExecutionPolicy, JobTimedOutError
from tests.samples.conftest import Serve
from tests.samples.support import SECOND, Gate, choose, echo, refuse

HELLO = {"input": {"prompt": "Hello, World!"}}
ANSWER = choose(HELLO)


def test_endpoint_from_two_environment_variables(serve: Serve) -> None:
    # Seed 000, "Set your Endpoint Id": the page's one block that is marked as Python. What stands in it is JavaScript.
    serve(choose)
    with Client(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        assert endpoint.id == os.environ["ENDPOINT_ID"]
        assert endpoint.health().jobs.completed == 0


@pytest.mark.parametrize(
    ("variable", "words"), [("RUNPOD_API_KEY", "There is no API key"), ("ENDPOINT_ID", "The endpoint id is None")]
)
def test_names_unset_variable_before_sending(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, variable: str, words: str
) -> None:
    # Seed 000, "Set your Endpoint Id". There a missing key or id is printed, and something later fails on null.
    serve(choose)
    monkeypatch.delenv(variable)
    with (
        pytest.raises(ConfigurationError, match=words),
        Client(os.getenv("RUNPOD_API_KEY")) as client,
    ):
        endpoint_id: Any = os.getenv("ENDPOINT_ID")  # None, which a type checker refuses
        client.endpoint(endpoint_id)


def test_run_sync_state_is_the_whole_response(serve: Serve) -> None:
    # Seed 000, "Run synchronously" (JavaScript). Whole as it stands.
    serve(choose)
    with Client(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        result = endpoint.run_sync_state(
            {
                "input": {
                    "prompt": "Hello, World!",
                },
            }
        )
    assert result.id.startswith("sync-")
    assert result.status == "COMPLETED"
    assert result.output == ANSWER
    assert result.delay_time_ms is not None
    assert result.execution_time_ms is not None
    assert (result.started, result.done, result.succeeded) == (True, True, True)


def test_run_returns_id_and_first_status(serve: Serve) -> None:
    # Seed 000, "Run asynchronously" (JavaScript). Whole as it stands.
    queue = serve(choose)
    queue.pause()
    with Client(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        job = endpoint.run(
            {
                "input": {
                    "prompt": "Hello, World!",
                },
            }
        )
    assert job.state is not None
    assert job.state.to_dict() == {"id": job.id, "status": "IN_QUEUE"}


@pytest.mark.parametrize(("handler", "last"), [(choose, "COMPLETED"), (refuse, "FAILED")])
def test_polls_result_by_job_id_in_a_loop(serve: Serve, handler: Any, last: str) -> None:
    # Seed 000, "Get results from an asynchronous run" (JavaScript). There CANCELLED and TIMED_OUT do not end the loop,
    # and after 20 looks the result is forgotten without a word.
    queue = serve(handler)
    queue.pause()
    with Client(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        result = endpoint.run(
            {
                "input": {
                    "prompt": "Hello, World!",
                },
            }
        )
        job = endpoint.job(result.id)
        for _ in range(20):
            status = job.status()
            if status in {"COMPLETED", "FAILED"}:
                break
            queue.resume()
            time.sleep(5 * SECOND)
        assert job.state is not None
        assert job.state.status == last
        assert job.state.done
        assert job.state.succeeded == (last == "COMPLETED")
        assert job.state.output == (ANSWER if job.state.succeeded else None)


def test_health_counters_are_attributes(serve: Serve) -> None:
    # Seed 000, "Health check" (JavaScript). Whole as it stands.
    queue = serve(refuse)
    with Client(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        endpoint.run({"prompt": "fails"}).wait(timeout=60)
        queue.pause()
        endpoint.run({"prompt": "waits"})

        health = endpoint.health()

    jobs, workers = health.jobs, health.workers
    assert (jobs.completed, jobs.failed, jobs.in_progress, jobs.in_queue, jobs.retried) == (0, 1, 0, 1, 0)
    assert (workers.idle, workers.initializing, workers.running, workers.throttled) == (1, 0, 0, 0)
    assert workers.ready == workers.idle


def test_status_of_running_job(serve: Serve) -> None:
    # Seed 000, "Status" (JavaScript). Whole as it stands; but `started` is true there for a job that waits, too.
    gate = Gate()
    queue = serve(gate)
    queue.pause()
    with Client(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        result = endpoint.run(
            {
                "input": {
                    "prompt": "Hello, World!",
                },
            }
        )
        assert result.state is not None
        assert (result.state.started, result.state.done, result.state.succeeded) == (False, False, False)
        queue.resume()
        gate.started.wait(30)

        job = endpoint.job(result.id)
        status = job.status()

        assert status == "IN_PROGRESS"
        assert job.state is not None
        assert job.state.delay_time_ms is not None
        assert (job.state.started, job.state.done, job.state.succeeded) == (True, False, False)
        gate.open.set()


def test_cancel_by_job_id_returns_state(serve: Serve) -> None:
    # Seed 000, "Cancel" (JavaScript). Whole as it stands.
    queue = serve(choose)
    queue.pause()
    with Client(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        result = endpoint.run(
            {
                "input": {
                    "prompt": "Hello, World!",
                },
            }
        )

        cancelled = endpoint.job(result.id).cancel()

    assert cancelled.to_dict() == {"id": result.id, "status": "CANCELLED"}
    assert (cancelled.started, cancelled.done, cancelled.succeeded) == (False, True, False)


def test_run_timeout_is_in_seconds(serve: Serve) -> None:
    # Seed 000, "Timeout" (JavaScript): 5000 milliseconds there are 5 seconds here.
    serve(echo)
    with Client(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        job = endpoint.run(
            {
                "input": {
                    "prompt": "Hello, World!",
                },
            },
            timeout=5,
        )
        assert job.state is not None
        assert job.state.status == "IN_QUEUE"
        assert job.output(timeout=60) == {"prompt": "Hello, World!"}


def test_policy_in_request_body_is_in_milliseconds(serve: Serve) -> None:
    # Seed 000, "Execution policy" (JavaScript). There the text calls it the time to wait for a response; it is how long
    # the job may run.
    gate = Gate()
    queue = serve(gate)
    with Client(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        job = endpoint.run(
            {
                "input": {
                    "prompt": "Hello, World!",
                },
                "policy": {
                    "executionTimeout": 5000,
                },
            }
        )
        gate.started.wait(30)
        queue.advance(4)
        assert job.status() == "IN_PROGRESS"
        queue.advance(2)
        with pytest.raises(JobTimedOutError):
            job.output(timeout=60)
        gate.open.set()


def test_policy_object_is_in_seconds(serve: Serve) -> None:
    # Seed 000, "Execution policy" (JavaScript), its typed equivalent.
    gate = Gate()
    queue = serve(gate)
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        policy = ExecutionPolicy(execution_timeout=5)
        assert policy.to_dict() == {"executionTimeout": 5000}
        job = endpoint.run({"prompt": "Hello, World!"}, policy=policy)
        gate.started.wait(30)
        queue.advance(6)
        assert job.wait(timeout=60).status == "TIMED_OUT"
        gate.open.set()


def test_purge_queue_counts_removed_jobs(serve: Serve) -> None:
    # Seed 000, "Purge queue" (JavaScript). Whole as it stands.
    queue = serve(choose)
    queue.pause()
    with Client(os.getenv("RUNPOD_API_KEY")) as client:
        endpoint = client.endpoint(os.environ["ENDPOINT_ID"])
        endpoint.run(
            {
                "input": {
                    "prompt": "Hello, World!",
                },
            }
        )

        purged = endpoint.purge_queue()

    assert (purged.removed, purged.status) == (1, "completed")
