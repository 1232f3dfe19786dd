"""The base of the codecs of declared types, and what they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Final, cast

from runpod_typed._codecs.json import Mismatch, base_value, no_form_for

_UNKNOWN: Final = "\0an object without a form in JSON"


class TypeCodec(ABC):
    """A codec of a declared type, which decodes JSON text directly."""

    type_form: Any

    @abstractmethod
    def encode(self, value: Any, /) -> Any:
        """Return plain JSON that the type allows; raise Mismatch otherwise."""

    @abstractmethod
    def decode(self, data: Any, /) -> Any:
        """Return a value of the type from plain JSON; raise Mismatch otherwise."""

    @abstractmethod
    def decode_text(self, text: bytes, /) -> Any:
        """Return a value of the type from JSON text; raise any exception to have it decoded from plain JSON."""


class UnknownObjects:
    """Replaces the objects that a serializer does not know: by the plain values that they extend, or by a marker."""

    def __init__(self) -> None:
        self.first: object = None
        self.found = False

    def replace(self, value: object) -> Any:
        """Return the string, number, dict or list that an instance of a subclass holds, or the marker."""
        base = base_value(value)
        if base is not value:
            return base
        if not self.found:
            self.first, self.found = value, True
        return _UNKNOWN

    def mismatch(self, plain: Any) -> Mismatch:
        """Return the complaint about the first unknown object; its marker is in `plain`."""
        return Mismatch(no_form_for(self.first), _steps_to_marker(plain) or ())


def _steps_to_marker(plain: Any) -> list[str | int] | None:
    if isinstance(plain, str):
        return [] if plain == _UNKNOWN else None
    items: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(plain, dict):
        items = iter(cast("dict[str, Any]", plain).items())
    elif isinstance(plain, list | tuple):
        items = enumerate(cast("list[Any]", plain))
    for step, item in items:
        if (found := _steps_to_marker(item)) is not None:
            return [step, *found]
    return None
