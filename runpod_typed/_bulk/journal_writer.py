"""The journal of a map for writing, by one map at a time."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from attrs import evolve

from runpod_typed._bulk.journal import (
    APPLICATION_ID,
    FORMAT,
    connect,
    damaged,
    endpoint_id_of,
    sqlite_errors,
)
from runpod_typed._core.bulk import repeated_key
from runpod_typed._core.journal_records import COLUMNS, JournalRecord
from runpod_typed._models.jobs import JobState
from runpod_typed._models.journal import JournalStatus
from runpod_typed._models.responses import decode_job, read_job
from runpod_typed.errors import JournalError

if TYPE_CHECKING:
    import sqlite3

# Rows have numbers in the order of their inputs, so that the changes of one moment are on few pages. Jobs have their
# own table, so that a change of an entry does not rewrite its result.
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS about (endpoint_id TEXT NOT NULL, runs INTEGER NOT NULL)",
    """CREATE TABLE IF NOT EXISTS entry (
        number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, position INTEGER NOT NULL, fingerprint TEXT NOT NULL,
        status TEXT NOT NULL, attempts INTEGER NOT NULL, job_id TEXT, error TEXT, run INTEGER NOT NULL
    )""",
    "CREATE TABLE IF NOT EXISTS job (entry INTEGER PRIMARY KEY, id TEXT NOT NULL, content BLOB NOT NULL)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)
_INSERT: Final = (
    "INSERT INTO entry (position, fingerprint, status, attempts, job_id, error, run, number, key) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_UPDATE: Final = (  # an upsert takes longer
    "UPDATE entry SET position = ?, fingerprint = ?, status = ?, attempts = ?, job_id = ?, error = ?, run = ? "
    "WHERE number = ?"
)
_SAVE_JOB: Final = "INSERT OR REPLACE INTO job (entry, id, content) VALUES (?, ?, ?)"
_FIND: Final = f"SELECT {COLUMNS} FROM entry WHERE key = ?"  # noqa: S608 -- constants
_WRONG: Final = (
    "typeof(key) || typeof(position) || typeof(fingerprint) != 'textintegertext'",
    "typeof(attempts) || typeof(run) != 'integerinteger'",
    "typeof(job_id) NOT IN ('text', 'null')",
    "typeof(error) NOT IN ('text', 'null')",
    f"status NOT IN ({str([*map(str, JournalStatus)])[1:-1]})",
    "status = 'submitted' AND job_id IS NULL",
)
_FIND_WRONG: Final = f"SELECT position FROM entry WHERE {' OR '.join(_WRONG)} LIMIT 1"  # noqa: S608 -- constants
_SLOTS: Final = 2**21  # bytes; one is set for each hash of a key that was used
_FIND_JOB: Final = "SELECT CAST(content AS BLOB) FROM job WHERE entry = ? AND id = ?"
_IN_FLIGHT: Final = f"SELECT {COLUMNS} FROM entry WHERE status = ?"  # noqa: S608 -- constants


@final
class JournalWriter:
    """A journal that one map writes. `flush` writes all changes since the last one, in one transaction.

    Args:
        path: The file.
        endpoint_id: The endpoint of the map.

    Raises:
        JournalError: The file cannot be written, is damaged, is in use, or belongs to another endpoint.
    """

    def __init__(self, path: Path, endpoint_id: str) -> None:
        self.run: int = 0
        self._path = path
        self._pending: dict[str, JournalRecord] = {}
        self._repeats: dict[str, int] = {}
        self._lock = _lock(path)
        try:
            self._database = connect(path, "rwc")
            try:
                self._prepare(endpoint_id)
            except BaseException:
                self._database.close()
                raise
        except BaseException:
            self._lock.close()
            raise

    def _prepare(self, endpoint_id: str) -> None:
        database = self._database
        with sqlite_errors(self._path):
            (problem,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if problem != "ok":
                raise damaged(self._path, problem)
            database.execute("PRAGMA journal_mode = WAL")
            # A killed process loses nothing. A power failure may lose the last moments.
            database.execute("PRAGMA synchronous = NORMAL")
            with database:
                database.execute("BEGIN IMMEDIATE")
                for statement in _SCHEMA:
                    database.execute(statement)
                wrong = database.execute(_FIND_WRONG).fetchone()
                if wrong is not None:
                    raise damaged(self._path, f"the entry of input {wrong[0]} is not as a map writes it")
                (last,) = database.execute("SELECT max(number) FROM entry").fetchone()
                known = endpoint_id_of(database)
                if known is None and last is not None:
                    raise damaged(self._path, "its endpoint is missing")
                if known is None:
                    database.execute("INSERT INTO about VALUES (?, 0)", (endpoint_id,))
                elif known != endpoint_id:
                    raise JournalError(
                        f"The journal {self._path} belongs to endpoint {known}, not {endpoint_id}. Use another file."
                    )
                database.execute("UPDATE about SET runs = runs + 1")
                self.run = database.execute("SELECT runs FROM about").fetchone()[0]
                self._last_number: int = last or 0
                self._last_written = self._last_number
                self._slots = None if last else bytearray(_SLOTS)

    def in_flight(self) -> list[JournalRecord]:
        """Return the entries of jobs that had not finished when the last map ended."""
        with sqlite_errors(self._path):
            return [
                JournalRecord.from_row(row) for row in self._database.execute(_IN_FLIGHT, (JournalStatus.SUBMITTED,))
            ]

    def find(self, key: str) -> JournalRecord | None:
        """Return the entry of a key, or None."""
        pending = self._pending.get(key)
        if pending is not None:
            return pending
        if self._slots is not None and not self._slots[hash(key) % _SLOTS]:
            return None  # the journal was empty, and this key is new
        with sqlite_errors(self._path):
            row = self._database.execute(_FIND, (key,)).fetchone()
        return None if row is None else JournalRecord.from_row(row)

    def job(self, entry: JournalRecord) -> JobState[Any] | None:
        """Return the finished job of an entry, its output as it came, or None.

        Raises:
            JournalError: The journal is damaged.
        """
        with sqlite_errors(self._path):
            row = self._database.execute(_FIND_JOB, (entry.number, entry.job_id)).fetchone()
            content = entry.job or (None if row is None else row[0])
            if content is None and entry.status is JournalStatus.SUCCEEDED:
                raise damaged(self._path, f"the result of input {entry.index} is missing")
            return None if content is None else read_job(decode_job(content))

    def claim(self, index: int, key: str | None, fingerprint: str) -> JournalRecord:
        """Return the entry of an input that the map has read, a new one if it is not known.

        Without a key, an input is known by its content. The first input with the same content has the first such
        entry, the second one the second, and so on.

        Raises:
            ConfigurationError: Another input of the map has the same key.
            JournalError: The key belongs to another input.
        """
        if key is not None:
            entry = self.find(key)
            if entry is not None and entry.run == self.run:
                raise repeated_key(key)
            if entry is not None and fingerprint != entry.fingerprint and fingerprint and entry.fingerprint:
                raise JournalError(
                    f"The journal {self._path} has another input under the key {key!r}. Use another file or key."
                )
        else:
            key, entry = self._find_content(fingerprint)
        if entry is None:
            self._last_number += 1
            entry = JournalRecord(
                index=index,
                key=key,
                fingerprint=fingerprint,
                status=JournalStatus.WAITING,
                run=self.run,
                number=self._last_number,
            )
        else:
            entry = evolve(entry, index=index, fingerprint=fingerprint, run=self.run)
        self.save(entry)
        return entry

    def _find_content(self, fingerprint: str) -> tuple[str, JournalRecord | None]:
        number = self._repeats.get(fingerprint, 0) + 1
        key = fingerprint if number == 1 else f"{fingerprint}-{number}"
        entry = self.find(key)
        if number == 1 and entry is not None and entry.run == self.run:
            self._repeats[fingerprint] = 1  # only repeated inputs are kept in memory
            return self._find_content(fingerprint)
        if number > 1:
            self._repeats[fingerprint] = number
        return key, entry

    def save(self, entry: JournalRecord) -> None:
        """Remember a change until the next `flush`."""
        self._pending[entry.key] = entry
        if self._slots is not None:
            self._slots[hash(entry.key) % _SLOTS] = 1

    def flush(self) -> None:
        """Write all changes since the last `flush`. Then they survive the process.

        Raises:
            JournalError: The file cannot be written.
        """
        if not self._pending:
            return
        new = list[tuple[Any, ...]]()
        changed = list[tuple[Any, ...]]()
        jobs = list[tuple[Any, ...]]()
        for e in self._pending.values():
            # An enum's member is not bound as fast as a plain string.
            row = e.index, e.fingerprint, str(e.status), e.attempts, e.job_id, e.error, e.run, e.number
            if e.number > self._last_written:
                new.append((*row, e.key))
            else:
                changed.append(row)
            if e.job is not None:
                jobs.append((e.number, e.job_id, e.job))
        with sqlite_errors(self._path), self._database:
            for statement, rows in ((_INSERT, new), (_UPDATE, changed), (_SAVE_JOB, jobs)):
                if rows:
                    self._database.executemany(statement, rows)
        self._last_written = max((row[-2] for row in new), default=self._last_written)
        self._pending.clear()

    def close(self) -> None:
        """Write what is left and close the file. A second call does nothing."""
        import sqlite3  # noqa: PLC0415 -- imported already

        try:
            with suppress(sqlite3.ProgrammingError):  # it is closed
                self.flush()
                with suppress(sqlite3.OperationalError):  # a reader has it open
                    self._database.execute("PRAGMA journal_mode = DELETE")  # leaves one file
        finally:
            self._database.close()
            self._lock.close()


def _lock(path: Path) -> sqlite3.Connection:
    """Take the lock of a journal. The operating system releases it when the process ends, even by SIGKILL."""
    import sqlite3  # noqa: PLC0415 -- slow to import, and needed for journals alone

    try:
        if path.is_dir():
            raise JournalError(f"The journal {path} is a folder. Name a file in it.")
        # A link to the journal has the same lock.
        database = sqlite3.connect(f"{path.resolve()}-lock", check_same_thread=False, timeout=0, isolation_level=None)
    except (sqlite3.Error, OSError, RuntimeError, ValueError) as error:  # links in a circle, a NUL character
        raise JournalError(
            f"The journal {path} cannot be written: {error}. Check that its folder exists and can be written."
        ) from error
    try:
        database.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        database.close()
        if "locked" in str(error):
            raise JournalError(
                f"The journal {path} is in use by another map, in this process or another one. Wait until that map "
                "ends, or use another file."
            ) from None
        raise JournalError(f"The journal {path} cannot be written: {path}-lock: {error}.") from error
    return database
