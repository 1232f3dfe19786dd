# HTTP attempts through a custom httpx client.
"""HTTP attempts through an httpx client that the user supplies."""

from __future__ import annotations

import sys
from typing import Final, final

import httpx
from typing_extensions import override

from runpod_typed._synchronization import async_drain, async_shielded
from runpod_typed._transport.bodies import PIECE_SIZE, RequestBody, ResponseBody
from runpod_typed._transport.connection import CONNECT_TIMEOUT, ConnectionConfig
from runpod_typed._transport.deadlines import Attempt, async_deadline
from runpod_typed._transport.interface import AsyncTransport, Exceptions
from runpod_typed._transport.messages import HttpRequest, HttpResponse, TransportFailure
from runpod_typed._transport.network import holds_leftovers, shut_down
from runpod_typed._transport.proxies import socks_failures
from runpod_typed.errors import ConfigurationError

# Of an attempt's time, the share that connecting may take: if it took all, the request might have left or not.
_CONNECTING_SHARE: Final = 0.95


@final
class _Stream(httpx.AsyncByteStream):
    """A request's body as httpx takes it."""

    def __init__(self, body: RequestBody) -> None:
        self._body = body

    @override
    def __aiter__(self) -> RequestBody:
        return self._body.__aiter__()


@final
class AsyncHttpxTransport(AsyncTransport):
    """Attempts through a custom httpx client, which stays the user's: its connections are neither closed nor changed.

    In the sync API each step of an attempt is limited to the attempt's time, and not their sum: the client has no other
    time limits than its own.
    """

    failures: Exceptions = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)
    connecting = (httpx.ConnectError, httpx.ConnectTimeout)
    never_sent: Exceptions = (*connecting, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
    timed_out = (httpx.TimeoutException, TimeoutError)

    def __init__(self, config: ConnectionConfig, client: httpx.AsyncClient) -> None:
        self._config = config
        self._client = client
        aiohttp = sys.modules.get("aiohttp")
        if aiohttp is not None:  # httpx-aiohttp lets some of its exceptions through, such as that of a bad status line
            self.failures = (*self.failures, aiohttp.ClientError)
            self.never_sent = (*self.never_sent, aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
        self.failures = (*self.failures, *socks_failures())
        self.never_sent = (*self.never_sent, *socks_failures())

    @override
    def _failure(self, error: BaseException, attempt: Attempt) -> TransportFailure:
        # httpx-aiohttp raises `httpx.ConnectTimeout` for lost responses too: only its cause tells.
        return super()._failure(_aiohttp_cause(error) or error, attempt)

    @override
    async def _exchange(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        if self._client.is_closed:
            raise ConfigurationError("The http_client= is closed. Keep it open while it is used here.")
        async with async_deadline(attempt):
            return await self._exchange_in_time(request, attempt)

    async def _exchange_in_time(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        early = _CONNECTING_SHARE * attempt.seconds
        pieces = _Stream(RequestBody(request.body, attempt))
        in_pieces = attempt.body_size > PIECE_SIZE  # a custom transport may want the `content` of smaller ones
        sent = self._client.build_request(
            request.method,
            self._config.url(request.target),
            headers=self._config.headers(request),
            content=pieces if in_pieces else request.body,
            timeout=httpx.Timeout(
                attempt.seconds,
                connect=min(CONNECT_TIMEOUT, early),
                write=attempt.seconds + attempt.upload_seconds,
                pool=early,
            ),
        )
        if attempt.body_size:
            sent.stream = pieces
        else:
            attempt.request_sent = True  # assumed: the client does not tell when it sends a head
        try:
            response = await self._client.send(sent, stream=True, follow_redirects=False)
        finally:  # a custom transport may have read the body as a whole, and not through its stream
            attempt.request_sent |= attempt.bytes_sent is None
        if response.is_stream_consumed:  # by the user's hooks, or it never came over a network; it is decoded too
            headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-encoding"]
            body = ResponseBody(headers, self._config.max_response_bytes)
            body.add(response.content)
            return body.response(response.status_code)
        body = ResponseBody(response.headers.raw, self._config.max_response_bytes)
        parts = response.aiter_raw()
        late = False
        try:
            async for part in parts:
                late = attempt.left() <= 0
                if late or not body.add(part):
                    with async_shielded():
                        await response.aclose()
                    await async_drain(parts, self.failures)
                    break
        finally:
            await response.aclose()
        if late:
            raise TimeoutError("the body did not come in time")
        stream = response.extensions.get("network_stream")
        if stream is not None and holds_leftovers(response.stream):
            shut_down(stream)
        return body.response(response.status_code)

    async def aclose(self) -> None:
        """Do nothing: the connections are the user's."""


def _aiohttp_cause(error: BaseException) -> BaseException | None:
    cause = error.__cause__
    return cause if type(cause).__module__.partition(".")[0] == "aiohttp" else None
