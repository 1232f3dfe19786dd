# Webhooks whose job is confirmed by the API.
"""Webhooks whose job is confirmed by the API."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from runpod_typed import AsyncClient, ConfigurationError, InputError, NotFoundError, OutputError, RetryPolicy
from runpod_typed.webhooks import parse_webhook
from tests.scripted_server import answer, scripted

pytestmark = pytest.mark.anyio

FORGED = b'{"id": "job-1", "status": "COMPLETED", "output": {"n": 666}}'


@dataclass
class Count:
    n: int


async def test_confirm_trusts_the_api_and_not_the_body() -> None:
    true = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": {"n": 5}}')
    with scripted([true]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            endpoint = client.endpoint("ep", output_type=Count)
            state = await parse_webhook(FORGED, confirm=endpoint)
            assert state.result() == Count(5)
    assert "/ep/status/job-1" in server.requests[0]


async def test_confirm_of_an_unknown_job_raises_not_found() -> None:
    with scripted([answer(404)]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=RetryPolicy(budget=0.5)) as client:
            with pytest.raises(NotFoundError):
                await parse_webhook(FORGED, confirm=client.endpoint("ep"))


async def test_confirm_returns_states_whose_output_does_not_fit() -> None:
    with scripted([answer(200, '{"id": "job-1", "status": "COMPLETED", "output": "five"}')]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            state = await parse_webhook(memoryview(FORGED), confirm=client.endpoint("ep", output_type=Count))
            assert state.done
            with pytest.raises(OutputError, match='It begins: "five"'):
                state.result()


@pytest.mark.parametrize("job_id", ["../x", "a b", "a?b=c", "\\u001b[31m"])
async def test_confirm_asks_nothing_for_an_invalid_id(job_id: str) -> None:
    with scripted([answer(200, "{}")]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            with pytest.raises(InputError, match="does not describe a job"):
                await parse_webhook(f'{{"id": "{job_id}", "status": "COMPLETED"}}', confirm=client.endpoint("ep"))
        assert not server.requests


async def test_confirm_excludes_a_type_of_its_own() -> None:
    async with AsyncClient("key", base_url="http://127.0.0.1:9") as client:
        with pytest.raises(ConfigurationError, match="confirm="):
            parse_webhook(FORGED, output_type=Count, confirm=client.endpoint("ep"))  # type: ignore[call-overload] # pyright: ignore[reportCallIssue] -- what is tested
