# Values that no argument takes.
"""A value of the wrong type or range is refused before anything is sent, with the public name of its argument."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from inspect import isawaitable
from typing import Any, Final

import pytest

from runpod_typed import (
    AsyncClient,
    ConfigurationError,
    ExecutionPolicy,
    Hooks,
    PollPolicy,
    RateLimit,
    RateLimits,
    RetryPolicy,
    S3Config,
    async_as_completed,
)
from runpod_typed.errors import InputError
from tests.scripted_server import ScriptedServer, answer, scripted

pytestmark = pytest.mark.anyio

Values = tuple[object, ...]

NO_NUMBER: Final[Values] = ("5", b"5", [1], True, False, 1j, object(), -1, math.nan, -math.inf)
NO_DURATION: Final[Values] = (*NO_NUMBER, timedelta(seconds=-1), 10**400)
NO_TIME: Final[Values] = (*NO_DURATION, 0, 0.0, timedelta(0))
NO_FINITE_TIME: Final[Values] = (*NO_TIME, math.inf)
NO_COUNT: Final[Values] = (*NO_NUMBER, 0, 1.5, math.inf, timedelta(seconds=1))
NO_FLAG: Final[Values] = ("yes", "no", 0, 1, 1.0, math.nan, [True], object())
NO_STRING: Final[Values] = (5, True, 0, [1], object(), math.nan)
NO_OBJECT: Final[Values] = ("5", 5, True, False, [1], object(), {"ttl": 60})
NO_DICT: Final[Values] = ("5", 5, True, [1], object())
NO_FUNCTION: Final[Values] = ("5", 5, True, [1], object())

S3: Final = {"access_id": "a", "access_secret": "b", "bucket_name": "c", "endpoint_url": "d"}


def client(**options: Any) -> AsyncClient:
    return AsyncClient("key", **options)


def one_request(**options: Any) -> RateLimit:
    return RateLimit(requests=1, **options)


def bucket(**options: Any) -> S3Config:
    return S3Config(**{**S3, **options})


CONSTRUCTORS: Final[dict[str, tuple[Callable[..., object], Values]]] = {
    "timeout=": (client, (*NO_FINITE_TIME, None)),
    "retry=": (client, (*NO_OBJECT, None)),
    "poll=": (client, (*NO_OBJECT, None)),
    "rate_limits=": (client, (*NO_OBJECT, None)),
    "http_client=": (client, NO_OBJECT),
    "hooks=": (client, NO_OBJECT),
    "max_response_bytes=": (client, (*NO_COUNT, None)),
    "RetryPolicy.attempts": (RetryPolicy, NO_COUNT),
    "RetryPolicy.budget": (RetryPolicy, NO_TIME),
    "RetryPolicy.initial_backoff": (RetryPolicy, NO_DURATION),
    "RetryPolicy.max_backoff": (RetryPolicy, (*NO_DURATION, math.inf)),
    "RetryPolicy.max_retry_after": (RetryPolicy, NO_DURATION),
    "RetryPolicy.resubmit": (RetryPolicy, NO_FLAG),
    "RetryPolicy.decide": (RetryPolicy, NO_FUNCTION),
    "PollPolicy.long_poll": (PollPolicy, NO_FLAG),
    "PollPolicy.min_interval": (PollPolicy, NO_FINITE_TIME),
    "PollPolicy.max_interval": (PollPolicy, NO_FINITE_TIME),
    "PollPolicy.max_outage": (PollPolicy, NO_DURATION),
    "PollPolicy.jitter": (PollPolicy, (*NO_NUMBER, 1.1, math.inf)),
    "RateLimit.requests": (RateLimit, NO_COUNT),
    "RateLimit.window": (one_request, NO_FINITE_TIME),
    "RateLimit.concurrent": (one_request, NO_COUNT),
    "RateLimits.enabled": (RateLimits, NO_FLAG),
    "RateLimits.overrides": (RateLimits, NO_DICT),
    "ExecutionPolicy.ttl": (ExecutionPolicy, (*NO_FINITE_TIME, 9.9)),
    "ExecutionPolicy.execution_timeout": (ExecutionPolicy, (*NO_FINITE_TIME, 4.9)),
    "ExecutionPolicy.low_priority": (ExecutionPolicy, NO_FLAG),
    **{f"S3Config.{name}": (bucket, NO_STRING) for name in (*S3, "object_path")},
    **{f"Hooks.{name}": (Hooks, NO_FUNCTION) for name in ("on_request", "on_response", "on_retry", "on_job_end")},
}


@pytest.mark.parametrize("name", CONSTRUCTORS)
async def test_constructors_name_the_field_of_a_bad_value(name: str) -> None:
    make, values = CONSTRUCTORS[name]
    for value in values:
        with pytest.raises(ConfigurationError) as caught:
            make(**{name.rpartition(".")[2].rstrip("="): value})
        assert name in str(caught.value), value


WAIT_LIMITS: Final[dict[str, Values]] = {"timeout": NO_DURATION, "queue_timeout": NO_DURATION}
SHARED_OPTIONS: Final[dict[str, Values]] = {"webhook": NO_STRING, "policy": NO_OBJECT, "s3_config": NO_OBJECT}
BODY: Final[dict[str, Values]] = {**SHARED_OPTIONS, "extra_body": NO_DICT, "extra_query": NO_DICT}
OPTIONS: Final[dict[str, Values]] = {
    "timeout": NO_FINITE_TIME,
    "retry": NO_OBJECT,
    "poll": NO_OBJECT,
    "rate_limits": NO_OBJECT,
}
MAP: Final[dict[str, Values]] = {
    **WAIT_LIMITS,
    **SHARED_OPTIONS,
    "concurrency": NO_COUNT,
    "attempts": NO_COUNT,
    "ordered": NO_FLAG,
    "resubmit_uncertain": NO_FLAG,
    "key": NO_FUNCTION,
    "journal": (5, True, b"journal", [1], object()),
    "progress": ("yes", 5, 0, [1], object()),
    "on_exit": ("stay", True, 5, None, ["leave"]),
    "price_per_second": (*NO_NUMBER, math.inf),
    "max_cost": (*NO_NUMBER, math.inf),
}
CALLS: Final[dict[str, dict[str, Values]]] = {
    "client.with_options": OPTIONS,
    "endpoint.with_options": OPTIONS,
    "job.with_options": OPTIONS,
    "endpoint.run": {**BODY, "timeout": NO_TIME},
    "endpoint.run_sync": {**BODY, **WAIT_LIMITS, "cancel_on_exit": NO_FLAG},
    "endpoint.run_sync_state": {**BODY, **WAIT_LIMITS, "cancel_on_exit": NO_FLAG},
    "endpoint.health": {"timeout": NO_TIME},
    "endpoint.purge_queue": {"timeout": NO_TIME},
    "endpoint.map": MAP,
    "batches.create": {**SHARED_OPTIONS, "timeout": NO_TIME, "name": (*NO_STRING, "")},
    "batches.add": {**SHARED_OPTIONS, "timeout": NO_TIME},
    "batches.run": {**MAP, "name": (*NO_STRING, "")},
    "batches.finalize": {"timeout": NO_TIME},
    "batches.cancel": {"timeout": NO_TIME},
    "batches.get": {"timeout": NO_TIME},
    "batches.list": {"timeout": NO_TIME},
    "batches.results": {"timeout": NO_TIME, "page_size": NO_COUNT},
    "job.refresh": {"timeout": NO_TIME, "ttl": NO_FINITE_TIME},
    "job.status": {"timeout": NO_TIME, "ttl": NO_FINITE_TIME},
    "job.wait": WAIT_LIMITS,
    "job.output": {**WAIT_LIMITS, "cancel_on_exit": NO_FLAG},
    "job.stream": WAIT_LIMITS,
    "job.stream_detailed": WAIT_LIMITS,
    "job.events": WAIT_LIMITS,
    "job.cancel": {"timeout": NO_TIME},
    "job.retry": {"timeout": NO_TIME},
    "as_completed": {"timeout": NO_DURATION},
}
FIRST: Final[dict[str, Values]] = {
    "endpoint.run": ({"n": 1},),
    "endpoint.run_sync": ({"n": 1},),
    "endpoint.run_sync_state": ({"n": 1},),
    "endpoint.map": ([{"n": 1}],),
    "batches.create": ([{"n": 1}],),
    "batches.add": ("batch-1", [{"n": 1}]),
    "batches.run": ([{"n": 1}],),
    "batches.finalize": ("batch-1",),
    "batches.cancel": ("batch-1",),
    "batches.get": ("batch-1",),
    "batches.results": ("batch-1",),
}


async def use(call: str, server: ScriptedServer, options: dict[str, Any]) -> object:
    """Call a method with options; iterate over its result if it makes no call before."""
    async with AsyncClient("key", base_url=server.base_url) as client:
        endpoint = client.endpoint("ep")
        job = endpoint.job("job-1")
        owners: dict[str, Any] = {"client": client, "endpoint": endpoint, "job": job, "batches": endpoint.batches}
        owner, _, name = call.partition(".")
        if name:
            result: Any = getattr(owners[owner], name)(*FIRST.get(call, ()), **options)
        else:
            result = async_as_completed([job], **options)
        if isawaitable(result):
            return await result
        return [each async for each in result]


@pytest.mark.parametrize("call", CALLS)
async def test_calls_name_the_argument_of_a_bad_value(call: str) -> None:
    with scripted([answer(500)]) as server:
        for name, values in CALLS[call].items():
            more = {"price_per_second": 1} if name == "max_cost" else {}
            for value in values:
                with pytest.raises((ConfigurationError, InputError)) as caught:
                    await use(call, server, {name: value, **more})
                assert name in str(caught.value), value
                for internal in ("CallConfig", "ConnectionConfig", "MapOptions"):
                    assert internal not in str(caught.value)
        assert not server.requests
