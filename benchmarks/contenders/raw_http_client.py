"""The standard library's http.client: the floor for a sync client."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPSConnection
from typing import Any, final
from urllib.parse import urlsplit

from benchmarks.contenders import API_KEY, ENDPOINT, HELD_MS, Decoder

HEADERS = {"Authorization": f"Bearer {API_KEY}"}


@final
class Sync:
    """One connection."""

    def __init__(self, _name: str, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._path = f"{parts.path}/{ENDPOINT}"
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        self._connection.request(method, self._path + path, body, HEADERS)
        decoded: dict[str, Any] = json.loads(self._connection.getresponse().read())
        return decoded

    def status(self, job_id: str) -> object:
        """Poll a job once."""
        return self._ask("GET", f"/status/{job_id}")["status"]

    def job(self, given: dict[str, Any]) -> Any:
        """Submit a job and return its output."""
        job_id = self._ask("POST", "/run", json.dumps({"input": given}).encode())["id"]
        return self._ask("GET", f"/status-sync/{job_id}?wait={HELD_MS}")["output"]

    def run_sync(self, given: dict[str, Any]) -> Any:
        """Do both in one request."""
        return self._ask("POST", f"/runsync?wait={HELD_MS}", json.dumps({"input": given}).encode())["output"]


def decoder(_name: str) -> Decoder:
    """The standard library's decoder."""
    return json.loads
