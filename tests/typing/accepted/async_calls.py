"""Arguments and results of the async API. Checked for its types, never run."""

import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, assert_type

import httpx
from runpod_queue_api import models
from runpod_queue_api.api.jobs import get_status, run, stream

from runpod_typed import (
    AsyncClient,
    AsyncEndpoint,
    AsyncJob,
    EndpointHealth,
    EndpointMetrics,
    ExecutionPolicy,
    JobEvent,
    JobState,
    JobStatus,
    PollPolicy,
    PurgeResult,
    RateLimits,
    RetryPolicy,
    S3Config,
    StreamChunk,
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


async def any_operation_is_called_with_its_own_types(client: AsyncClient) -> None:
    assert_type(await client.call(run, "ep", body=models.RunRequest(input_=1)), models.Job)
    assert_type(await client.call(get_status, "ep", "job-1", ttl=6000), models.Job)
    assert_type(await client.call(stream, "ep", "job-1"), models.StreamAnswer | list[models.StreamChunk])
