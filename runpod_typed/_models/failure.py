"""The error of a failed job, in each of the forms that workers and the platform give it.

The worker SDK reports an exception as JSON in a string for plain handlers, and as a string with a prefix for
generators. A handler that returns an error may put any JSON there, and the platform has messages of its own.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any, Final, cast

from attrs import evolve, field, frozen
from runpod_queue_api import models, wire

from runpod_typed._codecs import json
from runpod_typed._codecs.json import kind_of

_MESSAGE_KEYS: Final = ("msg", *wire.ERROR_MESSAGE_KEYS[1:], wire.ERROR_MESSAGE_KEYS[0])
_TYPE_KEYS: Final = (wire.WORKER_ERROR_TYPE_KEY, "type", "code")
_MAX_DEPTH: Final = 5
_MAX_REPR_CHARACTERS: Final = 10_000
_MOST_ITEMS: Final = 100
_TAIL_CHARACTERS: Final = 20_000

_CLASS_REPR: Final = re.compile(r"<class '([^']+)'>")
_REPR_ESCAPES: Final = re.compile(r"(?:[^\\]|\\[\\'\"nrtxuU])*", re.DOTALL)
_RAISED: Final = re.compile(r"([A-Za-z_][\w.]*)(?:: (.*))?")
_PLATFORM_TIMEOUT: Final = re.compile(wire.PLATFORM_TIMEOUT_PATTERN)


@frozen(kw_only=True)
class JobFailure:
    """The reason of a job's failure, as far as the worker or the platform gave one."""

    error_type: str | None = None
    """The type of the error, such as ``ValueError``."""
    error_message: str | None = None
    """The message, in full."""
    remote_traceback: str | None = None
    """The worker's traceback."""
    output: Any = field(default=None, hash=False)
    """The output that the handler returned with the error, as plain JSON."""
    logs: str | None = None
    """The last lines that the worker wrote before it failed (worker SDK 2.0)."""
    event: str | None = None
    """The event that failed instead of the handler, such as ``prestart_failed`` (worker SDK 2.0)."""
    hook: str | None = None
    """The name of the hook that failed (worker SDK 2.0)."""
    worker_id: str | None = field(default=None, eq=False, repr=False)
    """The worker, as the error names it."""


def parse_failure(error: object, output: Any = None) -> JobFailure:
    """Take the `error` of a job apart. Never raises."""
    failure = _parse(error, _MAX_DEPTH) or JobFailure(error_message=_as_text(error))
    return evolve(failure, output=output)


def is_platform_timeout(error: object) -> bool:
    """Return whether a failed job's `error` is the platform's message that no worker reported back."""
    return isinstance(error, str) and _PLATFORM_TIMEOUT.match(error) is not None


def _parse(error: object, depth: int) -> JobFailure | None:
    """The parts of an error; None if its form is not known."""
    if not depth:
        return None
    if isinstance(error, str):
        return _from_generator(error) or _parse_structured(error, depth)
    if isinstance(error, Mapping):
        report = cast("Mapping[str, Any]", error)
        return _from_report(report) or _from_object(report, depth)
    if isinstance(error, list) and error:
        return _from_list(cast("list[object]", error), depth)
    return None


def _parse_structured(text: str, depth: int) -> JobFailure | None:
    """The parts of an object or array in a string: as JSON, or as Python prints it."""
    text = text.strip()
    if not text.startswith(("{", "[")):
        return None
    try:
        return _parse(json.decode(text.encode()), depth - 1)
    except (json.MalformedJSON, UnicodeEncodeError):
        pass
    if len(text) > _MAX_REPR_CHARACTERS or not text.endswith(("}", "]")) or not _REPR_ESCAPES.fullmatch(text):
        return None
    try:
        return _parse(ast.literal_eval(text), depth - 1)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _from_report(report: Mapping[str, Any]) -> JobFailure | None:
    """The parts of the worker SDK's report of an exception."""
    try:
        known = models.WorkerError.from_dict(report)
    except (KeyError, TypeError, ValueError):
        return None
    message = cast("object", known.error_message)  # models check nothing
    if not isinstance(message, str):
        return None
    return JobFailure(
        error_type=_class_name(_text(known.error_type)),
        error_message=message,  # empty for an exception without a message, such as a bare `assert`
        remote_traceback=_text(known.error_traceback),
        logs=_text(known.logs),
        event=_text(known.event),
        hook=_text(known.hook),
        worker_id=_text(known.worker_id),
    )


def _from_object(report: Mapping[str, Any], depth: int) -> JobFailure | None:
    """The parts of an object in OpenAI's form, or in another with one of the usual keys."""
    said = next((value for key in _MESSAGE_KEYS if _says_something(value := report.get(key))), None)
    if said is None:
        return None
    inner = _parse(said, depth - 1) or JobFailure(error_message=_as_text(said))
    named = next((name for key in _TYPE_KEYS if (name := _text(report.get(key)))), None)
    return inner if inner.error_type or not named else evolve(inner, error_type=_class_name(named))


def _says_something(value: object) -> bool:
    return isinstance(value, str | Mapping | list) and bool(cast("object", value))


def _from_list(items: list[object], depth: int) -> JobFailure:
    """Validation errors in one message: the first ones, if there are many."""
    said = [_item_text(item, depth) for item in items[:_MOST_ITEMS]]
    if len(items) > _MOST_ITEMS:
        said.append(f"and {len(items) - _MOST_ITEMS:,} more")
    return JobFailure(error_message="; ".join(said))


def _item_text(item: object, depth: int) -> str:
    found = _parse(item, depth - 1)
    text = (found and found.error_message) or _as_text(item) or kind_of(item)
    place: object = cast("Mapping[str, object]", item).get("loc") if isinstance(item, Mapping) else None
    if isinstance(place, list | tuple):
        place = ".".join(map(str, cast("list[object]", place)))
    return f"{place}: {text}" if place and isinstance(place, str) else text


def _from_generator(text: str) -> JobFailure | None:
    """The parts of what the worker SDK says of an exception in a generator."""
    if not text.startswith(wire.GENERATOR_ERROR_PREFIX):
        return None
    message, separator, traceback = text.removeprefix(wire.GENERATOR_ERROR_PREFIX).partition(
        wire.GENERATOR_TRACEBACK_SEPARATOR
    )
    if not separator:
        return None
    message = message.rstrip()
    return JobFailure(
        error_type=_raised_type(traceback.rstrip(), message),
        error_message=message,
        remote_traceback=traceback.strip("\n"),
    )


def _raised_type(traceback: str, message: str) -> str | None:
    """The exception's type from the traceback's ending, ``package.Error: message``."""
    if traceback.endswith(message):
        line = traceback.removesuffix(message).rpartition("\n")[2]
        if found := _RAISED.fullmatch(line if message else f"{line}: "):
            return found[1] if not found[2] else None
    first_line = message.partition("\n")[0]  # a note may follow the message
    for line in reversed(traceback[-_TAIL_CHARACTERS:].split("\n")):
        found = _RAISED.fullmatch(line)
        if found and (found[2] or "").startswith(first_line) and bool(found[2]) == bool(message):
            return found[1]
    return None


def _class_name(text: str | None) -> str | None:
    match = _CLASS_REPR.fullmatch(text.strip()) if text else None
    return match[1] if match else text


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    try:
        return json.encode(value).decode()
    except json.UnencodableJSON:
        return kind_of(value)  # nested too deeply to be written, or with a lone surrogate
