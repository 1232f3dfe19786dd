"""HTTP requests and responses as values, without any I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final, NamedTuple

from attrs import define, field, frozen

from runpod_typed._models.secret import Secret


@frozen
class HttpRequest:
    """One request, without its host and the API key."""

    method: str
    target: str
    """The path below the base URL, with its query."""
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), kw_only=True)
    """Headers of the operation, beyond those of each request."""
    body: bytes | None = field(default=None, repr=False)  # may hold storage credentials
    credentials: tuple[Secret, ...] = ()
    """The secrets in the body, to be cut from errors if the server sends them back."""


@define(slots=False)  # slots and cached_property do not go together
class HttpResponse:
    """One complete response."""

    status: int
    """The HTTP status; also one that Python has no name for."""
    raw_headers: Sequence[tuple[bytes, bytes]] = field(repr=False)
    body: bytes = field(repr=False)
    """The decompressed body. Empty if it is above the cap, its beginning as it came if it cannot be decompressed."""
    problem: str | None = None
    """The reason why the body could not be read, or None."""
    proxy: str | None = None
    """The proxy that the response came through, without its password, or None."""

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """The headers by their names in lower case; the last one counts if a name comes twice."""
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.raw_headers}


class TransportFailure(NamedTuple):
    """The reason why no complete response came.

    It is a value and not an exception, whose traceback would show the API key in the local variables of HTTP libraries.
    """

    reason: str
    """The exception's type and message; the message may quote the server."""
    request_sent: bool
    """True if the whole request may have reached the server, or if that is not known."""
    timed_out: bool = False
    certificate_refused: bool = False
    """True if the server's certificate could not be verified."""
    bytes_sent: int | None = None
    """Bytes of the body that were sent, if it is known that some were not."""
    proxy: str | None = None
    """The proxy on the way to the server, without its password, or None."""


NO_TIME_LEFT: Final = TransportFailure("no time was left for an attempt", request_sent=False, timed_out=True)
"""The outcome of an attempt whose time is over before it begins."""
