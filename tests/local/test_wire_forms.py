"""Envelopes, JSON, keys and the bodies of workers."""

import json

import hypothesis.strategies as st
import pytest
from hypothesis import given
from runpod_queue_api import wire

from runpod_typed.local._engine.records import ABSENT, Chunk, Result
from runpod_typed.local._json import DEPTH, InvalidJSONError, decode, encode
from runpod_typed.local._server.access import presented_key, same_key
from runpod_typed.local._server.envelope import InvalidEnvelopeError, read_envelope, read_envelopes, read_requests
from runpod_typed.local._workers.reports import (
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


def test_reads_every_envelope_field() -> None:
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
            "s3Config": S3 | {"objectPath": "results/", "region": "eu"},
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
    assert submission.s3_config == S3 | {"objectPath": "results/", "region": "eu"}


@pytest.mark.parametrize("value", [None, 0, "", [], {}, "text"])
def test_accepts_any_json_as_input(value: object) -> None:
    assert read_envelope({"input": value}).input == value


def test_null_fields_count_as_absent() -> None:
    nothing = {"webhook": None, "policy": None, "s3Config": None}
    assert read_envelope({"input": 1} | nothing) == read_envelope({"input": 1})


@pytest.mark.parametrize(
    ("envelope", "complaint"),
    [
        ([], "Expected `object`"),
        (None, "Expected `object`"),
        ({}, "missing required field `input`"),
        ({"input": 1, "webhook": 7}, r"\$\.webhook"),
        ({"input": 1, "webhook": "ftp://example.org"}, r"\$\.webhook"),
        ({"input": 1, "policy": 7}, r"Expected `object.*\$\.policy"),
        ({"input": 1, "policy": []}, r"Expected `object.*\$\.policy"),
        ({"input": 1, "policy": {"executionTimeout": 4999}}, r">= 5000.*\$\.policy\.executionTimeout"),
        ({"input": 1, "policy": {"executionTimeout": 604_800_001}}, r"<= 604800000.*\$\.policy\.executionTimeout"),
        ({"input": 1, "policy": {"executionTimeout": "5000"}}, r"Expected `int.*\$\.policy\.executionTimeout"),
        ({"input": 1, "policy": {"executionTimeout": True}}, r"Expected `int.*\$\.policy\.executionTimeout"),
        ({"input": 1, "policy": {"ttl": 9999}}, r">= 10000.*\$\.policy\.ttl"),
        ({"input": 1, "policy": {"ttl": 10000.5}}, r"Expected `int.*\$\.policy\.ttl"),
        ({"input": 1, "policy": {"lowPriority": 1}}, r"Expected `bool.*\$\.policy\.lowPriority"),
        ({"input": 1, "s3Config": []}, r"Expected `object.*\$\.s3Config"),
        ({"input": 1, "s3Config": {}}, r"s3Config: .*missing required field `accessId`"),
        ({"input": 1, "s3Config": S3 | {"objectPath": 7}}, r"s3Config: Expected `str`.*\$\.objectPath"),
        ({"input": 1, "\ud800": 1}, "surrogates not allowed"),
    ],
)
def test_names_wrong_envelope_field(envelope: object, complaint: str) -> None:
    with pytest.raises(InvalidEnvelopeError, match=complaint):
        read_envelope(envelope)


def test_names_position_of_wrong_envelope() -> None:
    assert [submission.input for submission in read_envelopes([{"input": 1}, {"input": 2}])] == [1, 2]
    with pytest.raises(InvalidEnvelopeError, match=r"missing required field `input` - at `\$\[1\]`"):
        read_envelopes([{"input": 1}, {}])
    with pytest.raises(InvalidEnvelopeError, match=r"missing required field `input` - at `\$\.requests\[1\]`"):
        read_requests({"requests": [{"input": 1}, {}]})
    with pytest.raises(InvalidEnvelopeError, match="Expected `array`"):
        read_envelopes({})


@given(ANY_JSON)
def test_accepts_only_envelopes(body: object) -> None:
    try:
        submission = read_envelope(body)
    except InvalidEnvelopeError:
        return
    assert isinstance(body, dict)
    assert submission.input is body["input"]


# JSON.


@given(ANY_JSON)
def test_json_survives_round_trip(value: object) -> None:
    assert repr(decode(encode(value), strict=False)) == repr(value)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_refuses_json_too_deep_to_write(opening: bytes, closing: bytes) -> None:
    at_most = opening * (DEPTH - 1) + b"1" + closing * (DEPTH - 1)
    assert encode(decode(at_most, strict=True)) == at_most
    for depth in (DEPTH + 1, 960, 100_000):  # the second is within a hair's breadth of what Python can do
        with pytest.raises(InvalidJSONError):
            decode(opening * depth + b"1" + closing * depth, strict=True)
    assert decode(b"[" + b"[]," * DEPTH + b"[]]", strict=True) == [[]] * (DEPTH + 1)


def test_refuses_to_write_cycles() -> None:
    endless: list[object] = []
    endless.append(endless)
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    for value in (endless, deep):
        with pytest.raises(ValueError):
            encode(value)


def test_lone_surrogates_survive() -> None:
    assert decode(encode({"a": "\ud800"}), strict=True) == {"a": "\ud800"}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'"\n"', b"[" * 100_000, b"9" * 5000, b"{} {}"])
@pytest.mark.parametrize("strict", [True, False])
def test_refuses_invalid_json(body: bytes, strict: bool) -> None:
    with pytest.raises(InvalidJSONError):
        decode(body, strict=strict)


def test_only_workers_may_send_nan() -> None:
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
def test_finds_key_with_and_without_scheme(header: str | None, key: str | None) -> None:
    assert presented_key(header) == key


@pytest.mark.parametrize(("presented", "same"), [("key", True), ("kez", False), ("", False), ("\xe9", False)])
def test_compares_whole_keys(presented: str, same: bool) -> None:
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
def test_return_value_becomes_body_of_sdk(returned: object, body: object) -> None:
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
def test_reads_body_of_result(body: dict[str, object], result: Result) -> None:
    assert read_result(body) == result
    assert (read_result({}).output is ABSENT) is True


def raised(message: str) -> Exception:
    with pytest.raises(ValueError, match=message) as caught:
        raise ValueError(message)
    return caught.value


def test_exception_becomes_json_string() -> None:
    text = show_exception(raised("boom"), "w1")["error"]
    assert isinstance(text, str)
    error = json.loads(text)
    assert error["error_type"] == "<class 'ValueError'>"
    assert error["error_message"] == "boom"
    assert error["error_traceback"].startswith("Traceback (most recent call last):\n")
    assert (error["worker_id"], error["hostname"]) == ("w1", "unknown")
    assert "runpod-typed" in error["runpod_version"]


def test_generator_exception_becomes_plain_text() -> None:
    text = show_generator_exception(raised("boom"))["error"]
    assert isinstance(text, str)
    assert text.startswith("handler: boom \ntraceback: Traceback (most recent call last):\n")


@pytest.mark.parametrize(
    ("chunk", "error"),
    [({"error": {"a": 1}}, {"error": "{'a': 1}"}), ({"error": ""}, None), ({"a": 1}, None), ("error", None)],
)
def test_chunk_with_error_ends_generator(chunk: object, error: object) -> None:
    assert chunk_error(chunk) == error


@given(st.text(), st.integers(4, 50))
def test_splits_long_strings_without_loss(text: str, cap: int) -> None:
    pieces = split_chunk(Chunk(text, {"tokens": 1}), cap)
    sizes = [len(str(piece.output).encode(errors="surrogatepass")) for piece in pieces]
    assert all(cap - 3 <= size <= cap for size in sizes[:-1])
    assert sizes[-1] <= cap
    assert "".join(str(piece.output) for piece in pieces) == text
    assert all(piece.metrics == {"tokens": 1} for piece in pieces)


def test_other_chunks_stay_whole() -> None:
    chunk = Chunk({"text": "x" * 100})
    assert split_chunk(chunk, 10) == [chunk]
