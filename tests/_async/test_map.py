# Maps of jobs over inputs.
"""Maps of jobs over inputs, on the local queue."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Lock
from typing import Any

import httpx
import pytest

from runpod_typed import (
    APIResponseValidationError,
    AsyncClient,
    AuthenticationError,
    ConfigurationError,
    InputError,
    JobCancelledError,
    JobFailedError,
    Journal,
    JournalError,
    JournalStatus,
    MapProgress,
    PollPolicy,
    RetryPolicy,
    SubmissionUncertainError,
    WaitTimeoutError,
)
from runpod_typed._bulk.journal_writer import JournalWriter
from runpod_typed._core.journal_records import JournalRecord
from runpod_typed._synchronization import async_sleep
from runpod_typed.local import FaultKind, LocalQueue
from tests._async.ways import client_of
from tests.scripted_server import answer, scripted

pytestmark = pytest.mark.anyio


class Squares:
    """A handler that squares numbers, counts its runs, and waits for `go` where the input says so."""

    def __init__(self) -> None:
        self.runs = Counter[int]()
        self.go = Event()
        self._lock = Lock()

    def __call__(self, job: dict[str, Any]) -> int:
        number = int(job["input"]["n"])
        with self._lock:
            self.runs[number] += 1
        if job["input"].get("fail", 0) >= self.runs[number]:
            raise ValueError(f"no square of {number}")
        if job["input"].get("wait"):
            self.go.wait(20)
        return number * number


def same(_item: object) -> str:
    return "same"


def number_of(item: dict[str, int]) -> Any:
    return item["n"]


@pytest.fixture
def handler() -> Squares:
    return Squares()


@pytest.fixture
def queue(handler: Squares) -> Iterator[LocalQueue]:
    with LocalQueue(handler, workers=4, endpoint_id="ep") as running:
        yield running
        handler.go.set()


def numbers(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"n": number, **fields} for number in range(count)]


async def test_yields_a_result_for_each_input_in_order(queue: LocalQueue) -> None:
    inputs = numbers(40)
    inputs[7]["fail"] = 9
    async with client_of(queue) as client, client.endpoint("ep", output_type=int).map(inputs, concurrency=8) as mapped:
        results = [result async for result in mapped]
    assert [result.index for result in results] == list(range(40))
    assert [result.output for result in results if result.succeeded] == [n * n for n in range(40) if n != 7]
    failed = results[7]
    assert isinstance(failed.error, JobFailedError)
    assert (failed.error.job_id, failed.error.endpoint_id, failed.error.job.id) == (failed.job_id, "ep", failed.job_id)
    stats = mapped.stats
    assert (stats.submitted, stats.succeeded, stats.failed, stats.in_flight, stats.done) == (40, 39, 1, 0, 40)


async def test_yields_results_as_jobs_finish(queue: LocalQueue, handler: Squares) -> None:
    inputs = [{"n": 0, "wait": True}, *numbers(5)[1:]]
    indices: list[int] = []
    async with client_of(queue) as client, client.endpoint("ep").map(inputs, ordered=False) as mapped:
        async for result in mapped:
            indices.append(result.index)
            if len(indices) == 4:
                handler.go.set()
    assert sorted(indices[:4]) == [1, 2, 3, 4]
    assert indices[4:] == [0]


async def test_outputs_raise_the_first_failure(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        endpoint = client.endpoint("ep", output_type=int)
        assert [output async for output in endpoint.map(numbers(5)).outputs()] == [0, 1, 4, 9, 16]
        with pytest.raises(JobFailedError, match="no square"):
            _ = [output async for output in endpoint.map(numbers(3, fail=9)).outputs()]


async def test_an_input_that_cannot_be_sent_fails_alone(queue: LocalQueue, handler: Squares) -> None:
    inputs: list[Any] = [{"n": 0}, {"n": object()}, {}, {"n": 3}]
    async with client_of(queue) as client:
        results = [result async for result in client.endpoint("ep").map(inputs)]
    assert [type(result.error) for result in results] == [type(None), InputError, InputError, type(None)]
    assert handler.runs == {0: 1, 3: 1}


async def test_an_error_of_the_inputs_follows_the_results(queue: LocalQueue) -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield from numbers(3)
        raise LookupError("no more rows")

    indices: list[int] = []
    async with client_of(queue) as client:
        with pytest.raises(LookupError, match="no more rows"):
            async for result in client.endpoint("ep").map(broken()):
                indices.append(result.index)
    assert indices == [0, 1, 2]


async def test_runs_a_failed_job_again_as_often_as_allowed(queue: LocalQueue, handler: Squares) -> None:
    inputs = [{"n": 0, "fail": 2}, {"n": 1, "fail": 3}]
    async with client_of(queue) as client:
        results = [result async for result in client.endpoint("ep").map(inputs, attempts=3)]
    assert [(result.succeeded, result.attempts) for result in results] == [(True, 3), (False, 3)]
    assert handler.runs == {0: 3, 1: 3}


@pytest.mark.parametrize(
    "options",
    [
        {"concurrency": 0},
        {"concurrency": 1.5},
        {"attempts": 0},
        {"attempts": -1},
        {"max_cost": 1.0},
        {"price_per_second": -1.0},
        {"on_exit": "stop"},
        {"progress": "yes"},
        {"key": "n"},
        {"key": same},
        {"key": number_of},
        {"timeout": -1},
        {"ordered": "no"},
        {"resubmit_uncertain": 1},
        {"journal": 3},
        {"journal": ""},
        {"policy": {"ttl": 1}},
        {"s3_config": {}},
        {"webhook": b"https://example.com"},
    ],
    ids=lambda options: next(iter(options)),
)
async def test_refuses_wrong_options_before_sending(queue: LocalQueue, options: dict[str, Any]) -> None:
    async with client_of(queue) as client:
        with pytest.raises((ConfigurationError, InputError)):
            client.endpoint("ep").map(numbers(2), **options)
    assert queue.stats().submitted == 0


@pytest.mark.parametrize("inputs", ["text", {"n": 1}, 5, None], ids=["str", "dict", "int", "None"])
async def test_refuses_inputs_that_are_no_inputs(queue: LocalQueue, inputs: Any) -> None:
    async with client_of(queue) as client:
        with pytest.raises(ConfigurationError, match="iterable of inputs"):
            client.endpoint("ep").map(inputs)


async def test_a_repeated_key_of_lazy_inputs_is_refused(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        with pytest.raises(ConfigurationError, match="for two inputs"):
            async for _ in client.endpoint("ep").map(iter(numbers(2)), key=same):
                pass


async def test_a_journal_yields_finished_inputs_again(queue: LocalQueue, handler: Squares, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    inputs = [*numbers(6), {"n": 0}, {"n": 7, "fail": 9}]
    async with client_of(queue) as client:
        endpoint = client.endpoint("ep", output_type=int)
        first = [result async for result in endpoint.map(inputs, journal=path)]
        second = [result async for result in endpoint.map([*inputs, {"n": 9}], journal=Journal(path))]
    assert [result.output for result in second if result.succeeded] == [0, 1, 4, 9, 16, 25, 0, 81]
    assert [result.from_journal for result in second] == [True] * 8 + [False]
    assert [result.job_id for result in second[:8]] == [result.job_id for result in first]
    assert isinstance(second[7].error, JobFailedError)
    assert handler.runs == {0: 2, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 7: 1, 9: 1}
    counts = Journal(path).counts()
    assert (counts.succeeded, counts.failed, counts.total) == (8, 1, 9)


@pytest.mark.parametrize("in_batches", [False, True])
async def test_a_journal_keeps_output_beyond_the_standard(tmp_path: Path, *, in_batches: bool) -> None:
    outputs: list[Any] = [math.nan, "\ud83d", {"half": ["\udc00", math.inf]}, 2**90, "é\n"]
    path, exported = tmp_path / "run.sqlite", tmp_path / "out.jsonl"

    def output_of(job: dict[str, Any]) -> object:
        return outputs[job["input"]["n"]]

    with LocalQueue(output_of, endpoint_id="ep") as queue:
        async with client_of(queue) as client:
            endpoint, inputs = client.endpoint("ep"), numbers(len(outputs))
            for from_journal in (False, True):
                run = endpoint.batches.run if in_batches else endpoint.map
                results = [result async for result in run(inputs, journal=path)]
                assert [repr(result.output) for result in results] == [repr(output) for output in outputs]
                assert {result.from_journal for result in results} == {from_journal}
    assert Journal(path).export_jsonl(exported) == len(outputs)
    lines = exported.read_bytes().splitlines()
    assert [repr(json.loads(line)["output"]) for line in lines] == [repr(output) for output in outputs]


async def test_a_journal_runs_a_failed_input_again_if_allowed(
    queue: LocalQueue, handler: Squares, tmp_path: Path
) -> None:
    inputs = [{"n": 0, "fail": 1}]
    async with client_of(queue) as client:
        endpoint = client.endpoint("ep")
        first = [result async for result in endpoint.map(inputs, journal=tmp_path / "run.sqlite")]
        second = [result async for result in endpoint.map(inputs, journal=tmp_path / "run.sqlite", attempts=2)]
    assert (first[0].succeeded, second[0].succeeded, second[0].attempts) == (False, True, 2)
    assert handler.runs == {0: 2}


async def test_reconnects_to_the_jobs_that_a_map_has_left(queue: LocalQueue, handler: Squares, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    async with client_of(queue) as client:
        endpoint = client.endpoint("ep", output_type=int)
        async with endpoint.map([*numbers(4), {"n": 4, "wait": True}, {"n": 5, "wait": True}], journal=path) as mapped:
            async for result in mapped:
                if result.index == 3:
                    break
        assert Journal(path).counts().in_flight == 2
        handler.go.set()
        rest = [result async for result in endpoint.map([{"n": 5, "wait": True}, {"n": 4, "wait": True}], journal=path)]
    assert [(result.output, result.from_journal) for result in rest] == [(25, False), (16, False)]
    assert set(handler.runs.values()) == {1}


async def test_an_early_end_leaves_nothing_uncertain(queue: LocalQueue, handler: Squares, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    async with client_of(queue) as client:
        endpoint = client.endpoint("ep", output_type=int)
        async with endpoint.map(iter(numbers(200)), journal=path, concurrency=40) as mapped:
            async for result in mapped:
                if result.index == 30:
                    break
        assert Journal(path).counts().uncertain == 0
        outputs = [output async for output in endpoint.map(numbers(200), journal=path).outputs()]
    assert outputs == [number * number for number in range(200)]
    assert set(handler.runs.values()) == {1}


async def test_a_closed_map_yields_nothing(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        mapped = client.endpoint("ep").map(numbers(3))
        async with mapped:
            pass
        async with mapped:
            assert [result async for result in mapped] == []


async def test_reports_an_uncertain_submission_until_it_may_run(
    queue: LocalQueue, handler: Squares, tmp_path: Path
) -> None:
    path = tmp_path / "run.sqlite"
    queue.inject(FaultKind.RESET_AFTER, operation="run", times=1)
    async with client_of(queue) as client:
        endpoint = client.endpoint("ep", output_type=int)
        for from_journal in (False, True):
            results = [result async for result in endpoint.map(numbers(3), concurrency=1, journal=path)]
            assert isinstance(results[0].error, SubmissionUncertainError)
            assert [result.from_journal for result in results] == [from_journal] * 3
        assert Journal(path).counts().uncertain == 1
        results = [result async for result in endpoint.map(numbers(3), journal=path, resubmit_uncertain=True)]
    assert [result.output for result in results] == [0, 1, 4]
    assert handler.runs == {0: 2, 1: 1, 2: 1}


async def test_resubmits_an_uncertain_submission_at_once_if_allowed(queue: LocalQueue) -> None:
    queue.inject(FaultKind.RESET_AFTER, operation="run", times=1)
    async with client_of(queue) as client:
        endpoint = client.endpoint("ep", output_type=int)
        results = [result async for result in endpoint.map(numbers(3), concurrency=1, resubmit_uncertain=True)]
    assert [(result.output, result.attempts) for result in results] == [(0, 2), (1, 1), (4, 1)]


async def test_an_unusable_response_is_not_submitted_again() -> None:
    with scripted([answer(200, '{"status": "IN_QUEUE"}')]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            results = [result async for result in client.endpoint("ep").map(numbers(1), resubmit_uncertain=True)]
    assert isinstance(results[0].error, SubmissionUncertainError)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("operation", "kind", "status"),
    [
        ("get_status_sync", "server_error", 408),
        ("get_status_sync", "edge_error", 524),
        ("get_status_sync", "html_body", None),
    ],
)
async def test_a_map_survives_what_may_pass(queue: LocalQueue, operation: str, kind: str, status: int | None) -> None:
    poll, once = PollPolicy(min_interval=0.01, max_interval=0.02), RetryPolicy.disabled()
    async with AsyncClient(queue.api_key, base_url=queue.base_url, poll=poll, retry=once) as client:
        queue.inject(kind, operation=operation, times=2, status=status)
        mapped = client.endpoint("ep").map(numbers(3), concurrency=1)
        results = [result async for result in mapped]
    assert [result.error for result in results] == [None] * 3
    assert mapped.stats.submitted == 3


@pytest.mark.slow
async def test_a_job_with_an_unreadable_response_ends_alone(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        queue.inject("html_body", operation="get_status_sync", times=5)
        results = [result async for result in client.endpoint("ep").map(numbers(2), concurrency=1)]
    assert isinstance(results[0].error, APIResponseValidationError)
    assert results[0].job_id is not None
    assert results[1].succeeded


async def test_leaving_early_cancels_jobs_if_asked(queue: LocalQueue) -> None:
    inputs = [{"n": 0}, *({"n": number, "wait": True} for number in range(1, 4))]
    async with client_of(queue) as client, client.endpoint("ep").map(inputs, on_exit="cancel") as mapped:
        async for _ in mapped:
            break
    assert queue.stats().cancelled >= 1
    left = {str(status): count for status, count in queue.stats().by_status.items()}
    assert left["IN_QUEUE"] == left["IN_PROGRESS"] == 0


def takes_some_ms(job: dict[str, Any]) -> Any:
    Event().wait(0.005)  # a run of less than 1 ms costs nothing
    return job["input"]


async def test_stops_submitting_at_the_cost_limit() -> None:
    with LocalQueue(takes_some_ms, endpoint_id="ep") as queue:
        async with client_of(queue) as client:
            endpoint = client.endpoint("ep")
            mapped = endpoint.map(numbers(200), concurrency=1, price_per_second=1000.0, max_cost=0.000001)
            results = [result async for result in mapped]
    assert 1 <= len(results) < 200
    assert all(result.succeeded for result in results)
    assert mapped.stats.estimated_cost is not None


async def test_no_further_attempt_above_the_cost_limit() -> None:
    runs: list[int] = []

    def fails(job: dict[str, Any]) -> None:
        runs.append(job["input"]["n"])
        Event().wait(0.005)
        raise ValueError("never")

    with LocalQueue(fails, endpoint_id="ep") as queue:
        async with client_of(queue) as client:
            mapped = client.endpoint("ep").map(numbers(1), attempts=5, price_per_second=1000.0, max_cost=0.000001)
            results = [result async for result in mapped]
    assert [(type(result.error), result.attempts) for result in results] == [(JobFailedError, 1)]
    assert runs == [0]


async def test_results_that_are_there_come_before_the_error(queue: LocalQueue) -> None:
    poll, taken = PollPolicy(min_interval=0.01, max_interval=0.02, long_poll=False), list[int]()
    inputs = [{"n": 0, "wait": True}, *numbers(4)[1:]]
    async with (
        AsyncClient(queue.api_key, base_url=queue.base_url, poll=poll) as client,
        client.endpoint("ep").map(inputs, concurrency=4) as mapped,
    ):
        while mapped.stats.succeeded < 3:  # the first input is before them
            await async_sleep(0.01)
        queue.inject("server_error", operation="get_status", times=1, status=401)
        with pytest.raises(AuthenticationError):
            async for result in mapped:
                taken.append(result.index)
    assert taken == [1, 2, 3]


async def test_runs_again_what_its_own_exit_has_cancelled(queue: LocalQueue, handler: Squares, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    inputs = numbers(8, wait=True)
    async with client_of(queue) as client:
        endpoint = client.endpoint("ep", output_type=int)
        async with endpoint.map(inputs, journal=path, on_exit="cancel", concurrency=8) as mapped:
            while mapped.stats.submitted < 8:
                await async_sleep(0.01)
        assert Journal(path).counts().waiting == 8
        handler.go.set()
        results = [result async for result in endpoint.map(inputs, journal=path)]
    assert [(result.output, result.from_journal) for result in results] == [(n * n, False) for n in range(8)]


async def test_a_job_that_was_cancelled_elsewhere_stays_cancelled(queue: LocalQueue, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    inputs = [{"n": 0}, {"n": 1, "wait": True}]
    async with client_of(queue) as client:
        endpoint = client.endpoint("ep")
        async with endpoint.map(inputs, journal=path) as mapped:
            while mapped.stats.submitted < 2 or not mapped.stats.succeeded:
                await async_sleep(0.01)
        [left] = [entry.job_id for entry in Journal(path) if entry.job_id and not entry.succeeded]
        await endpoint.job(left).cancel()
        for _ in range(2):
            results = [result async for result in endpoint.map(inputs, journal=path)]
            assert isinstance(results[1].error, JobCancelledError)


@pytest.mark.parametrize("full_at", [JournalStatus.SUBMITTED, JournalStatus.SUCCEEDED])
async def test_a_full_disk_loses_no_result(
    queue: LocalQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_at: JournalStatus
) -> None:
    save, flush, full = JournalWriter.save, JournalWriter.flush, list[bool]()

    def fill(writer: JournalWriter, entry: JournalRecord) -> None:
        save(writer, entry)
        full.extend([True] * (entry.status is full_at))

    def fail(writer: JournalWriter) -> None:
        if full:
            raise JournalError("The disk is full.")
        flush(writer)

    monkeypatch.setattr(JournalWriter, "save", fill)
    monkeypatch.setattr(JournalWriter, "flush", fail)
    taken: list[int] = []
    async with client_of(queue) as client:
        mapped = client.endpoint("ep").map([{"n": 3}], journal=tmp_path / "run.sqlite")
        with pytest.raises(JournalError, match="The disk is full"):
            async for result in mapped:
                taken.append(result.output)
    assert taken == [9]


@pytest.mark.slow
async def test_a_limit_of_one_job_leaves_the_others_alone(queue: LocalQueue, handler: Squares) -> None:
    async with client_of(queue) as client:
        endpoint = client.endpoint("ep", output_type=int)
        results = [result async for result in endpoint.map([{"n": 2, "wait": True}, {"n": 3}], timeout=2)]
        error = results[0].error
        assert isinstance(error, WaitTimeoutError)
        handler.go.set()
        assert await error.job.output(timeout=20) == 4
    assert results[1].output == 9


async def test_a_key_that_cannot_be_stored_is_refused(queue: LocalQueue, tmp_path: Path) -> None:
    async with client_of(queue) as client:
        mapped = client.endpoint("ep").map(iter(numbers(1)), key=lambda _: "\ud800", journal=tmp_path / "run.sqlite")
        with pytest.raises(ConfigurationError, match="lone surrogate"):
            [result async for result in mapped]
    assert not queue.submissions


async def test_a_wrong_key_ends_the_map(queue: LocalQueue) -> None:
    async with AsyncClient("wrong", base_url=queue.base_url) as client:
        with pytest.raises(AuthenticationError):
            async for _ in client.endpoint("ep").map(numbers(100), concurrency=4):
                pass


async def test_a_journal_of_another_endpoint_is_refused_unsent(queue: LocalQueue, tmp_path: Path) -> None:
    async with client_of(queue) as client:
        _ = [result async for result in client.endpoint("ep").map(numbers(1), journal=tmp_path / "run.sqlite")]
        submitted = queue.stats().submitted
        with pytest.raises(JournalError, match="belongs to endpoint ep"):
            async for _ in client.endpoint("other").map(numbers(3), journal=tmp_path / "run.sqlite"):
                pass
    assert queue.stats().submitted == submitted


async def test_a_journal_of_other_inputs_under_a_key_is_refused(queue: LocalQueue, tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    async with client_of(queue) as client:
        endpoint = client.endpoint("ep")
        _ = [result async for result in endpoint.map(numbers(2), key=lambda item: f"k{item['n']}", journal=path)]
        with pytest.raises(JournalError, match="another input under the key 'k0'"):
            async for _ in endpoint.map([{"n": 5}], key=lambda _: "k0", journal=path):
                pass


@pytest.mark.slow
async def test_reads_inputs_only_as_far_as_needed(queue: LocalQueue) -> None:
    read: list[int] = []

    def endless() -> Iterator[dict[str, Any]]:
        number = 0
        while True:
            read.append(number)
            yield {"n": number}
            number += 1

    async with client_of(queue) as client, client.endpoint("ep").map(endless(), concurrency=4) as mapped:
        async for result in mapped:
            if result.index == 2:
                await async_sleep(0.5)
                break
    assert len(read) < 400


@pytest.mark.slow
async def test_keeps_results_that_are_taken_after_their_retention(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        outputs: list[int] = []
        async for result in client.endpoint("ep", output_type=int).map(numbers(60), concurrency=8):
            if result.index == 0:
                while queue.stats().completed < 60:
                    await async_sleep(0.05)
                await async_sleep(0.5)
                queue.advance(3 * 3600)
            outputs.append(result.output)
    assert outputs == [number * number for number in range(60)]


@pytest.mark.parametrize("sized", [True, False])
async def test_reports_progress_to_a_function(queue: LocalQueue, *, sized: bool) -> None:
    seen: list[MapProgress] = []
    inputs = numbers(20) if sized else iter(numbers(20))
    async with client_of(queue) as client:
        _ = [result async for result in client.endpoint("ep").map(inputs, progress=seen.append)]
    assert (seen[-1].done, seen[-1].total, seen[-1].in_flight) == (20, 20, 0)


async def test_the_last_progress_tells_what_an_early_end_leaves(queue: LocalQueue) -> None:
    seen: list[MapProgress] = []
    inputs = [{"n": 0}, *({"n": number, "wait": True} for number in range(1, 4))]
    async with client_of(queue) as client, client.endpoint("ep").map(inputs, progress=seen.append) as mapped:
        async for _ in mapped:
            break
    assert (seen[-1].done, seen[-1].in_flight) == (1, 3)


@pytest.mark.parametrize("size", [1, 200_000])
async def test_maps_through_a_transport_without_a_network(size: int) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, json={"id": "j", "status": "COMPLETED", "output": json.loads(request.content)["input"]}
        )

    inputs = ["x" * size, "y" * size]
    own = httpx.AsyncClient(transport=httpx.MockTransport(respond))
    async with own, AsyncClient("key", base_url="http://127.0.0.1:9", http_client=own) as client:
        assert [result.output async for result in client.endpoint("ep").map(inputs)] == inputs
