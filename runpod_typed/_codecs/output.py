"""Outputs and chunks, decoded when they are first used."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Generic, cast

from attrs import define, field
from typing_extensions import TypeVar

from runpod_typed._codecs import json
from runpod_typed._codecs.codec import Codec, explain, first_line
from runpod_typed._codecs.json import PLAIN, JSONText, Mismatch
from runpod_typed._codecs.type_codec import TypeCodec
from runpod_typed._errors import printable

T = TypeVar("T", covariant=True)
T2 = TypeVar("T2")


class Undecodable(Exception):  # noqa: N818 -- callers turn it into an OutputError
    """An output does not fit its type. The reason continues a sentence that begins with the output's name."""

    def __init__(self, reason: str, path: str = "$") -> None:
        super().__init__(reason, path)
        self.reason = reason
        self.path = path


@define(eq=False, repr=False)
class Output(Generic[T]):
    """An output as it came, plain JSON or its text, and its codec. It is decoded once, when it is first used."""

    data: Any
    _codec: Codec[T] | None = PLAIN  # None after unpickling, with the outcome known
    _outcome: tuple[T] | Undecodable | None = None
    _typed: tuple[Codec[Any], Output[Any]] | None = field(default=None, init=False)

    @property
    def is_untyped(self) -> bool:
        """True if no type was declared."""
        return self._codec is PLAIN

    @property
    def plain(self) -> Any:
        """The output as plain JSON; as its text if Python cannot decode it."""
        return self.data.shown if isinstance(self.data, JSONText) else self.data

    def typed(self, codec: Codec[T2]) -> Output[T2]:
        """Return the output with another codec; the same object if the codec is the same as before."""
        if self._codec is codec:
            return cast("Output[T2]", self)
        if self._typed is None or self._typed[0] is not codec:
            self._typed = codec, Output(self.data, codec)
        return cast("Output[T2]", self._typed[1])

    def decoded(self) -> T:
        """Return the output in its type.

        Raises:
            Undecodable: The output does not fit its type.
        """
        if self._outcome is None:
            self._outcome = self._decode()
        if isinstance(self._outcome, Undecodable):
            raise Undecodable(self._outcome.reason, self._outcome.path) from self._outcome.__cause__
        return self._outcome[0]

    def beginning(self, limit: int = 300) -> str:
        """Return the beginning of the output's JSON for a message."""
        if isinstance(self.data, JSONText):
            return printable(bytes(memoryview(self.data.text)[: 4 * limit + 4]).decode(errors="replace"), limit)
        with suppress(json.UnencodableJSON):
            return printable(json.encode(self.data).decode(), limit)
        return printable(type(self.data).__name__)

    def _decode(self) -> tuple[T] | Undecodable:
        codec, data = cast("Codec[T]", self._codec), self.data
        if isinstance(data, JSONText):
            if codec is not PLAIN and isinstance(codec, TypeCodec):
                with suppress(Exception):  # plain JSON tells what is wrong
                    return (codec.decode_text(bytes(data.text)),)
            try:
                data = data.plain
            except json.MalformedJSON as exc:
                return Undecodable(f"cannot be decoded: {exc}")
        try:
            return (codec.decode(data),)
        except Exception as exc:  # noqa: BLE001 -- custom types and codecs may raise anything
            if isinstance(exc, Mismatch):
                outcome = Undecodable(explain(codec, exc), exc.path)
                outcome.__cause__ = exc.__cause__
            else:
                outcome = Undecodable(f"cannot be decoded: {first_line(codec, exc)}")
                outcome.__cause__ = exc
            return outcome

    def __repr__(self) -> str:
        try:
            return repr(self.decoded())
        except Exception:  # noqa: BLE001 -- the type's own repr may raise too
            return self.beginning()

    def __reduce__(self) -> tuple[Any, ...]:
        if self.is_untyped:
            return Output, (self.plain,)
        with suppress(Undecodable):
            self.decoded()
        return Output, (self.plain, None, self._outcome)
