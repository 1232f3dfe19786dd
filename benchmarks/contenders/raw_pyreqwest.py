"""pyreqwest alone, making the requests that ours makes. Over TLS it speaks HTTP/2 unless its name says otherwise."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any, final

from pyreqwest.client import ClientBuilder, SyncClientBuilder

from benchmarks.contenders import API_KEY, ENDPOINT, HELD_MS

HEADERS = {"Authorization": f"Bearer {API_KEY}"}
TIMEOUT = timedelta(seconds=30)


def _authority() -> bytes | None:
    file = os.environ.get("SSL_CERT_FILE")
    return Path(file).read_bytes() if file else None


@final
class Sync:
    """`SyncClient`."""

    def __init__(self, name: str, base_url: str) -> None:
        self._url = f"{base_url}/{ENDPOINT}"
        builder = SyncClientBuilder().default_headers(HEADERS).error_for_status().timeout(TIMEOUT)
        if name.endswith("HTTP/1.1"):
            builder = builder.http1_only()
        authority = _authority()
        if authority is not None:
            builder = builder.add_root_certificate_pem(authority)
        self._client = builder.build()

    def status(self, job_id: str) -> object:
        """Poll a job once."""
        return self._client.get(f"{self._url}/status/{job_id}").build().send().json()["status"]

    def job(self, given: dict[str, Any]) -> Any:
        """Submit a job and return its output."""
        job_id = self._client.post(f"{self._url}/run").body_json({"input": given}).build().send().json()["id"]
        return self._client.get(f"{self._url}/status-sync/{job_id}?wait={HELD_MS}").build().send().json()["output"]

    def run_sync(self, given: dict[str, Any]) -> Any:
        """Do both in one request."""
        request = self._client.post(f"{self._url}/runsync?wait={HELD_MS}").body_json({"input": given})
        return request.build().send().json()["output"]


@final
class Async:
    """`Client`."""

    def __init__(self, name: str, base_url: str) -> None:
        self._url = f"{base_url}/{ENDPOINT}"
        self._http1_only = name.endswith("HTTP/1.1")

    async def open(self) -> None:
        """Make the client."""
        builder = ClientBuilder().default_headers(HEADERS).error_for_status().timeout(TIMEOUT)
        if self._http1_only:
            builder = builder.http1_only()
        authority = _authority()
        if authority is not None:
            builder = builder.add_root_certificate_pem(authority)
        self._client = builder.build()

    async def _get(self, path: str) -> Any:
        response = await self._client.get(self._url + path).build().send()
        return await response.json()

    async def _submit(self, given: dict[str, Any]) -> str:
        response = await self._client.post(f"{self._url}/run").body_json({"input": given}).build().send()
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
        return (await self._get(f"/status-sync/{job_id}?wait={HELD_MS}"))["output"]

    async def first_chunk(self, given: dict[str, Any]) -> Any:
        """Submit a job and return its first chunk."""
        job_id = await self._submit(given)
        return (await self._get(f"/stream/{job_id}?wait={HELD_MS}"))["stream"][0]["output"]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
