# The batches of an endpoint.
"""The batches of an endpoint: drafts of many requests, which run when the endpoint has capacity."""

from __future__ import annotations

import builtins
import os
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, Literal, cast, final

from typing_extensions import TypeVar

from runpod_typed._async.executor import AsyncRequestExecutor
from runpod_typed._codecs.codec import Codec
from runpod_typed._core import batch_operations as operations
from runpod_typed._core.batches import (
    BatchErrors,
    PageReader,
    as_batch_id,
    build_bodies,
    filled_draft,
    may_be_done,
    typed_result,
)
from runpod_typed._core.config import CallConfig
from runpod_typed._core.requests import Request
from runpod_typed._core.run_request import RunRequest, check_run_options
from runpod_typed._models.batch_responses import changed_batch
from runpod_typed._models.batches import Batch, BatchResult, BatchStatus
from runpod_typed._models.durations import Duration
from runpod_typed._models.map_results import MapProgress
from runpod_typed._models.options import ExecutionPolicy, S3Config
from runpod_typed._models.validators import check_batch_request_id, check_name
from runpod_typed._synchronization import AsyncInputs, async_input_kinds, deadline_after
from runpod_typed.errors import APIError, BadRequestError, ConflictError, NotFoundError

if TYPE_CHECKING:
    from runpod_typed._async.batch_run import AsyncBatchRun

In = TypeVar("In", default=Any, contravariant=True)
Out = TypeVar("Out", default=Any, covariant=True)
InT = TypeVar("InT")
T = TypeVar("T")

PAGE_SIZE = 50
"""Requests of a page in the documents."""


def _as_it_is(value: object, *_: object) -> RunRequest:
    """Return a request that is built already."""
    return cast("RunRequest", value)


@final
class AsyncBatches(Generic[In, Out]):
    """The batches of an endpoint, as ``endpoint.batches``.

    A batch is a draft until it is finalized: nothing runs and nothing is paid for before. A batch takes up to 5,000
    requests, and an endpoint runs up to 10 batches at a time. Runpod prices batches below single jobs, and does not
    promise when they start.

    Example:
        ::

            batch = await endpoint.batches.create([{"prompt": "a lighthouse"}, {"prompt": "a harbor"}], name="pictures")
            await endpoint.batches.finalize(batch)
    """

    __slots__ = ("_body", "_config", "_endpoint_id", "_executor", "_output")

    def __init__(
        self,
        executor: AsyncRequestExecutor,
        config: CallConfig,
        endpoint_id: str,
        body: Callable[..., RunRequest],
        output: Codec[Any],
    ) -> None:
        self._executor = executor
        self._config = config
        self._endpoint_id = endpoint_id
        self._body = body
        self._output = output

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._endpoint_id!r})"

    async def create(
        self,
        inputs: Iterable[In] = (),
        name: str | None = None,
        *,
        webhook: str | None = None,
        policy: ExecutionPolicy | None = None,
        s3_config: S3Config | None = None,
        timeout: Duration | None = None,
    ) -> Batch:
        """Create a draft with the given inputs, or an empty one. It runs nothing until it is finalized.

        Example:
            ``batch = await endpoint.batches.create(prompts, name="nightly captions")``

        Args:
            inputs: Up to 5,000 inputs, each as for `run`. What exceeds 10 MiB is added in further calls.
            name: The display name.
            webhook: The URL that the platform posts each finished request to.
            policy: Limits and priority of each request.
            s3_config: The bucket for large results.
            timeout: Seconds (or a timedelta) that the creation may take with all its calls, above 0; None for the
                budget of the retry policy for each call.

        Raises:
            InputError: An input cannot be sent, or there are more than 5,000. Nothing was sent.
            SubmissionUncertainError: The batch may or may not exist. A draft costs nothing.
            APIError: A call failed for good. If the batch was created, ``error.batch_id`` is its id.
        """
        check_name(name)
        deadline = deadline_after(timeout)
        first, *rest = self._requests(inputs, webhook, policy, s3_config)
        batch = await self._call(operations.create(self._endpoint_id, first), deadline)
        sent = len(first)
        with BatchErrors(self._endpoint_id, batch.id) as errors:
            for bodies in rest:
                errors.advise(f"The batch is a draft with the first {sent} inputs, and runs nothing")
                await self._call(operations.append(self._endpoint_id, batch.id, bodies), deadline)
                sent += len(bodies)
            if name is not None:
                errors.advise(f"The batch is a draft with all {sent} inputs, and it may have no name")
                await self._call(operations.rename(self._endpoint_id, batch.id, name), deadline)
        return filled_draft(batch, sent, name)

    async def add(
        self,
        batch: Batch | str,
        inputs: Iterable[In],
        *,
        webhook: str | None = None,
        policy: ExecutionPolicy | None = None,
        s3_config: S3Config | None = None,
        timeout: Duration | None = None,
    ) -> Batch:
        """Add inputs to a draft. A batch may have 5,000 in all.

        Example:
            ``await endpoint.batches.add(batch, more_prompts)``

        Args:
            batch: The draft, or its id.
            inputs: The inputs, each as for `run`. What exceeds 10 MiB is added in further calls.
            webhook: The URL that the platform posts each finished request to.
            policy: Limits and priority of each request.
            s3_config: The bucket for large results.
            timeout: Seconds (or a timedelta) that it may take with all its calls, above 0; None for the budget of the
                retry policy for each call.

        Raises:
            InputError: An input cannot be sent, or there are more than 5,000. Nothing was sent.
            SubmissionUncertainError: The inputs may or may not be in the batch.
            APIError: A call failed for good, for example because the batch is not a draft any more.
        """
        deadline = deadline_after(timeout)
        batch_id = as_batch_id(batch)
        calls = self._requests(inputs, webhook, policy, s3_config)
        sent, response = 0, None
        with BatchErrors(self._endpoint_id, batch_id) as errors:
            for bodies in calls:
                if sent:
                    errors.advise(f"The first {sent} of the inputs are in the batch")
                response = await self._call(operations.append(self._endpoint_id, batch_id, bodies), deadline)
                sent += len(bodies)
        return changed_batch(batch_id, response)

    async def finalize(self, batch: Batch | str, *, timeout: Duration | None = None) -> Batch:
        """Close a draft and queue its requests, which are paid for from now on.

        Example:
            ``await endpoint.batches.finalize(batch)``

        Args:
            batch: The draft, or its id.
            timeout: Seconds (or a timedelta) that the call may take with its retries, above 0; None for the budget of
                the retry policy.

        Raises:
            APIError: The call failed for good, for example because 10 batches are active.
        """
        batch_id = as_batch_id(batch)
        deadline, lost = deadline_after(timeout), builtins.list[APIError]()
        with BatchErrors(self._endpoint_id, batch_id):
            try:
                response = await self._call(operations.finalize(self._endpoint_id, batch_id), deadline, lost.append)
            except (BadRequestError, ConflictError):
                # Perhaps an earlier attempt, whose response was lost, has finalized it already.
                if not may_be_done(lost):
                    raise
                found = await self._call(operations.get(self._endpoint_id, batch_id), deadline)
                if found.status is BatchStatus.DRAFT:
                    raise
                return found
        return changed_batch(batch_id, response)

    async def list(self, *, timeout: Duration | None = None) -> builtins.list[Batch]:
        """Return the batches of the endpoint, newest first.

        Example:
            ``drafts = [batch for batch in await endpoint.batches.list() if batch.status == "DRAFT"]``

        Args:
            timeout: Seconds (or a timedelta) that it may take with all its calls, above 0; None for the budget of the
                retry policy for each call.

        Raises:
            APIError: A call failed for good.
        """
        deadline, found = deadline_after(timeout), dict[str, Batch]()
        while True:
            count = len(found)
            batches, more = await self._call(operations.list_all(self._endpoint_id, offset=count), deadline)
            found.update({batch.id: batch for batch in batches})
            if not more or len(found) == count:
                return builtins.list(found.values())

    async def get(self, batch: Batch | str, *, timeout: Duration | None = None) -> Batch:
        """Return a batch, with its status and its counts.

        Example:
            ``finished = (await endpoint.batches.get(batch)).done``

        Args:
            batch: The batch, or its id.
            timeout: Seconds (or a timedelta) that the call may take with its retries, above 0; None for the budget of
                the retry policy.

        Raises:
            APIError: The call failed for good.
        """
        batch_id = as_batch_id(batch)
        with BatchErrors(self._endpoint_id, batch_id):
            return await self._call(operations.get(self._endpoint_id, batch_id), deadline_after(timeout))

    async def results(
        self, batch: Batch | str, *, page_size: int = PAGE_SIZE, timeout: Duration | None = None
    ) -> AsyncIterator[BatchResult[Out]]:
        """Iterate over all requests of a batch, finished or not, page by page.

        Runpod does not document their order, which changes while the batch runs: read the results once `Batch.done`.

        Example:
            ::

                async for result in endpoint.batches.results(batch):
                    print(result.id, result.status, result.output)

        Args:
            batch: The batch, or its id.
            page_size: The number of requests that are asked for at a time, 1 or more.
            timeout: Seconds (or a timedelta) that each page may take with its retries, above 0; None for the budget of
                the retry policy.

        Yields:
            The requests, their outputs in the declared type.

        Raises:
            APIError: A call failed for good.
        """
        batch_id, pages = as_batch_id(batch), PageReader(page_size)
        while not pages.complete:
            with BatchErrors(self._endpoint_id, batch_id):
                request = operations.list_requests(self._endpoint_id, batch_id, pages)
                results = await self._call(request, deadline_after(timeout))
            for result in results:
                yield typed_result(result, self._output)

    async def cancel(self, batch: Batch | str, *, timeout: Duration | None = None) -> Batch:
        """Cancel a batch: waiting requests never run, running ones finish. A draft is discarded.

        Example:
            ``await endpoint.batches.cancel(batch)``

        Args:
            batch: The batch, or its id.
            timeout: Seconds (or a timedelta) that the call may take with its retries, above 0; None for the budget of
                the retry policy.

        Raises:
            APIError: The call failed for good.
        """
        batch_id = as_batch_id(batch)
        with BatchErrors(self._endpoint_id, batch_id):
            response = await self._call(operations.cancel(self._endpoint_id, batch_id), deadline_after(timeout))
        return changed_batch(batch_id, response)

    async def delete_request(self, batch: Batch | str, request_id: str, *, timeout: Duration | None = None) -> Batch:
        """Remove a request from a draft.

        Example:
            ``await endpoint.batches.delete_request(batch, "req_abc001")``

        Args:
            batch: The draft, or its id.
            request_id: The id of the request, as `results` shows it.
            timeout: Seconds (or a timedelta) that the call may take with its retries, above 0; None for the budget of
                the retry policy.

        Raises:
            APIError: The call failed for good, for example because the batch is not a draft any more.
        """
        batch_id, request_id = as_batch_id(batch), check_batch_request_id(request_id)
        request, lost = operations.delete_request(self._endpoint_id, batch_id, request_id), builtins.list[APIError]()
        response = None
        with BatchErrors(self._endpoint_id, batch_id):
            try:
                response = await self._call(request, deadline_after(timeout), lost.append)
            except NotFoundError:
                # Perhaps an earlier attempt, whose response was lost, has removed it already.
                if not may_be_done(lost):
                    raise
        return changed_batch(batch_id, response)

    def run(
        self: AsyncBatches[InT, Out],
        inputs: AsyncInputs[InT],
        *,
        name: str | None = None,
        concurrency: int | None = None,
        ordered: bool = True,
        attempts: int = 1,
        key: Callable[[InT], str] | None = None,
        journal: str | os.PathLike[str] | None = None,
        resubmit_uncertain: bool = False,
        progress: bool | Callable[[MapProgress], object] | None = None,
        timeout: Duration | None = None,
        queue_timeout: Duration | None = None,
        webhook: str | None = None,
        policy: ExecutionPolicy | None = None,
        s3_config: S3Config | None = None,
        on_exit: Literal["leave", "cancel"] = "leave",
        price_per_second: float | None = None,
        max_cost: float | None = None,
    ) -> AsyncBatchRun[InT, Out]:
        """Run many inputs in batches, as ``endpoint.map`` runs them as single jobs, and iterate over the results.

        It makes batches of up to 5,000 requests, and keeps up to 10 of them active. The results of a batch arrive when
        it has finished. Runpod does not document which request of a batch belongs to which input: a draft must list its
        requests in the order of submission, which is checked as far as possible before anything runs.

        Example:
            ::

                async with endpoint.batches.run(prompts, journal="run.sqlite") as results:
                    async for result in results:
                        print(result.index, result.output if result.succeeded else result.error)

        Args:
            inputs: The inputs, as for `AsyncEndpoint.run`. They are read as batches are filled.
            name: The display name of the batches.
            concurrency: Requests that are queued or running at a time, 1 or more; None for 10 batches of 5,000.
            ordered: Whether results come in the order of the inputs, or else as batches end.
            attempts: The number of times, 1 or more, that an input may be run in all if it fails or times out. Each
                further one is paid for too.
            key: Returns the identity of an input for the journal; None takes its content.
            journal: The file that records the batches and their results. Its batches are known before they are
                finalized, so that no request is lost or paid for twice if the process ends.
            resubmit_uncertain: Whether an input is run if a map on the same journal may have submitted it already.
            progress: True to show a progress bar, or a function that is called with each `MapProgress`.
            timeout: Seconds (or a timedelta) that a batch may take from when it is finalized; None for no limit.
            queue_timeout: Seconds (or a timedelta) until a worker must have a request of a batch; None for no limit.
            webhook: The URL that the platform posts each request to when it has finished.
            policy: Limits and priority of the requests.
            s3_config: The bucket for large results.
            on_exit: ``"cancel"`` to cancel the batches if the run is left early.
            price_per_second: The price of one second of execution, 0 or more.
            max_cost: The estimated cost, 0 or more, from which on no more batches are made.

        Returns:
            The results, one `MapResult` for each input.

        Raises:
            ConfigurationError: A value cannot be used, or two inputs of a sequence have the same key.
        """
        from runpod_typed._async.batch_run import AsyncBatchRun  # noqa: PLC0415 -- it uses batches
        from runpod_typed._bulk.batch_journal import RunSetup  # noqa: PLC0415 -- most programs do not need it
        from runpod_typed._bulk.options import MapOptions  # noqa: PLC0415 -- likewise

        check_run_options(webhook, policy, s3_config)
        check_name(name)
        options = MapOptions(
            concurrency=concurrency,
            ordered=ordered,
            attempts=attempts,
            key=key,
            journal=journal,
            resubmit_uncertain=resubmit_uncertain,
            progress=progress,
            timeout=timeout,
            queue_timeout=queue_timeout,
            on_exit=on_exit,
            price_per_second=price_per_second,
            max_cost=max_cost,
        )
        options.check_inputs(inputs, async_input_kinds)
        setup = RunSetup(
            endpoint_id=self._endpoint_id,
            url=self._executor.connection.url(operations.create(self._endpoint_id, []).http.target),
            name=name,
            poll=self._config.poll,
            prepare=lambda value: self._body(value, webhook, policy, s3_config, None),
            output=self._output,
        )
        built = AsyncBatches[RunRequest, Out](self._executor, self._config, self._endpoint_id, _as_it_is, self._output)
        return AsyncBatchRun(built, inputs, options, setup)

    def _requests(
        self,
        inputs: Iterable[In],
        webhook: str | None,
        policy: ExecutionPolicy | None,
        s3_config: S3Config | None,
    ) -> builtins.list[builtins.list[RunRequest]]:
        check_run_options(webhook, policy, s3_config)
        return build_bodies(inputs, lambda value: self._body(value, webhook, policy, s3_config, None))

    async def _call(
        self, request: Request[T], deadline: float | None, observe: Callable[[APIError], None] | None = None
    ) -> T:
        return await self._executor.call(request, self._config, deadline=deadline, observe=observe)
