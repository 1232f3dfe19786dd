"""The clients that are compared, each in the same few words. A probe imports the one that it measures, and no other.

Every contender makes the requests that its documentation would have a user make; those without a notion of jobs make
the requests that ours makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, Final, Protocol, cast

ENDPOINT: Final = "demo"
API_KEY: Final = "rpa_bench"
HELD_MS: Final = 25_000
"""What ours asks for with its default timeout of 30 s; the raw clients ask for the same."""

MODULES: Final = {
    "ours": "ours",
    "ours, core alone": "ours",
    "ours, polling": "ours",
    "ours, published limits": "ours",
    "runpod": "runpod_sdk",
    "httpx": "raw_httpx",
    "httpx, default limits": "raw_httpx",
    "aiohttp": "raw_aiohttp",
    "http.client": "raw_http_client",
}
"""The module of each contender."""

DECODERS: Final = {"ours": "ours", "ours, typed": "ours", "json.loads": "raw_http_client"}
"""The module of each way to read a body."""

Decoder = Callable[[bytes], object]
"""A finished job's body to its output."""


class SyncContender(Protocol):
    """A client for threads."""

    def status(self, job_id: str) -> object:
        """Ask once where a job stands."""
        ...

    def job(self, given: dict[str, Any]) -> Any:
        """Submit a job, wait for its end, and get its output."""
        ...

    def run_sync(self, given: dict[str, Any]) -> Any:
        """The same, over the operation that holds the submission's answer."""
        ...


class AsyncContender(Protocol):
    """A client for asyncio."""

    async def open(self) -> None:
        """Get ready, within the loop."""
        ...

    async def status(self, job_id: str) -> object:
        """Ask once where a job stands."""
        ...

    async def job(self, given: dict[str, Any]) -> Any:
        """Submit a job, wait for its end, and get its output."""
        ...

    async def wait(self, job_id: str) -> Any:
        """Wait for the end of a job that somebody else has submitted, and get its output."""
        ...

    async def first_chunk(self, given: dict[str, Any]) -> Any:
        """Submit a job, and get the first thing that it yields: when it was sent, as `done_at`."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class MapContender(Protocol):
    """A client that runs a job for each input."""

    async def map(self, inputs: Iterable[dict[str, Any]], at_once: int, journal: str | None) -> int:
        """Run a job for each input; return the number of those that succeeded."""
        ...

    def send_nowhere(self) -> None:
        """Have an object in this process respond to all requests, under the running event loop."""
        ...


def sync_contender(name: str, base_url: str) -> SyncContender:
    """The contender of that name, for threads."""
    return cast("SyncContender", import_module(f"{__name__}.{MODULES[name]}").Sync(name, base_url))


def async_contender(name: str, base_url: str) -> AsyncContender:
    """The contender of that name, for asyncio."""
    return cast("AsyncContender", import_module(f"{__name__}.{MODULES[name]}").Async(name, base_url))


def decoder(name: str) -> Decoder:
    """The way to read a body of that name."""
    return cast("Decoder", import_module(f"{__name__}.{DECODERS[name]}").decoder(name))
