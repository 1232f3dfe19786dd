"""The exceptions of HTTP libraries, and the failures that they amount to in each transport."""

from __future__ import annotations

import signal
import ssl
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, ClassVar, Final

import aiohttp
import h11
import httpcore
import httpx
import pytest
from aiohttp.client_reqrep import ConnectionKey
from attrs import evolve
from httpx_aiohttp.transport import map_aiohttp_exceptions

from runpod_typed._async.httpx_transport import AsyncHttpxTransport
from runpod_typed._async.transports import AsyncHttpcoreTransport
from runpod_typed._sync.httpx_transport import HttpxTransport
from runpod_typed._sync.transports import HttpcoreTransport
from runpod_typed._transport.deadlines import Attempt
from runpod_typed._transport.failures import transport_failure
from runpod_typed._transport.fast import SWITCH_VARIABLE, async_fast_transport
from runpod_typed._transport.messages import HttpRequest, HttpResponse, TransportFailure
from runpod_typed.errors import APIConnectionError, APITimeoutError, CertificateError
from tests.core.calls import CONNECTION, KEY, error
from tests.own_clients import async_aiohttp_client
from tests.scripted_server import CLOSE, scripted

NEVER_SENT: Final = {"ConnectError", "ProxyError", "UnsupportedProtocol"}
NEVER_SENT_IN_TIME: Final = {"ConnectTimeout", "PoolTimeout"}
NO_ANSWER_IN_TIME: Final = {"ReadTimeout", "WriteTimeout", "TimeoutException"}
# Of these none shows that nothing was sent: for a submission, all of them are uncertain.
IN_DOUBT: Final = {
    "CloseError",
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


FOREIGN: Final = {"ConnectionNotAvailable", "CookieConflict"}
"""Exceptions that no request raises."""

POST: Final = HttpRequest("POST", "/ep/run", b"{}")

Outcome = HttpResponse | TransportFailure
Raise = Callable[[Attempt], Exception]


def httpcore_outcome(make: Raise, *, sent: bool = True) -> Outcome:
    """Return the outcome of a request whose exchange raises."""
    transport: Any = HttpcoreTransport(CONNECTION)

    def fail(_: HttpRequest, attempt: Attempt) -> HttpResponse:
        attempt.request_sent = sent
        raise make(attempt)

    transport._exchange = fail
    outcome: Outcome = transport.send(POST, Attempt(60.0, len(POST.body or b"")))
    return outcome


def httpx_outcome(make: Raise) -> Outcome:
    def fail(request: httpx.Request) -> httpx.Response:
        raise make(Attempt(60))

    with httpx.Client(transport=httpx.MockTransport(fail)) as client:
        return HttpxTransport(CONNECTION, client).send(POST, Attempt(60.0, len(POST.body or b"")))


def failure_of(raised: Exception, *, sent: bool = True) -> TransportFailure:
    of_httpx = type(raised).__module__.partition(".")[0] == "httpx"
    outcome = httpx_outcome(lambda _: raised) if of_httpx else httpcore_outcome(lambda _: raised, sent=sent)
    assert isinstance(outcome, TransportFailure)
    return outcome


def exception_classes(module: ModuleType) -> list[type[Exception]]:
    return [thing for thing in vars(module).values() if isinstance(thing, type) and issubclass(thing, Exception)]


RAISED: Final = [*exception_classes(httpx), *exception_classes(httpcore)]


def of_class(raised: type[Exception]) -> Exception:
    return raised.__new__(raised, "the text")  # some want a request and a response for their making


@pytest.mark.parametrize("raised", RAISED, ids=lambda raised: f"{raised.__module__}.{raised.__name__}")
def test_every_exception_of_the_http_libraries_has_its_meaning(raised: type[Exception]) -> None:
    name = raised.__name__
    places = [name in group for group in (NEVER_SENT, NEVER_SENT_IN_TIME, NO_ANSWER_IN_TIME, IN_DOUBT, FOREIGN)]
    assert sum(places) == 1, f"{name} is new: say in the lists above what it means"
    if name in FOREIGN:
        with pytest.raises(raised):
            failure_of(of_class(raised))
        return
    failure = failure_of(of_class(raised))
    assert failure.request_sent is (name in NO_ANSWER_IN_TIME | IN_DOUBT)
    assert failure.timed_out is (name in NEVER_SENT_IN_TIME | NO_ANSWER_IN_TIME)
    assert failure.reason.startswith(name)


def test_no_meaning_is_listed_for_an_exception_that_is_gone() -> None:
    names = {raised.__name__ for raised in RAISED}
    assert names == NEVER_SENT | NEVER_SENT_IN_TIME | NO_ANSWER_IN_TIME | IN_DOUBT | FOREIGN


@pytest.mark.parametrize("raised", [httpcore.ConnectError, httpcore.ReadError, h11.LocalProtocolError, OSError])
def test_a_request_that_never_left_was_never_sent(raised: type[Exception]) -> None:
    assert not failure_of(raised("x"), sent=False).request_sent


def test_a_reason_is_the_exceptions_name_and_message() -> None:
    assert failure_of(httpcore.ReadError("reset by peer")).reason == "ReadError: reset by peer"
    assert failure_of(httpcore.ReadError()).reason == "ReadError"


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("make", [httpcore.ConnectError, httpx.ConnectError])
def test_certificate_failures_are_told_apart(make: type[Exception]) -> None:
    refused = caused(make("x"), caused(httpcore.ConnectError("x"), ssl.SSLCertVerificationError("self-signed")))
    assert failure_of(refused).certificate_refused
    assert not failure_of(caused(make("x"), ssl.SSLError("wrong version number"))).certificate_refused


# Exceptions that only pass through


class SoftTimeLimitExceeded(Exception):  # noqa: N818 -- as users name them
    """An exception that Celery raises in a signal handler."""


class JobTimeout(TimeoutError):  # noqa: N818 -- as users name them
    """A TimeoutError of the user's, which HTTP libraries take for a socket's."""


class Interrupted(OSError):  # noqa: N818 -- as users name them
    """An OSError of the user's."""


class Quit(BaseException):
    """As sys.exit() raises."""


@pytest.mark.parametrize("foreign", [SoftTimeLimitExceeded, JobTimeout, Interrupted, Quit, MemoryError, ValueError])
def test_foreign_exceptions_pass_through(foreign: type[Exception]) -> None:
    for outcome_of in (httpcore_outcome, httpx_outcome):
        with pytest.raises(foreign):
            outcome_of(lambda _: foreign("5 s"))


@pytest.mark.parametrize("foreign", [JobTimeout, Interrupted, TimeoutError, OSError])
@pytest.mark.parametrize("library", [httpcore, httpx])
def test_foreign_exceptions_that_a_library_wraps_pass_through(library: Any, foreign: type[Exception]) -> None:
    outcome_of: Any = httpcore_outcome if library is httpcore else httpx_outcome
    for wrapping in (library.ReadTimeout, library.WriteTimeout, library.ReadError):
        with pytest.raises(foreign):
            outcome_of(partial(raised_by, wrapping, foreign))


def raised_by(wrapping: type[Exception], foreign: type[Exception], _attempt: Attempt) -> Exception:
    return caused(wrapping("x"), foreign("5 s"))


class Handlers:
    """The ways to write a signal handler."""

    raised: ClassVar[Exception]

    @staticmethod
    def function(*_: object) -> None:
        raise Handlers.raised

    def method(self, *_: object) -> None:
        raise self.raised

    def __call__(self, *_: object) -> None:
        raise self.raised


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*arguments: Any) -> Any:
        return function(*arguments)

    return wrapper


HANDLERS: Final = (
    Handlers.function,
    Handlers().method,
    Handlers(),
    partial(Handlers.function, 1),
    logged(Handlers.function),
)


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize(
    "raised",
    [InterruptedError("stop"), ConnectionResetError(), ssl.SSLError("x"), OSError(5, "x"), httpcore.ReadTimeout("x")],
    ids=lambda raised: type(raised).__name__,
)
def test_any_exception_of_a_signal_handler_passes_through(handler: Any, raised: Exception) -> None:
    def receive(_: Attempt) -> Exception:
        try:
            signal.raise_signal(signal.SIGTERM)
        except Exception as error:  # noqa: BLE001 -- as the libraries do
            return caused(httpcore.ReadError("x"), error)
        raise AssertionError("no signal came")

    Handlers.raised = raised
    before = signal.signal(signal.SIGTERM, handler)
    try:
        with pytest.raises(type(raised)) as caught:
            httpcore_outcome(receive)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert caught.value is raised


def test_a_decorator_of_a_signal_handler_makes_no_others() -> None:
    @logged
    def fail(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    before = signal.signal(signal.SIGTERM, logged(Handlers.function))
    try:
        with httpx.Client(transport=httpx.MockTransport(fail)) as client:
            outcome = HttpxTransport(CONNECTION, client).send(POST, Attempt(60.0, len(POST.body or b"")))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert isinstance(outcome, TransportFailure)


def test_a_timeout_of_the_attempt_itself_is_a_failure() -> None:
    def late(attempt: Attempt) -> Exception:
        attempt.deadline -= 100
        return caused(httpcore.ReadTimeout("timed out"), TimeoutError("timed out"))

    outcome = httpcore_outcome(late)
    assert isinstance(outcome, TransportFailure)
    assert outcome.timed_out


def test_a_connection_timeout_is_a_failure_though_time_is_left() -> None:
    assert failure_of(caused(httpcore.ConnectTimeout("timed out"), TimeoutError("timed out"))).timed_out


def shown_by(raised: BaseException) -> str:
    """The local variables of all frames but this file's, through causes and contexts."""
    shown: list[str] = []
    each: BaseException | None = raised
    while each is not None:
        frame = each.__traceback__
        while frame is not None:
            if frame.tb_frame.f_code.co_filename != __file__:
                shown.append(repr(frame.tb_frame.f_locals))
            frame = frame.tb_next
        each = each.__context__
    return "".join(shown)


def test_foreign_exception_shows_no_key_and_keeps_its_context() -> None:
    class Stream(httpcore.NetworkStream):
        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            raise SoftTimeLimitExceeded("5 s")

        def get_extra_info(self, info: str) -> Any:
            return None

        def close(self) -> None:
            pass

    class Backend(httpcore.NetworkBackend):
        def connect_tcp(self, *_: Any, **__: Any) -> httpcore.NetworkStream:
            return Stream()

    transport: Any = HttpcoreTransport(CONNECTION)
    transport._connections._factory._network_backend = Backend()
    outer = LookupError("of the user's")
    with pytest.raises(SoftTimeLimitExceeded) as caught:
        try:
            raise outer
        except LookupError:
            transport.send(POST, Attempt(60.0, len(POST.body or b"")))
    assert KEY not in shown_by(caught.value)
    assert caught.value.__context__ is outer
    assert outer.__traceback__ is not None


# httpx-aiohttp raises httpx's classes, and not always the right one: what it raises for a lost response is what httpx
# raises for a connection never made.


def as_httpx_aiohttp_raises(raised: Exception) -> Exception:
    try:
        with map_aiohttp_exceptions():
            raise raised  # noqa: TRY301 -- as aiohttp would
    except Exception as mapped:  # noqa: BLE001 -- of any class
        return mapped


_ADDRESS: Final = ConnectionKey("127.0.0.1", 1, False, True, None, None, None)

AIOHTTP_RAISES: Final[list[tuple[Exception, bool, bool]]] = [
    (aiohttp.ClientConnectorError(_ADDRESS, OSError("refused")), False, False),
    (aiohttp.ClientConnectorDNSError(_ADDRESS, OSError("no such host")), False, False),
    (aiohttp.ConnectionTimeoutError("connecting"), False, True),
    (aiohttp.ServerDisconnectedError(), True, False),
    (aiohttp.ClientOSError("reset by peer"), True, False),
    (aiohttp.ClientConnectionError("closed"), True, False),
    (aiohttp.ServerTimeoutError("reading"), True, True),
    (aiohttp.SocketTimeoutError("reading"), True, True),
    (aiohttp.ClientPayloadError("cut short"), True, False),
]


@pytest.mark.parametrize(
    ("raised", "sent", "timed_out"), AIOHTTP_RAISES, ids=[type(raised).__name__ for raised, _, _ in AIOHTTP_RAISES]
)
def test_httpx_over_aiohttp_has_aiohttps_meanings(raised: Exception, *, sent: bool, timed_out: bool) -> None:
    failure = httpx_outcome(lambda _: as_httpx_aiohttp_raises(raised))
    assert isinstance(failure, TransportFailure)
    assert (failure.request_sent, failure.timed_out) == (sent, timed_out)
    assert failure.reason.startswith(type(raised).__name__)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.parametrize("foreign", [SoftTimeLimitExceeded, JobTimeout, Quit, MemoryError])
async def test_foreign_exceptions_pass_through_async(foreign: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> Any:
        raise foreign("5 s")

    ours: Any = AsyncHttpcoreTransport(CONNECTION)
    monkeypatch.delenv(SWITCH_VARIABLE, raising=False)
    fast: Any = async_fast_transport(CONNECTION)
    ours._exchange = fast._exchange = fail
    async with httpx.AsyncClient(transport=httpx.MockTransport(fail)) as client:
        for transport in (ours, fast, AsyncHttpxTransport(CONNECTION, client)):
            with pytest.raises(foreign):
                await transport.send(POST, Attempt(60.0, len(POST.body or b"")))


@pytest.mark.anyio
async def test_httpx_over_aiohttp_knows_a_refusal_from_a_lost_response(free_tcp_port: int) -> None:
    for script, sent in ((None, False), ([CLOSE], True)):
        with scripted(script or [CLOSE]) as server:
            base_url = evolve(CONNECTION.base_url, port=int(server.base_url.split(":")[2].split("/")[0]))
            if script is None:
                base_url = evolve(base_url, port=free_tcp_port)
            async with async_aiohttp_client() as client:
                transport = AsyncHttpxTransport(evolve(CONNECTION, base_url=base_url), client)
                failure = await transport.send(POST, Attempt(30.0, len(POST.body or b"")))
            assert isinstance(failure, TransportFailure)
            assert failure.request_sent is sent


# Errors


def lost(*, timed_out: bool = False, sent: bool = True) -> TransportFailure:
    return TransportFailure("ReadError: reset", request_sent=sent, timed_out=timed_out)


@pytest.mark.parametrize(
    ("failure", "raised", "words"),
    [
        (lost(), APIConnectionError, "lost its connection (ReadError: reset)"),
        (lost(sent=False), APIConnectionError, "could not connect (ReadError: reset)"),
        (lost(timed_out=True), APITimeoutError, "got no response within 5 s (ReadError: reset)"),
        (lost(timed_out=True, sent=False), APITimeoutError, "got no response within 5 s"),
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


def test_an_unfinished_upload_says_how_much_was_sent() -> None:
    late = TransportFailure("WriteTimeout", request_sent=False, timed_out=True, bytes_sent=5)
    found = error("run", late)
    assert type(found) is APITimeoutError
    assert "sent 5 of 28 bytes of its body within 5 s" in found.message
    assert "Nothing was queued" in found.message
    assert not found.request_sent
    broken = error("run", late._replace(timed_out=False))
    assert type(broken) is APIConnectionError
    assert "lost its connection after 5 of 28 bytes" in broken.message


def test_a_refused_certificate_is_an_error_of_its_own() -> None:
    found = error("run", TransportFailure("ConnectError: x", request_sent=False, certificate_refused=True))
    assert type(found) is CertificateError
    assert "certificate cannot be verified (ConnectError: x)" in found.message


REFUSED: Final = ConnectionRefusedError(111, "Connection refused")


@pytest.mark.parametrize(
    "cause", [REFUSED, ExceptionGroup("each address", [REFUSED, OSError(113, "No route to host")])]
)
def test_a_failed_connection_names_its_reason(cause: Exception) -> None:
    without_reason, raised = OSError("All connection attempts failed"), httpcore.ConnectError("the same")
    without_reason.__cause__, raised.__cause__ = cause, without_reason
    failure = transport_failure(raised, Attempt(1.0), request_sent=False, timed_out=False)
    assert failure.reason == "ConnectError: [Errno 111] Connection refused"
