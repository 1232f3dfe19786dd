"""Warnings that point at the caller's code."""

from __future__ import annotations

import warnings
from inspect import currentframe

_PACKAGE = __name__.partition(".")[0]


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn with the first frame outside this package as the source."""
    level, frame = 1, currentframe()
    while frame is not None and _is_internal(frame.f_globals.get("__name__", ""), frame.f_code.co_filename):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def caller_location() -> tuple[str, int]:
    """Return the file and line of the first frame outside this package."""
    frame = currentframe()
    while frame is not None and _is_internal(frame.f_globals.get("__name__", ""), frame.f_code.co_filename):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else (__file__, 0)


def _is_internal(module: str, filename: str) -> bool:
    return module.partition(".")[0] == _PACKAGE or filename.startswith("<attrs generated")
