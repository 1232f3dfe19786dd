"""The results, counts and progress of many jobs."""

from typing import Any

import pytest

from runpod_typed import JobFailedError, JobState, JobStatus, MapResult, SubmissionUncertainError
from runpod_typed._core.counters import Counters


def job(number: int, *, delay_ms: int | None = 0, execution_ms: int | None = 1000) -> JobState[int]:
    return JobState(
        id=f"j{number}",
        status=JobStatus.COMPLETED,
        output=number,
        delay_time_ms=delay_ms,
        execution_time_ms=execution_ms,
        raw={},
    )


def result(number: int, **fields: Any) -> MapResult[str, int]:
    return MapResult(index=number, key=str(number), input="in", **fields)


def failure() -> JobFailedError:
    return JobFailedError("failed", job_id="j")


def uncertain() -> SubmissionUncertainError:
    return SubmissionUncertainError("unknown", operation="run", method="POST", url="http://x", endpoint_id="ep")


def test_a_result_has_an_output_or_raises_its_error() -> None:
    good = result(0, state=job(7), job_id="j7", attempts=1)
    assert (good.succeeded, good.output) == (True, 7)
    error = failure()
    bad = result(1, error=error)
    assert not bad.succeeded
    with pytest.raises(JobFailedError) as caught:
        _ = bad.output
    assert caught.value is error


def test_counts_results_by_fate() -> None:
    counters = Counters()
    counters.count_result(result(0, state=job(0)))
    counters.count_result(result(1, state=job(0), from_journal=True))
    counters.count_result(result(2, error=failure()))
    counters.count_result(result(3, error=uncertain()))
    stats = counters.stats()
    assert (stats.succeeded, stats.failed, stats.uncertain, stats.from_journal, stats.done) == (2, 1, 1, 1, 4)


def test_measures_times_and_costs_of_jobs() -> None:
    counters = Counters(price_per_second=0.5)
    for number in range(100):
        counters.count_job(job(number, delay_ms=6000 if number < 25 else 10, execution_ms=10 * number))
    stats = counters.stats()
    assert (stats.cold_start_share, stats.queue_time_p50, stats.queue_time_p95) == (0.25, 0.01, 6.0)
    assert (stats.execution_time_p50, stats.execution_time_p95) == (0.5, 0.95)
    assert stats.execution_seconds == pytest.approx(49.5)
    assert stats.estimated_cost == pytest.approx(24.75)


def test_has_no_times_before_the_first_job() -> None:
    stats = Counters().stats()
    assert stats.queue_time_p50 is stats.execution_time_p95 is stats.cold_start_share is stats.estimated_cost is None


def test_job_without_times_leaves_the_times_as_they_are() -> None:
    counters = Counters(price_per_second=0.5)
    counters.count_job(job(0, delay_ms=6000, execution_ms=None))
    counters.count_job(job(1, delay_ms=None, execution_ms=2000))
    stats = counters.stats()
    assert (stats.queue_time_p50, stats.execution_time_p50, stats.execution_seconds) == (6.0, 2.0, 2.0)
    assert (stats.cold_start_share, stats.estimated_cost) == (0.5, 1.0)


def test_percentiles_of_many_jobs_come_from_a_bounded_sample() -> None:
    counters = Counters()
    for number in range(50_000):
        counters.count_job(job(0, execution_ms=number % 1000))
    p50 = counters.stats().execution_time_p50
    assert p50 == pytest.approx(0.5, abs=0.05)


def test_estimates_the_remaining_time_from_what_was_run_now() -> None:
    counters = Counters(total=100)
    counters.succeeded, counters.from_journal = 60, 50
    progress = counters.progress(5.0)
    assert (progress.done, progress.rate, progress.remaining) == (60, 2.0, 20.0)
    assert Counters(total=10).progress(0.0).remaining is None
    assert Counters().progress(1.0).remaining is None
