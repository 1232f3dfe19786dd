"""Jobs and batches in a file: an SQLite database that outlives the queue."""

import json
import sqlite3
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import asdict
from attrs.filters import exclude

from runpod_typed.local._engine.batches import BatchRecord
from runpod_typed.local._engine.records import ABSENT, Chunk, HistoryEntry, JobRecord, JobStatus, Submission

FORMAT: Final = 1
"""The format of the file. 0 is that of earlier versions, which had jobs without history, and no batches."""
_APPLICATION: Final = 0x52755154  # "RuQT"
_TABLES: Final = frozenset({"jobs", "batches"})
_FORGOTTEN: Final = exclude("output", "has_progress", "dropped", "last_seen_at")


class ArchiveError(ValueError):
    """The file cannot be used."""


class Archive:
    """The database. It is locked as long as it is open: two queues on one file would undo each other's work."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = sqlite3.connect(":memory:")
        with self._explained():
            self._database = sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)
            self._open()

    def load(self) -> tuple[list[JobRecord], list[BatchRecord]]:
        """Return the jobs and the batches, oldest first.

        Raises:
            ArchiveError: The file is damaged.
        """
        with self._explained():
            jobs = [_read_job(job) for job in self._rows("SELECT job FROM jobs ORDER BY rowid")]
            batches = [_read_batch(batch) for batch in self._rows("SELECT batch FROM batches ORDER BY rowid")]
            known = {job.id for job in jobs}
            for batch in batches:
                if batch.finalized and not known >= batch.requests.keys():
                    raise ArchiveError(f"{self._path} is damaged: it lacks requests of batch {batch.id}.")
        return jobs, batches

    def save(self, jobs: Mapping[str, JobRecord | None], batches: Iterable[BatchRecord]) -> None:
        """Write what has changed; None removes a job."""
        with self._explained():
            self._database.execute("BEGIN")
            for job_id, record in sorted(jobs.items(), key=_queued_at):  # they are read in this order
                if record is None:
                    self._database.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
                else:
                    self._put("jobs", job_id, _show_job(record))
            for batch in batches:
                self._put("batches", batch.id, _show_batch(batch))
            self._database.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _open(self) -> None:
        """Lock the file, and make the tables of a new one."""
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.execute("BEGIN EXCLUSIVE")
        (written,) = self._database.execute("PRAGMA user_version").fetchone()
        (application,) = self._database.execute("PRAGMA application_id").fetchone()
        tables = {name for (name,) in self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if application not in {0, _APPLICATION} or not tables <= _TABLES:
            raise ArchiveError(f"{self._path} is a database of something else, and is left alone.")
        if written > FORMAT:
            raise ArchiveError(f"{self._path} was written by a newer version of this package (format {written}).")
        if (written, application) != (FORMAT, _APPLICATION):
            self._database.execute("CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, job TEXT NOT NULL)")
            self._database.execute("CREATE TABLE IF NOT EXISTS batches (id TEXT PRIMARY KEY, batch TEXT NOT NULL)")
            self._database.execute(f"PRAGMA user_version = {FORMAT}")
            self._database.execute(f"PRAGMA application_id = {_APPLICATION}")
        self._database.execute("COMMIT")

    def _rows(self, query: str) -> list[dict[str, Any]]:
        return [json.loads(value) for (value,) in self._database.execute(query).fetchall()]

    def _put(self, table: str, key: str, value: dict[str, Any]) -> None:
        column = table.removesuffix("es" if table == "batches" else "s")
        self._database.execute(
            f"INSERT INTO {table} VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET {column} = excluded.{column}",  # noqa: S608 -- names of ours
            (key, json.dumps(value)),
        )

    @contextmanager
    def _explained(self) -> Generator[None]:
        """Report each error as one that names the file."""
        try:
            yield
        except ArchiveError:
            self._database.close()
            raise
        except sqlite3.Error as error:
            self._database.close()
            reason = "another queue uses it" if "locked" in str(error) else str(error)
            raise ArchiveError(f"{self._path} cannot be used to keep jobs: {reason}.") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._database.close()
            raise ArchiveError(f"{self._path} is damaged: {type(error).__name__}: {error}.") from None


def _queued_at(item: tuple[str, JobRecord | None]) -> float:
    record = item[1]
    return 0.0 if record is None else record.queued_at


def _show_job(record: JobRecord) -> dict[str, Any]:
    shown = asdict(record, recurse=False, filter=_FORGOTTEN) | {
        "submission": asdict(record.submission, recurse=False),
        "chunks": [[chunk.output, chunk.metrics] for chunk in record.chunks],
        "history": [[entry.at, entry.kind, entry.value] for entry in record.history],
    }
    if record.output is not ABSENT and not record.has_progress:
        shown["output"] = record.output
    return shown


def _read_job(shown: dict[str, Any]) -> JobRecord:
    fields: dict[str, Any] = {
        "submission": Submission(**shown["submission"]),
        "status": JobStatus(shown["status"]),
        "chunks": [Chunk(*chunk) for chunk in shown["chunks"]],
        "history": deque(HistoryEntry(*entry) for entry in shown.get("history", ())),
    }
    return JobRecord(**shown | fields)


def _show_batch(batch: BatchRecord) -> dict[str, Any]:
    requests = [[request_id, asdict(one, recurse=False)] for request_id, one in batch.requests.items()]
    return asdict(batch, recurse=False) | {"requests": requests}


def _read_batch(shown: dict[str, Any]) -> BatchRecord:
    fields: dict[str, Any] = {"requests": {name: Submission(**one) for name, one in shown["requests"]}}
    return BatchRecord(**shown | fields)
