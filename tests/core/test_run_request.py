from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runpod_queue_api import wire

from runpod_typed import ExecutionPolicy, S3Config
from runpod_typed._codecs.codec import UNTYPED, codec_for
from runpod_typed._core.run_request import RequestBuilder
from runpod_typed.errors import InputError

S3 = S3Config(access_id="id", access_secret="secret", bucket_name="bucket", endpoint_url="https://s3.example")
S3_SENT = {"accessId": "id", "accessSecret": "secret", "bucketName": "bucket", "endpointUrl": "https://s3.example"}


@dataclass
class Prompt:
    prompt: str


def body(value: object, type_form: Any = UNTYPED, **options: Any) -> dict[str, Any]:
    """Return the body that is sent."""
    return RequestBuilder(codec_for(type_form), type_form is not UNTYPED).build(value, **options).to_dict()


def test_an_input_is_wrapped_in_a_body() -> None:
    assert body({"prompt": "Hello"}) == {"input": {"prompt": "Hello"}}
    assert body(Prompt("Hello"), Prompt) == {"input": {"prompt": "Hello"}}
    assert body("Hello", str) == {"input": "Hello"}
    assert body([1, 2]) == {"input": [1, 2]}


def test_options_are_beside_the_input() -> None:
    sent = body({"a": 1}, webhook="https://hook.example", policy=ExecutionPolicy(ttl=60), s3_config=S3)
    assert sent == {
        "input": {"a": 1},
        "webhook": "https://hook.example",
        "policy": {"ttl": 60_000},
        "s3Config": S3_SENT,
    }


# A dict that is the whole body


@pytest.mark.parametrize(
    "whole",
    [
        {"input": {"a": 1}},
        {"input": 5, "webhook": "https://hook.example"},
        {"input": {"a": 1}, "policy": {"ttl": 60_000, "executionTimeout": 5_000}},
        {"input": [1], "s3Config": S3_SENT, "webhookV2": "https://hook.example"},
    ],
)
def test_a_dict_of_the_body_s_fields_is_the_body(whole: dict[str, Any]) -> None:
    assert body(whole) == whole
    assert body(MappingProxyType(whole)) == whole


def test_nulls_in_a_body_are_left_out() -> None:
    assert body({"input": 1, "webhook": None, "policy": None}) == {"input": 1}


def test_our_option_classes_in_a_body_are_converted() -> None:
    whole = {"input": 1, "policy": ExecutionPolicy(ttl=60, low_priority=True), "s3Config": S3}
    assert body(whole) == {"input": 1, "policy": {"ttl": 60_000, "lowPriority": True}, "s3Config": S3_SENT}


@pytest.mark.parametrize(
    "value",
    [
        {"webhook": "https://hook.example"},
        {"Input": 1},
        {"inputs": 1},
    ],
)
def test_a_dict_without_an_input_key_is_the_input(value: dict[str, Any]) -> None:
    assert body(value) == {"input": value}


@pytest.mark.parametrize(
    ("value", "path", "says"),
    [
        ({"input": {"a": 1}, "timeout": 60_000}, "$", "the request body has no field 'timeout' (it may have 'input', "),
        ({"input": {"a": 1}, "webhok": "https://x"}, "$", "no field 'webhok' (did you mean 'webhook'?)"),
        ({"input": ["a"], "model": "m"}, "$", "no field 'model'"),
        ({"input": "Hello", "": 1}, "$", "no field ''"),
        ({"input": 1, "policy": {"executiontimeout": 1}}, "$.policy", "did you mean 'executionTimeout'?"),
        ({"input": 1, "policy": {"ttl": 60_000, "retries": 1}}, "$.policy", "body's policy has no field 'retries'"),
        ({"input": 1, "s3Config": {**S3_SENT, "region": "eu"}}, "$.s3Config", "body's s3Config has no field 'region'"),
        (MappingProxyType({"input": 1, "x": 2}), "$", "no field 'x'"),
    ],
)
def test_unknown_keys_are_refused_with_both_ways_out(value: Any, path: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        body(value)
    assert caught.value.path == path
    for part in (says, "To send a request body, correct or remove the key", "wrap it: {'input': your_dict}"):
        assert part in caught.value.message


NO_ID: Final = {**S3_SENT, "accessId": ""}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("policy", {"ttl": 59_999, "executionTimeout": 60_000}, "ttl of 59.999 s is below execution_timeout of 60 s"),
        ("policy", {"ttl": 9_999}, "ttl must be 10 s to 604800 s"),
        ("policy", {"ttl": 604_800_001}, "ttl must be 10 s to 604800 s"),
        ("policy", {"ttl": 10**400}, "ttl must be 10 s to 604800 s"),
        ("policy", {"ttl": "60000"}, "ttl must be a number of seconds or a timedelta, not str"),
        ("policy", {"executionTimeout": 4_999}, "execution_timeout must be 5 s to 604800 s"),
        ("policy", {"executionTimeout": -1}, "execution_timeout must not be negative"),
        ("policy", {"executionTimeout": True}, "must be a number of seconds or a timedelta, not bool"),
        ("policy", {"lowPriority": 1}, "low_priority must be True or False, not 1"),
        ("policy", {"lowPriority": "no"}, "low_priority must be True or False, not 'no'"),
        ("policy", [], "must be an object, and is an array"),
        ("policy", 5, "a field has the wrong kind of value"),
        ("s3Config", NO_ID, "access_id must be a string that is not empty"),
        ("s3Config", {**S3_SENT, "endpointUrl": 7}, "endpoint_url must be a string that is not empty"),
        ("s3Config", {**S3_SENT, "objectPath": 7}, "object_path must be a string that is not empty"),
        ("webhook", 5, "must be a URL, not int"),
        ("webhookV2", ["https://hook.example"], "must be a URL, not list"),
    ],
)
def test_a_body_s_options_are_checked_like_arguments(name: str, value: Any, says: str) -> None:
    with pytest.raises(InputError) as caught:
        body({"input": 1, name: value})
    assert caught.value.path == f"$.{name}"
    assert caught.value.message.startswith(f"The request body's {name!r} cannot be used: ")
    assert says in caught.value.message
    assert caught.value.message.endswith(". Nothing was sent.")
    assert S3_SENT["accessSecret"] not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "keys", "sent"), [("policy", "POLICY_KEYS", {}), ("s3Config", "S3_CONFIG_KEYS", S3_SENT)]
)
def test_a_field_of_a_newer_specification_is_sent(
    name: str, keys: str, sent: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, keys, getattr(wire, keys) | {"region"})
    whole = {"input": 1, name: {**sent, "region": "eu"}}
    assert body(whole) == whole


def test_a_long_execution_timeout_of_a_body_warns() -> None:
    with pytest.warns(UserWarning, match="more than a day"):
        assert body({"input": 1, "policy": {"executionTimeout": 90_000_000, "ttl": None}}) == {
            "input": 1,
            "policy": {"executionTimeout": 90_000_000},
        }


@pytest.mark.parametrize("extra", [5, "region", [("region", "eu")]])
def test_extra_fields_must_be_a_dict(extra: Any) -> None:
    with pytest.raises(InputError, match=r"extra_body= must be a dict, not"):
        body({"a": 1}, extra=extra)


def test_a_typed_input_is_never_the_whole_body() -> None:
    assert body({"input": 5}, dict[str, int]) == {"input": {"input": 5}}


def test_an_input_within_an_input_can_be_wrapped() -> None:
    assert body({"input": {"input": 5}}) == {"input": {"input": 5}}


@pytest.mark.parametrize(
    ("whole", "options", "named"),
    [
        ({"input": 1, "webhook": "https://a.example"}, {"webhook": "https://b.example"}, "webhook= is given"),
        ({"input": 1, "policy": {"ttl": 60_000}}, {"policy": ExecutionPolicy()}, "policy= is given"),
        ({"input": 1, "s3Config": S3_SENT}, {"s3_config": S3}, "s3_config= is given"),
        (
            {"input": 1, "webhook": "https://a.example", "policy": {}},
            {"webhook": "https://b.example", "policy": ExecutionPolicy()},
            "webhook=, policy= is given",
        ),
    ],
)
def test_options_given_twice_are_refused(whole: dict[str, Any], options: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        body(whole, **options)


def test_extra_fields_are_beside_the_input() -> None:
    assert body({"a": 1}, extra={"region": "eu"}) == {"input": {"a": 1}, "region": "eu"}


def test_extra_fields_with_an_argument_are_refused() -> None:
    with pytest.raises(InputError, match="extra_body= has policy, webhook, which has an argument of its own"):
        body({"a": 1}, extra={"webhook": "https://hook.example", "policy": {}, "region": "eu"})


def test_a_body_may_be_completed_by_arguments() -> None:
    sent = body({"input": 1, "webhook": "https://a.example"}, policy=ExecutionPolicy(ttl=60))
    assert sent == {"input": 1, "webhook": "https://a.example", "policy": {"ttl": 60_000}}


@pytest.mark.parametrize(
    ("whole", "path"),
    [
        ({"input": 1, "policy": "fast"}, "$.policy"),
        ({"input": 1, "s3Config": {"accessId": "id"}}, "$.s3Config"),
        ({"input": 1, "s3Config": [1]}, "$.s3Config"),
    ],
)
def test_invalid_fields_of_a_body_are_named(whole: dict[str, Any], path: str) -> None:
    with pytest.raises(InputError, match="cannot be used") as caught:
        body(whole)
    assert caught.value.path == path


# What never leaves


@pytest.mark.parametrize("value", [{}, [], "", None, {"input": {}}, {"input": None}, {"input": [], "webhook": "x"}])
def test_empty_inputs_are_not_sent(value: object) -> None:
    with pytest.raises(InputError, match=r"empty.*Nothing was sent"):
        body(value)


@pytest.mark.parametrize("value", [0, False, {"a": None}, [None], "0", {"input": 0}])
def test_falsy_inputs_are_sent(value: object) -> None:
    assert "input" in body(value)


@pytest.mark.parametrize(
    "value",
    [float("nan"), {"a": b"x"}, {1: 2}, object(), {"input": object()}, {"input": 1, "policy": {"ttl": object()}}],
)
def test_inputs_that_are_not_json_are_not_sent(value: object) -> None:
    with pytest.raises(InputError, match="is not plain JSON"):
        body(value)


@pytest.mark.parametrize(
    "webhook", [5, b"https://hook.example", ["https://hook.example"], "https://hook.example/\udc80"]
)
def test_invalid_webhooks_are_not_sent(webhook: Any) -> None:
    with pytest.raises(InputError, match=r"^webhook= must be a URL"):
        body({"a": 1}, webhook=webhook)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*wire.ENVELOPE_KEYS, "x"]), inner),
    max_leaves=6,
)


@given(_JSON)
def test_any_value_is_sent_in_a_body_or_refused(value: object) -> None:
    try:
        sent = body(value)
    except InputError:
        return
    assert "input" in sent
    assert sent.keys() <= wire.ENVELOPE_KEYS


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"policy": {"executionTimeout": 5000}}, r"policy= must be ExecutionPolicy\(\.\.\.\), not dict"),
        ({"policy": 60}, r"policy= must be ExecutionPolicy\(\.\.\.\), not int"),
        ({"s3_config": {"accessId": "id"}}, r"s3_config= must be S3Config\(\.\.\.\), not dict"),
    ],
)
def test_options_of_another_class_are_not_sent(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=f"{says}. Nothing was sent"):
        body({"n": 1}, **options)


def test_options_of_many_jobs_are_checked_at_once() -> None:
    builder = RequestBuilder(codec_for(UNTYPED), typed=False)
    build = builder.with_options("https://hook.example", None, S3)
    sent = {"webhook": "https://hook.example", "s3Config": S3_SENT}
    assert [build({"n": n}).to_dict() for n in (1, 2)] == [{"input": {"n": n}, **sent} for n in (1, 2)]
    with pytest.raises(InputError, match="webhook= must be a URL"):
        builder.with_options(5, None, None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] -- wrong on purpose


def test_no_extra_fields_are_sent_if_there_are_none() -> None:
    assert body({"a": 1}, extra={}) == {"input": {"a": 1}}
