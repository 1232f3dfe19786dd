"""The connections of one asyncio event loop to one server: idle ones, and those that are made for waiting requests."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeVar, final

import httpcore

from runpod_typed._synchronization import monotonic, running_asyncio_loop
from runpod_typed._transport.connection import CONNECT_TIMEOUT, POOL_SIZE, ConnectionConfig
from runpod_typed._transport.deadlines import Attempt
from runpod_typed._transport.dial_budget import REVIEW_SECONDS, DialBudget
from runpod_typed._transport.dialing import Dialer
from runpod_typed._transport.fast_connection import FastConnection
from runpod_typed._transport.fast_sync import DEFAULT_PORTS
from runpod_typed._transport.idle import IdleConnections
from runpod_typed._transport.network import tls_context

_T = TypeVar("_T")

_FAILURES_OF_ALL: Final = 16
"""Failures in a row after which a server counts as unreachable for all requests that wait."""

_LATE_REVIEWS: Final = 25
"""Reviews after which a connection that is not made yet keeps no other from being made."""


class _Turn(NamedTuple):
    """A request's place among those that wait."""

    number: int
    """The number of requests that had waited before."""
    connection: asyncio.Future[FastConnection]


@final
class ConnectionPool:
    """Connections that serve one request at a time.

    A request that waits takes the first connection that is there: one that another request gives back, or one that was
    just made. So connections are made by tasks of their own, a few at a time (`DialBudget`). One that is not needed any
    more becomes idle.
    """

    def __init__(self, config: ConnectionConfig, loop: asyncio.AbstractEventLoop) -> None:
        base = config.base_url
        self._loop = loop
        tls = tls_context() if base.scheme == "https" else None
        self._dialer = Dialer(loop, base.host, base.port or DEFAULT_PORTS[base.scheme], tls)
        self._most_bytes = config.max_response_bytes
        self._open = set[FastConnection]()
        self._idle = IdleConnections[FastConnection](config.idle_connections, lambda each: each.is_over())
        self._waiting = deque[_Turn]()
        self._arrivals = 0
        self._dials = dict[asyncio.Task[None], int]()  # with the number of reviews before each was begun
        self._reviews = 0
        self._budget = DialBudget()
        self._failures = 0
        self._review: asyncio.TimerHandle | None = None
        self.is_closed = False

    async def acquire(self, attempt: Attempt) -> tuple[FastConnection, float]:
        """Return a connection for one request, and the seconds that it was idle.

        Raises:
            httpcore.ConnectError: None could be made.
            httpcore.ConnectTimeout: None was there in time.
        """
        found = self._idle.take(attempt)
        self._discard_useless()
        return found or (await self.acquire_fresh(attempt), 0.0)

    async def acquire_fresh(self, attempt: Attempt) -> FastConnection:
        """Return a connection that is new, or over which a response just came.

        Raises:
            httpcore.ConnectError: None could be made.
            httpcore.ConnectTimeout: None was there in time.
        """
        if not self._waiting:
            self._budget.begin(monotonic(), len(self._open) + len(self._dials), len(self._idle))
        turn = _Turn(self._arrivals, self._loop.create_future())
        self._arrivals += 1
        self._waiting.append(turn)
        while True:
            self._make_connections()
            connection = await self._wait(turn, attempt)
            if connection.is_new or not connection.is_over():  # more than its response may have come, or its end
                return connection
            self.discard(connection)
            turn = _Turn(turn.number, self._loop.create_future())
            self._waiting.appendleft(turn)

    async def _wait(self, turn: _Turn, attempt: Attempt) -> FastConnection:
        try:
            return await _in_time(turn.connection, attempt)
        except BaseException as error:
            if turn in self._waiting:
                self._waiting.remove(turn)
            if turn.connection.done() and not turn.connection.cancelled() and turn.connection.exception() is None:
                self.release(turn.connection.result(), 0.0)
            self._end_needless_dials()
            if isinstance(error, TimeoutError):
                raise httpcore.ConnectTimeout(self._why_none_in_time()) from error
            raise

    def _why_none_in_time(self) -> str:
        if len(self._open) >= POOL_SIZE:
            return f"no connection was free in time: {POOL_SIZE} requests are open, the most that are possible"
        return "no connection was made in time"

    def release(self, connection: FastConnection, idle: float) -> None:
        """Give a connection back: to a request that waits, or as an idle one.

        Args:
            connection: The connection, after a response.
            idle: Seconds that it was idle before the request.
        """
        if not connection.reader.reusable:
            self.discard(connection)
            return
        self._idle.learn(connection, idle)
        if self._hand_to_first(connection):
            self._budget.note_handed_on()
        elif self.is_closed or not self._idle.keep(connection, idle):
            self.discard(connection)
        self._discard_useless()

    def discard(self, connection: FastConnection) -> None:
        """Close a connection in any state."""
        self._close(connection)
        self._make_connections()

    def forget(self) -> None:
        """Forget how long connections were idle before: the server has closed one."""
        self._idle.forget()

    def _hand_to_first(self, connection: FastConnection) -> bool:
        """Give a connection to the request that waits for the longest time; False if none waits."""
        self._failures = 0
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.connection.done():
                turn.connection.set_result(connection)
                return True
        return False

    def _make_connections(self) -> None:
        """Begin to make connections for requests that wait, as many as the budget allows."""
        while self._budget.allows(len(self._open) + len(self._dials)) and self._needs_more() and self._has_room():
            self._budget.left -= 1
            dial = self._loop.create_task(self._dial(self._arrivals))
            self._dials[dial] = self._reviews
            dial.add_done_callback(self._dials.pop)
        if self._waiting and self._review is None:
            self._review = self._loop.call_later(REVIEW_SECONDS, self._review_budget)

    def _needs_more(self) -> bool:
        """Return whether more requests wait than connections are being made; one that takes long may never be."""
        late = self._reviews - _LATE_REVIEWS
        return len(self._waiting) > sum(begun > late for begun in self._dials.values())

    def _has_room(self) -> bool:
        if len(self._open) + len(self._dials) < POOL_SIZE:
            return True
        spare = self._idle.take_any()  # the requests that wait cannot use it
        if spare is not None:
            self._close(spare)
        return spare is not None

    def _review_budget(self) -> None:
        self._review = None
        self._reviews += 1
        if self._waiting:
            self._budget.review(monotonic(), len(self._waiting), len(self._dials))
            self._make_connections()

    async def _dial(self, arrivals: int) -> None:
        """Make a connection for one of the requests that have arrived so far."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                plain = await self._dialer.dial()
                self._budget.note_reached()
                sock = await self._dialer.secure(plain)
        except Exception as error:  # noqa: BLE001 -- requests that wait raise it
            self._fail(error, arrivals)
            return
        connection = FastConnection(self._loop, sock, self._most_bytes)
        self._open.add(connection)
        self._budget.note_made()
        if not self._hand_to_first(connection) and (self.is_closed or not self._idle.keep(connection, 0.0)):
            self.discard(connection)

    def _fail(self, error: Exception, arrivals: int) -> None:
        """End the wait of the request that a failed connection was made for, or of all if the server is unreachable."""
        self._failures += 1
        unreachable = self._failures >= _FAILURES_OF_ALL
        while self._waiting and (unreachable or self._waiting[0].number < arrivals):
            turn = self._waiting.popleft()
            if not turn.connection.done():
                turn.connection.set_exception(_connect_failure(error))
                if not unreachable:
                    break

    def _end_needless_dials(self) -> None:
        """End as many connections as are being made for requests that do not wait any more."""
        for dial in self._needless_dials():
            dial.cancel()

    def _needless_dials(self) -> list[asyncio.Task[None]]:
        return list(self._dials)[len(self._waiting) :]

    def _discard_useless(self) -> None:
        while (connection := self._idle.take_useless()) is not None:
            self.discard(connection)

    def _close(self, connection: FastConnection) -> None:
        connection.close()
        self._open.discard(connection)

    async def aclose(self) -> None:
        """Close all connections, those in use as soon as their response is read."""
        self._close_idle()
        needless = self._needless_dials()
        if needless:
            await asyncio.wait(needless)

    def abandon(self) -> None:
        """Close all connections from outside a task of their event loop."""
        if self._loop.is_closed():
            while self._open:
                self._open.pop().close()
            for dial in self._dials:
                _end_without_loop(dial)
        elif self._loop.is_running() and running_asyncio_loop() is not self._loop:
            with suppress(RuntimeError):  # it was closed in between
                self._loop.call_soon_threadsafe(self._close_idle)
        else:
            self._close_idle()

    def _close_idle(self) -> None:
        self.is_closed = True
        self._end_needless_dials()
        while (connection := self._idle.take_any()) is not None:
            self.discard(connection)


async def _in_time(future: asyncio.Future[_T], attempt: Attempt) -> _T:
    """Wait for a future until the attempt's deadline, for a quarter of what `asyncio.timeout` costs.

    Raises:
        TimeoutError: The time is over.
    """
    timer = future.get_loop().call_later(attempt.left(), _end_late, future)
    try:
        return await future
    finally:
        timer.cancel()


def _end_late(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


def _connect_failure(error: Exception) -> Exception:
    """Return an exception for one request; if several shared it, its frames would be those of all."""
    if isinstance(error, TimeoutError):
        failure: Exception = httpcore.ConnectTimeout("the connection was not made in time")
    elif isinstance(error, OSError):
        failure = httpcore.ConnectError(str(error))
    else:
        return error
    failure.__cause__ = error
    return failure


def _end_without_loop(task: asyncio.Task[None]) -> None:
    """Close what a task has open whose event loop is closed."""
    unfinished: Any = task
    unfinished._log_destroy_pending = False  # noqa: SLF001 -- asyncio has no other way to say that this is right
    with suppress(RuntimeError):  # the event loop takes no more calls
        unfinished.get_coro().close()
