"""The lifetimes and limits that the engine enforces."""

from attrs import frozen
from runpod_queue_api import wire


@frozen(kw_only=True)
class EngineSettings:
    """Lifetimes in seconds of the queue's clock, and limits.

    `scaled` applies `time_scale` to what people wait for. Rules about workers are not scaled: heartbeats come in real
    time.
    """

    time_scale: float = 1.0
    """0.001 turns 30 minutes into 1.8 seconds."""
    run_retention: float = float(wire.RUN_RETENTION_SECONDS)
    run_sync_retention: float = float(wire.RUN_SYNC_RETENTION_SECONDS)
    ttl: float = wire.TTL_DEFAULT_MS / 1000
    execution_timeout: float = wire.EXECUTION_TIMEOUT_DEFAULT_MS / 1000
    orphan_after: float = 45.0
    """A job without a report or heartbeat for this long has lost its worker (captured: about 46 s)."""
    redispatches: int = 1
    """The number of times that an orphaned job is given to another worker before it fails."""
    worker_silence: float = 60.0
    """A worker that neither polls nor pings for this long is forgotten."""
    active_batches: int = wire.BATCH_MAX_ACTIVE
    batch_requests: int = wire.BATCH_MAX_REQUESTS
    history: int = 0
    """The number of history entries that are kept for each job."""
    queued_jobs: int = wire.BATCH_MAX_QUEUED

    def scaled(self, seconds: float) -> float:
        """Convert documented seconds to seconds of this queue's clock."""
        return seconds * self.time_scale
