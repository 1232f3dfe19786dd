from __future__ import annotations

from typing import Any

import pytest

from runpod_typed._core.config import DEFAULT_CALL_CONFIG
from runpod_typed._core.responses import read_job
from runpod_typed._core.schedule import Ended, Wait
from runpod_typed._core.wait_errors import PASSING_ERRORS, expired_error, wait_error
from runpod_typed._models.health import read_health
from runpod_typed._models.jobs import JobAddress
from runpod_typed.errors import JobExpiredError, QueueTimeoutError, WaitTimeoutError
from tests.core.calls import answer, error

ADDRESS = JobAddress("ep", "job-1")
JOB = object()
SEEN = read_job({"id": "job-1", "status": "IN_QUEUE"})


def wait(timeout: float | None = None, queue_timeout: float | None = None) -> Wait:
    return Wait.beginning(DEFAULT_CALL_CONFIG, 0.0, timeout=timeout, queue_timeout=queue_timeout)


@pytest.mark.parametrize(("seen", "words"), [(SEEN, "last seen IN_QUEUE"), (None, "not seen yet")])
def test_a_wait_that_ended_says_for_what_how_long_and_how_to_go_on(seen: Any, words: str) -> None:
    found = wait_error(Ended.TIMEOUT, JOB, ADDRESS, seen, wait(2.5))
    assert type(found) is WaitTimeoutError
    assert isinstance(found, TimeoutError)
    assert found.job is JOB
    assert f"Job job-1 of endpoint ep had not ended within 2.5 s ({words})" in found.message
    assert "error.job.output() goes on waiting" in found.message


@pytest.mark.parametrize(
    ("health", "words"),
    [
        (None, "health could not be had"),
        (read_health({"workers": {"throttled": 2}, "jobs": {"inQueue": 3}}), "2 workers are throttled"),
    ],
)
def test_a_job_that_no_worker_took_says_why(health: Any, words: str) -> None:
    found = wait_error(Ended.QUEUE_TIMEOUT, JOB, ADDRESS, SEEN, wait(60, 5), health=health)
    assert type(found) is QueueTimeoutError
    assert isinstance(found, TimeoutError)
    assert (found.job, found.health) == (JOB, health)
    assert "was not taken by a worker within 5 s. " in found.message
    assert words in found.message
    assert "error.job.cancel() ends it" in found.message


def test_a_job_that_is_gone_says_what_was_last_seen_of_it() -> None:
    found = expired_error(ADDRESS, SEEN)
    assert type(found) is JobExpiredError
    assert (found.job_id, found.state) == ("job-1", SEEN)
    assert "it was last seen IN_QUEUE" in found.message
    assert "ExecutionPolicy.ttl" in found.message


@pytest.mark.parametrize(("status", "passing"), [(429, True), (502, True), (524, True), (401, False), (404, False)])
def test_what_passes_ends_a_wait_as_a_timeout_when_its_time_is_over(status: int, *, passing: bool) -> None:
    assert isinstance(error("get_status", answer(b"", status)), PASSING_ERRORS) is passing
