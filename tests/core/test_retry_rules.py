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
    GiveUpReason,
    Retry,
    is_retryable,
    may_have_taken_effect,
    next_step,
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
    previous: Retry | None = None,
) -> Retry | GiveUp:
    return next_step(
        policy or RetryPolicy(),
        kind,
        error,
        attempt=attempt,
        elapsed=elapsed,
        remaining=remaining,
        random=Random(7),
        previous=previous,
    )


def gave_up(result: Retry | GiveUp) -> GiveUp:
    assert isinstance(result, GiveUp)
    return result


def goes_on(result: Retry | GiveUp) -> Retry:
    assert isinstance(result, Retry)
    return result


# The table


@pytest.mark.parametrize("kind", OperationKind)
@pytest.mark.parametrize("failure", [NEVER_SENT, answered(429)])
def test_every_kind_is_repeated_when_nothing_can_have_been_done(kind: OperationKind, failure: Failure) -> None:
    assert is_retryable(kind, failure, RetryPolicy())
    assert not may_have_taken_effect(failure)


PASSING = [LOST, UNREADABLE, *(answered(code) for code in (408, 500, 502, 503, 504, *range(520, 531), 599))]


@pytest.mark.parametrize("failure", PASSING)
def test_a_passing_failure_is_repeated_where_a_repeat_does_no_harm(failure: Failure) -> None:
    policy, consent = RetryPolicy(), RetryPolicy(resubmit=True)
    assert may_have_taken_effect(failure)
    assert [kind for kind in OperationKind if is_retryable(kind, failure, policy)] == [READ, DRAIN, CANCEL]
    assert [kind for kind in OperationKind if is_retryable(kind, failure, consent)] == [
        READ,
        DRAIN,
        CANCEL,
        SUBMIT,
        REQUEUE,
    ]


@pytest.mark.parametrize("kind", OperationKind)
@pytest.mark.parametrize("code", [301, 307, 308, 400, 401, 403, 404, 405, 409, 413, 422, 451, 499])
def test_a_refusal_is_final_and_certain(kind: OperationKind, code: int) -> None:
    assert not is_retryable(kind, answered(code), RetryPolicy(resubmit=True))
    assert not may_have_taken_effect(answered(code))
    assert not gave_up(step(status(code), kind)).uncertain


@pytest.mark.parametrize("code", [100, 200, 201, 204, 302, 303, 600, 999])
def test_an_answer_that_says_nothing_known_is_final_and_not_certain(code: int) -> None:
    assert not is_retryable(READ, answered(code), RetryPolicy())
    assert gave_up(step(status(code), SUBMIT)).uncertain


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
def test_nothing_that_may_have_been_paid_for_is_repeated_without_consent(
    kind: OperationKind, failure: Failure, resubmit: bool
) -> None:
    if is_retryable(kind, failure, RetryPolicy(resubmit=resubmit)) and may_have_taken_effect(failure):
        assert kind in {READ, DRAIN, CANCEL} or (resubmit and kind in {SUBMIT, REQUEUE})


def test_errors_tell_the_rules_what_happened() -> None:
    assert Failure.of(never_sent()) == NEVER_SENT
    assert Failure.of(APITimeoutError("slow", **CALL, request_sent=True)) == LOST
    assert Failure.of(RateLimitError("slow down", **CALL, status_code=429, retry_after=3.0)) == Failure(
        request_sent=True, status=429, retry_after=3.0
    )
    assert Failure.of(ServerError("down", **CALL, status_code=524)) == answered(524)
    assert Failure.of(APIResponseValidationError("?", **CALL, status_code=200, body="<html>")) == UNREADABLE
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
    result = next_step(
        policy,
        READ,
        status(503, retry_after),
        attempt=attempt,
        elapsed=elapsed,
        remaining=remaining,
        random=Random(seed),
    )
    if isinstance(result, Retry):
        assert attempt < attempts
        assert result.delay >= (retry_after or 0.0)
        assert (retry_after or 0.0) <= policy.max_retry_after
        assert elapsed + result.delay <= budget + 1e-9
        assert remaining is None or result.delay <= remaining
    else:
        assert result.reason is not GiveUpReason.NOT_RETRYABLE
        assert result.message


def test_delays_are_spread_from_nothing_to_a_bound_that_doubles_up_to_its_cap() -> None:
    policy = RetryPolicy(attempts=100, budget=math.inf)
    random = Random(1)
    for attempt, bound in [(1, 0.25), (2, 0.5), (3, 1.0), (6, 8.0), (7, 8.0), (90, 8.0)]:
        delays = [
            goes_on(next_step(policy, READ, lost(), attempt=attempt, elapsed=1.0, remaining=None, random=random)).delay
            for _ in range(400)
        ]
        assert 0 <= min(delays) < 0.05 * bound
        assert 0.95 * bound < max(delays) <= bound
        assert 0.4 * bound < sum(delays) / len(delays) < 0.6 * bound


def test_no_longer_is_slept_than_is_left_for_the_attempt_itself() -> None:
    policy = RetryPolicy(initial_backoff=8)
    assert all(goes_on(step(lost(), policy=policy, remaining=1.0)).delay <= 0.5 for _ in range(50))


def test_a_wait_that_the_server_asks_for_is_kept_and_spread() -> None:
    delay = goes_on(step(status(429, 3.0))).delay
    assert 3.0 < delay <= 3.25


def test_a_server_that_asks_for_too_long_is_left_at_once_and_the_error_says_how_long_it_asked_for() -> None:
    result = gave_up(step(status(429, 120.0)))
    assert result.reason is GiveUpReason.SERVER_ASKED_FOR_TOO_LONG
    assert "120 s" in result.message
    assert "max_retry_after is 30 s" in result.message


def test_a_server_that_asks_for_more_than_what_is_left_is_left_at_once() -> None:
    result = gave_up(step(status(503, 20.0), elapsed=15.0))
    assert result.reason is GiveUpReason.SERVER_ASKED_FOR_TOO_LONG
    assert "20 s" in result.message
    assert "15 s are left of the retry budget of 30 s" in result.message

    result = gave_up(step(status(503, 20.0), remaining=2.0))
    assert result.reason is GiveUpReason.SERVER_ASKED_FOR_TOO_LONG
    assert "2 s are left of the caller's time limit" in result.message


def test_giving_up_says_why() -> None:
    spent = gave_up(step(lost(), attempt=4, elapsed=3.21))
    assert spent.reason is GiveUpReason.ATTEMPTS_SPENT
    assert spent.message == "Gave up after 4 attempts in 3.21 s."

    late = gave_up(step(lost(), elapsed=30.0))
    assert late.reason is GiveUpReason.BUDGET_SPENT
    assert late.message == "Gave up after 1 attempt in 30 s: the retry budget of 30 s has ended."

    limited = gave_up(step(lost(), remaining=0.0))
    assert limited.reason is GiveUpReason.DEADLINE
    assert "the caller's time limit has ended" in limited.message

    refused = gave_up(step(status(404)))
    assert refused.reason is GiveUpReason.NOT_RETRYABLE
    assert not refused.message


def test_no_retries_means_one_attempt_bounded_by_its_own_timeout() -> None:
    policy = RetryPolicy.disabled()
    assert policy.budget == math.inf
    assert gave_up(step(never_sent(), policy=policy)).reason is GiveUpReason.ATTEMPTS_SPENT


# What may have taken effect


@pytest.mark.parametrize("error", [lost(), status(500), status(408), status(524)])
def test_a_submission_whose_fate_is_unknown_is_not_repeated_and_reported(error: APIError) -> None:
    result = gave_up(step(error, SUBMIT))
    assert result.reason is GiveUpReason.NOT_REPEATABLE
    assert result.uncertain
    assert "paid" in result.message


@pytest.mark.parametrize("error", [never_sent(), status(429)])
def test_a_submission_that_cannot_have_been_accepted_is_repeated(error: APIError) -> None:
    assert not goes_on(step(error, SUBMIT)).may_have_taken_effect
    given_up = gave_up(step(error, SUBMIT, attempt=4))
    assert not given_up.uncertain


def test_a_submission_stays_uncertain_when_a_later_attempt_was_refused() -> None:
    policy = RetryPolicy(resubmit=True)
    first = goes_on(step(lost(), SUBMIT, policy))
    assert first.may_have_taken_effect
    second = goes_on(step(status(429), SUBMIT, policy, attempt=2, previous=first))
    assert second.may_have_taken_effect
    third = gave_up(step(status(401), SUBMIT, policy, attempt=3, previous=second))
    assert third.uncertain


def test_a_lost_cancel_is_repeated_and_remembered_so_that_a_refusal_can_be_understood() -> None:
    first = goes_on(step(lost(), CANCEL))
    refused = gave_up(step(status(404), CANCEL, attempt=2, previous=first))
    assert refused.may_have_taken_effect
    assert not refused.uncertain
    assert not gave_up(step(status(404), CANCEL)).may_have_taken_effect


def test_a_lost_stream_answer_is_asked_for_again_and_remembered_as_a_hole() -> None:
    assert goes_on(step(lost(), DRAIN)).may_have_taken_effect
    assert not goes_on(step(never_sent(), DRAIN)).may_have_taken_effect
    assert not goes_on(step(status(429), DRAIN)).may_have_taken_effect


def test_a_lost_requeue_points_at_the_job_and_a_lost_purge_at_what_was_queued_since() -> None:
    requeue = gave_up(step(lost(), REQUEUE))
    assert requeue.reason is GiveUpReason.NOT_REPEATABLE
    assert "status" in requeue.message
    goes_on(step(lost(), REQUEUE, RetryPolicy(resubmit=True)))

    purge = gave_up(step(lost(), PURGE, RetryPolicy(resubmit=True)))
    assert purge.reason is GiveUpReason.NOT_REPEATABLE
    assert "queued since" in purge.message


# The caller's own decision


def test_a_decision_of_the_callers_own_sees_the_attempt_and_may_narrow_the_rules() -> None:
    seen: list[FailedAttempt] = []

    def decide(attempt: FailedAttempt) -> bool:
        seen.append(attempt)
        return False

    error = status(503, 2.0)
    result = gave_up(step(error, READ, RetryPolicy(decide=decide), attempt=2, elapsed=1.5))
    assert result.reason is GiveUpReason.NOT_RETRYABLE
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


def test_a_decision_of_the_callers_own_may_widen_the_rules() -> None:
    policy = RetryPolicy(decide=lambda attempt: attempt.retryable or attempt.kind is READ)
    goes_on(step(status(404), READ, policy))
    gave_up(step(status(404), CANCEL, policy))


@pytest.mark.parametrize("kind", [SUBMIT, REQUEUE, PURGE])
def test_a_decision_of_the_callers_own_does_not_pay_twice(kind: OperationKind) -> None:
    policy = RetryPolicy(decide=lambda _attempt: True)
    assert gave_up(step(lost(), kind, policy)).reason is GiveUpReason.NOT_REPEATABLE
    goes_on(step(status(404), kind, policy))


def test_a_decision_of_the_callers_own_is_held_to_attempts_and_budget() -> None:
    policy = RetryPolicy(decide=lambda _attempt: True, attempts=2)
    assert gave_up(step(lost(), READ, policy, attempt=2)).reason is GiveUpReason.ATTEMPTS_SPENT
    assert gave_up(step(lost(), READ, policy, elapsed=31)).reason is GiveUpReason.BUDGET_SPENT
