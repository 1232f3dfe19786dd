"""The chunks that a streaming handler yields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, NamedTuple

from attrs import field, frozen
from typing_extensions import TypeVar

from runpod_typed._codecs.codec import Codec
from runpod_typed._codecs.output import Output
from runpod_typed._models.jobs import JobStatus, decoded

Chunk = TypeVar("Chunk", default=Any, covariant=True)
OutT = TypeVar("OutT")


@frozen(kw_only=True)
class StreamChunk(Generic[Chunk]):
    """A chunk that a streaming handler yielded."""

    output: Chunk = field(hash=False)
    """The chunk, in the declared type."""
    metrics: Mapping[str, Any] | None = field(default=None, hash=False)
    """The metrics that the worker sent beside it (vLLM workers do), or None."""
    raw: Mapping[str, Any] = field(repr=False, eq=False)
    """The chunk as it came, read-only."""


class StreamPage(NamedTuple):
    """The content of one response to a stream request."""

    status: JobStatus | None
    """The job's status, or None if the response does not tell it, like the documented bare array."""
    chunks: tuple[StreamChunk[Any], ...]
    """The chunks since the previous response."""

    @property
    def started(self) -> bool:
        """True if a worker runs or ran the job."""
        return bool(self.chunks) or (self.status is not None and self.status.is_started)

    @property
    def tells_nothing(self) -> bool:
        """True if it holds neither a chunk nor a status."""
        return self.status is None and not self.chunks


def decode_chunk(codec: Codec[OutT], data: Any, job_id: str) -> OutT:
    """Decode a chunk.

    Raises:
        OutputError: The chunk does not fit the type.
    """
    return decoded(Output(data, codec), "chunk", job_id)
