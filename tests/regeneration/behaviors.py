"""The facade against a loopback server after an edit: `python -m tests.regeneration.behaviors NAME`, in the copy.

Each function sends requests and reads responses as the edited specification describes them.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any, Final, cast

import pytest

from runpod_typed import Client, Endpoint, ExecutionPolicy, JobStatus, RetryPolicy
from runpod_typed._core import batch_operations
from runpod_typed._models.batch_responses import read_batch
from runpod_typed.errors import (
    APIStatusError,
    ConfigurationError,
    JobFailedError,
    PayloadTooLargeError,
    RateLimitError,
)
from runpod_typed.webhooks import parse_webhook
from tests.scripted_server import ScriptedServer, answer, scripted

KEY: Final = "rpa_secret"
QUEUED: Final = {"id": "a", "status": "IN_QUEUE"}
DONE: Final = {"id": "a", "status": "COMPLETED", "output": {"word": "hello"}}


@contextmanager
def service(
    *responses: object, status: int = 200, headers: tuple[str, ...] = ()
) -> Generator[tuple[Endpoint, ScriptedServer]]:
    """Serve JSON responses, one for each request, the last one from then on."""
    scripts = [[answer(status, json.dumps(each), *headers)] for each in responses]
    retry = RetryPolicy(attempts=1)
    with scripted(*scripts) as server, Client(KEY, base_url=server.base_url, retry=retry) as client:
        yield client.endpoint("ep"), server


def first_line(server: ScriptedServer) -> str:
    """Return the method and the target of the last request."""
    return server.requests[-1].splitlines()[0].removesuffix(" HTTP/1.1")


def wait_sent(server: ScriptedServer, number: int = 0) -> int:
    """Return the `wait` of a request."""
    return int(server.requests[number].splitlines()[0].partition("wait=")[2].partition(" ")[0].partition("&")[0])


def reads_a_job(**fields: Any) -> Any:
    """Return the state of a job whose response has further fields."""
    with service({**DONE, **fields}) as (endpoint, _):
        return endpoint.job("a").wait(timeout=5)


def sends_a_job() -> ScriptedServer:
    """Submit a job, and return what the server has seen."""
    with service(QUEUED) as (endpoint, server):
        assert endpoint.run({"a": 1}).id == "a"
        return server


def works() -> None:
    server = sends_a_job()
    assert json.loads(server.bodies[0]) == {"input": {"a": 1}}
    with service(QUEUED, DONE) as (endpoint, server):
        assert endpoint.run_sync({"a": 1}, timeout=5) == {"word": "hello"}
    assert reads_a_job(delayTime=824).delay_time_ms == 824
    with service({"jobs": {"inQueue": 2}, "workers": {"idle": 1}}) as (endpoint, _):
        assert endpoint.health().jobs.in_queue == 2
    with service({"removed": 2}) as (endpoint, _):
        assert endpoint.purge_queue().removed == 2


def reads_new_fields() -> None:
    works()
    new: dict[str, Any] = {
        "queuePosition": 3,
        "type": "t",
        "reason": "r",
        "job": {},
        "timeout": 1,
        "path": "/",
        "url": "u",
        "key": "k",
    }
    state = reads_a_job(**new)
    assert new.items() <= state.raw.items()
    assert parse_webhook(json.dumps({**DONE, **new})).raw["key"] == "k"


def reads_the_status_of_a_purge() -> None:
    with service({"removed": 2, "status": "completed"}) as (endpoint, _):
        assert endpoint.purge_queue().status == "completed"


def accepts_202() -> None:
    with service(QUEUED, status=202) as (endpoint, _):
        assert endpoint.run({"a": 1}).id == "a"


def holds_at_most_15_seconds() -> None:
    with service(DONE) as (endpoint, server):
        endpoint.job("a").wait(timeout=600)
        endpoint.run_sync({"a": 1}, timeout=600)
    assert 10_000 <= wait_sent(server) <= 15_000
    assert wait_sent(server, 1) <= 15_000


def holds_streams_at_most_5_seconds() -> None:
    with service({"status": "COMPLETED", "stream": [{"output": "a"}]}, DONE) as (endpoint, server):
        assert list(endpoint.job("a").stream(timeout=600)) == ["a"]
    assert 4_000 <= wait_sent(server) <= 5_000


def asks_for_no_short_wait() -> None:
    with service(DONE) as (endpoint, server):
        endpoint.job("a").wait(timeout=3)
    assert "wait=" not in server.requests[0]


def refuses_a_week_of_ttl() -> None:
    with pytest.raises(ConfigurationError, match="ttl"):
        ExecutionPolicy(ttl=timedelta(days=7))
    ExecutionPolicy(ttl=timedelta(days=3))


def refuses_a_month_of_ttl() -> None:
    works()
    with pytest.raises(ConfigurationError, match="ttl"):
        ExecutionPolicy(ttl=timedelta(days=30))


def sends_the_new_field_of_a_policy() -> None:
    with service(QUEUED) as (endpoint, server):
        endpoint.run({"input": {"a": 1}, "policy": {"region": "eu"}})
    assert json.loads(server.bodies[0]) == {"input": {"a": 1}, "policy": {"region": "eu"}}


def calls_an_operation_without_a_result() -> None:
    operation: Any = import_module("runpod_queue_api.api.endpoint.clear_cache")
    with scripted([answer(204, "")]) as server, Client(KEY, base_url=server.base_url) as client:
        assert client.call(operation, "ep") is None
    assert first_line(server) == "DELETE /v2/ep/cache"


def refuses_a_body_of_2_mib() -> None:
    with service(QUEUED) as (endpoint, server):
        with pytest.raises(PayloadTooLargeError):
            endpoint.run({"a": "x" * 2**21})
        assert server.requests == []


def sends_the_key_in_its_header() -> None:
    head = sends_a_job().requests[0].lower()
    assert f"\r\nx-api-key: {KEY}\r\n" in head
    assert "authorization" not in head


def sends_the_key_as_a_bearer_token() -> None:
    assert f"\r\nAuthorization: Bearer {KEY}\r\n" in sends_a_job().requests[0]


def reads_the_renamed_retry_header() -> None:
    with service({}, status=429, headers=("X-Retry-In: 7",)) as (endpoint, _), pytest.raises(RateLimitError) as caught:
        endpoint.health()
    assert caught.value.retry_after == 7


def reads_the_renamed_request_id() -> None:
    with service({}, status=404, headers=("X-Trace: t1",)) as (endpoint, _), pytest.raises(APIStatusError) as caught:
        endpoint.health()
    assert caught.value.request_id == "t1"


def returns_plain_output() -> None:
    state = reads_a_job()
    assert type(cast("object", state.output)) is dict
    assert state.output == {"word": "hello"}
    with service(QUEUED, DONE) as (endpoint, _):
        output: object = endpoint.run_sync({"a": 1}, timeout=5)
        assert type(output) is dict
    running = {"id": "a", "status": "IN_PROGRESS", "output": {"word": "half"}}
    with service(running) as (endpoint, _):
        job = endpoint.job("a")
        job.status()
        assert job.state is not None
        assert type(job.state.progress) is dict
    # An older worker, or another handler, returns something else.
    assert reads_a_job(output="plain").output == "plain"


def returns_plain_chunks() -> None:
    with service({"status": "COMPLETED", "stream": [{"output": {"word": "a"}}, {"output": "b"}]}, DONE) as (
        endpoint,
        _,
    ):
        chunks: list[object] = list(endpoint.job("a").stream(timeout=5))
    assert chunks == [{"word": "a"}, "b"]
    assert type(chunks[0]) is dict


def keeps_the_error_message() -> None:
    body = {"code": "E17", "error": "endpoint not found"}
    with service(body, status=404) as (endpoint, _), pytest.raises(APIStatusError, match="endpoint not found"):
        endpoint.health()


def sends_no_optional_parameter() -> None:
    works()
    assert "x-region" not in sends_a_job().requests[0].lower()


def takes_running_as_final() -> None:
    assert JobStatus.RUNNING.is_terminal
    with service({"id": "a", "status": "RUNNING"}) as (endpoint, _):
        assert endpoint.job("a").wait(timeout=5).status is JobStatus.RUNNING


def reads_the_renamed_output() -> None:
    job = {"id": "a", "status": "COMPLETED", "result": {"word": "hello"}, "output": None}
    with service(QUEUED, job) as (endpoint, _):
        assert endpoint.run_sync({"a": 1}, timeout=5) == {"word": "hello"}


def takes_a_finalized_batch_as_done() -> None:
    assert read_batch({"id": "b", "status": "FINALIZED"}).done


def purges_at_the_new_path() -> None:
    with service({"removed": 0}) as (endpoint, server):
        endpoint.purge_queue()
    assert first_line(server) == "POST /v2/ep/queue/purge"


def removes_a_request_at_the_new_path() -> None:
    assert batch_operations.delete_request("ep", "b", "r").http.target == "/ep/batch/r/requests/b"


def renames_a_batch() -> None:
    assert batch_operations.rename("ep", "b", "nightly").http.body == b'{"name":"nightly"}'


def reads_the_status_by_post() -> None:
    with service(DONE) as (endpoint, server):
        endpoint.job("a").status()
    assert first_line(server) == "POST /v2/ep/status/a"


def calls_the_default_of_a_server_variable() -> None:
    assert Client(KEY).base_url == "https://eu.api.runpod.ai/v2"


def reads_a_field_named_self() -> None:
    assert reads_a_job(self="s").raw["self"] == "s"


def calls_the_new_server() -> None:
    assert Client(KEY).base_url == "https://eu.api.runpod.ai/v3"


def recognizes_the_new_error_prefix() -> None:
    failed = {"id": "a", "status": "FAILED", "error": "worker: no prompt \ntraceback: Traceback ..."}
    with service(failed) as (endpoint, _), pytest.raises(JobFailedError) as caught:
        endpoint.job("a").output(timeout=5)
    assert caught.value.error_message == "no prompt"


def sends_three_requests_within_a_second() -> None:
    with service({}) as (endpoint, server):
        for _ in range(3):
            endpoint.requests()
    assert len(server.requests) == 3


def warns_of_a_deprecated_operation() -> None:
    with service({}) as (endpoint, _), pytest.warns(DeprecationWarning, match="get_requests"):
        endpoint.requests()


def warns_of_a_deprecated_field() -> None:
    bodies: list[Any] = [{"a": 1}, {"input": {"a": 1}, "policy": {"ttl": 60_000}}]
    for body, policy in zip(bodies, (ExecutionPolicy(ttl=60), None), strict=True):
        with service(QUEUED) as (endpoint, _), pytest.warns(DeprecationWarning, match=r"policy\.ttl of .* run is"):
            endpoint.run(body, policy=policy)


def warns_of_a_deprecated_parameter() -> None:
    with service(DONE) as (endpoint, _), pytest.warns(DeprecationWarning, match="ttl of the operation get_status"):
        endpoint.job("a").status(ttl=60)


def main(name: str) -> None:
    """Run one of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        globals()[name]()


if __name__ == "__main__":
    main(sys.argv[1])
