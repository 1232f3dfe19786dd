from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpod_typed._core.retries import (
    Failure,
    GiveUp,
    is_retryable,
    next_delay,
)
from runpod_typed._models.retry_policy import FailedAttempt, OperationKind, RetryPolicy
from runpod_typed.errors import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    RateLimitError,
    ServerError,
)

READ, DRAIN, CANCEL = OperationKind.READ, OperationKind.DRAIN, OperationKind.CANCEL
SUBMIT, REQUEUE, PURGE = OperationKind.SUBMIT, OperationKind.REQUEUE, OperationKind.PURGE

CALL: dict[str, Any] = {"operation": "get_status", "method": "GET", "url": "http://127.0.0.1/v2/e/status/j"}

NEVER_SENT = Failure(request_sent=False)
LOST = Failure(request_sent=True)
UNREADABLE = Failure(request_sent=True, status=200, unreadable=True)


def answered(status: int) -> Failure:
    return Failure(request_sent=True, status=status)


def lost() -> APIError:
    return APIConnectionError("reset", **CALL, request_sent=True)


def never_sent() -> APIError:
    return APIConnectionError("refused", **CALL, request_sent=False)


def status(code: int, retry_after: float | None = None) -> APIError:
    return APIStatusError("no", **CALL, status_code=code, retry_after=retry_after)


def step(
    error: APIError,
    kind: OperationKind = READ,
    policy: RetryPolicy | None = None,
    *,
    attempt: int = 1,
    elapsed: float = 0.1,
    remaining: float | None = None,
) -> float | GiveUp:
    return next_delay(
        policy or RetryPolicy(),
        kind,
        error,
        attempt=attempt,
        elapsed=elapsed,
        remaining=remaining,
        random=Random(7),
    )


def reason(result: object) -> str:
    assert isinstance(result, GiveUp)
    return result.reason


def delay(result: float | GiveUp) -> float:
    assert isinstance(result, float)
    return result


# The table


@pytest.mark.parametrize("kind", OperationKind)
@pytest.mark.parametrize("failure", [NEVER_SENT, answered(429)])
def test_all_kinds_are_retried_if_nothing_can_have_been_done(kind: OperationKind, failure: Failure) -> None:
    assert is_retryable(kind, failure, RetryPolicy())
    assert not failure.may_have_taken_effect


PASSING = [LOST, UNREADABLE, *(answered(code) for code in (408, 500, 502, 503, 504, *range(520, 531), 599))]


@pytest.mark.parametrize("failure", PASSING)
def test_a_transient_failure_is_retried_if_a_repeat_is_harmless(failure: Failure) -> None:
    policy, consent = RetryPolicy(), RetryPolicy(resubmit=True)
    assert failure.may_have_taken_effect
    assert [kind for kind in OperationKind if is_retryable(kind, failure, policy)] == [READ, DRAIN, CANCEL]
    assert [kind for kind in OperationKind if is_retryable(kind, failure, consent)] == [
        READ,
        DRAIN,
        CANCEL,
        SUBMIT,
        REQUEUE,
    ]


@pytest.mark.parametrize("kind", OperationKind)
@pytest.mark.parametrize("code", [301, 307, 308, 400, 401, 403, 404, 405, 413, 422, 451, 499])
def test_a_refusal_is_final_and_certain(kind: OperationKind, code: int) -> None:
    assert not is_retryable(kind, answered(code), RetryPolicy(resubmit=True))
    assert not answered(code).may_have_taken_effect
    assert not reason(step(status(code), kind))


def test_a_conflict_is_a_refusal_and_retried_for_submissions() -> None:
    assert [kind for kind in OperationKind if is_retryable(kind, answered(409), RetryPolicy())] == [SUBMIT]
    assert not answered(409).may_have_taken_effect


@pytest.mark.parametrize("code", [100, 200, 201, 204, 302, 303, 600, 999])
def test_an_unknown_response_is_final_and_uncertain(code: int) -> None:
    assert not is_retryable(READ, answered(code), RetryPolicy())
    assert answered(code).may_have_taken_effect


@settings(deadline=None)
@given(
    kind=st.sampled_from(OperationKind),
    failure=st.builds(
        Failure,
        request_sent=st.booleans(),
        status=st.none() | st.integers(100, 999),
        unreadable=st.booleans(),
        retry_after=st.none() | st.floats(0, 1e6),
    ),
    resubmit=st.booleans(),
)
def test_nothing_paid_for_is_repeated_without_consent(kind: OperationKind, failure: Failure, resubmit: bool) -> None:
    if is_retryable(kind, failure, RetryPolicy(resubmit=resubmit)) and failure.may_have_taken_effect:
        assert kind in {READ, DRAIN, CANCEL} or (resubmit and kind in {SUBMIT, REQUEUE})


def test_failures_are_read_from_errors() -> None:
    assert Failure.of(never_sent()) == NEVER_SENT
    assert Failure.of(APITimeoutError("slow", **CALL, request_sent=True)) == LOST
    assert Failure.of(RateLimitError("slow down", **CALL, status_code=429, retry_after=3.0)) == Failure(
        request_sent=True, status=429, retry_after=3.0
    )
    assert Failure.of(ServerError("down", **CALL, status_code=524)) == answered(524)
    page = APIResponseValidationError("?", **CALL, status_code=200, body="<html>", is_json=False)
    assert Failure.of(page) == UNREADABLE
    assert Failure.of(APIResponseValidationError("?", **CALL, status_code=200, body="JSON too")) == answered(200)
    too_large = APIResponseValidationError("?", **CALL, status_code=200, body=None, is_json=False)
    assert Failure.of(too_large) == answered(200)
    assert Failure.of(APIResponseValidationError("?", **CALL, status_code=200, body={"id": 7})) == answered(200)
    assert Failure.of(APIError("?", **CALL)) == LOST


# The next step


@settings(deadline=None)
@given(
    attempt=st.integers(1, 5000),
    elapsed=st.floats(0, 100),
    remaining=st.none() | st.floats(-5, 100),
    retry_after=st.none() | st.floats(0, 100),
    seed=st.integers(),
    attempts=st.integers(1, 5000),
    budget=st.floats(0.001, 1000) | st.just(math.inf),
)
def test_a_delay_ends_within_the_budget_and_the_callers_limit(
    *,
    attempt: int,
    elapsed: float,
    remaining: float | None,
    retry_after: float | None,
    seed: int,
    attempts: int,
    budget: float,
) -> None:
    policy = RetryPolicy(attempts=attempts, budget=budget)
    result = next_delay(
        policy,
        READ,
        status(503, retry_after),
        attempt=attempt,
        elapsed=elapsed,
        remaining=remaining,
        random=Random(seed),
    )
    if isinstance(result, float):
        assert attempt < attempts
        assert result >= (retry_after or 0.0)
        assert (retry_after or 0.0) <= policy.max_retry_after
        assert elapsed + result <= budget + 1e-9
        assert remaining is None or result <= remaining
    else:
        assert reason(result)


def test_delays_spread_up_to_a_bound_that_doubles_to_its_cap() -> None:
    policy = RetryPolicy(attempts=100, budget=math.inf)
    random = Random(1)
    for attempt, bound in [(1, 0.25), (2, 0.5), (3, 1.0), (6, 8.0), (7, 8.0), (90, 8.0)]:
        delays = [
            delay(next_delay(policy, READ, lost(), attempt=attempt, elapsed=1.0, remaining=None, random=random))
            for _ in range(400)
        ]
        assert 0 <= min(delays) < 0.05 * bound
        assert 0.95 * bound < max(delays) <= bound
        assert 0.4 * bound < sum(delays) / len(delays) < 0.6 * bound


def test_a_sleep_is_no_longer_than_the_attempt_after_it() -> None:
    policy = RetryPolicy(initial_backoff=8)
    assert all(delay(step(lost(), policy=policy, remaining=1.0)) <= 0.5 for _ in range(50))


def test_a_sleep_is_at_least_what_the_server_asks_for() -> None:
    assert 3.0 < delay(step(status(429, 3.0))) <= 3.25


def test_gives_up_when_retry_after_exceeds_limit() -> None:
    message = reason(step(status(429, 120.0)))
    assert "asks to wait 120 s" in message
    assert "max_retry_after is 30 s" in message


def test_gives_up_when_retry_after_exceeds_the_time_left() -> None:
    message = reason(step(status(503, 20.0), elapsed=15.0))
    assert "20 s" in message
    assert "15 s are left of the retry budget of 30 s" in message
    assert "2 s are left of the caller's time limit" in reason(step(status(503, 20.0), remaining=2.0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attempt": 4, "elapsed": 3.21}, "Gave up after 4 attempts in 3.21 s."),
        ({"elapsed": 30.0}, "Gave up after 1 attempt in 30 s: the retry budget of 30 s is over."),
        ({"remaining": 0.0}, "Gave up after 1 attempt in 0.1 s: the caller's time limit is over."),
        ({"policy": RetryPolicy.disabled()}, "Gave up after 1 attempt in 0.1 s."),
    ],
)
def test_gives_a_reason_for_giving_up(options: dict[str, Any], message: str) -> None:
    assert reason(step(lost(), **options)) == message


@pytest.mark.parametrize("kind", OperationKind)
def test_a_permanent_failure_is_not_retried(kind: OperationKind) -> None:
    assert not is_retryable(kind, Failure(request_sent=False, permanent=True), RetryPolicy())


def test_a_refusal_needs_no_reason() -> None:
    assert reason(step(status(404))) == ""


# Effects


@pytest.mark.parametrize("error", [lost(), status(500), status(408), status(524)])
def test_an_uncertain_submission_is_not_repeated(error: APIError) -> None:
    assert "paid" in reason(step(error, SUBMIT))


@pytest.mark.parametrize("error", [never_sent(), status(429), status(409)])
def test_a_submission_that_was_not_accepted_is_repeated(error: APIError) -> None:
    assert delay(step(error, SUBMIT)) >= 0
    assert reason(step(error, SUBMIT, attempt=4)).startswith("Gave up after 4 attempts")


def test_a_lost_requeue_names_the_status_of_the_job() -> None:
    assert "status" in reason(step(lost(), REQUEUE))
    assert delay(step(lost(), REQUEUE, RetryPolicy(resubmit=True))) >= 0


def test_a_lost_purge_names_the_jobs_queued_since() -> None:
    assert "queued since" in reason(step(lost(), PURGE, RetryPolicy(resubmit=True)))


# Custom decisions


def test_a_custom_decision_sees_the_attempt_and_may_say_no() -> None:
    seen: list[FailedAttempt] = []

    def decide(attempt: FailedAttempt) -> bool:
        seen.append(attempt)
        return False

    error = status(503, 2.0)
    assert reason(step(error, READ, RetryPolicy(decide=decide), attempt=2, elapsed=1.5)) == ""
    assert seen == [
        FailedAttempt(
            operation="get_status",
            kind=READ,
            attempt=2,
            elapsed=1.5,
            error=error,
            retry_after=2.0,
            may_have_taken_effect=True,
            retryable=True,
        )
    ]


def test_a_custom_decision_may_retry_a_refusal() -> None:
    policy = RetryPolicy(decide=lambda attempt: attempt.retryable or attempt.kind is READ)
    assert delay(step(status(404), READ, policy)) >= 0
    assert reason(step(status(404), CANCEL, policy)) == ""


@pytest.mark.parametrize("kind", [SUBMIT, REQUEUE, PURGE])
def test_a_custom_decision_does_not_pay_twice(kind: OperationKind) -> None:
    policy = RetryPolicy(decide=lambda _attempt: True)
    assert reason(step(lost(), kind, policy)).startswith("It was not repeated")
    assert delay(step(status(404), kind, policy)) >= 0


def test_a_custom_decision_is_held_to_attempts_and_budget() -> None:
    policy = RetryPolicy(decide=lambda _attempt: True, attempts=2)
    assert reason(step(lost(), READ, policy, attempt=2)).startswith("Gave up after 2 attempts")
    assert "is over" in reason(step(lost(), READ, policy, elapsed=31))
