"""A typed client for Runpod's queue-based serverless endpoints.

Example::

    from runpod_typed import Client

    with Client() as client:
        endpoint = client.endpoint("my-endpoint", output_type=str)
        print(endpoint.run_sync({"prompt": "Hello"}, timeout=60))
"""

import importlib as _importlib
import typing as _typing

from runpod_typed import _logging
from runpod_typed._version import __version__

if _typing.TYPE_CHECKING:
    from runpod_typed import errors
    from runpod_typed._async.batch_run import AsyncBatchRun
    from runpod_typed._async.batches import AsyncBatches
    from runpod_typed._async.client import AsyncClient
    from runpod_typed._async.endpoint import AsyncEndpoint
    from runpod_typed._async.job import AsyncJob
    from runpod_typed._bulk.as_completed import as_completed, async_as_completed
    from runpod_typed._bulk.async_map import AsyncJobMap
    from runpod_typed._bulk.journal import Journal
    from runpod_typed._bulk.map import JobMap
    from runpod_typed._codecs.codec import Codec
    from runpod_typed._models.batches import Batch, BatchResult, BatchStatus
    from runpod_typed._models.failure import JobFailure
    from runpod_typed._models.health import EndpointHealth, EndpointMetrics, JobCounts, PurgeResult, WorkerCounts
    from runpod_typed._models.hooks import Hooks, JobEnd, RequestInfo, ResponseInfo, RetryInfo
    from runpod_typed._models.jobs import JobEvent, JobState, JobStatus
    from runpod_typed._models.journal import JournalCounts, JournalEntry, JournalStatus
    from runpod_typed._models.map_results import MapProgress, MapResult, MapStats
    from runpod_typed._models.options import ExecutionPolicy, S3Config
    from runpod_typed._models.poll_policy import PollPolicy
    from runpod_typed._models.rate_limits import RateLimit, RateLimits
    from runpod_typed._models.retry_policy import FailedAttempt, OperationKind, RetryPolicy
    from runpod_typed._models.stream import StreamChunk
    from runpod_typed._sync.batch_run import BatchRun
    from runpod_typed._sync.batches import Batches
    from runpod_typed._sync.client import Client
    from runpod_typed._sync.endpoint import Endpoint
    from runpod_typed._sync.job import Job
    from runpod_typed.errors import (
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
        JobCancelledError,
        JobError,
        JobExpiredError,
        JobFailedError,
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
    )

_logging.configure_from_environment()

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncBatchRun",
    "AsyncBatches",
    "AsyncClient",
    "AsyncEndpoint",
    "AsyncJob",
    "AsyncJobMap",
    "AuthenticationError",
    "BadRequestError",
    "Batch",
    "BatchResult",
    "BatchRun",
    "BatchStatus",
    "Batches",
    "CertificateError",
    "Client",
    "Codec",
    "ConfigurationError",
    "ConflictError",
    "Endpoint",
    "EndpointHealth",
    "EndpointMetrics",
    "ExecutionPolicy",
    "FailedAttempt",
    "Hooks",
    "InputError",
    "Job",
    "JobCancelledError",
    "JobCounts",
    "JobEnd",
    "JobError",
    "JobEvent",
    "JobExpiredError",
    "JobFailedError",
    "JobFailure",
    "JobMap",
    "JobState",
    "JobStatus",
    "JobTimedOutError",
    "Journal",
    "JournalCounts",
    "JournalEntry",
    "JournalError",
    "JournalStatus",
    "MapProgress",
    "MapResult",
    "MapStats",
    "NotFoundError",
    "OperationKind",
    "OutputError",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "PollPolicy",
    "PurgeResult",
    "QueueTimeoutError",
    "RateLimit",
    "RateLimitError",
    "RateLimits",
    "RequestInfo",
    "ResponseInfo",
    "RetryInfo",
    "RetryPolicy",
    "RunpodError",
    "S3Config",
    "ServerError",
    "StreamChunk",
    "StreamInterruptedError",
    "SubmissionUncertainError",
    "UnprocessableEntityError",
    "WaitTimeoutError",
    "WorkerCounts",
    "__version__",
    "as_completed",
    "async_as_completed",
    "errors",
]

_PLACES = {
    "_async.batch_run": ("AsyncBatchRun",),
    "_async.batches": ("AsyncBatches",),
    "_async.client": ("AsyncClient",),
    "_async.endpoint": ("AsyncEndpoint",),
    "_async.job": ("AsyncJob",),
    "_bulk.as_completed": ("as_completed", "async_as_completed"),
    "_bulk.async_map": ("AsyncJobMap",),
    "_bulk.journal": ("Journal",),
    "_bulk.map": ("JobMap",),
    "_codecs.codec": ("Codec",),
    "_models.batches": ("Batch", "BatchResult", "BatchStatus"),
    "_models.failure": ("JobFailure",),
    "_models.health": ("EndpointHealth", "EndpointMetrics", "JobCounts", "PurgeResult", "WorkerCounts"),
    "_models.hooks": ("Hooks", "JobEnd", "RequestInfo", "ResponseInfo", "RetryInfo"),
    "_models.jobs": ("JobEvent", "JobState", "JobStatus"),
    "_models.journal": ("JournalCounts", "JournalEntry", "JournalStatus"),
    "_models.map_results": ("MapProgress", "MapResult", "MapStats"),
    "_models.options": ("ExecutionPolicy", "S3Config"),
    "_models.poll_policy": ("PollPolicy",),
    "_models.rate_limits": ("RateLimit", "RateLimits"),
    "_models.retry_policy": ("FailedAttempt", "OperationKind", "RetryPolicy"),
    "_models.stream": ("StreamChunk",),
    "_sync.batch_run": ("BatchRun",),
    "_sync.batches": ("Batches",),
    "_sync.client": ("Client",),
    "_sync.endpoint": ("Endpoint",),
    "_sync.job": ("Job",),
}
"""The modules of the public names, all but those of `errors`. They are imported when a name is first used."""

if not _typing.TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        place = next((place for place, names in _PLACES.items() if name in names), "errors")
        module = _importlib.import_module(f"{__name__}.{place}")
        value = globals()[name] = module if name == "errors" else getattr(module, name)
        return value

    def __dir__() -> list[str]:
        return __all__
