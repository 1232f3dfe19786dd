"""A queue endpoint on your own machine: the API of `https://api.runpod.ai/v2` from the other side of the wire.

```python
from runpod_typed.local import LocalQueue

with LocalQueue(handler=lambda job: job["input"], endpoint_id="demo") as queue:
    ...  # connect a client to queue.base_url with queue.api_key
```

It needs the extra `local` of this package.
"""

try:
    import starlette as _starlette
    import uvicorn as _uvicorn
except ImportError as _error:
    raise ImportError(
        "the local queue needs Starlette and uvicorn: python3 -m pip install starlette uvicorn"
    ) from _error

from runpod_typed.local._engine.counters import QueueStats
from runpod_typed.local._engine.records import Chunk, JobStatus, SubmittedJob
from runpod_typed.local._faults import FaultKind, Faults
from runpod_typed.local._server.rate_limits import Limit
from runpod_typed.local._workers.handler_config import Handler, HandlerConfig
from runpod_typed.local._workers.handler_worker import progress_update
from runpod_typed.local.queue import LocalQueue

__all__ = [
    "Chunk",
    "FaultKind",
    "Faults",
    "Handler",
    "HandlerConfig",
    "JobStatus",
    "Limit",
    "LocalQueue",
    "QueueStats",
    "SubmittedJob",
    "progress_update",
]

del _starlette, _uvicorn
