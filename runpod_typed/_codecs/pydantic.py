"""The codec of types that pydantic handles. Importing this module imports pydantic, which is slow."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, cast

from attrs import frozen
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, SchemaSerializer, core_schema
from typing_extensions import TypeAliasType

from runpod_typed._codecs.json import Mismatch, format_path, to_plain
from runpod_typed._codecs.type_codec import TypeCodec, UnknownObjects
from runpod_typed._errors import printable

_FORMS_THAT_JSON_LACKS: Final = frozenset(
    {
        "bytes_type",
        "date_type",
        "datetime_type",
        "deque_type",
        "frozen_set_type",
        "is_instance_of",
        "set_type",
        "time_delta_type",
        "time_type",
        "tuple_type",
    }
)
_MAX_ERRORS_SHOWN: Final = 3

_BASE64: Final = "base64"
_CONFIG: Final = ConfigDict(revalidate_instances="always", ser_json_bytes=_BASE64, val_json_bytes=_BASE64)


@frozen(eq=False)
class PydanticCodec(TypeCodec):
    """A codec of a type that needs pydantic.

    Pydantic's strict mode has two sets of rules, one for Python objects and one for JSON text (which allows a string
    for a datetime). Decoded data fits neither, so it is encoded as text again, as pydantic advises.

    Values follow pydantic's rules: a SecretStr becomes asterisks, NaN in a field of type ``Any`` becomes null. Bytes
    are base64, as with msgspec, except in pydantic's own classes, whose config decides (by default they are UTF-8).
    """

    type_form: Any
    _adapter: TypeAdapter[Any]
    _serializer: SchemaSerializer

    @classmethod
    def of(cls, type_form: object) -> PydanticCodec:
        """Return the codec of a type; raise an exception of pydantic's if it cannot handle the type."""
        # The config applies to dataclasses and TypedDicts without one, but pydantic refuses it for a bare class.
        make_alias = cast("Callable[[str, object], Any]", TypeAliasType)  # type checkers refuse it in a function
        adapter = TypeAdapter[Any](make_alias("Declared", type_form), config=_CONFIG)
        if not adapter.pydantic_complete:
            adapter.rebuild()
        config = core_schema.CoreConfig(ser_json_bytes=_BASE64)
        return cls(type_form, adapter, SchemaSerializer(_with_standard_base64(adapter.core_schema), config))

    def encode(self, value: Any, /) -> Any:
        """Return plain JSON that the type allows, under aliases; raise Mismatch otherwise.

        Instances of the type are encoded as their class says. Anything else must validate as JSON, and is sent as it
        was given.
        """
        unknown = UnknownObjects()
        try:
            plain = self._dump(value, unknown, warnings="error")
            self._adapter.validate_python(value, strict=True)
        except (PydanticSerializationError, ValidationError) as exc:
            return self._encode_as_given(value, exc)
        if unknown.found:
            raise unknown.mismatch(plain)
        return plain

    def _encode_as_given(self, value: Any, refusal: Exception) -> Any:
        unknown = UnknownObjects()
        try:
            plain = self._dump(value, unknown, warnings="none")
        except PydanticSerializationError as exc:
            raise self._mismatch_of_object(value) or Mismatch(printable(str(exc))) from refusal
        if unknown.found:
            mismatch = unknown.mismatch(plain)
            raise (self._mismatch_of_object(value) if mismatch.path == "$" else None) or mismatch from refusal
        plain = to_plain(plain)
        self.decode(plain)
        return plain

    def _mismatch_of_object(self, value: Any) -> Mismatch | None:
        try:
            self._adapter.validate_python(value, strict=True)
        except ValidationError as exc:
            return _mismatch(_details(exc), value)
        return None

    def _dump(self, value: Any, unknown: UnknownObjects, warnings: Literal["none", "error"]) -> Any:
        return self._serializer.to_python(
            value, mode="json", by_alias=True, warnings=warnings, fallback=unknown.replace
        )

    def decode(self, data: Any, /) -> Any:
        """Return a value of the type from plain JSON; raise Mismatch otherwise."""
        try:
            text = json.dumps(data, ensure_ascii=False).encode()  # keeps NaN, as workers send it
        except UnicodeEncodeError as exc:
            raise Mismatch("pydantic accepts no string with a lone surrogate") from exc
        try:
            return self._adapter.validate_json(text, strict=True)
        except ValidationError as exc:
            serious = [entry for entry in _details(exc) if not _wants_what_json_lacks(entry)]
            if serious:
                raise _mismatch(serious, data) from exc
        try:
            return self._adapter.validate_json(text)
        except ValidationError as exc:
            raise _mismatch(_details(exc), data) from exc

    def decode_text(self, text: bytes, /) -> Any:
        """Return a value of the type from JSON text; raise a ValidationError otherwise."""
        return self._adapter.validate_json(text, strict=True)


def _with_standard_base64(schema: Any) -> Any:
    """Return a copy of a schema that serializes bytes in the standard alphabet; pydantic's own uses that of URLs."""
    if isinstance(schema, list | tuple):
        copies = [_with_standard_base64(item) for item in cast("Sequence[Any]", schema)]
        return tuple(copies) if isinstance(schema, tuple) else copies
    if not isinstance(schema, dict):
        return schema
    node = cast("dict[str, Any]", schema)
    kind = node.get("type")
    if kind == "model" or node.get("config", _CONFIG).get("ser_json_bytes") != _BASE64:
        return node  # a class with its own config
    if kind == "bytes" and "serialization" not in node:
        to_base64 = core_schema.plain_serializer_function_ser_schema(_base64_within, when_used="json")
        return {**node, "serialization": to_base64}
    if kind == "any" and "serialization" not in node:
        to_base64_first = core_schema.wrap_serializer_function_ser_schema(_any_with_base64, when_used="json")
        return {**node, "serialization": to_base64_first}
    return {key: _with_standard_base64(part) for key, part in node.items()}


def _any_with_base64(value: object, serialize: Callable[[object], Any]) -> Any:
    return serialize(_base64_within(value))


def _base64_within(value: object) -> object:
    match value:
        case bytes() | bytearray() | memoryview():
            return b64encode(cast("bytes", value)).decode()
        case dict():
            return {key: _base64_within(item) for key, item in cast("dict[object, object]", value).items()}
        case list() | tuple() | set() | frozenset():
            return [_base64_within(item) for item in cast("Sequence[object]", value)]
        case _:
            return value


def _wants_what_json_lacks(entry: ErrorDetails) -> bool:
    """Return whether strict mode demands an object that JSON cannot express, such as a datetime instead of a string.

    Pydantic forgets that its input was JSON once a "before" or "wrap" validator has handled the data.
    """
    return entry["type"] in _FORMS_THAT_JSON_LACKS and isinstance(entry["input"], str | list)


def _details(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_context=False)


def _mismatch(entries: Sequence[ErrorDetails], data: object) -> Mismatch:
    """Return pydantic's complaints as one; the path is that of the first."""
    first, *others = entries
    shown = others[: _MAX_ERRORS_SHOWN - 1]
    reasons = [_as_reason(first)]
    reasons += (f"{_as_reason(entry)} at `{format_path(_steps(entry, data))}`" for entry in shown)
    if len(others) > len(shown):
        reasons.append(f"and {len(others) - len(shown)} more")
    return Mismatch("; ".join(reasons), _steps(first, data))


def _as_reason(entry: ErrorDetails) -> str:
    message = entry["msg"].removeprefix("Input ")
    got = "" if entry["type"] == "missing" else f", got `{type(entry['input']).__name__}`"
    return printable(message[:1].lower() + message[1:] + got)


def _steps(entry: ErrorDetails, data: object) -> list[str | int]:
    """Return the keys and indices that lead to the place; pydantic also names validators and members of unions."""
    steps: list[str | int] = []
    for step in entry["loc"]:
        if isinstance(data, dict) and step in data:
            data = cast("dict[str | int, object]", data)[step]
        elif isinstance(data, list) and isinstance(step, int) and step < len(cast("list[object]", data)):
            data = cast("list[object]", data)[step]
        else:
            continue
        steps.append(step)
    if entry["type"] == "missing":
        steps += entry["loc"][-1:]
    return steps
