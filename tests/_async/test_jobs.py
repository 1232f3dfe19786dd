# Jobs from their submission to their end, over real sockets.
"""Jobs from their submission to their end, over real sockets."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

import pytest

from runpod_typed import (
    AsyncClient,
    AsyncEndpoint,
    ExecutionPolicy,
    InputError,
    JobCancelledError,
    JobExpiredError,
    JobFailedError,
    JobStatus,
    JobTimedOutError,
    NotFoundError,
    OutputError,
    PollPolicy,
    QueueTimeoutError,
    WaitTimeoutError,
)
from runpod_typed._codecs.msgspec import MsgspecCodec
from runpod_typed._synchronization import async_sleep
from runpod_typed.local import LocalQueue
from tests._async.ways import client_of
from tests.handlers import Blocking, Flaky, square
from tests.scripted_server import answer, scripted

pytestmark = pytest.mark.anyio


@dataclass
class Order:
    n: int


@dataclass
class Result:
    squared: int


@pytest.fixture(scope="module")
def queue() -> Iterator[LocalQueue]:
    with LocalQueue(square, workers=4) as running:
        yield running


async def test_a_typed_job_gives_a_typed_result(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        endpoint = client.endpoint(queue.endpoint_id, input_type=Order, output_type=Result)
        job = await endpoint.run(Order(7))
        assert await job.output(timeout=10) == Result(49)
        state = job.state
        assert state is not None
        assert state.succeeded
        assert state.output == Result(49)


async def test_one_request_tells_all_that_is_known_of_a_job() -> None:
    running = answer(200, '{"id": "job-1", "status": "IN_PROGRESS", "delayTime": 7, "output": "half"}')
    done = answer(200, '{"id": "job-1", "status": "COMPLETED", "executionTime": 12, "output": {"squared": 4}}')
    with scripted([running], [done]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            job = client.endpoint("ep", output_type=Result).job("job-1")
            state = await job.refresh()
            assert (state.status, state.delay_time_ms, state.progress) == ("IN_PROGRESS", 7, "half")
            state = await job.refresh(timeout=30, ttl=60)
            assert state.output == Result(4)
            assert state == job.state
        assert [request.split()[1] for request in server.requests] == [
            "/v2/ep/status/job-1",
            "/v2/ep/status/job-1?ttl=60000",
        ]


async def test_run_sync_returns_output_and_run_sync_state_times(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        endpoint = client.endpoint(queue.endpoint_id, output_type=Result)
        assert await endpoint.run_sync({"n": 3}, timeout=10) == Result(9)
        state = await endpoint.run_sync_state({"n": 4}, timeout=timedelta(seconds=10))
        assert state.status == "COMPLETED"
        assert state.output == Result(16)
        assert state.execution_time_ms is not None
        assert state.id.startswith("sync-")


@pytest.mark.slow
async def test_run_sync_waits_longer_than_its_submission(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        endpoint = client.endpoint(queue.endpoint_id).with_options(timeout=6.1)  # leaves 1.1 s for a hold
        assert await endpoint.run_sync({"n": 2, "sleep": 1.5}, timeout=10) == {"squared": 4}


@pytest.mark.slow
async def test_run_sync_with_little_time_keeps_the_job(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        endpoint = client.endpoint(queue.endpoint_id)
        with pytest.raises(WaitTimeoutError) as caught:
            await endpoint.run_sync({"n": 2, "sleep": 1}, timeout=0.3)
        assert await caught.value.job.output(timeout=10) == {"squared": 4}


async def test_a_typed_output_is_decoded_from_its_text_alone(
    queue: LocalQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client_of(queue) as client:
        endpoint = client.endpoint(queue.endpoint_id, output_type=Result)
        monkeypatch.setattr(MsgspecCodec, "decode", None)
        assert await endpoint.run_sync({"n": 3}, timeout=10) == Result(9)
        job = await endpoint.run({"n": 7})
        assert await job.output(timeout=10) == Result(49)
        assert job.state is not None
        assert job.state.to_dict()["output"] == {"squared": 49}


async def test_a_failed_job_raises_with_the_workers_error(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id).run({"boom": "out of paper"})
        with pytest.raises(JobFailedError, match="out of paper") as caught:
            await job.output(timeout=10)
        error = caught.value
        assert error.error_type == "ValueError"
        assert error.error_message == "out of paper"
        assert error.remote_traceback is not None
        assert "in square" in error.remote_traceback
        assert error.worker_id
        assert error.job_id == job.id
        state = await job.wait()
        assert state.status is JobStatus.FAILED
        assert state.done
        assert not state.succeeded


async def test_a_handler_that_returns_an_error_fails_the_job(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        with pytest.raises(JobFailedError, match="no such model"):
            await client.endpoint(queue.endpoint_id).run_sync({"error": "no such model"}, timeout=10)


async def test_an_input_that_its_type_refuses_is_never_sent(queue: LocalQueue) -> None:
    before = queue.stats().submitted
    async with client_of(queue) as client:
        endpoint = client.endpoint(queue.endpoint_id, input_type=Order)
        with pytest.raises(InputError, match=r"\$\.n") as caught:
            await endpoint.run(Order("seven"))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] -- what is tested
        assert caught.value.path == "$.n"
    assert queue.stats().submitted == before


@pytest.mark.parametrize("empty", [{}, None, [], ""])
async def test_an_empty_input_is_never_sent(queue: LocalQueue, empty: object) -> None:
    before = queue.stats().submitted
    async with client_of(queue) as client:
        with pytest.raises(InputError, match="empty"):
            await client.endpoint(queue.endpoint_id).run(empty)
        with pytest.raises(InputError, match="empty"):
            await client.endpoint(queue.endpoint_id).run_sync({"input": empty})
    assert queue.stats().submitted == before


async def test_an_output_that_does_not_fit_names_the_place(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        endpoint = client.endpoint(queue.endpoint_id, output_type=dict[str, str])
        job = await endpoint.run({"n": 2})
        with pytest.raises(OutputError) as caught:
            await job.output(timeout=10)
        assert caught.value.output == {"squared": 4}
        assert caught.value.job_id == job.id
        assert "squared" in str(caught.value)


async def test_a_whole_body_is_sent_as_it_is_unless_typed(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        endpoint = client.endpoint(queue.endpoint_id)
        assert await endpoint.run_sync({"input": {"n": 3}, "policy": {"ttl": 60_000}}, timeout=10) == {"squared": 9}
        assert await endpoint.run_sync({"input": {"input": {"n": 3}, "n": 5}}, timeout=10) == {"squared": 25}
        typed = client.endpoint(queue.endpoint_id, input_type=dict[str, int])
        assert await typed.run_sync({"input": 3}, timeout=10) == {"squared": 0}


async def test_an_option_in_body_and_arguments_is_refused(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        with pytest.raises(InputError, match="policy="):
            await client.endpoint(queue.endpoint_id).run(
                {"input": {"n": 1}, "policy": {"ttl": 60_000}}, policy=ExecutionPolicy(ttl=60)
            )


async def test_reconnects_to_a_job_by_its_id(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job_id = (await client.endpoint(queue.endpoint_id).run({"n": 6})).id
    async with AsyncEndpoint(queue.endpoint_id, api_key=queue.api_key, base_url=queue.base_url) as endpoint:
        job = endpoint.job(job_id)
        assert job.state is None
        assert await job.output(timeout=10) == {"squared": 36}


async def test_a_job_that_was_never_seen_is_not_found(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = client.endpoint(queue.endpoint_id).job("no-such-job")
        for look in (job.status, job.output, job.cancel, job.retry):
            with pytest.raises(NotFoundError, match="no-such-job"):
                await look()


@pytest.mark.slow
async def test_a_wait_continues_from_its_timeout_error(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id).run({"n": 2, "sleep": 0.6})
        with pytest.raises(WaitTimeoutError, match=job.id) as caught:
            await job.output(timeout=0.2)
        assert isinstance(caught.value, TimeoutError)
        assert await caught.value.job.output(timeout=10) == {"squared": 4}


async def test_a_timeout_of_zero_polls_once(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id).run({"n": 2, "sleep": 0.3})
        with pytest.raises(WaitTimeoutError):
            await job.output(timeout=0)
        await job.wait(timeout=10)
        again = client.endpoint(queue.endpoint_id).job(job.id)
        assert await again.output(timeout=0) == {"squared": 4}


async def test_polling_alone_finds_the_end_too(queue: LocalQueue) -> None:
    async with client_of(queue, poll=PollPolicy(long_poll=False, min_interval=0.05)) as client:
        job = await client.endpoint(queue.endpoint_id).run({"n": 2, "sleep": 0.2})
        assert await job.output(timeout=10) == {"squared": 4}


@pytest.mark.slow
async def test_events_tell_each_status_and_progress_and_the_end(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        endpoint = client.endpoint(queue.endpoint_id, output_type=Result)
        job = await endpoint.run({"n": 2, "steps": 3, "pause": 0.7})
        events = [event async for event in job.events(timeout=20)]
        assert events[-1].status is JobStatus.COMPLETED
        assert events[-1].state.output == Result(4)
        assert {"step": 2} in [event.progress for event in events]
        assert all((one.status, one.progress) != (other.status, other.progress) for one, other in pairwise(events))


async def test_a_progress_of_nan_is_told_once() -> None:
    running = answer(200, '{"id": "job-1", "status": "IN_PROGRESS", "output": {"loss": NaN}}')
    done = answer(200, '{"id": "job-1", "status": "COMPLETED"}')
    with scripted([running], [running], [done]) as server:
        async with AsyncClient("key", base_url=server.base_url) as client:
            events = [event async for event in client.endpoint("ep").job("job-1").events(timeout=10)]
    assert [event.status for event in events] == ["IN_PROGRESS", "COMPLETED"]


async def test_events_of_a_failed_job_end_without_raising(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id).run({"boom": "no"})
        events = [event async for event in job.events(timeout=10)]
        assert events[-1].status is JobStatus.FAILED


async def test_a_cancelled_job_raises() -> None:
    with LocalQueue() as queue:  # no worker: it waits
        async with client_of(queue) as client:
            job = await client.endpoint(queue.endpoint_id).run({"n": 1})
            state = await job.cancel()
            assert state.status is JobStatus.CANCELLED
            with pytest.raises(JobCancelledError, match=job.id):
                await job.output(timeout=30)
            assert await job.status() == "CANCELLED"


async def test_leaving_the_block_by_an_exception_cancels_the_job() -> None:
    with LocalQueue() as queue:
        async with client_of(queue) as client:
            endpoint = client.endpoint(queue.endpoint_id)
            job = await endpoint.run({"n": 1})
            with pytest.raises(KeyError):
                async with job:
                    raise KeyError
            assert await job.status() == "CANCELLED"
            async with await endpoint.run({"n": 1}) as other:
                pass
            assert await other.status() == "IN_QUEUE"


async def test_a_failed_job_is_retried_under_the_same_id() -> None:
    handler = Flaky()
    with LocalQueue(handler) as queue:
        async with client_of(queue) as client:
            job = await client.endpoint(queue.endpoint_id, output_type=str).run({"n": 1})
            with pytest.raises(JobFailedError, match="not yet"):
                await job.output(timeout=10)
            handler.works.set()
            state = await job.retry()
            assert state.id == job.id
            assert not state.done
            assert await job.output(timeout=10) == "worked"


async def test_a_queue_timeout_says_why_no_worker_took_the_job() -> None:
    with LocalQueue() as queue:
        async with client_of(queue) as client:
            job = await client.endpoint(queue.endpoint_id).run({"n": 1})
            with pytest.raises(QueueTimeoutError, match="no workers") as caught:
                await job.output(timeout=30, queue_timeout=0.3)
            assert caught.value.health is not None
            assert caught.value.health.jobs.in_queue == 1
            assert caught.value.job.id == job.id


@pytest.mark.slow
async def test_a_queue_timeout_does_not_end_a_running_job(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id).run({"n": 2, "sleep": 3})
        assert await job.output(timeout=30, queue_timeout=2.5) == {"squared": 4}


async def test_a_known_job_that_is_gone_has_expired() -> None:
    with LocalQueue(square) as queue:
        async with client_of(queue) as client:
            endpoint = client.endpoint(queue.endpoint_id)
            job = await endpoint.run({"n": 1})
            await job.wait(timeout=10)
            queue.advance(3600)
            with pytest.raises(JobExpiredError, match=job.id) as caught:
                await job.status()
            assert caught.value.state is not None
            assert caught.value.state.status == "COMPLETED"
            with pytest.raises(NotFoundError):
                await endpoint.job(job.id).status()


@pytest.mark.slow
async def test_an_execution_timeout_is_a_timed_out_job() -> None:
    handler = Blocking()
    with LocalQueue(handler, time_scale=0.1) as queue:
        async with client_of(queue) as client:
            job = await client.endpoint(queue.endpoint_id).run({"n": 1}, policy=ExecutionPolicy(execution_timeout=5))
            with pytest.raises(JobTimedOutError, match=job.id):
                await job.output(timeout=20)
        handler.release.set()


async def test_health_purge_metrics_and_requests_are_typed() -> None:
    with LocalQueue() as queue:
        async with client_of(queue) as client:
            endpoint = client.endpoint(queue.endpoint_id)
            for _ in range(3):
                await endpoint.run({"n": 1})
            health = await endpoint.health()
            assert health.jobs.in_queue == 3
            assert health.workers.idle == 0
            assert health.to_dict()["jobs"]["inQueue"] == 3
            purged = await endpoint.purge_queue(timeout=3)
            assert (purged.removed, purged.status) == (3, "completed")
            assert (await endpoint.metrics()).ready_workers == ()
            assert isinstance(dict(await endpoint.requests()), dict)


async def test_a_pickled_job_uses_the_key_of_the_environment(
    queue: LocalQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id, output_type=Result).run({"n": 5})
        data = pickle.dumps(job)
    assert queue.api_key.encode() not in data
    monkeypatch.setenv("RUNPOD_API_KEY", queue.api_key)
    again = pickle.loads(data)
    assert again == job
    assert await again.output(timeout=10) == {"squared": 25}


async def test_many_jobs_at_once_all_come_back(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        endpoint = client.endpoint(queue.endpoint_id)
        jobs = [await endpoint.run({"n": n}) for n in range(1, 30)]
        await async_sleep(0)
        assert [await job.output(timeout=20) for job in jobs] == [{"squared": n * n} for n in range(1, 30)]


async def test_a_pickle_holds_the_key_only_by_request(queue: LocalQueue) -> None:
    async with AsyncClient(queue.api_key, base_url=queue.base_url, pickle_api_key=True) as client:
        data = pickle.dumps(client)
        assert queue.api_key.encode() in data
        async with pickle.loads(data) as copy:
            assert await copy.endpoint(queue.endpoint_id).run_sync({"n": 3}, timeout=10) == {"squared": 9}
    async with client_of(queue) as client:
        assert queue.api_key.encode() not in pickle.dumps(client)


async def test_run_sync_with_timeout_zero_polls_once() -> None:
    with LocalQueue() as queue:
        async with client_of(queue) as client:
            with pytest.raises(WaitTimeoutError) as caught:
                await client.endpoint(queue.endpoint_id).run_sync({"n": 1}, timeout=0)
            assert caught.value.job.state.status == "IN_QUEUE"


async def test_cancelling_a_finished_job_keeps_its_output(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        job = await client.endpoint(queue.endpoint_id).run({"n": 2})
        assert await job.output(timeout=10) == {"squared": 4}
        state = await job.cancel()
        assert state.status == "COMPLETED"
        assert state.output == {"squared": 4}
        assert await job.output() == {"squared": 4}


@pytest.mark.slow
async def test_the_error_of_run_sync_names_its_timeout() -> None:
    with LocalQueue() as queue:
        async with client_of(queue) as client:
            with pytest.raises(WaitTimeoutError, match=r"within 1\.5 s"):
                await client.endpoint(queue.endpoint_id).run_sync({"n": 1}, timeout=1.5)


async def test_a_whole_body_with_a_misfit_names_the_field(queue: LocalQueue) -> None:
    async with client_of(queue) as client:
        with pytest.raises(InputError, match="'policy'"):
            await client.endpoint(queue.endpoint_id).run({"input": {"n": 1}, "policy": 5})
