"""How long a server asks its callers to wait, read from the headers of an answer.

None of these headers is documented for the queue API. ``Retry-After`` (RFC 9110) and ``RateLimit`` (the IETF draft of
that name) are what the vendor's management API sends, and what the vendor's own tools look for on both hosts;
``Retry-After-Ms`` is what some gateways add.

Not read: ``RateLimit-Policy``, which says how long windows are and not when one ends, and ``RateLimit-Reset`` and
``X-RateLimit-Reset``, which are seconds for one server and a date for the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

_LONGEST = timedelta(days=7).total_seconds()

# ASCII digits only, so that `float` reads nothing in a way of its own: no sign, exponent, underscore, "inf" or "nan".
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")

# The three forms of RFC 9110, 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT" and
# "Sun Nov  6 08:49:37 1994". The parser behind takes far more than dates ("12" is a day of this month to it), so only
# these reach it, and no time zone but theirs.
_HTTP_DATE = re.compile(
    r"""
    [a-z]{3,9} ,? [ ]+
    (?:
        [0-9]{1,2} [ -] [a-z]{3} [ -] (?: [0-9]{4} | [0-9]{2} ) [ ] [0-9]{2}:[0-9]{2}:[0-9]{2} [ ] (?: GMT | UTC )
      | [a-z]{3} [ ]+ [0-9]{1,2} [ ] [0-9]{2}:[0-9]{2}:[0-9]{2} [ ] [0-9]{4}
    )
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- the parser works without zones; the zone is set on its result

# One that is never closed goes to the end: so every quote is looked at once, whatever a header holds.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"?')


def parse_retry_after(headers: Mapping[str, str], *, wall_clock: datetime) -> float | None:
    """Seconds that the server asks to wait; the longest, where it says so in several ways.

    What is no number and no HTTP date, is negative, lies in the past or is longer than 7 days, is left out. Nothing
    that a header says makes this raise.

    Args:
        headers: The answer's headers, names in any case.
        wall_clock: The time of day when the answer came, with its zone. A date in ``Retry-After`` is counted from the
            answer's own ``Date`` where it has one, since the clocks of two machines need not agree.

    Returns:
        Seconds, 0 to 604,800, or None where the headers ask for nothing.
    """
    values = {name.lower(): value for name, value in headers.items()}
    milliseconds = _number(values.get("retry-after-ms", ""))
    answered_at = _http_date(values.get("date", ""))
    asked = (
        None if milliseconds is None else milliseconds / 1000,
        _seconds(values.get("retry-after", ""), wall_clock.timestamp() if answered_at is None else answered_at),
        *_spent_windows(values.get("ratelimit", "")),
    )
    return max((seconds for seconds in asked if seconds is not None and 0 <= seconds <= _LONGEST), default=None)


def _seconds(text: str, now: float) -> float | None:
    seconds = _number(text)
    if seconds is not None:
        return seconds
    date = _http_date(text)
    return None if date is None else date - now


def _number(text: str) -> float | None:
    stripped = text.strip()
    return float(stripped) if _NUMBER.fullmatch(stripped) else None


def _http_date(text: str) -> float | None:
    """The date as seconds since 1970."""
    stripped = text.strip()
    if not _HTTP_DATE.fullmatch(stripped):
        return None
    from dateutil.parser import parse  # noqa: PLC0415 -- hardly any process meets such a date; each would pay for it

    try:
        return parse(stripped, default=_EPOCH, ignoretz=True).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def _spent_windows(text: str) -> Iterator[float | None]:
    """Seconds until each window ends that has nothing left: ``"minute";r=0;t=12, "hour";r=2800;t=1812`` gives 12."""
    # The windows' names are the only strings here, and of no interest; without them every comma and semicolon counts.
    for window in _QUOTED.sub("", text).split(","):
        pairs = (parameter.strip().partition("=") for parameter in window.split(";")[1:])
        parameters = {name: value for name, _, value in pairs}
        if _number(parameters.get("r", "")) == 0:
            yield _number(parameters.get("t", ""))
