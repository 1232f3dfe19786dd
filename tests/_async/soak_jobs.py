# One job of a soak, in one of the ways that people use them.
"""One job of a soak, in one of the ways that people use them, checked to its end."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from attrs import frozen

from runpod_typed import (
    APIError,
    AsyncEndpoint,
    AsyncJob,
    JobCancelledError,
    JobExpiredError,
    JobFailedError,
    JobTimedOutError,
    RunpodError,
    StreamInterruptedError,
    SubmissionUncertainError,
    WaitTimeoutError,
)
from runpod_typed._synchronization import async_sleep
from tests.soak.tally import Tally, runs_in

LONG = 60.0
CHUNKS = 6
PATIENCE = 16
PAUSE = 0.5
"""Seconds after an error, so that the attempts outlast an outage."""


class NeverQueued(Exception):  # noqa: N818 -- an outcome
    """The submission was refused, or not sent: the job must never run."""


@frozen
class AsyncEndpoints:
    """The queues of a soak: plain jobs, streams with an aggregate output, and streams without."""

    plain: AsyncEndpoint[Any, Any, Any]
    kept: AsyncEndpoint[Any, Any, Any]
    gone: AsyncEndpoint[Any, Any, Any]


async def async_one_job(endpoints: AsyncEndpoints, token: str, tally: Tally, random: Random) -> None:
    """Submit a job, bring it to its end, and count the outcome."""
    ways = [
        async_plain,
        async_at_once,
        async_streamed,
        async_hurried,
        async_cancelled,
        async_failed,
        async_reconnected,
        async_uploaded,
    ]
    way = random.choices(ways, weights=[50, 15, 12, 8, 5, 5, 5, 2])[0]
    await async_run_way(way, endpoints, token, tally, random)


async def async_run_way(
    way: Callable[..., Any], endpoints: AsyncEndpoints, token: str, tally: Tally, random: Random
) -> None:
    """Run one of the ways, and count the errors that it reports."""
    tally.count("submitted")
    try:
        await way(endpoints, token, tally, random)
    except SubmissionUncertainError:
        tally.count("uncertain")
        await async_sleep(PAUSE)
    except NeverQueued:
        tally.count_never_queued(token)
    except JobTimedOutError:
        tally.count("given_up")
    except RunpodError as error:
        tally.count("lost", f"{way.__name__} {token}: {type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001 -- that there are none is what is counted
        tally.count("outside", f"{way.__name__} {token}: {error!r}")


async def async_plain(endpoints: AsyncEndpoints, token: str, tally: Tally, random: Random) -> None:
    """Run, and wait for the output."""
    check(await async_result(await async_submit(endpoints.plain, {"token": token}), tally), token, tally)


async def async_at_once(endpoints: AsyncEndpoints, token: str, tally: Tally, random: Random) -> None:
    """Run and wait in one call."""
    try:
        with tally.limit(LONG):
            output = await endpoints.plain.run_sync({"token": token}, timeout=LONG)
    except WaitTimeoutError as error:
        output = await async_result(error.job, tally)
    except SubmissionUncertainError:
        raise
    except APIError as error:
        if error.job_id is None:
            raise NeverQueued from error
        tally.count("went_on")
        output = await async_result(endpoints.plain.job(error.job_id), tally)
    check(output, token, tally)


async def async_streamed(endpoints: AsyncEndpoints, token: str, tally: Tally, random: Random) -> None:
    """Run, and take the chunks as they come."""
    endpoint = random.choice([endpoints.kept, endpoints.gone])
    job = await async_submit(endpoint, {"token": token, "n": CHUNKS})
    seen: list[Any] = []
    for _ in range(PATIENCE):
        try:
            async for chunk in job.stream(timeout=LONG):
                seen.append(chunk["number"])
            break
        except StreamInterruptedError as error:
            await async_check_stream([chunk["number"] for chunk in error.received], job, token, tally, whole=False)
            return
        except APIError:
            tally.count("went_on")
            await async_sleep(PAUSE)
    await async_check_stream(seen, job, token, tally, whole=True)


async def async_check_stream(
    numbers: list[int], job: AsyncJob[Any, Any], token: str, tally: Tally, *, whole: bool
) -> None:
    """Count a stream as it should be: in order, without a hole unless one was reported.

    A job whose worker died is handed out again, and streams from its beginning again.
    """
    runs = runs_in(numbers)
    right = all(set(run) <= set(range(CHUNKS)) for run in runs)
    if whole:
        right = right and runs[-1] == list(range(CHUNKS)) and all(run == list(range(len(run))) for run in runs)
    right = right and (len(runs) == 1 or len(runs) - 1 <= await async_retries(job, tally))
    outcome = "delivered" if whole else "interrupted"
    tally.count(outcome if right else "lost", None if right else f"stream {token}: {outcome} {numbers}")


async def async_hurried(endpoints: AsyncEndpoints, token: str, tally: Tally, random: Random) -> None:
    """Wait with less time than the job takes, and continue with the job of the error."""
    job = await async_submit(endpoints.plain, {"token": token, "sleep": 0.2})
    timeout = random.choice([0.02, 0.1, 0.15])
    try:
        with tally.limit(timeout):
            output = await job.output(timeout=timeout)
    except WaitTimeoutError as error:
        output = await async_result(error.job, tally)
    except (APIError, JobExpiredError):  # within this time, the job may not have become visible
        tally.count("went_on")
        output = await async_result(job, tally)
    check(output, token, tally)


async def async_cancelled(endpoints: AsyncEndpoints, token: str, tally: Tally, random: Random) -> None:
    """Cancel, and find the job cancelled, or done before."""
    job = await async_submit(endpoints.plain, {"token": token, "sleep": 0.3})
    for _ in range(PATIENCE):
        try:
            await job.cancel()
            break
        except APIError:
            tally.count("went_on")
            await async_sleep(PAUSE)
    try:
        check(await async_result(job, tally), token, tally)
    except JobCancelledError:
        tally.count("delivered")


async def async_failed(endpoints: AsyncEndpoints, token: str, tally: Tally, random: Random) -> None:
    """See it fail, queue it again, and get its output."""
    job = await async_submit(endpoints.plain, {"token": token, "fail_once": True})
    try:
        output = await async_result(job, tally)
        # Its worker died before it could report the failure, and the second one had none to report.
        again = await async_retries(job, tally)
        check(output if again else "it did not fail", token, tally)
        return
    except JobFailedError as error:
        if token not in str(error.error_message):
            tally.count("lost", f"{token} failed with {error}")
            return
    for _ in range(PATIENCE):
        try:
            await job.retry()
            break
        except APIError:
            tally.count("went_on")
            await async_sleep(PAUSE)
    check(await async_result(job, tally), token, tally)


async def async_reconnected(endpoints: AsyncEndpoints, token: str, tally: Tally, random: Random) -> None:
    """Reconnect to the job by its id, after a call of health."""
    job_id = (await async_submit(endpoints.plain, {"token": token})).id
    try:
        with tally.limit(0.5):
            await endpoints.plain.health(timeout=0.5)
    except APIError:
        tally.count("went_on")
    check(await async_result(endpoints.plain.job(job_id), tally), token, tally)


async def async_uploaded(endpoints: AsyncEndpoints, token: str, tally: Tally, random: Random) -> None:
    """Submit a large body in less time than its upload may take."""
    timeout = random.choice([0.002, 0.01, 0.03, 1.0])
    order = {"token": token, "ballast": "x" * random.choice([1_000_000, 8_000_000])}
    try:
        with tally.limit(timeout):
            job = await endpoints.plain.run(order, timeout=timeout)
    except SubmissionUncertainError:
        raise
    except APIError as error:
        raise NeverQueued from error
    check(await async_result(job, tally), token, tally)


async def async_submit(endpoint: AsyncEndpoint[Any, Any, Any], order: dict[str, Any]) -> AsyncJob[Any, Any]:
    """Submit; a submission that was surely not accepted is repeated, as a careful caller would do."""
    for _ in range(PATIENCE):
        try:
            return await endpoint.run(order)
        except SubmissionUncertainError:
            raise
        except APIError:
            await async_sleep(PAUSE)
    raise NeverQueued


async def async_retries(job: AsyncJob[Any, Any], tally: Tally) -> int:
    """Return how often the queue handed the job out again."""
    for _ in range(PATIENCE):
        try:
            return (await job.refresh()).retries
        except APIError:
            tally.count("went_on")
            await async_sleep(PAUSE)
    return 0


async def async_result(job: AsyncJob[Any, Any], tally: Tally) -> Any:
    """Return the output; a wait that ended by an error of the API is repeated."""
    for _ in range(PATIENCE):
        try:
            with tally.limit(LONG):
                return await job.output(timeout=LONG)
        except JobExpiredError:
            raise
        except (APIError, WaitTimeoutError):
            tally.count("went_on")
            await async_sleep(PAUSE)
    return await job.output(timeout=LONG)


def check(output: Any, token: str, tally: Tally) -> None:
    """Count the job as delivered if the result is its own."""
    right = output == {"token": token}
    tally.count("delivered" if right else "lost", None if right else f"{token} gave {output!r}")
