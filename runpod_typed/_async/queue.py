# The queue of an endpoint: its jobs and workers.
"""The queue of an endpoint: how many jobs and workers it has, and how to empty it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypeVar

from runpod_typed._async.executor import AsyncConnectionOwner, AsyncRequestExecutor
from runpod_typed._core import operations
from runpod_typed._core.requests import Request
from runpod_typed._models.durations import Duration
from runpod_typed._models.health import EndpointHealth, EndpointMetrics, PurgeResult
from runpod_typed._synchronization import deadline_after
from runpod_typed._transport.connection import openai_base_url

T = TypeVar("T")


class AsyncEndpointQueue(AsyncConnectionOwner):
    """The methods of an endpoint for its queue and workers."""

    _id: str
    _executor: AsyncRequestExecutor

    @property
    def id(self) -> str:
        """The endpoint's id."""
        return self._id

    @property
    def openai_base_url(self) -> str:
        """The ``base_url`` for the official ``openai`` client, for workers that speak OpenAI's API (vLLM does)."""
        return openai_base_url(self._executor.connection, self._id)

    async def health(self, timeout: Duration | None = None) -> EndpointHealth:
        """Return the numbers of jobs and workers, by state. No worker is needed for it.

        Example:
            ``idle = (await endpoint.health()).workers.idle``

        Args:
            timeout: Seconds (or a timedelta) that the call may take with its retries, above 0; None for the budget of
                the retry policy.

        Raises:
            APIError: The call failed, retries included.
        """
        return await self._call(operations.fetch_health(self._id), timeout)

    async def metrics(self, timeout: Duration | None = None) -> EndpointMetrics:
        """Return the workers by state, and the ids of those that are ready. Runpod does not document this operation.

        Example:
            ``ready = (await endpoint.metrics()).ready_workers``

        Args:
            timeout: Seconds (or a timedelta) that the call may take with its retries, above 0; None for the budget of
                the retry policy.

        Raises:
            APIError: The call failed, retries included.
        """
        return await self._call(operations.fetch_metrics(self._id), timeout)

    async def requests(self, timeout: Duration | None = None) -> Mapping[str, Any]:
        """Return the requests of the endpoint, a JSON object. Runpod does not document its shape.

        Example:
            ``requests = await endpoint.requests()``

        Args:
            timeout: Seconds (or a timedelta) that the call may take with its retries, above 0; None for the budget of
                the retry policy.

        Raises:
            APIError: The call failed, retries included.
        """
        return await self._call(operations.fetch_requests(self._id), timeout)

    async def purge_queue(self, timeout: Duration | None = None) -> PurgeResult:
        """Remove all jobs that wait for a worker; running jobs keep running.

        Example:
            ``removed = (await endpoint.purge_queue()).removed``

        Args:
            timeout: Seconds (or a timedelta) that the call may take with its retries, above 0; None for the budget of
                the retry policy.

        Raises:
            APIError: The call failed, retries included.
        """
        return await self._call(operations.purge(self._id), timeout)

    async def _call(self, request: Request[T], timeout: Duration | None) -> T:
        return await self._executor.call(request, self._config, deadline=deadline_after(timeout))
