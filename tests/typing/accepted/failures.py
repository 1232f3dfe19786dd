"""Attributes of errors. Checked for its types, never run."""

from collections.abc import Mapping
from typing import Any, assert_type

import runpod_typed
from runpod_typed import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    CertificateError,
    ConfigurationError,
    ConflictError,
    EndpointHealth,
    InputError,
    Job,
    JobCancelledError,
    JobError,
    JobExpiredError,
    JobFailedError,
    JobState,
    JobTimedOutError,
    JournalError,
    NotFoundError,
    OutputError,
    PayloadTooLargeError,
    PermissionDeniedError,
    QueueTimeoutError,
    RateLimitError,
    RunpodError,
    ServerError,
    StreamInterruptedError,
    SubmissionUncertainError,
    UnprocessableEntityError,
    WaitTimeoutError,
    errors,
)


def every_error_is_found_in_both_places() -> None:
    same: type[JobFailedError] = errors.JobFailedError
    assert_type(same, type[JobFailedError])
    assert_type(runpod_typed.errors.RunpodError("why"), RunpodError)


def a_tree_stands_where_python_expects_it(
    configuration: ConfigurationError,
    journal: JournalError,
    wrong: InputError,
    late: APITimeoutError,
    waited: QueueTimeoutError,
) -> None:
    as_configuration: list[ConfigurationError] = [journal]
    assert_type(as_configuration, list[ConfigurationError])
    as_values: list[ValueError] = [configuration, wrong]
    as_timeouts: list[TimeoutError] = [late, waited]
    as_ours: list[RunpodError] = [configuration, wrong, late, waited]
    assert_type((as_values, as_timeouts, as_ours), tuple[list[ValueError], list[TimeoutError], list[RunpodError]])


def a_call_tells_what_was_asked(
    error: APIError, broken: APIConnectionError, certificate: CertificateError, odd: APIResponseValidationError
) -> None:
    assert_type((error.operation, error.method, error.url, error.message), tuple[str, str, str, str])
    assert_type(broken.request_sent, bool)
    assert_type(certificate.request_sent, bool)
    assert_type(odd.status_code, int)
    assert_type(odd.body, Any)
    assert_type(odd.is_json, bool)
    assert_type(odd.request_id, str | None)
    assert_type((error.endpoint_id, error.batch_id), tuple[str | None, str | None])


def an_answer_is_kept(error: APIStatusError) -> None:
    assert_type(error.status_code, int)
    assert_type(error.body, Any)
    assert_type(error.headers, Mapping[str, str])
    assert_type(error.request_id, str | None)
    assert_type(error.retry_after, float | None)


def each_status_has_its_class() -> None:
    by_status: dict[int, type[APIStatusError]] = {
        400: BadRequestError,
        401: AuthenticationError,
        403: PermissionDeniedError,
        404: NotFoundError,
        409: ConflictError,
        413: PayloadTooLargeError,
        422: UnprocessableEntityError,
        429: RateLimitError,
        500: ServerError,
    }
    assert_type(by_status[404], type[APIStatusError])


def a_job_says_how_it_ended(error: JobError, failed: JobFailedError) -> None:
    assert_type(error.job_id, str)
    assert_type(error.state, JobState[Any] | None)
    assert_type(failed.error_type, str | None)
    assert_type(failed.error_message, str | None)
    assert_type(failed.remote_traceback, str | None)
    assert_type(failed.worker_id, str | None)
    assert_type(failed.output, Any)
    assert_type((failed.logs, failed.event, failed.hook), tuple[str | None, str | None, str | None])
    others: list[type[JobError]] = [JobCancelledError, JobTimedOutError, JobExpiredError]
    assert_type(others, list[type[JobError]])


def types_name_what_did_not_fit(wrong: InputError, misfit: OutputError) -> None:
    assert_type(wrong.path, str)
    assert_type(misfit.path, str)
    assert_type(misfit.output, Any)
    assert_type(misfit.job_id, str | None)
    assert_type(misfit.state, JobState[Any] | None)


def what_is_unknown_is_named(uncertain: SubmissionUncertainError, interrupted: StreamInterruptedError) -> None:
    assert_type((uncertain.endpoint_id, uncertain.operation), tuple[str, str])
    api_error: APIError = uncertain
    assert_type(api_error.url, str)
    assert_type(interrupted.job_id, str)
    assert_type(interrupted.received, list[Any])
    assert_type(interrupted.gap, int)


def a_wait_can_go_on(job: Job[int]) -> int | None:
    try:
        return job.output(timeout=1, queue_timeout=0.5)
    except QueueTimeoutError as error:
        assert_type(error.health, EndpointHealth | None)
        return None
    except WaitTimeoutError as error:
        assert_type(error.job, Any)
        return job.output()
