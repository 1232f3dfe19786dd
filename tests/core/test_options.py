from __future__ import annotations

import copy
import math
import pickle
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runpod_queue_api import wire

from runpod_typed import ExecutionPolicy, S3Config
from runpod_typed.errors import ConfigurationError

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


def test_a_policy_in_seconds_is_sent_in_milliseconds() -> None:
    policy = ExecutionPolicy(execution_timeout=90, ttl=timedelta(hours=2), low_priority=True)
    assert (policy.execution_timeout, policy.ttl) == (90.0, 7200.0)
    assert policy.to_dict() == {"executionTimeout": 90_000, "ttl": 7_200_000, "lowPriority": True}


def test_omitted_options_are_not_sent() -> None:
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
def test_values_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="ExecutionPolicy"):
        ExecutionPolicy(**options)


def test_refusal_of_milliseconds_names_the_unit() -> None:
    least, most = wire.EXECUTION_TIMEOUT_MIN_MS // 1000, wire.EXECUTION_TIMEOUT_MAX_MS // 1000
    with pytest.raises(ConfigurationError, match=rf"{least} s to {most} s \(seconds, not milliseconds\)"):
        ExecutionPolicy(execution_timeout=900_000)


def test_a_ttl_below_the_execution_timeout_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="ttl of 60 s is below execution_timeout of 600 s"):
        ExecutionPolicy(ttl=60, execution_timeout=600)
    ExecutionPolicy(ttl=600, execution_timeout=600)


def test_an_execution_timeout_above_a_day_warns() -> None:
    with pytest.warns(UserWarning, match="execution_timeout of 172800 s is more than a day") as caught:
        ExecutionPolicy(execution_timeout=timedelta(days=2))
    assert Path(caught[0].filename) == Path(__file__)
    ExecutionPolicy(execution_timeout=timedelta(days=1))


@pytest.mark.filterwarnings("ignore:.*more than a day")
@given(
    execution=st.floats(wire.EXECUTION_TIMEOUT_MIN_MS / 1000, wire.EXECUTION_TIMEOUT_MAX_MS / 1000),
    ttl=st.floats(wire.TTL_MIN_MS / 1000, wire.TTL_MAX_MS / 1000),
)
def test_durations_in_range_are_sent_in_range(execution: float, ttl: float) -> None:
    sent = {
        **ExecutionPolicy(ttl=ttl).to_dict(),
        **ExecutionPolicy(execution_timeout=execution).to_dict(),
    }
    assert wire.EXECUTION_TIMEOUT_MIN_MS <= sent["executionTimeout"] <= wire.EXECUTION_TIMEOUT_MAX_MS
    assert wire.TTL_MIN_MS <= sent["ttl"] <= wire.TTL_MAX_MS
    assert abs(sent["ttl"] - ttl * 1000) <= 0.5


# S3Config


def test_storage_is_sent_as_the_api_takes_it() -> None:
    required = {
        "accessId": f"{SECRET}-id",
        "accessSecret": SECRET,
        "bucketName": "bucket",
        "endpointUrl": "https://s3.example",
    }
    assert s3_config().to_dict() == required
    assert s3_config(object_path="").to_dict() == required
    assert s3_config(object_path="a/b").to_dict() == {**required, "objectPath": "a/b"}


def test_credentials_appear_in_no_repr_or_pickle() -> None:
    config = s3_config()
    shown = [repr(config), str(config), f"{config}", repr(attrs.asdict(config)), repr(attrs.astuple(config))]
    assert not [text for text in shown if SECRET in text]
    assert SECRET.encode() not in pickle.dumps(config)


def test_a_copy_from_a_pickle_cannot_be_sent() -> None:
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
def test_an_invalid_string_is_refused_and_not_shown(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"S3Config.{name} must be a string") as caught:
        s3_config(**{name: value})
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_invalid_object_path_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="object_path must be a string"):
        s3_config(object_path=5)
