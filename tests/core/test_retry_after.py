from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runpod_queue_api import wire

from runpod_typed._core.retry_after import parse_retry_after

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SEVEN_DAYS = 7 * 24 * 3600


def asked(headers: dict[str, str]) -> float | None:
    return parse_retry_after(headers, wall_clock=NOON)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("12", 12.0),
        (" 12 ", 12.0),
        ("0.25", 0.25),
        ("1.", 1.0),
        (".5", 0.5),
        ("604800", 604_800.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sunday, 01-Mar-26 12:00:30 GMT", 30.0),
        ("Sun Mar  1 12:00:30 2026", 30.0),
        ("Sun, 1 Mar 2026 12:01:00 UTC", 60.0),
        ("Sun, 01 Mar 2026 12:01:00", 60.0),
        ("Sun, 01 Mar 2026 13:01:00 +0100", 60.0),
    ],
)
def test_reads_retry_after_as_seconds_or_date(text: str, seconds: float) -> None:
    assert asked({wire.RETRY_AFTER_HEADERS[0]: text}) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-5",
        "+5",
        "soon",
        "1e3",
        "1_000",
        "inf",
        "nan",
        "١٢",
        "604801",
        "12345678901234567890",
        "9" * 5000,
        "12 s",
        "10, 20",
        "Sun, 01 Mar 2026 12:00:30 +0100",
        "Sun, 31 Feb 2026 12:00:30 GMT",
        "Sun, 01 Foo 2026 12:00:30 GMT",
        "Sun, 01 Mar 2026 25:00:30 GMT",
        "Sun, 01 Mar 0000 12:00:30 GMT",
        "Sun, 01 Mar 2026 11:59:59 GMT",
        "Sun, 15 Mar 2026 12:00:00 GMT",
        "12:00:30",
        "2026-03-01T12:00:30Z",
        "x" * 65,
    ],
)
def test_ignores_invalid_negative_past_and_too_long_values(text: str) -> None:
    assert asked({wire.RETRY_AFTER_HEADERS[0]: text}) is None


def test_header_names_may_have_any_case() -> None:
    assert asked({"retry-after": "3"}) == 3
    assert asked({"RETRY-AFTER": "3"}) == 3


def test_compares_a_date_with_the_responses_own_date() -> None:
    headers = {wire.RETRY_AFTER_HEADERS[0]: "Sun, 01 Mar 2026 11:00:30 GMT", "Date": "Sun, 01 Mar 2026 11:00:00 GMT"}
    assert asked(headers) == 30
    assert asked({**headers, "Date": "yesterday"}) is None


def test_reads_milliseconds_from_gateways() -> None:
    assert asked({"Retry-After-Ms": "1500"}) == 1.5
    assert asked({"Retry-After-Ms": "1500", "Retry-After": "2"}) == 2
    assert asked({"Retry-After-Ms": "soon"}) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ('"minute";r=0;t=12, "hour";r=2800;t=1812', 12.0),
        ('"minute";r=0;t=12, "hour";r=0;t=1812', 1812.0),
        ('"minute";r=5;t=12', None),
        ('"minute";r=0', None),
        ('"minute";t=12', None),
        ('"minute" ; r=0 ; t=12', 12.0),
        ("minute;r=0;t=12", 12.0),
        ('"a,b;r=1;\\"t=9";r=0;t=12', 12.0),
        ('"minute;r=0;t=12', None),
        ('"minute";r=0;t=12, "hour;r=0;t=99', 12.0),
        ('"minute";r=0;t=-12', None),
        ('"minute";r=0;t=9999999', None),
        ('"minute";r=0;pk=:c29tZQ==:;t=4', 4.0),
        ("limit=100, remaining=0, reset=12", None),
        (",;=,;;==;,", None),
    ],
)
def test_takes_the_longest_of_the_spent_windows(text: str, seconds: float | None) -> None:
    assert asked({"RateLimit": text}) == seconds


def test_takes_the_longest_of_all_headers() -> None:
    assert asked({wire.RETRY_AFTER_HEADERS[0]: "5", "RateLimit": '"minute";r=0;t=12'}) == 12
    assert asked({wire.RETRY_AFTER_HEADERS[0]: "15", "RateLimit": '"minute";r=0;t=12'}) == 15
    assert asked({wire.RETRY_AFTER_HEADERS[0]: "999999999", "RateLimit": '"minute";r=0;t=12'}) == 12


def test_ignores_headers_without_a_time() -> None:
    headers = {"RateLimit-Policy": '"minute";q=60;w=60', "RateLimit-Reset": "7", "X-RateLimit-Reset": "1772366400"}
    assert asked(headers) is None
    assert asked({}) is None


@pytest.mark.slow
@pytest.mark.parametrize("text", ["9" * 60_000, '"\\' * 30_000, "Sun, " * 12_000, ";r=0" * 15_000, '"' * 60_000])
def test_a_huge_header_takes_linear_time(text: str) -> None:
    # What looks at each character again for each other one would keep this test for minutes.
    for _ in range(50):
        assert asked({wire.RETRY_AFTER_HEADERS[0]: text, "RateLimit": text, "Date": text}) is None


names = st.sampled_from(["retry-after", "Retry-After-Ms", "RateLimit", "Date", "RateLimit-Policy", "X-Other"])
pieces = st.sampled_from(
    ["0", "12", "-", "r=0", "t=5", ";", ",", '"', "\\", "=", " ", "GMT", "Sun", "Mar", "01", "2026", "12:00:30", "PST"]
)
near_misses = st.lists(pieces, max_size=12).map("".join) | st.lists(pieces, max_size=12).map(" ".join)


@settings(deadline=None)
@given(st.dictionaries(names, st.text() | near_misses))
def test_no_header_raises_or_leaves_the_range(headers: dict[str, str]) -> None:
    seconds = asked(headers)
    assert seconds is None or 0 <= seconds <= SEVEN_DAYS


@settings(deadline=None)
@given(
    wall_clock=st.datetimes(datetime(2020, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 -- bounds
    wait=st.integers(0, SEVEN_DAYS),
    form=st.sampled_from(["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y", "IMF"]),
)
def test_reads_every_date_within_seven_days(wall_clock: datetime, wait: int, form: str) -> None:
    now = wall_clock.replace(microsecond=0)
    moment = now + timedelta(seconds=wait)
    text = format_datetime(moment, usegmt=True) if form == "IMF" else moment.strftime(form)
    assert parse_retry_after({wire.RETRY_AFTER_HEADERS[0]: text}, wall_clock=now) == wait
