"""The codec of types that msgspec handles."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Any, Final, cast, get_args, get_origin

import attrs
import msgspec
from attrs import frozen
from msgspec import inspect
from typing_extensions import get_type_hints

from runpod_typed._codecs.json import Mismatch, decode_with
from runpod_typed._codecs.type_codec import TypeCodec, UnknownObjects
from runpod_typed._errors import printable

_PLACE: Final = re.compile(r"(?P<reason>.*) - at (?P<key>`key` in )?`(?P<path>\$[^`]*)`", re.DOTALL)
_STEP: Final = re.compile(r"\.(?P<field>[^.\[\]]+)|\[(?P<index>\d+)\]|(?P<some_key>\[\.\.\.\])")

_Class = inspect.DataclassType | inspect.NamedTupleType | inspect.StructType | inspect.TypedDictType
_PYDANTIC_MARKS: Final = ("__pydantic_validator__", "__pydantic_config__")
_PYDANTIC_METADATA: Final = ("pydantic.", "pydantic_core.", "annotated_types.")


@frozen(eq=False)
class MsgspecCodec(TypeCodec):
    """A codec of a type that msgspec handles.

    A value need not be an instance of the type: if it validates, it is sent as it was given. Unknown keys are allowed
    in both directions. Fields of type ``Any`` follow msgspec's rules: bytes become base64, sets become lists.
    """

    type_form: Any

    def encode(self, value: Any, /) -> Any:
        """Return plain JSON that the type allows; raise Mismatch otherwise."""
        unknown = UnknownObjects()
        plain = msgspec.to_builtins(value, str_keys=True, enc_hook=unknown.replace)
        if unknown.found:
            raise unknown.mismatch(plain)
        self.decode(plain)  # msgspec checks no types when it encodes
        return plain

    def decode(self, data: Any, /) -> Any:
        """Return a value of the type from plain JSON; raise Mismatch otherwise."""
        try:
            return self._convert(data)
        except msgspec.ValidationError as exc:
            raise self._mismatch(exc, data) from exc

    def decode_text(self, text: bytes, /) -> Any:
        """Return a value of the type from JSON text; raise any exception otherwise."""
        return decode_with(self._decode_text, text)

    def _decode_text(self, text: bytes) -> Any:
        return msgspec.json.decode(text, type=self.type_form)

    def _convert(self, data: Any) -> Any:
        return msgspec.convert(data, self.type_form, str_keys=True)

    def _mismatch(self, error: msgspec.ValidationError, data: Any) -> Mismatch:
        place = _PLACE.fullmatch(str(error))
        if place is None:
            return Mismatch(_as_reason(str(error)))
        path = place["path"] + ("[...]" if place["key"] else "")
        steps = _resolve(path, data, lambda part: self._complaint(part) == str(error))
        return Mismatch(_as_reason(place["reason"]) + (" as a key" if place["key"] else ""), steps)

    def _complaint(self, data: Any) -> str | None:
        try:
            self._convert(data)
        except msgspec.ValidationError as exc:
            return str(exc)
        except Exception:  # noqa: BLE001 -- the caller's classes may not accept a part of the data
            return None
        return None


def _as_reason(text: str) -> str:
    return printable(text[:1].lower() + text[1:])


def _resolve(path: str, data: Any, has_mismatch: Callable[[Any], bool]) -> list[str | int]:
    """Return the steps of a path of msgspec's. It hides the keys of dicts (``$.a[...]``); they are found by trying."""
    steps: list[str | int] = []
    for step in _STEP.finditer(path):
        if step["some_key"]:
            key, data = _find_key(data, steps, has_mismatch)
            steps.append(key)
        else:
            steps.append(step["field"] or int(step["index"]))
    return steps


def _find_key(data: Any, steps: list[str | int], has_mismatch: Callable[[Any], bool]) -> tuple[str, Any]:
    """Return the offending key of the dict at `steps`, and the data with no other key there."""
    try:
        items = data
        for step in steps:
            items = items[step]
        keys = list(items)

        def with_first(count: int) -> Any:
            return _replaced(data, steps, {key: items[key] for key in keys[:count]})

        # msgspec reports the first mismatch: the fewest keys with the same report end with the offending one.
        fewest = bisect_left(range(len(keys) + 1), 1, key=lambda count: has_mismatch(with_first(count)))
        key = keys[fewest - 1]
        return key, _replaced(data, steps, {key: items[key]})
    except (LookupError, TypeError):  # a field whose name looks like a path
        return "...", data


def _replaced(data: Any, steps: list[str | int], new: Any) -> Any:
    if not steps:
        return new
    copy = cast("Any", data.copy() if isinstance(data, dict) else list(data))
    copy[steps[0]] = _replaced(copy[steps[0]], steps[1:], new)
    return copy


def unsupported_reason(type_form: object) -> str | None:
    """Return why msgspec cannot handle a type, or would handle it wrongly; None if it is the right library."""
    try:
        return next(_unsupported(type_form), None)
    except TypeError as exc:
        return printable(str(exc))
    except Exception as exc:  # noqa: BLE001 -- annotations are the caller's code
        return printable(f"{type(exc).__name__}: {exc}")


def _unsupported(type_form: object) -> Iterator[str]:
    msgspec.json.Decoder(type_form)  # raises for an unsupported type
    yield from _foreign_metadata(type_form)
    for part in _parts(inspect.type_info(type_form)):
        if isinstance(part, inspect.CustomType) and part.cls is not object:
            yield f"it has no rule for `{_name(part.cls)}`"
        if isinstance(part, _Class):
            yield from _unsupported_class(part.cls)


def _parts(described: inspect.Type) -> Iterator[inspect.Type]:
    """Yield the description and all descriptions in it, each once: types may be recursive."""
    waiting: list[object] = [described]
    seen: set[int] = set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple):
            waiting += cast("tuple[object, ...]", part)
        elif isinstance(part, inspect.Type | inspect.Field) and id(part) not in seen:
            seen.add(id(part))
            waiting += (getattr(part, name) for name in part.__struct_fields__)
            if isinstance(part, inspect.Type):
                yield part


def _unsupported_class(cls: type) -> Iterator[str]:
    cls = get_origin(cls) or cls
    if any(hasattr(cls, mark) for mark in _PYDANTIC_MARKS):
        yield f"`{_name(cls)}` follows pydantic's rules"
    if attrs.has(cls):
        for attribute in attrs.fields(cls):
            if attribute.init and attribute.name.startswith("_"):
                yield f"it does not encode private attributes, such as `{_name(cls)}.{attribute.name}`"
    for hint in get_type_hints(cls, include_extras=True).values():
        yield from _foreign_metadata(hint)


def _foreign_metadata(type_form: Any) -> Iterator[str]:
    """Yield the rules of pydantic in `Annotated`, which msgspec would ignore silently."""
    for metadata in cast("tuple[object, ...]", getattr(type_form, "__metadata__", ())):
        kind = type(metadata)
        if f"{kind.__module__}.".startswith(_PYDANTIC_METADATA):
            yield f"it ignores `{_name(kind)}` in Annotated"
    aliased = (getattr(type_form, name, None) for name in ("__value__", "__supertype__"))  # `type` aliases, NewType
    for part in (*aliased, *get_args(type_form)):
        if part is not None:
            yield from _foreign_metadata(part)


def _name(cls: type) -> str:
    return getattr(cls, "__qualname__", repr(cls))
