# The check of a soak: which streams it takes for lost.
"""A soak counts a stream with an unreported hole as lost, and not one of a job that ran again."""

from __future__ import annotations

import json
from random import Random

import pytest

from runpod_typed import AsyncClient
from tests._async.soak_jobs import CHUNKS, AsyncEndpoints, async_streamed
from tests.scripted_server import Script, answer, scripted
from tests.soak.tally import Tally

pytestmark = pytest.mark.anyio

RUN = answer(200, '{"id": "job-1", "status": "IN_QUEUE"}')
ALL = list(range(CHUNKS))


def page(status: str, numbers: list[int]) -> bytes:
    chunks = [{"output": {"number": number}} for number in numbers]
    return answer(200, json.dumps({"status": status, "stream": chunks}))


async def outcome(pages: list[list[int] | None], retries: int) -> dict[str, int]:
    """Stream a job that ran again some times, and return what the soak counts; None is a lost response."""
    done = answer(200, json.dumps({"id": "job-1", "status": "COMPLETED", "output": [], "retries": retries}))
    scripts: list[Script] = [[None] if each is None else [page("IN_PROGRESS", each)] for each in pages]
    tally = Tally()
    with scripted([RUN], *scripts, [page("COMPLETED", [])], [done]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            endpoint = client.endpoint("ep")
            await async_streamed(AsyncEndpoints(endpoint, endpoint, endpoint), "token", tally, Random(1))
    return {name: getattr(tally, name) for name in ("delivered", "interrupted", "lost")}


@pytest.mark.parametrize(
    ("pages", "retries", "expected"),
    [
        ([ALL], 0, "delivered"),
        ([[0], ALL], 1, "delivered"),
        ([[0], ALL], 0, "lost"),
        ([[0], [0], ALL], 1, "lost"),
        ([[0, 1], ALL[3:]], 1, "lost"),
        ([ALL[1:]], 1, "lost"),
        ([[0], None, ALL[2:]], 0, "interrupted"),
        ([[0], None, ALL], 1, "interrupted"),
        ([[0], None, ALL], 0, "lost"),
        ([[1, 0], None], 0, "lost"),
    ],
)
async def test_judges_a_stream(pages: list[list[int] | None], retries: int, expected: str) -> None:
    assert await outcome(pages, retries) == {"delivered": 0, "interrupted": 0, "lost": 0, expected: 1}
