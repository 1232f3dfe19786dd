"""Runpod's own client against a local queue, as its documents show it.

A program of its own: the client reads its base URL when it is imported.
"""

import asyncio
import json
import os
import sys
import time
from importlib import import_module
from typing import Any

runpod: Any = import_module("runpod")  # it has no types
runpod.api_key = os.environ["RUNPOD_API_KEY"]
ENDPOINT_ID = os.environ["ENDPOINT_ID"]


def sync_scenario() -> dict[str, Any]:
    """Everything that the sync client offers."""
    endpoint = runpod.Endpoint(ENDPOINT_ID)
    seen: dict[str, Any] = {}
    job = endpoint.run({"n": 3})
    seen["output"] = job.output(timeout=20)
    seen["status"] = job.status()
    seen["run_sync"] = endpoint.run_sync({"input": {"n": 4}}, timeout=20)
    seen["failed"] = endpoint.run_sync({"n": "no number"}, timeout=20)
    seen["stream"] = list(endpoint.run({"n": 2, "stream": True}).stream())
    running = endpoint.run({"n": 1, "sleep": 60})
    while running.status() != "IN_PROGRESS":
        time.sleep(0.05)
    waiting = [endpoint.run({"n": 1}) for _ in range(2)]
    seen["busy"] = endpoint.health()["jobs"]
    seen["cancel"] = waiting[0].cancel(timeout=3)
    seen["purge"] = endpoint.purge_queue(timeout=3)
    running.cancel()
    seen["cancelled"] = running.status()
    seen["health"] = endpoint.health(timeout=3)
    return seen


async def asyncio_scenario() -> dict[str, Any]:
    """Everything that the asyncio client offers."""
    seen: dict[str, Any] = {}
    async with runpod.http_client.AsyncClientSession() as session:
        endpoint = runpod.AsyncioEndpoint(ENDPOINT_ID, session)
        job = await endpoint.run({"n": 3})
        seen["output"] = await job.output(timeout=20)
        seen["status"] = await job.status()
        streaming = await endpoint.run({"n": 2, "stream": True})
        seen["stream"] = [chunk async for chunk in streaming.stream()]
        running = await endpoint.run({"n": 1, "sleep": 60})
        while await running.status() != "IN_PROGRESS":
            await asyncio.sleep(0.05)
        waiting = [await endpoint.run({"n": 1}) for _ in range(2)]
        seen["busy"] = (await endpoint.health())["jobs"]
        seen["cancel"] = await waiting[0].cancel()
        seen["purge"] = await endpoint.purge_queue()
        await running.cancel()
        seen["cancelled"] = await running.status()
        seen["health"] = await endpoint.health()
    return seen


if __name__ == "__main__":
    print(json.dumps(asyncio.run(asyncio_scenario()) if sys.argv[1] == "asyncio" else sync_scenario()))
