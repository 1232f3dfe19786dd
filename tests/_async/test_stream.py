# Streams: chunks, gaps, ends.
"""Each chunk of a streaming handler arrives once and in order, and a lost one is found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from typing import TypedDict

import pytest

from runpod_typed import (
    AsyncClient,
    FailedAttempt,
    JobCancelledError,
    JobExpiredError,
    JobFailedError,
    OutputError,
    PermissionDeniedError,
    RetryPolicy,
    RunpodError,
    StreamInterruptedError,
    WaitTimeoutError,
)
from runpod_typed._core import schedule
from runpod_typed.local import LocalQueue
from tests._async.ways import AsyncClientOver
from tests.handlers import count, large_chunks
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
DONE = answer(200, '{"id": "job-1", "status": "COMPLETED"}')


def page(status: str, *numbers: int) -> bytes:
    chunks = ", ".join(f'{{"output": {number}}}' for number in numbers)
    return answer(200, f'{{"status": "{status}", "stream": [{chunks}]}}')


async def test_chunks_come_typed_and_in_order(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id, chunk_type=Number).run({"n": 20})
        assert [chunk["number"] async for chunk in job.stream(timeout=20)] == list(range(20))
        assert await job.output(timeout=30) == [{"number": number} for number in range(20)]


async def test_a_chunk_that_does_not_fit_its_type_says_so(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id, chunk_type=dict[str, str]).run({"n": 1})
        with pytest.raises(OutputError, match="chunk"):
            async for _ in job.stream(timeout=20):
                pass


async def test_a_job_that_fails_midway_raises_after_its_chunks(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id).run({"n": 5, "boom_at": 3, "pause": 0.05})
        seen: list[int] = []
        with pytest.raises(JobFailedError, match="the stream broke") as caught:
            async for chunk in job.stream(timeout=20):
                seen.append(chunk["number"])
        assert seen == [0, 1, 2]
        assert caught.value.error_type == "ValueError"
        assert "count" in str(caught.value.remote_traceback)


async def test_a_stream_continues_where_its_reader_stopped(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id).run({"n": 8, "pause": 0})
        seen: list[int] = []
        async for chunk in job.stream(timeout=20):
            seen.append(chunk["number"])
            if len(seen) == 3:
                break
        seen += [chunk["number"] async for chunk in job.stream(timeout=20)]
        assert seen == list(range(8))


async def test_copies_of_a_handle_share_its_stream(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id).run({"n": 8})
        first, second = job.with_options(timeout=20), job.with_options(timeout=25)
        seen: list[int] = []
        async for chunk in first.stream(timeout=20):
            seen.append(chunk["number"])
            if len(seen) == 3:
                break
        seen += [chunk["number"] async for chunk in second.stream(timeout=20)]
        assert seen == list(range(8))
        assert [chunk async for chunk in job.stream(timeout=20)] == []


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


async def test_chunks_have_the_metrics_of_the_worker() -> None:
    chunk = answer(200, '{"status": "COMPLETED", "stream": [{"output": "a", "metrics": {"output_tokens": 1}}]}')
    with scripted([RUN], [chunk], [page("COMPLETED")], [DONE]) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            chunks = [chunk async for chunk in job.stream_detailed(timeout=30)]
    assert [chunk.output for chunk in chunks] == ["a"]
    assert chunks[0].metrics == {"output_tokens": 1}


async def test_the_documented_bare_array_is_read() -> None:
    done = answer(200, '{"id": "job-1", "status": "COMPLETED"}')
    with scripted(
        [RUN], [answer(200, '[{"output": 1}]')], [answer(200, "[]")], [done], [answer(200, "[]")], [done]
    ) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            assert [chunk async for chunk in job.stream(timeout=30)] == [1]


async def test_a_chunk_between_the_last_page_and_the_end_is_read() -> None:
    # The array does not say that the job keeps running, so its status is read; by then it has yielded once more.
    done = answer(200, '{"id": "job-1", "status": "COMPLETED"}')
    scripts = [RUN], [answer(200, "[]")], [done], [answer(200, '[{"output": 1}]')], [answer(200, "[]")], [done]
    with scripted(*scripts) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            assert [chunk async for chunk in job.stream(timeout=30)] == [1]


async def test_a_lost_response_is_replayed_from_the_output() -> None:
    done = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": [0, 1, 2, 3, 4]}')
    lost = [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b""]
    scripts = [RUN], [page("IN_PROGRESS", 0, 1)], lost, [page("COMPLETED", 4)], [page("COMPLETED")], [done]
    with scripted(*scripts) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            assert [chunk async for chunk in job.stream(timeout=30)] == [0, 1, 2, 3, 4]


async def test_a_lost_response_without_output_is_an_error() -> None:
    done = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": []}')
    scripts = [RUN], [page("IN_PROGRESS", 0, 1)], [None], [page("COMPLETED", 4)], [page("COMPLETED")], [done]
    with scripted(*scripts) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            seen: list[object] = []
            with pytest.raises(StreamInterruptedError, match="job-1") as caught:
                async for chunk in job.stream(timeout=30):
                    seen.append(chunk)
    assert seen == [0, 1]
    assert caught.value.received == [0, 1, 4]
    assert caught.value.gap == 2


@pytest.mark.parametrize(("output", "hole"), [([0, 1, 2], False), (None, True)])
async def test_a_stream_that_is_not_found_is_no_expired_job(
    output: list[int] | None, monkeypatch: pytest.MonkeyPatch, *, hole: bool
) -> None:
    monkeypatch.setattr(schedule, "_NOT_FOUND_SECONDS", 0.0)
    done = answer(200, json.dumps({"id": "job-1", "status": "COMPLETED", "output": output}))
    missing = [answer(404)]
    scripts = [RUN], [page("IN_PROGRESS", 0)], missing, [answer(503)], missing, [done], missing, [done]
    with scripted(*scripts) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            seen: list[object] = []
            with pytest.raises(StreamInterruptedError) if hole else nullcontext():
                async for chunk in job.stream(timeout=30):
                    seen.append(chunk)
    assert seen == (output or [0])


async def test_a_function_that_raises_stop_iteration_ends_no_stream() -> None:
    def decide(_: FailedAttempt) -> bool:
        raise StopIteration

    with scripted([RUN], [answer(502)]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=RetryPolicy(decide=decide)) as client:
            job = await client.endpoint("ep").run({"n": 1})
            with pytest.raises(RuntimeError, match="StopIteration"):
                _ = [chunk async for chunk in job.stream(timeout=30)]


async def test_chunks_after_the_end_status_all_arrive() -> None:
    scripts = [RUN], [page("COMPLETED", 0, 1)], [page("COMPLETED", 2)], [page("COMPLETED")], [DONE]
    with scripted(*scripts) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            assert [chunk async for chunk in job.stream(timeout=30)] == [0, 1, 2]


async def test_a_job_that_does_not_stream_has_no_chunks() -> None:
    with scripted([RUN], [DONE]) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            assert [chunk async for chunk in job.stream(timeout=30)] == []


async def test_the_state_is_known_after_the_stream(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id).run({"n": 2})
        assert len([chunk async for chunk in job.stream(timeout=20)]) == 2
        assert job.state is not None
        assert job.state.status == "COMPLETED"
        assert job.state.output == [{"number": 0}, {"number": 1}]


async def test_a_timeout_of_zero_reads_the_chunks_that_are_there(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id).run({"n": 3, "pause": 0})
        await client.endpoint(queue.endpoint_id).job(job.id).wait(timeout=10)
        assert [chunk["number"] async for chunk in job.stream(timeout=0)] == [0, 1, 2]


# A job that runs again, since its worker died


def done_again(output: str) -> bytes:
    return answer(200, f'{{"id": "job-1", "status": "COMPLETED", "output": {output}, "retries": 1}}')


@pytest.mark.parametrize("way", ["straight", "over httpcore"])
async def test_chunks_of_an_earlier_run_are_not_silent(way: str, caplog: pytest.LogCaptureFixture) -> None:
    scripts = [RUN], [page("IN_PROGRESS", 0)], [page("IN_PROGRESS", 0, 1, 2)], [page("COMPLETED")], [done_again("[]")]
    with scripted(*scripts) as server:
        async with AsyncClientOver(way, server.base_url) as client:
            job = await client.endpoint("ep").run({"n": 1})
            assert [chunk async for chunk in job.stream(timeout=30)] == [0, 0, 1, 2]
            assert job.state is not None
            assert job.state.retries == 1
    assert [record.message[:34] for record in caplog.records if "ran again" in record.message] == [
        "Job job-1 of endpoint ep ran again"
    ]


@pytest.mark.parametrize("output", ["[]", "[0, 1, 2]"])
@pytest.mark.parametrize("way", ["straight", "over httpcore"])
async def test_a_lost_response_of_a_job_that_ran_again_is_an_error(way: str, output: str) -> None:
    pages = [page("IN_PROGRESS", 0)], [None], [page("IN_PROGRESS", 0, 1, 2)], [page("COMPLETED")]
    with scripted([RUN], *pages, [done_again(output)]) as server:
        async with AsyncClientOver(way, server.base_url) as client:
            job = await client.endpoint("ep").run({"n": 1})
            seen: list[object] = []
            with pytest.raises(StreamInterruptedError, match="ran again") as caught:
                async for chunk in job.stream(timeout=30):
                    seen.append(chunk)
    assert (seen, caught.value.received, caught.value.gap) == ([0], [0, 0, 1, 2], 1)


async def test_a_job_that_ran_again_is_replayed_from_its_output() -> None:
    pages = [page("IN_PROGRESS", 0)], [None], [page("IN_PROGRESS", 1, 2)], [page("COMPLETED")]
    with scripted([RUN], *pages, [done_again("[0, 1, 2]")]) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            assert [chunk async for chunk in job.stream(timeout=30)] == [0, 1, 2]


async def test_a_retry_by_the_caller_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    failed = answer(200, '{"id": "job-1", "status": "FAILED", "error": "boom"}')
    scripts = [RUN], [page("FAILED", 0)], [page("FAILED")], [failed], [RUN], [page("COMPLETED", 0)], [page("COMPLETED")]
    with scripted(*scripts, [done_again("[]")]) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            with pytest.raises(JobFailedError):
                async for _ in job.stream(timeout=30):
                    pass
            await job.retry()
            assert [chunk async for chunk in job.stream(timeout=30)] == [0]
    assert "ran again" not in caplog.text


# Reconnecting


async def test_a_finished_stream_is_replayed_to_a_new_handle(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        endpoint = client.endpoint(queue.endpoint_id)
        job = await endpoint.run({"n": 5})
        assert len([chunk async for chunk in job.stream(timeout=20)]) == 5
        again = [chunk["number"] async for chunk in endpoint.job(job.id).stream(timeout=20)]
        assert again == list(range(5))


@pytest.mark.slow
async def test_a_short_stream_is_replayed_from_its_first_chunk(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        endpoint = client.endpoint(queue.endpoint_id)
        job = await endpoint.run({"n": 5, "pause": 0.1})
        async for _ in job.stream(timeout=20):
            break
        again = [chunk["number"] async for chunk in endpoint.job(job.id).stream(timeout=20)]
        assert again == list(range(5))


async def test_a_hole_in_a_long_stream_is_an_error_at_its_end() -> None:
    done = answer(200, f'{{"id": "job-1", "status": "COMPLETED", "output": {list(range(18))}}}')
    pages = [[page("IN_PROGRESS", number)] for number in range(1, 17)]  # as many as are held back, and one more
    with scripted(*pages, [page("COMPLETED", 17)], [page("COMPLETED")], [done]) as server:
        async with client_of(server) as client:
            seen: list[object] = []
            with pytest.raises(StreamInterruptedError, match="another reader") as caught:
                async for chunk in client.endpoint("ep").job("job-1").stream(timeout=20):
                    seen.append(chunk)
    assert seen == list(range(1, 18))
    assert (caught.value.received, caught.value.job_id) == (seen, "job-1")


async def test_a_new_handle_reads_a_stream_without_aggregated_output() -> None:
    done = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": []}')
    with scripted([page("IN_PROGRESS", 0, 1)], [page("COMPLETED", 2)], [page("COMPLETED")], [done]) as server:
        async with client_of(server) as client:
            assert [chunk async for chunk in client.endpoint("ep").job("job-1").stream(timeout=30)] == [0, 1, 2]


async def test_a_failed_stream_is_read_by_a_new_handle() -> None:
    failed = answer(200, '{"id": "job-1", "status": "FAILED", "error": "boom"}')
    with scripted([page("FAILED", 0, 1)], [page("FAILED")], [failed]) as server:
        async with client_of(server) as client:
            seen: list[object] = []
            with pytest.raises(JobFailedError, match="boom"):
                async for chunk in client.endpoint("ep").job("job-1").stream(timeout=30):
                    seen.append(chunk)
    assert seen == [0, 1]


@pytest.mark.slow
async def test_chunks_above_a_megabyte_are_aligned_with_the_output() -> None:
    with LocalQueue({"handler": large_chunks, "return_aggregate_stream": True}) as queue:
        async with client_of(queue) as client:
            job = await client.endpoint(queue.endpoint_id).run({"n": 1})
            received = ""
            async for chunk in job.stream(timeout=30):
                received += chunk
                if len(received) == 1_500_000:
                    queue.inject("dropped_stream", operation="stream")
            assert received == "a" * 1_500_000 + "b"


async def test_an_error_beside_a_completed_stream_is_raised() -> None:
    done = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": [1], "error": "boom"}')
    with scripted([RUN], [page("COMPLETED", 1)], [page("COMPLETED")], [done]) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            seen: list[object] = []
            with pytest.raises(JobFailedError, match="boom"):
                async for chunk in job.stream(timeout=30):
                    seen.append(chunk)
    assert seen == [1]


# The end, once all chunks are there


PASSING: dict[str, list[bytes | None]] = {
    "server errors": [answer(502), answer(503)],
    "a page of a proxy": [answer(200, "<html>")],
    "a reset": [None],
    "a 404 for a moment": [answer(404)],
}


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("trouble", PASSING.values(), ids=list(PASSING))
@pytest.mark.parametrize("status", ["FAILED", "COMPLETED"])
async def test_a_failure_is_raised_though_its_state_came_late(trouble: list[bytes | None], status: str) -> None:
    failed = answer(200, f'{{"id": "job-1", "status": "{status}", "error": "boom"}}')
    with scripted([RUN], [page(status, 1)], [page(status)], *([step] for step in trouble), [failed]) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            seen: list[object] = []
            with pytest.raises(JobFailedError, match="boom"):
                async for chunk in job.stream(timeout=20):
                    seen.append(chunk)
    assert seen == [1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("response", "expected"),
    [(answer(403), PermissionDeniedError), (answer(404), JobExpiredError), (answer(502), WaitTimeoutError)],
)
async def test_an_end_that_stays_unknown_is_an_error(response: bytes, expected: type[RunpodError]) -> None:
    with scripted([RUN], [page("COMPLETED", 1)], [page("COMPLETED")], [response]) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            seen: list[object] = []
            with pytest.raises(expected) as caught:
                async for chunk in job.stream(timeout=1.5):
                    seen.append(chunk)
    assert seen == [1]
    assert (caught.value.job_id, caught.value.endpoint_id, caught.value.job) == ("job-1", "ep", job)
    assert "job-1" in str(caught.value)
