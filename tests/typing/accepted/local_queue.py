"""Arguments and results of the local queue. Checked for its types, never run."""

import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, assert_type

from runpod_typed import Client
from runpod_typed.local import (
    Chunk,
    FaultKind,
    Faults,
    Handler,
    HandlerConfig,
    JobStatus,
    Limit,
    LocalQueue,
    QueueStats,
    SubmittedJob,
    progress_update,
)


def plain(job: dict[str, Any]) -> dict[str, Any]:
    progress_update(job, "half of it")
    return {"echo": job["input"]}


async def later(job: dict[str, Any]) -> str:
    return str(job["id"])


def pieces(job: dict[str, Any]) -> Iterator[str]:
    yield from job["input"]


def measured_pieces(job: dict[str, Any]) -> Iterator[Chunk]:
    yield Chunk(job["input"], metrics={"output_tokens": 1})


async def later_pieces(job: dict[str, Any]) -> AsyncIterator[str]:
    for piece in job["input"]:
        yield piece


def every_kind_of_handler_is_taken() -> None:
    handlers: list[Handler] = [plain, later, pieces, later_pieces, measured_pieces]
    config: HandlerConfig = {"handler": plain, "return_aggregate_stream": True}
    assert_type(LocalQueue(plain), LocalQueue)
    LocalQueue(later)
    LocalQueue(handler=pieces)
    LocalQueue(later_pieces)
    LocalQueue(lambda job: job["input"])
    LocalQueue(config)
    LocalQueue({"handler": plain})
    LocalQueue({"handler": later, "concurrency_modifier": lambda current: current + 1})
    assert_type(handlers, list[Handler])


def a_queue_starts_on_its_own_or_with_workers() -> None:
    with LocalQueue(worker=[sys.executable, "handler.py"], workers=2) as queue:
        assert_type(queue, LocalQueue)
        assert_type(Client(queue.api_key, base_url=queue.base_url).endpoint(queue.endpoint_id).run_sync("a"), Any)
        assert_type(queue.worker_output, str)
        assert_type(queue.worker_pids, tuple[int, ...])
        assert_type(queue.worker_environment(), dict[str, str])
        assert_type(queue.worker_environment("worker"), dict[str, str])
        assert_type(queue.worker_environment("worker", host="host.docker.internal"), dict[str, str])
    assert_type(queue.start(), LocalQueue)
    assert_type(queue.stop(), None)


def a_queue_takes_options() -> None:
    LocalQueue(
        plain,
        worker=None,
        workers=1,
        endpoint_id="demo",
        api_key=None,
        host="127.0.0.1",
        port=0,
        limits="published",
        time_scale=0.001,
        faults=Faults(
            seed=1, rate=0.2, kinds=["latency", FaultKind.RESET_AFTER], operations=["run"], latency=1, not_yet_visible=2
        ),
    )
    LocalQueue(limits={"run": Limit(requests=3, window_seconds=1, concurrent=None), "cancel": None})
    LocalQueue(limits=None, time_scale=1)


def a_test_can_reach_in(queue: LocalQueue) -> None:
    queue.pause()
    queue.throttle(2)
    queue.resume()
    queue.advance(3)
    queue.inject("latency", seconds=0.5)
    queue.outage(5)
    queue.outage(0.5, status=None)
    queue.inject(FaultKind.SERVER_ERROR, operation="run", times=2, status=503)
    assert_type(queue.faults_injected, Mapping[FaultKind, int])
    assert_type(queue.held_requests, int)
    assert_type(queue.stats(), QueueStats)
    assert_type(queue.stats().by_status, Mapping[JobStatus, int])
    assert_type(queue.stats().executed_twice, tuple[str, ...])
    assert_type(queue.restart_workers(), None)
    assert_type(queue.workers_failed, bool)


def a_test_sees_what_was_submitted(queue: LocalQueue) -> None:
    assert_type(queue.submissions, tuple[SubmittedJob, ...])
    assert_type(queue.assert_submitted(2), None)
    assert_type(queue.unfinished_jobs, tuple[str, ...])
    assert_type(queue.unread_streams, tuple[str, ...])
    job = queue.submissions[0]
    assert_type(job.id, str)
    assert_type(job.input, Any)
    assert_type(job.sync, bool)
    assert_type(job.webhook, str | None)
    assert_type((job.execution_timeout, job.ttl), tuple[float | None, float | None])
    assert_type(job.low_priority, bool)


def a_queue_can_be_kept_and_shown(path: Path) -> None:
    queue = LocalQueue(plain, persist=path, page=True, auto_advance=True)
    assert_type(queue.page_url, str)
    LocalQueue(plain, persist="jobs.sqlite")
