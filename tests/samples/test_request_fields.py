"""Fields of requests beside the input: the JavaScript and Go clients have them, the samples do not show them."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import SimpleQueue
from typing import Any

import pytest

from runpod_typed import ConfigurationError, Endpoint, ExecutionPolicy, InputError, JobExpiredError, S3Config
from runpod_typed.webhooks import parse_webhook
from tests.samples.conftest import Serve
from tests.samples.support import Gate, echo, refuse, say


@contextmanager
def webhook_receiver() -> Generator[tuple[str, SimpleQueue[bytes]]]:
    """A URL, and what is posted to it."""
    posted: SimpleQueue[bytes] = SimpleQueue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.put(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class calls it so
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/done", posted
        finally:
            server.shutdown()
            thread.join()


def test_webhook_reports_success(serve: Serve) -> None:
    serve(say)
    with webhook_receiver() as (url, posted), Endpoint(os.environ["ENDPOINT_ID"], output_type=str) as endpoint:
        job = endpoint.run({"prompt": "Hello, World!"}, webhook=url)
        state = parse_webhook(posted.get(timeout=30), output_type=str)
        assert state.id == job.id
        assert state.succeeded
        assert state.output == "Hello, World!"
        assert state.raw["webhook"] == url


def test_webhook_reports_failure(serve: Serve) -> None:
    serve(refuse)
    with webhook_receiver() as (url, posted), Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        endpoint.run({"input": {"prompt": "Hello, World!"}, "webhook": url})
        state = parse_webhook(posted.get(timeout=30), output_type=str)
        assert state.status == "FAILED"
        assert "no model for" in json.loads(state.error)["error_message"]


def test_s3_config_reaches_worker(serve: Serve) -> None:
    def where(job: dict[str, Any]) -> Any:
        return job["s3Config"]

    serve(where)
    storage = S3Config(
        access_id="an id",
        access_secret="a secret",
        bucket_name="results",
        endpoint_url="https://storage.example",
        object_path="today",
    )
    assert "a secret" not in repr(storage)
    expected = {
        "accessId": "an id",
        "accessSecret": "a secret",
        "bucketName": "results",
        "endpointUrl": "https://storage.example",
        "objectPath": "today",
    }
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        assert endpoint.run_sync({"prompt": "Hello"}, s3_config=storage, timeout=60) == expected
        assert endpoint.run_sync({"input": {"prompt": "Hello"}, "s3Config": expected}, timeout=60) == expected


@pytest.mark.slow
def test_policy_ttl_ends_waiting_job(serve: Serve) -> None:
    queue = serve(echo)
    queue.pause()
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        job = endpoint.run({"prompt": "Hello"}, policy=ExecutionPolicy(ttl=timedelta(minutes=1)))
        queue.advance(59)
        assert job.status() == "IN_QUEUE"
        queue.advance(2)
        with pytest.raises(JobExpiredError):
            job.output(timeout=1)


def test_low_priority_job_runs_last(serve: Serve) -> None:
    order: list[str] = []

    def note(job: dict[str, Any]) -> None:
        order.append(job["input"]["prompt"])

    queue = serve(note)
    queue.pause()
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        later = endpoint.run({"prompt": "later"}, policy=ExecutionPolicy(low_priority=True))
        sooner = endpoint.run({"prompt": "sooner"})
        queue.resume()
        later.wait(timeout=60)
        sooner.wait(timeout=60)
    assert order == ["sooner", "later"]


def test_refuses_policy_in_milliseconds() -> None:
    with pytest.raises(ConfigurationError, match="seconds, not milliseconds"):
        ExecutionPolicy(execution_timeout=604_800_000)


def test_refuses_option_in_two_places(serve: Serve) -> None:
    queue = serve(echo)
    body = {"input": {"prompt": "Hello"}, "policy": {"executionTimeout": 5000}}
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint, pytest.raises(InputError, match="policy="):
        endpoint.run(body, policy=ExecutionPolicy(execution_timeout=5))
    assert queue.stats().submitted == 0


def test_refuses_empty_input(serve: Serve) -> None:
    queue = serve(echo)
    empty: list[dict[str, Any]] = [{}, {"input": {}}, {"input": {}, "webhook": "https://example.org"}]
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        for request in empty:
            with pytest.raises(InputError, match="empty"):
                endpoint.run(request)
    assert queue.stats().submitted == 0


def test_input_with_its_own_input_key_must_be_wrapped(serve: Serve) -> None:
    serve(echo)
    mine = {"input": "a string", "style": "plain"}
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        with pytest.raises(InputError, match="no field 'style'"):
            endpoint.run_sync(mine, timeout=60)
        assert endpoint.run_sync({"input": mine}, timeout=60) == mine


def test_late_call_raises_timeout_error(serve: Serve) -> None:
    gate = Gate()
    serve(gate)
    with Endpoint(os.environ["ENDPOINT_ID"]) as endpoint:
        job = endpoint.run({"prompt": "Hello"})
        with pytest.raises(TimeoutError):
            job.output(timeout=0)
        gate.open.set()
        assert job.output(timeout=60) == {"prompt": "Hello"}
