"""The bytes of HTTP/1.1: heads of requests, and responses however they are cut into pieces."""

from __future__ import annotations

from typing import Any, Final

import httpcore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_typed._transport.http1 import RequestWriter, ResponseReader
from runpod_typed._transport.messages import HttpRequest
from tests.core.calls import CONNECTION, KEY

CAP: Final = 1000

BODIES: Final[dict[str, tuple[bytes, bytes]]] = {
    "a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello", b"hello"),
    "no body": (b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", b""),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"hello",
    ),
    "a trailer": (b"HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n0\r\nY: z\r\n\r\n", b"h"),
    "spaces after the size of a chunk": (
        b"HTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n2  \r\nhi\r\n0 \r\n\r\n",
        b"hi",
    ),
    "line feeds alone": (b"HTTP/1.1 200 OK\nX: y\nContent-Length: 5\n\nhello", b"hello"),
    "an interim response": (
        b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 1\r\n\r\nh",
        b"h",
    ),
}


def read(*pieces: bytes, reader: ResponseReader | None = None) -> ResponseReader:
    reader = reader or ResponseReader(CAP)
    reader.expect()
    for piece in pieces:
        reader.feed(piece)
    return reader


@given(st.sampled_from(sorted(BODIES)), st.data())
def test_a_response_is_the_same_however_it_is_cut(name: str, data: st.DataObject) -> None:
    sent, body = BODIES[name]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(sent) - 1))))
    reader = read(*(sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)))
    assert reader.complete
    assert reader.reusable
    response = reader.response()
    assert (response.body, response.headers["x"]) == (body, "y")
    assert not {"link", "y"} & response.headers.keys()  # of the interim response, and of the trailer


@given(st.lists(st.sampled_from(sorted(BODIES)), min_size=2, max_size=4))
def test_responses_follow_each_other(names: list[str]) -> None:
    reader = ResponseReader(CAP)
    for name in names:
        sent, body = BODIES[name]
        assert read(sent, reader=reader).response().body == body


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_not_complete(garbage: bytes) -> None:
    reader = ResponseReader(CAP)
    try:
        reader.feed(garbage)
        reader.end()
    except httpcore.RemoteProtocolError:
        assert not reader.reusable
    else:
        assert reader.complete


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}x",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["a second response", "leftovers", "close", "HTTP/1.0"],
)
def test_a_connection_is_not_used_again_after(sent: bytes) -> None:
    reader = read(sent)
    assert reader.response().body == b"{}"
    assert not reader.reusable


def test_a_body_without_length_ends_with_the_connection() -> None:
    reader = read(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo")
    assert not reader.complete
    reader.end()
    assert reader.response().body == b"hello"
    assert not reader.reusable


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"", "without sending a response"),
        (b"HTTP/1.1 200 OK\r\nX: y", "without sending a response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "complete message body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "complete message body"),
    ],
)
def test_a_response_that_is_cut_short_is_an_error(sent: bytes, words: str) -> None:
    with pytest.raises(httpcore.RemoteProtocolError, match=words):
        read(*([sent] if sent else [])).end()


@pytest.mark.parametrize(
    "endless",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 40_000,
        b"HTTP/1.1 102 Processing\r\n\r\n" * 10_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"a" * 200_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 40_000,
    ],
    ids=["a header", "headers", "interim responses", "an extension of a chunk", "trailers"],
)
def test_endless_heads_are_not_kept(endless: bytes) -> None:
    with pytest.raises(httpcore.RemoteProtocolError):
        read(*(endless[start : start + 4096] for start in range(0, len(endless), 4096)))


def test_a_body_above_the_cap_is_not_read_further() -> None:
    reader = read(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + b"x" * (CAP + 1))
    assert reader.complete
    assert not reader.reusable
    assert "cap of 1000 bytes" in str(reader.response().problem)


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\x00: a\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 000 None\r\nContent-Length: 2\r\n\r\n{}",
    ],
    ids=["two lengths", "a length and chunks", "a zero", "not HTTP", "another protocol", "no status"],
)
def test_ambiguous_responses_are_refused(sent: bytes) -> None:
    with pytest.raises(httpcore.RemoteProtocolError):
        read(sent)


class Quit(BaseException):
    """As a signal handler raises."""


def test_an_interrupt_while_a_response_is_read_passes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> Any:
        raise Quit

    reader = ResponseReader(CAP)
    monkeypatch.setattr("runpod_typed._transport.http1.ResponseBody", interrupt)
    with pytest.raises(Quit):
        read(BODIES["a length"][0], reader=reader)


# Requests


def head_of(request: HttpRequest) -> bytes:
    return bytes(RequestWriter(CONNECTION).head(request))


def test_a_head_has_the_key_the_length_and_the_type() -> None:
    head = head_of(HttpRequest("POST", "/ep/run", b"{}", headers=((b"X-Policy", b"a"),)))
    assert head.startswith(b"POST /v2/ep/run HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n")
    lines = head.split(b"\r\n")
    assert f"Authorization: Bearer {KEY}".encode() in lines
    assert {b"X-Policy: a", b"Content-Type: application/json", b"Content-Length: 2"} <= set(lines)
    assert head.endswith(b"\r\n\r\n")
    assert b"Content-" not in head_of(HttpRequest("GET", "/ep/health"))


def test_a_head_does_not_show_the_key() -> None:
    writer = RequestWriter(CONNECTION)
    assert KEY not in repr(writer.head(HttpRequest("GET", "/ep/health")))
    assert KEY not in repr(vars(writer))


@pytest.mark.parametrize("character", ["\r", "\n", " ", "\x00", "\x7f", "é"])
def test_a_request_cannot_hold_a_second_one(character: str) -> None:
    with pytest.raises(httpcore.LocalProtocolError):
        head_of(HttpRequest("GET", f"/ep/status/a{character}b"))
    if character in "\r\n\x00\x7f":
        with pytest.raises(httpcore.LocalProtocolError):
            head_of(HttpRequest("GET", "/ep/health", headers=((b"X", f"a{character}b".encode()),)))
