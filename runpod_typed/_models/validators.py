"""Validators of the values that callers pass: fields of the public classes, ids and clients."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any, Final, Literal, TypeAlias

from attrs import Attribute
from runpod_queue_api import wire

from runpod_typed._errors import ConfigurationError
from runpod_typed._models.durations import to_seconds
from runpod_typed._models.secret import Secret

_Validator: TypeAlias = "Callable[[object, Attribute[Any], object], None]"  # attrs' class has no [] at run time

_IDS: Final = {
    "endpoint": re.compile(wire.ENDPOINT_ID_PATTERN),
    "job": re.compile(wire.JOB_ID_PATTERN),
    "batch": re.compile(wire.BATCH_ID_PATTERN),
    "batch request": re.compile(wire.BATCH_REQUEST_ID_PATTERN),
}
# A job's id is opaque: the API may give one that the specification does not know, and these characters change no path.
_ALSO_IN_JOB_IDS: Final = ".:~=+@"


def flag(instance: object, attribute: Attribute[Any], value: object) -> None:
    """Check that a field is True or False."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{_name(instance, attribute)} must be True or False, not {value!r}.")


def function(instance: object, attribute: Attribute[Any], value: object) -> None:
    """Check that a field can be called and is not a coroutine function, which would never be awaited."""
    asynchronous = iscoroutinefunction(value) or iscoroutinefunction(getattr(value, "__call__", None))  # noqa: B004
    if not callable(value) or asynchronous:
        kind = "plain function, not async" if asynchronous else "function"
        raise ConfigurationError(f"{_name(instance, attribute)} must be a {kind}, not {value!r}.")


def string(instance: object, attribute: Attribute[Any], value: object) -> None:
    """Check that a field, perhaps a secret, is a string that is not empty and can be sent; it is not shown."""
    try:
        given: object = value.reveal() if isinstance(value, Secret) else value
        valid = isinstance(given, str) and given.encode() != b""
    except (ConfigurationError, UnicodeEncodeError):  # a secret without a value, or a lone surrogate
        valid = False
    if not valid:
        raise ConfigurationError(
            f"{_name(instance, attribute)} must be a string that is not empty and is valid Unicode."
        ) from None


def whole_number(minimum: int) -> _Validator:
    """Check that a field is a whole number, at least `minimum`."""

    def check(instance: object, attribute: Attribute[Any], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise ConfigurationError(
                f"{_name(instance, attribute)} must be a whole number of {minimum} or more, not {value!r}."
            )

    return check


def seconds(*, above_zero: bool = False, finite: bool = False) -> _Validator:
    """Check that a field is a number of seconds, 0 or more."""

    def check(instance: object, attribute: Attribute[Any], value: Any) -> None:
        name = _name(instance, attribute)
        number = to_seconds(value, name)
        if above_zero and number == 0:
            raise ConfigurationError(f"{name} must be above 0 s.")
        if finite and math.isinf(number):
            raise ConfigurationError(f"{name} must be a finite number of seconds.")

    return check


def seconds_in(minimum: float, maximum: float) -> _Validator:
    """Check that a field is a number of seconds within a range."""

    def check(instance: object, attribute: Attribute[Any], value: Any) -> None:
        name = _name(instance, attribute)
        number = to_seconds(value, name)
        if not minimum <= number <= maximum:
            raise ConfigurationError(
                f"{name} must be {minimum:g} s to {maximum:g} s (seconds, not milliseconds), not {number:g} s."
            )

    return check


def instance_of(kind: type) -> _Validator:
    """Check that a field is an instance of a class."""

    def check(_instance: object, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, kind):
            raise ConfigurationError(f"{attribute.name}= must be a {kind.__name__}, not {type(value).__name__}.")

    return check


def _name(instance: object, attribute: Attribute[Any]) -> str:
    """Return the public name of a field: that of an argument if its class is internal."""
    kind = type(instance)
    public = kind.__module__.startswith("runpod_typed._models.")
    return f"{kind.__name__}.{attribute.name}" if public else f"{attribute.name}="


def check_flags(**flags: object) -> None:
    """Check that arguments are True or False: any other value that counts as true might cost money.

    Raises:
        ConfigurationError: One is not.
    """
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise ConfigurationError(f"{name}= must be True or False, not {value!r}.")


def check_type(name: str, value: object, kind: type | tuple[type, ...], description: str) -> None:
    """Check the type of an argument, which callers without a type checker may get wrong.

    Raises:
        ConfigurationError: It is neither None nor of the type.
    """
    if value is not None and not isinstance(value, kind):
        raise ConfigurationError(f"{name}= must be {description}, not {type(value).__name__}.")


def check_name(name: object) -> None:
    """Check a display name.

    Raises:
        ConfigurationError: It is neither None nor a string that is not empty.
    """
    if name is not None and not (isinstance(name, str) and name):
        raise ConfigurationError(f"name= must be a string that is not empty, or None, not {name!r}.")


def check_http_client(given: object, kind: type) -> None:
    """Check that a custom HTTP client is None or of the class that the client needs.

    Raises:
        ConfigurationError: It is not.
    """
    if given is not None and not isinstance(given, kind):
        raise ConfigurationError(f"http_client= must be an httpx.{kind.__name__} here, not {type(given).__name__}.")
    if getattr(given, "auth", None) is not None:
        raise ConfigurationError("http_client= must have no auth=: it would replace the API key of each request.")


def check_client(given: object, kind: type, *, alone: bool) -> None:
    """Check the ``client=`` of an endpoint.

    Args:
        given: The value that the caller passed.
        kind: The class that it must have, sync or async.
        alone: Whether neither a key nor a base URL was passed.

    Raises:
        ConfigurationError: It is of another class, or was not passed alone.
    """
    if not isinstance(given, kind):
        raise ConfigurationError(f"client= must be {kind.__name__}(...) here, not {type(given).__name__}.")
    if not alone:
        raise ConfigurationError("client= has its key and base URL already: leave out api_key= and base_url=.")


def check_id(value: object, what: Literal["endpoint", "job", "batch", "batch request"]) -> str:
    """Return the id, if it can be part of a path.

    Raises:
        ConfigurationError: It is None, empty, or has an invalid character.
    """
    if value is None and what == "endpoint":
        raise ConfigurationError(
            "The endpoint id is None: the environment variable that should hold it may not be set."
        )
    if not isinstance(value, str):
        raise ConfigurationError(f"The {what} id must be a string, not {type(value).__name__}.")
    if not value:
        raise ConfigurationError(f"The {what} id is empty.")
    also = _ALSO_IN_JOB_IDS if what == "job" else ""
    if _IDS[what].fullmatch(value.translate(str.maketrans("", "", also))) is None:
        hint = " Pass the id alone, not a URL or path." if "/" in value else ""
        valid = f"letters, digits and {' '.join('-_' + also)}"
        raise ConfigurationError(f"The {what} id {value!r} has an invalid character: valid are {valid}.{hint}")
    return value
