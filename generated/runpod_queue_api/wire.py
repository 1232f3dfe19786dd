# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

"""The figures of the wire: limits, caps, ranges, prefixes and patterns, as the specification states them.

Milliseconds if a name ends in `_MS`, seconds if it ends in `_SECONDS`, bytes for a cap.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple


class OperationLimit(NamedTuple):
    """The published rate limit of an operation. Operations with the same `budget` share it."""

    budget: str
    """The name of the budget."""
    requests: int
    """The number of requests that may start in a window, per user and endpoint."""
    window_seconds: float
    """The length of the window."""
    concurrent: int | None
    """The number of requests that may be open at a time, or None if no figure is published."""


SPEC_VERSION: Final[str] = "2.1.0"
"""`version` of `#/info`."""

SERVER_URL: Final[str] = "https://api.runpod.ai/v2"
"""`url` of `#/servers/0`."""

OPENAI_BASE_PATH: Final[str] = "/{}/openai/v1"
"""`x-runpod-base-path` of `#/tags/2`."""

BATCH_MAX_ACTIVE: Final[int] = 10
"""`x-runpod-max-active-batches` of `#/tags/3`."""

BATCH_MAX_QUEUED: Final[int] = 50000
"""`x-runpod-max-queued-requests` of `#/tags/3`."""

REQUEST_ID_HEADERS: Final[tuple[str, ...]] = (
    "X-Request-ID",
    "X-Runpod-Request-ID",
    "CF-Ray",
    "traceparent",
)
"""`x-runpod-request-id-headers` of `#/`."""

RUN_RETENTION_SECONDS: Final[int] = 1800
"""`x-runpod-retention-seconds` of `#/paths/~1{endpoint_id}~1run/post`."""

JOB_PROPAGATION_SECONDS: Final[int] = 30
"""`x-runpod-propagation-seconds` of `#/paths/~1{endpoint_id}~1run/post`."""

RUN_MAX_BYTES: Final[int] = 10485760
"""`x-runpod-max-bytes` of `#/paths/~1{endpoint_id}~1run/post/requestBody`."""

RUN_SYNC_RETENTION_SECONDS: Final[int] = 60
"""`x-runpod-retention-seconds` of `#/paths/~1{endpoint_id}~1runsync/post`."""

SYNC_JOB_ID_PREFIX: Final[str] = "sync-"
"""`x-runpod-job-id-prefix` of `#/paths/~1{endpoint_id}~1runsync/post`."""

RUN_SYNC_MAX_BYTES: Final[int] = 20971520
"""`x-runpod-max-bytes` of `#/paths/~1{endpoint_id}~1runsync/post/requestBody`."""

BATCH_APPEND_MAX_BYTES: Final[int] = 10485760
"""`x-runpod-max-bytes` of `#/paths/~1{endpoint_id}~1batch~1{batch_id}~1requests/post/requestBody`."""

ENDPOINT_ID_PATTERN: Final[str] = "^[A-Za-z0-9_-]+$"
"""`pattern` of `#/components/parameters/EndpointId/schema`."""

JOB_ID_PATTERN: Final[str] = "^[A-Za-z0-9_-]+$"
"""`pattern` of `#/components/parameters/JobId/schema`."""

BATCH_ID_PATTERN: Final[str] = "^[A-Za-z0-9_-]+$"
"""`pattern` of `#/components/parameters/BatchId/schema`."""

BATCH_REQUEST_ID_PATTERN: Final[str] = "^[A-Za-z0-9_-]+$"
"""`pattern` of `#/components/parameters/BatchRequestId/schema`."""

WAIT_MIN_MS: Final[int] = 1000
"""`minimum` of `#/components/parameters/Wait/schema`."""

WAIT_MAX_MS: Final[int] = 300000
"""`maximum` of `#/components/parameters/Wait/schema`."""

WAIT_DEFAULT_MS: Final[int] = 90000
"""`x-runpod-default` of `#/components/parameters/Wait/schema`."""

STREAM_WAIT_MIN_MS: Final[int] = 1000
"""`minimum` of `#/components/parameters/StreamWait/schema`."""

STREAM_WAIT_MAX_MS: Final[int] = 300000
"""`maximum` of `#/components/parameters/StreamWait/schema`."""

STREAM_WAIT_DEFAULT_MS: Final[int] = 10000
"""`x-runpod-default` of `#/components/parameters/StreamWait/schema`."""

STATUS_TTL_UNIT: Final[Literal["milliseconds"]] = "milliseconds"
"""`x-runpod-unit` of `#/components/parameters/StatusTtl/schema`."""

PAGE_OFFSET_MIN: Final[int] = 0
"""`minimum` of `#/components/parameters/PageOffset/schema`."""

PAGE_LIMIT_MIN: Final[int] = 1
"""`minimum` of `#/components/parameters/PageLimit/schema`."""

RETRY_AFTER_HEADERS: Final[tuple[str, ...]] = ("retry-after",)
"""`name` of `#/components/headers/RetryAfter`."""

RATE_LIMIT_HEADERS: Final[tuple[str, ...]] = ("ratelimit",)
"""`name` of `#/components/headers/RateLimit`."""

ENVELOPE_KEYS: Final[frozenset[str]] = frozenset(
    ["input", "policy", "s3Config", "webhook", "webhookV2"]
)
"""`properties` of `#/components/schemas/RunRequest`."""

ENVELOPE_INPUT_KEY: Final[str] = "input"
"""`x-runpod-input-key` of `#/components/schemas/RunRequest`."""

POLICY_KEYS: Final[frozenset[str]] = frozenset(
    ["executionTimeout", "lowPriority", "ttl"]
)
"""`properties` of `#/components/schemas/ExecutionPolicy`."""

EXECUTION_TIMEOUT_MIN_MS: Final[int] = 5000
"""`minimum` of `#/components/schemas/ExecutionPolicy/properties/executionTimeout`."""

EXECUTION_TIMEOUT_MAX_MS: Final[int] = 604800000
"""`maximum` of `#/components/schemas/ExecutionPolicy/properties/executionTimeout`."""

EXECUTION_TIMEOUT_DEFAULT_MS: Final[int] = 600000
"""`x-runpod-default` of `#/components/schemas/ExecutionPolicy/properties/executionTimeout`."""

TTL_MIN_MS: Final[int] = 10000
"""`minimum` of `#/components/schemas/ExecutionPolicy/properties/ttl`."""

TTL_MAX_MS: Final[int] = 604800000
"""`maximum` of `#/components/schemas/ExecutionPolicy/properties/ttl`."""

TTL_DEFAULT_MS: Final[int] = 86400000
"""`x-runpod-default` of `#/components/schemas/ExecutionPolicy/properties/ttl`."""

S3_CONFIG_KEYS: Final[frozenset[str]] = frozenset(
    ["accessId", "accessSecret", "bucketName", "endpointUrl", "objectPath"]
)
"""`properties` of `#/components/schemas/S3Config`."""

RUNNING_JOB_STATUSES: Final[tuple[str, ...]] = ("IN_PROGRESS", "RUNNING")
"""`x-runpod-running` of `#/components/schemas/KnownJobStatus`."""

FINAL_JOB_STATUSES: Final[tuple[str, ...]] = (
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "TIMED_OUT",
)
"""`x-runpod-final` of `#/components/schemas/KnownJobStatus`."""

RETRYABLE_JOB_STATUSES: Final[tuple[str, ...]] = ("FAILED", "TIMED_OUT")
"""`x-runpod-retryable` of `#/components/schemas/KnownJobStatus`."""

JOB_OUTPUT_KEY: Final[str] = "output"
"""`x-runpod-output-key` of `#/components/schemas/Job`."""

JOB_ERROR_KEY: Final[str] = "error"
"""`x-runpod-error-key` of `#/components/schemas/Job`."""

DELAY_TIME_UNIT: Final[Literal["milliseconds"]] = "milliseconds"
"""`x-runpod-unit` of `#/components/schemas/Job/properties/delayTime`."""

EXECUTION_TIME_UNIT: Final[Literal["milliseconds"]] = "milliseconds"
"""`x-runpod-unit` of `#/components/schemas/Job/properties/executionTime`."""

GENERATOR_ERROR_PREFIX: Final[str] = "handler: "
"""`x-runpod-generator-error-prefix` of `#/components/schemas/Job/properties/error`."""

GENERATOR_TRACEBACK_SEPARATOR: Final[str] = "\ntraceback: "
"""`x-runpod-generator-traceback-separator` of `#/components/schemas/Job/properties/error`."""

PLATFORM_TIMEOUT_PATTERN: Final[str] = "^job timed out after \\d+ retries$"
"""`x-runpod-platform-timeout-pattern` of `#/components/schemas/Job/properties/error`."""

STREAM_CHUNKS_KEY: Final[str] = "stream"
"""`x-runpod-chunks-key` of `#/components/schemas/StreamAnswer`."""

STREAM_CHUNK_CAP: Final[int] = 1048576
"""`x-runpod-max-bytes` of `#/components/schemas/StreamChunk`."""

CHUNK_OUTPUT_KEY: Final[str] = "output"
"""`x-runpod-output-key` of `#/components/schemas/StreamChunk`."""

ERROR_MESSAGE_KEYS: Final[tuple[str, ...]] = ("error", "message", "detail", "title")
"""`x-runpod-message-keys` of `#/components/schemas/ErrorBody`."""

WORKER_ERROR_TYPE_KEY: Final[str] = "error_type"
"""`x-runpod-type-key` of `#/components/schemas/WorkerError`."""

FINAL_BATCH_STATUSES: Final[tuple[str, ...]] = ("FAILED", "CANCELLED")
"""`x-runpod-final` of `#/components/schemas/KnownBatchStatus`."""

BATCH_CREATED_UNIT: Final[Literal["epoch-milliseconds"]] = "epoch-milliseconds"
"""`x-runpod-unit` of `#/components/schemas/Batch/properties/createdAt`."""

BATCH_LIST_KEY: Final[str] = "batches"
"""`x-runpod-batches-key` of `#/components/schemas/BatchList`."""

BATCH_MAX_REQUESTS: Final[int] = 5000
"""`maxItems` of `#/components/schemas/BatchRequests`."""

BATCH_OUTPUT_KEY: Final[str] = "output"
"""`x-runpod-output-key` of `#/components/schemas/BatchRequest`."""

BATCH_REQUESTS_KEY: Final[str] = "requests"
"""`x-runpod-requests-key` of `#/components/schemas/BatchRequestPage`."""

API_KEY_HEADER: Final[str] = "Authorization"
"""The header that carries the API key."""

API_KEY_PREFIX: Final[str] = "Bearer "
"""What stands before the API key in its header."""

PAYLOAD_CAPS: Final[Mapping[str, int]] = MappingProxyType(
    {"append_batch_requests": 10485760, "run": 10485760, "run_sync": 20971520}
)
"""The largest request body in bytes, by operation; none is published for the others."""

OPERATION_LIMITS: Final[Mapping[str, OperationLimit]] = MappingProxyType(
    {
        "cancel": OperationLimit("cancel", 100, 10.0, 20),
        "get_requests": OperationLimit("requests", 10, 10.0, 2),
        "get_status": OperationLimit("status", 2000, 10.0, 400),
        "get_status_sync": OperationLimit("status", 2000, 10.0, 400),
        "list_models": OperationLimit("openai", 2000, 10.0, 400),
        "purge_queue": OperationLimit("purge_queue", 2, 10.0, None),
        "run": OperationLimit("run", 1000, 10.0, 200),
        "run_sync": OperationLimit("run_sync", 2000, 10.0, 400),
        "stream": OperationLimit("status", 2000, 10.0, 400),
    }
)
"""The published rate limits, by operation; none are published for the others."""

DEPRECATED_OPERATIONS: Final[frozenset[str]] = frozenset([])
"""Operations that will be removed."""

DEPRECATED_INPUTS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = MappingProxyType(
    {}
)
"""Parts of requests that will be removed, by operation: the keys that lead to each."""
