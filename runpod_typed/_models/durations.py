"""Durations: seconds, or a timedelta."""

from __future__ import annotations

import math
from datetime import timedelta

from runpod_typed._errors import ConfigurationError
from runpod_typed._models.user_warnings import warn_caller

Duration = float | timedelta
"""Seconds (an int or a float) or a timedelta."""

_LONG_WAIT = timedelta(days=7).total_seconds()  # the longest life of a job


def to_seconds(value: Duration, name: str) -> float:
    """Return the duration in seconds.

    Raises:
        ConfigurationError: It is not a number or a timedelta, is negative, or is NaN.
    """
    given: object = value  # callers without a type checker may pass anything, and a bool is an int: timeout=True
    if isinstance(given, bool) or not isinstance(given, int | float | timedelta):  # pyright: ignore[reportUnnecessaryIsInstance] -- see above
        raise ConfigurationError(f"{name} must be a number of seconds or a timedelta, not {type(value).__name__}.")
    try:
        seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    except OverflowError:  # an int of more than 308 digits
        raise ConfigurationError(f"{name} is more seconds than a float can hold.") from None
    if math.isnan(seconds) or seconds < 0:
        raise ConfigurationError(f"{name} must not be negative or NaN: {seconds!r} s.")
    return seconds


def to_optional_seconds(value: Duration | None, name: str) -> float | None:
    """Return the duration in seconds; None and infinity are None, no limit."""
    if value is None:
        return None
    seconds = to_seconds(value, name)
    return None if math.isinf(seconds) else seconds


def plain_seconds(value: Duration) -> float:
    """Return a timedelta in seconds, and anything else unchanged for a validator to check."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def plain_optional_seconds(value: Duration | None) -> float | None:
    """Return a timedelta in seconds, and anything else unchanged for a validator to check."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def call_timeout(timeout: Duration | None) -> float | None:
    """Return the ``timeout=`` of a single call in seconds; None for no limit.

    Raises:
        ConfigurationError: It is not a duration, or is 0.
    """
    limit = to_optional_seconds(timeout, "timeout")
    if limit == 0:
        raise ConfigurationError("timeout must be above 0 s here: a call that has no time cannot be made.")
    return limit


def wait_timeout(timeout: Duration | None, name: str = "timeout") -> float | None:
    """Return the time limit of a wait in seconds; 0 polls once, None for no limit.

    Raises:
        ConfigurationError: It is not a duration.
    """
    if timeout is None:
        return None
    limit = to_optional_seconds(timeout, name)
    if limit is not None and limit > _LONG_WAIT:
        warn_caller(f"{name} of {limit:g} s is more than 7 days, the longest life of a job. It is in seconds.")
    return limit
