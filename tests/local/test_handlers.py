"""Handlers in this process do what the worker SDK would do with them."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from typing_extensions import override

from runpod_typed.local import Chunk, Handler, HandlerConfig, LocalQueue, progress_update
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


def end(handler: Handler | HandlerConfig, input: object = "x") -> Any:
    """Run one job and return its final state."""
    with LocalQueue(handler) as queue:
        client = Caller(queue)
        return client.wait(client.run(input))


def streamed(handler: Handler | HandlerConfig, input: object = "x") -> tuple[Any, list[Any]]:
    """Run one job and return its final state and its chunks."""
    with LocalQueue(handler) as queue:
        client = Caller(queue)
        shown = client.wait(client.run(input))
        return shown, client.get(f"/stream/{shown['id']}").json["stream"]


@pytest.mark.parametrize("handler", [plain, asynchronous])
def test_return_value_is_the_output(handler: Any) -> None:
    shown = end(handler, {"a": "é"})
    assert (shown["status"], shown["output"]) == ("COMPLETED", {"echo": {"a": "é"}})
    assert shown["workerId"]


@pytest.mark.parametrize("handler", [generator, async_generator])
@pytest.mark.parametrize("aggregate", [False, True])
def test_generator_streams_and_aggregates_if_configured(handler: Any, aggregate: bool) -> None:
    chunks = [{"n": number} for number in range(3)]
    config: HandlerConfig = {"handler": handler, "return_aggregate_stream": aggregate}
    shown, stream = streamed(config, {"count": 3})
    assert shown["output"] == (chunks if aggregate else [])
    assert stream == [{"output": chunk} for chunk in chunks]


def test_progress_shows_until_handler_returns() -> None:
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


def test_refuses_progress_that_is_not_json() -> None:
    def handler(job: Job) -> str:
        with pytest.raises(TypeError):
            progress_update(job, {1, 2})
        return "refused"

    assert end(handler)["output"] == "refused"


@pytest.mark.parametrize("asynchronously", [False, True])
def test_exception_fails_job_with_worker_json(asynchronously: bool) -> None:
    def handler(job: Job) -> object:
        raise ValueError("no prompt")

    async def async_handler(job: Job) -> object:
        return handler(job)

    shown = end(async_handler if asynchronously else handler)
    assert shown["status"] == "FAILED"
    assert "output" not in shown
    error = json.loads(shown["error"])
    assert (error["error_type"], error["error_message"]) == ("<class 'ValueError'>", "no prompt")
    assert 'raise ValueError("no prompt")' in error["error_traceback"]
    assert error["worker_id"] == shown["workerId"]


def test_generator_exception_fails_job_after_chunks() -> None:
    def handler(job: Job) -> Iterator[object]:
        yield "a"
        raise ValueError("no more")

    shown, stream = streamed({"handler": handler, "return_aggregate_stream": True})
    assert (shown["status"], stream) == ("FAILED", [{"output": "a"}])
    assert shown["error"].startswith("handler: no more \ntraceback: Traceback")
    assert "output" not in shown


def test_chunk_with_error_fails_job() -> None:
    def handler(job: Job) -> Iterator[object]:
        yield "a"
        yield {"error": {"code": 7}}
        yield "never"

    shown, stream = streamed(handler)
    assert (shown["error"], stream) == ("{'code': 7}", [{"output": "a"}])


DEEP: object = json.loads("[" * 900 + "]" * 900)


CYCLE: list[object] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize("output", [{1, 2}, {"a": object()}, b"bytes", DEEP, CYCLE])
def test_output_that_is_not_json_fails_job(output: object) -> None:
    shown = end(lambda _: output)
    assert shown["status"] == "FAILED"
    assert "not JSON" in json.loads(shown["error"])["error_message"]


def test_input_and_output_are_copied() -> None:
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


def test_chunks_are_copied() -> None:
    def handler(job: Job) -> Iterator[object]:
        chunk = {"n": 0}
        for number in range(3):
            chunk["n"] = number
            yield chunk

    shown, stream = streamed({"handler": handler, "return_aggregate_stream": True})
    assert shown["output"] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert stream == [{"output": chunk} for chunk in shown["output"]]


def test_cancels_async_handler_and_continues() -> None:
    started, stopped = threading.Event(), threading.Event()

    async def handler(job: Job) -> object:
        if job["input"] == "quick":
            return "done"
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.set()
            raise
        return "too late"

    with LocalQueue(handler) as queue:
        client = Caller(queue)
        job_id = client.run("slow")
        assert started.wait(20)
        assert client.post(f"/cancel/{job_id}").json["status"] == "CANCELLED"
        assert stopped.wait(20)
        assert client.wait(client.run("quick"))["output"] == "done"
        assert client.get(f"/status/{job_id}").json["status"] == "CANCELLED"


def test_job_cancelled_before_start_blocks_nothing() -> None:
    async def handler(job: Job) -> object:
        if job["input"] == "slow":
            await asyncio.sleep(60)
        return "done"

    with LocalQueue(handler) as queue:
        client = Caller(queue)
        for _ in range(100):
            client.post(f"/cancel/{client.run('slow')}")
        assert client.wait(client.run("quick"))["output"] == "done"


def test_cancelling_ends_endless_generator() -> None:
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


def test_each_worker_runs_one_job() -> None:
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
def test_refresh_worker_starts_another_worker(by_config: bool) -> None:
    def handler(job: Job) -> dict[str, object]:
        return {"a": 1} if by_config else {"a": 1, "refresh_worker": True}

    with LocalQueue({"handler": handler, "refresh_worker": by_config}) as queue:
        client = Caller(queue)
        first, second = (client.wait(client.run()) for _ in range(2))
        assert first["output"] == {"a": 1}
        assert first["workerId"] != second["workerId"]
        client.until("/health", lambda health: health["workers"]["idle"] == 1)


def test_drops_empty_object_input(caplog: pytest.LogCaptureFixture) -> None:
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


class UserError(BaseException):
    """An error outside `Exception`."""


class BrokenError(Exception):
    """An error that cannot be shown."""

    @override
    def __str__(self) -> str:
        raise ZeroDivisionError


ERRORS = [
    KeyboardInterrupt(),
    SystemExit(3),
    GeneratorExit(),
    asyncio.CancelledError(),
    UserError("no"),
    BrokenError(),
    pytest.fail.Exception("no"),
    ExceptionGroup("several", [ValueError("no")]),
]


@pytest.mark.parametrize("kind", ["plain", "async", "generator", "async generator"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_any_exception_fails_job_and_worker_continues(error: BaseException, kind: str) -> None:
    def fail(job: Job) -> str:
        if job["input"] == "bad":
            raise error
        return "fine"

    async def fail_async(job: Job) -> str:
        return fail(job)

    def fail_later(job: Job) -> Iterator[str]:
        yield "first"
        yield fail(job)

    async def fail_later_async(job: Job) -> AsyncIterator[str]:
        yield "first"
        yield fail(job)

    handlers: dict[str, Handler] = {
        "plain": fail,
        "async": fail_async,
        "generator": fail_later,
        "async generator": fail_later_async,
    }
    with LocalQueue(handlers[kind]) as queue:
        client = Caller(queue)
        shown = client.wait(client.run("bad"))
        assert (shown["status"], "retries" in shown) == ("FAILED", False)
        assert type(error).__name__ in shown["error"]
        assert client.wait(client.run("good"))["status"] == "COMPLETED"


def test_handler_that_cancels_itself_fails_its_job() -> None:
    async def handler(job: Job) -> str:
        task = asyncio.current_task()
        if job["input"] == "bad" and task is not None:
            task.cancel()
        await asyncio.sleep(0)
        return "fine"

    with LocalQueue(handler) as queue:
        client = Caller(queue)
        assert "CancelledError" in client.wait(client.run("bad"))["error"]
        assert client.wait(client.run("good"))["output"] == "fine"


@pytest.mark.parametrize("generator", [False, True])
def test_output_above_cap_completes_without_output(generator: bool, caplog: pytest.LogCaptureFixture) -> None:
    def plain(job: Job) -> str:
        return "x" * 20 * 1024 * 1024

    def chunks(job: Job) -> Iterator[str]:
        yield from ("x" * 1024 * 1024 for _ in range(20))

    shown = end({"handler": chunks if generator else plain, "return_aggregate_stream": True})
    assert (shown["status"], "output" in shown, "error" in shown) == ("COMPLETED", False, False)
    assert caplog.messages == [f"The result of job {shown['id']} is above 20 MB and is lost, as on the platform."]


def test_error_above_cap_still_fails_job() -> None:
    shown = end(lambda _: {"error": "x" * 20 * 1024 * 1024})
    assert (shown["status"], shown["error"]) == ("FAILED", "the error was above 20 MB and is lost")


def test_string_chunks_are_split_at_one_megabyte() -> None:
    def handler(job: Job) -> Iterator[str]:
        yield "a" * 2_500_000

    _, chunks = streamed(handler)
    assert [len(chunk["output"]) for chunk in chunks] == [1_048_576, 1_048_576, 402_848]


def test_chunks_may_have_metrics() -> None:
    def handler(job: Job) -> Iterator[Chunk]:
        yield Chunk("Hello", metrics={"output_tokens": 1})

    shown, chunks = streamed({"handler": handler, "return_aggregate_stream": True})
    assert shown["output"] == ["Hello"]
    assert chunks == [{"metrics": {"output_tokens": 1}, "output": "Hello"}]


def test_async_handlers_honor_concurrency_modifier() -> None:
    seen: list[int] = []
    running: list[str] = []

    def modifier(current: int) -> int:
        seen.append(current)
        return 3

    async def handler(job: Job) -> AsyncIterator[object]:
        running.append(job["id"])
        while len(running) < 3:
            await asyncio.sleep(0.001)
        yield len(running)

    with LocalQueue({"handler": handler, "concurrency_modifier": modifier, "return_aggregate_stream": True}) as queue:
        client = Caller(queue)
        ids = [client.run() for _ in range(3)]
        jobs = [client.wait(job_id) for job_id in ids]
    assert [job["output"] for job in jobs] == [[3], [3], [3]]
    assert len({job["workerId"] for job in jobs}) == 1
    assert (seen[0], set(seen[1:])) == (1, {3})


def test_blocking_handlers_run_one_job_at_a_time() -> None:
    running: list[str] = []

    def handler(job: Job) -> int:
        running.append(job["id"])
        time.sleep(0.01)
        count = len(running)
        running.remove(job["id"])
        return count

    with LocalQueue({"handler": handler, "concurrency_modifier": lambda _: 5}) as queue:
        client = Caller(queue)
        assert {client.wait(job_id)["output"] for job_id in [client.run() for _ in range(5)]} == {1}


def test_failing_concurrency_modifier_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def modifier(current: int) -> int:
        raise ValueError(current)

    assert end({"handler": asynchronous, "concurrency_modifier": modifier})["status"] == "COMPLETED"
    assert "concurrency_modifier failed; 1 jobs run at a time." in caplog.messages


def test_one_of_several_running_jobs_can_be_cancelled() -> None:
    async def handler(job: Job) -> str:
        await asyncio.sleep(60 if job["input"] == "slow" else 0)
        return "done"

    with LocalQueue({"handler": handler, "concurrency_modifier": lambda _: 2}) as queue:
        client = Caller(queue)
        slow = client.run("slow")
        client.until(f"/status/{slow}", lambda shown: shown["status"] == "IN_PROGRESS")
        assert client.wait(client.run("quick"))["output"] == "done"
        client.post(f"/cancel/{slow}")
        assert client.wait(client.run("quick"))["output"] == "done"
        assert client.get(f"/status/{slow}").json["status"] == "CANCELLED"


def test_other_keys_of_the_handler_dict_are_ignored(caplog: pytest.LogCaptureFixture) -> None:
    config: Any = {"handler": plain, "rp_args": {"rp_log_level": "DEBUG"}, "refresh_worker": False}
    with caplog.at_level(logging.INFO, "runpod_typed.local"):
        assert end(config)["status"] == "COMPLETED"
    assert "These keys of the handler's dict have no effect here: rp_args." in caplog.messages


def test_async_handler_never_delays_stop() -> None:
    async def handler(job: Job) -> None:
        await asyncio.sleep(60)

    for _ in range(20):
        with LocalQueue(handler) as queue:
            Caller(queue).run()  # and stop while the job is on its way, or has just begun


@pytest.mark.slow
def test_replaces_handler_that_blocks_after_timeout(
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


@pytest.mark.slow
def test_warns_of_handler_that_blocks_at_stop() -> None:
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
