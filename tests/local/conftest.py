"""A queue whose jobs are taken by hand."""

from collections.abc import Iterator

import pytest

from runpod_typed.local import LocalQueue
from tests.local.caller import Caller


@pytest.fixture
def queue() -> Iterator[LocalQueue]:
    """A queue without workers."""
    with LocalQueue(endpoint_id="demo") as queue:
        yield queue


@pytest.fixture
def client(queue: LocalQueue) -> Caller:
    """Calls it as a client."""
    return Caller(queue)


@pytest.fixture
def worker(queue: LocalQueue) -> Caller:
    """Calls it as a worker."""
    return Caller(queue, key=queue.worker_environment()["RUNPOD_AI_API_KEY"])
