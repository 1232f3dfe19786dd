# An endpoint: submits jobs.
"""An endpoint, which submits jobs and reconnects to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, overload

from typing_extensions import TypeForm, TypeVar

from runpod_typed._async.bulk import AsyncEndpointBulk
from runpod_typed._async.job import AsyncJob
from runpod_typed._async.polling import AsyncPoller
from runpod_typed._codecs.codec import UNTYPED, Codec, choose_codec
from runpod_typed._core import operations
from runpod_typed._core.job_record import JobAddress, JobCodecs, JobErrors, JobRecord
from runpod_typed._core.operations import submission_note
from runpod_typed._core.requests import ExtraQuery, with_query
from runpod_typed._core.run_request import RequestBuilder, RunRequest
from runpod_typed._core.schedule import PollSchedule, run_sync_long_poll_ms
from runpod_typed._models.durations import Duration, wait_timeout
from runpod_typed._models.jobs import JobState
from runpod_typed._models.options import ExecutionPolicy, S3Config
from runpod_typed._models.secret import Secret, hidden
from runpod_typed._models.validators import check_client, check_flags, check_id
from runpod_typed._synchronization import deadline_after, monotonic

if TYPE_CHECKING:
    from runpod_typed._async.client import AsyncClient

In = TypeVar("In", default=Any, contravariant=True)
Out = TypeVar("Out", default=Any, covariant=True)
Chunk = TypeVar("Chunk", default=Any, covariant=True)


class AsyncEndpoint(AsyncEndpointBulk[In, Out, Chunk], Generic[In, Out, Chunk]):
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
        self._id = check_id(endpoint_id, "endpoint")
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
        self._executor.load()

    def __repr__(self) -> str:
        shown = repr(vars(self).get("_id"))  # a failed constructor may show it
        return f"{type(self).__name__}({shown})"

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self._owned is None:
            state["_executor"] = self._executor.without_keepalive()  # the copy is never closed
        return state

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

    def job(self, job_id: str) -> AsyncJob[Out, Chunk]:
        """Reconnect to a job by its id, in another process or tomorrow. Nothing is sent.

        Example:
            ``output = await endpoint.job("2f1c-u1").output()``

        Args:
            job_id: The id, from ``job.id``.

        Raises:
            ConfigurationError: The id is invalid.
        """
        return self._job(AsyncPoller(self._executor, JobRecord(JobAddress(self._id, check_id(job_id, "job")))))

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
            submitted.append(state)
            poller = self._poller(state)
        except BaseException as error:
            if submitted and cancel_on_exit:
                await self._poller(submitted[0]).cancel_after(error, self._config)
            elif submitted:
                error.add_note(submission_note(submitted[0]))
            raise
        job = self._job(poller)
        with JobErrors(job, poller.record):
            schedule = PollSchedule.starting(
                self._config, began, timeout=seconds, queue_timeout=queue_seconds, seen=poller.record.seen
            )
            await poller.wait(job, schedule, cancel_on_exit=cancel_on_exit)
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
