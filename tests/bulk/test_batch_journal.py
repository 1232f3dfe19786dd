"""A run over batches with a journal: what an earlier run finished, left, or never queued."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runpod_typed import (
    Client,
    ConfigurationError,
    InputError,
    JobExpiredError,
    JobFailedError,
    Journal,
    JournalError,
    JournalStatus,
    PollPolicy,
    SubmissionUncertainError,
    WaitTimeoutError,
)
from runpod_typed._bulk.journal_writer import JournalWriter
from runpod_typed._core.journal_records import JournalRecord
from runpod_typed.local import LocalQueue

RUNS = Counter[int]()
INPUTS = [{"n": n} for n in range(5)]


def handler(job: dict[str, Any]) -> int:
    number = int(job["input"]["n"])
    RUNS[number] += 1
    if number == 3 and RUNS[number] == 1:
        raise ValueError("once")
    return number * 10


@pytest.fixture
def endpoint() -> Iterator[Any]:
    RUNS.clear()
    with LocalQueue(handler, workers=2) as queue:
        poll = PollPolicy(max_interval=0.05)
        with Client(queue.api_key, base_url=queue.base_url, poll=poll) as client:
            yield client.endpoint(queue.endpoint_id)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


def test_finished_inputs_are_not_run_again(endpoint: Any, path: Path) -> None:
    first = list(endpoint.batches.run(INPUTS, journal=path))
    assert [(each.succeeded, each.from_journal) for each in first] == [
        (True, False), (True, False), (True, False), (False, False), (True, False),
    ]  # fmt: skip
    again = list(endpoint.batches.run(INPUTS, journal=path))
    assert all(each.from_journal for each in again)
    assert [each.output for each in again if each.succeeded] == [0, 10, 20, 40]
    assert isinstance(again[3].error, JobFailedError)
    assert [each.job_id for each in again] == [each.job_id for each in first]
    assert (len(endpoint.batches.list()), sum(RUNS.values())) == (1, 5)
    counts = Journal(path).counts()
    assert (counts.succeeded, counts.failed, counts.total) == (4, 1, 5)


def test_more_attempts_run_only_what_failed(endpoint: Any, path: Path) -> None:
    list(endpoint.batches.run(INPUTS, journal=path))
    again = list(endpoint.batches.run(INPUTS, journal=path, attempts=2))
    assert [each.output for each in again] == [0, 10, 20, 30, 40]
    assert [each.attempts for each in again] == [1, 1, 1, 2, 1]
    assert RUNS[3] == 2


def test_map_reads_the_results_of_batches_and_the_other_way(endpoint: Any, path: Path) -> None:
    list(endpoint.batches.run(INPUTS[:2], journal=path))
    with endpoint.map(INPUTS[:3], journal=path) as results:
        assert [(each.output, each.from_journal) for each in results] == [(0, True), (10, True), (20, False)]
    with endpoint.batches.run(INPUTS[:3], journal=path) as results:
        assert [(each.output, each.from_journal) for each in results] == [(0, True), (10, True), (20, True)]


def left_behind(path: Path, endpoint: Any, batch_id: str, ids: list[str]) -> None:
    """Write what a run has written when it is killed before it reads results."""
    journal = JournalWriter(path, endpoint.id)
    for index, request_id in enumerate(ids):
        entry = JournalRecord(
            index=index,
            number=index + 1,
            key=str(index),
            fingerprint="",
            status=JournalStatus.SUBMITTED,
            attempts=1,
            job_id=f"{batch_id}/{request_id}",
        )
        journal.save(entry)
    journal.close()


def made(endpoint: Any, inputs: list[dict[str, int]]) -> tuple[str, list[str]]:
    batch = endpoint.batches.create(inputs)
    return batch.id, [each.id for each in endpoint.batches.results(batch)]


def by_number(value: dict[str, int]) -> str:
    return str(value["n"])


def by_size(value: dict[str, int]) -> str:
    return str(len(value))


def always_the_same(_: object) -> str:
    return "same"


@pytest.mark.parametrize("finalized", [True, False])
def test_batch_of_an_earlier_run_is_taken_up(endpoint: Any, path: Path, finalized: bool) -> None:
    batch_id, ids = made(endpoint, INPUTS[:3])
    if finalized:
        endpoint.batches.finalize(batch_id)
    left_behind(path, endpoint, batch_id, ids)
    results = list(endpoint.batches.run(INPUTS[:4], journal=path, key=by_number))
    assert [each.output for each in results[:3]] == [0, 10, 20]
    assert [each.job_id for each in results[:3]] == ids
    assert sum(RUNS.values()) == 4


def test_incomplete_draft_is_discarded_and_run_anew(endpoint: Any, path: Path) -> None:
    batch_id, ids = made(endpoint, INPUTS[:3])
    left_behind(path, endpoint, batch_id, ids[:2])
    results = list(endpoint.batches.run(INPUTS[:3], journal=path, key=by_number))
    assert [(each.output, each.attempts) for each in results] == [(0, 1), (10, 1), (20, 1)]
    assert endpoint.batches.get(batch_id).status == "CANCELLED"
    assert all(count == 1 for count in RUNS.values())


def test_batch_that_is_gone_is_an_error_of_its_inputs(endpoint: Any, path: Path) -> None:
    left_behind(path, endpoint, "batch_gone", ["r0", "r1"])
    first, second, third = endpoint.batches.run(INPUTS[:3], journal=path, key=by_number)
    assert third.output == 20
    for result in (first, second):
        assert isinstance(result.error, JobExpiredError)
        assert result.job_id in {"r0", "r1"}


@pytest.mark.slow
def test_batch_that_takes_too_long_stays_in_the_journal(path: Path) -> None:
    with LocalQueue(worker=["sleep", "100"], workers=1) as queue:
        poll = PollPolicy(max_interval=0.05)
        with Client(queue.api_key, base_url=queue.base_url, poll=poll) as client:
            endpoint = client.endpoint(queue.endpoint_id)
            for journal in (path, path):
                (result,) = endpoint.batches.run([{"n": 1}], journal=journal, timeout=0.3)
                assert isinstance(result.error, WaitTimeoutError)
                assert result.error.batch_id == endpoint.batches.list()[0].id
            assert len(endpoint.batches.list()) == 1
    assert Journal(path).counts().in_flight == 1


def test_unfinished_jobs_of_the_other_call_are_refused(endpoint: Any, path: Path, tmp_path: Path) -> None:
    left_behind(path, endpoint, "batch_1", ["r0"])
    with pytest.raises(JournalError, match=r"has 1 unfinished jobs of endpoint\.batches\.run\(\)"):
        next(iter(endpoint.map(INPUTS, journal=path)))
    other = tmp_path / "map.sqlite"
    journal = JournalWriter(other, endpoint.id)
    entry = JournalRecord(index=0, number=1, key="0", fingerprint="", status=JournalStatus.SUBMITTED, job_id="job-1")
    journal.save(entry)
    journal.close()
    with pytest.raises(JournalError, match=r"has 1 unfinished jobs of endpoint\.map\(\)"):
        next(iter(endpoint.batches.run(INPUTS, journal=other)))


@pytest.mark.parametrize("resubmit", [False, True])
def test_uncertain_input_of_a_map_is_reported_or_run(endpoint: Any, path: Path, resubmit: bool) -> None:
    journal = JournalWriter(path, endpoint.id)
    journal.save(JournalRecord(index=0, number=1, key="0", fingerprint="", status=JournalStatus.SUBMITTING, attempts=1))
    journal.close()
    run = endpoint.batches.run(INPUTS[:2], journal=path, key=by_number, resubmit_uncertain=resubmit)
    first, second = run
    assert second.output == 10
    assert first.output == 0 if resubmit else isinstance(first.error, SubmissionUncertainError)


def test_bad_input_is_recorded_by_its_key(endpoint: Any, path: Path) -> None:
    inputs = [{"n": 1}, {}]
    for _ in range(2):
        good, bad = endpoint.batches.run(inputs, journal=path, key=by_size)
        assert good.output == 10
        assert isinstance(bad.error, InputError)
    assert Journal(path).counts().failed == 1


def test_journal_in_use_is_refused_and_free_after_the_run(endpoint: Any, path: Path) -> None:
    with endpoint.batches.run(INPUTS[:2], journal=path) as results:
        next(results)
        with pytest.raises(JournalError, match="in use"):
            list(endpoint.batches.run(INPUTS[:2], journal=path))
    assert len(list(endpoint.batches.run(INPUTS[:2], journal=path))) == 2


def test_loop_that_ends_early_frees_the_journal(endpoint: Any, path: Path) -> None:
    for _ in endpoint.batches.run(INPUTS[:2], journal=path):
        break
    assert len(list(endpoint.batches.run(INPUTS[:2], journal=path))) == 2


def test_cancelled_requests_of_a_run_that_was_left_run_again(path: Path) -> None:
    started, release, ran = threading.Event(), threading.Event(), list[int]()

    def wait(job: dict[str, Any]) -> int:
        ran.append(job["input"]["n"])
        started.set()
        release.wait(30)
        return int(job["input"]["n"])

    def interrupt(_: object) -> None:
        if started.is_set():
            raise KeyboardInterrupt

    with LocalQueue(wait, workers=1) as queue:
        poll = PollPolicy(max_interval=0.05)
        with Client(queue.api_key, base_url=queue.base_url, poll=poll) as client:
            batches = client.endpoint(queue.endpoint_id).batches
            with pytest.raises(KeyboardInterrupt) as caught:
                list(batches.run(INPUTS, journal=path, on_exit="cancel", progress=interrupt))
            release.set()
            results = list(batches.run(INPUTS, journal=path))
    assert "To resume, make the same call" in " ".join(caught.value.__notes__)
    assert [each.output for each in results] == [0, 1, 2, 3, 4]
    assert sorted(ran) == [0, 1, 2, 3, 4]  # the one that ran has finished


@pytest.mark.parametrize("raised", [StopIteration, StopAsyncIteration, KeyError])
def test_whatever_a_key_function_raises_follows_the_results(endpoint: Any, raised: type[Exception]) -> None:
    def key(value: dict[str, int]) -> str:
        if value["n"] == 2:
            raise raised
        return str(value["n"])

    got = list[int]()
    with pytest.raises(KeyError if raised is KeyError else RuntimeError):
        for result in endpoint.batches.run(iter(INPUTS), key=key):
            got.append(result.index)
    assert got == [0, 1]


def test_repeated_key_ends_the_run_after_its_results(endpoint: Any, path: Path) -> None:
    got = list[int]()
    with pytest.raises(ConfigurationError, match="for two inputs"):
        for result in endpoint.batches.run(iter(INPUTS), journal=path, key=always_the_same):
            got.append(result.index)
    assert got == [0]


def test_refused_finalize_leaves_nothing_to_take_up(endpoint: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from runpod_typed import BadRequestError
    from runpod_typed._sync.batch_calls import BatchCalls

    def refuse(*_: object, **_options: object) -> None:
        raise BadRequestError("No.", operation="finalize_batch", method="POST", url="u", status_code=400)

    with monkeypatch.context() as patch, pytest.raises(BadRequestError):
        patch.setattr(BatchCalls, "finalize", refuse)
        list(endpoint.batches.run(INPUTS[:3], journal=path))
    assert Journal(path).counts().waiting == 3
    assert [batch.status for batch in endpoint.batches.list()] == ["CANCELLED"]
    assert [each.output for each in endpoint.batches.run(INPUTS[:3], journal=path)] == [0, 10, 20]
