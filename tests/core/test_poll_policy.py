from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from runpod_typed import PollPolicy
from runpod_typed.errors import ConfigurationError


def test_takes_timedeltas() -> None:
    policy = PollPolicy(
        min_interval=timedelta(seconds=2), max_interval=timedelta(minutes=1), max_outage=timedelta(hours=1)
    )
    assert (policy.min_interval, policy.max_interval, policy.max_outage) == (2.0, 60.0, 3600.0)


def test_disabled_turns_long_polling_off() -> None:
    assert PollPolicy.disabled() == PollPolicy(long_poll=False)


@pytest.mark.parametrize("seconds", [0, 5, math.inf])
def test_takes_any_outage_from_zero_on(seconds: float) -> None:
    assert PollPolicy(max_outage=seconds).max_outage == seconds


@pytest.mark.parametrize(
    "options",
    [
        {"min_interval": 0},
        {"min_interval": -1},
        {"min_interval": math.nan},
        {"min_interval": True},
        {"min_interval": 16},
        {"max_interval": 0.04},
        {"max_interval": math.inf},
        {"max_interval": "15"},
        {"jitter": -0.1},
        {"jitter": 1.1},
        {"jitter": math.nan},
        {"jitter": "0.1"},
        {"jitter": True},
        {"long_poll": "no"},
        {"long_poll": None},
        {"max_outage": -1},
        {"max_outage": None},
        {"max_outage": "600"},
    ],
)
def test_refuses_values_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="PollPolicy"):
        PollPolicy(**options)
