"""Submissions wait while the endpoint cannot be reached."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import final

from runpod_typed._core.bulk import Outage, is_transient
from runpod_typed._models.poll_policy import PollPolicy
from runpod_typed._synchronization import AsyncEvent, async_sleep, monotonic
from runpod_typed.errors import APIError


@final
class SubmissionGate:
    """Closes after a failed submission, and opens when the endpoint responds to a probe.

    A task enters it as a context manager while it tries to submit a job. The outage ends when no task tries any more.

    Args:
        probe: Sends a request that has no effect.
        policy: The pauses between probes, and the outage after which the map gives up.
    """

    def __init__(self, probe: Callable[[], Awaitable[object]], policy: PollPolicy) -> None:
        self._probe, self._outage = probe, Outage(policy)
        self._closed = False
        self._submitters = 0
        self._probed: AsyncEvent | None = None

    def __enter__(self) -> None:
        self._submitters += 1

    def __exit__(self, _kind: object, _error: object, _traceback: object) -> None:
        self._submitters -= 1
        if self._submitters == 0:
            self._outage.passed()

    def close(self) -> None:
        """Hold submissions back, after one that failed."""
        self._closed = True
        self._outage.begin(monotonic())

    def failed(self, error: APIError) -> None:
        """Hold submissions back, or raise the error if no submission has succeeded for too long."""
        self.close()
        self._outage.pause_after(error, monotonic())

    def succeeded(self) -> None:
        """Note that a submission succeeded. The gate stays closed: the request may have been sent before the outage."""
        self._outage.passed()

    def open(self) -> None:
        """Let submissions continue."""
        self._closed = False
        if self._probed is not None:
            self._probed.set()

    async def wait(self) -> None:
        """Wait until submissions may continue. One of the waiting tasks asks the endpoint, and the others wait for it.

        Raises:
            APIError: The endpoint has not responded for too long.
        """
        while self._closed:
            if self._probed is not None:
                await self._probed.wait(None)
                continue
            self._probed = probed = AsyncEvent()
            try:
                await self._ask()
            finally:
                self._probed = None
                probed.set()

    async def _ask(self) -> None:
        await async_sleep(self._outage.pause(monotonic()))
        try:
            await self._probe()
        except APIError as error:
            if is_transient(error):
                self._outage.pause_after(error, monotonic())
                return
        self.open()  # it responds, if only with an error
