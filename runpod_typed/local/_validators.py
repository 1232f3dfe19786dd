"""Checks of arguments, for callers without a type checker."""

import sys


def is_whole(value: object) -> bool:
    """Check for an int that is not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_finite(value: object) -> bool:
    """Check for a number that is neither a bool, nor infinite, nor NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def check_seconds(seconds: float) -> None:
    """Refuse a time that is not a number of 0 or more."""
    if not is_finite(seconds) or seconds < 0:
        raise ValueError(f"seconds must be a number of 0 or more, not {seconds!r}")


def check_status(status: int | None, least: int) -> None:
    """Refuse a status that is not an error, or None."""
    if status is not None and not (is_whole(status) and least <= status <= 599):
        raise ValueError(f"status must be from {least} to 599, or None, not {status!r}")
