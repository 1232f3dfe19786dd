# An endpoint: submits jobs.
"""An endpoint, which submits jobs and reconnects to them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, overload

from typing_extensions import TypeForm, TypeVar

from runpod_typed._async.job import AsyncJob
from runpod_typed._async.polling import AsyncPoller
from runpod_typed._async.queue import AsyncEndpointQueue
from runpod_typed._codecs.codec import UNTYPED, Codec, choose_codec
from runpod_typed._core import operations
from runpod_typed._core.job_record import JobAddress, JobCodecs, JobErrors, JobRecord
from runpod_typed._core.operations import submission_note
from runpod_typed._core.requests import ExtraQuery, with_query
from runpod_typed._core.run_request import RequestBuilder, RunRequest
from runpod_typed._core.schedule import run_sync_long_poll_ms
from runpod_typed._models.durations import Duration, wait_timeout
from runpod_typed._models.jobs import JobState
from runpod_typed._models.options import ExecutionPolicy, S3Config
from runpod_typed._models.secret import Secret, hidden
from runpod_typed._models.validators import check_client, check_endpoint_id, check_flags, check_job_id
from runpod_typed._synchronization import AsyncInputs, async_input_kinds, deadline_after, monotonic

if TYPE_CHECKING:
    from runpod_typed._async.batches import AsyncBatches
    from runpod_typed._async.client import AsyncClient
    from runpod_typed._bulk.async_map import AsyncJobMap
    from runpod_typed._models.map_results import MapProgress

In = TypeVar("In", default=Any, contravariant=True)
Out = TypeVar("Out", default=Any, covariant=True)
Chunk = TypeVar("Chunk", default=Any, covariant=True)
InT = TypeVar("InT")


class AsyncEndpoint(AsyncEndpointQueue, Generic[In, Out, Chunk]):
    """A queue-based serverless endpoint, typed by its inputs, outputs and chunks.

    ``client.endpoint(...)`` returns one. Built alone, it makes its own client from the environment: then close it, or
    use it as a context manager.

    Example:
        ::

            endpoint = client.endpoint("my-endpoint", output_type=Caption)
            caption = await endpoint.run_sync({"prompt": "a lighthouse"}, timeout=60)

    Args:
        endpoint_id: The endpoint's id, or the name of a public endpoint.
        client: The client whose connections it uses.
        api_key: The API key, if there is no `client`; the default is the environment's ``RUNPOD_API_KEY``.
        base_url: The URL of the API, if there is no `client`.
        input_type: The type of inputs: a dataclass, attrs class, TypedDict, Struct, pydantic model, or a container
            of these; any JSON by default.
        output_type: The type of outputs, likewise.
        chunk_type: The type of the chunks that a streaming handler yields, likewise.
        input_codec: A `Codec` for inputs, in place of their type.
        output_codec: A `Codec` for outputs, in place of their type.
        chunk_codec: A `Codec` for chunks, in place of their type.

    Raises:
        ConfigurationError: The id or key is invalid, a type is not supported, or a key or base URL is passed together
            with a `client`.
    """

    # Two overloads: a class, which all type checkers know, and what only those with TypeForm do (`A | B`, `Literal`).
    @overload
    def __init__(
        self,
        endpoint_id: str,
        *,
        client: AsyncClient | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        input_type: type[In] = ...,
        output_type: type[Out] = ...,
        chunk_type: type[Chunk] = ...,
        input_codec: Codec[In] | None = None,
        output_codec: Codec[Out] | None = None,
        chunk_codec: Codec[Chunk] | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self,
        endpoint_id: str,
        *,
        client: AsyncClient | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        input_type: TypeForm[In] = ...,
        output_type: TypeForm[Out] = ...,
        chunk_type: TypeForm[Chunk] = ...,
        input_codec: Codec[In] | None = None,
        output_codec: Codec[Out] | None = None,
        chunk_codec: Codec[Chunk] | None = None,
    ) -> None: ...
    def __init__(
        self,
        endpoint_id: str,
        *,
        client: AsyncClient | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        input_type: Any = UNTYPED,
        output_type: Any = UNTYPED,
        chunk_type: Any = UNTYPED,
        input_codec: Codec[Any] | None = None,
        output_codec: Codec[Any] | None = None,
        chunk_codec: Codec[Any] | None = None,
    ) -> None:
        key, url = hidden(api_key), hidden(base_url)
        del api_key, base_url  # a traceback may show local variables
        self._id = check_endpoint_id(endpoint_id)
        typed = input_type is not UNTYPED or input_codec is not None
        self._input = RequestBuilder(choose_codec("input_", input_type, input_codec), typed)
        self._codecs = JobCodecs(
            output=choose_codec("output_", output_type, output_codec),
            chunk=choose_codec("chunk_", chunk_type, chunk_codec),
        )
        owner = _client(client, key, url)
        self._executor = owner._executor  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] -- shown to endpoints alone
        self._owned = self._executor if client is None else None
        self._config = owner._config  # noqa: SLF001 -- shown to endpoints alone

    def __repr__(self) -> str:
        shown = repr(vars(self).get("_id"))  # a failed constructor may show it
        return f"{type(self).__name__}({shown})"

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self._owned is None:
            state["_executor"] = self._executor.without_keepalive()  # the copy is never closed
        return state

    @property
    def batches(self) -> AsyncBatches[In, Out]:
        """The batches of the endpoint: thousands of requests at a lower price, without a promise when they start."""
        from runpod_typed._async.batches import AsyncBatches  # noqa: PLC0415 -- few programs need them

        return AsyncBatches(self._executor, self._config, self._id, self._input.with_options, self._codecs.output)

    async def run(
        self,
        input: In,
        *,
        webhook: str | None = None,
        policy: ExecutionPolicy | None = None,
        s3_config: S3Config | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_query: ExtraQuery | None = None,
        timeout: Duration | None = None,
    ) -> AsyncJob[Out, Chunk]:
        """Queue a job and return its handle at once. The result is kept for 30 minutes after the job has finished.

        If an interrupt or a cancellation hits while the job is submitted, the exception has a note with the job's id.

        Example:
            ``job = await endpoint.run({"prompt": "a lighthouse"})``

        Args:
            input: The handler's ``job["input"]``. A plain dict that has only fields of the request body, ``input``
                among them, is taken as the whole body. At most 10 MiB.
            webhook: The URL that the platform posts the job to when it has finished.
            policy: Limits and priority of the job.
            s3_config: The bucket for large results.
            extra_body: Fields of the request body that are newer than this version.
            extra_query: Query parameters that are newer than this version.
            timeout: Seconds (or a timedelta) that the submission may take with its retries, above 0; None for the
                budget of the retry policy.

        Raises:
            InputError: The input is empty, is not JSON, or does not fit its type. Nothing was sent.
            SubmissionUncertainError: It was sent and its fate is unknown.
            APIError: It could not be sent, or was refused.
        """
        deadline = deadline_after(timeout)
        request = operations.submit(self._id, self._input.build(input, webhook, policy, s3_config, extra_body))
        state = await self._executor.call(with_query(request, extra_query), self._config, deadline=deadline)
        try:
            return self._job(self._poller(state))
        except BaseException as error:  # Ctrl-C
            error.add_note(submission_note(state))
            raise

    async def run_sync(
        self,
        input: In,
        *,
        webhook: str | None = None,
        policy: ExecutionPolicy | None = None,
        s3_config: S3Config | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_query: ExtraQuery | None = None,
        timeout: Duration | None = None,
        queue_timeout: Duration | None = None,
        cancel_on_exit: bool = False,
    ) -> Out:
        """Queue a job, wait until it has finished, and return its output.

        The job's id is known within a second. From then on the wait survives connection errors, 429 and 5xx. A result
        is kept for 1 minute.

        Example:
            ``output = await endpoint.run_sync({"prompt": "a lighthouse"}, timeout=600)``

        Args:
            input: The handler's ``job["input"]``, as for `run`; at most 20 MiB.
            webhook: The URL that the platform posts the job to when it has finished.
            policy: Limits and priority of the job.
            s3_config: The bucket for large results.
            extra_body: Fields of the request body that are newer than this version.
            extra_query: Query parameters that are newer than this version.
            timeout: Seconds (or a timedelta) until a result must be there; None for no limit, 0 to submit and
                poll once.
            queue_timeout: Seconds (or a timedelta) until a worker must have the job, 0 or more; None for no limit.
            cancel_on_exit: Whether to cancel the job if an exception ends the wait, timeouts and Ctrl-C included.

        Raises:
            JobError: The job failed, was cancelled, timed out or has expired.
            WaitTimeoutError: A limit ended first; the job keeps running, and ``error.job`` is its handle.
            SubmissionUncertainError: The job was sent and its fate is unknown.
        """
        body = self._input.build(input, webhook, policy, s3_config, extra_body)
        job = await self._run_sync(body, extra_query, timeout, queue_timeout, cancel_on_exit=cancel_on_exit)
        return await job.output()

    async def run_sync_state(
        self,
        input: In,
        *,
        webhook: str | None = None,
        policy: ExecutionPolicy | None = None,
        s3_config: S3Config | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_query: ExtraQuery | None = None,
        timeout: Duration | None = None,
        queue_timeout: Duration | None = None,
        cancel_on_exit: bool = False,
    ) -> JobState[Out]:
        """Queue a job, wait until it has finished, and return its state; a failed job does not raise.

        Example:
            ``state = await endpoint.run_sync_state({"prompt": "a lighthouse"}, timeout=600)``

        Args:
            input: The handler's ``job["input"]``, as for `run`; at most 20 MiB.
            webhook: The URL that the platform posts the job to when it has finished.
            policy: Limits and priority of the job.
            s3_config: The bucket for large results.
            extra_body: Fields of the request body that are newer than this version.
            extra_query: Query parameters that are newer than this version.
            timeout: Seconds (or a timedelta) until the job must have finished; None for no limit, 0 to submit and poll
                once.
            queue_timeout: Seconds (or a timedelta) until a worker must have the job, 0 or more; None for no limit.
            cancel_on_exit: Whether to cancel the job if an exception ends the wait, timeouts and Ctrl-C included.

        Raises:
            WaitTimeoutError: A limit ended first; the job keeps running, and ``error.job`` is its handle.
            JobExpiredError: The job is gone.
            SubmissionUncertainError: The job was sent and its fate is unknown.
        """
        body = self._input.build(input, webhook, policy, s3_config, extra_body)
        job = await self._run_sync(body, extra_query, timeout, queue_timeout, cancel_on_exit=cancel_on_exit)
        return await job.wait()

    def map(
        self: AsyncEndpoint[InT, Out, Chunk],
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
            attempts: The number of times, 1 or more, that the job of an input may be run in all if it fails or times
                out. Each further one is paid for too.
            key: Returns the identity of an input for the journal; None takes its content.
            journal: The file that records the jobs and their results.
            resubmit_uncertain: Whether an input is run again if its submission may have made a job already.
            progress: True to show a progress bar, or a function that is called with each `MapProgress`.
            timeout: Seconds (or a timedelta) until each job must have finished; None for no limit.
            queue_timeout: Seconds (or a timedelta) until a worker must have each job; None for no limit.
            webhook: The URL that the platform posts each job to when it has finished.
            policy: Limits and priority of the jobs.
            s3_config: The bucket for large results.
            on_exit: ``"cancel"`` to cancel the jobs in flight if the map is left early.
            price_per_second: The price of one second of execution, 0 or more.
            max_cost: The estimated cost, 0 or more, from which on no more jobs are submitted.

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

    def job(self, job_id: str) -> AsyncJob[Out, Chunk]:
        """Reconnect to a job by its id, in another process or tomorrow. Nothing is sent.

        Example:
            ``output = await endpoint.job("2f1c-u1").output()``

        Args:
            job_id: The id, from ``job.id``.

        Raises:
            ConfigurationError: The id is invalid.
        """
        return self._job(AsyncPoller(self._executor, JobRecord(JobAddress(self._id, check_job_id(job_id)))))

    async def _run_sync(
        self,
        body: RunRequest,
        extra_query: ExtraQuery | None,
        timeout: Duration | None,
        queue_timeout: Duration | None,
        *,
        cancel_on_exit: bool,
    ) -> AsyncJob[Out, Chunk]:
        """Submit a job, and return its handle when it has finished."""
        check_flags(cancel_on_exit=cancel_on_exit)
        began, seconds = monotonic(), wait_timeout(timeout)
        queue_seconds = wait_timeout(queue_timeout, "queue_timeout")
        long_poll_ms = run_sync_long_poll_ms(remaining=seconds, attempt_timeout=self._config.timeout)
        request = with_query(operations.submit_and_wait(self._id, body, long_poll_ms=long_poll_ms), extra_query)
        # With a timeout of 0 the job is submitted, and polled once.
        deadline = began + seconds if seconds else None
        submitted = list[JobState[Any]]()
        interrupted = submitted.append if cancel_on_exit else None
        try:
            state = await self._executor.call(request, self._config, deadline=deadline, interrupted=interrupted)
            poller = self._poller(state)
        except BaseException as error:
            if submitted:
                await self._poller(submitted[0]).cancel_after(error, self._config)
            raise
        job = self._job(poller)
        with JobErrors(job, poller.record):
            await poller.wait(
                job,
                self._config,
                timeout=seconds,
                queue_timeout=queue_seconds,
                since=began,
                cancel_on_exit=cancel_on_exit,
            )
        return job

    def _poller(self, state: JobState[Any]) -> AsyncPoller:
        if state.status.is_terminal:
            self._executor.job_ended(self._id, state)
        return AsyncPoller(self._executor, JobRecord(JobAddress(self._id, state.id), state, from_start=True))

    def _job(self, poller: AsyncPoller) -> AsyncJob[Out, Chunk]:
        return AsyncJob(poller, self._config, self._codecs)


def _client(client: AsyncClient | None, key: Secret | None, url: Secret | None) -> AsyncClient:
    from runpod_typed._async.client import AsyncClient  # noqa: PLC0415 -- the client makes endpoints too

    if client is not None:
        check_client(client, AsyncClient, alone=key is None and url is None)
        return client
    return AsyncClient(None if key is None else key.reveal(), base_url=None if url is None else url.reveal())
