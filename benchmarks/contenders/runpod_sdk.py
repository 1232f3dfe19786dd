"""Runpod's own client: the newest release of `runpod`, over requests and aiohttp."""

from __future__ import annotations

from importlib import import_module
from typing import Any, final

import aiohttp

from benchmarks.contenders import API_KEY, ENDPOINT

# It has no types.
runpod: Any = import_module("runpod")
threads: Any = import_module("runpod.endpoint")
tasks: Any = import_module("runpod.endpoint.asyncio.asyncio_runner")

WAIT_SECONDS = 600


@final
class Sync:
    """`runpod.Endpoint`."""

    def __init__(self, _name: str, base_url: str) -> None:
        runpod.api_key = API_KEY
        runpod.endpoint_url_base = base_url
        self._endpoint: Any = threads.Endpoint(ENDPOINT)

    def status(self, job_id: str) -> object:
        """Poll a job once."""
        return threads.Job(ENDPOINT, job_id, self._endpoint.rp_client).status()

    def job(self, given: dict[str, Any]) -> Any:
        """Submit a job, wait for its end, and return its output."""
        return self._endpoint.run({"input": given}).output(timeout=WAIT_SECONDS)

    def run_sync(self, given: dict[str, Any]) -> Any:
        """Do the same with the operation that holds the response of the submission."""
        return self._endpoint.run_sync({"input": given}, timeout=WAIT_SECONDS)


@final
class Async:
    """`runpod.AsyncioEndpoint`, with a session as its documentation makes it."""

    def __init__(self, _name: str, base_url: str) -> None:
        runpod.api_key = API_KEY
        runpod.endpoint_url_base = base_url

    async def open(self) -> None:
        """Make the session."""
        self._session = aiohttp.ClientSession()
        self._endpoint: Any = tasks.Endpoint(ENDPOINT, self._session)

    def _job(self, job_id: str) -> Any:
        return tasks.Job(ENDPOINT, job_id, self._session, self._endpoint.headers)

    async def status(self, job_id: str) -> object:
        """Poll a job once."""
        return await self._job(job_id).status()

    async def job(self, given: dict[str, Any]) -> Any:
        """Submit a job, wait for its end, and return its output."""
        job = await self._endpoint.run(given)
        return await job.output(timeout=WAIT_SECONDS)

    async def wait(self, job_id: str) -> Any:
        """Wait for a job's end, and return its output."""
        return await self._job(job_id).output(timeout=WAIT_SECONDS)

    async def first_chunk(self, given: dict[str, Any]) -> Any:
        """Submit a job and return its first chunk."""
        job = await self._endpoint.run(given)
        return await anext(job.stream())

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
