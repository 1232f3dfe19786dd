# The calls of the batches API.
"""The calls of the batches API: create a draft, fill it, finalize it, read its results."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Generic

from attrs import evolve
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
from runpod_typed._core.run_request import RunRequest
from runpod_typed._models.batch_responses import changed_batch
from runpod_typed._models.batches import Batch, BatchResult, BatchStatus
from runpod_typed._models.durations import Duration
from runpod_typed._models.options import ExecutionPolicy, S3Config
from runpod_typed._models.validators import check_id, check_name
from runpod_typed._synchronization import deadline_after
from runpod_typed.errors import APIError, BadRequestError, ConflictError, NotFoundError

In = TypeVar("In", default=Any, contravariant=True)
Out = TypeVar("Out", default=Any, covariant=True)
T = TypeVar("T")

PAGE_SIZE = 50
"""Requests of a page in the documents."""


class AsyncBatchCalls(Generic[In, Out]):
    """The calls of the batches API, each of which `AsyncBatches` has."""

    __slots__ = ("_config", "_endpoint_id", "_executor", "_output", "_prepare")

    def __init__(
        self,
        executor: AsyncRequestExecutor,
        config: CallConfig,
        endpoint_id: str,
        prepare: Callable[..., Callable[[Any], RunRequest]],
        output: Codec[Any],
    ) -> None:
        self._executor = executor
        self._config = config
        self._endpoint_id = endpoint_id
        self._prepare = prepare
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
            APIError: A call failed, retries included. If the batch was created, ``error.batch_id`` is its id.
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
            APIError: A call failed, for example because the batch is not a draft any more.
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
            APIError: The call failed, for example because 10 batches are active.
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
            APIError: A call failed, retries included.
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
            APIError: The call failed, retries included.
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
            APIError: A call failed, retries included.
        """
        batch_id, pages = as_batch_id(batch), PageReader(page_size)
        while not pages.complete:
            with BatchErrors(self._endpoint_id, batch_id):
                request = operations.list_requests(self._endpoint_id, batch_id, pages)
                results = await self._call(request, deadline_after(timeout))
            for result in results:
                yield evolve(typed_result(result, self._output), endpoint_id=self._endpoint_id)

    async def cancel(self, batch: Batch | str, *, timeout: Duration | None = None) -> Batch:
        """Cancel a batch: waiting requests never run, running ones finish. A draft is discarded.

        Example:
            ``await endpoint.batches.cancel(batch)``

        Args:
            batch: The batch, or its id.
            timeout: Seconds (or a timedelta) that the call may take with its retries, above 0; None for the budget of
                the retry policy.

        Raises:
            APIError: The call failed, retries included.
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
            APIError: The call failed, for example because the batch is not a draft any more.
        """
        batch_id, request_id = as_batch_id(batch), check_id(request_id, "batch request")
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

    def _requests(
        self,
        inputs: Iterable[In],
        webhook: str | None,
        policy: ExecutionPolicy | None,
        s3_config: S3Config | None,
    ) -> builtins.list[builtins.list[RunRequest]]:
        return build_bodies(inputs, self._prepare(webhook, policy, s3_config))

    async def _call(
        self, request: Request[T], deadline: float | None, observe: Callable[[APIError], None] | None = None
    ) -> T:
        return await self._executor.call(request, self._config, deadline=deadline, observe=observe)
