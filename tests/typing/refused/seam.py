"""An operation of the seam whose reader reads another model."""

from runpod_queue_api.api.endpoint import get_health

from runpod_typed._core.operations import _operation  # E: pyright[reportPrivateUsage]
from runpod_typed._models.responses import read_job
from runpod_typed._models.retry_policy import OperationKind

_operation(get_health, OperationKind.READ, read_job)  # E: mypy[misc] pyright[reportArgumentType]
