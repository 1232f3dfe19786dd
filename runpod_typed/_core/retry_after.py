"""Read how long a server asks its callers to wait, from the headers of a response.

The queue API documents none of these headers. ``Retry-After`` (RFC 9110) and ``RateLimit`` (an IETF draft) are sent by
Runpod's management API, and ``Retry-After-Ms`` by some gateways. ``RateLimit-Reset`` and ``X-RateLimit-Reset`` are not
read: they are seconds for one server and a date for the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from runpod_queue_api import wire

_LONGEST = timedelta(days=7).total_seconds()
_LONGEST_DATE = 64  # characters

# ASCII digits only: `float` also reads signs, exponents, underscores, "inf" and "nan".
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?')


def parse_retry_after(headers: Mapping[str, str], *, wall_clock: datetime) -> float | None:
    """Return the seconds that the server asks to wait, the longest if there are several, or None.

    Values that are not a number or an HTTP date, are negative, in the past or above 7 days are ignored.

    Args:
        headers: The response's headers, names in any case.
        wall_clock: The time of day of the response, with its zone. A date in ``Retry-After`` is compared with the
            response's own ``Date`` if there is one, since the clocks of two machines may differ.
    """
    values = {name.lower(): value for name, value in headers.items()}
    milliseconds = _number(values.get("retry-after-ms", ""))
    now = _http_date(values.get("date", "")) or wall_clock
    asked = (
        None if milliseconds is None else milliseconds / 1000,
        *(_seconds(values.get(name, ""), now) for name in wire.RETRY_AFTER_HEADERS),
        *(seconds for name in wire.RATE_LIMIT_HEADERS for seconds in _spent_windows(values.get(name, ""))),
    )
    return max((seconds for seconds in asked if seconds is not None and 0 <= seconds <= _LONGEST), default=None)


def _seconds(value: str, now: datetime) -> float | None:
    seconds = _number(value)
    if seconds is not None:
        return seconds
    date = _http_date(value)
    return None if date is None else (date - now).total_seconds()


def _number(value: str) -> float | None:
    stripped = value.strip()
    return float(stripped) if _NUMBER.fullmatch(stripped) else None


def _http_date(value: str) -> datetime | None:
    if not value or len(value) > _LONGEST_DATE:
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 -- slow to import, and seldom needed

    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError, IndexError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _spent_windows(value: str) -> Iterator[float | None]:
    """Yield the seconds until each spent window ends: ``"minute";r=0;t=12, "hour";r=2800;t=1812`` gives 12."""
    # The names of the windows are the only strings; without them every comma and semicolon separates.
    for window in _QUOTED.sub("", value).split(","):
        pairs = (parameter.strip().partition("=") for parameter in window.split(";")[1:])
        parameters = {name: value for name, _, value in pairs}
        if _number(parameters.get("r", "")) == 0:
            yield _number(parameters.get("t", ""))
