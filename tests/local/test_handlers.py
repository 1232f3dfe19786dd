"""Handlers in this process do what the worker SDK would do with them."""

import asyncio
import json
import logging
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from runpod_typed.local import HandlerConfig, LocalQueue, progress_update
from tests.local.caller import Caller, eventually

Job = dict[str, Any]


def plain(job: Job) -> object:
    return {"echo": job["input"]}


async def asynchronous(job: Job) -> object:
    await asyncio.sleep(0)
    return {"echo": job["input"]}


def generator(job: Job) -> Iterator[object]:
    for number in range(job["input"]["count"]):
        yield {"n": number}


async def async_generator(job: Job) -> AsyncIterator[object]:
    for number in range(job["input"]["count"]):
        await asyncio.sleep(0)
        yield {"n": number}


def workers() -> list[str]:
    """The threads in which handlers run."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("runpod-typed local") and name != "runpod-typed local queue"]


@pytest.mark.parametrize("handler", [plain, asynchronous])
def test_a_handler_gets_the_job_and_its_return_value_is_the_output(handler: Any) -> None:
    with LocalQueue(handler) as queue:
        client = Caller(queue)
        shown = client.wait(client.run({"a": "é"}))
    assert (shown["status"], shown["output"]) == ("COMPLETED", {"echo": {"a": "é"}})
    assert shown["workerId"]


@pytest.mark.parametrize("handler", [generator, async_generator])
@pytest.mark.parametrize("aggregate", [False, True])
def test_a_generator_streams_and_aggregates_if_it_is_told_to(handler: Any, aggregate: bool) -> None:
    chunks = [{"n": number} for number in range(3)]
    config: HandlerConfig = {"handler": handler, "return_aggregate_stream": aggregate}
    with LocalQueue(config) as queue:
        client = Caller(queue)
        job_id = client.run({"count": 3})
        assert client.wait(job_id)["output"] == (chunks if aggregate else [])
        assert client.get(f"/stream/{job_id}").json["stream"] == [{"output": chunk} for chunk in chunks]


def test_progress_is_seen_while_the_handler_runs_and_ignored_afterwards() -> None:
    go_on = threading.Event()
    jobs: list[Job] = []

    def handler(job: Job) -> str:
        jobs.append(job)
        progress_update(job, {"done": "4/10"})
        go_on.wait(20)
        return "done"

    with LocalQueue(handler) as queue:
        client = Caller(queue)
        job_id = client.run()
        shown = client.until(f"/status/{job_id}", lambda shown: "output" in shown)
        assert (shown["status"], shown["output"]) == ("IN_PROGRESS", {"done": "4/10"})
        go_on.set()
        assert client.wait(job_id)["output"] == "done"
        progress_update(jobs[0], "late")
        assert client.get(f"/status/{job_id}").json["output"] == "done"


def test_progress_that_is_no_json_is_refused_in_the_handler() -> None:
    def handler(job: Job) -> str:
        with pytest.raises(TypeError):
            progress_update(job, {1, 2})
        return "refused"

    with LocalQueue(handler) as queue:
        client = Caller(queue)
        assert client.wait(client.run())["output"] == "refused"


@pytest.mark.parametrize("asynchronously", [False, True])
def test_an_exception_fails_the_job_with_the_workers_json(asynchronously: bool) -> None:
    def handler(job: Job) -> object:
        raise ValueError("no prompt")

    async def async_handler(job: Job) -> object:
        return handler(job)

    with LocalQueue(async_handler if asynchronously else handler) as queue:
        client = Caller(queue)
        shown = client.wait(client.run())
    assert shown["status"] == "FAILED"
    assert "output" not in shown
    error = json.loads(shown["error"])
    assert (error["error_type"], error["error_message"]) == ("<class 'ValueError'>", "no prompt")
    assert 'raise ValueError("no prompt")' in error["error_traceback"]
    assert error["worker_id"] == shown["workerId"]


def test_an_exception_in_a_generator_fails_the_job_after_its_chunks() -> None:
    def handler(job: Job) -> Iterator[object]:
        yield "a"
        raise ValueError("no more")

    with LocalQueue({"handler": handler, "return_aggregate_stream": True}) as queue:
        client = Caller(queue)
        job_id = client.run()
        shown = client.wait(job_id)
        assert client.get(f"/stream/{job_id}").json == {"status": "FAILED", "stream": [{"output": "a"}]}
    assert shown["error"].startswith("handler: no more \ntraceback: Traceback")
    assert "output" not in shown


def test_a_chunk_with_an_error_fails_the_job() -> None:
    def handler(job: Job) -> Iterator[object]:
        yield "a"
        yield {"error": {"code": 7}}
        yield "never"

    with LocalQueue(handler) as queue:
        client = Caller(queue)
        job_id = client.run()
        assert client.wait(job_id)["error"] == "{'code': 7}"
        assert client.get(f"/stream/{job_id}").json["stream"] == [{"output": "a"}]


DEEP: object = json.loads("[" * 900 + "]" * 900)


@pytest.mark.parametrize("output", [{1, 2}, {"a": object()}, b"bytes", DEEP])
def test_an_output_that_is_no_json_fails_the_job_and_says_so(output: object) -> None:
    with LocalQueue(lambda _: output) as queue:
        client = Caller(queue)
        shown = client.wait(client.run())
    assert shown["status"] == "FAILED"
    assert "no JSON" in json.loads(shown["error"])["error_message"]


def test_a_handler_cannot_change_what_others_see_of_its_input_or_output() -> None:
    kept: list[dict[str, object]] = []

    def handler(job: Job) -> object:
        job["input"]["seen"] = True
        output: dict[str, object] = {"a": 1}
        kept.append(output)
        return output

    with LocalQueue(handler) as queue:
        client = Caller(queue)
        job_id = client.run({"x": 1})
        client.wait(job_id)
        kept[0]["a"] = 2
        assert client.get(f"/status/{job_id}").json["output"] == {"a": 1}


def test_a_handler_cannot_change_what_it_has_yielded() -> None:
    def handler(job: Job) -> Iterator[object]:
        chunk = {"n": 0}
        for number in range(3):
            chunk["n"] = number
            yield chunk

    with LocalQueue({"handler": handler, "return_aggregate_stream": True}) as queue:
        client = Caller(queue)
        job_id = client.run()
        assert client.wait(job_id)["output"] == [{"n": 0}, {"n": 1}, {"n": 2}]
        assert client.get(f"/stream/{job_id}").json["stream"] == [{"output": {"n": number}} for number in range(3)]


def test_an_async_handler_is_cancelled_and_its_worker_goes_on() -> None:
    stopped = threading.Event()

    async def handler(job: Job) -> object:
        if job["input"] == "quick":
            return "done"
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.set()
            raise
        return "too late"

    with LocalQueue(handler) as queue:
        client = Caller(queue)
        job_id = client.run("slow")
        client.until(f"/status/{job_id}", lambda shown: shown["status"] == "IN_PROGRESS")
        assert client.post(f"/cancel/{job_id}").json["status"] == "CANCELLED"
        assert stopped.wait(20)
        assert client.wait(client.run("quick"))["output"] == "done"
        assert client.get(f"/status/{job_id}").json["status"] == "CANCELLED"


def test_a_job_that_is_cancelled_on_its_way_to_the_handler_does_not_hold_up_the_next() -> None:
    async def handler(job: Job) -> object:
        if job["input"] == "slow":
            await asyncio.sleep(60)
        return "done"

    with LocalQueue(handler) as queue:
        client = Caller(queue)
        for _ in range(100):
            client.post(f"/cancel/{client.run('slow')}")
        assert client.wait(client.run("quick"))["output"] == "done"


def test_an_endless_generator_ends_when_its_job_is_cancelled() -> None:
    ended = threading.Event()

    def handler(job: Job) -> Iterator[object]:
        try:
            while True:
                yield "x"
        finally:
            ended.set()

    with LocalQueue(handler) as queue:
        client = Caller(queue)
        job_id = client.run()
        client.get(f"/stream/{job_id}?wait=20000")
        client.post(f"/cancel/{job_id}")
        assert ended.wait(20)


def test_so_many_jobs_run_at_once_as_there_are_workers() -> None:
    together = threading.Barrier(3, timeout=20)

    def handler(job: Job) -> object:
        together.wait()
        return threading.current_thread().name

    with LocalQueue(handler, workers=3) as queue:
        client = Caller(queue)
        ids = [client.run() for _ in range(3)]
        shown = [client.wait(job_id) for job_id in ids]
        assert client.get("/health").json["workers"]["idle"] == 3
    assert len({job["output"] for job in shown}) == 3
    assert len({job["workerId"] for job in shown}) == 3


@pytest.mark.parametrize("by_config", [False, True])
def test_a_worker_that_refreshes_itself_comes_back_as_another(by_config: bool) -> None:
    def handler(job: Job) -> dict[str, object]:
        return {"a": 1} if by_config else {"a": 1, "refresh_worker": True}

    with LocalQueue({"handler": handler, "refresh_worker": by_config}) as queue:
        client = Caller(queue)
        first, second = (client.wait(client.run()) for _ in range(2))
        assert first["output"] == {"a": 1}
        assert first["workerId"] != second["workerId"]
        client.until("/health", lambda health: health["workers"]["idle"] == 1)


def test_an_empty_input_is_dropped_as_on_the_platform(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Job] = []
    with LocalQueue(seen.append) as queue:
        client = Caller(queue)
        with caplog.at_level(logging.WARNING, "runpod_typed.local"):
            job_id = client.run({})
            eventually(lambda: len(caplog.messages), lambda count: count == 1)
            queue.advance(46)
            eventually(lambda: len(caplog.messages), lambda count: count == 2)
            queue.advance(46)
        shown = client.wait(job_id)
    assert (shown["status"], shown["error"], shown["retries"]) == ("FAILED", "job timed out after 1 retries", 1)
    assert seen == []
    assert job_id in caplog.messages[0]


def test_a_handler_that_exits_ends_its_worker_and_the_job_goes_to_another(caplog: pytest.LogCaptureFixture) -> None:
    runs: list[str] = []

    def handler(job: Job) -> str:
        runs.append(job["id"])
        if len(runs) == 1:
            sys.exit("out of memory")
        return "done"

    with caplog.at_level(logging.WARNING, "runpod_typed.local"), LocalQueue(handler) as queue:
        client = Caller(queue)
        shown = client.wait(client.run())
    assert (shown["output"], shown["retries"], len(runs)) == ("done", 1, 2)
    assert "SystemExit" in caplog.text


def test_an_async_handler_never_holds_up_the_end_however_young_its_job_is() -> None:
    async def handler(job: Job) -> None:
        await asyncio.sleep(60)

    for _ in range(20):
        with LocalQueue(handler) as queue:
            Caller(queue).run()  # and stop while the job is on its way, or has just begun


def test_a_handler_that_blocks_in_a_job_that_timed_out_makes_way_for_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun, release = threading.Event(), threading.Event()

    def handler(job: Job) -> object:
        if job["input"] == "block":
            begun.set()
            release.wait(20)
        return "done"

    with caplog.at_level(logging.WARNING, "runpod_typed.local"), LocalQueue(handler) as queue:
        client = Caller(queue)
        blocked = client.run("block", policy={"executionTimeout": 5000})
        assert begun.wait(20)
        queue.advance(5)
        assert client.wait(client.run("quick"))["output"] == "done"
        assert client.get("/health").json["workers"]["idle"] == 1
        release.set()
        eventually(workers, lambda names: len(names) == 1)
        assert client.get(f"/status/{blocked}").json["status"] == "TIMED_OUT"
    assert f"handler does not stop job {blocked}" in caplog.text


def test_a_handler_that_blocks_at_the_end_is_named_in_a_warning() -> None:
    begun, release = threading.Event(), threading.Event()

    def stubborn(job: Job) -> None:
        begun.set()
        release.wait(20)

    queue = LocalQueue(stubborn).start()
    client = Caller(queue)
    job_id = client.run()
    assert begun.wait(20)
    with pytest.warns(RuntimeWarning, match=f"stubborn still runs job {job_id}"):
        queue.stop()
    release.set()
