"""Enumerations of strings to which the platform may add members."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from runpod_typed._errors import printable


class OpenEnum(StrEnum):
    """An enumeration that keeps unknown strings as they came."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str) or not value:
            return None
        known = cls.__members__.get(value.upper())
        if known is not None:
            return known
        unknown = str.__new__(cls, value)
        unknown._name_ = value
        unknown._value_ = value
        return unknown

    def __reduce_ex__(self, _protocol: object) -> tuple[type[Self], tuple[str]]:
        # Python 3.11.0 to 3.11.3 would look up the name, which only known members have.
        return type(self), (self.value,)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}.{printable(self.name)}: {self.value!r}>"
