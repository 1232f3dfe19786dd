from __future__ import annotations

import gc
import json as stdlib
import math
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpod_typed._codecs import json

SCALARS: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
WHAT_WORKERS_SEND: st.SearchStrategy[Any] = st.recursive(
    SCALARS | st.floats() | st.text(st.characters()),  # with NaN and Infinity; st.characters() has lone surrogates too
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(PLAIN)
def test_any_json_value_survives_both_ways(value: Any) -> None:
    assert json.decode(json.encode(value)) == value


@given(WHAT_WORKERS_SEND)
def test_json_that_python_writes_is_read_as_python_reads_it(value: Any) -> None:
    body = stdlib.dumps(value).encode()
    assert repr(json.decode(body)) == repr(stdlib.loads(body))  # NaN equals nothing, not even itself; its repr does


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"loss": Infinity}', {"loss": math.inf}),
        (b'{"loss": -Infinity}', {"loss": -math.inf}),
        (b"[1e400, -1e400]", [math.inf, -math.inf]),
        (b'"\\ud83d"', "\ud83d"),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b"-9223372036854775809", -9223372036854775809),
        (b"\xef\xbb\xbf{}", {}),
        (b' {"a": 1, "a": 2}\r\n', {"a": 2}),
    ],
    ids=["Infinity", "-Infinity", "beyond floats", "surrogate", "big", "big negative", "byte order mark", "twice"],
)
def test_nonstandard_json_of_python_workers_is_read(body: bytes, value: Any) -> None:
    assert json.decode(body) == value


def test_not_a_number_is_read_as_nan() -> None:
    assert math.isnan(json.decode(b"[NaN]")[0])


def test_a_big_integer_stays_an_integer_among_other_things() -> None:
    decoded = json.decode(b'{"seed": 18446744073709551616, "loss": NaN}')
    assert decoded["seed"] == 2**64
    assert type(decoded["seed"]) is int


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b'{"output": [1, 2', "line 1, column 17"),
        (b'{"output"', "line 1, column 10"),
        (b"<html><title>502</title></html>", "Expecting value"),
        (b'"\xff"', "not UTF-8 (byte 1)"),
        (b"[1] [2]", "Extra data"),
        (b"{'a': 1}", "double quotes"),
        (b"[1,]", "line 1"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (b"[NaN, " + b"[" * 100_000 + b"]" * 100_001, "nested too deeply"),
        (b"1" + b"0" * 5_000, "digits"),
        ("[1]".encode("utf-16"), "not UTF-8"),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value[:12]),
)
def test_a_malformed_body_is_refused_with_a_short_reason(body: bytes, reason: str) -> None:
    with pytest.raises(json.MalformedJSON) as caught:
        json.decode(body)
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 100


def test_the_refusal_holds_nothing_of_the_body() -> None:
    with pytest.raises(json.MalformedJSON) as caught:
        json.decode(b'{"token": "s3cret"')
    assert "s3cret" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def _damaged(body: bytes, random: Random) -> bytes:
    place, end = sorted(random.choices(range(len(body) + 1), k=2))
    noise = random.choice([b"", b"\x00", b'"', b"\\", b"{", b"]", b",", b"\xff", b"\xed\xa0\x80", b"1e999", b"NaN"])
    return random.choice([body[:place], body[:place] + noise + body[place:], body[:place] + noise + body[end:]])


@pytest.mark.slow
@settings(max_examples=5 * settings().max_examples)
@given(WHAT_WORKERS_SEND, st.randoms(use_true_random=False))
def test_damaged_bodies_raise_only_malformed_json(value: Any, random: Random) -> None:
    whole = stdlib.dumps({"id": "job-1", "output": value}, ensure_ascii=random.random() < 0.5)
    for _ in range(20):
        body = _damaged(whole.encode("utf-8", "backslashreplace"), random)
        try:
            decoded = json.decode(body)
        except json.MalformedJSON:
            with pytest.raises((ValueError, RecursionError)):
                stdlib.loads(body.decode())  # nothing that can be read is refused
        else:
            assert repr(decoded) == repr(stdlib.loads(body))


@given(st.binary())
def test_noise_raises_only_malformed_json(body: bytes) -> None:
    try:
        decoded = json.decode(body)
    except json.MalformedJSON:
        return
    assert repr(decoded) == repr(stdlib.loads(body))


def _nested(levels: int) -> Any:
    value: Any = None
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [object(), "\ud800", {"\ud800": 1}, 10**5_000, _nested(100_000), {(1, 2): 3}],
    ids=["object", "surrogate", "key", "integer", "depth", "tuple key"],
)
def test_a_value_that_json_text_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(json.UnencodableJSON):
        json.encode(value)


def test_bodies_are_compact_and_utf_8() -> None:
    assert json.encode({"text": "Grüße", "n": [1, 2.5, None]}) == '{"text":"Grüße","n":[1,2.5,null]}'.encode()


@pytest.mark.parametrize(("body", "pauses"), [(b"[0" + b", {}" * 300_000 + b"]", True), (b"[{}]", False)])
@pytest.mark.parametrize("enabled", [True, False])
def test_no_garbage_is_collected_while_a_large_body_is_decoded(body: bytes, *, pauses: bool, enabled: bool) -> None:
    collections: list[str] = []

    def count(phase: str, _: object) -> None:
        collections.append(phase)

    gc.disable()
    if enabled:
        gc.enable()
    gc.callbacks.append(count)
    try:
        decoded = json.decode(body)
        assert gc.isenabled() == enabled
    finally:
        gc.callbacks.remove(count)
        gc.enable()
    assert len(collections) <= 2 or not pauses
    assert decoded[-1] == {}


def test_a_large_body_that_is_not_json_leaves_the_collector_on() -> None:
    with pytest.raises(json.MalformedJSON):
        json.decode(b"[" + b"1," * 600_000)
    assert gc.isenabled()
