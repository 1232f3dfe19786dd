"""httpx clients as callers may bring them along."""

from __future__ import annotations

import httpx

from runpod_typed._synchronization import running_asyncio_loop


def keeps_deadlines(way: str) -> bool:
    """Return whether an attempt ends at its deadline while headers drip in: a custom sync client has its own limits."""
    return not way.startswith("own client")


def async_keeps_deadlines(way: str) -> bool:
    """Return True: an async attempt is cancelled."""
    del way
    return True


def aiohttp_client() -> httpx.Client:
    """Return a plain httpx client: aiohttp has no sync API."""
    return httpx.Client(verify=False)  # reading certificates takes longer than a test


def async_aiohttp_client() -> httpx.AsyncClient:
    """An httpx client over aiohttp, where the loop is asyncio's."""
    if running_asyncio_loop() is None:
        return httpx.AsyncClient(verify=False)
    from httpx_aiohttp import HttpxAiohttpClient  # trio goes without

    return HttpxAiohttpClient(verify=False)
