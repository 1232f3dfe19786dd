# The drafts of a run over batches.
"""The drafts of a run over batches: filled in an order that can be checked, then finalized or discarded."""

from __future__ import annotations

from typing import Any, final

from runpod_typed._async.batch_calls import PAGE_SIZE, AsyncBatchCalls
from runpod_typed._bulk.batch_journal import BatchJournal, RunSetup
from runpod_typed._core.batch_run import (
    ActiveBatch,
    anchor_count,
    in_order,
    new_id,
    order_error,
)
from runpod_typed._core.bulk import Item, Outage
from runpod_typed._core.run_request import RunRequest
from runpod_typed._logging import logger
from runpod_typed._models.batches import Batch, BatchStatus
from runpod_typed._synchronization import async_sleep, monotonic
from runpod_typed.errors import BadRequestError, ConflictError, RunpodError, UnprocessableEntityError

_LARGE_PAGE = 500
_CANCEL_TIMEOUT = 4.0
_REFUSALS = (BadRequestError, ConflictError, UnprocessableEntityError)
_SETTLING_PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0)


@final
class AsyncDrafts:
    """Makes the drafts of a run. Nothing runs before a draft is finalized."""

    def __init__(self, batches: AsyncBatchCalls[RunRequest, Any], setup: RunSetup, outage: Outage) -> None:
        self._batches = batches
        self._setup = setup
        self._outage = outage
        self._page_size = _LARGE_PAGE

    async def make(self, items: list[Item]) -> ActiveBatch:
        """Return a draft of the inputs. Transient errors are retried."""
        while True:
            try:
                draft = await self._try(items)
            except RunpodError as error:
                if error.batch_id is not None:
                    await self.cancel(error.batch_id)
                await async_sleep(self._outage.pause_after(error, monotonic()))
            else:
                self._outage.passed()
                for item in items:
                    item.body = None
                return draft

    async def _try(self, items: list[Item]) -> ActiveBatch:
        bodies = [item.body for item in items if item.body is not None]
        count = anchor_count(len(bodies))
        batch = await self._batches.create(bodies[:1], self._setup.name)
        anchors = list[str]()
        for number in range(count):
            if number:
                await self._batches.add(batch, [bodies[number]])
            found = new_id(await self._listed(batch, number + 1), anchors)
            if found is None:
                raise order_error(batch.id, self._setup.endpoint_id)
            anchors.append(found)
        ids: list[str] | None = anchors
        if len(bodies) > count:
            await self._batches.add(batch, bodies[count:])
            ids = in_order(await self._listed(batch, len(bodies)), anchors)
        if ids is None or len(ids) != len(bodies):
            raise order_error(batch.id, self._setup.endpoint_id)
        return ActiveBatch(id=batch.id, items=dict(zip(ids, items, strict=True)))

    async def _listed(self, batch: Batch, count: int) -> list[str]:
        """Return the ids of a draft's requests; wait a little if some do not show yet."""
        ids = list[str]()
        for pause in _SETTLING_PAUSES:
            await async_sleep(pause)
            try:
                ids = [result.id async for result in self._batches.results(batch, page_size=self._page_size)]
            except BadRequestError:
                if self._page_size == PAGE_SIZE:
                    raise
                self._page_size = PAGE_SIZE  # the documents show no larger one
                continue
            if len(ids) >= count:
                break
        return ids

    async def discard(self, draft: ActiveBatch, journal: BatchJournal) -> None:
        """Cancel a draft, unless it was finalized after all."""
        try:
            batch = await self._batches.get(draft.id, timeout=_CANCEL_TIMEOUT)
        except RunpodError as error:
            logger.warning("Batch %s could not be cancelled: %s", draft.id, error)
            return
        if batch.status is BatchStatus.DRAFT:
            journal.withdraw(draft)  # first: an unused draft does no harm
            await self.cancel(draft.id)

    async def _others_are_active(self) -> bool:
        return any(batch.status is BatchStatus.FINALIZED and not batch.done for batch in await self._batches.list())

    async def accepted(self, draft: ActiveBatch, *, others_active: bool) -> bool:
        """Finalize a draft; return False if other batches may be the reason that it is refused."""
        try:
            await self._batches.finalize(draft.id)
        except _REFUSALS:
            if (await self._batches.get(draft.id)).status is not BatchStatus.DRAFT:
                return True  # by an earlier call, whose response was lost
            active = others_active or await self._others_are_active()
            if not active and draft.refused_alone:
                raise
            draft.refused_alone = not active  # the others may be done since: only a second refusal counts
            return False
        return True

    async def cancel(self, batch_id: str) -> None:
        """Cancel a batch; a failure is logged."""
        try:
            await self._batches.cancel(batch_id, timeout=_CANCEL_TIMEOUT)
        except RunpodError as error:
            logger.warning("Batch %s could not be cancelled: %s", batch_id, error)
