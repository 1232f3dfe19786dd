"""An output is decoded from its text directly into its type, with the same result as from plain JSON."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpod_typed._codecs import json
from runpod_typed._codecs.codec import UNTYPED, Codec, codec_for
from runpod_typed._models.jobs import output_of, with_typed_output
from runpod_typed._models.responses import ValidationError, decode_job, read_job
from runpod_typed.errors import OutputError
from tests.core.calls import copies
from tests.core.codec_samples import (
    Album,
    Box,
    Cat,
    Celsius,
    Checked,
    Coordinate,
    Dog,
    Guarded,
    Holder,
    Image,
    Limited,
    Options,
    Quality,
    Reply,
    Request,
    Sampling,
    Tidied,
    Tree,
    as_output,
)

TYPES: list[object] = [
    *(Request, Sampling, Options, Coordinate, Cat | Dog, Tree[int], Guarded, list[Box], dict[str, Box], dict[int, str]),
    *(Image, Album, Tidied, Box | Reply, Limited, Checked, Holder, list[Image], dict[str, Image]),
    *(None, bool, int, float, str, bytes, object, list[Any], dict[str, Any], dict[float, int], Quality, int | None),
    *(datetime, date, timedelta, UUID, set[int], tuple[int, ...], tuple[int, str], frozenset[str], Literal["a", 1]),
    *(float | str, list[float], dict[str, float | None], Celsius(), UNTYPED),
]

# JSON as workers write it, and as they should not.
SCALARS = [
    *("0", "-0", "5.0", "1e2", "1E400", "-1e-400", "0.1", "0.10000000000000000001", str(2**63), str(-(2**70))),
    *("null", "true", "NaN", "-Infinity", "01", "1.", "tru", "[1,]", '{"x":}'),
    *('""', '"a"', '"1"', '"1.5"', '"21C"', '"Cat"', '"low"', '"AAEC"', '"2026-01-02"', '"2026-01-02T00:00:00Z"'),
    *('"PT1S"', '"ä"', '"\\u00e4"', '"\\ud83d\\ude00"', '"\\ud800"', '"\\q"', '"\n"', '"', "[" * 2000 + "]" * 2000),
]
KEYS = ["prompt", "size", "width", "url", "taken", "text", "number", "steps", "type", "images", "lives", "1", "x"]


def _array(items: list[str]) -> str:
    return f"[{', '.join(items)}]"


def _object(fields: list[tuple[str, str]]) -> str:
    members = (f'"{key}": {value}' for key, value in fields)  # keys may come twice
    return f"{{{', '.join(members)}}}"


TEXTS: st.SearchStrategy[str] = st.recursive(
    st.sampled_from(SCALARS) | st.integers(-2, 15).map(str),
    lambda inner: (
        st.lists(inner, max_size=3).map(_array)
        | st.lists(st.tuples(st.sampled_from(KEYS), inner), max_size=4).map(_object)
    ),
    max_leaves=8,
)


def _answer(output: str) -> bytes:
    return f'{{"delayTime": 1, "id": "job-1", "output": {output}, "status": "COMPLETED"}}'.encode()


def _outcome(type_form: object, data: Any) -> str:
    """The value or the error that comes of an output."""
    try:
        return repr(as_output(type_form, data, job_id="job-1"))
    except OutputError as error:
        said = error.message.partition(" It begins: ")[0]  # the text has its own spacing
        return f"{error.path}: {said} {error.output!r}"


@pytest.mark.slow
@settings(max_examples=20 * settings().max_examples)
@given(st.sampled_from(TYPES), TEXTS)
def test_text_and_plain_json_give_the_same_output(type_form: object, output: str) -> None:
    body = _answer(output)
    try:
        state = read_job(decode_job(body))
    except json.MalformedJSON:
        return
    if not isinstance(output_of(state).data, json.JSONText):
        return
    assert _outcome(type_form, output_of(state)) == _outcome(type_form, read_job(json.decode(body)).output)


@settings(max_examples=10 * settings().max_examples)
@given(TEXTS, st.randoms(use_true_random=False))
def test_damaged_bodies_are_decoded_whole(output: str, random: Random) -> None:
    body = _answer(output)
    place = random.randrange(len(body))
    noise = random.choice([b"", b"\xff", b"\xed\xa0\x80", b'"', b"\\", b"{", b"]", b"NaN", b"\x00"])
    damaged = body[:place] + noise + body[place + random.randrange(2) :]
    outcomes = {_state_or_error(decode_job, damaged), _state_or_error(json.decode, damaged)}
    # Of a body that is nested too deeply and malformed, the decoders may say either, by the depth of the stack.
    too_deep = any("nested too deeply" in outcome for outcome in outcomes)
    assert len(outcomes) == 1 or (too_deep and all(outcome.startswith("MalformedJSON(") for outcome in outcomes))


def _state_or_error(decode: Callable[[bytes], Any], body: bytes) -> str:
    try:
        return repr(read_job(decode(body)))
    except (json.MalformedJSON, ValidationError) as error:
        return repr(error)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"id": "job-1", "status": "COMPLETED"}',
        _answer("NaN"),
        _answer('"\\ud800"'),
        b"\xef\xbb\xbf" + _answer("1"),
    ],
    ids=lambda body: repr(body[:70]),
)
def test_other_bodies_are_decoded_whole(body: bytes) -> None:
    assert repr(decode_job(body)) == repr(json.decode(body))


@pytest.mark.parametrize(
    "body", [b"", _answer('"x"').replace(b"x", b"\xff"), _answer("[" * 100_000 + "]" * 100_000)], ids=len
)
def test_refuses_what_is_not_json(body: bytes) -> None:
    with pytest.raises(json.MalformedJSON):
        decode_job(body)


def test_progress_is_plain_json() -> None:
    state = read_job(decode_job(b'{"id": "job-1", "status": "IN_PROGRESS", "output": {"percent": 50}}'))
    assert (state.progress, state.output) == ({"percent": 50}, None)


@pytest.mark.parametrize("output", ["null", "5", '{"a": [1, 2.5, "x"]}', '"text"'])
def test_states_hide_that_an_output_was_left_as_text(output: str) -> None:
    body = _answer(output)
    plain = read_job(json.decode(body))
    state = read_job(decode_job(body))
    assert state == plain
    assert hash(state) == hash(plain)
    assert repr(state) == repr(plain)
    assert (state.output, state.raw, state.to_dict()) == (plain.output, plain.raw, plain.to_dict())
    assert repr(state.raw) == repr(plain.raw)
    assert list(state.raw) == list(plain.raw)
    assert [copy.raw for copy in copies(state)] == [plain.raw for _ in copies(plain)]
    assert pickle.loads(pickle.dumps(state)) == plain
    assert with_typed_output(state, codec_for(UNTYPED)) == plain


def test_decimals_keep_their_digits() -> None:
    state = read_job(decode_job(_answer("0.10000000000000000001")))
    assert with_typed_output(state, codec_for(Decimal)).output == Decimal("0.10000000000000000001")


def test_custom_codecs_get_plain_json() -> None:
    class AsItIs:
        def encode(self, value: object) -> Any:
            return value

        def decode(self, data: Any) -> object:
            return data

        def decode_text(self, text: Any) -> object:
            raise AssertionError

    codec: Codec[object] = codec_for(AsItIs())
    state = read_job(decode_job(_answer("[1, 2]")))
    assert with_typed_output(state, codec).output == [1, 2]


def test_undecodable_integers_are_in_the_error_as_text() -> None:
    digits = "9" * 5000
    state = read_job(decode_job(_answer(f"[{digits}]")))
    for typed in (state, with_typed_output(state, codec_for(list[int]))):
        with pytest.raises(OutputError, match="job job-1 cannot be decoded: an integer of more digits") as caught:
            typed.result()
        assert caught.value.output == state.raw["output"] == f"[{digits}]"
        assert (typed.succeeded, typed.failure) == (True, None)
        assert pickle.loads(pickle.dumps(typed)) == typed
