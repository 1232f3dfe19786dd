"""Batches: drafts, what may be done with them when, and counts that add up."""

from collections.abc import Callable
from typing import cast

import pytest

from runpod_typed.local._engine.batches import Batches, BatchRecord
from runpod_typed.local._engine.engine import Engine, NotAllowedError, NotFoundError
from runpod_typed.local._engine.records import JobStatus, Result, Submission
from runpod_typed.local._engine.settings import EngineSettings

NOW = 1_752_057_000.0  # 2025-07-09, 10:30


def some(count: int) -> list[Submission]:
    return [Submission(input={"n": number}) for number in range(count)]


def requests_of(page: dict[str, object]) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", page["requests"])


@pytest.fixture
def engine() -> Engine:
    return Engine(EngineSettings(active_batches=2, batch_requests=5, queued_jobs=6))


@pytest.fixture
def book(engine: Engine) -> Batches:
    return Batches(engine, "demo")


def counts(book: Batches, batch: BatchRecord) -> tuple[object, ...]:
    shown = book.show(batch)
    names = ("requestTotal", "requestInProgress", "requestCompleted", "requestFailed")
    return (shown["status"], *(shown[name] for name in names))


def test_draft_runs_nothing_until_finalized(engine: Engine, book: Batches) -> None:
    batch = book.create(some(2), 0.0)
    book.append(batch.id, some(1), 1.0)
    assert engine.take("w", 2.0) == []
    assert counts(book, batch) == ("DRAFT", 3, 0, 0, 0)

    book.finalize(batch.id, 3.0)
    assert counts(book, batch) == ("FINALIZED", 3, 0, 0, 0)
    jobs = engine.take("w", 4.0, limit=3)
    assert [job.submission.input for job in jobs] == [{"n": 0}, {"n": 1}, {"n": 0}]
    assert {job.batch_id for job in jobs} == {batch.id}
    assert counts(book, batch) == ("FINALIZED", 3, 3, 0, 0)

    engine.finish("w", jobs[0].id, Result(output=1), 5.0)
    engine.finish("w", jobs[1].id, Result(error="no"), 5.0)
    assert counts(book, batch) == ("FINALIZED", 3, 1, 1, 1)


def test_batch_is_shown_as_documented(book: Batches) -> None:
    batch = book.create([], NOW + 1.5)
    assert book.show(batch) == {
        "createdAt": 1_752_057_001_500,
        "endpointId": "demo",
        "id": batch.id,
        "requestCompleted": 0,
        "requestFailed": 0,
        "requestInProgress": 0,
        "requestTotal": 0,
        "status": "DRAFT",
    }
    book.rename(batch.id, "nightly", NOW + 2.0)
    shown = book.show(batch)
    assert shown["name"] == "nightly"
    assert list(shown) == sorted(shown)


def test_lists_batches_newest_first(book: Batches) -> None:
    ids = [book.create([], float(now)).id for now in range(3)]
    first, second = book.show_all(0, 2), book.show_all(2, 2)
    assert [(page["hasMore"], page["total"]) for page in (first, second)] == [(True, 3), (False, 3)]
    shown = cast(
        "list[dict[str, object]]", [*cast("list[object]", first["batches"]), *cast("list[object]", second["batches"])]
    )
    assert [batch["id"] for batch in shown] == ids[::-1]


def test_deletes_request_from_draft(book: Batches) -> None:
    batch = book.create(some(2), 0.0)
    first, second = batch.requests
    book.delete_request(batch.id, first, 1.0)
    assert list(batch.requests) == [second]
    with pytest.raises(NotFoundError, match="request"):
        book.delete_request(batch.id, first, 1.0)


def test_only_drafts_can_be_changed(book: Batches) -> None:
    batch = book.create(some(1), 0.0)
    (request_id,) = batch.requests
    book.finalize(batch.id, 1.0)
    changes: list[Callable[[], BatchRecord]] = [
        lambda: book.append(batch.id, some(1), 2.0),
        lambda: book.delete_request(batch.id, request_id, 2.0),
        lambda: book.finalize(batch.id, 2.0),
    ]
    for change in changes:
        with pytest.raises(NotAllowedError, match="FINALIZED"):
            change()
    assert book.rename(batch.id, "late", 2.0).name == "late"


def test_unknown_batch_is_not_found(book: Batches) -> None:
    with pytest.raises(NotFoundError, match="batch"):
        book.get("batch_0", 0.0)


def test_cancelling_a_draft_takes_effect_at_once(engine: Engine, book: Batches) -> None:
    batch = book.create(some(2), 0.0)
    book.cancel(batch.id, 1.0)
    assert counts(book, batch)[0] == "CANCELLED"
    assert engine.waiting == 0


def test_cancelled_batch_waits_for_running_requests(engine: Engine, book: Batches) -> None:
    batch = book.create(some(3), 0.0)
    book.finalize(batch.id, 1.0)
    (running,) = engine.take("w", 2.0)
    book.cancel(batch.id, 3.0)
    assert counts(book, batch) == ("FINALIZED", 3, 1, 0, 2)
    assert engine.take("w", 4.0) == []
    engine.finish("w", running.id, Result(output=1), 5.0)
    assert counts(book, batch) == ("CANCELLED", 3, 0, 1, 2)


def test_cancelling_a_finished_batch_changes_nothing(engine: Engine, book: Batches) -> None:
    batch = book.create(some(1), 0.0)
    book.finalize(batch.id, 1.0)
    (job,) = engine.take("w", 2.0)
    engine.finish("w", job.id, Result(output=1), 3.0)
    book.cancel(batch.id, 4.0)
    assert counts(book, batch) == ("FINALIZED", 1, 0, 1, 0)


@pytest.mark.parametrize("end", ["ttl", "purge", "execution timeout"])
def test_batch_counts_add_up_for_every_end(engine: Engine, book: Batches, end: str) -> None:
    batch = book.create([Submission(input=1, ttl=10.0, execution_timeout=5.0)], 0.0)
    book.finalize(batch.id, 0.0)
    if end == "purge":
        assert engine.purge(1.0) == 1
    elif end == "execution timeout":
        engine.take("w", 0.0)
    engine.advance(11.0)
    assert counts(book, batch) == ("FINALIZED", 1, 0, 0, 1)


def test_batch_results_outlive_job_retention(engine: Engine, book: Batches) -> None:
    batch = book.create(some(1), NOW)
    book.finalize(batch.id, NOW)
    (job,) = engine.take("w", NOW)
    engine.finish("w", job.id, Result(output="kept"), NOW + 1.0)
    engine.advance(NOW + 1e6)
    page = book.show_page(batch, 0, 50)
    assert page["requests"] == [
        {
            "completedAt": "2025-07-09T10:30:01.000Z",
            "id": job.id,
            "output": "kept",
            "startedAt": "2025-07-09T10:30:00.000Z",
            "status": "COMPLETED",
        }
    ]


def test_pages_requests_in_order_of_submission(book: Batches) -> None:
    batch = book.create(some(5), 0.0)
    ids = list(batch.requests)

    def page(offset: int, limit: int) -> tuple[list[object], object]:
        shown = book.show_page(batch, offset, limit)
        assert (shown["offset"], shown["limit"], shown["total"]) == (offset, limit, 5)
        return [request["id"] for request in requests_of(shown)], shown["hasMore"]

    assert page(0, 2) == (ids[:2], True)
    assert page(2, 3) == (ids[2:], False)
    assert page(9, 2) == ([], False)


def test_page_shows_requests_of_every_state(engine: Engine, book: Batches) -> None:
    batch = book.create(some(3), 0.0)
    assert {request["status"] for request in _requests(book, batch)} == {"IN_QUEUE"}
    book.finalize(batch.id, 0.0)
    first, _ = engine.take("w", 0.0, limit=2)
    engine.progress("w", first.id, "half", 0.5)
    assert "output" not in _requests(book, batch)[0]
    engine.finish("w", first.id, Result(error={"code": 7}), 1.0)
    shown = _requests(book, batch)
    assert [request["status"] for request in shown] == ["FAILED", "IN_PROGRESS", "IN_QUEUE"]
    assert shown[0]["error"] == "{'code': 7}"


def test_page_lists_failed_running_waiting_then_completed(engine: Engine, book: Batches) -> None:
    batch = book.create(some(4), 0.0)
    book.finalize(batch.id, 0.0)
    completed, failed, _ = engine.take("w", 0.0, limit=3)
    engine.finish("w", completed.id, Result(output=1), 1.0)
    engine.finish("w", failed.id, Result(error="no"), 1.0)
    statuses = [request["status"] for request in _requests(book, batch)]
    assert statuses == ["FAILED", "IN_PROGRESS", "IN_QUEUE", "COMPLETED"]


def _requests(book: Batches, batch: BatchRecord) -> list[dict[str, object]]:
    return requests_of(book.show_page(batch, 0, 50))


# Limits.


def test_batch_size_is_limited(book: Batches) -> None:
    with pytest.raises(NotAllowedError, match="6; at most 5"):
        book.create(some(6), 0.0)
    batch = book.create(some(3), 0.0)
    with pytest.raises(NotAllowedError, match="at most 5"):
        book.append(batch.id, some(3), 1.0)


def test_number_of_active_batches_is_limited(engine: Engine, book: Batches) -> None:
    batches = [book.create(some(1), 0.0) for _ in range(3)]
    for batch in batches[:2]:
        book.finalize(batch.id, 1.0)
    with pytest.raises(NotAllowedError, match="at most 2"):
        book.finalize(batches[2].id, 2.0)
    (job,) = engine.take("w", 3.0)
    engine.finish("w", job.id, Result(output=1), 3.0)
    book.finalize(batches[2].id, 4.0)


def test_number_of_queued_requests_is_limited(engine: Engine, book: Batches) -> None:
    for submission in some(3):
        engine.submit(submission, 0.0)
    batch = book.create(some(4), 0.0)
    with pytest.raises(NotAllowedError, match="at most 6"):
        book.finalize(batch.id, 1.0)
    assert counts(book, batch)[0] == "DRAFT"
    assert engine.stats().by_status[JobStatus.IN_QUEUE] == 3
