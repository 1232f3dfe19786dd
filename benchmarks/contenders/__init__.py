"""The clients that are compared, each with the same methods. A probe imports the one that it measures, and no other.

Runpod's client makes the requests that its documentation shows. Those that know nothing of jobs make the requests that
ours makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, Final, Protocol, cast

ENDPOINT: Final = "demo"
API_KEY: Final = "rpa_bench"
HELD_MS: Final = 25_000
"""Milliseconds that a response may be held; ours asks for as many with its default timeout of 30 s."""

MODULES: Final = {
    "ours": "ours",
    "ours, core alone": "ours",
    "ours, polling": "ours",
    "ours, published limits": "ours",
    "runpod": "runpod_sdk",
    "httpx": "raw_httpx",
    "httpx, default limits": "raw_httpx",
    "aiohttp": "raw_aiohttp",
    "pyreqwest": "raw_pyreqwest",
    "pyreqwest, HTTP/1.1": "raw_pyreqwest",
    "http.client": "raw_http_client",
}
"""The module of each contender."""

DECODERS: Final = {"ours": "ours", "ours, typed": "ours", "json.loads": "raw_http_client"}
"""The module of each way to read a body."""

Decoder = Callable[[bytes], object]
"""Reads a finished job's body and returns its output."""


class SyncContender(Protocol):
    """A client for threads."""

    def status(self, job_id: str) -> object:
        """Poll a job once."""
        ...

    def job(self, given: dict[str, Any]) -> Any:
        """Submit a job, wait for its end, and return its output."""
        ...

    def run_sync(self, given: dict[str, Any]) -> Any:
        """Do the same with the operation that holds the response of the submission."""
        ...


class AsyncContender(Protocol):
    """A client for asyncio."""

    async def open(self) -> None:
        """Prepare the client under the event loop."""
        ...

    async def status(self, job_id: str) -> object:
        """Poll a job once."""
        ...

    async def job(self, given: dict[str, Any]) -> Any:
        """Submit a job, wait for its end, and return its output."""
        ...

    async def wait(self, job_id: str) -> Any:
        """Wait for the end of a job that exists already, and return its output."""
        ...

    async def first_chunk(self, given: dict[str, Any]) -> Any:
        """Submit a job, and return its first chunk, which tells when it was sent, as `done_at`."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class MapContender(Protocol):
    """A client that runs a job for each input."""

    async def map(self, inputs: Iterable[dict[str, Any]], at_once: int, journal: str | None) -> int:
        """Run a job for each input; return the number of those that succeeded."""
        ...

    async def run_batches(self, inputs: Iterable[dict[str, Any]]) -> int:
        """Run all inputs in batches; return the number of those that succeeded."""
        ...

    def send_nowhere(self) -> None:
        """Have an object in this process respond to all requests, under the running event loop."""
        ...


def sync_contender(name: str, base_url: str) -> SyncContender:
    """Return the contender of a name, for threads."""
    return cast("SyncContender", import_module(f"{__name__}.{MODULES[name]}").Sync(name, base_url))


def async_contender(name: str, base_url: str) -> AsyncContender:
    """Return the contender of a name, for asyncio."""
    return cast("AsyncContender", import_module(f"{__name__}.{MODULES[name]}").Async(name, base_url))


def decoder(name: str) -> Decoder:
    """Return the decoder of a name."""
    return cast("Decoder", import_module(f"{__name__}.{DECODERS[name]}").decoder(name))
