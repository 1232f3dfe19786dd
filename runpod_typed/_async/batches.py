# The batches of an endpoint.
"""The batches of an endpoint: drafts of many requests, which run when the endpoint has capacity."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, cast, final

from typing_extensions import TypeVar

from runpod_typed._async.batch_calls import AsyncBatchCalls
from runpod_typed._core import batch_operations as operations
from runpod_typed._core.run_request import RunRequest
from runpod_typed._models.durations import Duration
from runpod_typed._models.map_results import MapProgress
from runpod_typed._models.options import ExecutionPolicy, S3Config
from runpod_typed._models.validators import check_name
from runpod_typed._synchronization import AsyncInputs, async_input_kinds

if TYPE_CHECKING:
    from runpod_typed._async.batch_run import AsyncBatchRun

In = TypeVar("In", default=Any, contravariant=True)
Out = TypeVar("Out", default=Any, covariant=True)
InT = TypeVar("InT")


def _built(*_options: object) -> Callable[[Any], RunRequest]:
    """Return a function that returns its argument: a request that is built already."""
    return lambda request: cast("RunRequest", request)


@final
class AsyncBatches(AsyncBatchCalls[In, Out], Generic[In, Out]):
    """The batches of an endpoint, as ``endpoint.batches``.

    A batch is a draft until it is finalized: nothing runs and nothing is paid for before. A batch takes up to 5,000
    requests, and an endpoint runs up to 10 batches at a time. Runpod prices batches below single jobs, and does not
    promise when they start.

    Example:
        ::

            prompts = [{"prompt": "a lighthouse"}, {"prompt": "a harbor"}]
            batch = await endpoint.batches.create(prompts, name="pictures")
            await endpoint.batches.finalize(batch)
    """

    __slots__ = ()

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
            attempts: The most runs of an input, 1 or more. It is run again if it fails or times out, and each run is
                paid for.
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
            on_exit: ``"cancel"`` to cancel the batches if the run is left early. With a journal, the same call runs
                again what was cancelled.
            price_per_second: The price of one second of execution, 0 or more.
            max_cost: The estimated cost, 0 or more, at which no more batches are made.

        Returns:
            The results, one `MapResult` for each input.

        Raises:
            ConfigurationError: A value cannot be used, or two inputs of a sequence have the same key.
        """
        from runpod_typed._async.batch_run import AsyncBatchRun  # noqa: PLC0415 -- most programs do not need it
        from runpod_typed._bulk.batch_journal import RunSetup  # noqa: PLC0415 -- likewise
        from runpod_typed._bulk.options import MapOptions  # noqa: PLC0415 -- likewise

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
            prepare=self._prepare(webhook, policy, s3_config),
            output=self._output,
        )
        calls = AsyncBatchCalls[RunRequest, Out](self._executor, self._config, self._endpoint_id, _built, self._output)
        return AsyncBatchRun(calls, inputs, options, setup)
