"""What goes over the wire and what comes back, without the wire."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from gzip import GzipFile
from io import BytesIO
from typing import Final

from attrs import define, evolve, field, frozen

from runpod_typed._models.secret import Secret


@frozen
class HttpRequest:
    """One request, ready but for its address's host and the key."""

    method: str
    target: str
    """The path below the base URL, with its query."""
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), kw_only=True)
    """Headers of the operation, beyond those of each request."""
    body: bytes | None = field(default=None, repr=False)  # may hold storage credentials
    credentials: tuple[Secret, ...] = ()
    """The secrets in the body, to be cut from errors where the server has sent them back."""


@define(slots=False)  # slots and cached_property do not go together
class HttpResponse:
    """One complete answer.

    Attributes:
        status: The HTTP status; also one that Python has no name for.
        raw_headers: The headers as they came.
        body: The body, its content-encoding undone. Where `problem` says why that could not be done, it is as it came;
            empty where it is above the cap.
        problem: Why the body could not be taken in; None where it was.
    """

    status: int
    raw_headers: Sequence[tuple[bytes, bytes]] = field(repr=False)
    body: bytes = field(repr=False)
    problem: str | None = None

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """The headers, names in lower case; the last one holds where a name comes twice."""
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.raw_headers}

    def without(self, secret: Secret) -> HttpResponse:
        """The answer without a secret that the server has sent back; itself where it has not."""
        headers = [(secret.cut_from(name), secret.cut_from(value)) for name, value in self.raw_headers]
        body = secret.cut_from(self.body)
        if body is self.body and headers == [*self.raw_headers]:
            return self
        return HttpResponse(self.status, headers, body, self.problem)


@define
class BodyBuffer:
    """A body as it comes in, up to a cap."""

    cap: int
    _parts: list[bytes] = field(factory=list[bytes], repr=False)
    _size: int = 0

    def add(self, part: bytes) -> bool:
        """Take a part in; False once the body is above the cap, and reading on is useless."""
        self._size += len(part)
        if self._size > self.cap:
            return False
        self._parts.append(part)
        return True

    def answer(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> HttpResponse:
        """The complete answer."""
        encoding = b", ".join(value for name, value in headers if name.lower() == b"content-encoding")
        body, problem = b"".join(self._parts), None
        try:
            if self._size > self.cap:
                raise AboveCapError  # noqa: TRY301 -- `decompress` raises it too
            body = decompress(body, encoding.decode("latin-1").strip().lower(), self.cap)
        except AboveCapError:
            body, problem = b"", f"a body above the cap of {self.cap} bytes (raise max_response_bytes= of the client)"
        except UndecodableBodyError as error:
            problem = f"a body that cannot be read ({error})"
        return HttpResponse(status, headers, body, problem)


@frozen
class TransportFailure:
    """No complete answer came.

    It is a value and not an exception: an exception would carry the transport's frames, and the key in their local
    variables.
    """

    reason: str
    """The cause's type and text, in full: the text may quote what the server sent."""
    request_sent: bool
    """Whether any part of the request may have reached the server; True when in doubt."""
    timed_out: bool = False

    def without(self, secret: Secret) -> TransportFailure:
        """The failure without a secret that the server has sent back."""
        reason = secret.cut_from(self.reason.encode("utf-8", "surrogatepass"))
        return evolve(self, reason=reason.decode("utf-8", "surrogatepass"))


NO_TIME_LEFT: Final = TransportFailure("there was no time left to ask", request_sent=False, timed_out=True)
"""What an attempt amounts to whose time is over before it begins."""


class AboveCapError(ValueError):
    """A body is above the cap."""


class UndecodableBodyError(ValueError):
    """A body is not what its content-encoding says."""


def decompress(body: bytes, encoding: str, cap: int) -> bytes:
    """The body without its content-encoding (gzip or deflate; identity passes through).

    Raises:
        AboveCapError: It would be above `cap` bytes.
        UndecodableBodyError: It is not what the encoding says, or the encoding is unknown.
    """
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise UndecodableBodyError(f"{_named(encoding)} was not asked for")
    try:
        plain = _inflate(body, cap + 1) if encoding == "deflate" else _gunzip(body, cap + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise UndecodableBodyError(f"content-encoding {encoding}: {error}") from error
    if len(plain) > cap:
        raise AboveCapError
    return plain


def _named(encoding: str) -> str:
    """An encoding by its name, where it can be one: errors show this, and a server may send anything."""
    can_be_one = re.fullmatch(r"[a-z][a-z, -]{0,20}", encoding)
    return f"content-encoding {encoding!r}" if can_be_one else "its content-encoding"


def _gunzip(body: bytes, size: int) -> bytes:
    with GzipFile(fileobj=BytesIO(body)) as file:  # not `zlib`: it reads one member, and there may be several
        return file.read(size)


def _inflate(body: bytes, size: int) -> bytes:
    unpacker = zlib.decompressobj()
    plain = unpacker.decompress(body, size)
    if len(plain) < size and not unpacker.eof:
        raise EOFError("the body is cut short")
    return plain
