"""Attributes of policies, states and counters. Checked for its types, never run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, assert_never, assert_type

from runpod_typed import (
    EndpointHealth,
    EndpointMetrics,
    ExecutionPolicy,
    FailedAttempt,
    JobCounts,
    JobEvent,
    JobFailure,
    JobState,
    JobStatus,
    OperationKind,
    PollPolicy,
    PurgeResult,
    RateLimit,
    RateLimits,
    RetryPolicy,
    RunpodError,
    S3Config,
    StreamChunk,
    WorkerCounts,
    __version__,
)
from runpod_typed.errors import APIError


@dataclass
class Image:
    url: str


def durations_are_seconds_or_a_timedelta() -> None:
    assert_type(ExecutionPolicy(), ExecutionPolicy)
    assert_type(ExecutionPolicy(execution_timeout=30, ttl=60.5, low_priority=True), ExecutionPolicy)
    policy = ExecutionPolicy(execution_timeout=timedelta(minutes=5), ttl=None, low_priority=None)
    assert_type(policy.execution_timeout, float | None)
    assert_type(policy.ttl, float | None)
    assert_type(policy.low_priority, bool | None)
    assert_type(policy.to_dict(), dict[str, Any])


def a_bucket_takes_texts() -> None:
    config = S3Config(access_id="a", access_secret="b", bucket_name="c", endpoint_url="https://example.org")
    assert_type(config.bucket_name, str)
    assert_type(config.endpoint_url, str)
    assert_type(config.object_path, str | None)
    assert_type(config.to_dict(), dict[str, Any])
    S3Config(
        access_id=config.access_id,
        access_secret=config.access_secret,
        bucket_name="c",
        endpoint_url="https://example.org",
        object_path="results/",
    )


def retries_are_described() -> None:
    assert_type(RetryPolicy.disabled(), RetryPolicy)
    policy = RetryPolicy(
        attempts=3,
        budget=math.inf,
        initial_backoff=timedelta(milliseconds=100),
        max_backoff=2,
        max_retry_after=timedelta(minutes=1),
        resubmit=True,
        decide=lambda attempt: attempt.retryable and attempt.attempt < 3,
    )
    assert_type(policy.attempts, int)
    assert_type(policy.budget, float)
    assert_type(policy.initial_backoff, float)
    assert_type(policy.max_backoff, float)
    assert_type(policy.max_retry_after, float)
    assert_type(policy.resubmit, bool)
    RetryPolicy(decide=only_reads, budget=timedelta(seconds=10))


def only_reads(attempt: FailedAttempt) -> bool:
    assert_type(attempt.operation, str)
    assert_type(attempt.kind, OperationKind)
    assert_type(attempt.attempt, int)
    assert_type(attempt.elapsed, float)
    assert_type(attempt.error, APIError)
    assert_type(attempt.retry_after, float | None)
    assert_type(attempt.may_have_taken_effect, bool)
    assert_type(attempt.retryable, bool)
    match attempt.kind:
        case OperationKind.READ | OperationKind.DRAIN:
            return True
        case OperationKind.CANCEL | OperationKind.SUBMIT | OperationKind.REQUEUE | OperationKind.PURGE:
            return False
        case _:
            assert_never(attempt.kind)


def polling_is_described() -> None:
    policy = PollPolicy(long_poll=False, min_interval=timedelta(milliseconds=100), max_interval=5, jitter=0.2)
    assert_type(policy.long_poll, bool)
    assert_type(policy.min_interval, float)
    assert_type(policy.max_interval, float)
    assert_type(policy.max_outage, float)
    assert_type(policy.jitter, float)


def limits_are_described() -> None:
    assert_type(RateLimits.disabled(), RateLimits)
    limit = RateLimit(requests=10, window=timedelta(seconds=1), concurrent=3)
    limits = RateLimits(enabled=True, overrides={"run": limit, "status": None})
    RateLimits(overrides={"run": RateLimit(requests=5, window=0.5)})
    assert_type(limits.enabled, bool)
    assert_type(limits.overrides, Mapping[str, RateLimit | None])
    assert_type(limit.requests, int)
    assert_type(limit.window, float)
    assert_type(limit.concurrent, int | None)


def a_status_is_a_text_with_a_meaning(status: JobStatus) -> None:
    assert_type(JobStatus("COMPLETED"), JobStatus)
    assert_type(status.is_terminal, bool)
    assert_type(status.is_running, bool)
    assert_type(status.is_started, bool)
    assert_type(status == "COMPLETED", bool)
    assert_type(status in {"COMPLETED", "FAILED"}, bool)
    assert_type(status is JobStatus.COMPLETED, bool)
    assert_type(status.upper(), str)
    texts: list[str] = [status, "COMPLETED"]
    assert_type(texts, list[str])


def a_status_can_be_matched_exhaustively(status: JobStatus) -> str:
    match status:
        case JobStatus.IN_QUEUE | JobStatus.IN_PROGRESS | JobStatus.RUNNING:
            return "wait"
        case JobStatus.COMPLETED:
            return "take"
        case JobStatus.FAILED | JobStatus.CANCELLED | JobStatus.TIMED_OUT:
            return "look"
        case _:
            assert_never(status)


def a_state_says_what_may_be_absent(state: JobState[Image]) -> None:
    assert_type(state.id, str)
    assert_type(state.status, JobStatus)
    assert_type(state.output, Image | None)
    assert_type(state.error, Any)
    assert_type(state.delay_time_ms, int | None)
    assert_type(state.execution_time_ms, int | None)
    assert_type(state.retries, int)
    assert_type(state.worker_id, str | None)
    assert_type(state.progress, Any)
    assert_type(state.raw, Mapping[str, Any])
    assert_type(state.started, bool)
    assert_type(state.done, bool)
    assert_type(state.succeeded, bool)
    assert_type(state.result(), Image)
    assert_type(state.failure, JobFailure | None)
    if state.failure is not None:
        assert_type(state.failure.error_message, str | None)
        assert_type(state.failure.output, Any)
        assert_type(state.failure.logs, str | None)
    assert_type(state.to_dict(), dict[str, Any])
    if state.output is not None:
        assert_type(state.output, Image)
        assert_type(state.output.url, str)


def an_event_and_a_chunk_hold_what_was_declared(event: JobEvent[Image], chunk: StreamChunk[Image]) -> None:
    assert_type(event.status, JobStatus)
    assert_type(event.progress, Any)
    assert_type(event.state, JobState[Image])
    assert_type(chunk.output, Image)
    assert_type(chunk.metrics, Mapping[str, Any] | None)
    assert_type(chunk.raw, Mapping[str, Any])


def counters_are_numbers(health: EndpointHealth, metrics: EndpointMetrics, purged: PurgeResult) -> None:
    assert_type(health.jobs, JobCounts)
    assert_type(health.workers, WorkerCounts)
    assert_type(health.raw, Mapping[str, Any])
    assert_type(health.to_dict(), dict[str, Any])
    jobs = health.jobs
    assert_type((jobs.in_queue, jobs.in_progress), tuple[int, int])
    assert_type((jobs.completed, jobs.failed, jobs.retried), tuple[int, int, int])
    workers = health.workers
    assert_type((workers.idle, workers.running, workers.initializing), tuple[int, int, int])
    assert_type((workers.ready, workers.throttled, workers.unhealthy), tuple[int, int, int])
    assert_type(metrics.workers.idle, int)
    assert_type(metrics.ready_workers, tuple[str, ...])
    assert_type(metrics.to_dict(), dict[str, Any])
    assert_type(purged.removed, int)
    assert_type(purged.status, str | None)


def the_library_knows_its_version(error: RunpodError) -> None:
    versions: dict[str, str] = {"runpod-typed": __version__}
    assert_type(versions["runpod-typed"], str)
    assert_type(error.message, str)
