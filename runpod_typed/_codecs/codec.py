"""Typed inputs and outputs: from what a caller passes to plain JSON, and from plain JSON to the caller's types.

msgspec serves what it can, pydantic what asks for it or what msgspec refuses, a `Codec` of the caller's own the rest.
"""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import suppress
from functools import lru_cache
from typing import Any, Protocol, TypeVar, cast, get_origin, runtime_checkable

from attrs import frozen

from runpod_typed._codecs.json import DecodesText, JSONText, MalformedJSON
from runpod_typed._codecs.json_values import Mismatch, NotPlainJSON, printable, to_plain
from runpod_typed._codecs.msgspec import MsgspecCodec, unsupported_reason
from runpod_typed.errors import ConfigurationError, InputError, OutputError

__all__ = ["UNTYPED", "Codec", "codec_for", "decode_output", "encode_input"]

T = TypeVar("T")

UNTYPED: Any = Any
"""The type where none is declared: any JSON goes."""


@runtime_checkable
class Codec(Protocol[T]):
    """How values of one type become JSON, and are made of JSON again. Pass an instance wherever a type is accepted.

    Whatever a method raises is reported as an `InputError` or `OutputError`, and is its ``__cause__``.

    Example:
        ::

            class Seconds:
                def encode(self, value: timedelta) -> float:
                    return value.total_seconds()

                def decode(self, data: Any) -> timedelta:
                    return timedelta(seconds=data)


            endpoint = client.endpoint("my-endpoint", output_type=Seconds())
    """

    def encode(self, value: T, /) -> Any:
        """Plain JSON that stands for the value: None, bool, int, float, str, and lists and dicts of these.

        Args:
            value: What the caller passed.
        """
        ...

    def decode(self, data: Any, /) -> T:
        """The value that plain JSON stands for.

        Args:
            data: What the worker sent, decoded. It may be anything: check it, and raise what you like.
        """
        ...


@frozen
class PlainCodec:
    """Any JSON, as it is."""

    type_form: Any = UNTYPED

    def encode(self, value: Any, /) -> Any:
        """The value; what it may be is checked by `encode_input`."""
        return value

    def decode(self, data: Any, /) -> Any:
        """The data."""
        return data


_PLAIN = PlainCodec()


def codec_for(type_form: object) -> Codec[Any]:
    """The codec of a type.

    Args:
        type_form: A type in any spelling (``list[Result] | None``), `UNTYPED`, or an instance of a `Codec`, which is
            given back.

    Raises:
        ConfigurationError: Nothing here can handle the type; it says why, and what to do instead.
    """
    if type_form is UNTYPED or type_form is object:
        return _PLAIN
    if isinstance(type_form, str):
        raise ConfigurationError(f"{printable(repr(type_form), 80)} is a text and not a type: write it without quotes.")
    if not isinstance(type_form, type) and get_origin(type_form) is None and isinstance(type_form, Codec):
        return cast("Codec[object]", type_form)
    try:
        hash(type_form)
    except TypeError:
        return _make_codec(type_form)
    # Two unions are equal in whatever order their members are written, and pydantic looks at the order.
    return _make_codec_once(type_form, repr(type_form))


@lru_cache(maxsize=256)
def _make_codec_once(type_form: Hashable, _spelled: str) -> Codec[Any]:
    return _make_codec(type_form)


def _make_codec(type_form: object) -> Codec[Any]:
    name = _type_name(type_form)
    msgspec_says = unsupported_reason(type_form)
    if msgspec_says is None:
        return MsgspecCodec(type_form)
    instead = "an instance of a Codec of your own"
    if "union" in msgspec_says:
        instead = f"a union of msgspec.Struct classes with tags, or {instead}"
    elif isinstance(get_origin(type_form) or type_form, Codec):
        instead = f"an instance of it, {name}(...), if it is meant as a Codec"
    try:
        from runpod_typed._codecs.pydantic import PydanticCodec  # noqa: PLC0415 -- an extra, and slow to import
    except ImportError as exc:
        raise ConfigurationError(
            f"`{name}` cannot be used as a type here: msgspec does not take it ({msgspec_says}), and pydantic 2, which "
            f"might, cannot be imported ({exc}). Install the extra `pydantic` of this package, or pass {instead}."
        ) from exc
    try:
        return PydanticCodec.of(type_form)
    except Exception as exc:  # pydantic runs the caller's code
        raise ConfigurationError(
            f"`{name}` cannot be used as a type here: msgspec does not take it ({msgspec_says}), nor does pydantic "
            f"({_first_line(exc)}). Pass {instead}."
        ) from exc


def encode_input(codec: Codec[T], value: T, *, what: str | None = None) -> Any:
    """Plain JSON to send, checked.

    A typed value is checked against its type. It need not be an instance: a dict that fits a dataclass is accepted, and
    sent as it is. An untyped value must be plain JSON; instances of dataclasses, attrs classes, msgspec Structs and
    pydantic models in it are written by the rules of their class.

    Args:
        codec: The codec of the declared type.
        value: What the caller passed.
        what: What to call it in messages; the input where it is None.

    Raises:
        InputError: The value does not fit its type, is no JSON, or is empty, which no worker would ever see.
    """
    subject = f"The {what}" if what else "The input"
    try:
        plain = to_plain(codec.encode(value), _encode_object)
    except Mismatch as exc:
        raise InputError(f"{_misfit(codec, subject, exc)}. Nothing was sent.", path=exc.path) from exc.__cause__
    except Exception as exc:
        raise InputError(f"{subject} cannot be encoded: {_raised(codec, exc)}. Nothing was sent.") from exc
    if _is_empty(plain):
        raise InputError(
            f"{subject} is empty ({plain!r}). The platform drops an empty input before a worker sees it, and the job "
            'ends as a timeout minutes later. Send at least one key, such as {"ping": true}. Nothing was sent.'
        )
    return plain


def _is_empty(plain: object) -> bool:
    return plain is None or (isinstance(plain, dict | list | str) and not plain)


def _encode_object(value: object) -> Any:
    try:
        codec = codec_for(type(value))
    except ConfigurationError as exc:
        raise NotPlainJSON(str(exc).removesuffix(".")) from exc
    try:
        return codec.encode(value)
    except Mismatch as exc:
        exc.type_name = exc.type_name or _codec_name(codec)
        raise


def decode_output(codec: Codec[T], data: Any, *, job_id: str | None = None, what: str | None = None) -> T:
    """A value of the declared type. Strict: a number is no text, and a text no number.

    Args:
        codec: The codec of the declared type.
        data: What the worker sent: plain JSON, or its text.
        job_id: The job, where it is known.
        what: What to call the data in messages; the output where it is None.

    Raises:
        OutputError: The data do not fit the type; it holds them.
    """
    subject = f"The {what}" if what else "The output"
    if job_id is not None:
        subject += f" of job {job_id}"
    if isinstance(data, JSONText):
        if isinstance(codec, DecodesText):
            with suppress(Exception):  # plain JSON tells what is wrong, if anything is
                return cast("T", codec.decode_text(data))
        data = _plain_of(data, subject, job_id)
    try:
        return codec.decode(data)
    except Exception as exc:  # noqa: BLE001 -- whatever the caller's classes raise
        path = "$"
        cause: BaseException | None = exc
        if isinstance(exc, Mismatch):
            says, path, cause = _misfit(codec, subject, exc), exc.path, exc.__cause__
        else:
            says = f"{subject} cannot be decoded: {_raised(codec, exc)}"
        if data is None:
            says = f"The worker returned nothing (null, or an empty object, which the platform leaves out). {says}"
        raise OutputError(
            f"{says}. What came is in `error.output`; change the declared type, or what the handler returns.",
            path=path,
            output=data,
            job_id=job_id,
        ) from cause


def _plain_of(text: JSONText, subject: str, job_id: str | None) -> Any:
    try:
        return text.plain
    except MalformedJSON as exc:
        raise OutputError(
            f"{subject} cannot be decoded: {exc}. Its text is in `error.output`.",
            path="$",
            output=bytes(text.text).decode(),
            job_id=job_id,
        ) from None


def _misfit(codec: Codec[Any], subject: str, mismatch: Mismatch) -> str:
    place = "" if mismatch.path == "$" else f" at `{mismatch.path}`"
    if isinstance(mismatch, NotPlainJSON):
        return f"{subject} is not plain JSON{place}: {mismatch.reason}"
    return f"{subject} does not fit `{mismatch.type_name or _codec_name(codec)}`{place}: {mismatch.reason}"


def _raised(codec: Codec[Any], exc: Exception) -> str:
    return f"`{_codec_name(codec)}` raised {_first_line(exc)}"


def _codec_name(codec: Codec[Any]) -> str:
    """The declared type's name where the codec is ours, else the codec's."""
    return _type_name(getattr(codec, "type_form", type(codec)))


def _type_name(type_form: object) -> str:
    if isinstance(type_form, type) and get_origin(type_form) is None:
        return type_form.__name__
    return printable(repr(type_form).replace("typing.", ""), 120)


def _first_line(exc: Exception) -> str:
    try:
        text = str(exc)
    except Exception:  # noqa: BLE001 -- the caller's exception, whose text may not be had
        text = ""
    line = printable(text.strip().partition("\n")[0].rstrip("."))
    return f"{type(exc).__name__}: {line}" if line else type(exc).__name__
