# Jobs in the order in which they finish.
"""Jobs in the order in which they finish."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from runpod_typed import (
    AsyncClient,
    AuthenticationError,
    ConfigurationError,
    JobExpiredError,
    WaitTimeoutError,
    async_as_completed,
)
from runpod_typed._core import schedule
from runpod_typed._synchronization import async_sleep
from runpod_typed.local import LocalQueue
from tests import handlers
from tests._async.ways import client_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def queue() -> Iterator[LocalQueue]:
    with LocalQueue(handlers.square, workers=8, endpoint_id="ep") as running:
        yield running


@pytest.mark.slow
async def test_yields_jobs_as_they_finish(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        endpoint = client.endpoint("ep")
        slow = await endpoint.run({"n": 2, "sleep": 0.5})
        failing = await endpoint.run({"boom": "no"})
        fast = await endpoint.run({"n": 3})
        finished = [job async for job in async_as_completed([slow, failing, fast, slow], timeout=60)]
    assert finished[-1] is slow
    assert {id(job) for job in finished[:2]} == {id(failing), id(fast)}
    states = [job.state for job in (slow, failing, fast)]
    assert [state is not None and state.succeeded for state in states] == [True, False, True]


async def test_yields_jobs_that_have_finished_before(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        jobs = [await client.endpoint("ep").run({"n": 1}) for _ in range(2)]
        for job in jobs:
            await job.wait(timeout=30)
        assert {job async for job in async_as_completed(jobs)} == set(jobs)


async def test_jobs_may_be_of_several_clients(queue: LocalQueue) -> None:
    async with client_of(queue) as one, client_of(queue) as other:
        jobs = [await one.endpoint("ep").run({"n": 1}), await other.endpoint("ep").run({"n": 2})]
        outputs = [await job.output() async for job in async_as_completed(jobs, timeout=60)]
    assert sorted(output["squared"] for output in outputs) == [1, 4]


@pytest.mark.slow
async def test_raises_when_the_time_limit_ends_and_yields_the_rest(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        endpoint = client.endpoint("ep")
        slow = await endpoint.run({"n": 2, "sleep": 1.5})
        fast = await endpoint.run({"n": 3})
        await fast.wait(timeout=30)
        finished: list[Any] = []
        with pytest.raises(WaitTimeoutError, match="1 of 2 jobs did not finish within") as caught:
            async for job in async_as_completed([slow, fast], timeout=0.5):
                finished.append(job)
        assert finished == [fast]
        assert (caught.value.job, caught.value.job_id, caught.value.endpoint_id) == (slow, slow.id, "ep")
        await slow.wait(timeout=30)


async def test_yields_a_job_that_is_gone(queue: LocalQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "_NOT_FOUND_SECONDS", 0.2)
    async with client_of(queue) as client:
        endpoint = client.endpoint("ep")
        job = await endpoint.run({"n": 1})
        while queue.stats().completed < 1:
            await async_sleep(0.01)
        queue.advance(3 * 3600)
        assert [each async for each in async_as_completed([job], timeout=60)] == [job]
        with pytest.raises(JobExpiredError):
            await job.output(timeout=30)


async def test_raises_an_error_that_does_not_pass(queue: LocalQueue) -> None:
    async with AsyncClient("wrong", base_url=queue.base_url) as client:
        job = client.endpoint("ep").job("some-job")
        with pytest.raises(AuthenticationError) as caught:
            async for _ in async_as_completed([job]):
                pass
        assert caught.value.job is job


async def test_refuses_anything_but_handles() -> None:
    wrong: Any = ["job-1"]
    with pytest.raises(ConfigurationError, match="must be handles"):
        async_as_completed(wrong)
    assert [job async for job in async_as_completed([])] == []
