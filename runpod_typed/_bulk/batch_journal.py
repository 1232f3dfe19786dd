"""The journal of a run over batches: it has each batch before it is finalized, and so before it costs anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from attrs import evolve, frozen
from typing_extensions import override

from runpod_typed._bulk.input_journal import InputJournal
from runpod_typed._bulk.options import MapOptions
from runpod_typed._codecs import json
from runpod_typed._codecs.codec import Codec
from runpod_typed._core.batch_run import ActiveBatch
from runpod_typed._core.bulk import Item, failure_of
from runpod_typed._core.journal_records import journal_id, split_journal_id
from runpod_typed._core.run_request import RunRequest
from runpod_typed._models.batches import BatchResult
from runpod_typed._models.jobs import JobState, with_typed_output
from runpod_typed._models.journal import JournalStatus
from runpod_typed._models.poll_policy import PollPolicy
from runpod_typed.errors import InputError, RunpodError, WaitTimeoutError


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
class BatchJournal(InputJournal):
    """Records the batches of a run, and what becomes of their requests."""

    def __init__(self, options: MapOptions, setup: RunSetup) -> None:
        super().__init__(options, setup.endpoint_id, setup.url, of_batches=True)
        self._output = setup.output

    def unfinished(self, now: float) -> list[ActiveBatch]:
        """Return the batches that had not ended when the last run did."""
        found = dict[str, ActiveBatch]()
        for record in self.in_flight():
            ids = split_journal_id(record.job_id)
            if ids is not None:
                batch = found.setdefault(ids[0], ActiveBatch(id=ids[0], items={}, finalized_at=now))
                batch.items[ids[1]] = Item(value=None, record=record)
        return list(found.values())

    @override
    def known(self, item: Item) -> JobState[Any] | RunpodError | None:
        if item.record.status is JournalStatus.SUBMITTED:  # it did not finish within the time limit of this run
            return self._unfinished_error(item)
        outcome = super().known(item)
        return with_typed_output(outcome, self._output) if isinstance(outcome, JobState) else outcome

    def refuse(self, item: Item, error: InputError) -> None:
        """Record an input that cannot be sent."""
        if self.can_record(item):
            self.save(item, item.record.moved(JournalStatus.FAILED, error=str(error)))

    def queue(self, draft: ActiveBatch) -> None:
        """Record the requests of a draft that is about to be finalized."""
        for request_id, item in draft.items.items():
            job_id, attempts = journal_id(draft.id, request_id), item.record.attempts + 1
            self.save(item, item.record.moved(JournalStatus.SUBMITTED, job_id=job_id, attempts=attempts))
        self.flush()

    def withdraw(self, draft: ActiveBatch) -> None:
        """Record that a draft was discarded."""
        for item in draft.items.values():
            self.save(item, item.record.moved(JournalStatus.WAITING, attempts=item.record.attempts - 1))
        self.flush()

    def finish(self, item: Item, result: BatchResult[Any]) -> None:
        """Record the result of a request."""
        if self.is_left(item, result):
            self.save(item, item.record.moved(JournalStatus.WAITING))
            return
        failure = failure_of(result)
        status = JournalStatus.SUCCEEDED if failure is None else JournalStatus.FAILED
        error = None if failure is None else failure.message
        self.save(item, evolve(item.record, status=status, error=error, job=json.encode_as_decoded(result.to_dict())))
        item.record = evolve(item.record, job=None)

    def lose(self, item: Item, error: RunpodError) -> None:
        """Record a request whose batch has finished without its result. After a time limit, it stays unfinished."""
        if not isinstance(error, WaitTimeoutError):
            self.save(item, evolve(item.record, status=JournalStatus.FAILED, error=error.message))

    def _unfinished_error(self, item: Item) -> WaitTimeoutError:
        batch_id, request_id = split_journal_id(item.record.job_id) or ("", "")
        error = WaitTimeoutError(
            f"Request {request_id} of batch {batch_id} of endpoint {self._endpoint_id}, which an earlier run "
            "made, did not finish within the time limit. The batch keeps running: the same call collects it later.",
            job=None,
        )
        error.job_id, error.batch_id, error.endpoint_id = request_id, batch_id, self._endpoint_id
        return error
