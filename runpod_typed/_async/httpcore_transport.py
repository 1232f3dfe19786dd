# One HTTP attempt, over connections of our own or an httpx client.
"""What makes one HTTP attempt. An answer and a failure both come back as values.

A failure that were raised would carry the transport's frames, and with them the key in their local variables.
"""

from __future__ import annotations

from typing import Protocol, final

import httpcore
import httpx

from runpod_typed._async.connections import AsyncConnections
from runpod_typed._synchronization import Attempt, async_content, async_deadline, async_drain
from runpod_typed._transport.connection import CONNECT_TIMEOUT, ConnectionConfig
from runpod_typed._transport.failures import transport_failure
from runpod_typed._transport.messages import BodyBuffer, HttpRequest, HttpResponse, TransportFailure
from runpod_typed._transport.network import AsyncCutter
from runpod_typed._transport.proxies import ProxyAddress
from runpod_typed.errors import ConfigurationError

# Of an attempt's time, what connecting may take: if it took all, nobody could tell whether the request had left.
_CONNECTING_SHARE = 0.95


class AsyncTransport(Protocol):
    """What makes one HTTP attempt."""

    async def send(self, request: HttpRequest, seconds: float) -> HttpResponse | TransportFailure:
        """Send a request and take the whole answer in, within `seconds`."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...

    def abandon(self) -> None:
        """Another one has taken over, since this one's event loop or process cannot be reached from here."""
        ...


@final
class _Request(httpcore.Request):
    """A request of parts that are as httpcore keeps them. Its own looks at each header once more, at each request."""

    def __init__(
        self,
        method: bytes,
        url: httpcore.URL,
        headers: list[tuple[bytes, bytes]],
        body: bytes | None,
        *,
        connect_timeout: float,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.stream = async_content(body)
        self.extensions = {"timeout": {"connect": connect_timeout}}


@final
class AsyncHttpcoreTransport:
    """Attempts over httpcore's connections, straight: half the work of a whole HTTP client."""

    def __init__(self, config: ConnectionConfig, proxy: ProxyAddress | None = None) -> None:
        self._config = config
        self._scheme = config.base_url.scheme.encode()
        self._host = config.base_url.host.encode()
        self._connections = AsyncConnections(config, proxy)

    async def send(self, request: HttpRequest, seconds: float) -> HttpResponse | TransportFailure:
        """Send a request and take the whole answer in, within `seconds`."""
        sent = False
        try:
            async with async_deadline(seconds) as attempt:
                attempt.secret = self._config.api_key
                try:
                    return await self._in_turn(request, seconds)
                finally:
                    sent = attempt.request_sent
        except Exception as error:  # noqa: BLE001 -- whatever a transport raises is this attempt's failure
            return transport_failure(error, request_sent=sent)
        except BaseException as error:  # noqa: BLE001 -- cancelled, or Ctrl-C; it goes on, without the frames that hold the key
            raise error.with_traceback(None)  # noqa: B904 -- it is the same error

    async def _in_turn(self, request: HttpRequest, seconds: float) -> HttpResponse:
        async with self._connections.slots:
            connection = await self._connections.take()
            try:
                answer = await self._exchange(connection, request, seconds)
            except BaseException:
                await self._connections.drop(connection)
                raise
            await self._connections.give_back(connection)
            return answer

    async def _exchange(
        self, connection: httpcore.AsyncConnectionInterface, request: HttpRequest, seconds: float
    ) -> HttpResponse:
        base = self._config.base_url
        response = await connection.handle_async_request(
            _Request(
                request.method.encode(),
                httpcore.URL(
                    scheme=self._scheme, host=self._host, port=base.port, target=f"{base.path}{request.target}".encode()
                ),
                self._config.headers(request),
                request.body,
                connect_timeout=min(CONNECT_TIMEOUT, seconds),
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
        await async_drain(parts)
        return buffer.answer(response.status, response.headers)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connections.aclose()

    def abandon(self) -> None:
        """Nothing: the collector closes what is left."""


@final
class AsyncHttpxTransport:
    """Attempts through an httpx client of the caller's own.

    Each of its steps is limited to the attempt's time, and so is their sum. Only in the sync half, a server that sends
    its headers bit by bit over a connection that was kept from an earlier request can be late.
    """

    def __init__(self, config: ConnectionConfig, client: httpx.AsyncClient) -> None:
        self._config = config
        self._client = client

    async def send(self, request: HttpRequest, seconds: float) -> HttpResponse | TransportFailure:
        """Send a request and take the whole answer in, within `seconds`.

        Raises:
            ConfigurationError: The caller has closed the client.
        """
        if self._client.is_closed:
            raise ConfigurationError("The http_client= is closed. Keep it open while it is used here.")
        has_cut = False
        try:
            async with async_deadline(seconds) as attempt:
                attempt.secret = self._config.api_key
                with AsyncCutter(attempt) as cutter:
                    try:
                        return await self._exchange(request, seconds, attempt, cutter)
                    finally:
                        has_cut = cutter.has_cut
        except Exception as error:  # noqa: BLE001 -- whatever a transport raises is this attempt's failure
            return transport_failure(TimeoutError("the time was over") if has_cut else error)
        except BaseException as error:  # noqa: BLE001 -- cancelled, or Ctrl-C; it goes on, without the frames that hold the key
            raise error.with_traceback(None)  # noqa: B904 -- it is the same error

    async def _exchange(
        self, request: HttpRequest, seconds: float, attempt: Attempt, cutter: AsyncCutter
    ) -> HttpResponse:
        early = _CONNECTING_SHARE * seconds
        response = await self._client.send(
            self._client.build_request(
                request.method,
                self._config.url(request.target),
                headers=self._config.headers(request),
                content=request.body,
                timeout=httpx.Timeout(seconds, connect=min(CONNECT_TIMEOUT, early), pool=early),
                extensions=cutter.extensions,
            ),
            stream=True,
            follow_redirects=False,
        )
        cutter.found(response.extensions)
        buffer = BodyBuffer(self._config.max_response_bytes)
        if response.is_stream_consumed:  # by hooks of the caller's, or it never came over a network; it is decoded too
            buffer.add(response.content)
            headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-encoding"]
            return buffer.answer(response.status_code, headers)
        parts = response.aiter_raw()
        late = False
        try:
            async for part in parts:
                late = attempt.left() <= 0
                if late or not buffer.add(part):
                    break
        finally:
            await response.aclose()
        await async_drain(parts)
        if late:
            raise TimeoutError("the body did not come in time")
        return buffer.answer(response.status_code, response.headers.raw)

    async def aclose(self) -> None:
        """Nothing: the connections are the caller's."""

    def abandon(self) -> None:
        """Nothing: the connections are the caller's."""
