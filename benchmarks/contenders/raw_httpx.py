"""httpx alone, making the requests that ours makes."""

from __future__ import annotations

from typing import Any, final

import httpx

from benchmarks.contenders import API_KEY, ENDPOINT, HELD_MS

HEADERS = {"Authorization": f"Bearer {API_KEY}"}
DEFAULT = httpx.Limits(max_connections=100, max_keepalive_connections=20)
WIDE = httpx.Limits(max_connections=1000, max_keepalive_connections=1000)


@final
class Sync:
    """`httpx.Client`."""

    def __init__(self, _name: str, base_url: str) -> None:
        self._client = httpx.Client(base_url=f"{base_url}/{ENDPOINT}", headers=HEADERS, timeout=30)

    def _post(self, path: str, given: dict[str, Any], wait: int | None = None) -> dict[str, Any]:
        params = None if wait is None else {"wait": wait}
        response = self._client.post(path, json={"input": given}, params=params)
        response.raise_for_status()
        decoded: dict[str, Any] = response.json()
        return decoded

    def _get(self, path: str, wait: int | None = None) -> dict[str, Any]:
        response = self._client.get(path, params=None if wait is None else {"wait": wait})
        response.raise_for_status()
        decoded: dict[str, Any] = response.json()
        return decoded

    def status(self, job_id: str) -> object:
        """Poll a job once."""
        return self._get(f"/status/{job_id}")["status"]

    def job(self, given: dict[str, Any]) -> Any:
        """Submit a job and return its output."""
        return self._get(f"/status-sync/{self._post('/run', given)['id']}", HELD_MS)["output"]

    def run_sync(self, given: dict[str, Any]) -> Any:
        """Do both in one request."""
        return self._post("/runsync", given, HELD_MS)["output"]


@final
class Async:
    """`httpx.AsyncClient`, with room for all connections unless its name says otherwise."""

    def __init__(self, name: str, base_url: str) -> None:
        self._limits = DEFAULT if name.endswith("default limits") else WIDE
        self._url = f"{base_url}/{ENDPOINT}"

    async def open(self) -> None:
        """Make the client."""
        self._client = httpx.AsyncClient(base_url=self._url, headers=HEADERS, timeout=30, limits=self._limits)

    async def _get(self, path: str, wait: int | None = None) -> dict[str, Any]:
        response = await self._client.get(path, params=None if wait is None else {"wait": wait})
        response.raise_for_status()
        decoded: dict[str, Any] = response.json()
        return decoded

    async def _submit(self, given: dict[str, Any]) -> str:
        response = await self._client.post("/run", json={"input": given})
        response.raise_for_status()
        job_id: str = response.json()["id"]
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
        await self._client.aclose()
