"""Reading decoded JSON into our own types: what is allowed to be absent is, and nothing else is believed.

The generated models take whatever comes; the checks stand here, once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, Self, cast

from attrs import frozen
from runpod_queue_api.types import Unset
from typing_extensions import TypeVar

from runpod_typed._codecs.json import JSONText


class ValidationError(ValueError):
    """An answer is JSON, and not what the specification says."""


class Model(Protocol):
    """What all generated models have."""

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any], /) -> Self:
        """The model from decoded JSON; KeyError, TypeError and the like where it does not fit."""
        ...


ModelT = TypeVar("ModelT", bound=Model)


def parse(model: type[ModelT], value: object) -> ModelT:
    """The generated model of a decoded answer. A null is read like an absent field.

    Raises:
        ValidationError: It is no object, or not the model's.
    """
    present = {name: item for name, item in as_object(value, "the answer").items() if item is not None}
    try:
        return model.from_dict(present)
    except KeyError as error:
        raise ValidationError(f"the field {error} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:  # the models iterate and unpack what they have not checked
        raise ValidationError(f"a field has the wrong kind of value ({error})") from error


def as_object(value: object, what: str) -> Mapping[str, Any]:
    """The value, which must be a JSON object."""
    if type(value) is not dict and not isinstance(value, Mapping):  # mostly a dict, and that is seen much faster
        raise ValidationError(f"{what} must be an object, and is {kind_of(value)}")
    return cast("Mapping[str, Any]", value)


def as_text(value: object, what: str) -> str:
    """The value, which must be a text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ValidationError(f"{what} must be a text that is not empty, and is {kind_of(value)}")
    if not is_sendable(value):
        raise ValidationError(f"{what} has a lone surrogate, which cannot be sent back")
    return value


def is_sendable(text: str) -> bool:
    """Whether a text can be put into UTF-8: JSON may bring lone surrogates, and Python may hold them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_optional_text(value: object, what: str) -> str | None:
    """The value, a text; None where it is absent or null."""
    if value is None or isinstance(value, Unset):
        return None
    if not isinstance(value, str):
        raise ValidationError(f"{what} must be a text, and is {kind_of(value)}")
    return value


def as_optional_int(value: object, what: str) -> int | None:
    """The value, a whole number (a fraction of a millisecond is dropped); None where it is absent or null."""
    if value is None or isinstance(value, Unset):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValidationError(f"{what} must be a number, and is {kind_of(value)}")
    try:
        return int(value)
    except (ValueError, OverflowError) as error:  # NaN, Infinity
        raise ValidationError(f"{what} must be a finite number") from error


def as_count(value: object, what: str) -> int:
    """The value, a whole number; 0 where it is absent or null."""
    return as_optional_int(value, what) or 0


def as_any(value: object) -> Any:
    """The value, any JSON; None where it is absent."""
    return None if isinstance(value, Unset) else value


def kind_of(value: object) -> str:
    """What a value is in JSON's own words, for messages."""
    match value:
        case None:
            return "null"
        case Unset():
            return "absent"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case "":
            return "an empty text"
        case str():
            return "a text"
        case Mapping():
            return "an object"
        case _:
            return "an array"


@frozen(repr=False, eq=False)  # a Mapping compares by its content
class ReadOnlyJSON(Mapping[str, Any]):
    """A JSON object that can be read, compared and pickled, and not changed."""

    _data: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        value = self._data[key]
        return value.shown if isinstance(value, JSONText) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        return repr(self.copy())

    def copy(self) -> dict[str, Any]:
        """A plain dict with the same content."""
        return dict(self)


def read_only(value: Mapping[str, Any]) -> ReadOnlyJSON:
    """The object behind a read-only face; it is copied one level deep."""
    return value if isinstance(value, ReadOnlyJSON) else ReadOnlyJSON(dict(value))
