"""Tell whether a change of a job happened although its response was lost."""

from __future__ import annotations

from typing import Any

from runpod_queue_api import wire

from runpod_typed._models.jobs import JobState, JobStatus


def was_cancelled(state: JobState[Any]) -> bool:
    """Tell whether a cancellation took effect."""
    return state.status is JobStatus.CANCELLED


def was_requeued(state: JobState[Any]) -> bool:
    """Tell whether a retry took effect."""
    return state.status not in wire.RETRYABLE_JOB_STATUSES
