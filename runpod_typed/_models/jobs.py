"""A job as people see it: its status, its state, its events and what it streams."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Generic, cast

from attrs import field, fields, frozen
from runpod_queue_api import wire
from typing_extensions import TypeVar

from runpod_typed._codecs.codec import Codec
from runpod_typed._codecs.json import JSONText
from runpod_typed._models.failure import parse_worker_failure

Out = TypeVar("Out", default=Any, covariant=True)
Chunk = TypeVar("Chunk", default=Any, covariant=True)


@frozen
class JobAddress:
    """Where a job is found."""

    endpoint_id: str
    job_id: str


@frozen(kw_only=True)
class JobCodecs:
    """How a job's output and its chunks become what the caller declared."""

    output: Codec[Any]
    chunk: Codec[Any]


class JobStatus(StrEnum):
    """Where a job stands. It equals its text: ``status == "COMPLETED"``.

    The list is open: a status that this version has never heard of is kept as it came, counts as not finished, and
    prints, compares, hashes and pickles like the others (only ``is`` tells two of them apart).

    Source: the vendor's documents, "Job states".
    """

    IN_QUEUE = "IN_QUEUE"
    """It waits for a worker."""
    IN_PROGRESS = "IN_PROGRESS"
    """A worker has it."""
    RUNNING = "RUNNING"
    """The documents' other word for IN_PROGRESS; no answer was ever seen to say it."""
    COMPLETED = "COMPLETED"
    """It has ended and its output is there."""
    FAILED = "FAILED"
    """Its handler raised or returned an error, or the platform gave it up."""
    CANCELLED = "CANCELLED"
    """It was cancelled."""
    TIMED_OUT = "TIMED_OUT"
    """No worker took it, or none reported back, in time."""

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended: nothing but a retry changes it any more."""
        return self in wire.FINAL_JOB_STATUSES

    @property
    def is_running(self) -> bool:
        """Whether a worker has the job right now."""
        return self in wire.RUNNING_JOB_STATUSES

    @classmethod
    def _missing_(cls, value: object) -> JobStatus | None:
        if not isinstance(value, str) or not value:
            return None
        known = cls.__members__.get(value.upper())
        if known is not None:
            return known
        unknown = str.__new__(cls, value)
        unknown._name_ = value
        unknown._value_ = value
        return unknown


def _plain(value: Any) -> Any:
    return value.shown if isinstance(value, JSONText) else value


@frozen(kw_only=True, repr=False)
class JobState(Generic[Out]):
    """A job at one moment, as the platform told it.

    Source: the vendor's documents, "Operation reference" and "Job states".

    Attributes:
        id: The job's id.
        status: Where it stands.
        output: What the handler returned, in the type that the caller declared; None until the job is COMPLETED, and
            where the handler returned nothing.
        error: What went wrong, as the platform has it (mostly a text); None where nothing did.
        delay_time_ms: Milliseconds that the job waited for a worker; None until one took it.
        execution_time_ms: Milliseconds that it ran; None until it has ended.
        retries: How often the platform handed it out again.
        worker_id: The worker that has or had it.
        progress: What the handler last reported while it runs; None where it reported nothing, and after the end.
        raw: The answer as it came, read-only.
    """

    id: str
    status: JobStatus
    _output: Out | None = field(default=None, alias="output", hash=False, eq=_plain)  # may be left as text
    error: Any = field(default=None, hash=False)
    delay_time_ms: int | None = None
    execution_time_ms: int | None = None
    retries: int = 0
    worker_id: str | None = None
    progress: Any = field(default=None, hash=False)
    raw: Mapping[str, Any] = field(repr=False, eq=False)

    @property
    def output(self) -> Out | None:
        """What the handler returned, in the type that the caller declared; None until the job is COMPLETED."""
        return cast("Out | None", _plain(self._output))

    @property
    def started(self) -> bool:
        """Whether a worker has the job, or had it."""
        return (
            self.status.is_running
            or self.status in {JobStatus.COMPLETED, JobStatus.FAILED}
            or self.worker_id is not None
        )

    @property
    def completed(self) -> bool:
        """Whether the job has ended, well or not."""
        return self.status.is_terminal

    @property
    def succeeded(self) -> bool:
        """Whether the job has ended with a result."""
        return self.status is JobStatus.COMPLETED

    @property
    def error_message(self) -> str | None:
        """What went wrong, in the worker's own words, without its traceback; None where nothing did."""
        return parse_worker_failure(self.error).message

    def to_dict(self) -> dict[str, Any]:
        """The API's JSON, as it came."""
        return dict(self.raw)

    def __repr__(self) -> str:
        names = [attribute.name.removeprefix("_") for attribute in fields(JobState) if attribute.repr]
        return f"JobState({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


def output_as_it_came(state: JobState[Any]) -> Any:
    """The output, which may have been left as text: a `JSONText`."""
    return state._output  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] -- people get it decoded


@frozen(kw_only=True)
class JobEvent(Generic[Out]):
    """A change of a job's status or progress.

    Attributes:
        status: The status from now on.
        progress: What the handler last reported; None where it reported nothing.
        state: All that is known of the job at this moment.
    """

    status: JobStatus
    progress: Any = field(hash=False)
    state: JobState[Out]


@frozen(kw_only=True)
class StreamChunk(Generic[Chunk]):
    """One thing that a streaming handler yielded.

    Source: the vendor's documents, "Operation reference", /stream.

    Attributes:
        output: What it yielded, in the type that the caller declared.
        metrics: What the worker measured beside it (vLLM workers do); None where there is nothing.
        raw: The chunk as it came, read-only.
    """

    output: Chunk = field(hash=False)
    metrics: Mapping[str, Any] | None = field(default=None, hash=False)
    raw: Mapping[str, Any] = field(repr=False, eq=False)


@frozen(kw_only=True)
class StreamPage:
    """What one look at a stream brought.

    Attributes:
        status: Where the job stands; None where the answer does not say, as the bare array of the documents.
        chunks: What the worker yielded since the look before.
    """

    status: JobStatus | None
    chunks: tuple[StreamChunk[Any], ...]

    @property
    def tells_nothing(self) -> bool:
        """Whether it neither holds a chunk nor says where the job stands."""
        return self.status is None and not self.chunks
