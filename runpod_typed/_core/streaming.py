"""What a stream has brought, and what to make of an answer that was lost.

Each answer of the stream operation holds only what is new, and is gone once sent. When one is lost on the way, chunks
may be missing. From then on nothing more is handed out until the job has ended: then its output, where the worker makes
one of all chunks, shows what was missing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, cast

from attrs import define, field

from runpod_typed._core.retries import Failure, may_have_taken_effect
from runpod_typed._models.job_status import JobStatus
from runpod_typed._models.jobs import JobAddress
from runpod_typed._models.stream import StreamChunk, StreamPage
from runpod_typed.errors import APIError, StreamInterruptedError


@define
class StreamBuffer:
    """The chunks of one job, as far as this handle has seen them.

    Attributes:
        received: What every chunk held that did arrive, in order.
        gap: How many of them came before the place where chunks may be missing; None where none are.
        status: Where the job stood at the last answer that said so.
        confirming: The job has ended; one more look tells whether that was all.
        finished: No more will come.
    """

    received: list[Any] = field(factory=list[Any])
    gap: int | None = None
    status: JobStatus | None = None
    confirming: bool = False
    finished: bool = False
    _handed_out: int = 0
    _pending: deque[StreamChunk[Any]] = field(factory=deque[StreamChunk[Any]])

    def take(self) -> StreamChunk[Any] | None:
        """The next chunk to hand out; None where there is none, or where one before it may be missing."""
        if self.gap is not None and self._handed_out >= self.gap:
            return None
        if not self._pending:
            return None
        self._handed_out += 1
        return self._pending.popleft()

    def absorb(self, page: StreamPage) -> None:
        """Take an answer in."""
        self._pending.extend(page.chunks)
        self.received.extend(chunk.output for chunk in page.chunks)
        ended = self.confirming if page.status is None else page.status.is_terminal
        self.status = page.status or self.status
        # The last chunks come along with the end. That they were the last, an empty answer confirms.
        self.confirming = ended
        self.finished = ended and not page.chunks

    def looked(self, status: JobStatus) -> None:
        """Another operation has told where the job stands."""
        self.status, self.confirming = status, status.is_terminal

    def reopen(self) -> None:
        """The job has not ended after all: it was queued once more."""
        self.confirming = self.finished = False

    def lost(self) -> None:
        """An answer may have been lost, and chunks with it."""
        if self.gap is None:
            self.gap = len(self.received)

    def note(self, error: APIError) -> None:
        """An attempt has failed: where the server may have emptied its buffer for it, an answer was lost."""
        if may_have_taken_effect(Failure.of(error)):
            self.lost()

    def heal(self, output: object) -> bool:
        """Fill the gap from the job's output; False where that is not the list of all chunks."""
        if self.gap is None:
            return True
        # A worker that does not put its chunks together has an empty list for an output.
        if not isinstance(output, list) or not output:
            return False
        whole = list(cast("Iterable[Any]", output))
        if whole[: self.gap] != self.received[: self.gap]:
            return False
        # What came after the gap must stand there too, in its order; more answers than one may have been lost.
        arrived = deque(self._pending)
        healed = deque[StreamChunk[Any]]()
        for item in whole[self._handed_out :]:
            known = arrived and arrived[0].output == item
            healed.append(arrived.popleft() if known else StreamChunk(output=item, raw={}))
        if arrived:
            return False
        self.received, self._pending, self.gap = whole, healed, None
        return True


def interrupted_error(buffer: StreamBuffer, address: JobAddress) -> StreamInterruptedError | None:
    """The error for a stream with a gap; None for one without."""
    if buffer.gap is None:
        return None
    return StreamInterruptedError(
        f"The stream of job {address.job_id} of endpoint {address.endpoint_id} lost an answer after {buffer.gap} "
        "chunks: what it held is gone, and the job's output does not hold it. error.received has all chunks that did "
        "arrive. A worker with return_aggregate_stream keeps them all in the output.",
        job_id=address.job_id,
        received=buffer.received,
        gap=buffer.gap,
    )
