"""Durations as people pass them: seconds, or a timedelta."""

from __future__ import annotations

import math
from datetime import timedelta

from runpod_typed.errors import ConfigurationError

Duration = float | timedelta
"""Seconds (an int or a float) or a timedelta."""


def to_seconds(value: Duration, name: str) -> float:
    """The duration in seconds, checked to be a number that is not negative.

    Raises:
        ConfigurationError: It is no number, is negative, or is NaN.
    """
    given: object = value  # what callers without a type checker pass; and a bool is an int to Python: timeout=True
    if isinstance(given, bool) or not isinstance(given, int | float | timedelta):  # pyright: ignore[reportUnnecessaryIsInstance] -- see above
        raise ConfigurationError(f"{name} must be a number of seconds or a timedelta, not {type(value).__name__}.")
    try:
        seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    except OverflowError:  # an int of more than 308 digits
        raise ConfigurationError(f"{name} is more seconds than a float can hold.") from None
    if math.isnan(seconds) or seconds < 0:
        raise ConfigurationError(f"{name} must not be negative, and was {seconds!r} s.")
    return seconds


def to_optional_seconds(value: Duration | None, name: str) -> float | None:
    """Like `to_seconds`; None stays None, which stands for no limit. So does infinity."""
    if value is None:
        return None
    seconds = to_seconds(value, name)
    return None if math.isinf(seconds) else seconds


def plain_seconds(value: Duration) -> float:
    """The duration in seconds, for a validator to check: what is no duration stays what it is."""
    return value.total_seconds() if isinstance(value, timedelta) else value
