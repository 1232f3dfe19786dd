"""What a worker says when a job fails, in each of the forms that it has.

The worker SDK puts an exception's report into the job's ``error``: as JSON inside a string for plain handlers, as text
with a prefix for generators; a handler that returns an error gives any text or object of its own, and the platform has
words of its own too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from attrs import frozen
from runpod_queue_api import models, wire

from runpod_typed._codecs import json
from runpod_typed._models.validation import as_any, kind_of

_CLASS_REPR = re.compile(r"<class '([^']+)'>")
_PLATFORM_TIMEOUT = re.compile(wire.PLATFORM_TIMEOUT_PATTERN)


@frozen(kw_only=True)
class WorkerFailure:
    """A failure as far as the worker told it."""

    error_type: str | None = None
    message: str | None = None
    traceback: str | None = None
    worker_id: str | None = None


def parse_worker_failure(error: object) -> WorkerFailure:
    """Whatever stands in a job's ``error``, taken apart. Never raises."""
    if error is None:
        return WorkerFailure()
    if isinstance(error, Mapping):
        report = cast("Mapping[str, Any]", error)
        return _from_report(report) or WorkerFailure(message=_as_text(report))
    if not isinstance(error, str):
        return WorkerFailure(message=_as_text(error))
    return _from_json(error) or _from_generator(error) or WorkerFailure(message=error)


def is_platform_timeout(error: object) -> bool:
    """Whether a failed job's ``error`` is the platform's note that no worker ever reported back."""
    return isinstance(error, str) and _PLATFORM_TIMEOUT.search(error) is not None


def _from_json(text: str) -> WorkerFailure | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        report = json.decode(text.encode())
    except (json.MalformedJSON, UnicodeEncodeError):
        return None
    return _from_report(cast("Mapping[str, Any]", report)) if isinstance(report, dict) else None


def _from_report(report: Mapping[str, Any]) -> WorkerFailure | None:
    try:
        known = models.WorkerError.from_dict(report)
    except (KeyError, TypeError, ValueError):
        return None  # an object of the handler's own making
    message = as_any(known.error_message)  # models check nothing
    if not isinstance(message, str):
        return None
    return WorkerFailure(
        error_type=_class_name(_text(known.error_type)),
        message=message,  # empty for an exception without words, such as a bare `assert`
        traceback=_text(known.error_traceback),
        worker_id=_text(known.worker_id),
    )


def _from_generator(text: str) -> WorkerFailure | None:
    if not text.startswith(wire.GENERATOR_ERROR_PREFIX):
        return None
    message, separator, traceback = text.removeprefix(wire.GENERATOR_ERROR_PREFIX).partition(
        wire.GENERATOR_TRACEBACK_SEPARATOR
    )
    if not separator:
        return None
    message = message.rstrip()
    return WorkerFailure(error_type=_raised_type(traceback, message), message=message, traceback=traceback.strip("\n"))


def _raised_type(traceback: str, message: str) -> str | None:
    """The exception's type from what a traceback ends with, ``package.Error: message``."""
    ending = f": {re.escape(message)}" if message else "$"
    names: list[str] = re.findall(rf"^([A-Za-z_][\w.]*){ending}", traceback, re.MULTILINE)
    return names[-1] if names else None


def _class_name(text: str | None) -> str | None:
    if text is None:
        return None
    match = _CLASS_REPR.fullmatch(text.strip())
    return match[1] if match else text


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _as_text(value: object) -> str:
    try:
        return json.encode(value).decode()
    except json.UnencodableJSON:
        return kind_of(value)  # nested too deeply to be written, or with text that nothing can print
