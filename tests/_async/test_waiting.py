# Waits: outages, 404s, errors, limits.
"""Waits survive what passes, and their errors have the job."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from runpod_typed import (
    APIError,
    APIResponseValidationError,
    APITimeoutError,
    AsyncClient,
    AsyncEndpoint,
    AsyncJob,
    AuthenticationError,
    ConfigurationError,
    JobExpiredError,
    JobFailedError,
    NotFoundError,
    PermissionDeniedError,
    PollPolicy,
    QueueTimeoutError,
    RateLimitError,
    RetryPolicy,
    RunpodError,
    ServerError,
    WaitTimeoutError,
)
from runpod_typed.local import LocalQueue
from tests._async.ways import client_of
from tests.handlers import square
from tests.scripted_server import Script, ScriptedServer, answer, scripted

pytestmark = pytest.mark.anyio

Use = Callable[[AsyncJob[Any, Any]], Any]


def job_answer(status: str, **fields: object) -> bytes:
    return answer(200, json.dumps({"id": "job-1", "status": status, **fields}))


QUEUED = job_answer("IN_QUEUE")
RUNNING = job_answer("IN_PROGRESS")
DONE = job_answer("COMPLETED", output=7)
CANCELLED = job_answer("CANCELLED")
CHUNK = answer(200, '{"status": "IN_PROGRESS", "stream": [{"output": 1}]}')
LAST = answer(200, '{"status": "COMPLETED", "stream": []}')
MISSING = answer(404, '{"error": "job not found"}')
HEALTH = answer(200, '{"jobs": {"inQueue": 3}, "workers": {"throttled": 1}}')
BAD_GATEWAY = answer(502, "<html>bad gateway</html>")

TROUBLE: dict[str, Script] = {
    "502": [BAD_GATEWAY],
    "524": [answer(524)],
    "429": [answer(429, "slow down", "Retry-After: 0.01")],
    "reset": [None],
    "truncated": [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b""],
    "HTML": [answer(200, "<html>hello</html>")],
}


async def read_wait(job: AsyncJob[Any, Any]) -> object:
    return (await job.wait()).output


async def read_output(job: AsyncJob[Any, Any]) -> object:
    return await job.output()


async def read_events(job: AsyncJob[Any, Any]) -> object:
    return [event async for event in job.events()][-1].state.output


async def read_stream(job: AsyncJob[Any, Any]) -> object:
    return [chunk async for chunk in job.stream()]


WATCHES: dict[str, Use] = {
    "wait": read_wait,
    "output": read_output,
    "events": read_events,
}


# Outages


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=list(TROUBLE))
@pytest.mark.parametrize("watch", WATCHES.values(), ids=list(WATCHES))
async def test_a_wait_survives_trouble(watch: Use, trouble: Script) -> None:
    with scripted([QUEUED], trouble, trouble, [DONE]) as server:
        async with client_of(server, retry=RetryPolicy.disabled()) as client:
            assert await watch(await client.endpoint("ep").run({"n": 1})) == 7


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=list(TROUBLE))
async def test_run_sync_survives_trouble_once_the_id_is_known(trouble: Script) -> None:
    with scripted([RUNNING], trouble, trouble, [DONE]) as server:
        async with client_of(server, retry=RetryPolicy.disabled()) as client:
            assert await client.endpoint("ep").run_sync({"n": 1}) == 7


async def test_run_sync_asks_for_a_response_within_a_second() -> None:
    with scripted([RUNNING], [DONE]) as server:
        async with client_of(server) as client:
            assert await client.endpoint("ep").run_sync({"n": 1}) == 7
    assert [request.split()[1] for request in server.requests] == [
        "/v2/ep/runsync?wait=1000",
        "/v2/ep/status-sync/job-1?wait=25000",
    ]


@pytest.mark.usefixtures("short_pauses")
async def test_a_stream_survives_trouble_that_loses_nothing() -> None:
    refused = TROUBLE["429"]
    with scripted([QUEUED], [CHUNK], refused, [CHUNK], refused, [LAST], [DONE]) as server:
        async with client_of(server, retry=RetryPolicy.disabled()) as client:
            assert await read_stream(await client.endpoint("ep").run({"n": 1})) == [1, 1]


@pytest.mark.slow
async def test_a_stream_replays_the_chunks_that_trouble_lost() -> None:
    done = job_answer("COMPLETED", output=[1, 2, 3])
    with scripted([QUEUED], [CHUNK], [BAD_GATEWAY], [None], [LAST], [BAD_GATEWAY], [done]) as server:
        async with client_of(server, retry=RetryPolicy.disabled()) as client:
            assert await read_stream(await client.endpoint("ep").run({"n": 1})) == [1, 2, 3]


@pytest.mark.slow
async def test_a_timeout_ends_an_outage_with_the_job() -> None:
    with scripted([QUEUED], [BAD_GATEWAY]) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            with pytest.raises(WaitTimeoutError, match=r"polls failed") as caught:
                await job.output(timeout=1)
            assert isinstance(caught.value.__cause__, ServerError | APITimeoutError)  # the last poll may be cut short
            assert caught.value.job is job


@pytest.mark.slow
@pytest.mark.parametrize("outage", [0, 0.9])
async def test_an_outage_without_timeout_ends_after_its_limit(outage: float) -> None:
    with scripted([QUEUED], [BAD_GATEWAY]) as server:
        async with client_of(server, poll=PollPolicy(max_outage=outage)) as client:
            with pytest.raises(ServerError, match="max_outage") as caught:
                await (await client.endpoint("ep").run({"n": 1})).output()
    assert_reconnects(caught.value)
    assert len(server.requests) == 2 if outage == 0 else len(server.requests) > 2


@pytest.mark.slow
async def test_retry_after_beyond_the_timeout_is_not_polled_again() -> None:
    with scripted([QUEUED], [answer(429, "", "Retry-After: 60")]) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            with pytest.raises(WaitTimeoutError) as caught:
                await job.output(timeout=0.9)
    assert isinstance(caught.value.__cause__, RateLimitError)
    assert [request.split()[1].split("/")[3] for request in server.requests].count("status") == 1


LASTING: dict[str, tuple[bytes, type[APIError]]] = {
    "401": (answer(401), AuthenticationError),
    "403": (answer(403), PermissionDeniedError),
    "misfit": (answer(200, '{"status": 5}'), APIResponseValidationError),
}


@pytest.mark.parametrize(("response", "error"), LASTING.values(), ids=list(LASTING))
@pytest.mark.parametrize("watch", [*WATCHES.values(), read_stream], ids=[*WATCHES, "stream"])
async def test_an_error_that_does_not_pass_ends_a_wait_at_once(
    watch: Use, response: bytes, error: type[APIError]
) -> None:
    with scripted([QUEUED], [response]) as server:
        async with client_of(server) as client:
            with pytest.raises(error) as caught:
                await watch(await client.endpoint("ep").run({"n": 1}))
    assert len(server.requests) == 2
    assert_reconnects(caught.value)


# The job in errors


def assert_reconnects(error: RunpodError) -> None:
    assert (error.job_id, error.endpoint_id) == ("job-1", "ep")
    assert error.job.id == "job-1"
    assert "keeps running" in str(error)
    assert "endpoint.job('job-1')" in str(error)


CALLS: dict[str, Use] = {
    "status": lambda job: job.status(),
    "refresh": lambda job: job.refresh(),
    "cancel": lambda job: job.cancel(),
    "retry": lambda job: job.retry(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
async def test_the_error_of_a_call_has_the_job(call: Use) -> None:
    with scripted([answer(503)]) as server:
        async with client_of(server, retry=RetryPolicy.disabled()) as client:
            with pytest.raises(ServerError) as caught:
                await call(client.endpoint("ep").job("job-1"))
    assert_reconnects(caught.value)


async def test_the_error_of_a_closed_client_has_the_job() -> None:
    with scripted([QUEUED]) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
        with pytest.raises(RunpodError, match="closed") as caught:
            await job.output()
    assert_reconnects(caught.value)


BAD_ARGUMENTS: dict[str, Use] = {
    "stream": lambda job: job.stream(timeout=-1),
    "stream_detailed": lambda job: job.stream_detailed(queue_timeout=float("nan")),
    "events": lambda job: job.events(queue_timeout=-1),
    "output": lambda job: job.output(timeout=-1),
    "cancel": lambda job: job.cancel(timeout=0),
    "refresh": lambda job: job.refresh(ttl=0),
}


@pytest.mark.parametrize("call", BAD_ARGUMENTS.values(), ids=list(BAD_ARGUMENTS))
async def test_the_error_of_an_argument_has_the_job(call: Use) -> None:
    async with AsyncClient("key", base_url="http://127.0.0.1:9/v2") as client:
        with pytest.raises(ConfigurationError) as caught:
            await call(client.endpoint("ep").job("job-1"))
    assert_reconnects(caught.value)


async def test_reconnects_to_every_id_that_the_api_gives() -> None:
    job = {"id": "a.b:c~1", "status": "IN_QUEUE"}
    with scripted([answer(200, json.dumps(job))], [answer(200, json.dumps(job | {"status": "COMPLETED"}))]) as server:
        async with client_of(server) as client:
            endpoint = client.endpoint("ep")
            job_id = (await endpoint.run({"n": 1})).id
            assert await endpoint.job(job_id).status() == "COMPLETED"


@pytest.mark.parametrize("name", ["output", "run_sync"])
async def test_the_error_of_a_failed_job_has_its_handle(name: str) -> None:
    with scripted([job_answer("FAILED", error="boom")]) as server:
        async with client_of(server) as client:
            endpoint = client.endpoint("ep")
            with pytest.raises(JobFailedError, match="boom") as caught:
                if name == "output":
                    await endpoint.job("job-1").output()
                else:
                    await endpoint.run_sync({"n": 1})
    assert caught.value.job.id == "job-1"
    assert caught.value.endpoint_id == "ep"
    assert "keeps running" not in str(caught.value)


# 404


@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("name", [*WATCHES, *CALLS])
async def test_a_fresh_job_that_is_not_visible_yet_is_asked_for_again(name: str) -> None:
    use = {**WATCHES, **CALLS}[name]
    then = CANCELLED if name == "cancel" else QUEUED if name == "retry" else DONE
    with scripted([QUEUED], [MISSING], [MISSING], [MISSING], [then]) as server:
        async with client_of(server) as client:
            await use(await client.endpoint("ep").run({"n": 1}))
    assert len(server.requests) == 5


@pytest.mark.usefixtures("short_pauses")
async def test_a_fresh_stream_that_is_not_visible_yet_is_read_again() -> None:
    with scripted([QUEUED], [MISSING], [MISSING], [CHUNK], [LAST], [DONE]) as server:
        async with client_of(server) as client:
            assert await read_stream(await client.endpoint("ep").run({"n": 1})) == [1]


async def test_a_404_in_a_long_wait_may_pass() -> None:
    with scripted([RUNNING], [MISSING], [MISSING], [DONE]) as server:
        async with client_of(server) as client:
            job = client.endpoint("ep").job("job-1")
            await job.refresh()
            assert await job.output() == 7


@pytest.mark.slow
@pytest.mark.usefixtures("short_pauses")
@pytest.mark.parametrize("name", ["output", "status", "cancel", "stream"])
async def test_a_lasting_404_names_its_possible_causes_in_time(name: str) -> None:
    with scripted([QUEUED], [MISSING]) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            with pytest.raises(JobExpiredError) as caught:
                if name == "stream":
                    async for _ in job.stream(timeout=2):
                        pass
                else:
                    await getattr(job, name)(timeout=2)
    assert all(words in str(caught.value) for words in ("purged", "ttl", "not be visible"))
    assert (caught.value.job_id, caught.value.job, caught.value.endpoint_id) == ("job-1", job, "ep")
    assert len(server.requests) > 2


async def test_a_single_poll_does_not_repeat_a_404() -> None:
    with scripted([QUEUED], [MISSING]) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            with pytest.raises(JobExpiredError):
                await job.output(timeout=0)
    assert len(server.requests) == 2


async def test_a_finished_job_that_is_gone_is_not_asked_for_again() -> None:
    with scripted([DONE], [MISSING]) as server:
        async with client_of(server) as client:
            job = client.endpoint("ep").job("job-1")
            await job.refresh()
            with pytest.raises(JobExpiredError, match="last seen COMPLETED"):
                await job.status()
    assert len(server.requests) == 2


async def test_a_job_that_was_never_seen_is_not_asked_for_again() -> None:
    with scripted([MISSING]) as server:
        async with client_of(server) as client:
            with pytest.raises(NotFoundError, match="purged") as caught:
                await client.endpoint("ep").job("job-1").status()
    assert len(server.requests) == 1
    assert caught.value.job_id == "job-1"


# Long polling that is refused


def operations_of(server: ScriptedServer) -> list[str]:
    return [request.split()[1].split("/")[3] for request in server.requests]


async def output_of(endpoint: AsyncEndpoint[Any, Any, Any], number: int) -> object:
    return await endpoint.job(f"job-{number}").output()


async def test_one_404_does_not_end_long_polling() -> None:
    with scripted([MISSING], [RUNNING], [DONE]) as server:
        async with client_of(server) as client:
            assert await output_of(client.endpoint("ep"), 1) == 7
    assert operations_of(server) == ["status-sync", "status", "status-sync"]


def state_of(number: int, status: str, **fields: object) -> Script:
    return [answer(200, json.dumps({"id": f"job-{number}", "status": status, **fields}))]


async def test_404s_on_several_jobs_end_long_polling() -> None:
    scripts: list[Script] = []
    for number in range(3):
        scripts += [MISSING], state_of(number, "IN_PROGRESS"), [MISSING], state_of(number, "COMPLETED", output=7)
    with scripted(*scripts, state_of(3, "COMPLETED", output=7)) as server:
        async with client_of(server) as client:
            for number in range(4):
                assert await output_of(client.endpoint("ep"), number) == 7
    assert operations_of(server) == [*["status-sync", "status"] * 6, "status"]


async def test_405_ends_long_polling_at_once() -> None:
    scripts = [answer(405)], state_of(1, "IN_PROGRESS"), state_of(1, "COMPLETED", output=7)
    with scripted(*scripts, state_of(2, "COMPLETED", output=7)) as server:
        async with client_of(server) as client:
            assert await output_of(client.endpoint("ep"), 1) == 7
            assert await output_of(client.endpoint("ep"), 2) == 7
    assert operations_of(server) == ["status-sync", "status", "status", "status"]


# Cancelling on exit


@pytest.mark.parametrize("name", ["output", "run_sync", "run_sync_state"])
async def test_a_timeout_cancels_the_job_on_exit(name: str) -> None:
    with LocalQueue() as queue:
        async with client_of(queue) as client:
            endpoint = client.endpoint(queue.endpoint_id)
            with pytest.raises(WaitTimeoutError, match="was cancelled") as caught:
                if name == "output":
                    await (await endpoint.run({"n": 1})).output(timeout=0.3, cancel_on_exit=True)
                else:
                    await getattr(endpoint, name)({"n": 1}, timeout=0.3, cancel_on_exit=True)
            assert "keeps running" not in str(caught.value)
            assert await caught.value.job.status() == "CANCELLED"


async def test_an_error_cancels_the_job_on_exit() -> None:
    with scripted([QUEUED], [answer(403)], [CANCELLED]) as server:
        async with client_of(server) as client:
            with pytest.raises(PermissionDeniedError, match="was cancelled"):
                await (await client.endpoint("ep").run({"n": 1})).output(cancel_on_exit=True)
    assert operations_of(server)[-1] == "cancel"


async def test_a_job_that_cannot_be_cancelled_on_exit_is_named() -> None:
    with scripted([QUEUED], [answer(403)]) as server:
        async with client_of(server, retry=RetryPolicy.disabled()) as client:
            with pytest.raises(PermissionDeniedError, match="job-1 could not be cancelled and may keep running"):
                await (await client.endpoint("ep").run({"n": 1})).output(cancel_on_exit=True)


async def test_a_finished_job_is_not_cancelled_on_exit() -> None:
    with scripted([QUEUED], [job_answer("FAILED", error="boom")]) as server:
        async with client_of(server) as client:
            with pytest.raises(JobFailedError):
                await (await client.endpoint("ep").run({"n": 1})).output(cancel_on_exit=True)
    assert operations_of(server) == ["run", "status-sync"]


async def test_the_job_keeps_running_without_cancel_on_exit() -> None:
    with LocalQueue() as queue:
        async with client_of(queue) as client:
            with pytest.raises(WaitTimeoutError, match="keeps running") as caught:
                await client.endpoint(queue.endpoint_id).run_sync({"n": 1}, timeout=0.3)
            assert await caught.value.job.status() == "IN_QUEUE"


# The diagnosis


@pytest.mark.slow
async def test_a_timeout_in_the_queue_is_diagnosed() -> None:
    with LocalQueue() as queue:
        async with client_of(queue) as client:
            job = await client.endpoint(queue.endpoint_id).run({"n": 1})
            for watch in (job.output, job.wait):
                with pytest.raises(WaitTimeoutError, match="no workers and 1 job waits") as caught:
                    await watch(timeout=2)
                assert caught.value.health is not None
                assert not isinstance(caught.value, QueueTimeoutError)
            with pytest.raises(WaitTimeoutError, match="no workers"):
                async for _ in job.stream(timeout=2):
                    pass
            with pytest.raises(WaitTimeoutError, match="no workers"):
                async for _ in job.events(timeout=2):
                    pass


async def test_a_tie_of_both_limits_is_a_queue_timeout() -> None:
    with LocalQueue() as queue:
        async with client_of(queue) as client:
            job = await client.endpoint(queue.endpoint_id).run({"n": 1})
            with pytest.raises(QueueTimeoutError):
                await job.output(timeout=0.5, queue_timeout=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["run_sync", "run_sync_state", "stream", "stream_detailed", "events"])
async def test_every_watch_takes_a_queue_timeout(name: str) -> None:
    with LocalQueue() as queue:
        async with client_of(queue) as client:
            endpoint = client.endpoint(queue.endpoint_id)
            with pytest.raises(QueueTimeoutError, match=r"within 1\.5 s\. The endpoint has no workers"):
                if name.startswith("run"):
                    await getattr(endpoint, name)({"n": 1}, timeout=30, queue_timeout=1.5)
                else:
                    async for _ in getattr(await endpoint.run({"n": 1}), name)(timeout=30, queue_timeout=1.5):
                        pass


async def test_a_single_poll_asks_for_no_diagnosis() -> None:
    with scripted([QUEUED], [QUEUED]) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            with pytest.raises(WaitTimeoutError):
                await job.output(timeout=0)
    assert operations_of(server) == ["run", "status"]


async def test_a_running_job_is_not_diagnosed() -> None:
    with scripted([RUNNING]) as server:
        async with client_of(server) as client:
            with pytest.raises(WaitTimeoutError):
                await client.endpoint("ep").job("job-1").output(timeout=0.5)
    assert "health" not in operations_of(server)


# The log


@pytest.mark.slow
async def test_an_outage_and_the_end_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="runpod_typed")
    with scripted([QUEUED], [BAD_GATEWAY], [BAD_GATEWAY], [DONE]) as server:
        async with client_of(server) as client:
            job = await client.endpoint("ep").run({"n": 1})
            await job.output()
            await job.output()
    lines = [record.getMessage() for record in caplog.records if "job-1" in record.getMessage()]
    assert [line for line in lines if "a poll failed" in line] == [
        "Job job-1 of endpoint ep: a poll failed (ServerError), and is repeated."
    ]
    assert len([line for line in lines if "succeed again" in line]) == 1
    assert len([line for line in lines if "finished: COMPLETED" in line]) == 1


# Handles


async def test_a_wait_of_a_finished_job_sends_nothing() -> None:
    with LocalQueue(square) as queue:
        async with client_of(queue) as client:
            job = await client.endpoint(queue.endpoint_id).run({"n": 3})
            state = await job.wait(timeout=10)
            assert await job.wait(timeout=0) is state
