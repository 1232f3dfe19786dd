"""Checks of what callers pass, shared by clients, endpoints and jobs."""

from __future__ import annotations

import re

from runpod_queue_api import wire

from runpod_typed.errors import ConfigurationError

_ENDPOINT_ID = re.compile(wire.ENDPOINT_ID_PATTERN)
_JOB_ID = re.compile(wire.JOB_ID_PATTERN)


def check_http_client(given: object, kind: type) -> None:
    """See that a client of the caller's own is of the half that is to use it: the other's would send, and not hear.

    Raises:
        ConfigurationError: It is not.
    """
    if given is not None and not isinstance(given, kind):
        raise ConfigurationError(f"http_client= must be an httpx.{kind.__name__} here, not {type(given).__name__}.")


def check_owner(given: object, kind: type, *, alone: bool) -> None:
    """See that an endpoint's ``client=`` is a client of the same half, and that nothing contradicts it.

    Args:
        given: What the caller passed.
        kind: The half's client.
        alone: Whether neither a key nor a base URL is given besides.

    Raises:
        ConfigurationError: It cannot be used.
    """
    if not isinstance(given, kind):
        raise ConfigurationError(f"client= must be {kind.__name__}(...) here, not {type(given).__name__}.")
    if not alone:
        raise ConfigurationError("client= has its key and base URL already: leave out api_key= and base_url=.")


def check_endpoint_id(endpoint_id: str | None) -> str:
    """The id, fit to stand in a path.

    Raises:
        ConfigurationError: It is None, empty, or has a character that no id has.
    """
    if endpoint_id is None:
        raise ConfigurationError(
            "The endpoint id is None: the environment variable that should hold it may not be set."
        )
    return _check_id(endpoint_id, _ENDPOINT_ID, "endpoint")


def check_job_id(job_id: str) -> str:
    """The id, fit to stand in a path.

    Raises:
        ConfigurationError: It is empty, or has a character that no id has.
    """
    return _check_id(job_id, _JOB_ID, "job")


def _check_id(value: str, pattern: re.Pattern[str], what: str) -> str:
    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- callers without a checker
        raise ConfigurationError(f"The {what} id must be a text, not {type(value).__name__}.")
    if not value:
        raise ConfigurationError(f"The {what} id is empty.")
    if pattern.fullmatch(value) is None:
        hint = " Pass the id alone, not a URL or path." if "/" in value else ""
        raise ConfigurationError(
            f"The {what} id {value!r} has a character that no id has (letters, digits, '-', '_' are fine).{hint}"
        )
    return value
