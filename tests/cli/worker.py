"""A worker with the real SDK: it echoes, fails, streams, or takes its time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import runpod


async def handler(job: dict[str, Any]) -> AsyncIterator[Any]:
    given = job["input"]
    if "fail" in given:
        raise ValueError(given["fail"])
    for number in range(given.get("chunks", 1)):
        await asyncio.sleep(given.get("seconds", 0))
        yield {"chunk": number, "text": given.get("text", "ü")}


runpod.serverless.start({"handler": handler, "return_aggregate_stream": True})
