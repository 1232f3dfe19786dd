# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

"""Contains all the data models used in inputs/outputs"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .batch import Batch
    from .batch_acknowledgement import BatchAcknowledgement
    from .batch_append import BatchAppend
    from .batch_list import BatchList
    from .batch_request import BatchRequest
    from .batch_request_page import BatchRequestPage
    from .batch_update import BatchUpdate
    from .endpoint_health import EndpointHealth
    from .endpoint_metrics import EndpointMetrics
    from .endpoint_requests import EndpointRequests
    from .error_body import ErrorBody
    from .error_object import ErrorObject
    from .execution_policy import ExecutionPolicy
    from .job import Job
    from .job_counts import JobCounts
    from .known_batch_request_status import KnownBatchRequestStatus
    from .known_batch_status import KnownBatchStatus
    from .known_job_status import KnownJobStatus
    from .model import Model
    from .model_list import ModelList
    from .purge_result import PurgeResult
    from .run_request import RunRequest
    from .s3_config import S3Config
    from .stream_answer import StreamAnswer
    from .stream_chunk import StreamChunk
    from .stream_chunk_metrics import StreamChunkMetrics
    from .worker_counts import WorkerCounts
    from .worker_error import WorkerError

__all__ = (
    "Batch",
    "BatchAcknowledgement",
    "BatchAppend",
    "BatchList",
    "BatchRequest",
    "BatchRequestPage",
    "BatchUpdate",
    "EndpointHealth",
    "EndpointMetrics",
    "EndpointRequests",
    "ErrorBody",
    "ErrorObject",
    "ExecutionPolicy",
    "Job",
    "JobCounts",
    "KnownBatchRequestStatus",
    "KnownBatchStatus",
    "KnownJobStatus",
    "Model",
    "ModelList",
    "PurgeResult",
    "RunRequest",
    "S3Config",
    "StreamAnswer",
    "StreamChunk",
    "StreamChunkMetrics",
    "WorkerCounts",
    "WorkerError",
)

_MODULES = {
    "Batch": "batch",
    "BatchAcknowledgement": "batch_acknowledgement",
    "BatchAppend": "batch_append",
    "BatchList": "batch_list",
    "BatchRequest": "batch_request",
    "BatchRequestPage": "batch_request_page",
    "BatchUpdate": "batch_update",
    "EndpointHealth": "endpoint_health",
    "EndpointMetrics": "endpoint_metrics",
    "EndpointRequests": "endpoint_requests",
    "ErrorBody": "error_body",
    "ErrorObject": "error_object",
    "ExecutionPolicy": "execution_policy",
    "Job": "job",
    "JobCounts": "job_counts",
    "KnownBatchRequestStatus": "known_batch_request_status",
    "KnownBatchStatus": "known_batch_status",
    "KnownJobStatus": "known_job_status",
    "Model": "model",
    "ModelList": "model_list",
    "PurgeResult": "purge_result",
    "RunRequest": "run_request",
    "S3Config": "s3_config",
    "StreamAnswer": "stream_answer",
    "StreamChunk": "stream_chunk",
    "StreamChunkMetrics": "stream_chunk_metrics",
    "WorkerCounts": "worker_counts",
    "WorkerError": "worker_error",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import the module of a model at its first use: each of them costs about a millisecond."""
        module = _MODULES.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        model = globals()[name] = getattr(import_module(f".{module}", __name__), name)
        return model

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
