"""runpod_typed itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any, final
from urllib.parse import parse_qs

from typing_extensions import override

from benchmarks.contenders import API_KEY, ENDPOINT, Decoder
from runpod_typed import AsyncClient, Client, PollPolicy, RateLimit, RateLimits
from runpod_typed._synchronization import async_runtime
from runpod_typed._transport.deadlines import Attempt
from runpod_typed._transport.interface import AsyncTransport
from runpod_typed._transport.messages import HttpRequest, HttpResponse
from runpod_typed.webhooks import parse_webhook

WITHOUT_PAUSES = RateLimits(
    overrides={
        "run": RateLimit(requests=1_000_000, concurrent=200),
        "run_sync": RateLimit(requests=1_000_000, concurrent=400),
        "status": RateLimit(requests=1_000_000, concurrent=400),
    }
)
"""Limits under which the rate limiter does all its work, and no request waits for the end of a window."""


def _poll(name: str) -> PollPolicy:
    return PollPolicy.disabled() if name.endswith("polling") else PollPolicy()


def _limits(name: str) -> RateLimits:
    return RateLimits() if name.endswith("published limits") else WITHOUT_PAUSES


@final
class Sync:
    """The sync API."""

    def __init__(self, name: str, base_url: str) -> None:
        self._client = Client(API_KEY, base_url=base_url, rate_limits=_limits(name), poll=_poll(name))
        self._endpoint = self._client.endpoint(ENDPOINT)

    def status(self, job_id: str) -> object:
        """Poll a job once."""
        return self._endpoint.job(job_id).status()

    def job(self, given: dict[str, Any]) -> Any:
        """Submit a job, wait for its end, and return its output."""
        return self._endpoint.run(given).output()

    def run_sync(self, given: dict[str, Any]) -> Any:
        """Do the same with the operation that holds the response of the submission."""
        return self._endpoint.run_sync(given)


@final
class Async:
    """The async API."""

    def __init__(self, name: str, base_url: str) -> None:
        self._client = AsyncClient(API_KEY, base_url=base_url, rate_limits=_limits(name), poll=_poll(name))
        self._endpoint = self._client.endpoint(ENDPOINT)

    async def open(self) -> None:
        """Do nothing: the connections are made at the first request."""

    async def status(self, job_id: str) -> object:
        """Poll a job once."""
        return await self._endpoint.job(job_id).status()

    async def job(self, given: dict[str, Any]) -> Any:
        """Submit a job, wait for its end, and return its output."""
        job = await self._endpoint.run(given)
        return await job.output()

    async def wait(self, job_id: str) -> Any:
        """Wait for a job's end, and return its output."""
        return await self._endpoint.job(job_id).output()

    async def first_chunk(self, given: dict[str, Any]) -> Any:
        """Submit a job and return its first chunk."""
        job = await self._endpoint.run(given)
        return await anext(aiter(job.stream()))

    async def map(self, inputs: Iterable[dict[str, Any]], at_once: int, journal: str | None) -> int:
        """Run a job for each input; return the number of those that succeeded."""
        succeeded = 0
        async for result in self._endpoint.map(inputs, concurrency=at_once, journal=journal):
            succeeded += result.succeeded
        return succeeded

    async def run_batches(self, inputs: Iterable[dict[str, Any]]) -> int:
        """Run all inputs in batches; return the number of those that succeeded."""
        succeeded = 0
        async for result in self._endpoint.batches.run(inputs):
            succeeded += result.succeeded
        return succeeded

    def send_nowhere(self) -> None:
        """Have an object in this process respond to all requests, under the running event loop."""
        state = self._client._executor._state()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] -- nothing else has a place for it
        state._transports[async_runtime()] = _Nowhere()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] -- likewise

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


@final
class _Nowhere(AsyncTransport):
    """A transport without a network: each job is done when it is submitted, or at its first poll."""

    def __init__(self) -> None:
        self._numbers = count()
        self._batches = dict[str, list[str]]()

    @override
    async def _exchange(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        await asyncio.sleep(0)
        attempt.request_sent = True
        target, _, query = request.target.partition("?")
        path = target.split("/")
        if path[2] == "batch":
            return HttpResponse(status=200, raw_headers=(), body=json.dumps(self._batch(request, path, query)).encode())
        job_id = path[3] if path[2].startswith("status") else f"job-{next(self._numbers)}"
        if path[2] == "run":
            body = f'{{"id":"{job_id}","status":"IN_QUEUE"}}'
        else:
            body = f'{{"delayTime":1,"executionTime":1,"id":"{job_id}","output":{{"ok":true}},"status":"COMPLETED"}}'
        return HttpResponse(status=200, raw_headers=(), body=body.encode())

    def _batch(self, request: HttpRequest, path: list[str], query: str) -> dict[str, object]:
        """Return the response to an operation on batches, whose requests are done when they are added."""
        batch_id = path[3] if len(path) > 3 else f"batch-{next(self._numbers)}"
        ids = self._batches.setdefault(batch_id, [])
        if request.body and request.method == "POST":
            body: Any = json.loads(request.body)
            ids += [f"request-{next(self._numbers)}" for _ in range(len(body["requests"] if len(path) > 3 else body))]
        if request.method == "GET" and path[-1] == "requests":
            numbers = parse_qs(query)
            offset, limit = (int(numbers.get(name, [default])[0]) for name, default in (("offset", 0), ("limit", 50)))
            page = [
                {"id": each, "status": "COMPLETED", "output": {"ok": True}} for each in ids[offset : offset + limit]
            ]
            return {"requests": page, "total": len(ids), "hasMore": offset + limit < len(ids)}
        count = len(ids)
        return {"id": batch_id, "status": "FINALIZED", "requestTotal": count, "requestCompleted": count}

    @override
    async def aclose(self) -> None:
        """Nothing is open."""


@dataclass
class Segment:
    """A piece of a transcript."""

    id: int
    text: str
    start: float
    end: float
    confidence: float
    speaker: str | None
    tokens: list[int]
    tags: dict[str, str]


@dataclass
class Transcript:
    """An output such as a worker for speech makes."""

    language: str
    segments: list[Segment]


def decoder(name: str) -> Decoder:
    """Return a decoder to plain JSON or to dataclasses, with the code that reads the responses of a client."""
    if name == "ours":
        return lambda body: parse_webhook(body).output
    return lambda body: parse_webhook(body, output_type=Transcript).output
