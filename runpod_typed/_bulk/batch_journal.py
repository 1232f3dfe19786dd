"""The journal of a run over batches: it has each batch before it is finalized, and so before it costs anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from attrs import evolve, frozen

from runpod_typed._bulk.journal import JournalStatus
from runpod_typed._bulk.journal_records import JournalRecord
from runpod_typed._bulk.keys import Keys
from runpod_typed._bulk.options import MapOptions
from runpod_typed._codecs import json
from runpod_typed._codecs.codec import Codec
from runpod_typed._core.batch_run import ActiveBatch, Item, journal_id, split_journal_id
from runpod_typed._core.run_request import RunRequest
from runpod_typed._models.batches import BatchResult
from runpod_typed._models.jobs import with_typed_output
from runpod_typed._models.map_results import MapResult
from runpod_typed._models.poll_policy import PollPolicy
from runpod_typed._models.responses import read_job
from runpod_typed.errors import InputError, JobExpiredError, RunpodError, SubmissionUncertainError, WaitTimeoutError


@frozen(kw_only=True)
class RunSetup:
    """The parts of an endpoint that a run over batches uses."""

    endpoint_id: str
    url: str
    name: str | None
    poll: PollPolicy
    prepare: Callable[[Any], RunRequest]
    output: Codec[Any]


@final
class BatchJournal:
    """Identifies the inputs of a run, and records what becomes of them if there is a journal.

    Raises:
        JournalError: The journal cannot be used.
    """

    def __init__(self, options: MapOptions, setup: RunSetup) -> None:
        self._options = options
        self._setup = setup
        self._writer = options.open_journal(setup.endpoint_id, of_batches=True)
        self._keys = Keys(options.key, self._writer)
        self._entries = dict[str, JournalRecord]()

    def unfinished(self, now: float) -> list[ActiveBatch]:
        """Return the batches that had not ended when the last run did."""
        found = dict[str, ActiveBatch]()
        for entry in () if self._writer is None else self._writer.in_flight():
            ids = split_journal_id(entry.job_id)
            if ids is not None:
                batch_id, request_id = ids
                batch = found.setdefault(batch_id, ActiveBatch(id=batch_id, items={}, finalized_at=now))
                batch.items[request_id] = Item(
                    index=entry.index, value=None, key=entry.key, attempts=entry.attempts, request_id=request_id
                )
                self._entries[entry.key] = entry
        return list(found.values())

    def item(self, index: int, value: Any, body: RunRequest | None) -> Item:
        """Return an input that was read. `body` is None if it cannot be sent.

        Raises:
            ConfigurationError: Another input has the same key.
            JournalError: The key belongs to another input.
        """
        entry = self._keys.entry(index, value, body)
        self._entries[entry.key] = entry
        return Item(index=index, value=value, key=entry.key, body=body, attempts=entry.attempts)

    def known(self, item: Item) -> MapResult[Any, Any] | None:
        """Return the result that the journal has, or None if the input is to be run."""
        entry = self._entries[item.key]
        ids = split_journal_id(entry.job_id)
        item.request_id = entry.job_id if ids is None else ids[1]
        match entry.status:
            case JournalStatus.SUBMITTED:  # it did not finish within the time limit of this run
                return item.result(error=self._unfinished_error(entry), from_journal=True)
            case JournalStatus.UNCERTAIN | JournalStatus.SUBMITTING if not self._options.resubmit_uncertain:
                return item.result(error=self._uncertain_error(), from_journal=True)
            case JournalStatus.SUCCEEDED:
                pass
            case JournalStatus.FAILED if entry.attempts >= self._options.attempts:
                pass
            case _:
                return None
        job = None if entry.job_id is None or self._writer is None else self._writer.job(entry)
        if job is not None:
            state = with_typed_output(read_job(json.decode(job)), self._setup.output)
            return item.result(state, from_journal=True)
        message = entry.error or "The input failed."
        error = InputError(message) if item.request_id is None else JobExpiredError(message, job_id=item.request_id)
        return item.result(error=error, from_journal=True)

    def refused(self, item: Item, error: InputError) -> MapResult[Any, Any]:
        """Record an input that cannot be sent, and return its result."""
        entry = self._entries[item.key]
        if self._keys.is_known(entry):
            self._save(evolve(entry, status=JournalStatus.FAILED, error=str(error)))
        return item.result(error=error)

    def queue(self, draft: ActiveBatch) -> None:
        """Record the requests of a draft that is about to be finalized."""
        for request_id, item in draft.items.items():
            item.attempts += 1
            entry = self._entries[item.key]
            submitted = evolve(
                entry, status=JournalStatus.SUBMITTED, attempts=item.attempts, job_id=journal_id(draft.id, request_id)
            )
            self._save(evolve(submitted, error=None))
        self.flush()

    def withdraw(self, draft: ActiveBatch) -> None:
        """Record that a draft was discarded."""
        for item in draft.items.values():
            item.attempts -= 1
            entry = self._entries[item.key]
            self._save(evolve(entry, status=JournalStatus.WAITING, attempts=item.attempts, job_id=None))
        self.flush()

    def finish(self, item: Item, result: BatchResult[Any]) -> None:
        """Record the result of a request."""
        failure = item.result(result).error
        status = JournalStatus.SUCCEEDED if failure is None else JournalStatus.FAILED
        error = None if failure is None else failure.message
        entry = evolve(self._entries[item.key], status=status, error=error)
        self._save(evolve(entry, job=json.encode(result.to_dict())))

    def lose(self, item: Item, error: RunpodError) -> None:
        """Record a request whose batch has finished without its result. After a time limit, it stays unfinished."""
        if not isinstance(error, WaitTimeoutError):
            self._save(evolve(self._entries[item.key], status=JournalStatus.FAILED, error=error.message))

    def forget(self, item: Item) -> None:
        """Drop an input whose result was delivered."""
        self._entries.pop(item.key, None)

    def flush(self) -> None:
        """Write all changes. Then they survive the process."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Write all changes and close the file. A second call does nothing."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _save(self, entry: JournalRecord) -> None:
        self._entries[entry.key] = evolve(entry, job=None)
        if self._writer is not None:
            self._writer.save(entry)

    def _unfinished_error(self, entry: JournalRecord) -> WaitTimeoutError:
        batch_id, request_id = split_journal_id(entry.job_id) or ("", "")
        error = WaitTimeoutError(
            f"Request {request_id} of batch {batch_id} of endpoint {self._setup.endpoint_id}, which an earlier run "
            "made, did not finish within the time limit. The batch keeps running: the same call collects it later.",
            job=None,
        )
        error.job_id, error.batch_id, error.endpoint_id = request_id, batch_id, self._setup.endpoint_id
        return error

    def _uncertain_error(self) -> SubmissionUncertainError:
        return SubmissionUncertainError(
            "The submission of this input by a map on the same journal was interrupted, and may have made a job. Check "
            "the worker's side effects, or pass resubmit_uncertain=True to run it.",
            operation="run",
            method="POST",
            url=self._setup.url,
            endpoint_id=self._setup.endpoint_id,
        )
