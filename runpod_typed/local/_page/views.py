"""The JSON that the page shows: the queue as a whole, and one job."""

from typing import Final

from runpod_typed.local._engine.records import ABSENT, JobRecord
from runpod_typed.local._json import encode
from runpod_typed.local._runtime import QueueRuntime

LISTED_JOBS: Final = 200
PREVIEW: Final = 120


def show_queue(runtime: QueueRuntime) -> dict[str, object]:
    """Return the counts, the workers and the newest jobs."""
    engine = runtime.engine
    newest = list(reversed(engine.jobs.values()))[:LISTED_JOBS]
    return {
        "endpoint": runtime.endpoint_id,
        "paused": engine.paused,
        "skipped": round(runtime.skipped_seconds, 3),
        "total": len(engine.jobs),
        "counts": engine.counters.show(),
        "workers": [
            {"id": worker.id, "state": worker.state.value, "jobs": list(worker.jobs)}
            for worker in engine.workers.values()
        ],
        "jobs": [_show_row(record) for record in newest],
    }


def show_detail(runtime: QueueRuntime, record: JobRecord) -> dict[str, object]:
    """Return all that is known of a job."""
    submission = record.submission
    shown = _show_row(record) | {
        "input": submission.input,
        "webhook": submission.webhook,
        "executionTimeout": submission.execution_timeout,
        "ttl": submission.ttl,
        "lowPriority": submission.low_priority,
        "error": record.error,
        "history": [
            {"at": _milliseconds(entry.at), "kind": entry.kind, "value": entry.value} for entry in record.history
        ],
        "log": runtime.worker_output(record.worker_id),
    }
    if record.output is not ABSENT:
        shown["progress" if record.has_progress else "output"] = record.output
    return shown


def _show_row(record: JobRecord) -> dict[str, object]:
    return {
        "id": record.id,
        "status": record.status.value,
        "queuedAt": _milliseconds(record.queued_at),
        "startedAt": _milliseconds(record.started_at),
        "endedAt": _milliseconds(record.ended_at),
        "retries": record.retries,
        "worker": record.worker_id,
        "preview": encode(record.submission.input).decode()[:PREVIEW],
    }


def _milliseconds(at: float | None) -> float | None:
    return None if at is None else round(1000 * at, 1)
