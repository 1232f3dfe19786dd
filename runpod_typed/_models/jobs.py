"""A job: its status, its state, its events, and the errors that carry a state."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Generic, cast

from attrs import evolve, field, fields, frozen
from runpod_queue_api import wire
from typing_extensions import TypeVar

from runpod_typed._codecs.codec import Codec
from runpod_typed._codecs.output import Output, Undecodable
from runpod_typed._errors import RunpodError, printable
from runpod_typed._models.failure import JobFailure, is_platform_timeout, parse_failure
from runpod_typed._models.open_enum import OpenEnum

Out = TypeVar("Out", default=Any, covariant=True)
OutT = TypeVar("OutT")

_SHOWN_CHARACTERS = 1000
_SHOWN_OUTPUT_CHARACTERS = 300
_SHOWN_LINES = 50
_CAUSES_OF_NOTHING = (
    "Possible causes: the handler returned None or an empty object, which the platform drops; it streams without "
    "return_aggregate_stream; or the result is above the platform's size cap "
    f"({min(wire.PAYLOAD_CAPS.values()) >> 20} MiB for run, {max(wire.PAYLOAD_CAPS.values()) >> 20} MiB for run_sync)"
)


class JobStatus(OpenEnum):
    """The status of a job. It equals its string: ``status == "COMPLETED"``.

    The list is open: an unknown status is kept as it came, counts as not finished, and prints, compares, hashes and
    pickles like the others (only ``is`` tells two of them apart).
    """

    IN_QUEUE = "IN_QUEUE"
    """The job waits for a worker."""
    IN_PROGRESS = "IN_PROGRESS"
    """A worker runs the job."""
    RUNNING = "RUNNING"
    """Another documented word for IN_PROGRESS, never seen in a response."""
    COMPLETED = "COMPLETED"
    """The job is finished and its output is there."""
    FAILED = "FAILED"
    """The handler raised or returned an error, or the platform gave up."""
    CANCELLED = "CANCELLED"
    """The job was cancelled."""
    TIMED_OUT = "TIMED_OUT"
    """No worker took the job, or none reported back, in time."""

    @cached_property
    def is_terminal(self) -> bool:
        """True if the job is finished: only a retry changes it any more."""
        return self in wire.FINAL_JOB_STATUSES

    @cached_property
    def is_running(self) -> bool:
        """True if a worker runs the job now."""
        return self in wire.RUNNING_JOB_STATUSES

    @cached_property
    def is_started(self) -> bool:
        """True if a worker must have had the job."""
        return self.is_running or self in {JobStatus.COMPLETED, JobStatus.FAILED}


def _as_output(value: object) -> Output[Any]:
    return Output(value) if not isinstance(value, Output) else value  # pyright: ignore[reportUnknownVariableType] -- any


def _plain(output: Output[Any]) -> Any:
    return output.plain


@frozen(kw_only=True, repr=False)
class JobState(Generic[Out]):
    """A job at one moment, as the platform described it.

    It holds data: no attribute but `output` raises, and only if the output does not fit its type.

    Example:
        ::

            state = job.wait(timeout=600)
            if state.failure:
                print(state.failure.error_message)
            else:
                use(state.result())
    """

    id: str
    """The job's id."""
    status: JobStatus
    """The job's status."""
    _output: Output[Out] = field(default=None, alias="output", converter=_as_output, eq=_plain, hash=False)
    error: Any = field(default=None, hash=False)
    """The error, as the platform sent it (mostly a string), or None. `failure` is easier to use."""
    delay_time_ms: int | None = None
    """Milliseconds that the job waited for a worker; None until a worker takes it."""
    execution_time_ms: int | None = None
    """Milliseconds that the job ran; None until it is finished."""
    retries: int = 0
    """The number of times that the platform assigned the job to a worker again."""
    worker_id: str | None = None
    """The worker that runs or ran the job, or None."""
    progress: Any = field(default=None, hash=False)
    """The last progress update of a running job, or None. Always None once the job is finished."""
    raw: Mapping[str, Any] = field(repr=False, eq=False)
    """The response as it came, read-only."""
    endpoint_id: str | None = field(default=None, repr=False, eq=False)
    """The job's endpoint; None if it is not known, as from the body of a webhook."""

    @property
    def output(self) -> Out | None:
        """The value that the handler returned, in the declared type; None unless the job is COMPLETED.

        Raises:
            OutputError: The output does not fit the declared type.
        """
        return decoded(self._output, "output", self.id, self) if self.status is JobStatus.COMPLETED else None

    @property
    def started(self) -> bool:
        """True if a worker runs or ran the job."""
        return self.status.is_started or self.worker_id is not None

    @property
    def done(self) -> bool:
        """True if the job is finished, with a result or without."""
        return self.status.is_terminal

    @property
    def succeeded(self) -> bool:
        """True if the job is COMPLETED without an error."""
        return self.status is JobStatus.COMPLETED and self.failure is None

    @property
    def failure(self) -> JobFailure | None:
        """The reason of the failure, or None if the job did not fail.

        A COMPLETED job failed too if there is an error beside its output, or if its output has no declared type and is
        an object with an ``error``. A cancelled or timed-out job has a failure only if the platform gave a reason.
        """
        if self.error and self.done:
            return parse_failure(self.error, self._output.plain)
        failed = self.status is JobStatus.FAILED
        if failed or (self.status is JobStatus.COMPLETED and self._output.is_untyped):
            output = self._output.plain
            error = cast("dict[str, object]", output).get(wire.JOB_ERROR_KEY) if isinstance(output, dict) else None
            return parse_failure(error or self.error, output) if error or failed else None
        return None

    @property
    def error_message(self) -> str | None:
        """The message of `failure`, or None."""
        failure = self.failure
        return None if failure is None else failure.error_message

    def result(self) -> Out:
        """Return the output of a job that succeeded.

        Example:
            ``output = job.wait(timeout=600).result()``

        Raises:
            JobFailedError: The job failed.
            JobCancelledError: The job was cancelled.
            JobTimedOutError: The platform gave up on the job.
            OutputError: The output does not fit the declared type.
            JobError: The job is not finished, or its final status is unknown to this version.
        """
        if not self.succeeded:
            raise job_error(self) or JobError(
                f"Job {printable(self.id)} has no result yet: it is {printable(self.status)}. Wait for it first, with "
                "job.output().",
                job_id=self.id,
                state=self,
            )
        return cast("Out", self.output)  # None only if the type allows it

    def to_dict(self) -> dict[str, Any]:
        """Return the response's JSON as it came."""
        return dict(self.raw)

    def __repr__(self) -> str:
        names = [attribute.name for attribute in fields(type(self)) if attribute.repr]
        shown = {name.removeprefix("_"): getattr(self, name) for name in names}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


@frozen(kw_only=True)
class JobEvent(Generic[Out]):
    """A change of a job's status or progress."""

    status: JobStatus
    """The new status."""
    progress: Any = field(hash=False)
    """The last progress update, or None."""
    state: JobState[Out]
    """The job's state at this moment."""


class JobError(RunpodError):
    """A job has no result."""

    job_id: str
    """The job."""
    state: JobState[Any] | None
    """The last known state of the job, or None."""

    def __init__(self, message: str, *, job_id: str, state: JobState[Any] | None = None) -> None:
        super().__init__(message)
        self.job_id = job_id  # pyright: ignore[reportIncompatibleVariableOverride] -- always known here
        self.endpoint_id: str | None = None if state is None else state.endpoint_id
        self.state = state


class JobFailedError(JobError):
    """The worker's handler raised or returned an error. Its notes show the worker's traceback and logs."""

    error_type: str | None
    """The type of the error, such as ``ValueError``."""
    error_message: str | None
    """The message, in full."""
    remote_traceback: str | None
    """The worker's traceback."""
    worker_id: str | None
    """The worker that ran the job."""
    output: Any
    """The output that the handler returned with the error, as plain JSON."""
    logs: str | None
    """The last lines that the worker wrote before it failed (worker SDK 2.0)."""
    event: str | None
    """The event that failed instead of the handler, such as ``prestart_failed`` (worker SDK 2.0)."""
    hook: str | None
    """The name of the hook that failed (worker SDK 2.0)."""

    def __init__(
        self,
        message: str,
        *,
        job_id: str,
        state: JobState[Any] | None = None,
        error_type: str | None = None,
        error_message: str | None = None,
        remote_traceback: str | None = None,
        worker_id: str | None = None,
        output: Any = None,
        logs: str | None = None,
        event: str | None = None,
        hook: str | None = None,
    ) -> None:
        super().__init__(message, job_id=job_id, state=state)
        self.error_type = error_type
        self.error_message = error_message
        self.remote_traceback = remote_traceback
        self.worker_id = worker_id
        self.output = output
        self.logs = logs
        self.event = event
        self.hook = hook


class JobCancelledError(JobError):
    """The job was cancelled."""


class JobTimedOutError(JobError):
    """The platform gave up on the job: no worker took it, or none reported back, in time."""


class JobExpiredError(JobError):
    """The job was known and is gone: its time to live or the retention of its result ended."""


class OutputError(RunpodError):
    """A result or a chunk does not fit the type that the caller declared."""

    path: str
    """The place in the output as JSONPath; ``$`` is the whole output."""
    output: Any
    """The output as plain JSON, or as a string if Python cannot decode it."""
    state: JobState[Any] | None
    """The state that holds the output; None for a chunk."""

    def __init__(
        self,
        message: str,
        *,
        path: str = "$",
        output: Any = None,
        job_id: str | None = None,
        state: JobState[Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.path = path
        self.output = output
        self.job_id = job_id
        self.endpoint_id: str | None = None if state is None else state.endpoint_id
        self.state = state


def with_typed_output(state: JobState[Any], codec: Codec[OutT]) -> JobState[OutT]:
    """Return the state with its output in the caller's type. The output is decoded when it is first used."""
    output = output_of(state)
    typed = output.typed(codec)
    return state if typed is output else evolve(state, output=typed)


def output_of(state: JobState[OutT]) -> Output[OutT]:
    """Return the output as it came, with its codec."""
    return state._output  # noqa: SLF001 -- users get it decoded


def job_error(state: JobState[Any]) -> JobError | None:
    """Return the error for a finished job without a result; None for all other jobs."""
    kind: type[JobError] = JobTimedOutError
    if state.status is JobStatus.CANCELLED:
        kind, what = JobCancelledError, "was cancelled."
    elif state.status is JobStatus.TIMED_OUT:
        what = (
            "timed out on the platform: no worker took it, or none reported back, within its ttl or execution timeout. "
            "Retry it with job.retry(), or raise the limits with ExecutionPolicy."
        )
    elif state.status is JobStatus.FAILED and is_platform_timeout(state.error):
        what = (
            f"failed, and the platform gave up on it: {printable(state.error)}. No worker reported back. Check the "
            "worker's logs for a crash, or for an input that the worker dropped."
        )
    elif state.done and state.status not in {JobStatus.COMPLETED, JobStatus.FAILED}:
        reason = f": {printable(state.error_message, _SHOWN_CHARACTERS)}" if state.error_message else ""
        kind = JobError
        what = (
            f"ended as {printable(state.status)}{reason}. This version of runpod_typed does not know the status; "
            "`error.state` has the response."
        )
    else:
        failure = state.failure
        return None if failure is None else _failed_error(state, failure)
    return kind(f"Job {printable(state.id)} {what}", job_id=state.id, state=state)


def _failed_error(state: JobState[Any], failure: JobFailure) -> JobFailedError:
    said = ": ".join(filter(None, (failure.error_type, failure.error_message))) or "the worker gave no reason"
    how = "failed" if state.status is JobStatus.FAILED else "is COMPLETED with an error"
    if failure.event:
        how += f" ({printable(failure.event)}{f' in {printable(failure.hook)}' if failure.hook else ''})"
    beside = failure.output
    if isinstance(beside, dict):
        beside = {key: value for key, value in cast("dict[str, Any]", beside).items() if key != wire.JOB_ERROR_KEY}
    shown = f". It returned beside the error: {Output(beside).beginning(_SHOWN_OUTPUT_CHARACTERS)}" if beside else ""
    error = JobFailedError(
        f"Job {printable(state.id)} {how}: {printable(said, _SHOWN_CHARACTERS)}{shown}",
        job_id=state.id,
        state=state,
        error_type=failure.error_type,
        error_message=failure.error_message,
        remote_traceback=failure.remote_traceback,
        worker_id=state.worker_id or failure.worker_id,
        output=failure.output,
        logs=failure.logs,
        event=failure.event,
        hook=failure.hook,
    )
    for title, text in (("worker's traceback", failure.remote_traceback), ("worker's logs", failure.logs)):
        if text:
            error.add_note(f"The {title}:\n{_last_lines(text)}")
    return error


def _last_lines(text: str) -> str:
    lines = text.rstrip().rsplit("\n", _SHOWN_LINES)[-_SHOWN_LINES:]
    return "\n".join(printable(line, _SHOWN_CHARACTERS) for line in lines)


def decoded(output: Output[OutT], what: str, job_id: str, state: JobState[OutT] | None = None) -> OutT:
    """Return a decoded output or chunk, or raise OutputError."""
    try:
        return output.decoded()
    except Undecodable as exc:
        came = f"It begins: {output.beginning(_SHOWN_OUTPUT_CHARACTERS)}"
        if output.plain is None or output.plain in ([], {}):
            came = f"The worker returned nothing ({output.beginning()}), or the result was lost. {_CAUSES_OF_NOTHING}"
        raise OutputError(
            f"The {what} of job {printable(job_id)} {exc.reason}. {came}. It is in `error.output`. Change the declared "
            "type, or what the handler returns.",
            path=exc.path,
            output=output.plain,
            job_id=job_id,
            state=state,
        ) from exc.__cause__
