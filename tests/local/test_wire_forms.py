"""What comes in is checked field by field; what workers write is read whatever they call it."""

import json

import hypothesis.strategies as st
import pytest
from hypothesis import given
from runpod_queue_api import wire

from runpod_typed.local._app import presented_key, same_key
from runpod_typed.local._engine.jobs import ABSENT, Result
from runpod_typed.local._envelope import InvalidEnvelopeError, read_envelope, read_envelopes
from runpod_typed.local._json import DEPTH, InvalidJSONError, decode, encode
from runpod_typed.local._worker_messages import (
    chunk_error,
    read_result,
    show_exception,
    show_generator_exception,
    show_return,
    split_chunk,
)

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
S3 = {"accessId": "a", "accessSecret": "b", "bucketName": "c", "endpointUrl": "d"}


# The envelope.


def test_every_field_of_the_envelope_is_read() -> None:
    submission = read_envelope(
        {
            "input": {"prompt": "hi"},
            "webhook": "https://example.org/hook",
            "webhookV2": "https://example.org/other",
            "policy": {
                "executionTimeout": wire.EXECUTION_TIMEOUT_MIN_MS,
                "ttl": wire.TTL_MAX_MS,
                "lowPriority": True,
                "unknown": 1,
            },
            "s3Config": S3 | {"objectPath": "results/"},
            "unknown": 1,
        }
    )
    assert submission.input == {"prompt": "hi"}
    assert submission.webhook == "https://example.org/hook"
    assert (submission.execution_timeout, submission.ttl, submission.low_priority) == (
        5.0,
        wire.TTL_MAX_MS / 1000,
        True,
    )
    assert submission.s3_config == S3 | {"objectPath": "results/"}


@pytest.mark.parametrize("value", [None, 0, "", [], {}, "text"])
def test_any_json_is_an_input(value: object) -> None:
    assert read_envelope({"input": value}).input == value


def test_nulls_are_as_good_as_absent() -> None:
    nothing = {"webhook": None, "policy": None, "s3Config": None}
    assert read_envelope({"input": 1} | nothing) == read_envelope({"input": 1})


@pytest.mark.parametrize(
    ("envelope", "complaint"),
    [
        ([], "the request body must be an object"),
        (None, "the request body must be an object"),
        ({}, "input is required"),
        ({"input": 1, "webhook": 7}, "webhook must be"),
        ({"input": 1, "webhook": "ftp://example.org"}, "webhook must be"),
        ({"input": 1, "policy": 7}, "policy must be an object"),
        ({"input": 1, "policy": []}, "policy must be an object"),
        ({"input": 1, "policy": {"executionTimeout": 4999}}, "executionTimeout must be"),
        ({"input": 1, "policy": {"executionTimeout": 604_800_001}}, "executionTimeout must be"),
        ({"input": 1, "policy": {"executionTimeout": "5000"}}, "executionTimeout must be"),
        ({"input": 1, "policy": {"executionTimeout": True}}, "executionTimeout must be"),
        ({"input": 1, "policy": {"ttl": 9999}}, "ttl must be"),
        ({"input": 1, "policy": {"ttl": 10000.5}}, "ttl must be"),
        ({"input": 1, "policy": {"lowPriority": 1}}, "lowPriority must be"),
        ({"input": 1, "s3Config": []}, "s3Config must be an object"),
        ({"input": 1, "s3Config": {}}, "s3Config.accessId is required"),
        ({"input": 1, "s3Config": S3 | {"objectPath": 7}}, "s3Config.objectPath must be a string"),
    ],
)
def test_a_wrong_field_is_named(envelope: object, complaint: str) -> None:
    with pytest.raises(InvalidEnvelopeError, match=complaint):
        read_envelope(envelope)


def test_in_an_array_the_position_is_named_too() -> None:
    assert [submission.input for submission in read_envelopes([{"input": 1}, {"input": 2}], "requests")] == [1, 2]
    with pytest.raises(InvalidEnvelopeError, match=r"requests\[1\]: input is required"):
        read_envelopes([{"input": 1}, {}], "requests")
    with pytest.raises(InvalidEnvelopeError, match="requests must be an array"):
        read_envelopes({}, "requests")


@given(ANY_JSON)
def test_no_json_gets_through_but_an_envelope(body: object) -> None:
    try:
        submission = read_envelope(body)
    except InvalidEnvelopeError:
        return
    assert isinstance(body, dict)
    assert submission.input is body["input"]


# JSON.


@given(ANY_JSON)
def test_json_survives_the_way_through_the_queue(value: object) -> None:
    assert repr(decode(encode(value), strict=False)) == repr(value)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_what_is_nested_too_deeply_to_be_written_again_is_not_read_either(opening: bytes, closing: bytes) -> None:
    at_most = opening * (DEPTH - 1) + b"1" + closing * (DEPTH - 1)
    assert encode(decode(at_most, strict=True)) == at_most
    for depth in (DEPTH + 1, 960, 100_000):  # the second is within a hair's breadth of what Python can do
        with pytest.raises(InvalidJSONError):
            decode(opening * depth + b"1" + closing * depth, strict=True)
    assert decode(b"[" + b"[]," * DEPTH + b"[]]", strict=True) == [[]] * (DEPTH + 1)


def test_what_contains_itself_is_not_written() -> None:
    endless: list[object] = []
    endless.append(endless)
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    for value in (endless, deep):
        with pytest.raises(ValueError):
            encode(value)


def test_lone_surrogates_survive_too() -> None:
    assert decode(encode({"a": "\ud800"}), strict=True) == {"a": "\ud800"}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'"\n"', b"[" * 100_000, b"9" * 5000, b"{} {}"])
@pytest.mark.parametrize("strict", [True, False])
def test_what_is_no_json_is_refused(body: bytes, strict: bool) -> None:
    with pytest.raises(InvalidJSONError):
        decode(body, strict=strict)


def test_clients_may_not_send_what_only_python_takes_for_json_and_workers_may() -> None:
    with pytest.raises(InvalidJSONError, match="NaN"):
        decode(b"[NaN]", strict=True)
    assert repr(decode(b"[NaN, -Infinity]", strict=False)) == "[nan, -inf]"


# Keys.


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (None, None),
        ("", None),
        ("   ", None),
        ("k", "k"),
        ("Bearer k", "k"),
        ("bearer   k ", "k"),
        ("BEARER k", "k"),
        ("Bearer ", None),
        ("Bearer", None),
        ("Basic k", "Basic k"),
    ],
)
def test_a_key_is_found_with_and_without_its_scheme(header: str | None, key: str | None) -> None:
    assert presented_key(header) == key


@pytest.mark.parametrize(("presented", "same"), [("key", True), ("kez", False), ("", False), ("\xe9", False)])
def test_keys_are_compared_whole(presented: str, same: bool) -> None:
    assert same_key(presented, "key") is same


# What workers post.


@pytest.mark.parametrize(
    ("returned", "body"),
    [
        ("text", {"output": "text"}),
        (None, {"output": None}),
        (False, {"output": False}),
        ([], {"output": []}),
        ({"a": 1}, {"output": {"a": 1}}),
        ({}, {}),
        ({"error": "no"}, {"error": "no"}),
        ({"error": {"code": 7}, "a": 1}, {"output": {"a": 1}, "error": {"code": 7}}),
        ({"error": None, "a": 1}, {"output": {"a": 1}}),
        ({"refresh_worker": True, "a": 1}, {"output": {"a": 1}, "stopPod": True}),
        ({"refresh_worker": False}, {}),
    ],
)
def test_what_a_handler_returns_becomes_the_body_that_the_sdk_would_post(returned: object, body: object) -> None:
    assert show_return(returned) == body


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ({}, Result()),
        ({"output": None}, Result(output=None)),
        ({"output": [], "stopPod": True}, Result(output=[], stop_pod=True)),
        ({"error": ""}, Result()),
        ({"error": {"code": 7}, "output": 1}, Result(output=1, error={"code": 7})),
    ],
)
def test_the_body_of_a_result_is_read(body: dict[str, object], result: Result) -> None:
    assert read_result(body) == result
    assert (read_result({}).output is ABSENT) is True


def raised(message: str) -> Exception:
    with pytest.raises(ValueError, match=message) as caught:
        raise ValueError(message)
    return caught.value


def test_an_exception_becomes_json_in_a_string() -> None:
    text = show_exception(raised("boom"), "w1")["error"]
    assert isinstance(text, str)
    error = json.loads(text)
    assert error["error_type"] == "<class 'ValueError'>"
    assert error["error_message"] == "boom"
    assert error["error_traceback"].startswith("Traceback (most recent call last):\n")
    assert (error["worker_id"], error["hostname"]) == ("w1", "unknown")
    assert "runpod-typed" in error["runpod_version"]


def test_an_exception_in_a_generator_becomes_plain_text() -> None:
    text = show_generator_exception(raised("boom"))["error"]
    assert isinstance(text, str)
    assert text.startswith("handler: boom \ntraceback: Traceback (most recent call last):\n")


@pytest.mark.parametrize(
    ("chunk", "error"),
    [({"error": {"a": 1}}, {"error": "{'a': 1}"}), ({"error": ""}, None), ({"a": 1}, None), ("error", None)],
)
def test_a_chunk_with_an_error_ends_the_generator(chunk: object, error: object) -> None:
    assert chunk_error(chunk) == error


@given(st.text(), st.integers(4, 50))
def test_text_above_the_cap_is_split_and_nothing_of_it_lost(text: str, cap: int) -> None:
    pieces = split_chunk(text, cap)
    assert all(isinstance(piece, str) and len(piece.encode(errors="surrogatepass")) <= cap for piece in pieces)
    assert "".join(str(piece) for piece in pieces) == text


def test_other_chunks_stay_whole() -> None:
    assert split_chunk({"text": "x" * 100}, 10) == [{"text": "x" * 100}]
