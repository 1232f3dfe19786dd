"""The last known state of a job, and the errors that follow from it."""

from __future__ import annotations

from types import TracebackType
from typing import Any, NamedTuple, final

from attrs import define, evolve, field
from runpod_queue_api import wire

from runpod_typed._codecs.codec import Codec
from runpod_typed._core.schedule import Limit, PollSchedule
from runpod_typed._models.health import EndpointHealth, explain_waiting
from runpod_typed._models.jobs import JobState, JobStatus
from runpod_typed.errors import (
    JobError,
    JobExpiredError,
    NotFoundError,
    OutputError,
    QueueTimeoutError,
    RunpodError,
    StreamInterruptedError,
    WaitTimeoutError,
)

_POSSIBLY_GONE = (
    "It may have been purged, its ttl may be over, or its result may no longer be kept "
    f"({wire.RUN_RETENTION_SECONDS // 60} minutes after run, {wire.RUN_SYNC_RETENTION_SECONDS} seconds after run_sync)."
)


class JobAddress(NamedTuple):
    """The ids that name a job."""

    endpoint_id: str
    job_id: str


class JobCodecs(NamedTuple):
    """The codecs of a job's output and of its chunks."""

    output: Codec[Any]
    chunk: Codec[Any]


@final
@define
class JobRecord:
    """The address of a job and its last known state."""

    address: JobAddress
    seen: JobState[Any] | None = None
    """The last state, its output as it came; None before the first one."""
    from_start: bool = False
    """True if this handle has known the job since before a worker had it, so that no other reader took chunks."""
    retries: int = field(default=0, init=False)
    """The number of times that the job is known to have been queued again."""
    _streamed: JobStatus | None = field(default=None, init=False)
    _doubtful: bool = field(default=False, init=False)

    @property
    def status(self) -> JobStatus | None:
        """The last known status, from a state or a stream."""
        return self._streamed if self.seen is None else self.seen.status

    @property
    def finished(self) -> bool:
        """True if the job was seen finished, and cannot have been queued again since."""
        return self.seen is not None and self.seen.status.is_terminal and not self._doubtful

    @property
    def may_reappear(self) -> bool:
        """True if a 404 may pass: the job was last seen unfinished."""
        return self.status is not None and not self.status.is_terminal

    @property
    def queued(self) -> bool:
        """True if the job was last seen waiting for a worker."""
        return self.status is JobStatus.IN_QUEUE

    def update(self, state: JobState[Any]) -> None:
        """Remember a response."""
        self.seen, self._doubtful = state, False
        self.retries = max(self.retries, state.retries)
        self.from_start = self.from_start or not state.started

    def doubt(self) -> None:
        """Poll again although the job has failed: an attempt to queue it again may have taken effect."""
        self._doubtful = self.status in wire.RETRYABLE_JOB_STATUSES

    def note(self, status: JobStatus) -> None:
        """Remember the status that a stream has told. An end counts only with the whole state."""
        if self.finished or status.is_terminal:
            return
        self._streamed = status
        self.from_start = self.from_start or status is JobStatus.IN_QUEUE
        if self.seen is not None:
            self.seen = evolve(self.seen, status=status)

    def __str__(self) -> str:
        return f"Job {self.address.job_id} of endpoint {self.address.endpoint_id}"


def was_cancelled(state: JobState[Any]) -> bool:
    """Tell whether a cancellation took effect."""
    return state.status is JobStatus.CANCELLED


def was_requeued(state: JobState[Any]) -> bool:
    """Tell whether a retry took effect."""
    return state.status not in wire.RETRYABLE_JOB_STATUSES


def expired_error(record: JobRecord) -> JobExpiredError:
    """Return the error for a 404 about a job that was seen before."""
    unseen = " It may also not be visible for a moment." if record.may_reappear else ""
    return JobExpiredError(
        f"{record} is not found any more; it was last seen {record.status}. {_POSSIBLY_GONE}{unseen} Fetch "
        "results sooner, or raise ExecutionPolicy.ttl.",
        job_id=record.address.job_id,
        state=record.seen,
    )


def timeout_error(
    limit: Limit, job: Any, record: JobRecord, schedule: PollSchedule, health: EndpointHealth | None
) -> WaitTimeoutError:
    """Return the error for a limit of the caller that ended before the job finished."""
    last = "not seen yet" if record.status is None else f"last seen {record.status}"
    if schedule.outage is not None:
        polls = "poll" if schedule.outage.failures == 1 else f"{schedule.outage.failures} polls"
        last += f"; the last {polls} failed"
    if limit is Limit.QUEUE_TIMEOUT:
        return QueueTimeoutError(
            f"{record} was not taken by a worker within {schedule.queue_timeout:g} s. {explain_waiting(health)}",
            job=job,
            health=health,
        )
    why = f" {explain_waiting(health)}" if record.queued and not schedule.polls_once else ""
    return WaitTimeoutError(
        f"{record} did not finish within {schedule.timeout:g} s ({last}).{why}", job=job, health=health
    )


def add_to_message(error: BaseException, text: str) -> None:
    """Append a sentence to an error of ours, or a note to another exception."""
    if isinstance(error, RunpodError):
        error.args = (f"{error.message} {text}", *error.args[1:])
    else:
        error.add_note(text)


@final
class JobErrors:
    """Add the job to each exception that leaves the block, and how to reconnect to it if it keeps running."""

    __slots__ = ("_job", "_record")

    def __init__(self, job: Any, record: JobRecord) -> None:
        self._job = job
        self._record = record

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            return
        if isinstance(error, StopIteration | StopAsyncIteration):  # it would end an iteration without a word
            reason = f"a function of the caller raised {type(error).__name__}"
            raise RuntimeError(reason) from error  # noqa: TRY004 -- as a generator does
        record, address = self._record, self._record.address
        if isinstance(error, RunpodError):
            if error.job is not None and error.job_id is not None:
                return
            error.job, error.job_id, error.endpoint_id = self._job, address.job_id, address.endpoint_id
        if isinstance(error, NotFoundError):
            add_to_message(error, f"{_POSSIBLY_GONE} A job that was just submitted may not be visible yet.")
        elif not record.finished and not isinstance(error, _ENDED):
            keeps_running = f"The job keeps running; reconnect with endpoint.job({address.job_id!r})"
            handle = ", or keep waiting with error.job." if isinstance(error, WaitTimeoutError) else "."
            add_to_message(error, keeps_running + handle)


_ENDED = (JobError, OutputError, StreamInterruptedError)
