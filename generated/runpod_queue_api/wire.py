# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

"""The wire in figures: limits, caps, ranges, prefixes and patterns, as the specification states them.

Milliseconds where a name ends in `_MS`, seconds where it ends in `_SECONDS`, bytes where it speaks of a cap.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class OperationLimit(NamedTuple):
    """The published rate limit of an operation. Operations with the same `budget` share it."""

    budget: str
    """The name of the budget."""
    requests: int
    """How many requests may start in a window, per user and endpoint."""
    window_seconds: float
    """How long the window is."""
    concurrent: int | None
    """How many requests may be open at a time; None where no figure is published."""


SERVER_URL: Final[str] = "https://api.runpod.ai/v2"
"""Base URL of the service."""

ENDPOINT_ID_PATTERN: Final[str] = "^[A-Za-z0-9_-]+$"
"""What an endpoint id looks like."""

JOB_ID_PATTERN: Final[str] = "^[A-Za-z0-9_-]+$"
"""What a job id looks like."""

SYNC_JOB_ID_PREFIX: Final[str] = "sync-"
"""How the id of a job that was started by `run_sync` begins."""

WAIT_MIN_MS: Final[int] = 1000
"""The shortest hold that can be asked for."""

WAIT_MAX_MS: Final[int] = 300000
"""The longest hold that can be asked for."""

WAIT_DEFAULT_MS: Final[int] = 90000
"""The hold when none is asked for."""

STREAM_WAIT_DEFAULT_MS: Final[int] = 10000
"""The same, of `stream`."""

RUN_RETENTION_SECONDS: Final[int] = 1800
"""How long the result of a job of `run` can be read after it has finished."""

JOB_PROPAGATION_SECONDS: Final[int] = 30
"""How long after its submission a job may still be answered with 404."""

RUN_SYNC_RETENTION_SECONDS: Final[int] = 60
"""The same, of `run_sync`."""

EXECUTION_TIMEOUT_MIN_MS: Final[int] = 5000
"""The shortest bound on a job's running time."""

EXECUTION_TIMEOUT_MAX_MS: Final[int] = 604800000
"""The longest."""

EXECUTION_TIMEOUT_DEFAULT_MS: Final[int] = 600000
"""The bound when neither job nor endpoint sets one."""

TTL_MIN_MS: Final[int] = 10000
"""The shortest life of a job, from its submission on."""

TTL_MAX_MS: Final[int] = 604800000
"""The longest."""

TTL_DEFAULT_MS: Final[int] = 86400000
"""The life of a job that sets none."""

STREAM_CHUNK_CAP: Final[int] = 1048576
"""The largest chunk, in bytes."""

GENERATOR_ERROR_PREFIX: Final[str] = "handler: "
"""How the error of a generator handler that raised begins."""

GENERATOR_TRACEBACK_SEPARATOR: Final[str] = "\ntraceback: "
"""What stands between message and traceback there. The worker writes a space before it."""

PLATFORM_TIMEOUT_PATTERN: Final[str] = "^job timed out after \\d+ retries$"
"""The error of a job that no worker reported on in time; its status is FAILED."""

BATCH_MAX_REQUESTS: Final[int] = 5000
"""How many requests a batch holds at most."""

BATCH_MAX_ACTIVE: Final[int] = 10
"""How many active batches an endpoint holds at most."""

BATCH_MAX_QUEUED: Final[int] = 50000
"""How many queued batch requests an endpoint holds at most."""

OPENAI_BASE_PATH: Final[str] = "/{endpoint_id}/openai/v1"
"""What OpenAI clients are pointed at, below `SERVER_URL`."""

ENVELOPE_KEYS: Final[frozenset[str]] = frozenset(
    {"input", "policy", "s3Config", "webhook", "webhookV2"}
)
"""The keys of a request. The service discards every other."""

ENVELOPE_INPUT_KEY: Final[str] = "input"
"""The one that a request cannot do without."""

ERROR_MESSAGE_KEYS: Final[tuple[str, ...]] = ("error", "message", "detail", "title")
"""Where the message of an error body may stand, likeliest first."""

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
