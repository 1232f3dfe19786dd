# Bytes after a response.
"""A connection that holds more than its response serves no other request, over each kind of client."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import pytest

from runpod_typed import SubmissionUncertainError
from runpod_typed._synchronization import async_sleep, running_asyncio_loop
from tests._async.ways import ALL_WAYS, AsyncClientOver, until
from tests.scripted_server import Script, ScriptedServer, answer, scripted

pytestmark = pytest.mark.anyio

QUEUED: Final = '{"id": "job-1", "status": "IN_QUEUE"}'
COMPLETED: Final = '{"id": "job-2", "status": "COMPLETED", "output": 7}'
SECOND: Final = answer(200, '{"id": "job-2", "status": "COMPLETED", "output": "of another request"}')
CHUNKED: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n25\r\n" + QUEUED.encode() + b"\r\n0\r\n\r\n"

LINE_BREAKS: Final[dict[str, Script]] = {
    "a line break": [answer(200, QUEUED) + b"\n"],
    "line breaks": [answer(200, QUEUED) + b"\r\n\r\n"],
}
BYTES: Final[dict[str, Script]] = {
    "a brace": [answer(200, QUEUED) + b"}"],
    "a part of a character": [answer(200, QUEUED) + b"\xc3\xa9"],
    "half a status line": [answer(200, QUEUED) + b"HTTP/1.1 20"],
    "bytes after chunks": [CHUNKED + b"0\r\n"],
}
RESPONSES: Final[dict[str, Script]] = {
    "a second response": [answer(200, QUEUED) + SECOND],
    "a second response after chunks": [CHUNKED + SECOND],
    "a second response that comes late": [answer(200, QUEUED), 0.05, SECOND],
}
ALL: Final = {**LINE_BREAKS, **BYTES, **RESPONSES}


def is_over_aiohttp(way: str) -> bool:
    return running_asyncio_loop() is not None and way == "own client over aiohttp"


async def all_arrived(server: ScriptedServer, over: AsyncClientOver) -> None:
    """Wait until the client has what the first script sends."""
    await until(lambda: server.played == 1 and server.has_delivered and over.has_been_sent(server.bytes_sent))
    await async_sleep(0.01)  # a turn for the event loop


@pytest.mark.parametrize("leftover", ALL)
@pytest.mark.parametrize("way", ALL_WAYS)
async def test_no_request_reads_what_another_left(way: str, leftover: str) -> None:
    if is_over_aiohttp(way) and leftover in BYTES:
        pytest.skip("aiohttp reads both at once, and refuses them")
    if is_over_aiohttp(way) and "late" in leftover:
        pytest.skip("its connections are the user's, and do not tell")
    with scripted(ALL[leftover], [answer(200, COMPLETED)]) as server:
        over = AsyncClientOver(way, server.base_url)
        async with over as client:
            endpoint = client.endpoint("ep")
            assert (await endpoint.run({"n": 1})).id == "job-1"
            await all_arrived(server, over)
            state = await endpoint.job("job-2").refresh()
            assert state.output == 7
        assert len(server.requests) == 2
        if leftover not in LINE_BREAKS:  # parsers drop them
            assert server.connections_made == 2


@pytest.mark.parametrize("leftover", BYTES)
async def test_bytes_that_spoil_a_response_are_not_silent(leftover: str) -> None:
    with scripted(BYTES[leftover], [answer(200, COMPLETED)]) as server:
        over = AsyncClientOver("straight", server.base_url)
        async with over as client:
            endpoint = client.endpoint("ep")
            with suppress(SubmissionUncertainError):
                assert (await endpoint.run({"n": 1})).id == "job-1"
            await all_arrived(server, over)
            assert (await endpoint.job("job-2").refresh()).output == 7


@pytest.mark.parametrize("way", ALL_WAYS)
async def test_a_response_without_leftovers_keeps_its_connection(way: str) -> None:
    with scripted([answer(200, QUEUED)], [answer(200, COMPLETED)]) as server:
        async with AsyncClientOver(way, server.base_url) as client:
            await client.endpoint("ep").run({"n": 1})
            assert (await client.endpoint("ep").job("job-2").refresh()).output == 7
        assert (len(server.requests), server.connections_made) == (2, 1)
