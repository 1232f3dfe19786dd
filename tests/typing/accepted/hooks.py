"""Hooks and what they are called with. Checked for its types, never run."""

from typing import Any, assert_type

from runpod_typed import AsyncClient, Client, Hooks, JobEnd, JobState, RequestInfo, ResponseInfo, RetryInfo
from runpod_typed.errors import APIError


def before(request: RequestInfo) -> None:
    assert_type((request.operation, request.endpoint_id), tuple[str, str])
    assert_type(request.job_id, str | None)
    assert_type((request.method, request.url), tuple[str, str])
    assert_type(request.attempt, int)


def after(response: ResponseInfo) -> None:
    assert_type(response.request, RequestInfo)
    assert_type(response.job_id, str | None)
    assert_type(response.status_code, int | None)
    assert_type(response.error, APIError | None)
    assert_type(response.duration_ms, float)


def again(retry: RetryInfo) -> None:
    assert_type(retry.request, RequestInfo)
    assert_type(retry.error, APIError)
    assert_type(retry.delay, float)


def ended(end: JobEnd) -> None:
    assert_type(end.endpoint_id, str)
    assert_type(end.state, JobState[Any])


def clients_of_both_halves_take_hooks() -> None:
    hooks = Hooks(on_request=before, on_response=after, on_retry=again, on_job_end=ended)
    assert_type(Client(hooks=hooks), Client)
    assert_type(AsyncClient(hooks=hooks), AsyncClient)
    Client(hooks=Hooks(on_retry=lambda retry: print(retry.error, retry.delay), on_request=None))
    Client(hooks=None)
