"""aiohttp alone, making the requests that ours makes."""

from __future__ import annotations

from typing import Any, final

import aiohttp

from benchmarks.contenders import API_KEY, ENDPOINT, HELD_MS


@final
class Async:
    """`aiohttp.ClientSession`, with room for all connections."""

    def __init__(self, _name: str, base_url: str) -> None:
        self._url = f"{base_url}/{ENDPOINT}"

    async def open(self) -> None:
        """Make the session."""
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {API_KEY}"}, connector=aiohttp.TCPConnector(limit=1000)
        )

    async def _get(self, path: str, wait: int | None = None) -> dict[str, Any]:
        params = None if wait is None else {"wait": str(wait)}
        async with self._session.get(f"{self._url}{path}", params=params, raise_for_status=True) as response:
            decoded: dict[str, Any] = await response.json()
            return decoded

    async def _submit(self, given: dict[str, Any]) -> str:
        async with self._session.post(f"{self._url}/run", json={"input": given}, raise_for_status=True) as response:
            job_id: str = (await response.json())["id"]
            return job_id

    async def status(self, job_id: str) -> object:
        """Poll a job once."""
        return (await self._get(f"/status/{job_id}"))["status"]

    async def job(self, given: dict[str, Any]) -> Any:
        """Submit a job and return its output."""
        return await self.wait(await self._submit(given))

    async def wait(self, job_id: str) -> Any:
        """Return a job's output."""
        return (await self._get(f"/status-sync/{job_id}", HELD_MS))["output"]

    async def first_chunk(self, given: dict[str, Any]) -> Any:
        """Submit a job and return its first chunk."""
        job_id = await self._submit(given)
        return (await self._get(f"/stream/{job_id}", HELD_MS))["stream"][0]["output"]

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()
