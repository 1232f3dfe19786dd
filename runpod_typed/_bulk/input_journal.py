"""The inputs of a map or of a run over batches: identified, and recorded if there is a journal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from hashlib import blake2b
from typing import Any, Final, final

from attrs import evolve

from runpod_typed._bulk.journal_writer import JournalWriter
from runpod_typed._bulk.options import MapOptions
from runpod_typed._bulk.tasks import turn_of_loop
from runpod_typed._codecs import json
from runpod_typed._core.bulk import Item, checked_key, repeated_key
from runpod_typed._core.journal_records import JournalRecord, split_journal_id
from runpod_typed._core.run_request import RunRequest
from runpod_typed._models.jobs import JobState, JobStatus
from runpod_typed._models.journal import JournalStatus
from runpod_typed.errors import InputError, JobExpiredError, JournalError, RunpodError, SubmissionUncertainError

_DIGEST_BYTES = 16
_LEFT: Final = "The call was left, and has cancelled the job."


class InputJournal:
    """Identifies the inputs, and records what becomes of them if there is a journal.

    Args:
        options: The options of the call.
        endpoint_id: The endpoint.
        url: The URL of a submission.
        of_batches: Whether the jobs are requests of batches.

    Raises:
        JournalError: The journal cannot be used, or has unfinished jobs of the other call.
    """

    def __init__(self, options: MapOptions, endpoint_id: str, url: str, *, of_batches: bool) -> None:
        self._options, self._endpoint_id, self._url = options, endpoint_id, url
        self._seen = set[str]()
        self._writer = None if options.journal is None else JournalWriter(options.journal, endpoint_id)
        others = [record for record in self.in_flight() if (split_journal_id(record.job_id) is None) is of_batches]
        if others:
            self.close()
            call = "endpoint.map()" if of_batches else "endpoint.batches.run()"
            raise JournalError(
                f"The journal {options.journal} has {len(others)} unfinished jobs of {call}. Make that call with the "
                "same inputs and journal first: it collects their results."
            )

    @property
    def is_file(self) -> bool:
        """True if there is a journal."""
        return self._writer is not None

    def in_flight(self) -> list[JournalRecord]:
        """Return the records of jobs that had not finished when the last call ended."""
        return [] if self._writer is None else self._writer.in_flight()

    def item(self, index: int, value: Any, prepare: Callable[[Any], RunRequest]) -> Item:
        """Return an input that was read, with its record if the journal has one.

        Raises:
            ConfigurationError: Another input has the same key.
            JournalError: The key belongs to another input.
        """
        body, refused = None, None
        try:
            body = prepare(value)
        except InputError as error:
            refused = error
        return Item(value=value, record=self._record(index, value, body), body=body, error=refused)

    def _record(self, index: int, value: Any, body: RunRequest | None) -> JournalRecord:
        key_of = self._options.key
        key = None if key_of is None else checked_key(key_of(value))
        if self._writer is not None and (key is not None or body is not None):
            return self._writer.claim(index, key, "" if body is None else _fingerprint(body))
        if key is not None:
            if key in self._seen:
                raise repeated_key(key)
            self._seen.add(key)
        return JournalRecord(index=index, key=key or str(index), fingerprint="", status=JournalStatus.WAITING)

    def can_record(self, item: Item) -> bool:
        """Return True if a later call knows the input again: one that cannot be sent is known by its key alone."""
        return self._options.key is not None or bool(item.record.fingerprint)

    def known(self, item: Item) -> JobState[Any] | RunpodError | None:
        """Return the finished job or the error that the journal has, or None if there is something to do."""
        record = item.record
        match record.status:
            case JournalStatus.SUCCEEDED:
                pass
            case JournalStatus.FAILED if record.attempts >= self._options.attempts:
                pass
            case JournalStatus.UNCERTAIN | JournalStatus.SUBMITTING if not self._options.resubmit_uncertain:
                return self._uncertain_error()
            case _:
                return None
        job = None if record.job_id is None or self._writer is None else self._writer.job(record)
        if job is not None:
            return evolve(job, endpoint_id=self._endpoint_id)
        message, job_id = record.error or "The input failed.", item.job_id
        return InputError(message) if job_id is None else JobExpiredError(message, job_id=job_id)

    def save(self, item: Item, record: JournalRecord) -> None:
        """Record the progress of an input until the next `flush`."""
        item.record = record
        if self._writer is not None:
            self._writer.save(record)

    def flush(self) -> None:
        """Write all changes. Then they survive the process."""
        if self._writer is not None:
            self._writer.flush()

    def leave(self, items: Iterable[Item]) -> None:
        """Record that jobs are about to be cancelled: the same call runs again what did not run."""
        for item in items:
            self.save(item, evolve(item.record, error=_LEFT))
        with suppress(JournalError):  # which `close` raises again
            self.flush()

    def is_left(self, item: Item, state: JobState[Any]) -> bool:
        """Return whether a job was cancelled because an earlier call was left."""
        return state.status is JobStatus.CANCELLED and item.record.error == _LEFT

    def close(self) -> None:
        """Write all changes and close the file. A second call does nothing."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _uncertain_error(self) -> SubmissionUncertainError:
        return SubmissionUncertainError(
            "The submission of this input by an earlier call was interrupted, and may have made a job. Check the "
            "worker's side effects, or pass resubmit_uncertain=True to run it again.",
            operation="run",
            method="POST",
            url=self._url,
            endpoint_id=self._endpoint_id,
        )


@final
class MapJournal(InputJournal):
    """Records the jobs of a map, many at a time."""

    def __init__(self, options: MapOptions, endpoint_id: str, url: str) -> None:
        super().__init__(options, endpoint_id, url, of_batches=False)
        self._uncommitted = object()
        self._turn: Callable[[], Awaitable[None]] | None = None
        self._error: JournalError | None = None

    async def commit(self, item: Item, record: JournalRecord) -> None:
        """Write the progress of an input. What is written in the same turn of the event loop shares a transaction.

        Raises:
            JournalError: The file cannot be written.
        """
        self.save(item, record)
        if self._writer is None:
            return
        if self._turn is None:
            self._turn = turn_of_loop()
        commit = self._uncommitted
        await self._turn()
        if commit is self._uncommitted:
            self._uncommitted = object()
            try:
                self.flush()
            except JournalError as error:
                self._error = error
        if self._error is not None:
            raise self._error


def _fingerprint(body: RunRequest) -> str:
    """Return a digest of an input's content. The order of an object's fields does not matter."""
    return blake2b(json.encode_sorted(body.input_), digest_size=_DIGEST_BYTES).hexdigest()
