# Hooks: functions that are called for requests, responses, retries and finished jobs.
"""Hooks: functions that are called for requests, responses, retries and finished jobs."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from runpod_typed import AsyncClient, ConfigurationError, Hooks, JobEnd, RequestInfo, ResponseInfo, RetryInfo
from runpod_typed.local import LocalQueue

pytestmark = pytest.mark.anyio


def handler(job: dict[str, Any]) -> object:
    if job["input"] == "fail":
        raise ValueError("too dark")
    return job["input"]


@pytest.fixture(scope="module")
def queue() -> Iterator[LocalQueue]:
    with LocalQueue(handler, endpoint_id="demo") as queue:
        yield queue


async def test_hooks_hear_of_requests_responses_and_end(queue: LocalQueue) -> None:
    requests, responses, ends = list[RequestInfo](), list[ResponseInfo](), list[JobEnd]()
    hooks = Hooks(on_request=requests.append, on_response=responses.append, on_job_end=ends.append)
    async with AsyncClient(queue.api_key, base_url=queue.base_url, hooks=hooks) as client:
        job = await client.endpoint("demo").run("hello")
        assert await job.output(timeout=60) == "hello"
        await job.wait()
    assert requests[0].operation == "run"
    assert (requests[0].method, requests[0].url) == ("POST", f"{queue.base_url}/demo/run")
    assert (requests[0].job_id, requests[0].attempt) == (None, 1)
    assert {request.job_id for request in requests[1:]} == {job.id}
    assert [response.request for response in responses] == requests
    assert {(response.status_code, response.job_id, response.error) for response in responses} == {(200, job.id, None)}
    assert [(end.endpoint_id, end.state.id, end.state.status) for end in ends] == [("demo", job.id, "COMPLETED")]


async def test_hook_hears_of_each_retry(queue: LocalQueue) -> None:
    retries, responses = list[RetryInfo](), list[ResponseInfo]()
    hooks = Hooks(on_retry=retries.append, on_response=responses.append)
    queue.inject("server_error", operation="get_health", status=503)
    async with AsyncClient(queue.api_key, base_url=queue.base_url, hooks=hooks) as client:
        await client.endpoint("demo").health()
    assert [response.status_code for response in responses] == [503, 200]
    assert (retries[0].request.attempt, retries[0].error) == (1, responses[0].error)
    assert retries[0].delay >= 0


@pytest.mark.parametrize(("given", "status"), [("hello", "COMPLETED"), ("fail", "FAILED")])
async def test_hook_hears_of_end_of_run_sync(queue: LocalQueue, given: str, status: str) -> None:
    ends = list[JobEnd]()
    async with AsyncClient(queue.api_key, base_url=queue.base_url, hooks=Hooks(on_job_end=ends.append)) as client:
        await client.endpoint("demo").run_sync_state(given, timeout=60)
    assert [end.state.status for end in ends] == [status]


class Interrupt(BaseException):
    """Raised by a signal handler."""


async def test_interrupt_in_a_hook_of_run_sync_names_the_job(queue: LocalQueue) -> None:
    ids = list[str]()

    def interrupt(end: JobEnd) -> None:
        ids.append(end.state.id)
        raise Interrupt

    async with AsyncClient(queue.api_key, base_url=queue.base_url, hooks=Hooks(on_job_end=interrupt)) as client:
        with pytest.raises(Interrupt) as caught:
            await client.endpoint("demo").run_sync(1, timeout=60)
    assert ids[0] in caught.value.__notes__[0]


async def test_failing_hook_changes_nothing(queue: LocalQueue, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: object) -> None:
        raise LookupError("a bug of the hook")

    hooks = Hooks(on_request=fail, on_response=fail, on_job_end=fail)
    async with AsyncClient(queue.api_key, base_url=queue.base_url, hooks=hooks) as client:
        with caplog.at_level(logging.ERROR, "runpod_typed"):
            assert await client.endpoint("demo").run_sync(1, timeout=60) == 1
    assert "a bug of the hook" in caplog.text
    assert queue.api_key not in caplog.text


async def test_refuses_what_is_not_a_hook() -> None:
    with pytest.raises(ConfigurationError, match="on_request must be a function"):
        Hooks(on_request="print")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigurationError, match="hooks= must be Hooks"):
        AsyncClient("key", hooks=print)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
