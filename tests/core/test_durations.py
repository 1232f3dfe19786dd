from __future__ import annotations

import math
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_typed._models.durations import call_timeout, to_optional_seconds, to_seconds, wait_timeout
from runpod_typed.errors import ConfigurationError


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(0, 0.0), (5, 5.0), (0.25, 0.25), (timedelta(minutes=2), 120.0), (timedelta.max, timedelta.max.total_seconds())],
)
def test_seconds_and_timedeltas_are_durations(value: float | timedelta, seconds: float) -> None:
    assert to_seconds(value, "timeout") == seconds
    assert type(to_seconds(value, "timeout")) is float


@pytest.mark.parametrize("value", [-1, -0.001, math.nan, -math.inf, timedelta(seconds=-1), 10**400, -(10**400)])
def test_an_invalid_length_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^queue_timeout "):
        to_seconds(value, "queue_timeout")


@pytest.mark.parametrize("value", [True, False, "5", b"5", [5], 5j, Fraction(5), object()])
def test_a_value_of_another_class_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"not {type(value).__name__}"):
        to_seconds(value, "timeout")


def test_none_is_refused_if_a_duration_is_needed() -> None:
    nothing: Any = None
    with pytest.raises(ConfigurationError, match="not NoneType"):
        to_seconds(nothing, "timeout")


@pytest.mark.parametrize("value", [None, math.inf])
def test_none_and_infinity_mean_no_limit(value: float | None) -> None:
    assert to_optional_seconds(value, "timeout") is None


@given(st.one_of(st.integers(), st.floats(), st.timedeltas()))
def test_every_number_is_accepted_or_refused(value: float | timedelta) -> None:
    try:
        seconds = to_optional_seconds(value, "timeout")
    except ConfigurationError:
        return
    assert seconds is None or 0 <= seconds < math.inf


def test_a_call_timeout_of_zero_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="timeout must be above 0 s"):
        call_timeout(0)
    assert call_timeout(timedelta(seconds=1)) == 1.0
    assert call_timeout(None) is None


def test_a_wait_timeout_may_be_zero_and_warns_above_seven_days() -> None:
    assert wait_timeout(0) == 0.0
    assert wait_timeout(timedelta(days=7)) == 604_800.0
    assert wait_timeout(math.inf) is None
    with pytest.warns(UserWarning, match="queue_timeout of 604801 s is more than 7 days"):
        wait_timeout(604_801, "queue_timeout")
