# HTTP attempts through a custom httpx client.
"""HTTP attempts through an httpx client that the user supplies."""

from __future__ import annotations

import sys
from typing import Final, final

import httpx
from typing_extensions import override

from runpod_typed._synchronization import async_drain
from runpod_typed._transport.bodies import PIECE_SIZE, RequestBody, ResponseBody
from runpod_typed._transport.connection import CONNECT_TIMEOUT, ConnectionConfig
from runpod_typed._transport.deadlines import Attempt, async_deadline
from runpod_typed._transport.failures import foreign_exception, transport_failure, without_frames
from runpod_typed._transport.messages import HttpRequest, HttpResponse, TransportFailure
from runpod_typed._transport.network import holds_leftovers
from runpod_typed.errors import ConfigurationError

# Of an attempt's time, the share that connecting may take: if it took all, the request might have left or not.
_CONNECTING_SHARE: Final = 0.95
_CONNECTING: Final = (httpx.ConnectError, httpx.ConnectTimeout)
_NEVER_SENT: Final = (*_CONNECTING, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
_TIMED_OUT: Final = (httpx.TimeoutException, TimeoutError)
_FAILURES: Final = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError)

# httpx-aiohttp raises `httpx.ConnectTimeout` for lost responses too; only these causes mean that it did not connect.
_AIOHTTP_NEVER_SENT: Final = frozenset({"ClientConnectorError", "ConnectionTimeoutError"})


@final
class _Stream(httpx.AsyncByteStream):
    """A request's body as httpx takes it."""

    def __init__(self, body: RequestBody) -> None:
        self._body = body

    @override
    def __aiter__(self) -> RequestBody:
        return self._body.__aiter__()


@final
class AsyncHttpxTransport:
    """Attempts through a custom httpx client, which stays the user's: its connections are neither closed nor changed.

    In the sync API each step of an attempt is limited to the attempt's time, and not their sum: the client has no other
    time limits than its own.
    """

    def __init__(self, config: ConnectionConfig, client: httpx.AsyncClient) -> None:
        self._config = config
        self._client = client

    async def send(self, request: HttpRequest, attempt: Attempt) -> HttpResponse | TransportFailure:
        """Send a request and read the whole response.

        Raises:
            ConfigurationError: The client is closed.
        """
        if self._client.is_closed:
            raise ConfigurationError("The http_client= is closed. Keep it open while it is used here.")
        outer = sys.exception()
        try:
            async with async_deadline(attempt):
                return await self._exchange(request, attempt)
        except BaseException as error:  # noqa: BLE001 -- what is no failure of the attempt is raised again
            foreign = foreign_exception(error, _failures(), _CONNECTING, attempt)
            if foreign is not None:
                attempt.request_sent |= attempt.bytes_sent is None
                raise without_frames(foreign, outer)  # noqa: B904 -- it is this error, or the cause of it
            meant = _aiohttp_cause(error) or error
            return transport_failure(
                meant,
                attempt,
                # A custom transport may have read the body as a whole, and not through its stream.
                request_sent=not _is_never_sent(meant) and (attempt.request_sent or attempt.bytes_sent is None),
                timed_out=isinstance(meant, _TIMED_OUT),
            )

    async def _exchange(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
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
            attempt.request_sent = True  # in doubt: the client does not tell when it sends a head
        response = await self._client.send(sent, stream=True, follow_redirects=False)
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
                    break
        finally:
            await response.aclose()
        await async_drain(parts, _failures())
        if late:
            raise TimeoutError("the body did not come in time")
        stream = response.extensions.get("network_stream")
        if stream is not None and holds_leftovers(response.stream):
            await stream.aclose()
        return body.response(response.status_code)

    async def aclose(self) -> None:
        """Do nothing: the connections are the user's."""

    def abandon(self) -> None:
        """Do nothing: the connections are the user's."""


def _failures() -> tuple[type[Exception], ...]:
    # httpx-aiohttp lets some of aiohttp's exceptions through, such as that of a bad status line.
    aiohttp = sys.modules.get("aiohttp")
    return _FAILURES if aiohttp is None else (*_FAILURES, aiohttp.ClientError)


def _aiohttp_cause(error: BaseException) -> BaseException | None:
    cause = error.__cause__
    return cause if type(cause).__module__.partition(".")[0] == "aiohttp" else None


def _is_never_sent(error: BaseException) -> bool:
    if type(error).__module__.partition(".")[0] == "aiohttp":
        return any(base.__name__ in _AIOHTTP_NEVER_SENT for base in type(error).__mro__)
    return isinstance(error, _NEVER_SENT)
