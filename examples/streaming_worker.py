"""A Runpod worker whose handler yields: a stand-in for a language model that writes word by word."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import runpod

SECONDS_PER_WORD = 0.25


async def handler(job: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Yield the text's words, each as soon as it is there."""
    for index, word in enumerate(job["input"]["text"].split()):
        await asyncio.sleep(SECONDS_PER_WORD)
        yield {"index": index, "word": word}


if __name__ == "__main__":
    # With return_aggregate_stream the chunks are the job's output too, when it is finished.
    runpod.serverless.start({"handler": handler, "return_aggregate_stream": True})
