"""Types of the pytest fixtures: endpoints are typed by types or codecs, and queues take every option."""

from datetime import timedelta
from pathlib import Path
from typing import Any, assert_type

from runpod_typed import AsyncEndpoint, Endpoint
from runpod_typed.local import LocalQueue
from runpod_typed.testing import AsyncEndpointFactory, EndpointFactory, QueueFactory


class Seconds:
    def encode(self, value: timedelta, /) -> Any:
        return value.total_seconds()

    def decode(self, data: Any, /) -> timedelta:
        return timedelta(seconds=data)


def double(job: dict[str, Any]) -> Any:
    return 2 * job["input"]


def fixtures(make_queue: QueueFactory, make: EndpointFactory, make_async: AsyncEndpointFactory, folder: Path) -> None:
    queue = make_queue(double, workers=2, persist=folder / "jobs.db", host="127.0.0.1", port=0, page=True)
    assert_type(queue, LocalQueue)
    assert_type(make(queue=queue), Endpoint[Any, Any, Any])
    assert_type(make(double, input_type=int, output_type=int | str), Endpoint[int, int | str, Any])
    assert_type(make(double, output_codec=Seconds()), Endpoint[Any, timedelta, Any])
    assert_type(make_async(double, input_codec=Seconds(), chunk_type=str), AsyncEndpoint[timedelta, Any, str])
    assert_type(make_async(double, output_type=str | None), AsyncEndpoint[Any, str | None, Any])
