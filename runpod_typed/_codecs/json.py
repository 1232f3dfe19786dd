"""JSON bodies: bytes to plain JSON and back."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

import msgspec
from attrs import frozen

__all__ = ["JSONText", "MalformedJSON", "UnencodableJSON", "decode", "decode_leaving", "encode"]

_decode_strictly = msgspec.json.Decoder[Any]().decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class MalformedJSON(ValueError):  # noqa: N818 -- callers turn it into a public error
    """Bytes are not JSON. The message is a short reason and holds nothing of the body."""


class UnencodableJSON(ValueError):  # noqa: N818 -- likewise
    """A value has no form in JSON."""


def decode(body: bytes) -> Any:
    """Decode a JSON body in UTF-8, with or without a byte order mark.

    Accepts what Python workers send beyond the standard, so that no result is lost: ``NaN``, ``Infinity``, numbers
    above a float's range (they become infinite) and lone surrogates. Integers keep all their digits.

    Raises:
        MalformedJSON: The body is empty, truncated, not UTF-8, nested deeper than Python can follow, or not JSON.
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
    # `from None`: the causes hold the whole body.
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


@frozen(eq=False, slots=False)  # slots and cached_property exclude each other
class JSONText:
    """A part of a body that was left as text, so that it can be decoded into its type directly.

    Decoding plain JSON first, and then the type, takes several times as long.
    """

    text: msgspec.Raw

    @cached_property
    def plain(self) -> Any:
        """The value, as `decode` reads it.

        Raises:
            MalformedJSON: It is nested deeper than Python can follow, or has an integer of too many digits.
        """
        return decode(bytes(self.text))

    @property
    def shown(self) -> Any:
        """The value; the text itself if Python cannot decode it."""
        try:
            return self.plain
        except MalformedJSON:
            return bytes(self.text).decode()


def decode_leaving(body: bytes, name: str) -> dict[str, Any] | None:
    """Decode a JSON object, but leave the named field as a `JSONText`.

    Returns None if the body has to be decoded whole: it is not an object, lacks the field, or is not standard JSON.
    """
    try:
        fields = _decode_fields(body)
        if name not in fields:
            return None
        body.decode()  # everything else was checked in the field that is left as text
        return {key: JSONText(text) if key == name else _decode_strictly(text) for key, text in fields.items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def encode(value: Any) -> bytes:
    """Encode plain JSON as a compact body in UTF-8. NaN becomes ``null``: check inputs with `encode_input` first.

    Raises:
        UnencodableJSON: The value has an unknown class, a lone surrogate, an integer of too many digits, or is nested
            deeper than Python can follow.
    """
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError) as exc:
        raise UnencodableJSON(f"{type(exc).__name__}: {exc}") from None
