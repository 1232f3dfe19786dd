from __future__ import annotations

from types import ModuleType
from typing import Final

import aiohttp
import httpcore
import httpx
import pytest
from aiohttp.client_reqrep import ConnectionKey
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import map_aiohttp_exceptions

from runpod_typed._transport.failures import transport_failure
from runpod_typed._transport.messages import TransportFailure
from runpod_typed.errors import (
    APIConnectionError,
    APITimeoutError,
)
from tests.core.calls import error
from tests.scripted_server import CLOSE, scripted

# What the transport raises

NEVER_SENT: Final = {"ConnectError", "ProxyError", "UnsupportedProtocol"}
NEVER_SENT_IN_TIME: Final = {"ConnectTimeout", "PoolTimeout"}
NO_ANSWER_IN_TIME: Final = {"ReadTimeout", "WriteTimeout", "TimeoutException"}
# Of these none shows that nothing was sent: for a submission, all of them are uncertain.
IN_DOUBT: Final = {
    "CloseError",
    "ConnectionNotAvailable",
    "CookieConflict",
    "DecodingError",
    "HTTPError",
    "HTTPStatusError",
    "InvalidURL",
    "LocalProtocolError",
    "NetworkError",
    "ProtocolError",
    "ReadError",
    "RemoteProtocolError",
    "RequestError",
    "RequestNotRead",
    "ResponseNotRead",
    "StreamClosed",
    "StreamConsumed",
    "StreamError",
    "TooManyRedirects",
    "TransportError",
    "WriteError",
}


def exception_classes(module: ModuleType) -> list[type[Exception]]:
    return [thing for thing in vars(module).values() if isinstance(thing, type) and issubclass(thing, Exception)]


RAISED: Final = [*exception_classes(httpx), *exception_classes(httpcore)]


def of_class(raised: type[Exception]) -> Exception:
    return raised.__new__(raised, "the text")  # some want a request and an answer for their making


@pytest.mark.parametrize("raised", RAISED, ids=lambda raised: f"{raised.__module__}.{raised.__name__}")
def test_every_exception_of_the_http_libraries_has_its_meaning(raised: type[Exception]) -> None:
    name = raised.__name__
    places = [name in group for group in (NEVER_SENT, NEVER_SENT_IN_TIME, NO_ANSWER_IN_TIME, IN_DOUBT)]
    assert sum(places) == 1, f"{name} is new: say in the lists above what it means"
    failure = transport_failure(of_class(raised))
    assert failure.request_sent is (name in NO_ANSWER_IN_TIME | IN_DOUBT)
    assert failure.timed_out is (name in NEVER_SENT_IN_TIME | NO_ANSWER_IN_TIME)
    assert failure.reason.startswith(name)


def test_no_meaning_is_listed_for_an_exception_that_is_gone() -> None:
    names = {raised.__name__ for raised in RAISED}
    assert names == NEVER_SENT | NEVER_SENT_IN_TIME | NO_ANSWER_IN_TIME | IN_DOUBT


@pytest.mark.parametrize("raised", [httpcore.ConnectError, httpcore.ReadError, ValueError, TimeoutError])
def test_what_is_known_never_to_have_left_was_never_sent_whatever_was_raised(raised: type[Exception]) -> None:
    assert not transport_failure(raised("x"), request_sent=False).request_sent


@pytest.mark.parametrize(
    ("raised", "sent"), [(httpcore.ProxyError, False), (httpcore.ConnectError, False), (httpcore.ReadError, True)]
)
def test_what_left_may_have_been_a_proxy_s_business_alone(raised: type[Exception], *, sent: bool) -> None:
    assert transport_failure(raised("x"), request_sent=True).request_sent is sent


@pytest.mark.parametrize(
    ("raised", "timed_out"), [(TimeoutError(), True), (OSError("broken"), False), (ValueError(), False)]
)
def test_any_other_exception_is_in_doubt(raised: Exception, *, timed_out: bool) -> None:
    failure = transport_failure(raised)
    assert (failure.request_sent, failure.timed_out) == (True, timed_out)


def test_a_reason_is_the_exception_s_name_and_text() -> None:
    assert transport_failure(httpcore.ReadError("reset by peer")).reason == "ReadError: reset by peer"
    assert transport_failure(httpcore.ReadError()).reason == "ReadError"


# httpx-aiohttp raises httpx's classes, and not always the right one: what it raises for a lost answer is what httpx
# raises for a connection never made.


def as_httpx_aiohttp_raises(raised: Exception) -> Exception:
    try:
        with map_aiohttp_exceptions():
            raise raised  # noqa: TRY301 -- as aiohttp would
    except Exception as mapped:  # noqa: BLE001 -- of whatever class
        return mapped


_ADDRESS: Final = ConnectionKey("127.0.0.1", 1, False, True, None, None, None)


@pytest.mark.parametrize(
    ("raised", "sent", "timed_out"),
    [
        (aiohttp.ClientConnectorError(_ADDRESS, OSError("refused")), False, False),
        (aiohttp.ClientConnectorDNSError(_ADDRESS, OSError("no such host")), False, False),
        (aiohttp.ConnectionTimeoutError("connecting"), False, True),
        (aiohttp.ServerDisconnectedError(), True, False),
        (aiohttp.ClientOSError("reset by peer"), True, False),
        (aiohttp.ClientConnectionError("closed"), True, False),
        (aiohttp.ServerTimeoutError("reading"), True, True),
        (aiohttp.SocketTimeoutError("reading"), True, True),
        (aiohttp.ClientPayloadError("cut short"), True, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_under_aiohttp_a_lost_answer_is_no_connection_never_made(
    raised: Exception, *, sent: bool, timed_out: bool
) -> None:
    failure = transport_failure(as_httpx_aiohttp_raises(raised))
    assert (failure.request_sent, failure.timed_out) == (sent, timed_out)
    assert failure.reason.startswith(type(raised).__name__)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_under_aiohttp_a_real_refusal_was_never_sent(free_tcp_port: int) -> None:
    async with httpx.AsyncClient(transport=AiohttpTransport()) as client:
        with pytest.raises(httpx.TransportError) as caught:
            await client.post(f"http://127.0.0.1:{free_tcp_port}/")
    assert not transport_failure(caught.value).request_sent


@pytest.mark.anyio
async def test_under_aiohttp_a_request_that_was_read_and_dropped_was_sent() -> None:
    with scripted([CLOSE]) as server:
        async with httpx.AsyncClient(transport=AiohttpTransport()) as client:
            with pytest.raises(httpx.ConnectTimeout) as caught:  # so it calls it
                await client.post(server.base_url)
    assert len(server.requests) == 1
    assert transport_failure(caught.value).request_sent


def lost(*, timed_out: bool = False, sent: bool = True) -> TransportFailure:
    return TransportFailure("ReadError: reset", request_sent=sent, timed_out=timed_out)


@pytest.mark.parametrize(
    ("failure", "raised", "words"),
    [
        (lost(), APIConnectionError, "lost its connection (ReadError: reset)"),
        (lost(sent=False), APIConnectionError, "could not connect (ReadError: reset)"),
        (lost(timed_out=True), APITimeoutError, "was not answered within 5 s (ReadError: reset)"),
        (lost(timed_out=True, sent=False), APITimeoutError, "was not answered within 5 s"),
    ],
)
def test_a_failure_is_an_error_that_says_what_where_and_why(
    failure: TransportFailure, raised: type[APIConnectionError], words: str
) -> None:
    found = error("get_status", failure)
    assert type(found) is raised
    assert isinstance(found, TimeoutError) is failure.timed_out
    assert words in found.message
    assert "get_status (GET http://127.0.0.1:8000/v2/ep/status/job-1)" in found.message
    assert (found.operation, found.method, found.url, found.request_sent) == (
        "get_status",
        "GET",
        "http://127.0.0.1:8000/v2/ep/status/job-1",
        failure.request_sent,
    )
