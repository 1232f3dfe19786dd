"""A queue endpoint on your own machine: the contract of `https://api.runpod.ai/v2` from the other side of the wire.

::

    from runpod_typed.local import LocalQueue

    with LocalQueue(handler=lambda job: job["input"], endpoint_id="demo") as queue:
        ...  # talk to queue.base_url with queue.api_key

It needs the extra `local`: `pip install "runpod-typed[local]"`.
"""

try:
    import starlette as _starlette
    import uvicorn as _uvicorn
except ImportError as _error:
    raise ImportError('the local queue needs the extra "local": pip install "runpod-typed[local]"') from _error

from runpod_typed.local._engine.jobs import JobStatus
from runpod_typed.local._engine.statistics import QueueStats
from runpod_typed.local._faults import FaultKind, Faults
from runpod_typed.local._handlers import Handler, HandlerConfig, progress_update
from runpod_typed.local._limits import Limit
from runpod_typed.local.queue import LocalQueue

__all__ = [
    "FaultKind",
    "Faults",
    "Handler",
    "HandlerConfig",
    "JobStatus",
    "Limit",
    "LocalQueue",
    "QueueStats",
    "progress_update",
]

del _starlette, _uvicorn
