from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_typed import ConfigurationError, InputError, JobState, OutputError
from runpod_typed.webhooks import parse_webhook

# As it was captured.
CAPTURED = (
    b'{"delayTime":9533,"executionTime":88,"id":"abc-u1","input":{"x":1},"output":{"echo":{"x":1}},'
    b'"status":"COMPLETED","webhook":"https://hook.example"}'
)


@dataclass
class Echo:
    echo: dict[str, int]


class Halving:
    """A codec of a user's own."""

    def encode(self, value: float, /) -> Any:
        return value * 2

    def decode(self, data: Any, /) -> float:
        return float(data) / 2


@pytest.mark.parametrize("body", [CAPTURED, CAPTURED.decode(), b"\xef\xbb\xbf" + CAPTURED])
def test_a_webhook_tells_of_a_job(body: bytes | str) -> None:
    state = parse_webhook(body)
    assert (state.id, state.status, state.output) == ("abc-u1", "COMPLETED", {"echo": {"x": 1}})
    assert (state.delay_time_ms, state.execution_time_ms) == (9533, 88)
    assert state.raw["input"] == {"x": 1}
    assert state.raw["webhook"] == "https://hook.example"


def test_its_output_is_given_the_type_that_is_asked_for() -> None:
    state: JobState[Echo] = parse_webhook(CAPTURED, output_type=Echo)
    assert state.output == Echo({"x": 1})
    assert parse_webhook(b'{"id": "j", "status": "COMPLETED", "output": 5}', output_type=Halving()).output == 2.5


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED", "TIMED_OUT", "PAUSED"])
def test_a_job_without_a_result_is_told_of_too(status: str) -> None:
    body = json.dumps({"id": "j", "status": status, "output": "no echo", "error": "boom"})
    state = parse_webhook(body, output_type=Echo)
    assert (state.status, state.output, state.error) == (status, None, "boom")


def test_an_output_of_another_type_is_refused_with_the_place() -> None:
    with pytest.raises(OutputError, match="output of job abc-u1") as caught:
        parse_webhook(CAPTURED, output_type=list[int])
    assert caught.value.job_id == "abc-u1"


@pytest.mark.parametrize(
    "body", [b"", "", b"<html>", b"{", "\ud83d", b"\xff", b"[" * 100_000, '{"id": "j", "status": "FAILED"', "x=1"]
)
def test_what_is_no_json_is_refused(body: bytes | str) -> None:
    with pytest.raises(InputError, match="The webhook's body") as caught:
        parse_webhook(body)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("body", [b"null", b"[]", b"{}", b'{"id": 5, "status": "FAILED"}', b'{"id": "j"}', b'"j"'])
def test_json_that_tells_of_no_job_is_refused(body: bytes) -> None:
    with pytest.raises(InputError, match="The webhook's body tells of no job"):
        parse_webhook(body)


def test_a_type_that_nothing_can_handle_is_the_caller_s_mistake() -> None:
    no_type: Any = CAPTURED
    with pytest.raises(ConfigurationError):
        parse_webhook(CAPTURED, output_type=no_type)


@given(st.binary() | st.text() | st.text().map(lambda text: json.dumps({"id": text, "status": text})))
def test_whoever_posts_whatever_a_job_or_an_error_of_ours_comes_of_it(body: bytes | str) -> None:
    try:
        state = parse_webhook(body)
    except InputError:
        return
    assert state.id


@pytest.mark.parametrize("body", [{"id": "j", "status": "COMPLETED"}, None, 5, [CAPTURED]], ids=repr)
def test_a_body_that_somebody_has_decoded_already_is_refused_in_words(body: Any) -> None:
    with pytest.raises(InputError, match=rf"was {type(body).__name__}: pass it undecoded"):
        parse_webhook(body)
