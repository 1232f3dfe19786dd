"""Attributes of maps, journals and batches. Checked for its types, never run."""

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_never, assert_type

from runpod_typed import (
    AsyncBatchRun,
    AsyncEndpoint,
    AsyncJobMap,
    Batch,
    BatchResult,
    BatchRun,
    BatchStatus,
    Endpoint,
    JobMap,
    JobState,
    JobStatus,
    Journal,
    JournalCounts,
    JournalEntry,
    JournalStatus,
    MapProgress,
    MapResult,
    MapStats,
    RunpodError,
)


class Animal:
    name: str = ""


class Dog(Animal):
    pass


def the_result_of_an_input_is_typed(result: MapResult[str, Dog]) -> None:
    assert_type(result.index, int)
    assert_type(result.key, str)
    assert_type(result.input, str)
    assert_type(result.job_id, str | None)
    assert_type(result.state, JobState[Dog] | None)
    assert_type(result.error, RunpodError | None)
    assert_type(result.attempts, int)
    assert_type(result.from_journal, bool)
    assert_type(result.succeeded, bool)
    assert_type(result.output, Dog)
    wider: list[MapResult[object, Animal]] = [result]
    assert_type(wider[0].output, Animal)


def parameters_left_out_are_any(result: MapResult, batch_result: BatchResult) -> None:
    assert_type(result, MapResult[Any, Any])
    assert_type(batch_result, BatchResult[Any])


def an_endpoint_that_takes_animals_maps_dogs(
    endpoint: Endpoint[Animal, str], later: AsyncEndpoint[Animal, str], dogs: list[Dog]
) -> None:
    assert_type(endpoint.map(dogs), JobMap[Animal, str])
    assert_type(later.map(dogs, key=lambda dog: dog.name), AsyncJobMap[Animal, str])
    assert_type(endpoint.batches.run(dogs), BatchRun[Animal, str])


def the_results_of_dogs_are_results_of_animals(
    mapped: JobMap[Dog, Dog],
    later: AsyncJobMap[Dog, Dog],
    run: BatchRun[Dog, Dog],
    run_later: AsyncBatchRun[Dog, Dog],
) -> None:
    wider: list[JobMap[Animal, Animal] | BatchRun[Animal, Animal]] = [mapped, run]
    wider_later: list[AsyncJobMap[Animal, Animal] | AsyncBatchRun[Animal, Animal]] = [later, run_later]
    assert_type([each.output for results in wider for each in results], list[Animal])
    assert_type(wider_later[0].stats, MapStats)


def counts_of_a_map_are_numbers(stats: MapStats) -> None:
    assert_type((stats.submitted, stats.in_flight, stats.done), tuple[int, int, int])
    assert_type((stats.succeeded, stats.failed, stats.uncertain), tuple[int, int, int])
    assert_type((stats.from_journal, stats.rate_limited), tuple[int, int])
    assert_type((stats.queue_time_p50, stats.queue_time_p95), tuple[float | None, float | None])
    assert_type((stats.execution_time_p50, stats.execution_time_p95), tuple[float | None, float | None])
    assert_type(stats.cold_start_share, float | None)
    assert_type(stats.execution_seconds, float)
    assert_type(stats.estimated_cost, float | None)


def show(progress: MapProgress) -> None:
    assert_type((progress.done, progress.failed, progress.in_flight), tuple[int, int, int])
    assert_type(progress.total, int | None)
    assert_type((progress.elapsed, progress.rate), tuple[float, float])
    assert_type(progress.remaining, float | None)


def progress_is_shown_by_a_function(endpoint: Endpoint[str, str]) -> None:
    endpoint.map(["a"], progress=show)
    endpoint.batches.run(["a"], progress=show)


def a_journal_is_read(journal: Journal) -> None:
    assert_type(Journal("run.sqlite"), Journal)
    assert_type(Journal(Path("run.sqlite")), Journal)
    path: os.PathLike[str] = journal
    assert_type(os.fspath(path), str)
    assert_type(journal.path, Path)
    assert_type(journal.endpoint_id, str)
    assert_type(iter(journal), Iterator[JournalEntry])
    assert_type(journal.results(), Iterator[JournalEntry])
    assert_type(journal.failures(), Iterator[JournalEntry])
    assert_type(journal.export_jsonl("results.jsonl"), int)
    assert_type(journal.export_jsonl(path), int)
    counts = journal.counts()
    assert_type(counts, JournalCounts)
    assert_type((counts.waiting, counts.in_flight, counts.total), tuple[int, int, int])
    assert_type((counts.succeeded, counts.failed, counts.uncertain), tuple[int, int, int])


def an_entry_tells_of_an_input(entry: JournalEntry) -> None:
    assert_type(entry.index, int)
    assert_type(entry.key, str)
    assert_type(entry.status, JournalStatus)
    assert_type(entry.attempts, int)
    assert_type(entry.job_id, str | None)
    assert_type(entry.error, str | None)
    assert_type(entry.succeeded, bool)
    assert_type(entry.state, JobState[Any] | None)
    assert_type(entry.output, Any)


def the_status_of_an_entry_can_be_matched_exhaustively(status: JournalStatus) -> str:
    assert_type(status == "waiting", bool)
    match status:
        case JournalStatus.WAITING | JournalStatus.SUBMITTING | JournalStatus.SUBMITTED:
            return "wait"
        case JournalStatus.SUCCEEDED:
            return "take"
        case JournalStatus.FAILED | JournalStatus.UNCERTAIN:
            return "look"
        case _:
            assert_never(status)


def a_batch_says_what_may_be_absent(batch: Batch) -> None:
    assert_type(batch.id, str)
    assert_type(batch.status, BatchStatus | None)
    assert_type(batch.name, str | None)
    assert_type(batch.endpoint_id, str | None)
    assert_type((batch.request_total, batch.request_in_progress), tuple[int, int])
    assert_type((batch.request_completed, batch.request_failed), tuple[int, int])
    assert_type(batch.created_at, dt.datetime | None)
    assert_type(batch.raw, Any)
    assert_type(batch.done, bool)
    assert_type(batch.to_dict(), dict[str, Any])


def the_status_of_a_batch_is_a_text_with_a_meaning(status: BatchStatus) -> str:
    assert_type(BatchStatus("DRAFT"), BatchStatus)
    assert_type(status == "FINALIZED", bool)
    match status:
        case BatchStatus.DRAFT | BatchStatus.FINALIZED:
            return "wait"
        case BatchStatus.FAILED | BatchStatus.CANCELLED:
            return "look"
        case _:
            assert_never(status)


def the_result_of_a_batch_is_the_state_of_a_job(result: BatchResult[Dog]) -> None:
    states: list[JobState[Animal]] = [result]
    assert_type(states[0].output, Animal | None)
    assert_type(result.status, JobStatus)
    assert_type(result.output, Dog | None)
    assert_type(result.result(), Dog)
    assert_type((result.started_at, result.completed_at), tuple[dt.datetime | None, dt.datetime | None])
    if result.succeeded:
        assert_type(result.id, str)
