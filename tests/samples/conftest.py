"""Ports of the samples in five documents of Runpod; each runs here against the local queue.

`samples.csv` lists the samples. The documents are called seeds:

- seed 000, "Endpoints": the JavaScript SDK's page, as source;
- seed 001, "Endpoints": the Python SDK's page, as source;
- seed 002, "Endpoints": the JavaScript SDK's page, as shown by a browser, without indentation;
- seed 003: the reference of all operations in four languages, as shown by a browser, without indentation;
- seed 004, "Operations": the overview.

A test makes the calls of its sample with the same arguments and in the same order. Lines in between that control the
queue (`queue.pause()`) stand for events elsewhere: workers that start, people who press Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest

from runpod_typed.local import Handler, HandlerConfig, LocalQueue
from tests.samples.support import ENDPOINT_ID


class Serve(Protocol):
    """Starts a local queue with a handler, and makes the environment name it."""

    def __call__(self, handler: Handler | HandlerConfig, *, endpoint_id: str = ENDPOINT_ID) -> LocalQueue: ...


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(handler: Handler | HandlerConfig, *, endpoint_id: str = ENDPOINT_ID) -> LocalQueue:
            queue = stack.enter_context(LocalQueue(handler, endpoint_id=endpoint_id))
            monkeypatch.setenv("RUNPOD_API_KEY", queue.api_key)
            monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", queue.base_url)
            monkeypatch.setenv("ENDPOINT_ID", queue.endpoint_id)
            return queue

        yield start
