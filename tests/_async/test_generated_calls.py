# Any operation of the API: called through a client, with its connections, errors and limits.
"""A client calls operations that it has no method for, and sends fields that it does not know."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from runpod_queue_api import models, wire
from runpod_queue_api.api.endpoint import get_health
from runpod_queue_api.api.jobs import get_status, run, stream

from runpod_typed import (
    APIConnectionError,
    APIResponseValidationError,
    AsyncClient,
    BadRequestError,
    ConfigurationError,
    InputError,
    NotFoundError,
    PayloadTooLargeError,
    RetryPolicy,
)
from runpod_typed.local import LocalQueue
from tests._async.ways import WAYS, AsyncClientOver
from tests.handlers import square
from tests.scripted_server import answer, scripted

pytestmark = pytest.mark.anyio

DONE = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": 7}')


@pytest.mark.parametrize("way", WAYS)
async def test_calls_any_generated_operation(way: str) -> None:
    with scripted([answer(200, '{"id": "job-1", "status": "COMPLETED", "delayTime": null, "new": 1}')]) as server:
        async with AsyncClientOver(way, server.base_url) as client:
            job = await client.call(run, "ep", body=models.RunRequest(input_={"n": 1}))
    assert isinstance(job, models.Job)
    assert (job.id, job.additional_properties) == ("job-1", {"new": 1})
    assert "/v2/ep/run HTTP/1.1" in server.requests[0]
    assert json.loads(server.bodies[0]) == {"input": {"n": 1}}


async def test_calls_operations_that_the_facade_does_not_have() -> None:
    batch = pytest.importorskip("runpod_queue_api.api.batch", reason="the specification describes no batches")
    with LocalQueue(handler=square, endpoint_id="ep") as queue:
        async with AsyncClient(queue.api_key, base_url=queue.base_url) as client:
            made = await client.call(batch.create_batch, "ep", body=[models.RunRequest(input_={"n": 1})])
            page = await client.call(batch.list_batch_requests, "ep", made.id, limit=2)
            assert len(page.requests) == 1
            await client.call(batch.delete_batch_request, "ep", made.id, page.requests[0].id)
            assert (await client.call(batch.get_batch, "ep", made.id)).request_total == 0


async def test_reads_null_as_an_absent_field_and_leaves_outputs_alone() -> None:
    body = {"id": "job-1", "status": "COMPLETED", "workerId": None, "output": {"a": None}, "error": {"b": None}}
    with scripted([answer(200, json.dumps(body))]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            job = await client.call(get_status, "ep", "job-1")
    assert (job.worker_id or None, job.output) == (None, {"a": None})


@pytest.mark.parametrize("body", ["[1]", '{"status": "DRAFT"}', '"text"', "null", "5"])
async def test_refuses_a_response_of_another_shape(body: str) -> None:
    with scripted([answer(200, body)]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            with pytest.raises(APIResponseValidationError, match="get_status"):
                await client.call(get_status, "ep", "job-1")


async def test_a_response_without_content_is_not_json() -> None:
    def build(endpoint_id: str) -> dict[str, object]:
        return {"method": "delete", "url": f"/{endpoint_id}/cache"}

    def read(status: int, data: object) -> tuple[int, object]:
        return status, data

    operation: Any = SimpleNamespace(__name__="api.clear", _get_kwargs=build, _read_success=read)
    with scripted([answer(204, "")]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            assert await client.call(operation, "ep") == (204, None)
            with pytest.raises(APIResponseValidationError, match="204"):
                await client.call(get_status, "ep", "job-1")


async def test_a_call_raises_the_errors_of_the_client() -> None:
    with scripted([answer(404, '{"error": "no such job"}')]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            with pytest.raises(NotFoundError, match="no such job"):
                await client.call(get_status, "ep", "job-1")
    with scripted([DONE]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            with pytest.raises(PayloadTooLargeError, match="and run takes"):
                await client.call(run, "ep", body=models.RunRequest(input_="x" * wire.RUN_MAX_BYTES))
        assert server.requests == []


async def test_repeats_a_read_and_no_post_that_may_have_taken_effect() -> None:
    retry = RetryPolicy(initial_backoff=0.01)
    with scripted([None], [DONE]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=retry) as client:
            assert (await client.call(get_status, "ep", "job-1")).id == "job-1"
        assert len(server.requests) == 2
    with scripted([None], [DONE]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=retry) as client:
            with pytest.raises(APIConnectionError):
                await client.call(run, "ep", body=models.RunRequest(input_=1))
        assert len(server.requests) == 1


@pytest.mark.parametrize("way", WAYS)
async def test_repeats_no_stream_whose_chunks_may_be_lost(way: str) -> None:
    with scripted([None], [answer(200, '{"status": "IN_PROGRESS", "stream": []}')]) as server:
        async with AsyncClientOver(way, server.base_url, retry=RetryPolicy(initial_backoff=0.01)) as client:
            with pytest.raises(APIConnectionError, match="may be done already"):
                await client.call(stream, "ep", "job-1")
        assert len(server.requests) == 1


async def test_cuts_credentials_in_the_body_from_errors() -> None:
    storage = models.S3Config(access_id="CANARY-ID", access_secret="CANARY-SECRET", bucket_name="b", endpoint_url="u")
    with scripted([answer(400, '{"error": "bad key CANARY-SECRET of CANARY-ID"}')]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            with pytest.raises(BadRequestError, match="bad key") as raised:
                await client.call(run, "ep", body=models.RunRequest(input_=1, s_3_config=storage))
    assert "CANARY" not in f"{raised.value!r} {raised.value}"


async def test_sends_options_and_reads_an_endpoint_s_model() -> None:
    with scripted([DONE], [answer(200, '{"jobs": {"inQueue": 3}}')]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            await client.call(get_status, "ep", "job-1", ttl=6000)
            health = await client.call(get_health, endpoint_id="ep")
    assert server.requests[0].startswith("GET /v2/ep/status/job-1?ttl=6000 ")
    assert isinstance(health.jobs, models.JobCounts)
    assert health.jobs.in_queue == 3


# Fields that are newer than this version


async def test_sends_extra_fields_and_parameters() -> None:
    with scripted([DONE]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            endpoint = client.endpoint("ep")
            await endpoint.run({"n": 1}, extra_body={"region": "EU"}, extra_query={"priority": 3})
            await endpoint.run_sync({"n": 1}, extra_body={"region": ["EU"]}, extra_query={"dry run": "a&b"})
    assert [json.loads(body) for body in server.bodies[:2]] == [
        {"input": {"n": 1}, "region": "EU"},
        {"input": {"n": 1}, "region": ["EU"]},
    ]
    assert server.requests[0].startswith("POST /v2/ep/run?priority=3 ")
    assert server.requests[1].partition(" HTTP")[0].endswith("&dry+run=a%26b")


async def test_refuses_extra_fields_that_have_an_argument() -> None:
    with scripted([DONE]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            endpoint = client.endpoint("ep")
            with pytest.raises(InputError, match="extra_body= has webhook, which has an argument of its own"):
                await endpoint.run({"n": 1}, extra_body={"webhook": "https://example.org"})
            with pytest.raises(InputError, match="extra_body="):
                await endpoint.run({"n": 1}, extra_body={"region": object()})
            with pytest.raises(ConfigurationError, match="extra_query= has a parameter that is sent already: wait"):
                await endpoint.run_sync({"n": 1}, extra_query={"wait": 5})
        assert server.requests == []
