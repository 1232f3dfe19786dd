# Written by `nox -s generate` from spec/openapi.yaml. Do not edit: edit the specification.

"""Contains all the data models used in inputs/outputs"""

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
