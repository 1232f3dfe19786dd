# One HTTP attempt, over httpcore's pool or an httpx client.
"""What makes one HTTP attempt. An answer and a failure both come back as values.

A failure that were raised would carry the transport's frames, and with them the key in their local variables.
"""

from __future__ import annotations

from typing import Protocol, Self, final

import httpcore
import httpx

from runpod_typed._core.config import CONNECT_TIMEOUT, KEEPALIVE_EXPIRY, POOL_SIZE, ConnectionConfig
from runpod_typed._core.error_mapping import transport_failure
from runpod_typed._core.http import BodyBuffer, HttpAnswer, HttpRequest, TransportFailure
from runpod_typed._network import AsyncBackend, tls_context
from runpod_typed._synchronization import async_deadline, async_run_out


class AsyncSender(Protocol):
    """What makes one HTTP attempt."""

    async def send(self, request: HttpRequest, seconds: float) -> HttpAnswer | TransportFailure:
        """Send a request and take the whole answer in, within `seconds`."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


@final
class AsyncPoolSender:
    """Attempts over httpcore's connection pool, straight: half the work of a whole HTTP client."""

    def __init__(self, config: ConnectionConfig) -> None:
        base = config.base_url
        self._config = config
        self._scheme = base.scheme.encode()
        self._host = base.host.encode()
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls_context() if base.scheme == "https" else None,
            max_connections=POOL_SIZE,
            max_keepalive_connections=config.idle_connections,
            keepalive_expiry=KEEPALIVE_EXPIRY,
            network_backend=AsyncBackend(),
        )

    async def send(self, request: HttpRequest, seconds: float) -> HttpAnswer | TransportFailure:
        """Send a request and take the whole answer in, within `seconds`."""
        sent = False
        try:
            with async_deadline(seconds) as attempt:
                try:
                    return await self._exchange(request, seconds)
                finally:
                    sent = attempt.request_sent
        except Exception as error:  # noqa: BLE001 -- whatever a transport raises is this attempt's failure
            return transport_failure(error, request_sent=sent)
        except BaseException as error:  # noqa: BLE001 -- cancelled, or Ctrl-C; it goes on, without the frames that hold the key
            raise error.with_traceback(None)  # noqa: B904 -- it is the same error

    async def _exchange(self, request: HttpRequest, seconds: float) -> HttpAnswer:
        base = self._config.base_url
        response = await self._pool.handle_async_request(
            httpcore.Request(
                request.method,
                httpcore.URL(
                    scheme=self._scheme, host=self._host, port=base.port, target=f"{base.path}{request.target}".encode()
                ),
                headers=self._config.headers(request),
                content=request.body,
                extensions={"timeout": {"connect": min(CONNECT_TIMEOUT, seconds), "pool": seconds}},
            )
        )
        parts = response.aiter_stream()
        try:
            buffer = BodyBuffer(self._config.max_response_bytes)
            async for part in parts:
                if not buffer.add(part):
                    break
        finally:
            await response.aclose()
        await async_run_out(parts)
        return buffer.answer(response.status, response.headers)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


@final
class AsyncClientSender:
    """Attempts through an httpx client: the caller's own, or one of ours behind a proxy.

    Each of its steps is limited to the attempt's time; only the async half limits their sum too.
    """

    def __init__(self, config: ConnectionConfig, client: httpx.AsyncClient, *, owned: bool = False) -> None:
        self._config = config
        self._client = client
        self._owned = owned

    @classmethod
    def through_proxy(cls, config: ConnectionConfig) -> Self:
        """Attempts through the proxy that the environment names."""
        limits = httpx.Limits(
            max_connections=POOL_SIZE,
            max_keepalive_connections=config.idle_connections,
            keepalive_expiry=KEEPALIVE_EXPIRY,
        )
        return cls(config, httpx.AsyncClient(limits=limits, verify=tls_context()), owned=True)

    async def send(self, request: HttpRequest, seconds: float) -> HttpAnswer | TransportFailure:
        """Send a request and take the whole answer in, within `seconds`."""
        try:
            with async_deadline(seconds):
                return await self._exchange(request, seconds)
        except Exception as error:  # noqa: BLE001 -- whatever a transport raises is this attempt's failure
            return transport_failure(error)
        except BaseException as error:  # noqa: BLE001 -- cancelled, or Ctrl-C; it goes on, without the frames that hold the key
            raise error.with_traceback(None)  # noqa: B904 -- it is the same error

    async def _exchange(self, request: HttpRequest, seconds: float) -> HttpAnswer:
        response = await self._client.send(
            self._client.build_request(
                request.method,
                self._config.url(request.target),
                headers=self._config.headers(request),
                content=request.body,
                timeout=httpx.Timeout(seconds, connect=min(CONNECT_TIMEOUT, seconds)),
            ),
            stream=True,
            follow_redirects=False,
        )
        parts = response.aiter_raw()
        try:
            buffer = BodyBuffer(self._config.max_response_bytes)
            async for part in parts:
                if not buffer.add(part):
                    break
        finally:
            await response.aclose()
        await async_run_out(parts)
        return buffer.answer(response.status_code, response.headers.raw)

    async def aclose(self) -> None:
        """Close all connections, unless they are the caller's."""
        if self._owned:
            await self._client.aclose()
