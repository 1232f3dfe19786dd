# Streams: chunks, gaps, ends.
"""What a streaming handler yields comes once and in order, and what is lost on the way is found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

import pytest

from runpod_typed import (
    AsyncClient,
    JobCancelledError,
    JobFailedError,
    OutputError,
    RetryPolicy,
    StreamInterruptedError,
    WaitTimeoutError,
)
from runpod_typed.local import LocalQueue
from tests.handlers import count
from tests.scripted_server import ScriptedServer, answer, scripted

pytestmark = pytest.mark.anyio


class Number(TypedDict):
    number: int


@pytest.fixture(scope="module")
def queue() -> Iterator[LocalQueue]:
    with LocalQueue({"handler": count, "return_aggregate_stream": True}, workers=2) as running:
        yield running


def client_of(server: LocalQueue | ScriptedServer) -> AsyncClient:
    key = server.api_key if isinstance(server, LocalQueue) else "key"
    return AsyncClient(key, base_url=server.base_url, retry=RetryPolicy(initial_backoff=0.01, max_backoff=0.02))


RUN = answer(200, '{"id": "job-1", "status": "IN_QUEUE"}')


def page(status: str, *numbers: int) -> bytes:
    chunks = ", ".join(f'{{"output": {number}}}' for number in numbers)
    return answer(200, f'{{"status": "{status}", "stream": [{chunks}]}}')


async def test_chunks_come_typed_and_in_order(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id, chunk_type=Number).run({"n": 20})
        assert [chunk["number"] async for chunk in job.stream(timeout=20)] == list(range(20))
        assert await job.output(timeout=5) == [{"number": number} for number in range(20)]


async def test_a_chunk_that_does_not_fit_its_type_says_so(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id, chunk_type=dict[str, str]).run({"n": 1})
        with pytest.raises(OutputError, match="chunk"):
            async for _ in job.stream(timeout=20):
                pass


async def test_a_job_that_fails_midway_yields_its_chunks_and_then_raises(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id).run({"n": 5, "boom_at": 3, "pause": 0.05})
        seen: list[int] = []
        with pytest.raises(JobFailedError, match="the stream broke") as caught:
            async for chunk in job.stream(timeout=20):
                seen.append(chunk["number"])
        assert seen == [0, 1, 2]
        assert caught.value.error_type == "ValueError"
        assert "count" in str(caught.value.remote_traceback)


async def test_a_consumer_that_stops_early_goes_on_where_it_stopped(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id).run({"n": 8, "pause": 0})
        seen: list[int] = []
        async for chunk in job.stream(timeout=20):
            seen.append(chunk["number"])
            if len(seen) == 3:
                break
        seen += [chunk["number"] async for chunk in job.stream(timeout=20)]
        assert seen == list(range(8))


async def test_a_second_stream_of_a_finished_job_is_empty(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id).run({"n": 3})
        assert len([chunk async for chunk in job.stream(timeout=20)]) == 3
        assert [chunk async for chunk in job.stream(timeout=20)] == []


async def test_the_stream_of_a_cancelled_job_ends() -> None:
    with LocalQueue() as queue:
        async with client_of(queue) as client:
            job = await client.endpoint(queue.endpoint_id).run({"n": 3})
            await job.cancel()
            with pytest.raises(JobCancelledError):
                async for _ in job.stream(timeout=20):
                    pass


@pytest.mark.slow
async def test_a_stream_that_times_out_loses_nothing(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id).run({"n": 8, "pause": 0.3})
        seen: list[int] = []
        with pytest.raises(WaitTimeoutError) as caught:
            async for chunk in job.stream(timeout=1.5):
                seen.append(chunk["number"])
        async for chunk in caught.value.job.stream(timeout=20):
            seen.append(chunk["number"])
        assert seen == list(range(8))


async def test_details_carry_the_workers_metrics() -> None:
    chunk = answer(200, '{"status": "COMPLETED", "stream": [{"output": "a", "metrics": {"output_tokens": 1}}]}')
    with scripted([RUN], [chunk], [page("COMPLETED")]) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            chunks = [chunk async for chunk in job.stream_detailed(timeout=5)]
    assert [chunk.output for chunk in chunks] == ["a"]
    assert chunks[0].metrics == {"output_tokens": 1}


async def test_the_bare_array_of_the_documents_is_read_too() -> None:
    done = answer(200, '{"id": "job-1", "status": "COMPLETED"}')
    with scripted([RUN], [answer(200, '[{"output": 1}]')], [answer(200, "[]")], [done], [answer(200, "[]")]) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            assert [chunk async for chunk in job.stream(timeout=5)] == [1]


async def test_a_chunk_between_an_empty_array_and_the_look_that_sees_the_end_is_handed_out() -> None:
    # The array does not tell that the job goes on, so it is looked at; by then it has yielded once more, and ended.
    done = answer(200, '{"id": "job-1", "status": "COMPLETED"}')
    scripts = [RUN], [answer(200, "[]")], [done], [answer(200, '[{"output": 1}]')], [answer(200, "[]")], [done]
    with scripted(*scripts) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            assert [chunk async for chunk in job.stream(timeout=5)] == [1]


async def test_a_lost_answer_is_healed_from_the_aggregate_output() -> None:
    done = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": [0, 1, 2, 3, 4]}')
    lost = [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b""]
    scripts = [RUN], [page("IN_PROGRESS", 0, 1)], lost, [page("COMPLETED", 4)], [page("COMPLETED")], [done]
    with scripted(*scripts) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            assert [chunk async for chunk in job.stream(timeout=5)] == [0, 1, 2, 3, 4]


async def test_a_lost_answer_that_cannot_be_healed_is_reported_with_all_that_came() -> None:
    done = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": []}')
    scripts = [RUN], [page("IN_PROGRESS", 0, 1)], [None], [page("COMPLETED", 4)], [page("COMPLETED")], [done]
    with scripted(*scripts) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            seen: list[object] = []
            with pytest.raises(StreamInterruptedError, match="job-1") as caught:
                async for chunk in job.stream(timeout=5):
                    seen.append(chunk)
    assert seen == [0, 1]
    assert caught.value.received == [0, 1, 4]
    assert caught.value.gap == 2


async def test_chunks_that_come_with_the_end_in_several_answers_all_arrive() -> None:
    scripts = [RUN], [page("COMPLETED", 0, 1)], [page("COMPLETED", 2)], [page("COMPLETED")]
    with scripted(*scripts) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            assert [chunk async for chunk in job.stream(timeout=5)] == [0, 1, 2]


async def test_a_job_that_does_not_stream_gives_no_chunks() -> None:
    with scripted([RUN], [answer(200, '{"status": "COMPLETED"}')]) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            assert [chunk async for chunk in job.stream(timeout=5)] == []


async def test_after_its_stream_the_jobs_state_is_known(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id).run({"n": 2})
        assert len([chunk async for chunk in job.stream(timeout=20)]) == 2
        assert job.state is not None
        assert job.state.status == "COMPLETED"
        assert job.state.output == [{"number": 0}, {"number": 1}]


async def test_a_stream_with_a_timeout_of_zero_takes_what_is_there(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id).run({"n": 3, "pause": 0})
        await client.endpoint(queue.endpoint_id).job(job.id).wait(timeout=10)
        assert [chunk["number"] async for chunk in job.stream(timeout=0)] == [0, 1, 2]
