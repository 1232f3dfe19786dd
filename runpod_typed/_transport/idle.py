"""Connections that are kept between two requests, without any I/O: which of them a request may use."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar, final

from runpod_typed._synchronization import monotonic
from runpod_typed._transport.connection import KEEPALIVE_EXPIRY, RECENT_USE

_MARGIN: Final = 1.0
"""Seconds by which a submission's connection is idle for less time than the server is known to allow."""

_ConnectionT = TypeVar("_ConnectionT")


@final
class IdleConnections(Generic[_ConnectionT]):
    """Idle connections to one server, of which the one that was used last is used first.

    A server closes idle connections after a time that it does not tell, and a request that leaves at that moment is
    lost. A request that may be repeated uses any of them, and first those that show how long the server allows. All
    others use one that was idle for a shorter time than that.

    Threads share a deque, and each of its steps is atomic.

    Args:
        most: The most connections that are kept.
        is_closed: Returns whether the server has closed a connection.
    """

    def __init__(self, most: int, is_closed: Callable[[_ConnectionT], bool]) -> None:
        self._most = most
        self._is_closed = is_closed
        self._kept = deque[tuple[_ConnectionT, float]]()  # with the time of the last use
        self._survived = 0.0  # the longest idle time after which the server has responded
        self._useless = deque[_ConnectionT]()

    def take(self, *, repeatable: bool) -> tuple[_ConnectionT, float] | None:
        """Take out a connection for a request, and the seconds that it was idle; None if a new one is needed.

        Args:
            repeatable: True if the request may be repeated silently.
        """
        try:
            while True:
                if repeatable and monotonic() - self._kept[0][1] > self._survived:
                    connection, used_at = self._kept.popleft()
                else:
                    connection, used_at = self._kept.pop()
                idle = monotonic() - used_at
                if not repeatable and idle >= max(RECENT_USE, self._survived - _MARGIN):
                    self._kept.append((connection, used_at))
                    return None
                if not self._is_useless(connection, idle):
                    return connection, idle
                self._useless.append(connection)
        except IndexError:
            return None

    def keep(self, connection: _ConnectionT, idle: float) -> bool:
        """Keep a connection over which a response came; False if there are enough.

        Args:
            connection: The connection.
            idle: Seconds that it was idle before the request.
        """
        self._survived = max(self._survived, idle)
        if len(self._kept) >= self._most:
            return False
        self._kept.append((connection, monotonic()))
        while len(self._kept) > 1:  # the newest is checked when it is needed
            try:
                oldest, used_at = self._kept.popleft()
            except IndexError:  # other threads were faster
                break
            idle = monotonic() - used_at
            if idle < RECENT_USE or not self._is_useless(oldest, idle):
                self._kept.appendleft((oldest, used_at))
                break
            self._useless.append(oldest)
        return True

    def take_useless(self) -> _ConnectionT | None:
        """Take out a connection that must be closed: it was idle for too long, or the server has closed it."""
        return _popped(self._useless)

    def take_any(self) -> _ConnectionT | None:
        """Take out any connection."""
        found = _popped(self._kept)
        return self.take_useless() if found is None else found[0]

    def forget(self) -> None:
        """Forget how long the server lets connections be idle: it has closed one."""
        self._survived = 0.0

    def _is_useless(self, connection: _ConnectionT, idle: float) -> bool:
        if idle > KEEPALIVE_EXPIRY:
            return True
        closed = self._is_closed(connection)
        if closed:
            self.forget()
        return closed


_T = TypeVar("_T")


def _popped(items: deque[_T]) -> _T | None:
    try:
        return items.pop()
    except IndexError:
        return None
