"""JSON in and out, as tolerant as the two sides need.

The standard library's, on purpose: what Python workers send may hold NaN or lone surrogates, and a queue passes on what
it gets.
"""

import json
from collections.abc import Iterable
from typing import Final, cast

DEPTH: Final = (
    500  # levels of nesting: well below what can be read here but not be written again, further down the stack
)

WRAPPING: Final = 10  # levels that the queue may put around what a client sent, and a worker sends back


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
    depth = DEPTH if strict else DEPTH + WRAPPING
    if body.count(b"[") + body.count(b"{") > depth and _is_deeper(value, depth):
        raise InvalidJSONError(f"nested deeper than {depth} levels")
    return value


def encode(value: object) -> bytes:
    """Plain objects -> bytes, without blanks.

    Raises:
        TypeError: Something in it is no JSON.
        ValueError: It contains itself, or is nested too deeply.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def copy(value: object) -> object:
    """Plain objects -> others, as they come out at the other end of the wire.

    Raises:
        TypeError: Something in it is no JSON.
        ValueError: It contains itself, or is nested too deeply.
    """
    return decode(encode(value), strict=False)


def _is_deeper(value: object, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [child for item in level for child in _children(item) if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _children(value: object) -> Iterable[object]:
    return cast("dict[str, object]", value).values() if isinstance(value, dict) else cast("list[object]", value)


def _refuse(constant: str) -> object:
    raise InvalidJSONError(f"{constant} is no JSON")
