"""Submissions wait while the endpoint cannot be reached."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, final

from runpod_typed._synchronization import async_sleep, monotonic
from runpod_typed.errors import APIConnectionError, APIError, RateLimitError, ServerError

PASSING: Final = (APIConnectionError, RateLimitError, ServerError)
"""Errors that pass by themselves."""

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0


@final
class SubmissionGate:
    """Closes after a failed submission, and opens when the endpoint responds again.

    Args:
        probe: Sends a request that has no effect.
        max_outage: Seconds without a response after which the map gives up.
    """

    def __init__(self, probe: Callable[[], Awaitable[object]], max_outage: float) -> None:
        self._probe = probe
        self._max_outage = max_outage
        self._closed = False
        self._failing_since: float | None = None
        self._next_probe = 0.0
        self._pause = _FIRST_PAUSE

    def failed(self) -> None:
        """Hold submissions back, after one that failed."""
        if self._failing_since is None:
            self._failing_since = monotonic()
        if not self._closed:
            self._closed, self._next_probe, self._pause = True, 0.0, _FIRST_PAUSE

    def succeeded(self) -> None:
        """Note that a submission succeeded."""
        self._failing_since = None

    def check(self, error: APIError) -> None:
        """Raise the error if no submission has succeeded for too long."""
        since = self._failing_since
        if since is not None and monotonic() - since > self._max_outage:
            error.add_note(f"The map gave up: nothing could be submitted for {self._max_outage:g} s.")
            raise error

    async def wait(self) -> None:
        """Wait until submissions may continue. One of the waiting tasks asks the endpoint, and the others wait for it.

        Raises:
            APIError: The endpoint has not responded for too long.
        """
        while self._closed:
            pause = self._next_probe - monotonic()
            if pause > 0:
                await async_sleep(min(pause, self._pause))
                continue
            self._next_probe = monotonic() + self._pause
            self._pause = min(_LONGEST_PAUSE, 2 * self._pause)
            try:
                await self._probe()
            except PASSING as error:
                self.failed()  # a submission that was sent before may have succeeded since
                self.check(error)
            except APIError:
                self._closed = False  # it responds
            else:
                self._closed = False
