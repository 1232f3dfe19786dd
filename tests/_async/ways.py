# Clients over each way to the server.
"""Clients of test servers, whose requests may take each of the ways there are: a client of the caller's, a proxy."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final
from warnings import catch_warnings

import httpx
import pytest

from runpod_typed import AsyncClient, RetryPolicy
from runpod_typed._async import transports
from runpod_typed._core.operations import load_models
from runpod_typed._synchronization import async_sleep, monotonic
from runpod_typed._transport.fast import SWITCH_VARIABLE
from runpod_typed.errors import APITimeoutError
from runpod_typed.local import LocalQueue
from tests.loopback_proxy import LoopbackProxy, proxying
from tests.own_clients import async_aiohttp_client
from tests.scripted_server import ScriptedServer

# A first request loads these, and some tests have less time than that takes.
LOADED: Final = (urllib.request, transports)
load_models()

WAYS: Final = ("straight", "own client", "proxy")
ALL_WAYS: Final = (*WAYS, "over httpcore", "own client over aiohttp")

PROXIED_HOST: Final = "server.example"
"""The name of this machine behind the proxy: loopback addresses have no proxy."""

ONCE: Final = RetryPolicy.disabled()


def client_of(server: LocalQueue | ScriptedServer, **options: Any) -> AsyncClient:
    """Return a client of a queue, or of a server that responds by a script."""
    key = server.api_key if isinstance(server, LocalQueue) else "key"
    return AsyncClient(key, base_url=server.base_url, **options)


async def time_out_after_sending(call: Callable[..., Any], seconds: float = 0.06) -> APITimeoutError:
    """Call with a time limit that is doubled until the request is sent before it ends."""
    while seconds < 30:
        with pytest.raises(APITimeoutError) as caught:
            await call(timeout=seconds)
        if caught.value.request_sent:
            return caught.value
        seconds *= 2
    raise AssertionError("no request was sent")


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for something that a thread or the event loop does."""
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, "it did not happen in time"
        await async_sleep(0.005)


class AsyncClientOver:
    """A client whose requests go one of `ALL_WAYS`, for the length of a block."""

    def __init__(
        self,
        way: str,
        base_url: str,
        *,
        api_key: str = "key",
        retry: RetryPolicy = ONCE,
        timeout: float = 30.0,
        max_response_bytes: int = 1_000_000,
    ) -> None:
        self._way = way
        self._base_url = base_url
        self._api_key = api_key
        self._retry = retry
        self._timeout = timeout
        self._max_response_bytes = max_response_bytes
        self._stack = ExitStack()
        self._proxy: LoopbackProxy | None = None
        self._own: httpx.AsyncClient | None = None

    def has_been_sent(self, count: int) -> bool:
        """Tell whether a proxy, if there is one, has passed on that many bytes to the client."""
        return self._proxy is None or self._proxy.has_passed_back(count)

    async def __aenter__(self) -> AsyncClient:
        patch = self._stack.enter_context(pytest.MonkeyPatch.context())
        if self._way == "own client":
            self._own = httpx.AsyncClient(verify=False)  # reading certificates takes longer than a test
        elif self._way == "redirecting client":
            self._own = httpx.AsyncClient(verify=False, follow_redirects=True)
        elif self._way == "own client over aiohttp":
            self._own = async_aiohttp_client()
        elif self._way == "over httpcore":
            patch.setenv(SWITCH_VARIABLE, "0")
        elif self._way == "proxy":
            proxy = self._proxy = self._stack.enter_context(proxying())
            self._base_url = self._base_url.replace("127.0.0.1", PROXIED_HOST)
            patch.setenv("HTTP_PROXY", proxy.url)
            patch.setenv("HTTPS_PROXY", proxy.url)
        with catch_warnings(action="ignore", category=UserWarning):  # plain HTTP to another host
            self._client = AsyncClient(
                self._api_key,
                base_url=self._base_url,
                retry=self._retry,
                timeout=self._timeout,
                http_client=self._own,
                max_response_bytes=self._max_response_bytes,
            )
        return self._client

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.aclose()
        if self._own is not None:
            await self._own.aclose()
        self._stack.close()
