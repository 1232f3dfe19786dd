"""The records of a journal, as a map or a run over batches writes and reads them."""

from __future__ import annotations

from typing import Any, Final, final

from attrs import define

from runpod_typed._models.journal import JournalStatus

COLUMNS: Final = "number, key, position, fingerprint, status, attempts, job_id, error, run"
"""The columns of a record, in the order of `from_row`."""


@final
@define(kw_only=True)  # frozen ones take several times as long to make
class JournalRecord:
    """An input and its job. It is replaced, and never changed."""

    index: int
    key: str
    fingerprint: str
    """A digest of the input's content; empty if it cannot be encoded."""
    status: JournalStatus
    attempts: int = 0
    job_id: str | None = None
    error: str | None = None
    run: int = 0
    """The number of the map that read the input last; 1 for the first on this journal."""
    number: int = 0
    """The row in the file."""
    job: bytes | None = None
    """The finished job as JSON, if it is to be written."""

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> JournalRecord:
        """Return the record of a row with all `COLUMNS`."""
        number, key, position, fingerprint, status, attempts, job_id, error, run = row
        return cls(
            key=key,
            index=position,
            fingerprint=fingerprint,
            status=JournalStatus(status),
            attempts=attempts,
            job_id=job_id,
            error=error,
            run=run,
            number=number,
        )

    def moved(
        self,
        status: JournalStatus,
        *,
        attempts: int | None = None,
        job_id: str | None = None,
        error: str | None = None,
        job: bytes | None = None,
    ) -> JournalRecord:
        """Return the record with another status. `attempts` of None keeps the current value."""
        return JournalRecord(  # attrs.evolve takes several times as long
            index=self.index,
            key=self.key,
            fingerprint=self.fingerprint,
            status=status,
            attempts=self.attempts if attempts is None else attempts,
            job_id=job_id,
            error=error,
            run=self.run,
            number=self.number,
            job=job,
        )


def journal_id(batch_id: str, request_id: str) -> str:
    """Return the id under which a journal has a request of a batch."""
    return f"{batch_id}/{request_id}"


def split_journal_id(job_id: str | None) -> tuple[str, str] | None:
    """Return the batch and the request of an id in a journal, or None if it is the id of a single job."""
    batch_id, _, request_id = (job_id or "").partition("/")
    return (batch_id, request_id) if request_id else None
