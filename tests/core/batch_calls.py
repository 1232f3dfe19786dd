"""Calls of operations on batches, to try the core with."""

from typing import Any

from runpod_queue_api.models import RunRequest

from runpod_typed._core import batch_operations
from runpod_typed._core.batches import PageReader
from runpod_typed._core.requests import Request

_BODY = RunRequest(input_={"prompt": "Hello"})


def batch_requests() -> dict[str, Request[Any]]:
    """One request of each operation, by the operation's name. A page is read once, so they are made anew."""
    requests = (
        batch_operations.create("ep", [_BODY]),
        batch_operations.append("ep", "batch-1", [_BODY]),
        batch_operations.finalize("ep", "batch-1"),
        batch_operations.rename("ep", "batch-1", "nightly"),
        batch_operations.cancel("ep", "batch-1"),
        batch_operations.delete_request("ep", "batch-1", "req-1"),
        batch_operations.get("ep", "batch-1"),
        batch_operations.list_all("ep", offset=2),
        batch_operations.list_requests("ep", "batch-1", PageReader(5)),
    )
    return {request.operation.name: request for request in requests}
