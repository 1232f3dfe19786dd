"""JSON in and out, as tolerant as the two sides need.

The standard library's, on purpose: what Python workers send may hold NaN or lone surrogates, and a queue passes on what
it gets.
"""

import json


class InvalidJSONError(ValueError):
    """The bytes are no JSON."""


def decode(body: bytes, *, strict: bool) -> object:
    """Bytes -> plain objects.

    Args:
        body: JSON text in UTF-8.
        strict: Refuse what only Python takes for JSON (NaN, Infinity). Clients are held to that, workers are not.

    Raises:
        InvalidJSONError: The bytes are no JSON, or nested too deeply.
    """
    try:
        value: object = json.loads(body.decode(), parse_constant=_refuse if strict else None)
    except (ValueError, RecursionError) as error:
        raise InvalidJSONError(str(error)) from None
    return value


def encode(value: object) -> bytes:
    """Plain objects -> bytes, without blanks.

    Raises:
        TypeError: Something in it is no JSON.
        ValueError: It contains itself.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def _refuse(constant: str) -> object:
    raise InvalidJSONError(f"{constant} is no JSON")
