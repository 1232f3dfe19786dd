"""Codecs: from the values of a caller's types to plain JSON and back.

msgspec handles most types, pydantic its own and those that msgspec refuses, and a custom `Codec` everything else.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, Protocol, TypeVar, cast, get_origin, runtime_checkable

from runpod_typed._codecs.json import PLAIN, Mismatch, NotPlainJSON
from runpod_typed._codecs.msgspec import MsgspecCodec, unsupported_reason
from runpod_typed._errors import ConfigurationError, printable

T = TypeVar("T")

UNTYPED: Any = Any
"""The type if none is declared: any JSON."""


@runtime_checkable
class Codec(Protocol[T]):
    """Converts the values of one type to plain JSON and back.

    Pass an instance as ``input_codec=``, ``output_codec=`` or ``chunk_codec=``. Each exception that a method raises is
    reported as an `InputError` or `OutputError`, and is its ``__cause__``.

    Example:
        ::

            class Seconds:
                def encode(self, value: timedelta) -> float:
                    return value.total_seconds()

                def decode(self, data: Any) -> timedelta:
                    return timedelta(seconds=data)


            endpoint = client.endpoint("my-endpoint", output_codec=Seconds())
    """

    def encode(self, value: T, /) -> Any:
        """Return plain JSON for a value: None, bool, int, float, str, and lists and dicts of these."""
        ...

    def decode(self, data: Any, /) -> T:
        """Return the value for plain JSON. The worker may have sent anything: check it, and raise any exception."""
        ...


def choose_codec(prefix: str, type_form: object, codec: object) -> Codec[Any]:
    """Return the codec for a pair of arguments, such as ``output_type=`` and ``output_codec=`` (prefix ``output_``).

    Raises:
        ConfigurationError: Both are given, the codec is not one, or the type is not supported.
    """
    if codec is None:
        if _is_codec(type_form):
            raise ConfigurationError(f"{prefix}type= must be a type; pass a Codec as {prefix}codec=.")
        return codec_for(type_form)
    if type_form is not UNTYPED:
        raise ConfigurationError(f"{prefix}type= and {prefix}codec= are both given. Pass one of them.")
    if not _is_codec(codec):
        raise ConfigurationError(
            f"{prefix}codec= must be an instance of a class with the methods encode and decode, not "
            f"{printable(repr(codec), 80)}."
        )
    return cast("Codec[Any]", codec)


def codec_for(type_form: object) -> Codec[Any]:
    """Return the codec of a type, in any spelling (``list[Result] | None``). A `Codec` is returned as it is.

    Raises:
        ConfigurationError: The type is not supported. The message says why, and what to do instead.
    """
    if type_form is UNTYPED or type_form is object:
        return PLAIN
    if isinstance(type_form, str):
        raise ConfigurationError(f"{printable(repr(type_form), 80)} is not a type: write it without quotes.")
    if _is_codec(type_form):
        return cast("Codec[object]", type_form)
    try:
        hash(type_form)
    except TypeError:
        return _make_codec(type_form)
    # Unions that differ in the order of their members are equal, and pydantic tries the members in order.
    return _make_codec_once(type_form, repr(type_form))


def _is_codec(value: object) -> bool:
    return not isinstance(value, type) and get_origin(value) is None and isinstance(value, Codec)


@lru_cache(maxsize=256)
def _make_codec_once(type_form: Hashable, _spelling: str) -> Codec[Any]:
    return _make_codec(type_form)


def _make_codec(type_form: object) -> Codec[Any]:
    refusal = unsupported_reason(type_form)
    if refusal is None:
        return MsgspecCodec(type_form)
    name = _type_name(type_form)
    instead = "a custom Codec"
    if "union" in refusal:
        instead = f"a union of msgspec.Struct classes with tags, or {instead}"
    elif isinstance(get_origin(type_form) or type_form, Codec):
        instead = f"an instance, {name}(...), as the codec"
    unsupported = f"`{name}` is not supported as a type: msgspec does not handle it ({refusal}), "
    try:
        from runpod_typed._codecs.pydantic import PydanticCodec  # noqa: PLC0415 -- an extra, and slow to import
    except ImportError as exc:
        raise ConfigurationError(
            f"{unsupported}and pydantic 2, which might, cannot be imported ({exc}). Install the extra `pydantic` of "
            f"this package, or pass {instead}."
        ) from exc
    try:
        return PydanticCodec.of(type_form)
    except Exception as exc:  # pydantic runs the caller's code
        raise ConfigurationError(f"{unsupported}nor does pydantic ({_exception_text(exc)}). Pass {instead}.") from exc


def explain(codec: Codec[Any], mismatch: Mismatch) -> str:
    """Return what is wrong and where, to continue a sentence that begins with the name of the value."""
    place = "" if mismatch.path == "$" else f" at `{mismatch.path}`"
    if isinstance(mismatch, NotPlainJSON):
        return f"is not plain JSON{place}: {mismatch.reason}"
    return f"does not fit `{mismatch.type_name or codec_name(codec)}`{place}: {mismatch.reason}"


def first_line(codec: Codec[Any], exc: Exception) -> str:
    """Return which codec raised, and the first line of what it raised."""
    return f"`{codec_name(codec)}` raised {_exception_text(exc)}"


def codec_name(codec: Codec[Any]) -> str:
    """Return the name of a codec's type, or of its class."""
    return _type_name(getattr(codec, "type_form", type(codec)))


def _type_name(type_form: object) -> str:
    if isinstance(type_form, type) and get_origin(type_form) is None:
        return type_form.__name__
    return printable(repr(type_form).replace("typing.", ""), 120)


def _exception_text(exc: Exception) -> str:
    try:
        text = str(exc)
    except Exception:  # noqa: BLE001 -- the caller's exception may have a broken __str__
        text = ""
    line = printable(text.strip().partition("\n")[0].rstrip("."))
    return f"{type(exc).__name__}: {line}" if line else type(exc).__name__
