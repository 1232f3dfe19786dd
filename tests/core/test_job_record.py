from __future__ import annotations

from typing import Any

import pytest

from runpod_typed import JobStatus
from runpod_typed._core.config import DEFAULT_CALL_CONFIG
from runpod_typed._core.job_record import JobAddress, JobErrors, JobRecord, add_to_message, expired_error, timeout_error
from runpod_typed._core.schedule import FailedPolls, Limit, PollSchedule
from runpod_typed._models.health import read_health
from runpod_typed._models.responses import read_job
from runpod_typed.errors import (
    JobExpiredError,
    JobFailedError,
    OutputError,
    QueueTimeoutError,
    RunpodError,
    WaitTimeoutError,
)
from tests.core.calls import answer, error

ADDRESS = JobAddress("ep", "job-1")
JOB = object()
QUEUED = read_job({"id": "job-1", "status": "IN_QUEUE"})
RUNNING = read_job({"id": "job-1", "status": "IN_PROGRESS"})
DONE = read_job({"id": "job-1", "status": "COMPLETED", "output": 1})
HEALTH = read_health({"workers": {"throttled": 2}, "jobs": {"inQueue": 3}})


def schedule(timeout: float | None = None, queue_timeout: float | None = None, **known: Any) -> PollSchedule:
    return PollSchedule(
        config=DEFAULT_CALL_CONFIG, started_at=0.0, timeout=timeout, queue_timeout=queue_timeout, **known
    )


# The record


@pytest.mark.parametrize(
    ("state", "finished", "queued", "may_reappear"),
    [
        (None, False, False, False),
        (QUEUED, False, True, True),
        (RUNNING, False, False, True),
        (DONE, True, False, False),
    ],
)
def test_knows_what_the_last_state_means(state: Any, *, finished: bool, queued: bool, may_reappear: bool) -> None:
    record = JobRecord(ADDRESS, state)
    assert (record.finished, record.queued, record.may_reappear) == (finished, queued, may_reappear)


@pytest.mark.parametrize(("status", "finished"), [("FAILED", False), ("TIMED_OUT", False), ("COMPLETED", True)])
def test_only_a_failure_is_doubted_after_a_retry(status: str, *, finished: bool) -> None:
    state = read_job({"id": "job-1", "status": status})
    record = JobRecord(ADDRESS, state)
    record.doubt()
    assert (record.finished, record.seen) == (finished, state)
    record.update(state)
    assert record.finished


def test_a_stream_tells_the_status_but_not_the_end() -> None:
    record = JobRecord(ADDRESS, QUEUED)
    record.note(JobStatus.IN_PROGRESS)
    assert record.seen is not None
    assert record.seen.status == record.status == "IN_PROGRESS"
    record.note(JobStatus.COMPLETED)
    assert record.status == "IN_PROGRESS"
    record.update(DONE)
    record.note(JobStatus.IN_PROGRESS)
    assert record.seen == DONE


def test_a_stream_tells_the_status_of_an_unseen_job() -> None:
    record = JobRecord(ADDRESS)
    record.note(JobStatus.IN_QUEUE)
    assert (record.seen, record.status, record.from_start) == (None, "IN_QUEUE", True)


@pytest.mark.parametrize(("first", "from_start"), [(QUEUED, True), (RUNNING, False), (DONE, False)])
def test_knows_whether_it_has_seen_the_job_from_its_start(first: Any, *, from_start: bool) -> None:
    record = JobRecord(ADDRESS)
    record.update(first)
    record.update(DONE)
    assert record.from_start is from_start


# Errors of a wait


@pytest.mark.parametrize(("seen", "words"), [(RUNNING, "last seen IN_PROGRESS"), (None, "not seen yet")])
def test_a_timeout_says_which_job_and_its_last_status(seen: Any, words: str) -> None:
    found = timeout_error(Limit.TIMEOUT, JOB, JobRecord(ADDRESS, seen), schedule(2.5), None)
    assert type(found) is WaitTimeoutError
    assert isinstance(found, TimeoutError)
    assert (found.job, found.health) == (JOB, None)
    assert found.message == f"Job job-1 of endpoint ep did not finish within 2.5 s ({words})."


def test_a_timeout_in_the_queue_says_why_no_worker_took_the_job() -> None:
    found = timeout_error(Limit.TIMEOUT, JOB, JobRecord(ADDRESS, QUEUED), schedule(2.5), HEALTH)
    assert type(found) is WaitTimeoutError
    assert found.health is HEALTH
    assert "2 workers are throttled" in found.message


def test_a_single_poll_is_not_diagnosed() -> None:
    found = timeout_error(Limit.TIMEOUT, JOB, JobRecord(ADDRESS, QUEUED), schedule(0), None)
    assert found.message.endswith("within 0 s (last seen IN_QUEUE).")


@pytest.mark.parametrize(("failures", "polls"), [(1, "the last poll failed"), (4, "the last 4 polls failed")])
def test_a_timeout_in_an_outage_says_that_polls_failed(failures: int, polls: str) -> None:
    outage = FailedPolls(since=0.0, failures=failures, unreadable=0, next_poll_at=1.0)
    found = timeout_error(Limit.TIMEOUT, JOB, JobRecord(ADDRESS, RUNNING), schedule(9, outage=outage), None)
    assert polls in found.message


@pytest.mark.parametrize(
    ("health", "words"), [(None, "health is unknown"), (HEALTH, "2 workers are throttled")], ids=["none", "some"]
)
def test_a_queue_timeout_says_why_no_worker_took_the_job(health: Any, words: str) -> None:
    found = timeout_error(Limit.QUEUE_TIMEOUT, JOB, JobRecord(ADDRESS, QUEUED), schedule(60, 5), health)
    assert type(found) is QueueTimeoutError
    assert isinstance(found, TimeoutError)
    assert (found.job, found.health) == (JOB, health)
    assert "was not taken by a worker within 5 s. " in found.message
    assert words in found.message


@pytest.mark.parametrize(("seen", "visible"), [(QUEUED, False), (DONE, True)])
def test_a_job_that_is_gone_says_what_may_have_happened(seen: Any, *, visible: bool) -> None:
    found = expired_error(JobRecord(ADDRESS, seen))
    assert type(found) is JobExpiredError
    assert (found.job_id, found.state) == ("job-1", seen)
    assert f"it was last seen {seen.status}" in found.message
    assert all(words in found.message for words in ("purged", "ttl", "ExecutionPolicy"))
    assert ("not be visible" in found.message) is not visible


# The job in errors


def raised_by(exception: BaseException, state: Any = RUNNING) -> BaseException:
    with pytest.raises(type(exception)) as caught, JobErrors(JOB, JobRecord(ADDRESS, state)):
        raise exception
    return caught.value


RECONNECT = "The job keeps running; reconnect with endpoint.job('job-1')"


def test_an_error_has_the_job_and_says_how_to_reconnect() -> None:
    found = raised_by(error("get_status", answer(b"", 401)))
    assert isinstance(found, RunpodError)
    assert (found.job, found.job_id, found.endpoint_id) == (JOB, "job-1", "ep")
    assert found.message.endswith(f" {RECONNECT}.")
    assert str(found) == found.message


def test_a_timeout_names_its_handle_too() -> None:
    found = raised_by(WaitTimeoutError("It is late.", job=JOB))
    assert str(found) == f"It is late. {RECONNECT}, or keep waiting with error.job."


@pytest.mark.parametrize("exception", [KeyboardInterrupt(), ValueError("x")])
def test_another_exception_has_a_note(exception: BaseException) -> None:
    found = raised_by(exception)
    assert found.__notes__ == [f"{RECONNECT}."]


def test_nothing_is_added_if_nothing_keeps_running() -> None:
    assert not hasattr(raised_by(KeyboardInterrupt(), DONE), "__notes__")


@pytest.mark.parametrize("exception", [StopIteration(), StopAsyncIteration()])
def test_an_exception_that_would_end_an_iteration_is_wrapped(exception: Exception) -> None:
    with pytest.raises(RuntimeError, match=type(exception).__name__) as caught, JobErrors(JOB, JobRecord(ADDRESS)):
        raise exception
    assert caught.value.__cause__ is exception


@pytest.mark.parametrize("exception", [JobFailedError("It failed.", job_id="job-1"), OutputError("It does not fit.")])
def test_an_error_of_the_end_has_the_job_alone(exception: RunpodError) -> None:
    before = str(exception)
    found = raised_by(exception)
    assert isinstance(found, RunpodError)
    assert (found.job, found.job_id, str(found)) == (JOB, "job-1", before)


def test_an_error_is_completed_once() -> None:
    found = raised_by(raised_by(error("get_status", answer(b"", 401))))
    assert str(found).count("keeps running") == 1


def test_a_job_that_was_never_seen_may_not_be_visible_yet() -> None:
    found = raised_by(error("get_status", answer(b"", 404)), None)
    assert all(words in str(found) for words in ("purged", "ttl", "not be visible yet"))
    assert "keeps running" not in str(found)


def test_leaves_a_block_without_an_error_alone() -> None:
    with JobErrors(JOB, JobRecord(ADDRESS)):
        pass


def test_adds_to_the_message_of_an_error_of_ours_only() -> None:
    ours, other = RunpodError("One."), ValueError("One.")
    add_to_message(ours, "Two.")
    add_to_message(other, "Two.")
    assert (str(ours), str(other), other.__notes__) == ("One. Two.", "One.", ["Two."])
