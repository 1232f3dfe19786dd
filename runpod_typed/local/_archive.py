"""Jobs in a file: an SQLite database that outlives the queue."""

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from runpod_typed.local._engine.records import ABSENT, Chunk, JobRecord, JobStatus, Submission

_PLAIN = (
    "id",
    "batch_id",
    "retention",
    "execution_timeout",
    "worker_id",
    "error",
    "retries",
    "redispatches",
)
_TIMES = ("queued_at", "visible_at", "expires_at", "started_at", "ended_at")
_SUBMISSION = ("input", "webhook", "execution_timeout", "ttl", "low_priority", "s3_config")


class ArchiveError(Exception):
    """The file cannot be used."""


class Archive:
    """The database. It is locked as long as it is open: two queues on one file would undo each other's work."""

    def __init__(self, path: Path) -> None:
        try:
            self._database = sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("BEGIN EXCLUSIVE")
            self._database.execute("CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, job TEXT NOT NULL)")
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            reason = "another queue uses it" if "locked" in str(error) else str(error)
            raise ArchiveError(f"{path} cannot be used to keep jobs: {reason}") from None

    def load(self, epoch: float) -> list[JobRecord]:
        """Return the jobs, oldest first. `epoch` is the wall-clock time at the engine's time 0."""
        rows = self._database.execute("SELECT job FROM jobs ORDER BY rowid")
        return [_read(json.loads(job), epoch) for (job,) in rows]

    def save(self, changed: Iterable[tuple[str, JobRecord | None]], epoch: float) -> None:
        """Write the jobs that have changed; None removes one."""
        self._database.execute("BEGIN")
        for job_id, record in changed:
            if record is None:
                self._database.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
            else:
                self._database.execute(
                    "INSERT INTO jobs VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET job = excluded.job",
                    (job_id, json.dumps(_show(record, epoch))),
                )
        self._database.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _show(record: JobRecord, epoch: float) -> dict[str, Any]:
    shown: dict[str, Any] = {name: getattr(record, name) for name in _PLAIN}
    for name in _TIMES:
        at: float | None = getattr(record, name)
        shown[name] = None if at is None else epoch + at
    shown["status"] = record.status.value
    shown["submission"] = {name: getattr(record.submission, name) for name in _SUBMISSION}
    shown["chunks"] = [[chunk.output, chunk.metrics] for chunk in record.chunks]
    if record.output is not ABSENT and not record.has_progress:
        shown["output"] = record.output
    return shown


def _read(shown: dict[str, Any], epoch: float) -> JobRecord:
    """Return a job. One that ran when the queue ended waits again."""
    times: dict[str, Any] = {name: None if shown[name] is None else shown[name] - epoch for name in _TIMES}
    record = JobRecord(
        **{name: shown[name] for name in _PLAIN},
        **times,
        submission=Submission(**shown["submission"]),
        status=JobStatus(shown["status"]),
        output=shown.get("output", ABSENT),
        chunks=[Chunk(output, metrics) for output, metrics in shown["chunks"]],
    )
    if record.status is JobStatus.IN_PROGRESS:
        record.reset()
        record.retries += 1
        record.status = JobStatus.IN_QUEUE
    return record
