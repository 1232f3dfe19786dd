"""Runpod's own client cannot tell the local queue from the platform: that is how we know that it is faithful."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from runpod_typed.local import LocalQueue

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("official_client.py")


async def handler(job: dict[str, Any]) -> AsyncIterator[Any]:
    """Yields n squared once, or 0, 1 ... n - 1 where a stream is asked for."""
    order = job["input"]
    await asyncio.sleep(order.get("sleep", 0))
    if order.get("stream"):
        for number in range(order["n"]):
            yield {"number": number}
    else:
        yield order["n"] ** 2


@pytest.fixture
def queue() -> Iterator[LocalQueue]:
    with LocalQueue({"handler": handler, "return_aggregate_stream": True}, endpoint_id="official") as running:
        yield running


def seen_by(way: str, queue: LocalQueue) -> dict[str, Any]:
    environment = os.environ | {
        "RUNPOD_API_KEY": queue.api_key,
        "RUNPOD_ENDPOINT_BASE_URL": queue.base_url,
        "ENDPOINT_ID": queue.endpoint_id,
    }
    ended = subprocess.run(
        [sys.executable, str(PROGRAM), way], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    seen: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return seen


def expected(seen: dict[str, Any], *, completed: int, failed: int) -> dict[str, Any]:
    """Return the results of both scenarios."""
    jobs = {"completed": completed, "failed": failed, "inProgress": 0, "inQueue": 0, "retried": 0}
    workers = {"idle": 1, "initializing": 0, "ready": 1, "running": 0, "throttled": 0, "unhealthy": 0}
    return {
        "output": [9],
        "status": "COMPLETED",
        "stream": [{"number": 0}, {"number": 1}],
        "busy": jobs | {"inProgress": 1, "inQueue": 2},
        "cancel": {"id": seen["cancel"]["id"], "status": "CANCELLED"},
        "purge": {"removed": 1, "status": "completed"},
        "cancelled": "CANCELLED",
        "health": {"jobs": jobs, "workers": workers},
    }


def test_official_sync_client_passes(queue: LocalQueue) -> None:
    seen = seen_by("sync", queue)
    # None is all that this client makes of a job that failed.
    assert seen == expected(seen, completed=3, failed=1) | {"run_sync": [16], "failed": None}


def test_official_asyncio_client_passes(queue: LocalQueue) -> None:
    seen = seen_by("asyncio", queue)
    assert seen == expected(seen, completed=2, failed=0)
