"""The journal of a map for reading: the jobs that were submitted, and their results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from runpod_typed._codecs import json
from runpod_typed._models.jobs import JobStatus, output_of
from runpod_typed._models.journal import JournalCounts, JournalEntry, JournalStatus
from runpod_typed._models.responses import decode_job, read_job
from runpod_typed.errors import JournalError, RunpodError

if TYPE_CHECKING:
    import sqlite3

FORMAT: Final = 1
APPLICATION_ID: Final = 0x52504A31  # tells our files from other SQLite databases
_LEAST_BYTES: Final = 512  # of a database that is not empty
_COLUMNS: Final = "position, key, status, attempts, entry.job_id, error, CAST(job.content AS BLOB)"


@final
class Journal:
    """The record of a map in one SQLite file: pass it to ``map(journal=...)``, or read it.

    Reading changes nothing, and is safe while a map writes.

    Example:
        ::

            journal = Journal("run.sqlite")
            print(journal.counts())
            for entry in journal.failures():
                print(entry.index, entry.error)
            journal.export_jsonl("results.jsonl")

    Args:
        path: The file. A map makes it if it does not exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    def __repr__(self) -> str:
        return f"Journal({str(self._path)!r})"

    def __fspath__(self) -> str:
        return str(self._path)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def endpoint_id(self) -> str:
        """The endpoint whose jobs it holds.

        Raises:
            JournalError: The file is missing, damaged or not a journal.
        """
        with closing(self._open()) as database, sqlite_errors(self._path):
            return endpoint_id_of(database) or ""

    def __iter__(self) -> Iterator[JournalEntry]:
        """Iterate over all entries, in the order of the inputs."""
        return self._entries(*JournalStatus)

    def results(self) -> Iterator[JournalEntry]:
        """Iterate over the entries with a result, in the order of the inputs.

        Example:
            ``outputs = [entry.output for entry in Journal("run.sqlite").results()]``

        Raises:
            JournalError: The file is missing, damaged or not a journal.
        """
        return self._entries(JournalStatus.SUCCEEDED)

    def failures(self) -> Iterator[JournalEntry]:
        """Iterate over the entries that failed or whose fate is unknown, in the order of the inputs.

        Example:
            ``for entry in Journal("run.sqlite").failures(): print(entry.index, entry.error)``

        Raises:
            JournalError: The file is missing, damaged or not a journal.
        """
        return self._entries(JournalStatus.FAILED, JournalStatus.UNCERTAIN, JournalStatus.SUBMITTING)

    def counts(self) -> JournalCounts:
        """Count the inputs by their progress.

        Example:
            ``print(Journal("run.sqlite").counts().failed)``

        Raises:
            JournalError: The file is missing, damaged or not a journal.
        """
        with closing(self._open()) as database, sqlite_errors(self._path):
            rows: list[tuple[str, int]] = database.execute(
                "SELECT status, count(*) FROM entry GROUP BY status"
            ).fetchall()
        by_status = dict(rows)
        return JournalCounts(
            waiting=by_status.get(JournalStatus.WAITING, 0),
            succeeded=by_status.get(JournalStatus.SUCCEEDED, 0),
            failed=by_status.get(JournalStatus.FAILED, 0),
            in_flight=by_status.get(JournalStatus.SUBMITTED, 0),
            uncertain=by_status.get(JournalStatus.UNCERTAIN, 0) + by_status.get(JournalStatus.SUBMITTING, 0),
        )

    def export_jsonl(self, path: str | os.PathLike[str]) -> int:
        """Write one JSON object per input: index, key, status, job_id, attempts, output and error.

        Example:
            ``Journal("run.sqlite").export_jsonl("results.jsonl")``

        Args:
            path: The file to write. An existing one is replaced.

        Returns:
            The number of lines.

        Raises:
            JournalError: The journal is missing, damaged, not a journal, or the file to write.
        """
        self.counts()  # raises before the other file is replaced
        target = Path(path)
        if target.exists() and target.samefile(self._path):
            raise JournalError(f"The journal {self._path} would be overwritten by its own export. Pass another path.")
        lines = 0
        with target.open("wb") as file:
            for entry in self:
                file.write(_json_line(entry))
                lines += 1
        return lines

    def _entries(self, *statuses: JournalStatus) -> Iterator[JournalEntry]:
        wanted = ", ".join(f"'{status}'" for status in statuses)
        query = (
            f"SELECT {_COLUMNS} FROM entry "  # noqa: S608 -- constants
            "LEFT JOIN job ON job.entry = entry.number AND job.id = entry.job_id "
            f"WHERE status IN ({wanted}) ORDER BY position, number"
        )
        with closing(self._open()) as database, sqlite_errors(self._path):
            for row in database.execute(query):
                yield _entry(row)

    def _open(self) -> sqlite3.Connection:
        if not self._path.is_file():
            raise JournalError(f"There is no journal at {self._path}. Check the path.")
        return connect(self._path, "ro")


def _entry(row: tuple[Any, ...]) -> JournalEntry:
    position, key, status, attempts, job_id, error, job = row
    return JournalEntry(
        index=position,
        key=key,
        status=JournalStatus(status),
        attempts=attempts,
        job_id=job_id,
        error=error,
        state=None if job is None else read_job(decode_job(job)),
    )


def _json_line(entry: JournalEntry) -> bytes:
    state = entry.state
    fields = {
        "index": entry.index,
        "key": entry.key,
        "status": str(entry.status),
        "job_id": entry.job_id,
        "attempts": entry.attempts,
        "output": None if state is None or state.status is not JobStatus.COMPLETED else output_of(state).plain,
        "error": entry.error,
    }
    return json.encode_as_decoded(fields) + b"\n"


@final
class sqlite_errors:  # noqa: N801 -- used like a function
    """Report an error of SQLite, or a value that cannot be read, as a `JournalError` that names the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        import sqlite3  # noqa: PLC0415 -- slow to import, and needed for journals alone

        if isinstance(error, sqlite3.Error):
            raise JournalError(
                f"The journal {self._path} cannot be used: {error}. Restore it, or use another file."
            ) from error
        if isinstance(error, ValueError) and not isinstance(error, RunpodError):
            raise damaged(self._path, error) from error


def damaged(path: Path, problem: object) -> JournalError:
    """Return the error for a journal that no map has left so."""
    return JournalError(f"The journal {path} is damaged: {problem}. Restore it, or use another file.")


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open the database, if it is a journal or empty.

    Raises:
        JournalError: It cannot be opened, or is something else.
    """
    import sqlite3  # noqa: PLC0415 -- slow to import, and needed for journals alone

    with sqlite_errors(path):
        # One thread at a time uses it; the thread that opens it may be another than the one that closes it.
        database = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, check_same_thread=False, timeout=10
        )
        try:
            _check_format(database, path)
        except BaseException:
            database.close()
            raise
    return database


def _check_format(database: sqlite3.Connection, path: Path) -> None:
    (application_id,) = database.execute("PRAGMA application_id").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application_id != APPLICATION_ID and tables:
        raise JournalError(f"{path} is a SQLite database, but not a journal of a map. Use another file.")
    if 0 < path.stat().st_size < _LEAST_BYTES:
        raise damaged(path, "it was cut off")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > FORMAT:
        raise JournalError(f"The journal {path} was written by a newer version of this package: upgrade it.")


def endpoint_id_of(database: sqlite3.Connection) -> str | None:
    """Return the endpoint of a journal, or None if it is new."""
    row: tuple[str] | None = database.execute("SELECT endpoint_id FROM about").fetchone()
    return None if row is None else row[0]
