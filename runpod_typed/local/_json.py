"""JSON in and out.

The standard library serves here on purpose: Python workers send NaN and lone surrogates, and the queue passes them on.
"""

import json
from collections.abc import Iterable
from typing import Final, cast

DEPTH: Final = 500  # levels of nesting: what is read here can be written again from deeper in the stack
WRAPPING: Final = 10  # levels that the queue may put around an input that a worker sends back


class InvalidJSONError(ValueError):
    """The bytes are not valid JSON, or nested too deeply."""


def decode(body: bytes, *, strict: bool) -> object:
    """Decode UTF-8 JSON; `strict`, for clients but not for workers, refuses NaN and Infinity."""
    try:
        value: object = json.loads(body.decode(), parse_constant=_refuse if strict else None)
    except (ValueError, RecursionError) as error:
        raise InvalidJSONError(str(error)) from None
    depth = DEPTH if strict else DEPTH + WRAPPING
    if body.count(b"[") + body.count(b"{") > depth and _is_deeper(value, depth):
        raise InvalidJSONError(f"nested deeper than {depth} levels")
    return value


def encode(value: object, separators: tuple[str, str] = (",", ":")) -> bytes:
    """Encode as UTF-8 JSON. Raises a `TypeError` or `ValueError` if the value is not JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False, separators=separators)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=separators).encode()


def encode_as_worker(value: object) -> bytes:
    """Encode with blanks, as the worker SDK does, so that size limits count the same bytes."""
    return encode(value, (", ", ": "))


def copy(value: object) -> object:
    """Return the value as it comes out at the other end of the wire."""
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
    raise InvalidJSONError(f"{constant} is not valid JSON")
