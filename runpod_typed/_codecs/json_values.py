"""Plain JSON in Python: None, booleans, finite numbers, text, and lists and string-keyed dicts of these.

Whatever is sent passes through `to_plain` first. It is one walk in Python, and cheaper than one `json.dumps`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from itertools import islice
from math import isfinite
from typing import Any, Final, cast

__all__ = ["MAX_DEPTH", "Mismatch", "NotPlainJSON", "format_path", "no_form_for", "printable", "to_plain"]

MAX_DEPTH: Final = 200
"""How many containers may lie in each other; other readers of JSON (pydantic's) stop there too."""

_MAX_INTEGER_BITS: Final = 14_000  # some 4,215 digits; Python reads and writes 4,300, and so does a worker
_CONSTANT_TYPES: Final = frozenset({bool, type(None)})
_DATA_CLASS_MARKS: Final = ("__dataclass_fields__", "__attrs_attrs__", "__struct_fields__", "__pydantic_validator__")

_TEXT: Final = "send text, such as base64.b64encode(data).decode()"
_INSTEAD: Final = {  # by class name, since most of these would have to be imported to be named
    "builtins.bytes": _TEXT,
    "builtins.bytearray": _TEXT,
    "builtins.memoryview": _TEXT,
    "builtins.set": "send a list, such as sorted(value)",
    "builtins.frozenset": "send a list, such as sorted(value)",
    "builtins.generator": "send list(value)",
    "builtins.coroutine": "await it first",
    "builtins.type": "send an instance, not the class",
    "collections.abc.Iterable": "send list(value)",
    "datetime.date": "send value.isoformat()",
    "datetime.time": "send value.isoformat()",
    "datetime.timedelta": "send value.total_seconds()",
    "decimal.Decimal": "send str(value)",
    "uuid.UUID": "send str(value)",
    "pathlib.PurePath": "send str(value), or what is in the file: workers do not see this machine's files",
    "numpy.generic": "send value.item()",
    "numpy.ndarray": "send value.tolist()",
}

ObjectEncoder = Callable[[object], object]

_type_of: Callable[[object], type] = type  # of Any, pyright finds type[Unknown]


class Mismatch(ValueError):  # noqa: N818 -- a note between modules; callers make InputError or OutputError of it
    """A value is not what a type allows.

    Attributes:
        reason: What was expected and what came, or what to do about it; no full stop.
        type_name: The type, where it is not the one that was declared for the whole.
    """

    def __init__(self, reason: str, steps: Iterable[str | int] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.type_name: str | None = None
        self._steps_outwards = [*steps][::-1]

    @property
    def path(self) -> str:
        """Where, in JSONPath notation."""
        return format_path(self._steps_outwards[::-1])

    def lies_under(self, step: str | int) -> None:
        """Note that the value lies under one more key or index."""
        self._steps_outwards.append(step)


class NotPlainJSON(Mismatch):
    """A value is nothing that JSON can hold."""


def format_path(steps: Iterable[str | int]) -> str:
    """Keys and indices as JSONPath: ``$.size[0]["odd key"]``."""
    steps = iter(steps)
    path = "$" + "".join(map(_format_step, islice(steps, 30)))
    return path if next(steps, None) is None else f"{path}..."


def _format_step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    step = printable(step, 60)
    return f".{step}" if step.isidentifier() else f"[{json.dumps(step, ensure_ascii=False)}]"


def printable(text: str, limit: int = 300) -> str:
    """Text for a message: of limited length, and without a lone surrogate, which would break the printing of it."""
    text = text if len(text) <= limit else f"{text[:limit]}..."
    return text.encode("utf-8", "backslashreplace").decode()


def to_plain(value: object, encode_object: ObjectEncoder | None = None) -> Any:
    """A copy of the value that is plain JSON and nothing else.

    Tuples and other kinds of list become lists, mappings dicts, enum members their values, and subclasses of str, int
    and float what they are at heart.

    Args:
        value: Anything.
        encode_object: Makes plain JSON of an instance of a dataclass, attrs class, Struct or pydantic model; without it
            they are refused like all other objects.

    Raises:
        NotPlainJSON: JSON has no form for the value or something in it, or it is nested deeper than `MAX_DEPTH`.
    """
    return _plain(value, encode_object, MAX_DEPTH)


def _plain(value: Any, encode_object: ObjectEncoder | None, levels: int) -> Any:
    kind = _type_of(value)
    if kind is str:
        if not value.isascii():
            _check_text(value)
        return value
    if kind is int:
        if value.bit_length() > _MAX_INTEGER_BITS:
            raise NotPlainJSON("an integer of more than 4,200 digits is more than workers can read")
        return value
    if kind is float:
        if not isfinite(value):
            raise NotPlainJSON(f"JSON has no number for `{value}`; send None or a text")
        return value
    if kind in _CONSTANT_TYPES:
        return value
    if kind is dict:
        return _plain_dict(value, encode_object, levels)
    if kind is list or kind is tuple:
        return _plain_list(value, encode_object, levels)
    return _plain_object(value, encode_object, levels)


def _plain_dict(items: dict[Any, Any], encode_object: ObjectEncoder | None, levels: int) -> dict[str, Any]:
    if not levels:
        raise _too_deep()
    plain: dict[str, Any] = {}
    for key, value in items.items():
        name = key if type(key) is str and key.isascii() else _plain_key(key)
        try:
            plain[name] = _plain(value, encode_object, levels - 1)
        except Mismatch as mismatch:
            mismatch.lies_under(name)
            raise
    return plain


def _plain_list(items: Iterable[Any], encode_object: ObjectEncoder | None, levels: int) -> list[Any]:
    if not levels:
        raise _too_deep()
    plain: list[Any] = []
    for value in items:
        try:
            plain.append(_plain(value, encode_object, levels - 1))
        except Mismatch as mismatch:
            mismatch.lies_under(len(plain))
            raise
    return plain


def _plain_key(key: object) -> str:
    if not isinstance(key, str):
        raise NotPlainJSON(f"the key {printable(repr(key), 60)} is no text; JSON's keys are")
    return cast("str", _plain(key, None, 0))


def _plain_object(value: object, encode_object: ObjectEncoder | None, levels: int) -> Any:
    match value:
        case Enum():
            return _plain(value.value, encode_object, levels)
        case str():
            return _plain(str.__str__(value), encode_object, levels)
        case int():
            return _plain(int(value), encode_object, levels)
        case float():
            return _plain(float(value), encode_object, levels)
        case Mapping():
            return _plain_dict(dict(cast("Mapping[object, object]", value)), encode_object, levels)
        case list() | tuple():
            return _plain_list(cast("Iterable[Any]", value), encode_object, levels)
        case _:
            pass
    if encode_object is not None and any(hasattr(type(value), mark) for mark in _DATA_CLASS_MARKS):
        return _plain(encode_object(value), None, levels)
    raise NotPlainJSON(no_form_for(value))


def no_form_for(value: object) -> str:
    """Says that JSON has no form for an object of its kind, and what to send instead."""
    names = [f"{base.__module__}.{base.__qualname__}" for base in type(value).__mro__]
    instead = next((_INSTEAD[name] for name in names if name in _INSTEAD), "send JSON that stands for it")
    return f"JSON has no form for `{names[0].removeprefix('builtins.')}`; {instead}"


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise NotPlainJSON(f"the text has a lone surrogate (character {exc.start}), which JSON cannot carry") from None


def _too_deep() -> NotPlainJSON:
    return NotPlainJSON(f"it is nested deeper than {MAX_DEPTH} levels, or contains itself")
