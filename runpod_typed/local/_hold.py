"""Holding a request open, and noticing when its client leaves."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.requests import Request

from runpod_typed.local._service import QueueService, Waiter


@asynccontextmanager
async def hold(request: Request, service: QueueService) -> AsyncGenerator[Waiter]:
    """A waiter that gives up when the client disconnects. The request's body must have been read."""
    waiter = Waiter()
    service.held += 1

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        waiter.leave()

    watching = asyncio.create_task(watch())
    try:
        yield waiter
    finally:
        service.held -= 1
        watching.cancel()
