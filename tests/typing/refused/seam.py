"""An operation of the seam whose reader reads another model."""

from runpod_queue_api.api.endpoint import get_health

from runpod_typed._core.requests import describe
from runpod_typed._models.responses import read_job
from runpod_typed._models.retry_policy import OperationKind

describe(get_health, OperationKind.READ, read_job)  # E: mypy[misc] pyright[reportArgumentType]
