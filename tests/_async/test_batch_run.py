# Many inputs in batches over real sockets.
"""Runs of many inputs in batches: against the local queue, and servers that lose responses."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from runpod_typed import (
    AsyncClient,
    AsyncEndpoint,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    InputError,
    JobCancelledError,
    JobFailedError,
    JournalError,
    JournalStatus,
    MapProgress,
    MapResult,
    PollPolicy,
    RetryPolicy,
    RunpodError,
    ServerError,
    WaitTimeoutError,
)
from runpod_typed._bulk.journal_writer import JournalWriter
from runpod_typed._core.journal_records import JournalRecord
from runpod_typed.local import Faults, LocalQueue
from tests.handlers import square
from tests.scripted_server import Script, answer, scripted

pytestmark = pytest.mark.anyio

QUICK = PollPolicy(max_interval=0.05, max_outage=20)


@pytest.fixture(scope="module")
def queue() -> Iterator[LocalQueue]:
    with LocalQueue(square, workers=4) as running:
        yield running


def client_of(queue: LocalQueue) -> AsyncClient:
    return AsyncClient(queue.api_key, base_url=queue.base_url, poll=QUICK, retry=RetryPolicy(initial_backoff=0))


def endpoint_of(client: AsyncClient, queue: LocalQueue) -> AsyncEndpoint[Any, Any]:
    return client.endpoint(queue.endpoint_id)


def numbers(count: int) -> list[dict[str, int]]:
    return [{"n": n} for n in range(count)]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 6, 23])
async def test_each_input_gets_its_own_output(queue: LocalQueue, count: int) -> None:
    async with client_of(queue) as client:
        results = [each async for each in endpoint_of(client, queue).batches.run(numbers(count))]
    assert [result.index for result in results] == list(range(count))
    assert [result.output for result in results] == [{"squared": n * n} for n in range(count)]
    assert all(result.job_id and result.attempts == 1 for result in results)
    assert [result.input for result in results] == numbers(count)


async def test_outputs_raise_the_first_failure(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        batches = endpoint_of(client, queue).batches
        assert [each async for each in batches.run(numbers(2)).outputs()] == [{"squared": 0}, {"squared": 1}]
        got = list[object]()
        with pytest.raises(JobFailedError, match="no"):
            async for output in batches.run([{"n": 1}, {"boom": "no"}, {"n": 2}]).outputs():
                got.append(output)
        assert got == [{"squared": 1}]


async def test_several_batches_run_within_the_concurrency(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        batches = endpoint_of(client, queue).batches
        before = len(await batches.list())
        async with batches.run(numbers(10), concurrency=4, name="small") as results:
            highest = 0
            async for _ in results:
                highest = max(highest, results.stats.in_flight)
        assert (results.stats.succeeded, results.stats.submitted) == (10, 10)
        assert highest <= 4
        made = (await batches.list())[: -before or None]
        assert sorted(batch.request_total for batch in made) == [2, 4, 4]
        assert {batch.name for batch in made} == {"small"}


async def test_input_that_cannot_be_sent_ends_alone(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        run = endpoint_of(client, queue).batches.run([{"n": 1}, {}, {"data": "x" * 11_000_000}, {"n": 2}])
        first, empty, large, last = [each async for each in run]
    assert (first.output, last.output) == ({"squared": 1}, {"squared": 4})
    for result in (empty, large):
        assert isinstance(result.error, InputError)
        assert (result.job_id, result.attempts, result.state) == (None, 0, None)
    assert run.stats.failed == 2


@pytest.mark.slow
async def test_unordered_results_come_as_batches_end(queue: LocalQueue) -> None:
    inputs = [{"n": 0, "sleep": 0.6}, {"n": 1}, {"n": 2}]
    async with client_of(queue) as client:
        run = endpoint_of(client, queue).batches.run(inputs, ordered=False, concurrency=1)
        assert sorted([each.index async for each in run]) == [0, 1, 2]


async def test_failed_request_runs_again_if_attempts_allow() -> None:
    calls = list[int]()

    def handler(job: dict[str, Any]) -> int:
        calls.append(job["input"]["n"])
        if calls.count(job["input"]["n"]) < 2 and job["input"]["n"] == 1:
            raise ValueError("once")
        return int(job["input"]["n"])

    with LocalQueue(handler, workers=2) as queue:
        async with client_of(queue) as client:
            run = endpoint_of(client, queue).batches.run(numbers(3), attempts=2)
            results = [each async for each in run]
    assert [(each.output, each.attempts) for each in results] == [(0, 1), (1, 2), (2, 1)]
    assert sorted(calls) == [0, 1, 1, 2]


async def test_no_further_batch_above_the_cost(queue: LocalQueue) -> None:
    inputs = [{"n": n, "sleep": 0.05} for n in range(20)]
    async with client_of(queue) as client:
        run = endpoint_of(client, queue).batches.run(inputs, concurrency=2, price_per_second=1.0, max_cost=0.01)
        results = [each async for each in run]
    assert [each.index for each in results] == [0, 1]
    assert (run.stats.estimated_cost or 0) >= 0.01


@pytest.mark.slow
async def test_time_limit_ends_what_has_not_finished() -> None:
    release = threading.Event()

    def handler(job: dict[str, Any]) -> int:
        if job["input"]["n"] == 1:
            release.wait(30)
        return int(job["input"]["n"])

    with LocalQueue(handler, workers=2) as queue:
        async with client_of(queue) as client:
            results = [each async for each in endpoint_of(client, queue).batches.run(numbers(2), timeout=3)]
        release.set()
    assert results[0].output == 0
    error = results[1].error
    assert isinstance(error, WaitTimeoutError)
    assert error.batch_id is not None
    assert f"endpoint.batches.results({error.batch_id!r}) shows its results" in error.message


@pytest.mark.parametrize(("on_exit", "status"), [("cancel", "CANCELLED"), ("leave", "FINALIZED")])
async def test_leaving_early_cancels_or_leaves_the_batches(on_exit: Any, status: str) -> None:
    release, interrupted = threading.Event(), list[bool]()

    def handler(_: dict[str, Any]) -> int:
        release.wait(30)
        return 1

    def interrupt(progress: MapProgress) -> None:
        if progress.in_flight and not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt

    with LocalQueue(handler, workers=1) as queue:
        async with client_of(queue) as client:
            batches = endpoint_of(client, queue).batches
            with pytest.raises(KeyboardInterrupt) as caught:
                async with batches.run(numbers(2), on_exit=on_exit, progress=interrupt) as results:
                    async for _ in results:
                        pass
            release.set()
            (batch,) = await batches.list()
            while on_exit == "cancel" and not batch.done:
                batch = await batches.get(batch)
            assert batch.status == status
    (note,) = caught.value.__notes__
    assert note.startswith("2 jobs are in flight")
    assert note.endswith(f"The batches are {batch.id}.")


async def test_cancelled_batch_gives_each_input_an_error() -> None:
    started, release = threading.Event(), threading.Event()

    def handler(job: dict[str, Any]) -> int:
        started.set()
        release.wait(30)
        return 1

    with LocalQueue(handler, workers=1) as queue:
        async with client_of(queue) as client:
            batches = endpoint_of(client, queue).batches

            def cancel_elsewhere() -> None:
                started.wait(30)
                from runpod_typed import Client

                with Client(queue.api_key, base_url=queue.base_url) as other:
                    others = other.endpoint(queue.endpoint_id).batches
                    others.cancel(others.list()[0])
                release.set()

            thread = threading.Thread(target=cancel_elsewhere)
            thread.start()
            first, second = [each async for each in batches.run(numbers(2))]
            thread.join()
    assert first.output == 1
    assert isinstance(second.error, JobCancelledError)


async def test_progress_is_reported(queue: LocalQueue) -> None:
    seen = list[MapProgress]()
    async with client_of(queue) as client:
        run = endpoint_of(client, queue).batches.run(iter(numbers(4)), progress=seen.append)
        assert [each.output["squared"] async for each in run] == [0, 1, 4, 9]
    assert (seen[-1].done, seen[-1].total, seen[-1].in_flight) == (4, 4, 0)


async def test_inputs_that_raise_do_so_after_the_results(queue: LocalQueue) -> None:
    def inputs() -> Iterator[dict[str, int]]:
        yield from numbers(3)
        raise OSError("the disk is gone")

    got = list[int]()
    async with client_of(queue) as client:
        with pytest.raises(OSError, match="the disk is gone"):
            async for result in endpoint_of(client, queue).batches.run(inputs()):
                got.append(result.index)
    assert got == [0, 1, 2]


async def test_results_that_are_there_come_before_the_error() -> None:
    runs, release = list[int](), threading.Event()

    def handler(job: dict[str, Any]) -> int:
        runs.append(job["input"]["n"])
        if runs.count(0) == 2:
            running.inject("server_error", operation="get_batch", times=1, status=401)
            release.wait(30)
        if job["input"]["n"] == 0:
            raise ValueError("again")
        return int(job["input"]["n"])

    got = list[int]()
    with LocalQueue(handler, workers=2) as running:
        async with client_of(running) as client:
            with pytest.raises(AuthenticationError):
                async for result in endpoint_of(client, running).batches.run(numbers(3), attempts=2):
                    got.append(result.index)
        release.set()
    assert got == [1, 2]


async def test_a_full_disk_loses_no_result(queue: LocalQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save, flush, full = JournalWriter.save, JournalWriter.flush, list[bool]()

    def fill(writer: JournalWriter, entry: JournalRecord) -> None:
        save(writer, entry)
        full.extend([True] * (entry.status is JournalStatus.SUCCEEDED))

    def fail(writer: JournalWriter) -> None:
        if full:
            raise JournalError("The disk is full.")
        flush(writer)

    monkeypatch.setattr(JournalWriter, "save", fill)
    monkeypatch.setattr(JournalWriter, "flush", fail)
    got = list[int]()
    async with client_of(queue) as client:
        with pytest.raises(JournalError, match="The disk is full"):
            async for result in endpoint_of(client, queue).batches.run(numbers(3), journal=tmp_path / "run.sqlite"):
                got.append(result.index)
    assert got == [0, 1, 2]


async def test_keys_name_the_results_and_must_differ(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        batches = endpoint_of(client, queue).batches
        run = batches.run(numbers(2), key=lambda value: f"key-{value['n']}")
        assert [each.key async for each in run] == ["key-0", "key-1"]
        with pytest.raises(ConfigurationError, match="returns 'same' for two inputs"):
            batches.run(numbers(2), key=lambda _: "same")
        got = list[MapResult[Any, Any]]()
        with pytest.raises(ConfigurationError, match="returns 'same' for two inputs"):
            async for result in batches.run(iter(numbers(2)), key=lambda _: "same"):
                got.append(result)
        assert len(got) == 1


BAD_ARGUMENTS: Final[list[tuple[dict[str, Any], str]]] = [
    ({"concurrency": 0}, "concurrency= must be a whole number of 1 or more"),
    ({"attempts": -1}, "attempts= must be a whole number of 1 or more"),
    ({"attempts": True}, "attempts= must be"),
    ({"max_cost": 1.0}, "max_cost= needs price_per_second="),
    ({"price_per_second": -1}, "price_per_second= must be a finite number"),
    ({"on_exit": "stop"}, "on_exit= must be 'leave' or 'cancel'"),
    ({"key": "n"}, "key= must be a function"),
    ({"key": len}, "key= must return a string that is not empty"),
    ({"progress": 3}, "progress= must be"),
    ({"timeout": -1}, "timeout must not be negative"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_ARGUMENTS)
async def test_bad_arguments_send_nothing(queue: LocalQueue, arguments: dict[str, Any], message: str) -> None:
    async with client_of(queue) as client:
        with pytest.raises(ConfigurationError, match=message):
            endpoint_of(client, queue).batches.run(numbers(2), **arguments)
        with pytest.raises(ConfigurationError, match=r"not dict\. Put a single input into a list"):
            endpoint_of(client, queue).batches.run({"n": 1})


async def test_waits_while_other_batches_are_active() -> None:
    release = threading.Event()

    def handler(job: dict[str, Any]) -> int:
        if "wait" in job["input"]:
            release.wait(30)
        return 1

    with LocalQueue(handler, workers=11) as queue:
        async with client_of(queue) as client:
            batches = endpoint_of(client, queue).batches
            for _ in range(10):
                await batches.finalize(await batches.create([{"wait": 1}]))
            refused = list[MapProgress]()

            def report(progress: MapProgress) -> None:
                refused.append(progress)
                if len(refused) == 3:
                    release.set()

            assert [each.output async for each in batches.run(numbers(2), progress=report)] == [1, 1]
    assert len(refused) > 3


async def test_survives_faults_without_running_anything_twice() -> None:
    ran = list[int]()

    def handler(job: dict[str, Any]) -> int:
        ran.append(job["input"]["n"])
        return int(job["input"]["n"])

    kinds = ("reset_before", "reset_after", "rate_limited", "server_error", "edge_error", "html_body", "truncated_body")
    with LocalQueue(handler, workers=4, faults=Faults(seed=3, rate=0.1, kinds=kinds)) as queue:
        async with client_of(queue) as client:
            run = endpoint_of(client, queue).batches.run(numbers(16), concurrency=8)
            assert [each.output async for each in run] == list(range(16))
    assert sorted(ran) == list(range(16))


# A server that follows a script


def page(*ids: str) -> bytes:
    requests = [{"id": each, "status": "IN_QUEUE"} for each in ids]
    return answer(200, json.dumps({"requests": requests, "hasMore": False}))


async def test_unknown_order_runs_nothing() -> None:
    # Two requests are added one by one, and the rest at once: then the known ones stand in the middle.
    scripts: list[Script] = [
        [answer(200, '{"id": "b1", "status": "DRAFT"}')],
        [page("a")],
        [answer(200, "{}")],
        [page("a", "b")],
        [answer(200, "{}")],
        [page("c", "a", "b")],
        [answer(200, "{}")],
    ]
    with scripted(*scripts) as server:
        async with AsyncClient("key", base_url=server.base_url, poll=QUICK) as client:
            with pytest.raises(RunpodError, match="does not list its requests in the order of submission") as caught:
                async for _ in client.endpoint("ep").batches.run(numbers(3)):
                    pass
    assert caught.value.batch_id == "b1"
    paths = [head.split()[1] for head in server.requests]
    assert paths[-1] == "/v2/ep/batch/b1/cancel"
    assert not any(path.endswith("/finalize") for path in paths)


async def test_lost_steps_before_finalizing_are_made_anew() -> None:
    done = {"id": "b2", "status": "FINALIZED", "requestTotal": 2, "requestCompleted": 2, "requestFailed": 0}
    results = [{"id": i, "status": "COMPLETED", "output": f"of {i}"} for i in ("r2", "r1")]
    scripts: list[Script] = [
        [None],  # the creation is lost: made again
        [answer(200, '{"id": "b1", "status": "DRAFT"}')],
        [page("x")],
        [None],  # the rest is lost: the draft is discarded and another made
        [answer(200, "{}")],
        [answer(200, '{"id": "b2", "status": "DRAFT"}')],
        [page("r1")],
        [answer(200, "{}")],
        [page("r2", "r1")],  # newest first
        [answer(200, "{}")],
        [answer(200, json.dumps(done))],
        [answer(200, json.dumps({"requests": results, "hasMore": False}))],
    ]
    with scripted(*scripts) as server:
        async with AsyncClient("key", base_url=server.base_url, poll=QUICK) as client:
            outputs = [each.output async for each in client.endpoint("ep").batches.run(["one", "two"])]
    assert outputs == ["of r1", "of r2"]
    assert [head.split()[1] for head in server.requests if "finalize" in head] == ["/v2/ep/batch/b2/finalize"]


DRAFT: Final[list[Script]] = [[answer(200, '{"id": "b1", "status": "DRAFT"}')], [page("r1")]]
REFUSED: Final[list[Script]] = [
    [answer(400, '{"error": "too many active batches"}')],
    [answer(200, '{"id": "b1", "status": "DRAFT"}')],
    [answer(200, '{"batches": [], "hasMore": false}')],
]


async def test_finalizes_again_if_other_batches_ended_meanwhile() -> None:
    done = {"id": "b1", "status": "FINALIZED", "requestTotal": 1, "requestCompleted": 1, "requestFailed": 0}
    results = {"requests": [{"id": "r1", "status": "COMPLETED", "output": 1}], "hasMore": False}
    ended: list[Script] = [[answer(200, json.dumps(each))] for each in ({}, done, results)]
    with scripted(*DRAFT, *REFUSED, *ended) as server:
        async with AsyncClient("key", base_url=server.base_url, poll=QUICK) as client:
            assert [each.output async for each in client.endpoint("ep").batches.run(numbers(1))] == [1]


async def test_draft_that_is_refused_for_good_is_cancelled() -> None:
    draft, cancelled = [answer(200, '{"id": "b1", "status": "DRAFT"}')], [answer(200, "{}")]
    with scripted(*DRAFT, *REFUSED, *REFUSED, draft, cancelled) as server:
        async with AsyncClient("key", base_url=server.base_url, poll=QUICK) as client:
            with pytest.raises(BadRequestError, match="too many active batches"):
                await client.endpoint("ep").batches.run(numbers(1)).__anext__()
    assert server.requests[-1].split()[1] == "/v2/ep/batch/b1/cancel"


async def test_permanent_error_ends_the_run() -> None:
    with scripted([answer(401, '{"error": "unauthorized"}')]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            run = client.endpoint("ep").batches.run(numbers(3))
            with pytest.raises(AuthenticationError):
                await run.__anext__()
            with pytest.raises(StopAsyncIteration):
                await run.__anext__()


async def test_outage_ends_the_run_after_its_limit() -> None:
    policy = PollPolicy(max_outage=0)
    with scripted([answer(500)]) as server:
        async with AsyncClient("key", base_url=server.base_url, poll=policy, retry=RetryPolicy.disabled()) as client:
            with pytest.raises(RunpodError) as caught:
                await client.endpoint("ep").batches.run(numbers(3)).__anext__()
    assert any("(PollPolicy.max_outage)" in note for note in caught.value.__notes__)
    assert isinstance(caught.value.__cause__, ServerError)


@pytest.mark.parametrize(
    ("operation", "kind", "status"),
    [
        ("create_batch", "html_body", None),
        ("append_batch_requests", "server_error", 408),
        ("finalize_batch", "server_error", 408),
        ("finalize_batch", "html_body", None),
        ("get_batch", "server_error", 408),
        ("get_batch", "html_body", None),
        ("get_batch", "edge_error", 524),
        ("list_batch_requests", "html_body", None),
        ("list_batch_requests", "rate_limited", None),
    ],
)
async def test_a_run_survives_what_may_pass(queue: LocalQueue, operation: str, kind: str, status: int | None) -> None:
    once = RetryPolicy.disabled()
    async with AsyncClient(queue.api_key, base_url=queue.base_url, poll=QUICK, retry=once) as client:
        queue.inject(kind, operation=operation, times=2, status=status)
        run = endpoint_of(client, queue).batches.run(numbers(3))
        results = [each async for each in run]
    assert [each.error for each in results] == [None] * 3
    assert run.stats.submitted == 3
