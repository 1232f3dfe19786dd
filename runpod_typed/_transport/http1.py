"""HTTP/1.1 as bytes, without any I/O: requests are written by hand, and httptools reads the responses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, final

import httpcore
import httptools

from runpod_typed._models.secret import MaskedBytes
from runpod_typed._transport.bodies import ResponseBody
from runpod_typed._transport.connection import BODY_TYPE, ConnectionConfig
from runpod_typed._transport.messages import HttpRequest, HttpResponse

_MOST_BESIDE_BODY: Final = 100 * 1024
"""Bytes that a server may send before a body, or between two of its parts."""

_TARGET = re.compile(r"[\x21-\x7e]+")
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # in a header: it could begin another one


@final
class RequestWriter:
    """Writes the heads of requests to one server."""

    def __init__(self, config: ConnectionConfig) -> None:
        self._path = config.base_url.path
        self._shared = MaskedBytes(_lines(config.headers(HttpRequest("GET", ""))))

    def head(self, request: HttpRequest) -> MaskedBytes:
        """Return the request up to its body; the repr is masked, as it holds the API key.

        Raises:
            httpcore.LocalProtocolError: The target or a header has a character that must not be in it.
        """
        target = self._path + request.target
        if not _TARGET.fullmatch(target):
            raise httpcore.LocalProtocolError("the target of the request has a forbidden character")
        line = f"{request.method} {target} HTTP/1.1\r\n".encode()
        own = _lines(request.headers) if request.headers else b""
        if request.method != "GET":
            own += b"%b: %b\r\nContent-Length: %d\r\n" % (*BODY_TYPE, len(request.body or b""))
        return MaskedBytes(b"%b%b%b\r\n" % (line, self._shared, own))


def _lines(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    if any(_FORBIDDEN.search(name) or _FORBIDDEN.search(value) for name, value in headers):
        raise httpcore.LocalProtocolError("a header of the request has a forbidden character")
    return b"".join([b"%b: %b\r\n" % header for header in headers])


@final
class ResponseReader:
    """Reads the responses that arrive over one connection, one after the other."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(  # some servers send these, and their meaning is clear
            lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self.reusable = True
        """False if the connection cannot serve another request."""
        self.expect()

    def expect(self) -> None:
        """Begin to read the next response."""
        self.complete = False
        """True once the response is read to its end, or the rest of it is not needed."""
        self._headers = list[tuple[bytes, bytes]]()
        self._body: ResponseBody | None = None
        self._status = 0
        self._beside_body = 0

    def feed(self, data: bytes) -> None:
        """Take what has arrived.

        Raises:
            httpcore.RemoteProtocolError: It is not HTTP.
        """
        self._beside_body += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:  # a signal handler raised it within one of the methods below
            raise error.__context__ or error from None
        except httptools.HttpParserUpgrade:
            self.reusable = False
        except httptools.HttpParserError as error:
            self.reusable = False
            if not self.complete:
                raise httpcore.RemoteProtocolError(str(error)) from None
        if self._beside_body > _MOST_BESIDE_BODY and not self.complete:
            raise httpcore.RemoteProtocolError(f"the response has more than {_MOST_BESIDE_BODY} bytes beside its body")

    def end(self) -> None:
        """Take the end of the connection.

        Raises:
            httpcore.RemoteProtocolError: The response is not complete.
        """
        self.reusable = False
        if self._body is None:
            raise httpcore.RemoteProtocolError("Server disconnected without sending a response.")
        framing = {b"content-length", b"transfer-encoding"}
        if any(name.lower() in framing for name, _ in self._headers):
            raise httpcore.RemoteProtocolError("peer closed connection without sending complete message body")
        self.complete = True

    def response(self) -> HttpResponse:
        """Return the complete response."""
        body = self._body
        assert body is not None  # noqa: S101 -- for the type checkers: it is there once the response is complete
        return body.response(self._status)

    # httptools calls what follows

    def on_message_begin(self) -> None:
        """Note bytes after the response: the next request would take them for its own."""
        if self.complete:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or ignore a trailer."""
        if self._body is None:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Begin the body, unless the response is an interim one."""
        if self.complete:
            return
        self._status = self._parser.get_status_code()
        if self._status < 100 or self._status == 101:
            self.reusable = False
            raise httpcore.RemoteProtocolError(f"a response with the status {self._status:03} was not asked for")
        if self._status >= 200:
            self._body = ResponseBody(self._headers, self._most_bytes)
            self._beside_body = 0
        else:
            self._headers.clear()

    def on_body(self, data: bytes) -> None:
        """Take a part of the body."""
        self._beside_body = 0
        if self._body is not None and not self.complete and not self._body.add(data):
            self.complete, self.reusable = True, False

    def on_message_complete(self) -> None:
        """End the response."""
        if self._body is not None and not self.complete:
            self.complete = True
            self.reusable = self._parser.should_keep_alive()
