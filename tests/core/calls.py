"""Calls and responses for tests of the core, and a key that must show nowhere."""

from __future__ import annotations

import copy
import pickle
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from runpod_queue_api.models import RunRequest

from runpod_typed._codecs import json
from runpod_typed._core import operations
from runpod_typed._core.call import Call
from runpod_typed._core.config import DEFAULT_CALL_CONFIG, CallConfig
from runpod_typed._core.requests import Request
from runpod_typed._models.secret import Secret
from runpod_typed._transport.connection import BaseUrl, ConnectionConfig
from runpod_typed._transport.messages import HttpResponse, TransportFailure
from runpod_typed.errors import APIError

T = TypeVar("T")

KEY: Final = "rpa_CANARY7f3a9"
NOW: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

CONNECTION: Final = ConnectionConfig(
    api_key=Secret(KEY),
    base_url=BaseUrl(scheme="http", host="127.0.0.1", port=8000, path="/v2"),
    max_response_bytes=1_000_000,
)

_BODY: Final = RunRequest(input_={"prompt": "Hello"})

REQUESTS: Final[Mapping[str, Request[Any]]] = {
    request.operation.name: request
    for request in (
        operations.submit("ep", _BODY),
        operations.submit_and_wait("ep", _BODY, long_poll_ms=5000),
        operations.fetch_status("ep", "job-1"),
        operations.long_poll_status("ep", "job-1", wait_ms=5000),
        operations.fetch_chunks("ep", "job-1", wait_ms=5000),
        operations.cancel_job("ep", "job-1"),
        operations.retry_job("ep", "job-1"),
        operations.fetch_health("ep"),
        operations.fetch_metrics("ep"),
        operations.fetch_requests("ep"),
        operations.purge("ep"),
    )
}
"""One request of each operation, by the operation's name."""

GOOD: Final[Mapping[str, Any]] = {
    **{name: {"id": "job-1", "status": "IN_QUEUE"} for name in ("run", "retry")},
    **{
        name: {"id": "job-1", "status": "COMPLETED", "output": 1}
        for name in ("run_sync", "get_status", "get_status_sync")
    },
    "cancel": {"id": "job-1", "status": "CANCELLED"},
    "stream": {"status": "IN_PROGRESS", "stream": [{"output": 1}]},
    "get_health": {"jobs": {"inQueue": 2}, "workers": {"idle": 1}},
    "get_metrics": {"workers": {"idle": 1}, "readyWorkers": ["w"]},
    "get_requests": {"requests": []},
    "purge_queue": {"removed": 2, "status": "completed"},
}
"""A valid response to each operation."""


def call_of(
    request: Request[Any], config: CallConfig = DEFAULT_CALL_CONFIG, *, deadline: float | None = None
) -> Call[Any]:
    """A call that begins at 0."""
    call = Call(request=request, connection=CONNECTION, config=config, deadline=deadline)
    call.begin(0.0)
    return call


def answer(body: object = b"", status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return a response; a body other than bytes is written as JSON."""
    content = body if isinstance(body, bytes) else json.encode(body)
    raw = [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    return HttpResponse(status, raw, content)


def result(operation: str, outcome: HttpResponse | TransportFailure) -> Any:
    """Return the result of an attempt at an operation."""
    return call_of(REQUESTS[operation]).result(outcome, seconds=5.0, wall_clock=NOW)


def error(operation: str, outcome: HttpResponse | TransportFailure) -> Any:
    """The same, which must be an error."""
    found = result(operation, outcome)
    assert isinstance(found, APIError)
    return found


def copies(thing: T) -> list[T]:
    """Copies of a thing, and what comes out of its pickles."""
    pickles = [pickle.dumps(thing, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    return [copy.copy(thing), copy.deepcopy(thing), *map(pickle.loads, pickles)]


def traceback_with_locals(function: Callable[[], object]) -> str:
    """The traceback of what a function raises, as error reporters show it: with every frame's local variables."""
    try:
        function()
    except Exception as raised:  # noqa: BLE001 -- any exception is shown
        return "".join(traceback.TracebackException.from_exception(raised, capture_locals=True).format())
    raise AssertionError("nothing was raised")
