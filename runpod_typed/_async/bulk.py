# Many inputs of an endpoint: maps and batches.
"""The methods of an endpoint for many inputs: maps and batches."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal

from typing_extensions import TypeVar

from runpod_typed._async.queue import AsyncEndpointQueue
from runpod_typed._core import operations
from runpod_typed._core.job_record import JobCodecs
from runpod_typed._core.run_request import RequestBuilder
from runpod_typed._models.durations import Duration
from runpod_typed._models.options import ExecutionPolicy, S3Config
from runpod_typed._synchronization import AsyncInputs, async_input_kinds

if TYPE_CHECKING:
    from runpod_typed._async.batches import AsyncBatches
    from runpod_typed._async.job import AsyncJob
    from runpod_typed._bulk.async_map import AsyncJobMap
    from runpod_typed._models.map_results import MapProgress

In = TypeVar("In", default=Any, contravariant=True)
Out = TypeVar("Out", default=Any, covariant=True)
Chunk = TypeVar("Chunk", default=Any, covariant=True)
InT = TypeVar("InT")


class AsyncEndpointBulk(AsyncEndpointQueue, Generic[In, Out, Chunk]):
    """The methods of an endpoint for many inputs."""

    _input: RequestBuilder
    _codecs: JobCodecs

    @abstractmethod
    def job(self, job_id: str) -> AsyncJob[Out, Chunk]:
        """Reconnect to a job by its id."""

    @property
    def batches(self) -> AsyncBatches[In, Out]:
        """The batches of the endpoint: thousands of requests at a lower price, which may start later."""
        from runpod_typed._async.batches import AsyncBatches  # noqa: PLC0415 -- few programs need them

        return AsyncBatches(self._executor, self._config, self._id, self._input.with_options, self._codecs.output)

    def map(
        self: AsyncEndpointBulk[InT, Out, Chunk],
        inputs: AsyncInputs[InT],
        *,
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
    ) -> AsyncJobMap[InT, Out]:
        """Run a job for each input, within the rate limits, and iterate over the results.

        A failed input does not end the map: its result has the error. With a journal, the same call resumes after
        a crash, and runs no finished input again.

        Example:
            ::

                async with endpoint.map(prompts, concurrency=64, journal="run.sqlite") as results:
                    async for result in results:
                        print(result.index, result.output if result.succeeded else result.error)

        Args:
            inputs: The inputs, as for `run`. They are read when there is room for another job.
            concurrency: The number of jobs in flight, 1 or more; None follows the endpoint's workers and queue.
            ordered: Whether results come in the order of the inputs, or else as jobs finish.
            attempts: The most runs of an input's job, 1 or more. It is run again if it fails or times out, and each run
                is paid for.
            key: Returns the identity of an input for the journal; None takes its content.
            journal: The file that records the jobs and their results.
            resubmit_uncertain: Whether an input is run again if its submission may have made a job already.
            progress: True to show a progress bar, or a function that is called with each `MapProgress`.
            timeout: Seconds (or a timedelta) until each job must have finished; None for no limit.
            queue_timeout: Seconds (or a timedelta) until a worker must have each job; None for no limit.
            webhook: The URL that the platform posts each job to when it has finished.
            policy: Limits and priority of the jobs.
            s3_config: The bucket for large results.
            on_exit: ``"cancel"`` to cancel the jobs in flight if the map is left early. With a journal, the same call
                runs their inputs again.
            price_per_second: The price of one second of execution, 0 or more.
            max_cost: The estimated cost, 0 or more, at which no more jobs are submitted.

        Raises:
            ConfigurationError: A value cannot be used, or two inputs of a sequence have the same key.
        """
        from runpod_typed._bulk.async_map import AsyncJobMap  # noqa: PLC0415 -- most programs do not need it
        from runpod_typed._bulk.endpoint_jobs import EndpointParts  # noqa: PLC0415 -- likewise
        from runpod_typed._bulk.options import MapOptions  # noqa: PLC0415 -- likewise

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
        parts = EndpointParts(
            id=self._id,
            url=self._executor.connection.url(operations.fetch_health(self._id).http.target),
            executor=self._executor,
            config=self._config,
            codecs=self._codecs,
            prepare=self._input.with_options(webhook, policy, s3_config),
            handle=self.job,
        )
        return AsyncJobMap(parts, inputs, options)
