"""Keeping secrets out of everything that people or machines read: reprs, logs, tracebacks, pickles."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from html import escape
from typing import final

from runpod_typed._errors import ConfigurationError

_MASK = "***"
_LONG_ENOUGH = 8  # what is shorter occurs by chance, and hides nothing
_TELLING = 12  # so many of its first characters are taken for a part of it: who quotes an answer may quote half of it


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
        """The data with ``***`` in its place; the same object where it does not occur.

        It is found as it is, escaped as JSON, HTML and URLs do it, in base64, and where its end is missing. A short one
        is left in.
        """
        if len(self.reveal()) < _LONG_ENOUGH:
            return data
        cut = re.sub(_forms_of(self), _MASK.encode(), data, flags=re.IGNORECASE)
        return data if cut == data else cut

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

    def __reduce__(self) -> tuple[Callable[..., Secret], tuple[str | None, Callable[[], str] | None, bool]]:
        return _from_pickle, (self._value if self._pickled else None, self._recover, self._pickled)


def _from_pickle(value: str | None, recover: Callable[[], str] | None, pickled: bool) -> Secret:  # noqa: FBT001 -- pickles hold positions
    return Secret(value, recover, pickled=pickled)


def _forms_of(secret: Secret) -> bytes:
    """A pattern for all forms in which a secret may come back. It is made for errors alone, and never kept."""
    characters = [_forms_of_character(each) for each in secret.reveal()]
    beginning = "".join(characters[:_TELLING])
    rest = f"(?:{'|'.join(sorted(set(characters[_TELLING:])))})*" if characters[_TELLING:] else ""
    return "|".join([f"{beginning}{rest}", *_base64_forms(secret.reveal().encode())]).encode()


def _forms_of_character(character: str) -> str:
    code = ord(character)
    plain = re.escape(character)
    if character in "\"'/\\":  # which are escaped with a backslash
        plain = f"\\\\?{plain}"
    return f"(?:{re.escape(escape(character))}|{plain}|\\\\u{code:04x}|%{code:02x}|&#0*{code};|&#x0*{code:x};)"


def _base64_forms(secret: bytes) -> list[str]:
    """What a text holds that is base64 of anything with the secret inside: three ways to stand in groups of three."""
    forms: list[str] = []
    for before in range(3):
        whole = (before + len(secret)) // 3 * 3  # the last group that nothing else is a part of
        encoded = b64encode(bytes(before) + secret[: whole - before])[4 if before else 0 :].decode()
        forms.append("".join({"+": "[+-]", "/": "[/_]"}.get(each, each) for each in encoded))
    return forms


def hidden(argument: str | None) -> Secret | None:
    """A caller's argument, out of sight: a traceback may show local variables, and arguments are some."""
    return None if argument is None else Secret(argument)
