"""Generated bodies, each through every parser: a value of the right type or an error of ours, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any, Final

import pytest
from hypothesis import settings

from runpod_typed import RunpodError, webhooks
from runpod_typed._codecs import json
from runpod_typed._core.retry_after import parse_retry_after
from runpod_typed.errors import APIResponseValidationError, APIStatusError
from tests.core.calls import GOOD, NOW, REQUESTS, answer, result
from tests.core.test_call import is_well_typed

pytestmark = [pytest.mark.slow, pytest.mark.deep]

BODIES: Final = 10 * settings().max_examples
STATUSES: Final = (200, 200, 200, 201, 400, 401, 404, 413, 429, 500, 524, 599, 302, 999)
TOKENS: Final = [
    b"null", b"true", b"0", b"-1", b"1e400", b"-1e-400", b"NaN", b"9" * 400, b"0.5", b'""', b'"x"', b'"\\ud800"',
    b'"\\u0000"', b"[]", b"{}", b"[[", b"]]", b"{", b"}", b'{"id":', b'"status"', b'"COMPLETED"', b'"FAILED"',
    b'"error"', b'"output"', b'"stream"', b'"id"', b'"jobs"', b'"workers"', b'"inQueue"', b":", b",", b"\xff", b"\x00",
    b"\xed\xa0\x80", b"[" * 2000, b'{"a":' * 2000, b"<html>", "\u2028\U0001f600".encode(), b"\\", b'"',
]  # fmt: skip
VALUES: Final[list[Any]] = [
    *(None, True, 0, -1, 7.5, 1e300, 10**30, "", "x", "IN_QUEUE", "FAILED", [], [None], {}, {"": {}}, [[[7]]]),
]
FAILED: Final = {
    "id": "job-1",
    "status": "FAILED",
    "error": '{"error_type": "<class \'ValueError\'>", "error_message": "no"}',
}
STARTS: Final = [
    *GOOD.values(),
    FAILED,
    {"id": "job-1", "status": "COMPLETED", "output": {"a": [1, 2.5, None, True, "x"]}, "delayTime": 12, "retries": 1},
    {"status": "COMPLETED", "stream": [{"output": {"a": 1}, "metrics": {"n": 2}}, {"output": None}]},
    {"requests": [{"id": "job-1", "status": "IN_PROGRESS"}], "error": {"message": "no"}},
]
NAMES: Final = sorted({name for start in STARTS for name in start} | {"executionTime", "workerId", "message", "detail"})


def generated(dice: Random) -> Iterator[bytes]:
    """Valid responses: every other one with a few values replaced, the others with a few bytes."""
    for number in range(BODIES):
        start = dice.choice(STARTS)
        times = dice.choice([1, 1, 2, 3, 8])
        if number % 2:
            yield json.encode(start | {dice.choice(NAMES): dice.choice(VALUES) for _ in range(times)})
        else:
            yield with_other_bytes(json.encode(start), times, dice)


def with_other_bytes(body: bytes, times: int, dice: Random) -> bytes:
    """The body with something put in, taken out, repeated or replaced, the given number of times."""
    for _ in range(times):
        start = dice.randint(0, len(body))
        end = min(len(body), start + dice.choice([0, 0, 1, 2, 5, 20]))
        middle = dice.choice([dice.choice(TOKENS), body[start:end] * 2, bytes([dice.randrange(256)]), b""])
        body = body[:start] + middle + body[end:]
    return body


def test_generated_bodies_give_values_or_our_errors() -> None:
    dice = Random(20_000)
    read = refused = 0
    for body in generated(dice):
        status = dice.choice(STATUSES)
        for name in REQUESTS:
            found = result(name, answer(body, status))
            if isinstance(found, Exception):
                assert isinstance(found, APIStatusError | APIResponseValidationError)
                refused += 1
            else:
                assert is_well_typed(found)
                read += 1
        parse_retry_after(dict.fromkeys(["retry-after", "ratelimit"], body.decode("latin-1")), wall_clock=NOW)
        with suppress(RunpodError):
            webhooks.parse_webhook(body)
    assert min(read, refused) > BODIES, "one of the two is hardly tried"
