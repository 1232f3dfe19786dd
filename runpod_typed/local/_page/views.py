"""The JSON that the page shows: the queue as a whole, and one job.

Values of users are sent as text: JavaScript would round large numbers, and reads neither NaN nor Infinity.
"""

import json
import math
from typing import Final

from runpod_typed.local._engine.records import ABSENT, JobRecord
from runpod_typed.local._json import encode
from runpod_typed.local._runtime import QueueRuntime

LISTED_JOBS: Final = 200
PREVIEW: Final = 120
PARTING_SECONDS: Final = 1.0  # the SDK logs the end of a job after the result was accepted


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
        "input": _json(submission.input),
        "webhook": submission.webhook,
        "executionTimeout": submission.execution_timeout,
        "ttl": submission.ttl,
        "lowPriority": submission.low_priority,
        "error": None if record.error is None else _text(record.error),
        "history": [
            {
                "at": _milliseconds(entry.at),
                "kind": entry.kind,
                "value": None if entry.value is None else _text(entry.value),
            }
            for entry in record.history
        ],
        "log": _show_log(runtime, record),
    }
    if record.output is not ABSENT:
        shown["progress" if record.has_progress else "output"] = _text(record.output)
    return shown


def _show_log(runtime: QueueRuntime, record: JobRecord) -> str:
    """Return what the job's worker wrote while it ran the job, without the SDK's lines about other jobs."""
    jobs, worker_id, start, end = runtime.engine.jobs, record.worker_id, record.started_at, math.inf
    if start is None:
        return ""
    if record.ended_at is not None:
        starts = [job.started_at or 0.0 for job in jobs.values() if job.worker_id == worker_id]
        end = min([record.ended_at + PARTING_SECONDS, *(at for at in starts if at >= record.ended_at)])
    shown: list[str] = []
    for line in list(runtime.log):
        subject = line.text.partition("| ")[2].partition(" | ")[0]  # LEVEL  | job id | message
        is_about_it = subject == record.id or (start <= line.at < end and subject not in jobs)
        if line.worker_id == worker_id and is_about_it:
            shown.append(line.text)
    return "".join(shown)


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


def _text(value: object) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _milliseconds(at: float | None) -> float | None:
    return None if at is None else round(1000 * at, 1)
