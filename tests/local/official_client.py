"""The official client against a local queue, as its documents show it: a program, since it reads its URL at import."""

import asyncio
import json
import os
import sys
import time
from importlib import import_module
from typing import Any

import aiohttp

# The package has no types.
runpod: Any = import_module("runpod")
asyncio_runner: Any = import_module("runpod.endpoint.asyncio.asyncio_runner")

ENDPOINT_ID = os.environ["ENDPOINT_ID"]


def sync_scenario() -> dict[str, Any]:
    """Everything that the sync client offers."""
    runpod.api_key = os.environ["RUNPOD_API_KEY"]
    endpoint = runpod.Endpoint(ENDPOINT_ID)
    seen: dict[str, Any] = {}
    job = endpoint.run({"n": 3})
    seen["output"] = job.output(timeout=20)
    seen["status"] = job.status()
    seen["run_sync"] = endpoint.run_sync({"input": {"n": 4}}, timeout=20)
    seen["stream"] = list(endpoint.run({"n": 2, "stream": True}).stream())
    waiting = endpoint.run({"n": 1, "sleep": 20})
    while waiting.status() != "IN_PROGRESS":
        time.sleep(0.05)
    seen["running"] = endpoint.health()["jobs"]["inProgress"]
    seen["cancel"] = waiting.cancel(timeout=3)
    seen["cancelled"] = waiting.status()
    seen["purge"] = endpoint.purge_queue(timeout=3)
    seen["health"] = endpoint.health(timeout=3)
    return seen


async def asyncio_scenario() -> dict[str, Any]:
    """Everything that the asyncio client offers."""
    runpod.api_key = os.environ["RUNPOD_API_KEY"]
    seen: dict[str, Any] = {}
    async with aiohttp.ClientSession() as session:
        endpoint = asyncio_runner.Endpoint(ENDPOINT_ID, session)
        job = await endpoint.run({"n": 3})
        seen["output"] = await job.output(timeout=20)
        seen["status"] = await job.status()
        streaming = await endpoint.run({"n": 2, "stream": True})
        seen["stream"] = [chunk async for chunk in streaming.stream()]
        waiting = await endpoint.run({"n": 1, "sleep": 20})
        while await waiting.status() != "IN_PROGRESS":
            await asyncio.sleep(0.05)
        seen["cancel"] = await waiting.cancel()
        seen["cancelled"] = await waiting.status()
    return seen


if __name__ == "__main__":
    print(json.dumps(asyncio.run(asyncio_scenario()) if sys.argv[1] == "asyncio" else sync_scenario()))
