"""Every error that this library raises, in one tree.

::

    RunpodError
    ├── ConfigurationError (ValueError)      a key, id or option that cannot work; not sent
    │   └── JournalError                     the journal of a map cannot be used
    ├── InputError (ValueError)              does not fit its type, or is not JSON; not sent
    ├── APIError                             a call of the API failed
    │   ├── APIConnectionError               no complete response came
    │   │   ├── APITimeoutError (TimeoutError)
    │   │   └── CertificateError             the server's certificate cannot be verified
    │   ├── APIStatusError                   a response with an error status
    │   │   ├── BadRequestError              400
    │   │   ├── AuthenticationError          401
    │   │   ├── PermissionDeniedError        403
    │   │   ├── NotFoundError                404
    │   │   ├── ConflictError                409
    │   │   ├── PayloadTooLargeError         413, a 400 that says so, or found before sending
    │   │   ├── UnprocessableEntityError     422
    │   │   ├── RateLimitError               429
    │   │   └── ServerError                  5xx
    │   ├── APIResponseValidationError       a response that the specification does not allow
    │   └── SubmissionUncertainError         a job may or may not have been accepted
    ├── JobError                             the job has no result
    │   ├── JobFailedError
    │   ├── JobCancelledError
    │   ├── JobTimedOutError
    │   └── JobExpiredError                  the job or its result is gone
    ├── OutputError                          the result does not fit its type
    ├── WaitTimeoutError (TimeoutError)      the caller's limit ended; the job keeps running
    │   └── QueueTimeoutError                no worker took the job in time
    └── StreamInterruptedError               chunks may have been lost

All of them can be pickled. None holds an object of an HTTP library or the API key.
"""

# The messages are in _core/error_messages.py (the API's), _models/jobs.py (a job's) and _core/job_record.py (a wait's).

from __future__ import annotations

from runpod_typed._errors import (
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
    InputError,
    JournalError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    RunpodError,
    ServerError,
    StreamInterruptedError,
    SubmissionUncertainError,
    UnprocessableEntityError,
)
from runpod_typed._models.health import QueueTimeoutError, WaitTimeoutError
from runpod_typed._models.jobs import (
    JobCancelledError,
    JobError,
    JobExpiredError,
    JobFailedError,
    JobTimedOutError,
    OutputError,
)

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "CertificateError",
    "ConfigurationError",
    "ConflictError",
    "InputError",
    "JobCancelledError",
    "JobError",
    "JobExpiredError",
    "JobFailedError",
    "JobTimedOutError",
    "JournalError",
    "NotFoundError",
    "OutputError",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "QueueTimeoutError",
    "RateLimitError",
    "RunpodError",
    "ServerError",
    "StreamInterruptedError",
    "SubmissionUncertainError",
    "UnprocessableEntityError",
    "WaitTimeoutError",
]
