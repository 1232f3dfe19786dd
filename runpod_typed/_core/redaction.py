"""Keeping secrets out of everything that people or machines read: reprs, logs, tracebacks, pickles."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from runpod_typed.errors import ConfigurationError

_MASK = "***"
_LONG_ENOUGH = 8  # what is shorter occurs by chance, and hides nothing


@final
class Secret:
    """A text that shows only where it is asked for by name.

    It prints as ``***``. A pickle does not hold it, unless it is `pickled` by request: the copy asks `recover`, a
    module-level function, whenever it is used. Two copies are equal if they ask the same function: comparing them asks
    nobody.
    """

    __slots__ = ("_pickled", "_recover", "_value")

    def __init__(self, value: str | None, recover: Callable[[], str] | None = None, *, pickled: bool = False) -> None:
        self._value = value
        self._recover = recover
        self._pickled = pickled

    def reveal(self) -> str:
        """The text itself; keep it out of local variables, which tracebacks may show.

        Raises:
            ConfigurationError: This is a copy from a pickle, and the text cannot be had again.
        """
        if self._value is not None:
            return self._value
        if self._recover is None:
            raise ConfigurationError(
                "A secret is left out when it is pickled. Build this object anew where it is used."
            )
        return self._recover()

    def cut_from(self, data: bytes) -> bytes:
        """The data with ``***`` in its place; the same object where it does not occur. A short one is left in."""
        secret = self.reveal().encode()
        return data.replace(secret, _MASK.encode()) if len(secret) >= _LONG_ENOUGH and secret in data else data

    def __repr__(self) -> str:
        return f"Secret({_MASK!r})"

    def __str__(self) -> str:
        return _MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return (self._value, self._recover) == (other._value, other._recover)

    def __hash__(self) -> int:
        return hash((self._value, self._recover))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Secret:
        return self

    def __reduce__(self) -> tuple[type[Secret], tuple[str | None, Callable[[], str] | None]]:
        return Secret, (self._value if self._pickled else None, self._recover)


def hidden(argument: str | None) -> Secret | None:
    """A caller's argument, out of sight: a traceback may show local variables, and arguments are some."""
    return None if argument is None else Secret(argument)
