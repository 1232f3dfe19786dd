from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_typed._models.secret import Secret
from runpod_typed._transport.messages import (
    AboveCapError,
    BodyBuffer,
    HttpRequest,
    HttpResponse,
    TransportFailure,
    UndecodableBodyError,
    decompress,
)
from tests.core.calls import KEY

PLAIN = b'{"id": "job-1", "status": "COMPLETED", "output": "' + b"x" * 1000 + b'"}'
GZIPPED = gzip.compress(PLAIN, mtime=0)  # the names of tests are the same at each run


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def taken_in(body: bytes, *headers: tuple[bytes, bytes], cap: int = 10_000, size: int = 7) -> HttpResponse:
    """The answer whose body came in parts of a size."""
    buffer = BodyBuffer(cap)
    for start in range(0, len(body), size):
        if not buffer.add(body[start : start + size]):
            break
    return buffer.answer(200, headers)


def encoded(encoding: bytes) -> tuple[bytes, bytes]:
    return b"Content-Encoding", encoding


# Headers and reprs


def test_headers_are_found_in_lower_case_and_the_last_one_holds() -> None:
    answer = HttpResponse(200, [(b"X-Request-ID", b"a"), (b"x-request-id", b"b"), (b"X-Odd", b"\xff")], b"")
    assert answer.headers == {"x-request-id": "b", "x-odd": "\xff"}


def test_neither_a_request_nor_an_answer_shows_its_body_or_headers() -> None:
    assert "secret" not in repr(HttpRequest("POST", "/ep/run", b"secret"))
    assert "secret" not in repr(HttpResponse(200, [(b"set-cookie", b"secret")], b"secret"))
    buffer = BodyBuffer(10)
    buffer.add(b"secret")
    assert "secret" not in repr(buffer)


# Bodies


@given(parts=st.lists(st.binary()))
def test_a_body_is_what_its_parts_were(parts: list[bytes]) -> None:
    buffer = BodyBuffer(1_000_000)
    assert all(buffer.add(part) for part in parts)
    answer = buffer.answer(200, [])
    assert (answer.body, answer.problem) == (b"".join(parts), None)


def test_a_body_of_exactly_the_cap_is_taken_in_and_a_larger_one_is_not() -> None:
    assert taken_in(b"12345", cap=5).body == b"12345"
    above = taken_in(b"123456", cap=5)
    assert above.body == b""
    assert above.problem is not None
    assert "cap of 5 bytes" in above.problem
    assert "max_response_bytes=" in above.problem


def test_reading_stops_at_the_cap() -> None:
    buffer = BodyBuffer(5)
    assert buffer.add(b"12345")
    assert not buffer.add(b"6")
    assert not buffer.add(b"7")


# Encodings


@pytest.mark.parametrize("encoding", [b"gzip", b"GZIP", b" gzip ", b"x-gzip"])
def test_gzip_is_undone(encoding: bytes) -> None:
    answer = taken_in(gzip.compress(PLAIN), encoded(encoding))
    assert (answer.body, answer.problem) == (PLAIN, None)


def test_deflate_is_undone_though_nobody_asked_for_it() -> None:
    assert taken_in(zlib.compress(PLAIN), encoded(b"deflate")).body == PLAIN


@pytest.mark.parametrize("encoding", [b"", b"identity", b"Identity"])
def test_no_encoding_is_none(encoding: bytes) -> None:
    assert taken_in(PLAIN, encoded(encoding)).body == PLAIN


def test_all_members_of_a_gzip_body_count() -> None:
    members = [PLAIN[:10], b"", PLAIN[10:500], PLAIN[500:]]
    body = b"".join(gzip.compress(member) for member in members)
    assert taken_in(body, encoded(b"gzip")).body == PLAIN


@given(data=st.binary(), cuts=st.lists(st.integers(0, 200)), size=st.integers(1, 64))
def test_gzip_gives_back_what_went_in_whatever_its_members_and_parts(data: bytes, cuts: list[int], size: int) -> None:
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    body = b"".join(gzip.compress(data[start:end]) for start, end in pairwise(places)) or gzip.compress(b"")
    assert taken_in(body, encoded(b"gzip"), size=size).body == data


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (GZIPPED[:-9], b"gzip"),
        (GZIPPED[:20], b"gzip"),
        (GZIPPED[:5], b"gzip"),
        (GZIPPED[:-8] + b"12345678", b"gzip"),
        (GZIPPED + GZIPPED[:-3], b"gzip"),
        (GZIPPED + b"more", b"gzip"),
        (PLAIN, b"gzip"),
        (zlib.compress(PLAIN)[:-6], b"deflate"),
        (b"", b"deflate"),
        (raw_deflate(PLAIN), b"deflate"),
        (PLAIN, b"br"),
        (PLAIN, b"zstd"),
        (gzip.compress(GZIPPED, mtime=0), b"gzip, gzip"),
        (PLAIN, b"\xff\r"),
    ],
)
def test_a_body_that_is_not_what_it_says_is_kept_as_it_came_with_the_reason(body: bytes, encoding: bytes) -> None:
    answer = taken_in(body, encoded(encoding))
    assert answer.body == body
    assert answer.problem is not None
    assert answer.problem.startswith("a body that cannot be read")


def test_encodings_in_two_headers_are_two_encodings() -> None:
    answer = taken_in(gzip.compress(PLAIN), encoded(b"gzip"), encoded(b"gzip"))
    assert answer.problem is not None
    assert "'gzip, gzip' was not asked for" in answer.problem


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_bomb_is_not_unpacked_beyond_the_cap(pack: Callable[[bytes], bytes]) -> None:
    encoding = "gzip" if pack is gzip.compress else "deflate"
    bomb = pack(bytes(20_000_000))
    assert len(bomb) < 100_000
    with pytest.raises(AboveCapError):
        decompress(bomb, encoding, 100_000)
    assert taken_in(bomb, encoded(encoding.encode()), cap=100_000, size=1000).body == b""


def test_a_bomb_of_many_members_is_not_unpacked_beyond_the_cap() -> None:
    with pytest.raises(AboveCapError):
        decompress(gzip.compress(bytes(50_000)) * 50, "gzip", 1_000_000)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_what_unpacks_to_exactly_the_cap_is_taken_in(pack: Callable[[bytes], bytes]) -> None:
    encoding = "gzip" if pack is gzip.compress else "deflate"
    assert decompress(pack(PLAIN), encoding, len(PLAIN)) == PLAIN
    with pytest.raises(AboveCapError):
        decompress(pack(PLAIN), encoding, len(PLAIN) - 1)


@given(
    body=st.binary() | st.binary().map(gzip.compress),
    encoding=st.sampled_from(["gzip", "deflate", "br", "identity", ""]),
)
def test_whatever_comes_is_decoded_or_refused(body: bytes, encoding: str) -> None:
    with suppress(AboveCapError, UndecodableBodyError):
        assert len(decompress(body, encoding, 1000)) <= max(1000, len(body))


# Secrets that a server sends back


def test_an_answer_without_a_secret_has_it_cut_from_body_and_headers() -> None:
    answer = HttpResponse(
        401, [(b"x-echo", KEY.encode()), (b"server", b"edge")], f"bad key {KEY}".encode(), "a problem"
    )
    assert answer.without(Secret(KEY)) == HttpResponse(
        401, [(b"x-echo", b"***"), (b"server", b"edge")], b"bad key ***", "a problem"
    )


def test_an_answer_that_holds_none_is_the_same_object() -> None:
    answer = HttpResponse(200, [(b"server", b"edge")], b"{}")
    assert answer.without(Secret(KEY)) is answer


def test_a_failure_s_reason_is_told_without_a_secret() -> None:
    failure = TransportFailure(f"RemoteProtocolError: {KEY}", request_sent=True)
    assert failure.without(Secret(KEY)) == TransportFailure("RemoteProtocolError: ***", request_sent=True)
