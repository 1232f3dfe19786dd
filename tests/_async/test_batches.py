# Batches over real sockets.
"""Batches over real sockets: against the local queue, and servers that lose responses or change their shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from runpod_typed import (
    APIConnectionError,
    APIResponseValidationError,
    AsyncBatches,
    AsyncClient,
    BadRequestError,
    Batch,
    BatchResult,
    BatchStatus,
    ConfigurationError,
    InputError,
    JobFailedError,
    NotFoundError,
    OutputError,
    RetryPolicy,
    SubmissionUncertainError,
)
from runpod_typed._synchronization import async_sleep
from runpod_typed.local import LocalQueue
from tests._async.ways import client_of
from tests.handlers import square
from tests.scripted_server import answer, scripted

pytestmark = pytest.mark.anyio

DRAFT = answer(200, '{"id": "batch_1", "status": "DRAFT"}')
EAGER = RetryPolicy(initial_backoff=0)


@dataclass
class Order:
    n: int


@dataclass
class Result:
    squared: int


@pytest.fixture(scope="module")
def queue() -> Iterator[LocalQueue]:
    with LocalQueue(square, workers=4) as running:
        yield running


def scripted_client(base_url: str) -> AsyncClient:
    return AsyncClient("key", base_url=base_url, retry=EAGER)


async def finished(batches: AsyncBatches[Any, Any], batch: Batch) -> Batch:
    while not (batch := await batches.get(batch)).done:
        await async_sleep(0.02)
    return batch


async def results_of(batches: AsyncBatches[Any, Any], batch: Batch | str, size: int = 50) -> list[BatchResult[Any]]:
    return [result async for result in batches.results(batch, page_size=size)]


async def test_batch_runs_from_draft_to_typed_results(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        batches = client.endpoint(queue.endpoint_id, input_type=Order, output_type=Result).batches
        draft = await batches.create([Order(1), Order(2)], name="nightly")
        assert (draft.status, draft.request_total, draft.name) == ("DRAFT", 2, "nightly")
        assert (await batches.add(draft, [Order(3)])).request_total == 3
        assert (await batches.get(draft.id)).name == "nightly"
        assert (await batches.finalize(draft)).status is BatchStatus.FINALIZED

        batch = await finished(batches, draft)
        assert (batch.request_completed, batch.request_failed, batch.endpoint_id) == (3, 0, queue.endpoint_id)
        assert batch.created_at is not None
        results = await results_of(batches, batch, 2)
        assert sorted(result.result().squared for result in results) == [1, 4, 9]
        assert all(result.execution_time_ms is not None and result.started_at for result in results)


async def test_failed_request_does_not_fail_its_batch(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        batches = client.endpoint(queue.endpoint_id).batches
        draft = await batches.create([{"n": 2}, {"boom": "no"}])
        await batches.finalize(draft)
        batch = await finished(batches, draft)
        assert (batch.status, batch.request_completed, batch.request_failed) == ("FINALIZED", 1, 1)
        failed, completed = await results_of(batches, batch)
        assert completed.output == {"squared": 4}
        with pytest.raises(JobFailedError, match="no") as caught:
            failed.result()
        assert (caught.value.job_id, caught.value.error_type) == (failed.id, "ValueError")


async def test_output_of_another_type_raises_when_used(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        batches = client.endpoint(queue.endpoint_id, output_type=int).batches
        draft = await batches.create([{"n": 2}])
        await batches.finalize(draft)
        (result,) = await results_of(batches, await finished(batches, draft))
        with pytest.raises(OutputError) as caught:
            result.result()
        assert (caught.value.job_id, caught.value.endpoint_id) == (result.id, queue.endpoint_id)


async def test_request_is_removed_from_a_draft(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        batches = client.endpoint(queue.endpoint_id).batches
        draft = await batches.create([{"n": 1}, {"n": 2}])
        first, second = await results_of(batches, draft)
        assert (first.status, first.output, first.done) == ("IN_QUEUE", None, False)
        assert (await batches.delete_request(draft, first.id)).request_total == 1
        assert [each.id for each in await results_of(batches, draft)] == [second.id]
        with pytest.raises(NotFoundError):
            await batches.delete_request(draft, first.id)


async def test_cancelled_batch_runs_nothing_more(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        batches = client.endpoint(queue.endpoint_id).batches
        draft = await batches.create([{"n": 1}])
        assert (await batches.cancel(draft)).status is BatchStatus.CANCELLED
        with pytest.raises(BadRequestError, match="is CANCELLED: only a DRAFT") as caught:
            await batches.finalize(draft)
        assert (caught.value.batch_id, caught.value.endpoint_id) == (draft.id, queue.endpoint_id)
        assert f"endpoint.batches.get({draft.id!r}) shows the status" in caught.value.message


async def test_lists_all_batches_newest_first() -> None:
    with LocalQueue(square, workers=1) as queue:
        async with client_of(queue) as client:
            batches = client.endpoint(queue.endpoint_id).batches
            ids = [(await batches.create()).id for _ in range(53)]
            assert [batch.id for batch in await batches.list()] == ids[::-1]


async def test_creation_above_10_mib_takes_several_calls(queue: LocalQueue) -> None:
    inputs = [{"data": "x" * 4_000_000, "n": n} for n in range(5)]
    async with client_of(queue) as client:
        batches = client.endpoint(queue.endpoint_id).batches
        draft = await batches.create(inputs)
        assert draft.request_total == (await batches.get(draft)).request_total == 5
        assert (await batches.add(draft, inputs)).request_total == 10
        await batches.cancel(draft)


@pytest.mark.parametrize(("inputs", "message"), [([{"n": 1}, {}], "at index 1"), ("text", "not one str")])
async def test_bad_inputs_send_nothing(queue: LocalQueue, inputs: Any, message: str) -> None:
    async with client_of(queue) as client:
        batches = client.endpoint(queue.endpoint_id).batches
        before = len(await batches.list())
        with pytest.raises(InputError, match=message):
            await batches.create(inputs)
        assert len(await batches.list()) == before


async def test_bad_ids_send_nothing() -> None:
    async with AsyncClient("key", base_url="http://127.0.0.1:9/v2") as client:
        batches = client.endpoint("ep").batches
        with pytest.raises(ConfigurationError, match="The batch id 'a/b' has an invalid character"):
            await batches.get("a/b")
        with pytest.raises(ConfigurationError, match="The batch request id is empty"):
            await batches.delete_request("b", "")


# Lost responses


async def test_lost_creation_is_uncertain_and_harmless() -> None:
    with scripted([None]) as server:
        async with scripted_client(server.base_url) as client:
            with pytest.raises(SubmissionUncertainError, match="nothing is paid for until it is finalized") as caught:
                await client.endpoint("ep").batches.create([{"n": 1}])
    assert len(server.requests) == 1
    assert (caught.value.endpoint_id, caught.value.operation) == ("ep", "create_batch")


async def test_lost_add_is_uncertain_and_names_the_batch() -> None:
    with scripted([None]) as server:
        async with scripted_client(server.base_url) as client:
            with pytest.raises(SubmissionUncertainError, match="1 requests may have been added to batch b1") as caught:
                await client.endpoint("ep").batches.add("b1", [{"n": 1}])
    assert (len(server.requests), caught.value.batch_id) == (1, "b1")


async def test_error_after_creation_carries_the_id() -> None:
    with scripted([DRAFT], [answer(500, "{}")]) as server:
        async with scripted_client(server.base_url) as client:
            with pytest.raises(SubmissionUncertainError) as caught:
                await client.endpoint("ep").batches.create({"data": "x" * 6_000_000, "n": n} for n in range(2))
            assert caught.value.batch_id == "batch_1"
            assert "The batch is a draft with the first 1 inputs, and runs nothing." in caught.value.message


async def test_error_while_naming_carries_the_id() -> None:
    with scripted([DRAFT], [answer(400, '{"error": "no"}')]) as server:
        async with scripted_client(server.base_url) as client:
            with pytest.raises(BadRequestError, match="a draft with all 1 inputs, and it may have no name") as caught:
                await client.endpoint("ep").batches.create([{"n": 1}], "nightly")
    assert caught.value.batch_id == "batch_1"
    assert json.loads(server.bodies[1]) == {"name": "nightly"}


async def test_finalize_whose_response_was_lost_succeeds() -> None:
    status = answer(200, '{"id": "b1", "status": "FINALIZED", "requestTotal": 3}')
    with scripted([None], [answer(400, '{"error": "not a draft"}')], [status]) as server:
        async with scripted_client(server.base_url) as client:
            assert (await client.endpoint("ep").batches.finalize("b1")).status == "FINALIZED"
    assert [head.split()[1] for head in server.requests][1:] == ["/v2/ep/batch/b1/finalize", "/v2/ep/batch/b1"]


async def test_refused_finalize_is_an_error_after_a_lost_response_too() -> None:
    status = answer(200, '{"id": "b1", "status": "DRAFT", "requestTotal": 3}')
    with scripted([None], [answer(400, '{"error": "too many active batches"}')], [status]) as server:
        async with scripted_client(server.base_url) as client:
            with pytest.raises(BadRequestError, match="too many active batches"):
                await client.endpoint("ep").batches.finalize("b1")


async def test_removal_whose_response_was_lost_succeeds() -> None:
    with scripted([None], [answer(404, '{"error": "not found"}')]) as server:
        async with scripted_client(server.base_url) as client:
            assert (await client.endpoint("ep").batches.delete_request("b1", "r1")).id == "b1"


async def test_reads_and_cancels_are_repeated() -> None:
    with scripted([None], [answer(502)], [answer(200, '{"id": "b1", "status": "DRAFT"}')]) as server:
        async with scripted_client(server.base_url) as client:
            assert (await client.endpoint("ep").batches.get("b1")).status == "DRAFT"
    with scripted([None], [answer(200, "{}")]) as server:
        async with scripted_client(server.base_url) as client:
            assert (await client.endpoint("ep").batches.cancel("b1")).id == "b1"


async def test_timeout_ends_the_call() -> None:
    with scripted([3600.0]) as server:
        async with scripted_client(server.base_url) as client:
            with pytest.raises(APIConnectionError):
                await client.endpoint("ep").batches.get("b1", timeout=0.1)


# Unknown shapes


@pytest.mark.parametrize("body", ['{"weird": [1]}', "[1, 2]", '"ok"', "null", "", '{"status": 5}'])
async def test_response_to_a_change_of_unknown_shape_stays_raw(body: str) -> None:
    raw = json.loads(body) if body else None
    with scripted([answer(200, body)]) as server:
        async with scripted_client(server.base_url) as client:
            batches = client.endpoint("ep").batches
            for change in (
                await batches.add("b1", [{"n": 1}]),
                await batches.finalize("b1"),
                await batches.cancel("b1"),
                await batches.delete_request("b1", "r1"),
            ):
                assert (change.id, change.status, change.raw) == ("b1", None, raw)


async def test_list_follows_pages_and_reads_a_bare_array() -> None:
    first = answer(200, '{"batches": [{"id": "b1", "status": "DRAFT"}], "hasMore": true}')
    second = answer(200, '{"batches": [{"id": "b2", "status": "NEW"}], "hasMore": false}')
    with scripted([first], [second]) as server:
        async with scripted_client(server.base_url) as client:
            listed = await client.endpoint("ep").batches.list()
    assert [(batch.id, batch.status) for batch in listed] == [("b1", "DRAFT"), ("b2", "NEW")]
    assert [head.split()[1] for head in server.requests] == ["/v2/ep/batch", "/v2/ep/batch?offset=1"]
    with scripted([answer(200, '[{"id": "b3", "status": "DRAFT"}]')]) as server:
        async with scripted_client(server.base_url) as client:
            assert [batch.id for batch in await client.endpoint("ep").batches.list()] == ["b3"]


async def test_results_end_with_an_error_if_pages_are_missing() -> None:
    page = answer(200, '{"requests": [{"id": "r1", "status": "COMPLETED", "output": 1}], "hasMore": true}')
    with scripted([page]) as server:
        async with scripted_client(server.base_url) as client:
            got = list[str]()
            with pytest.raises(APIResponseValidationError, match="without anything new at offset 1") as caught:
                async for result in client.endpoint("ep").batches.results("b1", page_size=1):
                    got.append(result.id)
    assert (got, caught.value.batch_id) == (["r1"], "b1")
    assert server.requests[1].split()[1] == "/v2/ep/batch/b1/requests?offset=1&limit=1"


async def test_creation_without_an_id_is_uncertain() -> None:
    with scripted([answer(200, '{"status": "DRAFT"}')]) as server:
        async with scripted_client(server.base_url) as client:
            with pytest.raises(SubmissionUncertainError, match="may have been created"):
                await client.endpoint("ep").batches.create()
