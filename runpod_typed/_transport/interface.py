"""The base classes of transports, which make HTTP attempts over connections that they keep.

A transport for another HTTP library is one class: it names the exceptions of the library, and makes an exchange. See
`runpod_typed._transport.fast_sync`.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import Final

from runpod_typed._synchronization import monotonic
from runpod_typed._transport.connection import RECENT_USE
from runpod_typed._transport.deadlines import Attempt
from runpod_typed._transport.failures import foreign_exception, transport_failure, without_frames
from runpod_typed._transport.messages import HttpRequest, HttpResponse, TransportFailure

Exceptions = tuple[type[Exception], ...]

_LOST_WITHIN: Final = 1.0
"""Seconds within which a request fails if its connection was being closed while it left."""


class TransportBase:
    """The exceptions of an HTTP library, and what they say about an attempt."""

    failures: Exceptions = ()
    """The exceptions that the library raises for failed attempts. All others pass through."""
    connecting: Exceptions = ()
    """Those of them that it raises while it connects."""
    never_sent: Exceptions = ()
    """Those of them after which the server cannot have received the whole request; the ones of `connecting` too."""
    timed_out: Exceptions = (TimeoutError,)
    """Those of them that mean that the time was over."""
    broken: Exceptions = ()
    """Those of them that mean that the connection broke."""
    uses_anyio: bool = True
    """True if the library runs code of anyio in the async API."""
    proxy: str | None = None
    """The proxy on the way to the server, without its password, or None."""

    def _failure(self, error: BaseException, attempt: Attempt) -> TransportFailure:
        return transport_failure(
            error,
            attempt,
            request_sent=attempt.request_sent and not isinstance(error, self.never_sent),
            timed_out=isinstance(error, self.timed_out),
            proxy=self.proxy,
        )

    def _is_lost(self, error: BaseException, attempt: Attempt, *, idle: float, began: float) -> bool:
        """Return whether a request should be sent again at once: its connection was being closed while it left.

        Args:
            error: The exception that was raised.
            attempt: The attempt.
            idle: Seconds that the connection was idle before the request.
            began: The time when the request was sent.
        """
        return (
            attempt.repeatable
            and idle >= RECENT_USE
            and isinstance(error, self.broken)
            and monotonic() - began < _LOST_WITHIN
            and foreign_exception(error, self.failures, self.connecting, attempt) is None
        )


class Transport(TransportBase, ABC):
    """Makes HTTP attempts for the sync API."""

    def send(self, request: HttpRequest, attempt: Attempt) -> HttpResponse | TransportFailure:
        """Send a request and read the whole response.

        A failure of the attempt is returned. Each other exception is raised without a frame of the HTTP library, whose
        local variables hold the API key.

        Args:
            request: The request.
            attempt: Its time limit; the transport notes there what may have reached the server.
        """
        outer = sys.exception()
        try:
            return self._exchange(request, attempt)
        except BaseException as error:  # noqa: BLE001 -- the rest is raised again
            foreign = foreign_exception(error, self.failures, self.connecting, attempt)
            if foreign is not None:
                raise without_frames(foreign, outer)  # noqa: B904 -- it is this error, or the cause of it
            return self._failure(error, attempt)

    @abstractmethod
    def _exchange(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        """Make an exchange, which ends at the attempt's deadline."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections."""

    def abandon(self) -> None:
        """Do nothing: the connections are closed when they are collected."""


class AsyncTransport(TransportBase, ABC):
    """Makes HTTP attempts for the async API, under one event loop."""

    async def send(self, request: HttpRequest, attempt: Attempt) -> HttpResponse | TransportFailure:
        """Send a request and read the whole response, as `Transport.send`."""
        outer = sys.exception()
        try:
            return await self._exchange(request, attempt)
        except BaseException as error:  # noqa: BLE001 -- the rest is raised again
            foreign = foreign_exception(error, self.failures, self.connecting, attempt)
            if foreign is not None:
                raise without_frames(foreign, outer)  # noqa: B904 -- it is this error, or the cause of it
            return self._failure(error, attempt)

    @abstractmethod
    async def _exchange(self, request: HttpRequest, attempt: Attempt) -> HttpResponse:
        """Make an exchange, which ends at the attempt's deadline."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close all connections."""

    def abandon(self) -> None:
        """Close the connections as far as possible from outside their event loop.

        By default nothing is done: they are closed when they are collected.
        """
