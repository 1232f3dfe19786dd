# Retries over real connections.
"""Retries over real connections."""

from __future__ import annotations

import pytest

from runpod_typed import (
    APIConnectionError,
    APIError,
    AsyncClient,
    BadRequestError,
    JobFailedError,
    RateLimitError,
    RetryPolicy,
    ServerError,
    SubmissionUncertainError,
)
from tests._async.ways import time_out_after_sending
from tests.scripted_server import Script, answer, scripted

pytestmark = pytest.mark.anyio

QUEUED = answer(200, '{"id": "job-1", "status": "IN_QUEUE"}')
HEALTH = answer(200, '{"jobs": {"inQueue": 1}, "workers": {}}')
FAST = RetryPolicy(initial_backoff=0.01, max_backoff=0.02)

LOST: dict[str, Script] = {
    "reset after sending": [None],
    "closed after sending": [b""],
    "500": [answer(500, "worker crashed")],
    "524 of the edge": [answer(524, "<html>a timeout occurred</html>")],
    "truncated": [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b""],
    "no JSON": [answer(200, "<html>hello</html>")],
}


@pytest.mark.parametrize("script", LOST.values(), ids=list(LOST))
async def test_an_uncertain_submission_is_not_sent_again(script: Script) -> None:
    with scripted(script, [QUEUED]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=FAST) as client:
            with pytest.raises(SubmissionUncertainError, match="resubmit=True") as caught:
                await client.endpoint("ep").run({"n": 1})
        assert caught.value.endpoint_id == "ep"
        assert len(server.requests) == 1


@pytest.mark.parametrize("script", LOST.values(), ids=list(LOST))
async def test_resubmit_sends_a_submission_again(script: Script) -> None:
    policy = RetryPolicy(initial_backoff=0.01, max_backoff=0.02, resubmit=True)
    with scripted(script, [QUEUED]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=policy) as client:
            job = await client.endpoint("ep").run({"n": 1})
        assert job.id == "job-1"
        assert len(server.requests) == 2


@pytest.mark.parametrize("script", [*LOST.values(), [answer(429)], [answer(408)], [answer(503)]])
async def test_a_read_is_sent_again(script: Script) -> None:
    with scripted(script, [HEALTH]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=FAST) as client:
            health = await client.endpoint("ep").health()
        assert health.jobs.in_queue == 1
        assert len(server.requests) == 2


async def test_a_submission_is_sent_again_after_429_and_409() -> None:
    busy, conflict = answer(429, "slow down", "Retry-After: 0.01"), answer(409, "conflict")
    with scripted([busy], [conflict], [QUEUED]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=FAST) as client:
            assert (await client.endpoint("ep").run({"n": 1})).id == "job-1"
        assert len(server.requests) == 3


async def test_a_refused_submission_raises_its_status_error() -> None:
    with scripted([answer(400, '{"error": "bad policy"}')]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=FAST) as client:
            with pytest.raises(BadRequestError, match="bad policy"):
                await client.endpoint("ep").run({"n": 1})
        assert len(server.requests) == 1


async def test_a_failed_connection_is_not_uncertain() -> None:
    with scripted([QUEUED]) as server:
        base_url = server.base_url
    async with AsyncClient("key", base_url=base_url, retry=FAST) as client:
        with pytest.raises(APIConnectionError, match="could not connect") as caught:
            await client.endpoint("ep").run({"n": 1})
    assert not caught.value.request_sent


async def test_gives_up_when_retry_after_exceeds_limit() -> None:
    with scripted([answer(429, "later", "Retry-After: 3600")], [HEALTH]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=FAST) as client:
            with pytest.raises(RateLimitError, match="3600") as caught:
                await client.endpoint("ep").health()
        assert caught.value.retry_after == 3600
        assert len(server.requests) == 1


async def test_the_last_error_is_raised_after_all_attempts() -> None:
    with scripted([answer(503, "busy")]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=FAST) as client:
            with pytest.raises(ServerError, match="busy") as caught:
                await client.endpoint("ep").health()
        assert caught.value.status_code == 503
        assert len(server.requests) == FAST.attempts


async def test_a_call_without_a_response_times_out() -> None:
    with scripted([60.0]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            error = await time_out_after_sending(client.endpoint("ep").health)
        assert isinstance(error, TimeoutError)


async def test_a_redirect_is_not_followed() -> None:
    with scripted([answer(302, "", "Location: http://127.0.0.1:1/elsewhere")]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=FAST) as client:
            with pytest.raises(Exception, match="Redirects are not followed"):
                await client.endpoint("ep").health()
        assert len(server.requests) == 1


async def test_a_lost_cancellation_is_found_to_have_happened() -> None:
    cancelled = answer(200, '{"id": "job-1", "status": "CANCELLED"}')
    with scripted([None], [answer(400, "not running")], [cancelled]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=FAST) as client:
            state = await client.endpoint("ep").job("job-1").cancel()
    assert state.status == "CANCELLED"


async def test_a_refused_cancellation_raises() -> None:
    with scripted([answer(400, "not running")]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=FAST) as client:
            with pytest.raises(BadRequestError, match="not running"):
                await client.endpoint("ep").job("job-1").cancel()


async def test_a_lost_retry_is_looked_up_and_not_repeated() -> None:
    with scripted([None], [QUEUED]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=FAST) as client:
            state = await client.endpoint("ep").job("job-1").retry()
        assert state.status == "IN_QUEUE"
        assert len([head for head in server.requests if head.startswith("POST")]) == 1


async def test_a_retry_that_did_not_happen_raises() -> None:
    with scripted([None], [answer(200, '{"id": "job-1", "status": "FAILED"}')]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=FAST) as client:
            with pytest.raises(APIConnectionError):
                await client.endpoint("ep").job("job-1").retry()


FAILED = answer(200, '{"id": "job-1", "status": "FAILED", "error": "too dark"}')
COMPLETED = answer(200, '{"id": "job-1", "status": "COMPLETED", "output": 7}')


@pytest.mark.parametrize("script", LOST.values(), ids=list(LOST))
async def test_a_failure_is_forgotten_if_a_retry_may_have_happened(script: Script) -> None:
    unknown: list[Script] = [[answer(401)]]
    with scripted([FAILED], script, *unknown, [answer(400, "not failed")], [COMPLETED]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=FAST) as client:
            job = client.endpoint("ep").job("job-1")
            assert (await job.wait(timeout=10)).status == "FAILED"
            with pytest.raises(APIError):
                await job.retry()
            with pytest.raises(BadRequestError):
                await job.retry()
            assert await job.output(timeout=10) == 7


async def test_a_failure_is_kept_if_a_retry_is_refused() -> None:
    with scripted([FAILED], [answer(400, "too late")]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=FAST) as client:
            job = client.endpoint("ep").job("job-1")
            await job.wait(timeout=10)
            with pytest.raises(BadRequestError):
                await job.retry()
            with pytest.raises(JobFailedError, match="too dark"):
                await job.output(timeout=10)
        assert len(server.requests) == 2


async def test_a_failure_is_forgotten_if_a_retry_is_cut_short() -> None:
    with scripted([FAILED], [600.0], [COMPLETED]) as server:
        async with AsyncClient("key", base_url=server.base_url, retry=FAST) as client:
            job = client.endpoint("ep").job("job-1")
            await job.wait(timeout=10)
            with pytest.raises(APIError):
                await job.retry(timeout=0.2)
            assert await job.output(timeout=10) == 7
