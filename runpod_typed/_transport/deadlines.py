"""The deadline of one HTTP attempt, which all steps of the attempt keep together."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Final, Protocol, final

from attrs import define, field

from runpod_typed._synchronization import monotonic, running_asyncio_loop

_BUFFERED_UPLOAD_SECONDS: Final = 30.0  # a socket may hold 4 MiB of what was sent, on a link of 1 Mbit/s


class _TimeLimit(Protocol):
    """A time limit whose end can be moved."""

    def reschedule(self, when: float | None, /) -> None: ...


@define
class Attempt:
    """One HTTP attempt, shared by a transport and the network streams below it."""

    seconds: float
    """Seconds that the attempt may last, without its upload."""
    body_size: int = 0
    """Bytes of the request's body."""
    upload_seconds: float = 0.0
    """Additional seconds for sending the body."""
    bytes_sent: int | None = None
    """Bytes of the body that were handed to the network; None before its upload begins."""
    request_sent: bool = False
    """True if the last byte of the request may have been handed to the network."""
    repeatable: bool = False
    """True if the request changes nothing: it may use a connection that may be lost, and is then sent again."""
    billed: bool = False
    """True if the request makes a job run: a connection that may be lost would leave its fate unknown."""
    stream: Any = None
    """The network stream that was opened for the attempt, or None."""
    deadline: float = field(init=False)
    """The end of the attempt, on the monotonic clock."""
    _limit: tuple[_TimeLimit, float] | None = None

    def __attrs_post_init__(self) -> None:
        self.deadline = monotonic() + self.seconds + self.upload_seconds

    def left(self) -> float:
        """Return the seconds until the deadline; negative after it."""
        return self.deadline - monotonic()

    def finish_upload(self) -> None:
        """Note that the whole body was handed over: what remains is the way of its end, and the response."""
        self.bytes_sent = self.body_size
        buffered = min(self.upload_seconds, _BUFFERED_UPLOAD_SECONDS)
        self.deadline = min(self.deadline, monotonic() + self.seconds + buffered)
        if self.upload_seconds and self._limit is not None:
            limit, offset = self._limit
            limit.reschedule(self.deadline + offset)

    def limit_by(self, limit: _TimeLimit, now: float) -> None:
        """Keep the time limit that runs on another clock, whose time is `now`."""
        self._limit = limit, now - monotonic()


current_attempt: ContextVar[Attempt | None] = ContextVar("runpod_typed_attempt", default=None)


@final
class deadline:  # noqa: N801 -- used like a function; a generator would cost twice as much
    """End the attempt inside at its deadline: the network backend clips each of its steps to the time that is left."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def __enter__(self) -> None:
        self._token = current_attempt.set(self._attempt)

    def __exit__(self, *_: object) -> None:
        current_attempt.reset(self._token)


@final
class async_deadline:  # noqa: N801 -- used like a function
    """End the attempt inside at its deadline: it is cancelled, and TimeoutError raised."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    async def __aenter__(self) -> None:
        self._token = current_attempt.set(self._attempt)
        seconds = self._attempt.left()
        if running_asyncio_loop() is not None:
            import asyncio  # noqa: PLC0415 -- imported already

            limit = asyncio.timeout(seconds)  # a quarter of the cost of anyio's
            self._limit: AbstractAsyncContextManager[object] = limit
            self._attempt.limit_by(limit, asyncio.get_running_loop().time())
        else:
            import anyio  # noqa: PLC0415 -- the sync API never needs it

            own = _AnyioTimeLimit(seconds)
            self._limit = own
            self._attempt.limit_by(own, anyio.current_time())
        await self._limit.__aenter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        current_attempt.reset(self._token)
        return await self._limit.__aexit__(exc_type, exc, traceback)


@final
class _AnyioTimeLimit:
    """anyio's cancel scope in the form of asyncio's timeout."""

    def __init__(self, seconds: float) -> None:
        import anyio  # noqa: PLC0415 -- the sync API never needs it

        self._scope = anyio.move_on_after(seconds)

    async def __aenter__(self) -> None:
        self._scope.__enter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        suppressed = self._scope.__exit__(exc_type, exc, traceback)
        if self._scope.cancelled_caught:
            raise TimeoutError
        return suppressed

    def reschedule(self, when: float | None) -> None:
        """Move the end of the limit."""
        if when is not None:
            self._scope.deadline = when
