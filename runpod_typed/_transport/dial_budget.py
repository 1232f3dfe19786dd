"""The number of connections that are made at once, without any I/O."""

from __future__ import annotations

import math
from typing import Final, final

REVIEW_SECONDS: Final = 0.02
"""Seconds between two reviews while requests wait."""

_FIRST: Final = 16
_FEW: Final = 4
_MOST: Final = 64
_PATIENCE: Final = 8
"""The number of reviews within which all waiting requests should get a connection."""
_RAISE_SECONDS: Final = 0.5
"""Seconds after which connections that are not made yet keep no others from being made."""
_JOINED_WITHIN: Final = 3
"""Reviews after the first new connection within which idle ones should join it."""
_MOST_PATIENT: Final = 10
"""Reviews within which the first new connection should be made."""


@final
class DialBudget:
    """Decides how many connections are made for requests that wait: few, if others soon give theirs back.

    A handshake over TLS costs as much as several short requests. So the first requests of a burst get a connection
    each, and the others may wait for those. How fast connections come back is reviewed: if the requests would wait for
    long, for example because responses are held or the server is far, each review doubles the number of connections
    that are made at once.

    After a pause there are idle connections that only requests that may be repeated can use. A job that is submitted
    over a new connection is polled over such an old one, and two requests that wait then get a connection. So there is
    time for that before more are made.

    Time is counted in reviews, which are late if the event loop is busy: more connections do not help then.
    """

    def __init__(self) -> None:
        self.left = 0
        """The number of connections that may be begun before the next review."""
        self._most = _FIRST
        self._handed_on = 0
        self._made = 0
        self._is_reached = False
        self._patient_reviews = 0
        self._reviewed_at = self._raised_at = -math.inf

    def allows(self, connections: int) -> bool:
        """Return whether one more connection may be begun: always if there are few.

        Args:
            connections: The number of connections, with those that are being made.
        """
        return self.left > 0 or connections < _FIRST

    def begin(self, now: float, connections: int, idle: int) -> None:
        """Note that a request begins to wait, and that no other does.

        Args:
            now: The time in seconds.
            connections: The number of connections, with those that are being made.
            idle: The number of them that are idle: the request that waits cannot use them.
        """
        if now - self._reviewed_at >= REVIEW_SECONDS:
            self.left = max(_FIRST - connections, _FEW)
            self._most = _FIRST
            self._reviewed_at = self._raised_at = now
            self._handed_on = self._made = 0
            self._is_reached = False
            self._patient_reviews = _MOST_PATIENT if idle >= _FIRST else 0

    def note_handed_on(self) -> None:
        """Note that a request that waited has got the connection of another one."""
        self._handed_on += 1

    def note_made(self) -> None:
        """Note that a connection was made."""
        self._made += 1
        self._patient_reviews = min(self._patient_reviews, _JOINED_WITHIN)

    def note_reached(self) -> None:
        """Note that the server's machine has responded to an attempt to connect."""
        self._is_reached = True

    def review(self, now: float, waiting: int, dialing: int) -> None:
        """Set the number of connections that may be begun.

        Args:
            now: The time in seconds.
            waiting: The number of requests that wait.
            dialing: The number of connections that are being made.
        """
        if now - self._reviewed_at < REVIEW_SECONDS / 2:  # it was set before the first of these requests came
            return
        takes_long = waiting > self._handed_on * _PATIENCE and self._patient_reviews <= 0
        in_time = now - self._reviewed_at < 1.5 * REVIEW_SECONDS
        is_far = in_time and not self._is_reached
        have_had_time = (not self._made or self._most == _MOST) and dialing <= self._most // 2  # to come back
        self.left = 0
        if takes_long and (is_far or have_had_time or now - self._raised_at >= _RAISE_SECONDS):
            self._most = min(2 * self._most, _MOST)
            self._raised_at = now
            self.left = max(self._most - dialing, 0)
        self._patient_reviews -= 1
        self._reviewed_at = now
        self._handed_on = self._made = 0
