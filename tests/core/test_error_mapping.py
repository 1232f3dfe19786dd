from __future__ import annotations

import gzip
import pickle
from types import ModuleType
from typing import Any, Final

import aiohttp
import httpcore
import httpx
import pytest
from aiohttp.client_reqrep import ConnectionKey
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import map_aiohttp_exceptions

from runpod_typed._core.error_mapping import transport_failure
from runpod_typed._core.http import BodyBuffer, TransportFailure
from runpod_typed.errors import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    UnprocessableEntityError,
)
from tests.core.calls import GOOD, KEY, REQUESTS, answer, error, result
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


def test_a_reason_is_the_exception_s_name_and_text_of_limited_length() -> None:
    assert transport_failure(httpcore.ReadError("reset by peer")).reason == "ReadError: reset by peer"
    assert transport_failure(httpcore.ReadError()).reason == "ReadError"
    long = transport_failure(httpcore.RemoteProtocolError(f"illegal status line: {'x' * 100_000}")).reason
    assert len(long) < 250


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


# Statuses

CLASSES: Final[dict[int, type[APIStatusError]]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: PayloadTooLargeError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    **dict.fromkeys([500, 501, 502, 503, 504, 511, *range(520, 531), 599, 600, 999], ServerError),
    **dict.fromkeys([100, 199, 300, 301, 304, 307, 402, 405, 408, 410, 415, 418, 451, 499], APIStatusError),
}


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize(("status", "raised"), CLASSES.items())
def test_each_status_has_its_class(name: str, status: int, raised: type[APIStatusError]) -> None:
    found = error(name, answer({"error": "the reason"}, status))
    assert type(found) is raised
    assert (found.status_code, found.body) == (status, {"error": "the reason"})
    assert f"was answered with {status}: the reason." in found.message
    assert found.operation == name


@pytest.mark.parametrize("status", [200, 201, 202, 206, 226, 299])
@pytest.mark.parametrize("name", REQUESTS)
def test_each_success_is_read(name: str, status: int) -> None:
    assert not isinstance(result(name, answer(GOOD[name], status)), Exception)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "RUNPOD_API_KEY"),
        (403, "permissions"),
        (404, "endpoint id 'ep'"),
        (413, "storage"),
        (429, "fewer requests"),
        (502, "try again later"),
        (302, "Redirects are not followed"),
    ],
)
def test_an_error_says_what_to_do(status: int, words: str) -> None:
    assert words in error("get_status", answer(b"", status)).message


@pytest.mark.parametrize(
    "words",
    [
        "json is invalid; max size is 2 MB",
        "Request Entity Too Large",
        "payload too large",
        "body is too large",
        "input exceeds the maximum size",
        "request exceeds 10 MiB",
    ],
)
def test_a_body_that_the_platform_calls_too_large_is_too_large_whatever_its_status(words: str) -> None:
    assert type(error("run", answer({"error": words}, 400))) is PayloadTooLargeError


@pytest.mark.parametrize(
    "words", ["bad request: ttl exceeds its maximum", "wait is too large", "json is invalid", "exceeds the limit"]
)
def test_other_things_that_are_too_large_are_not_the_body(words: str) -> None:
    assert type(error("run", answer({"error": words}, 400))) is BadRequestError


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("0.5", 0.5), ("soon", None), (None, None)])
@pytest.mark.parametrize("status", [429, 503])
def test_how_long_the_server_asks_to_wait_is_known(status: int, header: str | None, seconds: float | None) -> None:
    found = error("run", answer(b"", status, {} if header is None else {"Retry-After": header}))
    assert found.retry_after == seconds
    assert ("The server asks to wait" in found.message) is (seconds is not None)


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        ({"X-Request-ID": "r-1", "CF-Ray": "c-1"}, "r-1"),
        ({"cf-ray": "c-1"}, "c-1"),
        ({"x-request-id": "", "traceparent": "t-1"}, "t-1"),
        ({}, None),
    ],
)
@pytest.mark.parametrize("status", [200, 404, 502])
def test_the_request_s_id_stands_in_the_error(headers: dict[str, str], request_id: str | None, status: int) -> None:
    found = error("get_status", answer(b"<html>", status, headers))
    assert found.request_id == request_id
    assert ("[request id" in found.message) is (request_id is not None)
    assert request_id is None or f"[request id {request_id}]" in found.message


def test_an_error_holds_the_answer_s_headers_and_never_the_request_s() -> None:
    found = error("get_status", answer(b"", 500, {"Server": "edge"}))
    assert found.headers == {"server": "edge"}
    assert KEY not in repr(found.__dict__)


# Words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": "the reason"}, "the reason"),
        ({"message": "the reason"}, "the reason"),
        ({"detail": "the reason"}, "the reason"),
        ({"title": "the reason", "more": 1}, "the reason"),
        ({"error": "", "message": " the reason "}, "the reason"),
        ({"error": None, "title": "the reason"}, "the reason"),
        ({"error": {"message": "the reason"}}, "the reason"),
        ({"error": {"error": {"detail": "the reason"}}}, "the reason"),
        ({"error": {"code": 5}}, "{'code': 5}"),
        ({"error": {}, "message": "the reason"}, "the reason"),
        ({"error": 5}, "{'error': 5}"),
        ({"detail": [{"msg": "the reason"}]}, "{'detail': [{'msg': 'the reason'}]}"),
        (["the reason"], "['the reason']"),
        ("the reason", "the reason"),
        (5, "5"),
        (None, "no text"),
        ("", "no text"),
        (b"no token provided", "no token provided"),
        (b" <html>\n", "<html>"),
        (b"", "no text"),
        (b" \n ", "no text"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_the_reason_is_found_wherever_it_stands(body: object, words: str) -> None:
    assert f"was answered with 418: {words}." in error("get_status", answer(body, 418)).message


# Bodies that are no answer


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no JSON (empty)"),
        (b"<html>", "no JSON (Expecting value"),
        (b'{"id": "j', "no JSON ("),
        (b"\xff", "no JSON (not UTF-8"),
        (b"[" * 100_000, "no JSON (nested too deeply)"),
        ([], "the answer must be an object, and is an array"),
        ({"id": "j"}, "the field 'status' is missing"),
        ({"id": 7, "status": "FAILED"}, "the job's id must be a text that is not empty, and is a number"),
    ],
)
def test_a_success_that_is_no_answer_says_what_came(body: object, reason: str) -> None:
    found = error("get_status", answer(body))
    assert type(found) is APIResponseValidationError
    assert f"was answered with 200 and {reason}" in found.message
    assert "The body begins: " in found.message
    assert found.status_code == 200
    assert found.body == (body.decode(errors="replace") if isinstance(body, bytes) else body)


@pytest.mark.parametrize("status", [200, 404, 502])
@pytest.mark.parametrize(
    "body",
    [
        ("ж" * 5000).encode(),
        b'"' + ("ж" * 5000).encode() + b'"',
        b'{"error": "' + ("ж" * 5000).encode() + b'"}',
        b'{"error": {"odd": "' + ("ж" * 5000).encode() + b'"}}',
        b"[" + b",".join([b'"' + "ж".encode() + b'"'] * 5000) + b"]",
    ],
)
def test_a_message_quotes_200_characters_at_most_and_the_error_holds_all(status: int, body: bytes) -> None:
    found = error("get_status", answer(body, status))
    assert 1 <= found.message.count("ж") <= 200
    assert repr(found.body).count("ж") == 5000


def test_200_characters_are_quoted_whole_whatever_their_size() -> None:
    assert ("\U0001f600" * 200) in error("get_status", answer(("\U0001f600" * 5000).encode())).message


def test_a_long_request_id_is_cut_in_the_message_alone() -> None:
    found = error("get_status", answer(b"", 500, {"x-request-id": "r" * 5000}))
    assert found.message.count("r" * 201) == 0
    assert found.request_id == "r" * 5000


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize("body", [b'{"error": "\\ud83d"}', b'{"id": "\\ud83d", "status": "FAILED"}', b'"\\ud83d"'])
def test_a_message_can_always_be_printed(status: int, body: bytes) -> None:
    error("run", answer(body, status)).message.encode()


def undecodable(body: bytes, status: int, *, cap: int = 10_000) -> Any:
    buffer = BodyBuffer(cap)
    buffer.add(body)
    return result("get_status", buffer.answer(status, [(b"Content-Encoding", b"gzip")]))


@pytest.mark.parametrize(("status", "raised"), [(200, APIResponseValidationError), (502, ServerError)])
def test_a_body_that_is_not_what_its_encoding_says_is_told_and_shown(status: int, raised: type[Exception]) -> None:
    found = undecodable(b"<html>not gzip</html>", status)
    assert found.__class__.__name__ == raised.__name__
    assert "not gzip" in found.message
    assert found.body == "<html>not gzip</html>"
    cut = undecodable(gzip.compress(b"{}")[:-4], 200)
    assert "a body that cannot be read (content-encoding gzip" in cut.message


def test_json_that_only_says_it_is_packed_is_read() -> None:
    assert undecodable(b'{"id": "j", "status": "FAILED"}', 200).id == "j"


@pytest.mark.parametrize(("status", "raised"), [(200, APIResponseValidationError), (502, ServerError)])
def test_a_body_above_the_cap_says_how_to_raise_it(status: int, raised: type[Exception]) -> None:
    found = undecodable(gzip.compress(bytes(20_000)), status)
    assert found.__class__.__name__ == raised.__name__
    assert "above the cap of 10000 bytes (raise max_response_bytes= of the client)" in found.message
    assert found.body is None


# A failed job under an error status


@pytest.mark.parametrize("status", [400, 404, 500, 502])
@pytest.mark.parametrize("name", ["run_sync", "get_status", "get_status_sync"])
def test_a_job_that_has_ended_is_an_answer_whatever_the_status(name: str, status: int) -> None:
    found = result(name, answer({"id": "j", "status": "FAILED", "error": "Invalid image URL"}, status))
    assert (found.status, found.error) == ("FAILED", "Invalid image URL")


@pytest.mark.parametrize("name", ["run", "cancel", "retry", "stream", "purge_queue", "get_health"])
def test_other_operations_go_by_the_status(name: str) -> None:
    found = error(name, answer({"id": "j", "status": "FAILED", "error": "Invalid image URL"}, 400))
    assert type(found) is BadRequestError


@pytest.mark.parametrize("body", [{"id": "j", "status": "IN_PROGRESS"}, {"status": "FAILED"}, {"status": "error"}, []])
def test_what_is_no_ended_job_goes_by_the_status(body: object) -> None:
    assert type(error("get_status", answer(body, 404))) is NotFoundError


@pytest.mark.parametrize("status", [200, 404, 429, 500])
def test_errors_of_answers_survive_pickles(status: int) -> None:
    found = error("run", answer({"error": [1, {"a": None}]}, status, {"x-request-id": "r", "retry-after": "5"}))
    copied = pickle.loads(pickle.dumps(found))
    assert type(copied) is type(found)
    assert (copied.args, vars(copied)) == (found.args, vars(found))
