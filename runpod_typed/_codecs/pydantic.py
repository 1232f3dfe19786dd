"""Typed inputs and outputs through pydantic. Importing this module imports pydantic, which takes its time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Literal, cast

from attrs import frozen
from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError

from runpod_typed._codecs.json import DecodesText, JSONText
from runpod_typed._codecs.json_values import Mismatch, format_path, printable, to_plain

__all__ = ["PydanticCodec"]

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


def _adapter(type_form: Any) -> TypeAdapter[Any]:
    """Pydantic's handler of a type; an exception of pydantic's where it has none."""
    try:
        # Dataclasses of the standard library are looked into, since nothing has done so when they were made.
        adapter = TypeAdapter[Any](type_form, config=ConfigDict(revalidate_instances="always"))
    except PydanticUserError as exc:
        if exc.code != "type-adapter-config-unused":
            raise
        adapter = TypeAdapter[Any](type_form)
    if not adapter.pydantic_complete:
        adapter.rebuild()
    return adapter


@frozen(eq=False)
class PydanticCodec(DecodesText):
    """A codec of a type that takes pydantic.

    Pydantic's strict mode has two sets of rules, one for Python objects and one for JSON text (where a datetime is a
    text). Data that has been decoded fits neither, so it is written as text once more: pydantic's own advice.

    Values are written by pydantic's rules: a SecretStr as asterisks, NaN in a field of type ``Any`` as null.
    """

    type_form: Any
    _adapter: TypeAdapter[Any]

    @classmethod
    def of(cls, type_form: object) -> PydanticCodec:
        """The codec of a type; an exception of pydantic's where it cannot handle the type."""
        return cls(type_form, _adapter(type_form))

    def encode(self, value: Any) -> Any:
        """Plain JSON that the type allows, under aliases; Mismatch otherwise.

        Instances of the type are written as their class says. Anything else must validate as JSON, and is sent as it
        was given.
        """
        try:
            plain = self._dump(value, warnings="error")
            self._adapter.validate_python(value, strict=True)
        except (PydanticSerializationError, ValidationError) as exc:
            return self._encode_as_given(value, exc)
        return plain

    def _encode_as_given(self, value: Any, refusal: Exception) -> Any:
        try:
            plain = to_plain(self._dump(value, warnings="none"))
        except PydanticSerializationError as exc:
            raise self._mismatch_of_object(value, exc) from refusal
        self.decode(plain)
        return plain

    def _mismatch_of_object(self, value: Any, error: PydanticSerializationError) -> Mismatch:
        try:
            self._adapter.validate_python(value, strict=True)
        except ValidationError as exc:
            return _mismatch(_details(exc), value)
        return Mismatch(printable(str(error)))

    def _dump(self, value: Any, warnings: Literal["none", "error"]) -> Any:
        return self._adapter.dump_python(value, mode="json", by_alias=True, warnings=warnings)

    def decode(self, data: Any) -> Any:
        """A value of the type, from plain JSON; Mismatch otherwise."""
        try:
            text = json.dumps(data, ensure_ascii=False).encode()  # keeps NaN, as workers send it
        except UnicodeEncodeError as exc:
            raise Mismatch("pydantic takes no text with a lone surrogate") from exc
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

    def decode_text(self, text: JSONText, /) -> Any:
        """A value of the type, from JSON text; a ValidationError otherwise."""
        return self._adapter.validate_json(bytes(text.text), strict=True)


def _wants_what_json_lacks(entry: ErrorDetails) -> bool:
    """Whether strict mode misses what no JSON could give it, such as a datetime in place of a text.

    Pydantic forgets that its input was JSON wherever a "before" or "wrap" validator has had the data in its hands.
    """
    return entry["type"] in _FORMS_THAT_JSON_LACKS and isinstance(entry["input"], str | list)


def _details(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_context=False)


def _mismatch(entries: Sequence[ErrorDetails], data: object) -> Mismatch:
    """Pydantic's complaints in one; the path is that of the first."""
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
    """Where, as a way through the data: pydantic also names validators and members of unions."""
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
