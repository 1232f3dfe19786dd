# Results and failures, from the worker to the caller.
"""Results and failures, from the worker to the caller."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from runpod_typed import AsyncClient, JobFailedError, JobState, OutputError, RunpodError
from runpod_typed.local import LocalQueue
from tests._async.ways import client_of
from tests.scripted_server import answer, scripted

pytestmark = pytest.mark.anyio


@dataclass
class Image:
    data: bytes


@dataclass
class Refusal:
    reason: str


def handle(job: dict[str, Any]) -> Any:
    """Return the input, or do what it asks for."""
    match job["input"]:
        case {"raise": message}:
            raise RuntimeError(message)
        case value:
            return value


@pytest.fixture(scope="module")
def queue() -> Iterator[LocalQueue]:
    with LocalQueue(handle, workers=4) as running:
        yield running


async def test_misfit_output_hides_no_state(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        endpoint = client.endpoint(queue.endpoint_id, output_type=dict[str, str])
        job = await endpoint.run({"url": 5})
        seen: list[JobState[dict[str, str]] | None] = [await job.wait(timeout=10), await job.refresh(), job.state]
        seen.append(await job.cancel())
        async for event in job.events(timeout=10):
            seen.append(event.state)
        seen.append(await endpoint.run_sync_state({"url": 5}, timeout=10))
        assert await job.status() == "COMPLETED"
        for state in seen:
            assert state is not None
            assert (state.done, state.succeeded, state.raw["output"]) == (True, True, {"url": 5})
            with pytest.raises(OutputError, match=r'at `\$\.url`.*It begins: {"url":5}') as caught:
                state.result()
            assert caught.value.state == state
        with pytest.raises(OutputError) as caught:
            await job.output(timeout=10)
        assert caught.value.job_id == job.id
        with pytest.raises(OutputError) as caught:
            await endpoint.run_sync({"url": 5}, timeout=10)
        assert pickle.loads(pickle.dumps(caught.value)).state.done


async def test_the_errors_of_a_state_name_its_endpoint(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        endpoint = client.endpoint(queue.endpoint_id, output_type=int)
        misfit, failed = await endpoint.run({"n": 5}), await endpoint.run({"raise": "boom"})
        states: list[JobState[int] | None] = [
            misfit.state,
            await misfit.wait(timeout=30),
            await failed.wait(timeout=30),
        ]
        states += [misfit.state, await endpoint.run_sync_state({"n": 5}, timeout=30), await failed.refresh()]
        async for event in failed.events(timeout=30):
            states.append(event.state)
    for state in states:
        assert state is not None
        with pytest.raises(RunpodError) as caught:
            state.result()
        assert (caught.value.job_id, caught.value.endpoint_id) == (state.id, queue.endpoint_id)
        assert pickle.loads(pickle.dumps(caught.value)).endpoint_id == queue.endpoint_id


async def test_output_is_decoded_once_per_response() -> None:
    class Counting:
        count = 0

        def encode(self, value: int) -> Any:
            return value

        def decode(self, data: Any) -> int:
            self.count += 1
            return int(data)

    codec: Any = Counting()
    with scripted([answer(200, '{"id": "job-1", "status": "COMPLETED", "output": 7}')]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            job = client.endpoint("ep", output_codec=codec).job("job-1")
            state = await job.wait(timeout=30)
            assert codec.count == 0
            assert [state.output, state.result(), await job.output(timeout=30), job.state and job.state.output] == [
                7
            ] * 4
            assert codec.count == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('"error": "upload failed"', "COMPLETED with an error: upload failed"),
        ('"error": "upload failed", "output": {"a": 1}', 'upload failed.*beside the error: {"a":1}'),
        ('"output": {"error": "CUDA OOM"}', "COMPLETED with an error: CUDA OOM"),
    ],
)
async def test_completed_with_an_error_raises(body: str, words: str) -> None:
    with scripted([answer(200, f'{{"id": "job-1", "status": "COMPLETED", {body}}}')]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            endpoint = client.endpoint("ep")
            with pytest.raises(JobFailedError, match=words):
                await endpoint.job("job-1").output(timeout=30)
            with pytest.raises(JobFailedError, match=words):
                await endpoint.run_sync({"a": 1}, timeout=30)
            for state in (await endpoint.job("job-1").wait(30), await endpoint.run_sync_state({"a": 1}, timeout=30)):
                assert (state.status, state.succeeded) == ("COMPLETED", False)
                assert state.failure is not None
            if "output" in body:
                typed = client.endpoint("ep", output_type=dict[str, object])
                assert (await typed.job("job-1").wait(30)).succeeded is ('"error": "upload' not in body)


async def test_what_was_returned_beside_an_error_is_shown(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        returned = {"error": {"message": "failed", "type": "NodeError"}, "details": ["Node 3: CUDA out of memory"]}
        with pytest.raises(JobFailedError, match=r"NodeError: failed.*Node 3: CUDA out of memory") as caught:
            await client.endpoint(queue.endpoint_id).run_sync(returned, timeout=10)
        error = caught.value
        assert (error.error_type, error.error_message) == ("NodeError", "failed")
        assert error.output == {"details": ["Node 3: CUDA out of memory"]}
        assert error.state is not None
        assert error.state.failure is not None
        assert error.state.failure.output == error.output


async def test_the_workers_traceback_is_logged(queue: LocalQueue, caplog: pytest.LogCaptureFixture) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id).run({"raise": "CUDA OOM\x1b[31m"})
        with pytest.raises(JobFailedError) as caught:
            await job.output(timeout=10)
        copied = pickle.loads(pickle.dumps(caught.value))
        with caplog.at_level(logging.ERROR):
            logging.getLogger("app").error("it failed", exc_info=caught.value)
        for shown in (caplog.text, "".join(traceback.format_exception(copied))):
            assert "The worker's traceback:\nTraceback (most recent call last):" in shown
            assert "raise RuntimeError(message)" in shown
            assert "\x1b" not in shown


def stream_and_raise(job: dict[str, Any]) -> Iterator[int]:
    """Yield one chunk, then raise with a message as large as the image in it."""
    yield 1
    raise ValueError("cannot decode image: " + "x" * job["input"]["size"])


async def test_a_large_message_of_a_generator_is_cut_when_shown() -> None:
    with LocalQueue(stream_and_raise) as queue:
        async with client_of(queue) as client:
            job = await client.endpoint(queue.endpoint_id).run({"size": 3_000_000})
            with pytest.raises(JobFailedError) as caught:
                await job.output(timeout=30)
            error = caught.value
            assert (error.error_type, len(error.error_message or "")) == ("ValueError", 3_000_021)
            assert len("".join(traceback.format_exception(error))) < 20_000


async def test_bytes_are_base64_in_unions(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        endpoint = client.endpoint(queue.endpoint_id, input_type=Image | Refusal, output_type=Image | Refusal)
        for value in (Image(b"\x89PNG"), Refusal("no image"), Image(bytes(range(256)))):
            assert await endpoint.run_sync(value, timeout=10) == value
        plain = client.endpoint(queue.endpoint_id)
        assert await plain.run_sync({"of": Image(b"\x89PNG")}, timeout=10) == {"of": {"data": "iVBORw=="}}


async def test_a_state_can_be_asked_before_the_job_is_finished() -> None:
    with scripted([answer(200, '{"id": "job-1", "status": "IN_PROGRESS", "output": "half"}')]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            state = await client.endpoint("ep").job("job-1").refresh()
            assert (state.done, state.output, state.progress, state.failure) == (False, None, "half", None)
            with pytest.raises(RunpodError, match="no result yet"):
                state.result()
