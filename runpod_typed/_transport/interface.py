"""The interface of a transport, which makes HTTP attempts over connections that it keeps.

A transport returns the failures of its own HTTP library, and lets each other exception pass without a frame of that
library, whose local variables hold the API key.
"""

from __future__ import annotations

from typing import Protocol

from runpod_typed._transport.deadlines import Attempt
from runpod_typed._transport.messages import HttpRequest, HttpResponse, TransportFailure


class Transport(Protocol):
    """Makes HTTP attempts for the sync API."""

    def send(self, request: HttpRequest, attempt: Attempt) -> HttpResponse | TransportFailure:
        """Send a request and read the whole response.

        Args:
            request: The request.
            attempt: Its time limit, above 0; the transport notes there what may have reached the server.
        """
        ...

    def close(self) -> None:
        """Close all connections."""
        ...

    def abandon(self) -> None:
        """Close the connections as far as possible from outside their event loop."""
        ...


class AsyncTransport(Protocol):
    """Makes HTTP attempts for the async API, under one event loop."""

    async def send(self, request: HttpRequest, attempt: Attempt) -> HttpResponse | TransportFailure:
        """Send a request and read the whole response, as `Transport.send`."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...

    def abandon(self) -> None:
        """Close the connections as far as possible from outside their event loop."""
        ...
