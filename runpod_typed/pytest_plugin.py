"""Fixtures for pytest: queues and endpoints on this machine.

``runpod_queue``, ``runpod_endpoint`` and ``async_runpod_endpoint`` are factories; `runpod_typed.testing` has their
types. Nothing but pytest is imported until one of them is used.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from runpod_typed import AsyncEndpoint, Endpoint
    from runpod_typed.local import LocalQueue
    from runpod_typed.testing import AsyncEndpointFactory, EndpointFactory, QueueFactory

_QUEUES = pytest.StashKey["list[LocalQueue]"]()
_OPTION = "--runpod-strict"
_TYPES = frozenset({"input_type", "output_type", "chunk_type", "input_codec", "output_codec", "chunk_codec"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("runpod-typed").addoption(
        _OPTION, action="store_true", help="Fail tests that leave a job unfinished or a stream unread."
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """With ``--runpod-strict``, fail a test that passed but left something behind."""
    result = yield
    if item.config.getoption(_OPTION):
        problems = [
            problem for queue in item.stash.get(_QUEUES, list["LocalQueue"]()) for problem in _left_behind(queue)
        ]
        if problems:
            pytest.fail("\n".join(problems), pytrace=False)
    return result


@pytest.fixture
def runpod_queue(request: pytest.FixtureRequest) -> Iterator[QueueFactory]:
    """Start local queues: ``runpod_queue(handler, **options)`` returns a started `LocalQueue`."""
    from runpod_typed.local import LocalQueue  # noqa: PLC0415 -- pytest loads this module at every start

    queues = request.node.stash.setdefault(_QUEUES, [])
    with ExitStack() as stack:

        def start(handler: Any = None, **options: Any) -> LocalQueue:
            queue = stack.enter_context(LocalQueue(handler, **options))
            queues.append(queue)
            return queue

        yield start


@pytest.fixture
def runpod_endpoint(runpod_queue: QueueFactory) -> Iterator[EndpointFactory]:
    """Make endpoints: ``runpod_endpoint(handler, output_type=...)`` returns an `Endpoint` of a queue of its own."""
    from runpod_typed import Client  # noqa: PLC0415 -- pytest loads this module at every start

    with ExitStack() as stack:

        def make(handler: Any = None, *, queue: LocalQueue | None = None, **options: Any) -> Endpoint[Any, Any, Any]:
            types = _take_types(options)
            serving = _choose_queue(runpod_queue, queue, handler, options)
            client = stack.enter_context(Client(serving.api_key, base_url=serving.base_url))
            return client.endpoint(serving.endpoint_id, **types)

        yield make


@pytest.fixture
def async_runpod_endpoint(runpod_queue: QueueFactory) -> AsyncEndpointFactory:
    """Make endpoints: ``async_runpod_endpoint(handler, output_type=...)`` returns an `AsyncEndpoint`."""
    from runpod_typed import AsyncClient  # noqa: PLC0415 -- pytest loads this module at every start

    def make(handler: Any = None, *, queue: LocalQueue | None = None, **options: Any) -> AsyncEndpoint[Any, Any, Any]:
        types = _take_types(options)
        serving = _choose_queue(runpod_queue, queue, handler, options)
        client = AsyncClient(serving.api_key, base_url=serving.base_url)
        executor = client._executor.without_keepalive()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] -- see below
        client._executor = client._owned = executor  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] -- the loop of the test is closed before its fixtures
        return client.endpoint(serving.endpoint_id, **types)

    return make


def _take_types(options: dict[str, Any]) -> dict[str, Any]:
    return {name: options.pop(name) for name in _TYPES & options.keys()}


def _choose_queue(start: QueueFactory, queue: LocalQueue | None, handler: Any, options: dict[str, Any]) -> LocalQueue:
    if queue is None:
        return start(handler, **options)
    given = ["handler"] * (handler is not None) + sorted(options)
    if given:
        raise TypeError(f"{given[0]} is not possible beside queue=: pass it to runpod_queue()")
    return queue


def _left_behind(queue: LocalQueue) -> Iterator[str]:
    for job_id in queue.unfinished_jobs:
        yield f"{_OPTION}: job {job_id} of endpoint {queue.endpoint_id} was left unfinished."
    for job_id in queue.unread_streams:
        yield f"{_OPTION}: the stream of job {job_id} of endpoint {queue.endpoint_id} was not read to its end."
