"""Secrets, and masks that keep them out of reprs, logs, tracebacks and pickles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from typing_extensions import override

from runpod_typed._errors import ConfigurationError

_MASK: Final = "***"
_SHORTEST_CUT: Final = 8  # a shorter string occurs by chance


@final
class Secret:
    """A string that is shown only by `reveal`.

    It prints as ``***``. A pickle leaves it out, unless it was made with ``pickled=True``: the copy calls `recover`, a
    module-level function, at each use. Two copies are equal if they have the same `recover`, which is not called.
    """

    __slots__ = ("_pickled", "_recover", "_value")

    def __init__(self, value: str | None, recover: Callable[[], str] | None = None, *, pickled: bool = False) -> None:
        self._value = value
        self._recover = recover
        self._pickled = pickled

    def reveal(self) -> str:
        """Return the string. Keep it out of local variables, which tracebacks may show.

        Raises:
            ConfigurationError: This is a copy from a pickle, and the string cannot be recovered.
        """
        if self._value is not None:
            return self._value
        if self._recover is None:
            raise ConfigurationError(
                "A secret is left out when it is pickled. Build this object anew where it is used."
            )
        return self._recover()

    def cut_from(self, text: str) -> str:
        """Return the text with ``***`` in place of each copy of the secret, as it is or as JSON may have it."""
        if len(self.reveal()) < _SHORTEST_CUT:
            return text
        text = text.replace(self.reveal(), _MASK)
        if "\\" in text:
            text = text.replace(self.reveal().replace("\\", "\\\\").replace('"', '\\"'), _MASK)
            text = text.replace(self.reveal().replace("/", "\\/"), _MASK)
        return text

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


@final
class MaskedBytes(bytes):
    """Bytes for an HTTP library: it sends the bytes, and their repr, in logs and tracebacks, shows ``***``."""

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        return repr(_MASK.encode())

    __str__ = __repr__


def hidden(argument: str | None) -> Secret | None:
    """Return an argument as a `Secret`, so that a traceback with local variables does not show it."""
    return None if argument is None else Secret(argument)
