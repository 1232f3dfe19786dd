"""A queue with a real worker, for all tests of a module."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runpod_typed.local import LocalQueue

pytest.importorskip("typer", exc_type=ImportError)


@pytest.fixture(scope="module")
def queue() -> Iterator[LocalQueue]:
    worker = [sys.executable, str(Path(__file__).with_name("worker.py"))]
    with LocalQueue(worker=worker, endpoint_id="demo") as queue:
        yield queue


@pytest.fixture(scope="module")
def idle_queue() -> Iterator[LocalQueue]:
    """A queue without workers."""
    with LocalQueue(endpoint_id="demo") as queue:
        yield queue
