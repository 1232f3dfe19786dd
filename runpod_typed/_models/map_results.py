"""The results, counts and progress of many jobs."""

from __future__ import annotations

from typing import Any, Generic, cast

from attrs import field, frozen
from typing_extensions import TypeVar

from runpod_typed._errors import RunpodError
from runpod_typed._models.jobs import JobState

In = TypeVar("In", default=Any, covariant=True)
Out = TypeVar("Out", default=Any, covariant=True)


@frozen(kw_only=True)
class MapResult(Generic[In, Out]):
    """The result of one input: its output, or the error that it ended with.

    Example:
        ``if result.succeeded: save(result.index, result.output)``
    """

    index: int
    """The position of the input, from 0."""
    key: str
    """The identity of the input: the caller's key, or else a digest of the content in a journal, or else the index."""
    input: In = field(hash=False)
    """The input, as the caller passed it."""
    job_id: str | None = None
    """The id of the last job that was submitted for it, or None if there is none or it is unknown."""
    state: JobState[Out] | None = field(default=None, repr=False)
    """The finished job, or None."""
    error: RunpodError | None = field(default=None, eq=False)
    """The error, or None if there is an output."""
    attempts: int = 0
    """The number of jobs that were submitted for it."""
    from_journal: bool = False
    """True if a journal had the result, so that no job was run for it now."""

    @property
    def succeeded(self) -> bool:
        """True if there is an output."""
        return self.error is None

    @property
    def output(self) -> Out:
        """The job's output, in the declared type.

        Raises:
            RunpodError: The error of an input that did not succeed.
        """
        if self.error is not None:
            raise self.error
        return cast("JobState[Out]", self.state).result()


@frozen(kw_only=True)
class MapStats:
    """The counts of a map at one moment.

    Example:
        ``print(results.stats.failed, results.stats.execution_time_p95)``
    """

    submitted: int
    """Jobs that were submitted, further attempts included."""
    in_flight: int
    """Inputs that are being submitted or whose jobs have not finished."""
    succeeded: int
    """Inputs with an output."""
    failed: int
    """Inputs that ended with an error, without the uncertain ones."""
    uncertain: int
    """Inputs whose submission may or may not have made a job."""
    from_journal: int
    """Inputs whose result was in the journal."""
    rate_limited: int
    """Responses with the status 429."""
    queue_time_p50: float | None
    """The median of the seconds that jobs waited for a worker, or None if no job has finished."""
    queue_time_p95: float | None
    """The 95th percentile of the same."""
    execution_time_p50: float | None
    """The median of the seconds that jobs ran, or None if no job has finished."""
    execution_time_p95: float | None
    """The 95th percentile of the same."""
    cold_start_share: float | None
    """The share of finished jobs that waited more than 5 s for a worker, from 0 to 1; None if no job has finished."""
    execution_seconds: float
    """The total of the seconds that finished jobs ran."""
    estimated_cost: float | None
    """`execution_seconds` times `price_per_second`, or None without a price."""

    @property
    def done(self) -> int:
        """Inputs with a result, good or bad."""
        return self.succeeded + self.failed + self.uncertain


@frozen(kw_only=True)
class MapProgress:
    """The progress of a map at one moment.

    Example:
        ``endpoint.map(prompts, progress=lambda progress: print(progress.done, progress.remaining))``
    """

    done: int
    """Inputs with a result, good or bad."""
    failed: int
    """Inputs of these that did not succeed."""
    in_flight: int
    """Inputs that are being submitted or whose jobs have not finished."""
    total: int | None
    """The number of inputs, or None if it is not known in advance."""
    elapsed: float
    """Seconds since the map began."""
    rate: float
    """Inputs that were done per second, without those from a journal."""

    @property
    def remaining(self) -> float | None:
        """Estimated seconds until all inputs are done, or None if there is no estimate."""
        return None if self.total is None or self.rate <= 0 else (self.total - self.done) / self.rate
