from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_typed._transport.bodies import PIECE_SIZE, RequestBody, ResponseBody
from runpod_typed._transport.deadlines import Attempt
from runpod_typed._transport.messages import HttpRequest, HttpResponse

PLAIN = b'{"id": "job-1", "status": "COMPLETED", "output": "' + b"x" * 1000 + b'"}'
GZIPPED = gzip.compress(PLAIN, mtime=0)  # the names of tests are the same at each run


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def taken_in(body: bytes, *headers: tuple[bytes, bytes], cap: int = 10_000, size: int = 7) -> HttpResponse:
    """The response whose body came in parts of a size."""
    taken = ResponseBody(headers, cap)
    for start in range(0, len(body), size):
        if not taken.add(body[start : start + size]):
            break
    return taken.response(200)


def encoded(encoding: bytes) -> tuple[bytes, bytes]:
    return b"Content-Encoding", encoding


# Headers and reprs


def test_headers_are_found_in_lower_case_and_the_last_one_holds() -> None:
    answer = HttpResponse(200, [(b"X-Request-ID", b"a"), (b"x-request-id", b"b"), (b"X-Odd", b"\xff")], b"")
    assert answer.headers == {"x-request-id": "b", "x-odd": "\xff"}


def test_requests_and_responses_show_no_body_and_no_headers() -> None:
    assert "secret" not in repr(HttpRequest("POST", "/ep/run", b"secret"))
    assert "secret" not in repr(HttpResponse(200, [(b"set-cookie", b"secret")], b"secret"))


# Bodies of requests


def pieces_sent(body: bytes | None) -> list[tuple[int, int | None, bool]]:
    """The size of each piece, with the bytes and the end that the attempt knows of when it is handed out."""
    attempt = Attempt(60, len(body or b""))
    return [(len(piece), attempt.bytes_sent, attempt.request_sent) for piece in RequestBody(body, attempt)]


@pytest.mark.parametrize("size", [1, 1000, PIECE_SIZE])
def test_a_small_body_is_sent_in_one_piece(size: int) -> None:
    assert pieces_sent(bytes(size)) == [(size, 0, True)]


@pytest.mark.parametrize("body", [None, b""])
def test_an_absent_body_has_no_piece(body: bytes | None) -> None:
    assert pieces_sent(body) == []


def test_only_the_last_piece_completes_a_body() -> None:
    assert pieces_sent(bytes(2 * PIECE_SIZE + 1)) == [
        (PIECE_SIZE, 0, False),
        (PIECE_SIZE, PIECE_SIZE, False),
        (1, 2 * PIECE_SIZE, True),
    ]


@pytest.mark.anyio
@pytest.mark.parametrize("size", [0, 1, PIECE_SIZE, PIECE_SIZE + 1, 300_000])
async def test_pieces_are_the_body_in_both_apis(size: int) -> None:
    body = bytes(each % 251 for each in range(size))
    attempt = Attempt(60, size)
    pieces = RequestBody(body, attempt)
    assert attempt.bytes_sent is None
    assert b"".join(pieces) == b"".join(pieces) == body
    assert b"".join([piece async for piece in pieces]) == body
    assert attempt.bytes_sent == size


# Bodies of responses


@given(parts=st.lists(st.binary()))
def test_a_body_is_what_its_parts_were(parts: list[bytes]) -> None:
    taken = ResponseBody([], 1_000_000)
    assert all(taken.add(part) for part in parts)
    response = taken.response(200)
    assert (response.body, response.problem) == (b"".join(parts), None)


def test_accepts_a_body_of_exactly_the_cap_and_no_larger_one() -> None:
    assert taken_in(b"12345", cap=5).body == b"12345"
    above = taken_in(b"123456", cap=5)
    assert above.body == b""
    assert above.problem is not None
    assert "cap of 5 bytes" in above.problem
    assert "max_response_bytes=" in above.problem


def test_reading_stops_at_the_cap() -> None:
    taken = ResponseBody([], 5)
    assert taken.add(b"12345")
    assert not taken.add(b"6")
    assert not taken.add(b"7")


# Encodings


@pytest.mark.parametrize("encoding", [b"gzip", b"GZIP", b" gzip ", b"x-gzip"])
def test_gzip_is_undone(encoding: bytes) -> None:
    answer = taken_in(gzip.compress(PLAIN), encoded(encoding))
    assert (answer.body, answer.problem) == (PLAIN, None)


def test_deflate_is_undone_without_being_asked_for() -> None:
    assert taken_in(zlib.compress(PLAIN), encoded(b"deflate")).body == PLAIN


@pytest.mark.parametrize("encoding", [b"", b"identity", b"Identity"])
def test_no_encoding_is_none(encoding: bytes) -> None:
    assert taken_in(PLAIN, encoded(encoding)).body == PLAIN


def test_all_members_of_a_gzip_body_count() -> None:
    members = [PLAIN[:10], b"", PLAIN[10:500], PLAIN[500:]]
    body = b"".join(gzip.compress(member) for member in members)
    assert taken_in(body, encoded(b"gzip")).body == PLAIN


@given(data=st.binary(), cuts=st.lists(st.integers(0, 200)), size=st.integers(1, 64))
def test_decompresses_gzip_of_any_members_and_parts(data: bytes, cuts: list[int], size: int) -> None:
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
        (raw_deflate(PLAIN), b"deflate"),
        (PLAIN, b"br"),
        (PLAIN, b"zstd"),
        (gzip.compress(GZIPPED, mtime=0), b"gzip, gzip"),
        (PLAIN, b"\xff\r"),
    ],
)
def test_keeps_the_beginning_of_an_unreadable_body_and_reason(body: bytes, encoding: bytes) -> None:
    response = taken_in(body, encoded(encoding), size=4000)
    assert response.body == body
    assert response.problem is not None
    assert response.problem.startswith("a body that cannot be read")


def test_an_empty_body_has_no_encoding_to_undo() -> None:
    assert taken_in(b"", encoded(b"gzip")) == HttpResponse(200, (encoded(b"gzip"),), b"")


def test_encodings_in_two_headers_are_two_encodings() -> None:
    answer = taken_in(gzip.compress(PLAIN), encoded(b"gzip"), encoded(b"gzip"))
    assert answer.problem is not None
    assert "'gzip, gzip' was not asked for" in answer.problem


BOMBS: dict[str, tuple[bytes, bytes]] = {
    "gzip": (gzip.compress(bytes(20_000_000)), b"gzip"),
    "deflate": (zlib.compress(bytes(20_000_000)), b"deflate"),
    "many members": (gzip.compress(bytes(50_000)) * 50, b"gzip"),
}


@pytest.mark.parametrize(("bomb", "encoding"), BOMBS.values(), ids=list(BOMBS))
@pytest.mark.parametrize("size", [100, 1_000_000])
def test_a_bomb_is_not_decompressed_beyond_the_cap(bomb: bytes, encoding: bytes, size: int) -> None:
    assert len(bomb) < 100_000
    tracemalloc.start()
    response = taken_in(bomb, encoded(encoding), cap=1_000_000, size=size)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.body == b""
    assert response.problem is not None
    assert "above the cap" in response.problem
    assert peak < 5_000_000


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_body_may_be_exactly_the_cap_once_decompressed(pack: Callable[[bytes], bytes]) -> None:
    encoding = encoded(b"gzip" if pack is gzip.compress else b"deflate")
    assert taken_in(pack(PLAIN), encoding, cap=len(PLAIN)).body == PLAIN
    assert taken_in(pack(PLAIN), encoding, cap=len(PLAIN) - 1).body == b""


@given(
    body=st.binary() | st.binary().map(gzip.compress),
    encoding=st.sampled_from([b"gzip", b"deflate", b"br", b"identity", b""]),
    size=st.integers(1, 64),
)
def test_any_body_is_decompressed_or_refused(body: bytes, encoding: bytes, size: int) -> None:
    response = taken_in(body, encoded(encoding), cap=1000, size=size)
    assert len(response.body) <= 1000
