# Any operation of the API: called through a client, with its connections, errors and limits.
"""A client calls operations that it has no method for, and sends fields that it does not know."""

from __future__ import annotations

import json

import pytest
from runpod_queue_api.api.batch import (
    append_batch_requests,
    create_batch,
    delete_batch_request,
    get_batch,
    list_batch_requests,
)
from runpod_queue_api.api.jobs import get_status, run
from runpod_queue_api.models import Batch, BatchAppend, Job, RunRequest, S3Config

from runpod_typed import (
    APIConnectionError,
    APIResponseValidationError,
    AsyncClient,
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

DRAFT = answer(200, '{"id": "batch_1", "status": "DRAFT", "requestTotal": null, "new": 1}')
DONE = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": 7}')


@pytest.mark.parametrize("way", WAYS)
async def test_calls_any_generated_operation(way: str) -> None:
    with scripted([DRAFT]) as server:
        async with AsyncClientOver(way, server.base_url) as client:
            batch = await client.call(create_batch, "ep", body=[RunRequest(input_={"n": 1})])
    assert isinstance(batch, Batch)
    assert (batch.id, batch.additional_properties) == ("batch_1", {"new": 1})
    assert "/v2/ep/batch HTTP/1.1" in server.requests[0]
    assert json.loads(server.bodies[0]) == [{"input": {"n": 1}}]


async def test_drives_a_batch_on_the_local_queue() -> None:
    with LocalQueue(handler=square, endpoint_id="ep") as queue:
        async with AsyncClient(queue.api_key, base_url=queue.base_url) as client:
            batch = await client.call(create_batch, "ep", body=[])
            body = BatchAppend(requests=[RunRequest(input_={"n": n}) for n in range(3)])
            await client.call(append_batch_requests, "ep", batch.id, body=body)
            page = await client.call(list_batch_requests, "ep", batch.id, limit=2)
            assert len(page.requests) == 2
            await client.call(delete_batch_request, "ep", batch.id, page.requests[0].id)
            assert (await client.call(get_batch, "ep", batch.id)).request_total == 2


async def test_reads_a_null_like_an_absent_field_and_leaves_outputs_alone() -> None:
    page = {"requests": [{"id": "r", "status": "COMPLETED", "startedAt": None, "output": {"a": None}}]}
    with scripted([answer(200, json.dumps(page))]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            (request,) = (await client.call(list_batch_requests, "ep", "b")).requests
    assert (request.started_at or None, request.output) == (None, {"a": None})


@pytest.mark.parametrize("body", ["[1]", '{"status": "DRAFT"}', '"text"', "null", "5"])
async def test_refuses_a_response_of_another_shape(body: str) -> None:
    with scripted([answer(200, body)]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            with pytest.raises(APIResponseValidationError, match="create_batch"):
                await client.call(create_batch, "ep", body=[])


async def test_a_call_raises_the_errors_of_the_client() -> None:
    with scripted([answer(404, '{"error": "no such batch"}')]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            with pytest.raises(NotFoundError, match="no such batch"):
                await client.call(get_batch, "ep", "b")
    with scripted([DRAFT]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            body = BatchAppend(requests=[RunRequest(input_="x" * 11_000_000)])
            with pytest.raises(PayloadTooLargeError, match="append_batch_requests"):
                await client.call(append_batch_requests, "ep", "b", body=body)
        assert server.requests == []


async def test_repeats_a_read_and_no_post_that_may_have_taken_effect() -> None:
    retry = RetryPolicy(initial_backoff=0.01)
    with scripted([None], [DRAFT]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=retry) as client:
            assert (await client.call(get_batch, "ep", "batch_1")).id == "batch_1"
        assert len(server.requests) == 2
    with scripted([None], [DRAFT]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=retry) as client:
            with pytest.raises(APIConnectionError):
                await client.call(create_batch, "ep", body=[])
        assert len(server.requests) == 1


async def test_cuts_credentials_in_any_body_from_errors() -> None:
    storage = S3Config(access_id="CANARY-ID", access_secret="CANARY-SECRET", bucket_name="b", endpoint_url="u")
    with scripted([answer(400, '{"error": "bad key CANARY-SECRET of CANARY-ID"}')]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            with pytest.raises(Exception, match="bad key") as raised:
                await client.call(create_batch, "ep", body=[RunRequest(input_=1, s_3_config=storage)])
    assert "CANARY" not in f"{raised.value!r} {raised.value}"


async def test_a_job_is_read_as_its_generated_model() -> None:
    with scripted([DONE]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            job = await client.call(get_status, "ep", "job-1", ttl=6000)
            assert isinstance(job, Job)
            assert job.output == 7
            assert isinstance(await client.call(run, "ep", body=RunRequest(input_=1)), Job)
        assert server.requests[0].startswith("GET /v2/ep/status/job-1?ttl=6000 ")


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
