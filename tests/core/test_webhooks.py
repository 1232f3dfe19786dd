from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_typed import ConfigurationError, InputError, JobFailedError, JobState, OutputError, RunpodError
from runpod_typed.webhooks import MAX_WEBHOOK_BYTES, parse_webhook, verify_secret

# As it was captured.
CAPTURED = (
    b'{"delayTime":9533,"executionTime":88,"id":"abc-u1","input":{"x":1},"output":{"echo":{"x":1}},'
    b'"status":"COMPLETED","webhook":"https://hook.example"}'
)


@dataclass
class Echo:
    echo: dict[str, int]


class Halving:
    """A custom codec."""

    def encode(self, value: float, /) -> Any:
        return value * 2

    def decode(self, data: Any, /) -> float:
        return float(data) / 2


@pytest.mark.parametrize(
    "body",
    [CAPTURED, CAPTURED.decode(), b"\xef\xbb\xbf" + CAPTURED, bytearray(CAPTURED), memoryview(CAPTURED)],
    ids=lambda body: type(body).__name__,
)
def test_a_webhook_describes_a_job(body: bytes | str) -> None:
    for state in (parse_webhook(body), parse_webhook(body, output_type=dict[str, dict[str, int]])):
        assert (state.id, state.status, state.output) == ("abc-u1", "COMPLETED", {"echo": {"x": 1}})
        assert (state.delay_time_ms, state.execution_time_ms) == (9533, 88)
        assert state.raw["input"] == {"x": 1}
        assert state.raw["webhook"] == "https://hook.example"


def test_memoryviews_of_any_layout_are_read() -> None:
    assert parse_webhook(memoryview(CAPTURED[::-1])[::-1]).id == "abc-u1"
    assert parse_webhook(memoryview(bytearray(b'{"id": "j", "status": "COMPLETED", "output": NaN}'))).id == "j"


def test_the_output_has_the_declared_type() -> None:
    state: JobState[Echo] = parse_webhook(CAPTURED, output_type=Echo)
    assert state.output == state.result() == Echo({"x": 1})
    assert parse_webhook(b'{"id": "j", "status": "COMPLETED", "output": 5}', output_codec=Halving()).output == 2.5


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED", "TIMED_OUT", "PAUSED"])
def test_jobs_without_a_result_are_described_too(status: str) -> None:
    body = json.dumps({"id": "j", "status": status, "output": "no echo", "error": "boom"})
    state = parse_webhook(body, output_type=Echo)
    assert (state.status, state.output, state.error) == (status, None, "boom")


def test_a_misfit_output_raises_only_when_it_is_read() -> None:
    state = parse_webhook(CAPTURED, output_type=list[int])
    assert (state.id, state.status, state.failure) == ("abc-u1", "COMPLETED", None)
    with pytest.raises(OutputError, match="output of job abc-u1") as caught:
        state.result()
    assert (caught.value.job_id, caught.value.state) == ("abc-u1", state)


def test_a_completed_job_with_an_error_raises_from_result() -> None:
    state = parse_webhook(b'{"id": "j", "status": "COMPLETED", "error": "upload failed"}')
    with pytest.raises(JobFailedError, match="upload failed"):
        state.result()


@pytest.mark.parametrize(
    "body", [b"", "", b"<html>", b"{", "\ud83d", b"\xff", b"[" * 100_000, '{"id": "j", "status": "FAILED"', "x=1"]
)
def test_bodies_that_are_not_json_are_refused(body: bytes | str) -> None:
    with pytest.raises(InputError, match="The webhook's body is not valid JSON") as caught:
        parse_webhook(body)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("body", [b"null", b"[]", b"{}", b'{"id": 5, "status": "FAILED"}', b'{"id": "j"}', b'"j"'])
def test_json_that_is_not_a_job_is_refused(body: bytes) -> None:
    with pytest.raises(InputError, match="The webhook's body does not describe a job"):
        parse_webhook(body)


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, bytes.decode], ids=lambda wrap: wrap.__name__)
def test_bodies_above_the_limit_are_refused(wrap: Callable[[bytes], Any]) -> None:
    body = CAPTURED.replace(b"abc", "ä".encode())
    assert parse_webhook(wrap(body), max_bytes=len(body)).id == "ä-u1"
    with pytest.raises(InputError, match=f"max_bytes= is {len(body) - 1}"):
        parse_webhook(wrap(body), max_bytes=len(body) - 1)


@pytest.mark.slow
def test_the_default_limit_is_what_the_platform_can_send() -> None:
    largest = 20 * 2**20
    body = b'{"id": "j", "status": "COMPLETED", "input": "%s", "output": "%s"}' % (b"x" * largest, b"y" * largest)
    assert len(body) <= MAX_WEBHOOK_BYTES
    assert parse_webhook(body).status == "COMPLETED"
    with pytest.raises(InputError, match="max_bytes="):
        parse_webhook(body + b" " * 2**21)


def test_unsupported_types_are_the_callers_mistake() -> None:
    no_type: Any = CAPTURED
    options: list[dict[str, Any]] = [
        {"output_type": no_type},
        {"output_type": int, "output_codec": Halving()},
        {"output_codec": int},
        {"output_type": Halving()},
    ]
    for each in options:
        with pytest.raises(ConfigurationError):
            parse_webhook(CAPTURED, **each)


parse: Callable[..., JobState[Any]] = parse_webhook
OPTIONS: list[dict[str, Any]] = [
    {},
    {"output_type": Echo},
    {"output_type": dict[str, int]},
    {"output_codec": Halving()},
]


@given(
    st.one_of(st.binary(), st.text(), st.text().map(lambda text: json.dumps({"id": text, "status": text})))
    | st.fixed_dictionaries(
        {
            "id": st.just("j"),
            "status": st.just("COMPLETED"),
            "output": st.floats() | st.text(st.characters()) | st.integers(),
            "error": st.none() | st.text() | st.lists(st.text()),
        }
    ).map(json.dumps),
    st.sampled_from(OPTIONS),
)
def test_any_body_gives_a_job_or_our_error(body: bytes | str, options: dict[str, Any]) -> None:
    try:
        state = parse(body, **options)
    except InputError:
        return
    assert state.id
    assert repr(state)
    error: RunpodError | None = None
    try:
        state.result()
    except RunpodError as raised:
        error = raised
    assert error is None or error.message.isprintable()


@pytest.mark.parametrize("body", [{"id": "j", "status": "COMPLETED"}, None, 5, [CAPTURED]], ids=repr)
def test_decoded_bodies_are_refused_with_a_hint(body: Any) -> None:
    with pytest.raises(InputError, match=rf"not {type(body).__name__}: pass it undecoded"):
        parse_webhook(body)


@pytest.mark.parametrize(
    ("received", "is_right"),
    [("s3cret", True), (b"s3cret", True), ("s3cre", False), ("", False), (None, False), ("\ud83d", False), (5, False)],
)
def test_secrets_are_compared(received: Any, *, is_right: bool) -> None:
    assert verify_secret(received, "s3cret") is is_right


def test_secrets_may_be_any_string() -> None:
    assert verify_secret("ключ", "ключ")
    assert not verify_secret("ключ", "key")


@pytest.mark.parametrize("expected", ["", None])
def test_an_empty_expected_secret_is_refused(expected: Any) -> None:
    with pytest.raises(ConfigurationError, match="not empty"):
        verify_secret("", expected)


@pytest.mark.parametrize("error", [None, ""])
def test_a_failed_job_says_the_error_of_its_output(error: str | None) -> None:
    body = {"id": "j", "status": "FAILED", "error": error, "output": {"error": {"message": "no GPU"}, "step": 3}}
    state = parse_webhook(json.dumps(body))
    assert state.failure is not None
    assert (state.failure.error_message, state.failure.output) == ("no GPU", body["output"])
    with pytest.raises(JobFailedError, match=r'no GPU.*"step":3'):
        state.result()


@pytest.mark.parametrize("limit", ["5", b"5", None, True, 0, -1, 1.5, math.nan, math.inf])
def test_a_bad_size_limit_is_refused(limit: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_bytes="):
        parse_webhook(b'{"id": "job-1", "status": "COMPLETED"}', max_bytes=limit)


@pytest.mark.parametrize("secret", ["", b"secret", None, 5])
def test_a_bad_expected_secret_is_refused(secret: Any) -> None:
    with pytest.raises(ConfigurationError, match="expected secret"):
        verify_secret("secret", secret)
