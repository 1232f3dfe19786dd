"""JSON bodies: bytes to plain JSON and back."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import msgspec
from attrs import frozen

__all__ = ["DecodesText", "JSONText", "MalformedJSON", "UnencodableJSON", "decode", "decode_leaving", "encode"]

_decode_strictly = msgspec.json.Decoder[Any]().decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class MalformedJSON(ValueError):  # noqa: N818 -- callers turn it into an error of the public tree
    """Bytes that are no JSON. The message is a short reason and holds nothing of the body."""


class UnencodableJSON(ValueError):  # noqa: N818 -- the same
    """A value that JSON text cannot hold."""


def decode(body: bytes) -> Any:
    """Read a JSON body.

    What Python workers send beyond the standard is understood too, or else the result of a finished job would be lost:
    ``NaN``, ``Infinity``, numbers above a float's range (they become infinite) and lone surrogates in text. Integers
    keep all their digits.

    Args:
        body: The whole body: UTF-8, with or without a byte order mark.

    Raises:
        MalformedJSON: The body is empty, truncated, not UTF-8, nested deeper than Python can follow, or else no JSON.
    """
    try:
        return _decode_strictly(body)
    except RecursionError:
        raise MalformedJSON("nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _decode_leniently(body)


def _decode_leniently(body: bytes) -> Any:
    if not body.strip():
        raise MalformedJSON("empty")
    # `from None` throughout: the causes hold the whole body.
    try:
        return json.loads(body.decode("utf-8-sig"))
    except RecursionError:
        raise MalformedJSON("nested too deeply") from None
    except UnicodeDecodeError as exc:
        raise MalformedJSON(f"not UTF-8 (byte {exc.start})") from None
    except json.JSONDecodeError as exc:
        raise MalformedJSON(f"{exc.msg} (line {exc.lineno}, column {exc.colno})") from None
    except ValueError:
        raise MalformedJSON("an integer of more digits than Python reads") from None


@frozen(eq=False, slots=False)  # slots and cached_property do not go together
class JSONText:
    """A part of a body that was left as text, so that its type can be decoded from it straight.

    To decode it to plain JSON first, and then to the type, takes several times as long.
    """

    text: msgspec.Raw

    @cached_property
    def plain(self) -> Any:
        """What it stands for, as `decode` reads it.

        Raises:
            MalformedJSON: It is nested deeper than Python can follow, or has an integer of more digits than it reads.
        """
        return decode(bytes(self.text))

    @property
    def shown(self) -> Any:
        """What it stands for; where Python does not read that, the text itself."""
        try:
            return self.plain
        except MalformedJSON:
            return bytes(self.text).decode()


class DecodesText(ABC):
    """A codec that decodes its type from JSON text."""

    @abstractmethod
    def decode_text(self, text: JSONText, /) -> Any:
        """A value of the type. Any exception means that it is to be decoded from plain JSON, which says what is wrong.

        Args:
            text: What the worker sent.
        """
        ...


def decode_leaving(body: bytes, name: str) -> dict[str, Any] | None:
    """Read a JSON object, but for the field of that name, which is left as text.

    Args:
        body: The whole body.
        name: The field.

    Returns:
        The object with a `JSONText` in it; None where the body is to be decoded whole: it is no object, has no such
        field, or is nothing that the standard allows.
    """
    try:
        fields = _decode_fields(body)
        if name not in fields:
            return None
        body.decode()  # of a text that is left, all else has been checked
        return {key: JSONText(text) if key == name else _decode_strictly(text) for key, text in fields.items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def encode(value: Any) -> bytes:
    """Write plain JSON as a compact body in UTF-8.

    Args:
        value: Plain JSON that has been checked, as `codecs.encode_input` does: NaN would be written as ``null``.

    Raises:
        UnencodableJSON: An unknown class, a lone surrogate, an integer of more digits than Python writes, or a nesting
            deeper than Python can follow.
    """
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError) as exc:
        raise UnencodableJSON(f"{type(exc).__name__}: {exc}") from None
