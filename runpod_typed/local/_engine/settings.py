"""The figures the engine goes by: lifetimes, limits and the rules for workers that vanish."""

from attrs import frozen
from runpod_queue_api import wire


@frozen(kw_only=True)
class EngineSettings:
    """How long things live, and how many there may be.

    Every duration is in seconds of the queue's clock. Those marked *scaled* are multiplied by `time_scale`: people wait
    for them. The others concern workers, whose heartbeats nobody can hurry.

    Attributes:
        time_scale: Factor for the scaled durations; 0.001 turns 30 minutes into 1.8 seconds.
        epoch: Wall-clock time (seconds since 1970) at the engine's time 0, for the few timestamps on the wire.
        run_retention: How long the result of a `/run` job is kept. Scaled.
        run_sync_retention: The same for `/runsync`. Scaled.
        ttl: Total lifetime of a job that asks for none. Scaled.
        execution_timeout: How long a job may run that asks for nothing else. Scaled.
        orphan_after: A job of which no sign was seen for so long (no report, no heartbeat that names it) has lost its
            worker. One capture of the real platform shows about 46 s.
        redispatches: How often an orphaned job is given to another worker before it fails.
        worker_silence: A worker that neither polls nor pings for so long is forgotten.
        webhook_attempts: Deliveries of one webhook, the first included.
        webhook_delay: Pause between them. Scaled.
        active_batches: Finalized batches with unfinished requests, at most.
        batch_requests: Requests in one batch, at most.
        queued_jobs: Waiting jobs beyond which no batch is finalized.
    """

    time_scale: float = 1.0
    epoch: float = 0.0
    run_retention: float = float(wire.RUN_RETENTION_SECONDS)
    run_sync_retention: float = float(wire.RUN_SYNC_RETENTION_SECONDS)
    ttl: float = wire.TTL_DEFAULT_MS / 1000
    execution_timeout: float = wire.EXECUTION_TIMEOUT_DEFAULT_MS / 1000
    orphan_after: float = 45.0
    redispatches: int = 1
    worker_silence: float = 60.0
    webhook_attempts: int = 3
    webhook_delay: float = 10.0
    active_batches: int = wire.BATCH_MAX_ACTIVE
    batch_requests: int = wire.BATCH_MAX_REQUESTS
    queued_jobs: int = wire.BATCH_MAX_QUEUED

    def scaled(self, seconds: float) -> float:
        """Seconds of the documents -> seconds of this queue's clock."""
        return seconds * self.time_scale
