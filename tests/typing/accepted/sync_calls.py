"""Arguments and results of the sync API. Checked for its types, never run."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, assert_type

import httpx
from runpod_queue_api import models
from runpod_queue_api.api.jobs import get_status, run, stream

from runpod_typed import (
    Batch,
    Batches,
    BatchResult,
    BatchRun,
    Client,
    Endpoint,
    EndpointHealth,
    EndpointMetrics,
    ExecutionPolicy,
    Job,
    JobEvent,
    JobMap,
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
    as_completed,
)


@dataclass
class Prompt:
    text: str


@dataclass
class Image:
    url: str


def a_client_needs_no_argument_and_takes_many() -> None:
    assert_type(Client(), Client)
    assert_type(Client("key"), Client)
    assert_type(Client(os.environ.get("KEY"), base_url=os.environ.get("URL")), Client)
    client = Client(
        api_key="key",
        base_url="http://127.0.0.1:8000/v2",
        timeout=timedelta(seconds=20),
        retry=RetryPolicy(attempts=2),
        poll=PollPolicy.disabled(),
        rate_limits=RateLimits.disabled(),
        http_client=httpx.Client(),
        max_response_bytes=1_000_000,
    )
    assert_type(client.base_url, str)
    assert_type(client.close(), None)


def a_client_is_a_context_manager() -> None:
    with Client() as client:
        assert_type(client, Client)
        assert_type(client.endpoint("id"), Endpoint[Any, Any, Any])


def an_endpoint_stands_alone_or_belongs_to_a_client(client: Client) -> None:
    assert_type(Endpoint(os.environ["ENDPOINT_ID"]), Endpoint[Any, Any, Any])
    assert_type(client.endpoint(os.environ["ENDPOINT_ID"], output_type=Image), Endpoint[Any, Image, Any])
    assert_type(Endpoint("id", client=client), Endpoint[Any, Any, Any])
    with Endpoint("id", api_key="key", base_url=None, output_type=Image) as endpoint:
        assert_type(endpoint, Endpoint[Any, Image, Any])
        assert_type(endpoint.id, str)
        assert_type(endpoint.openai_base_url, str)
    assert_type(endpoint.close(), None)


def options_give_a_copy_of_the_same_type(
    client: Client, endpoint: Endpoint[Prompt, Image, str], job: Job[Image, str]
) -> None:
    assert_type(client.with_options(timeout=3, retry=RetryPolicy.disabled()), Client)
    assert_type(endpoint.with_options(timeout=0.5, poll=PollPolicy()), Endpoint[Prompt, Image, str])
    assert_type(job.with_options(timeout=timedelta(seconds=3), rate_limits=RateLimits()), Job[Image, str])


def jobs_are_submitted(endpoint: Endpoint[Prompt, Image, str], policy: ExecutionPolicy, s3_config: S3Config) -> None:
    assert_type(endpoint.run(Prompt("a")), Job[Image, str])
    assert_type(endpoint.run(input=Prompt("a"), timeout=3), Job[Image, str])
    assert_type(
        endpoint.run(Prompt("a"), webhook="https://example.org", policy=policy, s3_config=s3_config, timeout=None),
        Job[Image, str],
    )
    assert_type(endpoint.job("job-id"), Job[Image, str])


def a_submission_can_wait_for_the_end(
    endpoint: Endpoint[Prompt, Image, str], policy: ExecutionPolicy, s3_config: S3Config
) -> None:
    assert_type(endpoint.run_sync(Prompt("a")), Image)
    assert_type(endpoint.run_sync(Prompt("a"), timeout=timedelta(minutes=1)), Image)
    assert_type(endpoint.run_sync(Prompt("a"), webhook=None, policy=policy, s3_config=s3_config, timeout=60), Image)
    assert_type(endpoint.run_sync_state(Prompt("a"), timeout=0.5), JobState[Image])
    assert_type(endpoint.run_sync_state(Prompt("a"), webhook=None, policy=policy, s3_config=s3_config), JobState[Image])


def an_untyped_endpoint_takes_any_json_and_gives_any(endpoint: Endpoint) -> None:
    assert_type(endpoint.run({"prompt": "a", "steps": [1, 2.5, None, True]}), Job[Any, Any])
    assert_type(endpoint.run("a"), Job[Any, Any])
    assert_type(endpoint.run_sync([1, 2]), Any)
    assert_type(endpoint.run_sync_state({"a": 1}).output, Any | None)


def an_endpoint_tells_of_itself(endpoint: Endpoint) -> None:
    assert_type(endpoint.health(), EndpointHealth)
    assert_type(endpoint.health(timeout=3).jobs.in_queue, int)
    assert_type(endpoint.metrics(3), EndpointMetrics)
    assert_type(endpoint.requests(timedelta(seconds=1)), Mapping[str, Any])
    assert_type(endpoint.purge_queue(timeout=3.5), PurgeResult)


def a_job_can_be_looked_at(job: Job[Image, str]) -> None:
    assert_type(job.id, str)
    assert_type(job.endpoint_id, str)
    assert_type(job.state, JobState[Image] | None)
    assert_type(job.refresh(), JobState[Image])
    assert_type(job.refresh(3, ttl=timedelta(hours=1)), JobState[Image])
    assert_type(job.status(), JobStatus)
    assert_type(job.status(3, ttl=timedelta(hours=1)), JobStatus)


def a_job_can_be_waited_for(job: Job[Image, str]) -> None:
    assert_type(job.wait(), JobState[Image])
    assert_type(job.wait(3, 0.5), JobState[Image])
    assert_type(job.output(), Image)
    assert_type(
        job.output(timeout=timedelta(seconds=3), queue_timeout=timedelta(seconds=1), cancel_on_exit=True), Image
    )


def a_job_can_be_followed(job: Job[Image, str]) -> None:
    assert_type(job.stream(), Iterator[str])
    assert_type(job.stream_detailed(timeout=3), Iterator[StreamChunk[str]])
    assert_type(job.events(timeout=None), Iterator[JobEvent[Image]])
    for chunk in job.stream(timeout=timedelta(minutes=1)):
        assert_type(chunk, str)
    for detailed in job.stream_detailed():
        assert_type(detailed.output, str)
    for event in job.events(3):
        assert_type(event.state.output, Image | None)
    assert_type(list(job.stream()), list[str])
    assert_type("".join(job.stream()), str)


def a_job_can_be_ended_and_begun_again(job: Job[Image, str]) -> None:
    assert_type(job.cancel(), JobState[Image])
    assert_type(job.cancel(timeout=3), JobState[Image])
    assert_type(job.retry(), JobState[Image])
    assert_type(job.retry(timedelta(seconds=3)), JobState[Image])


def a_job_is_a_context_manager_and_can_be_a_key(endpoint: Endpoint[Prompt, Image, str]) -> None:
    with endpoint.run(Prompt("a")) as job:
        assert_type(job, Job[Image, str])
    by_job = {job: job.id}
    assert_type(by_job[job], str)
    assert_type(job == endpoint.job(job.id), bool)


def many_inputs_are_mapped(endpoint: Endpoint[Prompt, Image, str]) -> None:
    assert_type(endpoint.map([Prompt("a")]), JobMap[Prompt, Image])
    assert_type(endpoint.map(Prompt(text) for text in "ab"), JobMap[Prompt, Image])
    with endpoint.map((Prompt("a"), Prompt("b"))) as results:
        assert_type(results, JobMap[Prompt, Image])
        assert_type(results.stats, MapStats)
        for result in results:
            assert_type(result, MapResult[Prompt, Image])
            assert_type(result.input, Prompt)
            assert_type(result.output, Image)
    assert_type(results.outputs(), Iterator[Image])
    assert_type(list(endpoint.map([Prompt("a")]).outputs()), list[Image])
    assert_type(results.close(), None)


def a_map_takes_options(endpoint: Endpoint[Prompt, Image, str], policy: ExecutionPolicy, s3_config: S3Config) -> None:
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
    assert_type(results, JobMap[Prompt, Image])
    endpoint.map([Prompt("a")], concurrency=None, key=None, journal=Journal("run.sqlite"), progress=True)
    endpoint.map([Prompt("a")], journal="run.sqlite", on_exit="leave", max_cost=None)


def an_untyped_map_takes_any_json_and_gives_any(endpoint: Endpoint) -> None:
    assert_type(endpoint.map(["a", "b"]), JobMap[Any, Any])
    assert_type(endpoint.map([{"prompt": "a"}]).outputs(), Iterator[Any])


def jobs_come_as_they_finish(jobs: list[Job[Image, str]], timeout: float | None) -> None:
    assert_type(as_completed(jobs), Iterator[Job[Image, str]])
    assert_type(as_completed(iter(jobs), timeout=timedelta(minutes=1)), Iterator[Job[Image, str]])
    for job in as_completed(jobs, timeout):
        assert_type(job.output(), Image)


def a_batch_is_filled_and_finalized(
    endpoint: Endpoint[Prompt, Image, str], policy: ExecutionPolicy, s3_config: S3Config
) -> None:
    batches = endpoint.batches
    assert_type(batches, Batches[Prompt, Image])
    assert_type(batches.create(), Batch)
    assert_type(batches.create((Prompt(text) for text in "ab"), "nightly", timeout=60), Batch)
    batch = batches.create([Prompt("a")], name=None, webhook="https://example.org", policy=policy, s3_config=s3_config)
    assert_type(batches.add(batch, [Prompt("b")], policy=policy, timeout=timedelta(seconds=3)), Batch)
    assert_type(batches.add(batch.id, [Prompt("b")], webhook=None, s3_config=None), Batch)
    assert_type(batches.delete_request(batch, "req_1", timeout=3), Batch)
    assert_type(batches.finalize(batch, timeout=0.5), Batch)
    assert_type(batches.list(timeout=3), list[Batch])
    assert_type(batches.get(batch.id, timeout=3), Batch)
    assert_type(batches.cancel("batch_1", timeout=None), Batch)


def the_results_of_a_batch_are_typed(batches: Batches[Prompt, Image], batch: Batch) -> None:
    assert_type(batches.results(batch), Iterator[BatchResult[Image]])
    for result in batches.results("batch_1", page_size=500, timeout=3):
        assert_type(result.output, Image | None)
        assert_type(result.result(), Image)


def many_inputs_are_run_in_batches(batches: Batches[Prompt, Image]) -> None:
    assert_type(batches.run([Prompt("a")]), BatchRun[Prompt, Image])
    with batches.run([Prompt("a")], name="nightly", key=lambda prompt: prompt.text, journal="run.sqlite") as results:
        assert_type(results, BatchRun[Prompt, Image])
        assert_type(results.stats, MapStats)
        for result in results:
            assert_type(result, MapResult[Prompt, Image])
    assert_type(results.outputs(), Iterator[Image])
    assert_type(results.close(), None)
    assert_type(
        batches.run([Prompt("a")], concurrency=50, attempts=2, progress=True, on_exit="cancel", max_cost=1.5),
        BatchRun[Prompt, Image],
    )


def any_operation_is_called_with_its_own_types(client: Client) -> None:
    assert_type(client.call(run, "ep", body=models.RunRequest(input_=1)), models.Job)
    assert_type(client.call(get_status, "ep", "job-1", ttl=6000), models.Job)
    assert_type(client.call(stream, "ep", "job-1"), models.StreamAnswer | list[models.StreamChunk])
