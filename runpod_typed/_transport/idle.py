"""Connections that are kept between two requests, without any I/O: which of them a request may use."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar, final
from weakref import WeakKeyDictionary

from runpod_typed._synchronization import monotonic
from runpod_typed._transport.connection import KEEPALIVE_EXPIRY, RECENT_USE
from runpod_typed._transport.deadlines import Attempt

_MARGIN: Final = 1.0
"""Seconds by which a submission's connection is idle for less time than the server is known to allow."""
_LONGEST_TRUST: Final = 4.0
"""Seconds of idleness for which a connection is trusted at most that has not survived more itself."""
_INSTRUCTIVE: Final = 1.5
"""The oldest connection is used if its pause exceeds what it has survived by this factor. Without it, polls would keep
all connections of a burst open."""

_ConnectionT = TypeVar("_ConnectionT")


@final
class IdleConnections(Generic[_ConnectionT]):
    """Idle connections to one server, of which the one that was used last is used first.

    A server closes idle connections after a time of its choice, and loses a request that arrives at that moment. A
    request that may be repeated uses any of them, and first those that show how long their server allows. All
    others use one that was idle for some seconds, or has itself survived a longer time: behind one address there may be
    several servers. For a request that is billed it is half a second, until any connection has survived more.

    Threads share a deque, and each of its steps is atomic.

    Args:
        most: The most connections that are kept.
        is_closed: Returns whether the server has closed a connection.
    """

    def __init__(self, most: int, is_closed: Callable[[_ConnectionT], bool]) -> None:
        self._most = most
        self._is_closed = is_closed
        self._kept = deque[tuple[_ConnectionT, float]]()  # with the time of the last use
        self._survived = WeakKeyDictionary[_ConnectionT, float]()  # the longest idle time before a response
        self._longest = 0.0  # of these times
        self._trusted = RECENT_USE  # the idle time for which each connection is trusted
        self._searched = -math.inf  # the time of the last use up to which none is trusted for a longer time
        self._useless = deque[_ConnectionT]()

    def __len__(self) -> int:
        """Return the number of connections that are kept."""
        return len(self._kept)

    def take(self, attempt: Attempt) -> tuple[_ConnectionT, float] | None:
        """Take out a connection for a request, and the seconds that it was idle; None if a new one is needed."""
        while (found := self._pop_any() if attempt.repeatable else self._pop_trusted(attempt)) is not None:
            connection, used_at = found
            idle = monotonic() - used_at
            if not self._is_useless(connection, idle):
                return connection, idle
            self._useless.append(connection)
        return None

    def keep(self, connection: _ConnectionT, idle: float) -> bool:
        """Keep a connection over which a response came; False if there are enough.

        Args:
            connection: The connection.
            idle: Seconds that it was idle before the request.
        """
        self.learn(connection, idle)
        if len(self._kept) >= self._most:
            return False
        self._kept.append((connection, monotonic()))
        while len(self._kept) > 1:  # the newest is checked when it is needed
            try:
                oldest, used_at = self._kept.popleft()
            except IndexError:  # other threads were faster
                break
            idle = monotonic() - used_at
            if idle < _LONGEST_TRUST or not self._is_useless(oldest, idle):
                self._kept.appendleft((oldest, used_at))
                break
            self._useless.append(oldest)
        return True

    def learn(self, connection: _ConnectionT, idle: float) -> None:
        """Note that a response came over a connection that was idle for some seconds before."""
        if idle >= RECENT_USE:
            self._survived[connection] = max(idle, self._survived.get(connection, 0.0))
            self._longest = max(self._longest, idle)
            self._trusted = max(self._trusted, min(idle - _MARGIN, _LONGEST_TRUST))

    def take_useless(self) -> _ConnectionT | None:
        """Take out a connection that must be closed: it was idle for too long, or the server has closed it."""
        return _oldest(self._useless)

    def take_any(self) -> _ConnectionT | None:
        """Take out any connection, the oldest first."""
        found = _oldest(self._kept)
        return self.take_useless() if found is None else found[0]

    def forget(self) -> None:
        """Forget how long connections were idle before: the server has closed one."""
        self._survived = WeakKeyDictionary[_ConnectionT, float]()
        self._longest = 0.0
        self._trusted = RECENT_USE

    def _pop_any(self) -> tuple[_ConnectionT, float] | None:
        """Take out the oldest if that shows how long its server allows, else the newest."""
        try:
            oldest, used_at = self._kept[0]
            idle = monotonic() - used_at
            instructive = idle >= _LONGEST_TRUST and idle >= _INSTRUCTIVE * self._survived.get(oldest, 0.0)
            return self._kept.popleft() if instructive else self._kept.pop()
        except IndexError:
            return None

    def _pop_trusted(self, attempt: Attempt) -> tuple[_ConnectionT, float] | None:
        """Take out the newest if it was used recently, else one that has survived a longer time."""
        try:
            newest = self._kept.pop()
            now = monotonic()
            if now - newest[1] < (self._trusted if attempt.billed else _LONGEST_TRUST):
                return newest
            self._kept.append(newest)
            if now - newest[1] >= self._longest - _MARGIN:  # all others are idle for longer
                return None
            for each in reversed(tuple(self._kept)):
                if each[1] <= self._searched:
                    break
                if now - each[1] < self._survived.get(each[0], 0.0) - _MARGIN:
                    self._kept.remove(each)
                    return each
            self._searched = newest[1]
        except (IndexError, ValueError):  # it is empty, or another thread was faster
            pass
        return None

    def _is_useless(self, connection: _ConnectionT, idle: float) -> bool:
        if idle > KEEPALIVE_EXPIRY:
            return True
        closed = self._is_closed(connection)
        if closed:
            self.forget()
        return closed


_T = TypeVar("_T")


def _oldest(items: deque[_T]) -> _T | None:
    try:
        return items.popleft() if items else None
    except IndexError:  # another thread was faster
        return None
