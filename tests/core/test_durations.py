from __future__ import annotations

import math
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_typed._models.durations import to_optional_seconds, to_seconds
from runpod_typed.errors import ConfigurationError


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(0, 0.0), (5, 5.0), (0.25, 0.25), (timedelta(minutes=2), 120.0), (timedelta.max, timedelta.max.total_seconds())],
)
def test_seconds_and_timedeltas_are_durations(value: float | timedelta, seconds: float) -> None:
    assert to_seconds(value, "timeout") == seconds
    assert type(to_seconds(value, "timeout")) is float


@pytest.mark.parametrize("value", [-1, -0.001, math.nan, -math.inf, timedelta(seconds=-1), 10**400, -(10**400)])
def test_what_is_no_length_of_time_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^queue_timeout "):
        to_seconds(value, "queue_timeout")


@pytest.mark.parametrize("value", [True, False, "5", b"5", [5], 5j, Fraction(5), object()])
def test_what_is_no_number_is_refused_with_the_name_of_its_class(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"not {type(value).__name__}"):
        to_seconds(value, "timeout")


def test_none_is_no_duration_where_one_is_needed() -> None:
    nothing: Any = None
    with pytest.raises(ConfigurationError, match="not NoneType"):
        to_seconds(nothing, "timeout")


@pytest.mark.parametrize("value", [None, math.inf])
def test_none_and_infinity_stand_for_no_limit(value: float | None) -> None:
    assert to_optional_seconds(value, "timeout") is None


@given(st.one_of(st.integers(), st.floats(), st.timedeltas()))
def test_every_number_is_a_length_of_time_or_refused(value: float | timedelta) -> None:
    try:
        seconds = to_optional_seconds(value, "timeout")
    except ConfigurationError:
        return
    assert seconds is None or 0 <= seconds < math.inf
