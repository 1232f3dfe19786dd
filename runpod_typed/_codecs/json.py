"""JSON: bodies of bytes to plain JSON and back, and Python values to plain JSON.

Plain JSON is None, booleans, finite numbers, strings, and lists and string-keyed dicts of these. Everything that is
sent passes through `to_plain`: one walk in Python, cheaper than one `json.dumps`.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import cached_property
from itertools import islice
from math import isfinite
from typing import Any, Final, TypeVar, cast

import msgspec
from attrs import frozen

from runpod_typed._errors import printable

T = TypeVar("T")

_decode_strictly = msgspec.json.Decoder[Any]().decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="deterministic").encode

_LARGE: Final = 2**20  # bytes of JSON


class MalformedJSON(ValueError):  # noqa: N818 -- callers turn it into a public error
    """Bytes are not JSON. The message is a short reason and holds nothing of the body."""


class UnencodableJSON(ValueError):  # noqa: N818 -- likewise
    """A value has no form in JSON."""


def decode(body: bytes) -> Any:
    """Decode a JSON body in UTF-8, with or without a byte order mark.

    Accepts what Python workers send beyond the standard, so that no result is lost: ``NaN``, ``Infinity``, numbers
    above a float's range (they become infinite) and lone surrogates. Integers keep all their digits.

    Raises:
        MalformedJSON: The body is empty, truncated, not UTF-8, nested deeper than Python can follow, or not JSON.
    """
    return decode_with(_decode, body)


def _decode(body: bytes) -> Any:
    try:
        return _decode_strictly(body)
    except RecursionError:
        raise MalformedJSON("nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _decode_leniently(body)


def decode_with(decoder: Callable[[bytes], T], body: bytes) -> T:
    """Decode JSON, and pause Python's garbage collector meanwhile if there is much of it.

    It would go through all new objects again and again, which takes three times as long as the decoding.
    """
    if len(body) < _LARGE or not gc.isenabled():
        return decoder(body)
    try:
        gc.disable()  # within the block: an interrupt right after it must not leave the collector off
        return decoder(body)
    finally:
        gc.enable()


def _decode_leniently(body: bytes) -> Any:
    if not body.strip():
        raise MalformedJSON("empty")
    # `from None`: the causes hold the whole body.
    try:
        return json.loads(body.decode("utf-8-sig"))
    except RecursionError:
        raise MalformedJSON("nested too deeply") from None
    except UnicodeDecodeError as exc:
        raise MalformedJSON(f"not UTF-8 (byte {exc.start})") from None
    except json.JSONDecodeError as exc:
        raise MalformedJSON(f"{exc.msg} (line {exc.lineno}, column {exc.colno})") from None
    except ValueError:
        raise MalformedJSON("an integer of more digits than Python reads") from None


@frozen(eq=False, slots=False)  # slots and cached_property exclude each other
class JSONText:
    """A part of a body that was left as text, so that it can be decoded into its type directly.

    Decoding plain JSON first, and then the type, takes several times as long.
    """

    text: msgspec.Raw

    @cached_property
    def plain(self) -> Any:
        """The value, as `decode` reads it.

        Raises:
            MalformedJSON: It is nested deeper than Python can follow, or has an integer of too many digits.
        """
        return decode(bytes(self.text))

    @property
    def shown(self) -> Any:
        """The value; the text itself if Python cannot decode it."""
        try:
            return self.plain
        except MalformedJSON:
            return bytes(self.text).decode()


def decode_leaving(body: bytes, name: str) -> Any:
    """Decode a JSON body like `decode`, but leave the named field of an object as a `JSONText`.

    A body that is not an object, or is not standard JSON, is decoded whole.

    Raises:
        MalformedJSON: As for `decode`.
    """
    try:
        fields = _decode_fields(body)
        if name in fields:
            body.decode()  # msgspec does not check that the field that is left as text is UTF-8
        return {key: JSONText(text) if key == name else _decode_strictly(text) for key, text in fields.items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    return decode(body)


def encode(value: Any) -> bytes:
    """Encode plain JSON as a compact body in UTF-8. NaN becomes ``null``: check inputs with `encode_input` first.

    Raises:
        UnencodableJSON: The value has an unknown class, a lone surrogate, an integer of too many digits, or is nested
            deeper than Python can follow.
    """
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError) as exc:
        raise UnencodableJSON(f"{type(exc).__name__}: {exc}") from None


def encode_as_decoded(value: Any) -> bytes:
    """Encode what `decode` has returned, so that it returns the same again: ``NaN`` and lone surrogates too.

    Raises:
        UnencodableJSON: It is nested deeper than Python can follow.
    """
    try:
        try:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        except UnicodeEncodeError:
            return json.dumps(value, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise UnencodableJSON(f"{type(exc).__name__}: {exc}") from None


def encode_sorted(value: Any) -> bytes:
    """Encode plain JSON that `encode` accepts, with the fields of objects in order, for comparisons."""
    return _encode_sorted(value)


def kind_of(value: object) -> str:
    """Return the JSON name of a value's kind, for messages."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case "":
            return "an empty string"
        case str():
            return "a string"
        case Mapping():
            return "an object"
        case list():
            return "an array"
        case _:
            return "absent"


MAX_DEPTH: Final = 200
"""The number of containers that may lie in each other; other JSON readers (pydantic's) stop there too."""

_MAX_INTEGER_BITS: Final = 14_000  # about 4,215 digits; Python reads and writes 4,300, and so does a worker
_CONSTANT_TYPES: Final = frozenset({bool, type(None)})
_DATA_CLASS_MARKS: Final = ("__dataclass_fields__", "__attrs_attrs__", "__struct_fields__", "__pydantic_validator__")

_TEXT: Final = "send a string, such as base64.b64encode(data).decode(), or declare a type with a bytes field"
_INSTEAD: Final = {  # by class name, because most of these would have to be imported to be named
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
    "pathlib.PurePath": "send str(value), or the file's content: workers do not see this machine's files",
    "numpy.generic": "send value.item()",
    "numpy.ndarray": "send value.tolist()",
}

ObjectEncoder = Callable[[object], object]

_type_of: Callable[[object], type] = type  # pyright infers type[Unknown] for type() of Any


@frozen
class PlainCodec:
    """The codec of any JSON, which leaves it as it is."""

    type_form: Any = Any

    def encode(self, value: Any, /) -> Any:
        """Return the value, which may not be plain JSON."""
        return value

    def decode(self, data: Any, /) -> Any:
        """Return the plain JSON."""
        return data


PLAIN: Final = PlainCodec()


class Mismatch(ValueError):  # noqa: N818 -- callers turn it into InputError or OutputError
    """A value is not what a type allows. The reason ends without a full stop."""

    def __init__(self, reason: str, steps: Iterable[str | int] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.type_name: str | None = None  # if it is not the type that was declared for the whole value
        self._steps_outwards = [*steps][::-1]

    @property
    def path(self) -> str:
        """The place as JSONPath."""
        return format_path(self._steps_outwards[::-1])

    def lies_under(self, step: str | int) -> None:
        """Add the key or index of the container around the value."""
        self._steps_outwards.append(step)


class NotPlainJSON(Mismatch):
    """A value has no form in JSON."""


def format_path(steps: Iterable[str | int]) -> str:
    """Return keys and indices as JSONPath: ``$.size[0]["odd key"]``."""
    steps = iter(steps)
    path = "$" + "".join(map(_format_step, islice(steps, 30)))
    return path if next(steps, None) is None else f"{path}..."


def _format_step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    step = printable(step, 60)
    return f".{step}" if step.isidentifier() else f"[{json.dumps(step, ensure_ascii=False)}]"


def to_plain(value: object, encode_object: ObjectEncoder | None = None) -> Any:
    """Return a copy of the value that is plain JSON.

    Tuples and subclasses of list become lists, mappings dicts, enum members their values, and instances of subclasses
    of str, int and float plain ones. `encode_object` encodes instances of dataclasses, attrs classes, Structs and
    pydantic models; without it they are refused.

    Raises:
        NotPlainJSON: JSON has no form for the value or a part of it, or it is nested deeper than `MAX_DEPTH`.
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
            raise NotPlainJSON(f"JSON has no number for `{value}`; send None or a string")
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
        raise NotPlainJSON(f"the key {printable(repr(key), 60)} is not a string")
    return cast("str", _plain(key, None, 0))


def _plain_object(value: object, encode_object: ObjectEncoder | None, levels: int) -> Any:
    base = base_value(value)
    if base is not value:
        return _plain(base, encode_object, levels)
    if encode_object is not None and any(hasattr(type(value), mark) for mark in _DATA_CLASS_MARKS):
        return _plain(encode_object(value), None, levels)
    raise NotPlainJSON(no_form_for(value))


def base_value(value: object) -> object:
    """Return the value of an enum member, or of an instance of a subclass of a JSON type; all else as it is."""
    match value:
        case Enum():
            return value.value
        case str():
            return str.__str__(value)
        case int():
            return int(value)
        case float():
            return float(value)  # numpy.float64 is one
        case Mapping():
            return dict(cast("Mapping[object, object]", value))
        case list() | tuple():
            return list(cast("Iterable[object]", value))
        case _:
            return value


def no_form_for(value: object) -> str:
    """Return the complaint about an object that JSON has no form for, with what to send instead."""
    names = [f"{base.__module__}.{base.__qualname__}" for base in type(value).__mro__]
    instead = next((_INSTEAD[name] for name in names if name in _INSTEAD), "send plain JSON that represents it")
    return f"JSON has no form for `{names[0].removeprefix('builtins.')}`; {instead}"


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise NotPlainJSON(
            f"the string has a lone surrogate (character {exc.start}), which JSON cannot carry"
        ) from None


def _too_deep() -> NotPlainJSON:
    return NotPlainJSON(f"it is nested deeper than {MAX_DEPTH} levels, or contains itself")
