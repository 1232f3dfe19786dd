"""The jobs of one endpoint, as a map submits and collects them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, Protocol, final

from attrs import frozen
from typing_extensions import TypeVar

from runpod_typed._async.executor import AsyncRequestExecutor
from runpod_typed._async.job import AsyncJob
from runpod_typed._async.polling import AsyncPoller
from runpod_typed._codecs.codec import UNTYPED, codec_for
from runpod_typed._core import operations
from runpod_typed._core.config import CallConfig
from runpod_typed._core.job_record import JobAddress, JobCodecs, JobRecord
from runpod_typed._core.requests import Operation
from runpod_typed._core.run_request import RunRequest
from runpod_typed._logging import logger
from runpod_typed._models.health import EndpointHealth
from runpod_typed._models.jobs import JobState, JobStatus, with_typed_output
from runpod_typed.errors import APIError, RateLimitError, RunpodError

ExecutorT = TypeVar("ExecutorT")

_HOLD_MS: Final = 1000
_CANCEL_TIMEOUT: Final = 4.0


@frozen(kw_only=True)
class EndpointParts(Generic[ExecutorT]):
    """The parts of an endpoint that a map uses."""

    id: str
    url: str
    """The URL that submissions go to."""
    executor: ExecutorT
    config: CallConfig
    codecs: JobCodecs
    prepare: Callable[[Any], RunRequest]
    """Encodes an input with the options of the map, or raises InputError."""
    handle: Callable[[str], object]
    """Returns the handle of a job that its user gets."""


class MapJob(Protocol):
    """A job of a map."""

    @property
    def id(self) -> str: ...
    @property
    def state(self) -> JobState[Any] | None: ...
    async def wait(self, timeout: float | None, queue_timeout: float | None) -> JobState[Any]: ...
    async def cancel(self, timeout: float | None) -> JobState[Any]: ...


@final
class EndpointJobs:
    """Submits and collects jobs. Their outputs stay as they came until `typed` is called.

    Args:
        endpoint: The endpoint.
        executor: Makes the calls.
        own_client: Whether the connections close with the map.
    """

    def __init__(
        self, endpoint: EndpointParts[Any], executor: AsyncRequestExecutor, *, own_client: bool = False
    ) -> None:
        self.endpoint_id = endpoint.id
        self.poll = endpoint.config.poll
        self.prepare = endpoint.prepare
        self.handle = endpoint.handle
        self.rate_limited = 0
        self._executor = executor.observed(self._observe)
        self._own_client = own_client
        self._config, self._codecs = endpoint.config, endpoint.codecs
        self._untyped = JobCodecs(output=codec_for(UNTYPED), chunk=codec_for(UNTYPED))

    async def submit(
        self,
        body: RunRequest,
        *,
        hold: bool,
        before_send: Callable[[], Awaitable[None]],
        interrupted: Callable[[MapJob | None], None],
    ) -> MapJob:
        """Submit a job. With `hold`, the response may come with its result.

        Args:
            body: The request body.
            hold: Whether the server may delay its response for a second, until the job has finished. It is not asked to
                while the rate limit on that operation is used up, and the one on plain submissions is not.
            before_send: Called when the request is about to leave.
            interrupted: Called after a cancellation with the job if its response came, or None if nothing was sent.
        """
        if hold and (delay := self._delay(operations.RUN_SYNC)):
            hold = delay <= self._delay(operations.RUN)
        request = operations.submit_and_wait(self.endpoint_id, body, long_poll_ms=_HOLD_MS if hold else None)
        state = await self._executor.call(
            request,
            self._config,
            before_send=before_send,
            interrupted=lambda late: interrupted(self._job(late.id, late)),
            unsent=lambda: interrupted(None),
        )
        return self._job(state.id, state)

    def reconnect(self, job_id: str) -> MapJob:
        """Return a job that was submitted before."""
        return self._job(job_id)

    async def cancel(self, job: MapJob) -> bool:
        """Cancel a job; return True if it has no result. A failure is logged."""
        try:
            return (await job.cancel(_CANCEL_TIMEOUT)).status is JobStatus.CANCELLED
        except RunpodError as error:
            logger.warning("Job %s could not be cancelled and may keep running: %s", job.id, error)
            return False

    def typed(self, state: JobState[Any]) -> JobState[Any]:
        """Return the state with its output in the endpoint's type."""
        return with_typed_output(state, self._codecs.output)

    async def health(self) -> EndpointHealth:
        """Fetch the counts of the endpoint's jobs and workers."""
        return await self._executor.call(operations.fetch_health(self.endpoint_id), self._config)

    async def aclose(self) -> None:
        """Close the connections, if they belong to the map alone."""
        if self._own_client:
            await self._executor.aclose()

    def _delay(self, operation: Operation[Any]) -> float:
        return self._executor.delay(self._config, self.endpoint_id, operation)

    def _job(self, job_id: str, state: JobState[Any] | None = None) -> MapJob:
        record = JobRecord(JobAddress(self.endpoint_id, job_id), state, from_start=state is not None)
        return AsyncJob(AsyncPoller(self._executor, record), self._config, self._untyped)

    def _observe(self, error: APIError) -> None:
        self.rate_limited += isinstance(error, RateLimitError)
