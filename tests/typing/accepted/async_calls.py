"""Arguments and results of the async API. Checked for its types, never run."""

import os
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, assert_type

import httpx
from runpod_queue_api import models
from runpod_queue_api.api.jobs import get_status, run, stream

from runpod_typed import (
    AsyncBatches,
    AsyncBatchRun,
    AsyncClient,
    AsyncEndpoint,
    AsyncJob,
    AsyncJobMap,
    Batch,
    BatchResult,
    EndpointHealth,
    EndpointMetrics,
    ExecutionPolicy,
    JobEvent,
    JobState,
    JobStatus,
    Journal,
    MapResult,
    MapStats,
    PollPolicy,
    PurgeResult,
    RateLimits,
    RetryPolicy,
    S3Config,
    StreamChunk,
    async_as_completed,
)


@dataclass
class Prompt:
    text: str


@dataclass
class Image:
    url: str


async def a_client_needs_no_argument_and_takes_many() -> None:
    assert_type(AsyncClient(), AsyncClient)
    assert_type(AsyncClient("key"), AsyncClient)
    assert_type(AsyncClient(os.environ.get("KEY"), base_url=os.environ.get("URL")), AsyncClient)
    client = AsyncClient(
        api_key="key",
        base_url="http://127.0.0.1:8000/v2",
        timeout=timedelta(seconds=20),
        retry=RetryPolicy(attempts=2),
        poll=PollPolicy.disabled(),
        rate_limits=RateLimits.disabled(),
        http_client=httpx.AsyncClient(),
        max_response_bytes=1_000_000,
    )
    assert_type(client.base_url, str)
    assert_type(await client.aclose(), None)
    assert_type(await client.close(), None)


async def a_client_is_a_context_manager() -> None:
    async with AsyncClient() as client:
        assert_type(client, AsyncClient)
        assert_type(client.endpoint("id"), AsyncEndpoint[Any, Any, Any])


async def an_endpoint_stands_alone_or_belongs_to_a_client(client: AsyncClient) -> None:
    assert_type(AsyncEndpoint(os.environ["ENDPOINT_ID"]), AsyncEndpoint[Any, Any, Any])
    assert_type(client.endpoint(os.environ["ENDPOINT_ID"], output_type=Image), AsyncEndpoint[Any, Image, Any])
    assert_type(AsyncEndpoint("id", client=client), AsyncEndpoint[Any, Any, Any])
    async with AsyncEndpoint("id", api_key="key", base_url=None, output_type=Image) as endpoint:
        assert_type(endpoint, AsyncEndpoint[Any, Image, Any])
        assert_type(endpoint.id, str)
        assert_type(endpoint.openai_base_url, str)
    assert_type(await endpoint.aclose(), None)
    assert_type(await endpoint.close(), None)


async def options_give_a_copy_of_the_same_type(
    client: AsyncClient, endpoint: AsyncEndpoint[Prompt, Image, str], job: AsyncJob[Image, str]
) -> None:
    assert_type(client.with_options(timeout=3, retry=RetryPolicy.disabled()), AsyncClient)
    assert_type(endpoint.with_options(timeout=0.5, poll=PollPolicy()), AsyncEndpoint[Prompt, Image, str])
    assert_type(job.with_options(timeout=timedelta(seconds=3), rate_limits=RateLimits()), AsyncJob[Image, str])


async def jobs_are_submitted(
    endpoint: AsyncEndpoint[Prompt, Image, str], policy: ExecutionPolicy, s3_config: S3Config
) -> None:
    assert_type(await endpoint.run(Prompt("a")), AsyncJob[Image, str])
    assert_type(await endpoint.run(input=Prompt("a"), timeout=3), AsyncJob[Image, str])
    assert_type(
        await endpoint.run(
            Prompt("a"), webhook="https://example.org", policy=policy, s3_config=s3_config, timeout=None
        ),
        AsyncJob[Image, str],
    )
    assert_type(endpoint.job("job-id"), AsyncJob[Image, str])


async def a_submission_can_wait_for_the_end(
    endpoint: AsyncEndpoint[Prompt, Image, str], policy: ExecutionPolicy, s3_config: S3Config
) -> None:
    assert_type(await endpoint.run_sync(Prompt("a")), Image)
    assert_type(await endpoint.run_sync(Prompt("a"), timeout=timedelta(minutes=1)), Image)
    assert_type(
        await endpoint.run_sync(Prompt("a"), webhook=None, policy=policy, s3_config=s3_config, timeout=60), Image
    )
    assert_type(await endpoint.run_sync_state(Prompt("a"), timeout=0.5), JobState[Image])
    assert_type(
        await endpoint.run_sync_state(Prompt("a"), webhook=None, policy=policy, s3_config=s3_config), JobState[Image]
    )


async def an_untyped_endpoint_takes_any_json_and_gives_any(endpoint: AsyncEndpoint) -> None:
    assert_type(await endpoint.run({"prompt": "a", "steps": [1, 2.5, None, True]}), AsyncJob[Any, Any])
    assert_type(await endpoint.run("a"), AsyncJob[Any, Any])
    assert_type(await endpoint.run_sync([1, 2]), Any)
    assert_type((await endpoint.run_sync_state({"a": 1})).output, Any | None)


async def an_endpoint_tells_of_itself(endpoint: AsyncEndpoint) -> None:
    assert_type(await endpoint.health(), EndpointHealth)
    assert_type((await endpoint.health(timeout=3)).jobs.in_queue, int)
    assert_type(await endpoint.metrics(3), EndpointMetrics)
    assert_type(await endpoint.requests(timedelta(seconds=1)), Mapping[str, Any])
    assert_type(await endpoint.purge_queue(timeout=3.5), PurgeResult)


async def a_job_can_be_looked_at(job: AsyncJob[Image, str]) -> None:
    assert_type(job.id, str)
    assert_type(job.endpoint_id, str)
    assert_type(job.state, JobState[Image] | None)
    assert_type(await job.refresh(), JobState[Image])
    assert_type(await job.refresh(3, ttl=timedelta(hours=1)), JobState[Image])
    assert_type(await job.status(), JobStatus)
    assert_type(await job.status(3, ttl=timedelta(hours=1)), JobStatus)


async def a_job_can_be_waited_for(job: AsyncJob[Image, str]) -> None:
    assert_type(await job.wait(), JobState[Image])
    assert_type(await job.wait(3, 0.5), JobState[Image])
    assert_type(await job.output(), Image)
    assert_type(
        await job.output(timeout=timedelta(seconds=3), queue_timeout=timedelta(seconds=1), cancel_on_exit=True), Image
    )


async def a_job_can_be_followed(job: AsyncJob[Image, str]) -> None:
    assert_type(job.stream(), AsyncIterator[str])
    assert_type(job.stream_detailed(timeout=3), AsyncIterator[StreamChunk[str]])
    assert_type(job.events(timeout=None), AsyncIterator[JobEvent[Image]])
    async for chunk in job.stream(timeout=timedelta(minutes=1)):
        assert_type(chunk, str)
    async for detailed in job.stream_detailed():
        assert_type(detailed.output, str)
    async for event in job.events(3):
        assert_type(event.state.output, Image | None)
    assert_type([chunk async for chunk in job.stream()], list[str])


async def a_job_can_be_ended_and_begun_again(job: AsyncJob[Image, str]) -> None:
    assert_type(await job.cancel(), JobState[Image])
    assert_type(await job.cancel(timeout=3), JobState[Image])
    assert_type(await job.retry(), JobState[Image])
    assert_type(await job.retry(timedelta(seconds=3)), JobState[Image])


async def a_job_is_a_context_manager_and_can_be_a_key(endpoint: AsyncEndpoint[Prompt, Image, str]) -> None:
    async with await endpoint.run(Prompt("a")) as job:
        assert_type(job, AsyncJob[Image, str])
    by_job = {job: job.id}
    assert_type(by_job[job], str)
    assert_type(job == endpoint.job(job.id), bool)


async def many_inputs_are_mapped(endpoint: AsyncEndpoint[Prompt, Image, str], later: AsyncIterable[Prompt]) -> None:
    assert_type(endpoint.map([Prompt("a")]), AsyncJobMap[Prompt, Image])
    assert_type(endpoint.map(Prompt(text) for text in "ab"), AsyncJobMap[Prompt, Image])
    assert_type(endpoint.map(later), AsyncJobMap[Prompt, Image])
    async with endpoint.map((Prompt("a"), Prompt("b"))) as results:
        assert_type(results, AsyncJobMap[Prompt, Image])
        assert_type(results.stats, MapStats)
        async for result in results:
            assert_type(result, MapResult[Prompt, Image])
            assert_type(result.input, Prompt)
            assert_type(result.output, Image)
    assert_type(results.outputs(), AsyncIterator[Image])
    assert_type([image async for image in endpoint.map([Prompt("a")]).outputs()], list[Image])
    assert_type(await results.aclose(), None)


async def a_map_takes_options(
    endpoint: AsyncEndpoint[Prompt, Image, str], policy: ExecutionPolicy, s3_config: S3Config
) -> None:
    results = endpoint.map(
        [Prompt("a")],
        concurrency=64,
        ordered=False,
        attempts=3,
        key=lambda prompt: prompt.text,
        journal=Path("run.sqlite"),
        resubmit_uncertain=True,
        progress=lambda progress: print(progress.done, progress.remaining),
        timeout=timedelta(minutes=5),
        queue_timeout=60,
        webhook="https://example.org",
        policy=policy,
        s3_config=s3_config,
        on_exit="cancel",
        price_per_second=0.0005,
        max_cost=10,
    )
    assert_type(results, AsyncJobMap[Prompt, Image])
    endpoint.map([Prompt("a")], concurrency=None, key=None, journal=Journal("run.sqlite"), progress=True)
    endpoint.map([Prompt("a")], journal="run.sqlite", on_exit="leave", max_cost=None)


async def an_untyped_map_takes_any_json_and_gives_any(endpoint: AsyncEndpoint) -> None:
    assert_type(endpoint.map(["a", "b"]), AsyncJobMap[Any, Any])
    assert_type(endpoint.map([{"prompt": "a"}]).outputs(), AsyncIterator[Any])


async def jobs_come_as_they_finish(jobs: list[AsyncJob[Image, str]], timeout: float | None) -> None:
    assert_type(async_as_completed(jobs), AsyncIterator[AsyncJob[Image, str]])
    assert_type(async_as_completed(iter(jobs), timeout=timedelta(minutes=1)), AsyncIterator[AsyncJob[Image, str]])
    async for job in async_as_completed(jobs, timeout):
        assert_type(await job.output(), Image)


async def a_batch_is_filled_and_finalized(
    endpoint: AsyncEndpoint[Prompt, Image, str], policy: ExecutionPolicy, s3_config: S3Config
) -> None:
    batches = endpoint.batches
    assert_type(batches, AsyncBatches[Prompt, Image])
    assert_type(await batches.create(), Batch)
    assert_type(await batches.create((Prompt(text) for text in "ab"), "nightly", timeout=60), Batch)
    batch = await batches.create(
        [Prompt("a")], name=None, webhook="https://example.org", policy=policy, s3_config=s3_config
    )
    assert_type(await batches.add(batch, [Prompt("b")], policy=policy, timeout=timedelta(seconds=3)), Batch)
    assert_type(await batches.add(batch.id, [Prompt("b")], webhook=None, s3_config=None), Batch)
    assert_type(await batches.delete_request(batch, "req_1", timeout=3), Batch)
    assert_type(await batches.finalize(batch, timeout=0.5), Batch)
    assert_type(await batches.list(timeout=3), list[Batch])
    assert_type(await batches.get(batch.id, timeout=3), Batch)
    assert_type(await batches.cancel("batch_1", timeout=None), Batch)


async def the_results_of_a_batch_are_typed(batches: AsyncBatches[Prompt, Image], batch: Batch) -> None:
    assert_type(batches.results(batch), AsyncIterator[BatchResult[Image]])
    async for result in batches.results("batch_1", page_size=500, timeout=3):
        assert_type(result.output, Image | None)
        assert_type(result.result(), Image)


async def many_inputs_are_run_in_batches(batches: AsyncBatches[Prompt, Image], later: AsyncIterable[Prompt]) -> None:
    assert_type(batches.run([Prompt("a")]), AsyncBatchRun[Prompt, Image])
    assert_type(batches.run(later), AsyncBatchRun[Prompt, Image])
    async with batches.run(
        [Prompt("a")], name="nightly", key=lambda prompt: prompt.text, journal="run.sqlite"
    ) as results:
        assert_type(results, AsyncBatchRun[Prompt, Image])
        assert_type(results.stats, MapStats)
        async for result in results:
            assert_type(result, MapResult[Prompt, Image])
    assert_type(results.outputs(), AsyncIterator[Image])
    assert_type(await results.aclose(), None)
    assert_type(
        batches.run([Prompt("a")], concurrency=50, attempts=2, progress=True, on_exit="cancel", max_cost=1.5),
        AsyncBatchRun[Prompt, Image],
    )


async def any_operation_is_called_with_its_own_types(client: AsyncClient) -> None:
    assert_type(await client.call(run, "ep", body=models.RunRequest(input_=1)), models.Job)
    assert_type(await client.call(get_status, "ep", "job-1", ttl=6000), models.Job)
    assert_type(await client.call(stream, "ep", "job-1"), models.StreamAnswer | list[models.StreamChunk])
