from __future__ import annotations

import json
import math
import pickle
import sys
from collections.abc import Mapping
from itertools import cycle, product
from random import Random
from typing import Any, Final, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runpod_queue_api import wire

from runpod_typed import EndpointHealth, EndpointMetrics, JobState, JobStatus, PurgeResult, RetryPolicy
from runpod_typed._codecs.codec import UNTYPED, codec_for
from runpod_typed._core import operations
from runpod_typed._core.call import Call, RateLimitTimeoutError
from runpod_typed._core.config import DEFAULT_CALL_CONFIG, CallConfig
from runpod_typed._core.rate_limiter import TooLate
from runpod_typed._core.retries import Failure
from runpod_typed._core.run_request import RequestBuilder
from runpod_typed._models.responses import ReadOnlyJSON
from runpod_typed._models.stream import StreamPage
from runpod_typed._transport.messages import TransportFailure
from runpod_typed.errors import (
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    RateLimitError,
    RunpodError,
    ServerError,
    SubmissionUncertainError,
)
from tests.core.calls import CONNECTION, GOOD, KEY, NOW, REQUESTS, answer, call_of, error, result
from tests.secrecy import ACCESS_ID, ACCESS_SECRET, storage

# Hostile responses

SHOWN_AT_MOST: Final = 2_500  # a message: 200 characters of the body, each escaped in ten at most, and our own words

STATUSES: Final = st.sampled_from([200, 200, 200, 201, 204, 302, 400, 404, 429, 500, 524, 999]) | st.integers(100, 999)
HEADERS: Final = st.dictionaries(
    st.sampled_from(["x-request-id", "retry-after", "ratelimit", "date", "content-type"]),
    st.text(st.characters(max_codepoint=255), max_size=30),
    max_size=3,
)

_FIELDS: Final = st.sampled_from(
    [
        *("id", "status", "output", "error", "delayTime", "executionTime", "retries", "workerId", "input"),
        *("stream", "metrics", "jobs", "workers", "inQueue", "idle", "readyWorkers", "removed"),
        *("message", "detail", "title", "error_message", "error_type"),
    ]
)
_LEAVES: Final = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**20, -(10**400), 0])
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["COMPLETED", "FAILED", "IN_QUEUE", "PAUSED", "", "\ud83d", "5"])
)
HOSTILE_JSON: Final[st.SearchStrategy[Any]] = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_FIELDS | st.text(max_size=3), inner, max_size=6),
    max_leaves=12,
)
_CHUNKS: Final[st.SearchStrategy[Any]] = st.fixed_dictionaries(
    {"output": HOSTILE_JSON}, optional={"metrics": HOSTILE_JSON}
)
ALMOST: Final[st.SearchStrategy[Any]] = st.fixed_dictionaries(
    {},
    optional={
        "id": st.just("job-1") | HOSTILE_JSON,
        "status": st.sampled_from(["COMPLETED", "FAILED", "PAUSED"]) | HOSTILE_JSON,
        "output": HOSTILE_JSON,
        "error": HOSTILE_JSON,
        "stream": st.lists(_CHUNKS),
        "jobs": HOSTILE_JSON,
        "workers": HOSTILE_JSON,
        "removed": HOSTILE_JSON,
        "delayTime": HOSTILE_JSON,
        "retries": HOSTILE_JSON,
        "workerId": HOSTILE_JSON,
        "readyWorkers": HOSTILE_JSON,
    },
)
"""Responses of about the right shape: the wrong kind of value stands in one place or another."""


def written(value: object) -> bytes:
    """JSON as Python workers write it, with NaN and lone surrogates."""
    return json.dumps(value).encode()


def is_optional(value: object, kind: type) -> bool:
    return value is None or (isinstance(value, kind) and not isinstance(value, bool))


def is_well_typed(found: Any) -> bool:
    """Return whether a result is what its type says, to the last field."""
    kind: object = cast("object", type(found))
    if kind is JobState:
        return is_well_typed_job(found)
    if kind is StreamPage:
        metrics = [chunk.metrics for chunk in found.chunks]
        return is_optional(found.status, JobStatus) and all(is_optional(each, ReadOnlyJSON) for each in metrics)
    if kind is EndpointHealth:
        counts = [found.jobs.in_queue, found.jobs.completed, found.workers.idle, found.workers.unhealthy]
        return all(type(count) is int for count in counts)
    if kind is EndpointMetrics:
        return all(type(name) is str for name in found.ready_workers) and type(found.workers.idle) is int
    if kind is PurgeResult:
        return type(found.removed) is int and is_optional(found.status, str)
    return kind is ReadOnlyJSON


def is_well_typed_job(state: JobState[Any]) -> bool:
    """The same, for a job."""
    return (
        type(state.id) is str
        and state.id != ""
        and type(state.status) is JobStatus
        and is_optional(state.delay_time_ms, int)
        and is_optional(state.execution_time_ms, int)
        and type(state.retries) is int
        and is_optional(state.worker_id, str)
        and (state.output is None or state.status is JobStatus.COMPLETED)
        and type(state.raw) is ReadOnlyJSON
    )


def check(found: object, status: int, headers: Mapping[str, str]) -> None:
    """Check that a response became the result of its operation, or an error of ours that tells all that is known."""
    if not isinstance(found, Exception):
        assert is_well_typed(found)
        return
    assert isinstance(found, APIStatusError | APIResponseValidationError)
    assert isinstance(found, APIStatusError) is not (200 <= status < 300)
    assert found.status_code == status
    assert found.request_id == (headers.get("x-request-id") or None)
    assert str(status) in found.message
    assert len(found.message) < SHOWN_AT_MOST
    assert KEY not in found.message
    found.message.encode()
    assert type(pickle.loads(pickle.dumps(found))) is type(found)


def check_everywhere(body: bytes, status: int, headers: Mapping[str, str]) -> None:
    """The same, for every operation."""
    for name in REQUESTS:
        check(result(name, answer(body, status, headers)), status, headers)


@given(body=st.binary(max_size=300), status=STATUSES, headers=HEADERS)
def test_any_bytes_are_a_result_or_our_error(body: bytes, status: int, headers: dict[str, str]) -> None:
    check_everywhere(body, status, headers)


@settings(max_examples=3 * settings().max_examples)
@given(body=HOSTILE_JSON | ALMOST, status=STATUSES, headers=HEADERS)
def test_json_of_any_shape_is_a_result_or_our_error(body: object, status: int, headers: dict[str, str]) -> None:
    check_everywhere(written(body), status, headers)


@given(
    good=st.sampled_from(list(GOOD.values())).map(written), place=st.floats(0, 1), byte=st.none() | st.integers(0, 255)
)
def test_a_damaged_response_is_a_result_or_our_error(good: bytes, place: float, byte: int | None) -> None:
    start = int(place * (len(good) - 1))
    check_everywhere(good[:start] if byte is None else good[:start] + bytes([byte]) + good[start + 1 :], 200, {})


@pytest.mark.parametrize("status", [100, 204, 299, 300, 418, 499, 520, 530, 600, 999])
@pytest.mark.parametrize("body", [b"", b"null", b"{}", b"[]", b'""', b"0", b"NaN", b"\x00", b"<html></html>"])
def test_an_unknown_status_is_a_result_or_our_error(status: int, body: bytes) -> None:
    check_everywhere(body, status, {})


@pytest.mark.slow
@pytest.mark.parametrize(
    "opening", [b"[", b'{"error":', b'{"status":"FAILED","id":"j","error":', b'{"stream":[{"output":', b'{"jobs":{"a":']
)
def test_any_depth_of_nesting_is_a_result_or_our_error(opening: bytes) -> None:
    limit = sys.getrecursionlimit()
    around = range(limit - 150, limit + 10)  # one function can still be called at a depth, and the next one cannot
    variants = cycle(product(["get_status", "stream"], [200, 500], [False, True]))
    closing = b"]" if opening == b"[" else b"}"
    shallow = opening.count(b"{") + opening.count(b"[") - 1
    for depth, (name, status, closed) in zip((*around, limit // 2, 2 * limit, 100_000), variants, strict=False):
        inner = b"[" * (depth - shallow) + b"]" * (depth - shallow) + closing
        found = result(name, answer(opening + inner if closed else opening * depth, status))
        assert isinstance(found, APIStatusError | APIResponseValidationError) or is_well_typed(found)


@pytest.mark.parametrize("name", REQUESTS)
def test_nulls_everywhere_are_a_result_or_our_error(name: str) -> None:
    nulls = dict.fromkeys(["id", "status", "output", "error", "stream", "jobs", "workers", "removed", "readyWorkers"])
    for body in (nulls, {**GOOD[name], **dict.fromkeys(["output", "error", "delayTime", "stream"])}):
        check(result(name, answer(body)), 200, {})


def test_reads_what_python_workers_send_beyond_json() -> None:
    body = b'{"id": "job-1", "status": "COMPLETED", "output": [NaN, Infinity, 1e400, "\\ud83d", 123456789012345678901]}'
    nan, *rest = result("get_status", answer(body)).output
    assert math.isnan(nan)
    assert rest == [math.inf, math.inf, "\ud83d", 123456789012345678901]


# The time of an attempt


@pytest.mark.parametrize(
    ("timeout", "budget", "deadline", "now", "seconds"),
    [
        (30.0, 30.0, None, 0.0, 30.0),
        (30.0, 30.0, None, 25.0, 5.0),
        (10.0, 30.0, None, 5.0, 10.0),
        (30.0, 60.0, 12.0, 5.0, 7.0),
        (30.0, 60.0, 12.0, 12.0, 0.0),
        (30.0, 60.0, 12.0, 13.0, -1.0),
        (30.0, math.inf, None, 1e6, 30.0),
        (1e300, math.inf, None, 0.0, 604_800.0),
        (1e300, math.inf, 1e300, 0.0, 604_800.0),
    ],
)
def test_an_attempt_ends_with_timeout_budget_or_deadline(
    timeout: float, budget: float, deadline: float | None, now: float, seconds: float
) -> None:
    config = CallConfig(timeout=timeout, retry=RetryPolicy(budget=budget))
    assert call_of(REQUESTS["run"], config, deadline=deadline).begin(now).seconds == seconds


def test_the_budget_begins_with_the_first_attempt() -> None:
    waiting = Call(request=REQUESTS["run"], connection=CONNECTION, config=DEFAULT_CALL_CONFIG, deadline=None)
    assert waiting.begin(100.0).seconds == 30.0
    assert waiting.begin(110.0).seconds == 20.0


def test_a_large_upload_gets_more_time_up_to_the_deadline() -> None:
    body = RequestBuilder(codec_for(UNTYPED), typed=False).build({"text": "x" * 1_250_000})
    request = operations.submit("ep", body)
    assert 10.0 < call_of(request).begin(0.0).upload_seconds < 10.1
    assert call_of(request, deadline=90.0).begin(0.0).upload_seconds == 60.0
    assert call_of(REQUESTS["run"], deadline=90.0).begin(0.0).upload_seconds == 0.0


# After a failed attempt


def lost() -> APIError:
    failure = TransportFailure("ReadError: reset", request_sent=True)
    found: APIError = error("run", failure)
    return found


def next_of(name: str, failed: APIError, *, lost_before: bool = False, **options: Any) -> float | RunpodError:
    call = call_of(REQUESTS[name], DEFAULT_CALL_CONFIG.replace(retry=RetryPolicy(**options)))
    call.may_have_taken_effect = lost_before or Failure.of(failed).may_have_taken_effect
    return call.after_failure(failed, now=0.1, random=Random(7))


def raised_by(name: str, failed: APIError, *, lost_before: bool = False, **options: Any) -> RunpodError:
    step = next_of(name, failed, lost_before=lost_before, **options)
    assert isinstance(step, RunpodError)
    return step


def test_a_message_shortens_the_reason() -> None:
    assert len(error("run", TransportFailure("x" * 100_000, request_sent=True)).message) < 500


REFUSED: Final = TransportFailure("ConnectError: refused", request_sent=False)


def test_a_refused_or_unsent_submission_is_repeated() -> None:
    assert isinstance(next_of("run", error("run", REFUSED)), float)
    assert isinstance(next_of("run_sync", error("run_sync", answer(b"", 429))), float)
    assert isinstance(next_of("run", error("run", answer(b"", 409))), float)


@pytest.mark.parametrize("name", ["run", "run_sync"])
@pytest.mark.parametrize(
    "outcome",
    [
        TransportFailure("ReadError: reset", request_sent=True),
        TransportFailure("ReadTimeout", request_sent=True, timed_out=True),
        answer(b"", 502),
        answer(b"", 524),
        answer(b"<html>", 200),
        answer({"id": 5}, 200),
        answer(b"", 408),
    ],
    ids=repr,
)
def test_an_uncertain_submission_raises_and_explains(name: str, outcome: Any) -> None:
    cause = error(name, outcome)
    found = raised_by(name, cause)
    assert isinstance(found, SubmissionUncertainError)
    assert (found.endpoint_id, found.operation) == ("ep", name)
    assert found.__cause__ is cause
    assert str(cause) in found.message
    assert "A job for endpoint ep was sent and its fate is unknown" in found.message
    assert "RetryPolicy(resubmit=True)" in found.message


def test_resubmit_repeats_and_stays_uncertain() -> None:
    assert isinstance(next_of("run", lost(), resubmit=True), float)
    found = raised_by("run", lost(), resubmit=True, attempts=1)
    assert isinstance(found, SubmissionUncertainError)
    assert "All attempts were made, and each may have been accepted" in found.message
    assert "resubmit=True" not in found.message


@pytest.mark.parametrize("status", [400, 401, 404, 413, 429, 301])
def test_a_refusal_is_certain_unless_a_response_was_lost(status: int) -> None:
    refused = error("run", answer(b"", status))
    assert raised_by("run", refused, attempts=1) == refused
    assert isinstance(raised_by("run", refused, lost_before=True, attempts=1), SubmissionUncertainError)


@pytest.mark.parametrize("name", ["get_status", "get_health", "cancel", "stream"])
def test_other_operations_raise_the_last_error(name: str) -> None:
    failed = error(name, answer(b"", 503))
    assert isinstance(failed, ServerError)
    assert raised_by(name, failed, attempts=1) is failed
    assert failed.__notes__ == ["Gave up after 1 attempt in 0.1 s."]


def test_the_error_names_a_retry_after_that_is_too_long() -> None:
    failed = error("get_status", answer(b"", 429, {wire.RETRY_AFTER_HEADERS[0]: "3600"}))
    assert isinstance(raised_by("get_status", failed), RateLimitError)
    assert "asks to wait 3600 s" in "".join(failed.__notes__)


TOO_LATE: Final = TooLate(seconds=9.0, message="The next request is allowed in 9 s.")


@pytest.mark.parametrize("name", REQUESTS)
def test_a_permit_that_comes_too_late_is_a_timeout(name: str) -> None:
    late = call_of(REQUESTS[name]).too_late(TOO_LATE)
    assert isinstance(late, APITimeoutError)
    assert isinstance(late, TimeoutError)
    assert late.message == f"{name} was not sent. The next request is allowed in 9 s."
    assert not late.request_sent


@pytest.mark.parametrize(
    ("name", "raised"),
    [("run", SubmissionUncertainError), ("run_sync", SubmissionUncertainError), ("get_status", RateLimitTimeoutError)],
)
def test_a_permit_that_comes_too_late_does_not_hide_a_lost_job(name: str, raised: type[RunpodError]) -> None:
    call = call_of(REQUESTS[name])
    call.may_have_taken_effect = True
    assert type(call.too_late(TOO_LATE)) is raised


def test_a_date_in_retry_after_is_compared_with_the_clock() -> None:
    date = "Fri, 02 Jan 2026 03:04:15 GMT"
    found = call_of(REQUESTS["run"]).result(
        answer(b"", 429, {wire.RETRY_AFTER_HEADERS[0]: date}), seconds=5.0, wall_clock=NOW
    )
    assert isinstance(found, RateLimitError)
    assert found.retry_after == 10.0


# Interrupts


@pytest.mark.parametrize(("name", "what"), [("run", "submitted"), ("run_sync", "submitted"), ("retry", "queued again")])
def test_an_interrupt_names_the_job_that_was_queued(name: str, what: str) -> None:
    call = call_of(REQUESTS[name])
    assert call.interruption_note() is None
    call.result(answer(GOOD[name]), seconds=5.0, wall_clock=NOW)
    assert call.interruption_note() == f"job job-1 was {what} and keeps running; reconnect with endpoint.job('job-1')"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("run", "A job for endpoint ep may have been submitted and keep running"),
        ("retry", "Job job-1 of endpoint ep may have been queued again and keep running"),
    ],
)
def test_an_interrupt_says_that_a_job_may_have_been_queued(name: str, words: str) -> None:
    call = call_of(REQUESTS[name])
    call.in_flight = True
    note = call.interruption_note()
    assert note is not None
    assert words in note
    call.result(TransportFailure("ReadError", request_sent=True), seconds=5.0, wall_clock=NOW)
    assert call.interruption_note() == note


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("run", REFUSED),
        ("run", answer(b"", 429)),
        ("get_status", answer(GOOD["get_status"])),
        ("get_status", TransportFailure("ReadError", request_sent=True)),
    ],
)
def test_an_interrupt_has_no_note_without_a_job(name: str, outcome: Any) -> None:
    call = call_of(REQUESTS[name])
    call.in_flight = True
    call.result(outcome, seconds=5.0, wall_clock=NOW)
    assert call.interruption_note() is None


# The log


@pytest.mark.parametrize(
    ("name", "outcome", "line"),
    [
        ("run", answer(GOOD["run"]), "run POST /ep/run: 200 (job job-1)"),
        ("get_health", answer(b"", 502), "get_health GET /ep/health: 502"),
        ("get_status_sync", TransportFailure("?", request_sent=True, timed_out=True), "get_status_sync GET"),
        ("run", TransportFailure("x", request_sent=True), "run POST /ep/run: connection lost"),
        ("run", None, "run POST /ep/run: interrupted"),
        ("run", REFUSED, "run POST /ep/run: not connected"),
    ],
)
def test_a_log_line_names_operation_outcome_and_job(name: str, outcome: Any, line: str) -> None:
    call = call_of(REQUESTS[name])
    if outcome is not None:
        call.result(outcome, seconds=5.0, wall_clock=NOW)
    assert call.describe().startswith(line)
    assert "?" not in call.describe()


# A server that sends the key back


@pytest.mark.parametrize(
    "outcome",
    [
        answer(f"no such key: {KEY}".encode(), 401, {"X-Request-ID": KEY}),
        answer({"error": KEY}, 403),
        answer({"id": 5, "key": [KEY]}, 200),
        answer(f"<html>{KEY}".encode(), 200),
        TransportFailure(f"RemoteProtocolError: illegal header line: {KEY}", request_sent=True),
    ],
    ids=repr,
)
def test_no_error_shows_a_key_from_the_server(outcome: Any) -> None:
    found = error("get_status", outcome)
    assert KEY not in f"{found}{found!r}{vars(found)}"
    assert "***" in found.message


@pytest.mark.parametrize("length", range(165, 205))
def test_no_error_shows_the_beginning_of_a_key(length: int) -> None:
    around = "x" * length
    for outcome in (
        TransportFailure(f"{around}{KEY}", request_sent=True),
        answer(f"{around}{KEY}".encode(), 500),
        answer(b"nope", 200, {"Content-Encoding": f"{around}{KEY}"}),
    ):
        assert KEY[:5] not in str(error("get_status", outcome))


@pytest.mark.parametrize(
    "outcome",
    [
        answer({"error": f"cannot read accessId={ACCESS_ID}, accessSecret={ACCESS_SECRET}"}, 400),
        answer({"id": 5, "s3Config": {"accessSecret": ACCESS_SECRET}}, 200),
        answer(f"<html>{ACCESS_ID} {KEY}".encode(), 500, {"X-Echo": ACCESS_SECRET}),
        TransportFailure(f"RemoteProtocolError: illegal header line: {ACCESS_SECRET}", request_sent=True),
    ],
    ids=repr,
)
@pytest.mark.parametrize("long_poll_ms", [None, 5000])
def test_no_error_shows_storage_credentials(outcome: Any, long_poll_ms: int | None) -> None:
    body = RequestBuilder(codec_for(UNTYPED), typed=False).build({"n": 1}, s3_config=storage())
    call = call_of(operations.submit_and_wait("ep", body, long_poll_ms=long_poll_ms))
    found = call.result(outcome, seconds=5.0, wall_clock=NOW)
    assert isinstance(found, APIError)
    told = f"{found}{found!r}{vars(found)}"
    assert "***" in found.message
    assert not [secret for secret in (ACCESS_ID, ACCESS_SECRET, KEY) if secret in told]


def test_a_result_is_not_redacted() -> None:
    assert result("get_status", answer({"id": "job-1", "status": "COMPLETED", "output": KEY})).output == KEY


# What is held


@pytest.mark.parametrize(
    ("config", "deadline", "now", "long_poll_ms"),
    [
        (DEFAULT_CALL_CONFIG, None, 0.0, 5000),
        (DEFAULT_CALL_CONFIG, None, 26.0, 3000),  # after a pause that the server asked for
        (DEFAULT_CALL_CONFIG, 10.0, 7.0, 2000),  # after a wait for its turn
        (DEFAULT_CALL_CONFIG.replace(retry=RetryPolicy(budget=4)), None, 0.0, 3000),
        (DEFAULT_CALL_CONFIG.replace(timeout=2.5), None, 0.0, 1500),
    ],
)
@pytest.mark.parametrize("name", ["run_sync", "get_status_sync", "stream"])
def test_a_long_poll_is_shorter_than_its_attempt(
    name: str, config: CallConfig, deadline: float | None, now: float, long_poll_ms: int
) -> None:
    call = call_of(REQUESTS[name], config, deadline=deadline)
    call.begin(now)
    assert call.request.long_poll_ms == long_poll_ms
    assert f"wait={long_poll_ms}" in call.request.http.target


# Hooks


@pytest.mark.parametrize(
    ("operation", "method", "path", "job_id"),
    [("run", "POST", "ep/run", None), ("get_status_sync", "GET", "ep/status-sync/job-1", "job-1")],
)
def test_describes_attempt_for_hooks_without_its_query(
    operation: str, method: str, path: str, job_id: str | None
) -> None:
    call = Call(request=REQUESTS[operation], connection=CONNECTION, config=DEFAULT_CALL_CONFIG)
    info = call.describe_request()
    assert (info.operation, info.endpoint_id, info.job_id) == (operation, "ep", job_id)
    assert (info.method, info.url, info.attempt) == (method, f"http://127.0.0.1:8000/v2/{path}", 1)
    call.begin(1.0)
    assert call.describe_request().attempt == 2


def test_describes_response_for_hooks() -> None:
    call = call_of(REQUESTS["run"])
    info = call.describe_request()

    found = call.result(answer(GOOD["run"]), seconds=0.25, wall_clock=NOW)
    response = call.describe_response(info, found, 0.25)
    assert (response.request, response.job_id, response.status_code) == (info, "job-1", 200)
    assert (response.error, response.duration_ms) == (None, 250.0)

    refused = call.result(answer(b"busy", 503), seconds=0.25, wall_clock=NOW)
    response = call.describe_response(info, refused, 0.25)
    assert (response.job_id, response.status_code, response.error) == (None, 503, refused)

    broken = call.result(TransportFailure("ReadError: reset", request_sent=True), seconds=0.25, wall_clock=NOW)
    response = call.describe_response(info, broken, 0.25)
    assert (response.status_code, response.error) == (None, broken)
