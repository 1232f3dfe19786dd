"""Short ways to call the engine."""

from typing import Any

from runpod_typed.local._engine.engine import Engine
from runpod_typed.local._engine.records import JobRecord, JobStatus, Result, Submission

DONE = Result(output="done")
FAILED = Result(error="went wrong")
SOME_INPUT = {"x": 1}


def submit(
    engine: Engine, now: float = 0.0, *, input: object = SOME_INPUT, sync: bool = False, **options: Any
) -> JobRecord:
    return engine.submit(Submission(input=input, **options), now, sync=sync)


def taken(engine: Engine, now: float = 1.0, *, worker: str = "w", **options: Any) -> JobRecord:
    """Submit a job that a worker takes."""
    record = submit(engine, **options)
    engine.take(worker, now)
    return record


def status(record: JobRecord) -> JobStatus:
    """The status now; a type checker would remember the attribute from the assertion before."""
    return record.status
