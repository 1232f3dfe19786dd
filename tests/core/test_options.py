from __future__ import annotations

import copy
import math
import pickle
import re
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runpod_queue_api import wire

from runpod_typed import ExecutionPolicy, S3Config
from runpod_typed.errors import ConfigurationError
from tests.core.calls import traceback_with_locals

SECRET = "s3cr3t-CANARY"


def s3_config(**changes: Any) -> S3Config:
    return S3Config(
        **{
            "access_id": f"{SECRET}-id",
            "access_secret": SECRET,
            "bucket_name": "bucket",
            "endpoint_url": "https://s3.example",
            **changes,
        }
    )


# ExecutionPolicy


def test_a_policy_is_said_in_seconds_and_sent_in_milliseconds() -> None:
    policy = ExecutionPolicy(execution_timeout=90, ttl=timedelta(hours=2), low_priority=True)
    assert (policy.execution_timeout, policy.ttl) == (90.0, 7200.0)
    assert policy.to_dict() == {"executionTimeout": 90_000, "ttl": 7_200_000, "lowPriority": True}


def test_what_is_left_open_is_not_sent() -> None:
    assert ExecutionPolicy().to_dict() == {}
    assert ExecutionPolicy(low_priority=False).to_dict() == {"lowPriority": False}


@pytest.mark.parametrize(
    "options",
    [
        {"execution_timeout": wire.EXECUTION_TIMEOUT_MIN_MS / 1000 - 0.001},
        {"execution_timeout": wire.EXECUTION_TIMEOUT_MAX_MS / 1000 + 0.001},
        {"execution_timeout": 0},
        {"ttl": wire.TTL_MIN_MS / 1000 - 0.001},
        {"ttl": timedelta(milliseconds=wire.TTL_MAX_MS, days=1)},
        {"ttl": 3_600_000},
        {"ttl": math.inf},
        {"ttl": math.nan},
        {"ttl": -60},
        {"ttl": "60"},
        {"ttl": True},
        {"execution_timeout": 10**400},
        {"low_priority": "yes"},
        {"low_priority": 1},
    ],
)
def test_what_the_platform_does_not_take_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="ExecutionPolicy"):
        ExecutionPolicy(**options)


def test_milliseconds_in_the_place_of_seconds_are_pointed_out() -> None:
    least, most = wire.EXECUTION_TIMEOUT_MIN_MS // 1000, wire.EXECUTION_TIMEOUT_MAX_MS // 1000
    with pytest.raises(ConfigurationError, match=rf"{least} s to {most} s \(seconds, not milliseconds\)"):
        ExecutionPolicy(execution_timeout=900_000)


@given(
    execution=st.floats(wire.EXECUTION_TIMEOUT_MIN_MS / 1000, wire.EXECUTION_TIMEOUT_MAX_MS / 1000),
    ttl=st.floats(wire.TTL_MIN_MS / 1000, wire.TTL_MAX_MS / 1000),
)
def test_all_durations_within_range_are_sent_within_range(execution: float, ttl: float) -> None:
    sent = ExecutionPolicy(execution_timeout=execution, ttl=ttl).to_dict()
    assert wire.EXECUTION_TIMEOUT_MIN_MS <= sent["executionTimeout"] <= wire.EXECUTION_TIMEOUT_MAX_MS
    assert wire.TTL_MIN_MS <= sent["ttl"] <= wire.TTL_MAX_MS
    assert abs(sent["ttl"] - ttl * 1000) <= 0.5


# S3Config


def test_storage_is_described_as_the_api_takes_it() -> None:
    required = {
        "accessId": f"{SECRET}-id",
        "accessSecret": SECRET,
        "bucketName": "bucket",
        "endpointUrl": "https://s3.example",
    }
    assert s3_config().to_dict() == required
    assert s3_config(object_path="").to_dict() == required
    assert s3_config(object_path="a/b").to_dict() == {**required, "objectPath": "a/b"}


def test_credentials_show_nowhere_else() -> None:
    config = s3_config()
    shown = [repr(config), str(config), f"{config}", repr(attrs.asdict(config)), repr(attrs.astuple(config))]
    assert not [text for text in shown if SECRET in text]
    assert SECRET.encode() not in pickle.dumps(config)


def test_a_copy_from_a_pickle_cannot_be_sent_and_says_so() -> None:
    copied = pickle.loads(pickle.dumps(s3_config()))
    assert copied.bucket_name == "bucket"
    with pytest.raises(ConfigurationError, match="left out when it is pickled"):
        copied.to_dict()


def test_a_copy_within_the_process_can_be_sent() -> None:
    assert copy.deepcopy(s3_config()).to_dict() == s3_config().to_dict()
    assert attrs.evolve(s3_config(), bucket_name="other").to_dict()["accessSecret"] == SECRET
    assert s3_config() == s3_config()
    assert s3_config() != s3_config(access_secret="other")


@pytest.mark.parametrize("name", ["access_id", "access_secret", "bucket_name", "endpoint_url"])
@pytest.mark.parametrize("value", [None, "", 5, SECRET.encode(), f"{SECRET}\udc80"])
def test_what_is_no_text_that_can_be_sent_is_refused_and_not_shown(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="What S3Config holds must be texts") as caught:
        s3_config(**{name: value})
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_traceback_of_a_refusal_shows_no_credentials() -> None:
    shown = traceback_with_locals(lambda: s3_config(bucket_name=None))
    assert "bucket_name" in shown
    assert SECRET not in re.sub(r"^    .*\n", "", shown, flags=re.MULTILINE)  # but for the source lines of this file


def test_a_path_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not int"):
        s3_config(object_path=5)
