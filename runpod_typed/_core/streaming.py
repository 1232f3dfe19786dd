"""Stream buffer: the chunks that a stream has brought, and the holes in it.

Each response of the stream operation holds only the chunks since the last one, which are gone once sent. If a response
is lost, chunks may be missing: none are handed out any more until the job has finished. Then its output, if the worker
aggregates the chunks there, shows what was missing. The same holds for a handle that has reconnected to a job: another
reader may have taken the first chunks.
"""

from __future__ import annotations

import json
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, cast

from attrs import define, field
from runpod_queue_api import wire

from runpod_typed._core.job_record import JobAddress
from runpod_typed._core.retries import Failure
from runpod_typed._models.jobs import JobStatus
from runpod_typed._models.stream import StreamChunk, StreamPage
from runpod_typed.errors import APIError, StreamInterruptedError

# Chunks that were handed out are kept for an error's `received` up to this many bytes.
_KEPT_BYTES = 2**20
_DIGEST_BYTES = 8

# A stream of a job that runs already holds back the chunks of fewer responses than this, and no more than those bytes.
_HELD_BACK_RESPONSES = 16


class _Place(NamedTuple):
    """A place in the aggregated output: between two of its items, or inside a string that was split into chunks."""

    item: int = 0
    offset: int = 0


@define
class _HandedOut:
    """The chunks that the caller has: their number, digests and lengths, and the last of them."""

    kept: deque[tuple[Any, int]] = field(factory=deque[tuple[Any, int]])
    kept_bytes: int = 0
    digests: bytearray = field(factory=bytearray)
    lengths: array[int] = field(factory=lambda: array("Q"))

    def __len__(self) -> int:
        return len(self.lengths)

    def add(self, output: object) -> None:
        digest, size = _digest(output)
        self.digests += digest
        self.lengths.append(_length(output))
        self.kept.append((output, size))
        self.kept_bytes += size
        while self.kept_bytes > _KEPT_BYTES:
            self.kept_bytes -= self.kept.popleft()[1]

    def place_in(self, whole: Sequence[Any]) -> _Place | None:
        """Return the place behind these chunks, or None if the output does not begin with them."""
        place: _Place | None = _Place()
        for number, length in enumerate(self.lengths):
            place = _behind(whole, place, self._digest_of(number), length)
        return place

    def all_digests(self) -> set[bytes]:
        return {self._digest_of(number) for number in range(len(self))}

    def _digest_of(self, number: int) -> bytes:
        return bytes(self.digests[number * _DIGEST_BYTES : (number + 1) * _DIGEST_BYTES])


@define
class StreamBuffer:
    """The chunks of one job, as far as this handle has received them."""

    from_start: bool = True
    """True if no other reader can have taken chunks before this handle."""
    gap: int | None = None
    """The number of chunks received before the place where some may be missing, or None."""
    status: JobStatus | None = None
    """The last known status of the job."""
    confirming: bool = False
    """The job has finished; an empty response confirms that all its chunks were sent."""
    finished: bool = False
    """No more chunks will come."""
    unaligned: bool = False
    """The output has chunks that were split on the way, and the received pieces do not fit them."""
    held_back: bool = False
    """Nothing is handed out yet: the output may have all chunks, to be replayed from the first."""
    retries: int = 0
    """The number of times that the job was queued again before its first chunk."""
    runs_mixed: bool = False
    """The job was queued again since, so that chunks of an earlier run may be among those received."""
    _responses: int = 0
    _handed_out: _HandedOut = field(factory=_HandedOut)
    _pending: deque[StreamChunk[Any]] = field(factory=deque[StreamChunk[Any]])

    @property
    def complete(self) -> bool:
        """True if all chunks were received, as far as this handle can know."""
        return self.gap is None and self.from_start

    @property
    def received(self) -> list[Any]:
        """The chunks received, in order, without the first of a long stream, which the caller has."""
        return [output for output, _ in self._handed_out.kept] + [chunk.output for chunk in self._pending]

    @property
    def available(self) -> bool:
        """True if a chunk can be handed out: one is there, and none before it may be missing."""
        before_gap = self.gap is None or len(self._handed_out) < self.gap
        return bool(self._pending) and before_gap and not self.held_back

    def take(self) -> StreamChunk[Any] | None:
        """Return the next chunk to hand out, or None."""
        if not self.available:
            return None
        chunk = self._pending.popleft()
        self._handed_out.add(chunk.output)
        return chunk

    def absorb(self, page: StreamPage) -> None:
        """Add the chunks of a response."""
        if page.status is not None:
            self.update(page.status)
        self._pending.extend(page.chunks)
        self._responses += 1
        if self.held_back and not self.confirming and not self._can_hold_back():
            self.release()
        # The last chunks come with the terminal status.
        self.finished = self.confirming and not page.chunks

    def update(self, status: JobStatus) -> None:
        """Note the status of the job."""
        if status is JobStatus.IN_QUEUE:
            self.from_start, self.held_back = True, False
        if self.status is None and not self.from_start:
            self.held_back = True
        self.status, self.confirming = status, status.is_terminal

    def reopen(self) -> None:
        """Continue: the job was queued again."""
        self.confirming = self.finished = False

    def count_retries(self, retries: int) -> bool:
        """Note how often the job was queued again; tell if this shows that chunks of an earlier run may be there."""
        known, self.runs_mixed = self.runs_mixed, retries > self.retries and bool(self._handed_out or self._pending)
        return self.runs_mixed and not known

    def lost(self) -> None:
        """Note that a response may have been lost, and chunks with it."""
        if self.gap is None:
            self.gap = len(self._handed_out) + len(self._pending)

    def note(self, error: APIError) -> None:
        """Note a failed attempt: if the server may have sent chunks, they are lost."""
        if Failure.of(error).may_have_taken_effect:
            self.lost()

    def _can_hold_back(self) -> bool:
        size = sum(_digest(chunk.output)[1] for chunk in self._pending)
        return self._responses < _HELD_BACK_RESPONSES and size <= _KEPT_BYTES

    def release(self) -> None:
        """Hand out what was held back: there is no output to compare it with."""
        self.held_back = False

    def reconcile(self, output: object) -> bool:
        """Compare with the output of the finished job, and add the chunks that are missing.

        Return False if chunks are missing and cannot be handed out in their order.
        """
        whole: Sequence[Any] = cast("Sequence[Any]", output) if isinstance(output, list) else ()
        self.release()
        if self.complete:
            return True
        if not whole:  # the worker does not aggregate its chunks
            self.from_start = self.gap is None or self.from_start
            return self.gap is None
        filled = self._filled(whole)
        if filled is not None:
            self._pending, self.gap, self.from_start = filled, None, True
            return True
        if self.gap is None:
            digests = self._handed_out.all_digests() | {_digest(chunk.output)[0] for chunk in self._pending}
            if not any(_is_split(item) or _digest(item)[0] in digests for item in whole):
                self.from_start = True  # the output is not the list of all chunks
                return True
            self.gap = 0
        self.unaligned = any(_is_split(item) for item in whole)
        return False

    def _filled(self, whole: Sequence[Any]) -> deque[StreamChunk[Any]] | None:
        """Return all chunks behind the ones handed out, or None if the received ones are not among them in order."""
        place, rest = self._handed_out.place_in(whole), deque(self._pending)
        filled = deque[StreamChunk[Any]]()
        while self.gap is not None and len(self._handed_out) + len(filled) < self.gap:
            filled.append(rest.popleft())
            place = _behind(whole, place, _digest(filled[-1].output)[0], _length(filled[-1].output))
        return None if place is None or not _fill(whole, place, rest, filled) else filled


def _behind(whole: Sequence[Any], place: _Place | None, digest: bytes, length: int) -> _Place | None:
    """Return the place behind a chunk, or None if the chunk does not stand at a place of the output."""
    if place is None or place.item >= len(whole):
        return None
    item, end = whole[place.item], place.offset + length
    if place.offset == 0 and digest == _digest(item)[0]:
        return _Place(place.item + 1)
    if _is_split(item) and length > 0 and end <= len(item) and digest == _digest(item[place.offset : end])[0]:
        return _Place(place.item + 1) if end == len(item) else _Place(place.item, end)
    return None


def _length(output: object) -> int:
    return len(output) if isinstance(output, str) else 0


def _digest(value: object) -> tuple[bytes, int]:
    """Return a digest of JSON and its size in bytes. As in JSON, 1.0 is 1, and true is not."""
    try:
        text = '"' + value if isinstance(value, str) else json.dumps(_without_whole_floats(value), sort_keys=True)
        data = text.encode("utf-8", "surrogatepass")
    except RecursionError:  # JSON may be nested more deeply than Python follows
        data = b"nested too deeply"
    return blake2b(data, digest_size=_DIGEST_BYTES).digest(), len(data)


def _without_whole_floats(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [_without_whole_floats(item) for item in cast("Sequence[Any]", value)]
    if isinstance(value, dict):
        return {key: _without_whole_floats(item) for key, item in cast("Mapping[str, Any]", value).items()}
    return value


def _is_split(item: object) -> bool:
    """Tell whether an item of the output is a string that the platform sends as several chunks."""
    # Its size is not counted for short strings: no character takes more than 12 bytes of JSON.
    if not isinstance(item, str) or 12 * len(item) <= wire.STREAM_CHUNK_CAP:
        return False
    return len(json.dumps(item)) > wire.STREAM_CHUNK_CAP


def _fill(whole: Sequence[Any], place: _Place, rest: deque[StreamChunk[Any]], filled: deque[StreamChunk[Any]]) -> bool:
    """Add all chunks from a place on; tell whether all received ones were among them in their order."""
    for index in range(place.item, len(whole)):
        item = whole[index]
        if index == place.item and place.offset:
            item = item[place.offset :]
        if rest and _digest(rest[0].output) == _digest(item):  # for Python, NaN differs from itself, and 1 is True
            filled.append(rest.popleft())
        elif _is_split(whole[index]):
            filled += _pieces(item, rest)
        else:
            filled.append(StreamChunk(output=item, raw={}))
    return not rest


def _pieces(item: str, rest: deque[StreamChunk[Any]]) -> list[StreamChunk[Any]]:
    """Take the pieces of a string from the chunks; return them, or the string as one chunk if some are missing."""
    pieces, end, missing = list[StreamChunk[Any]](), 0, False
    while rest and isinstance(rest[0].output, str) and rest[0].output and end < len(item):
        start = item.find(rest[0].output, end)
        if start < 0:
            break
        missing = missing or start > end
        end = start + len(rest[0].output)
        pieces.append(rest.popleft())
    return pieces if end == len(item) and not missing else [StreamChunk(output=item, raw={})]


def interrupted_error(buffer: StreamBuffer, address: JobAddress) -> StreamInterruptedError | None:
    """Return the error for a stream with a hole, or None if there is none."""
    if buffer.gap is None:
        return None
    if buffer.runs_mixed:
        why = (
            "The job ran again, as after the death of a worker, and error.received may begin with chunks of an earlier "
            "run. With return_aggregate_stream, job.output() has all chunks of the last one."
        )
    elif buffer.unaligned:
        why = (
            "Chunks above 1 MB are split on the way, and the received pieces could not be aligned with the job's "
            "output: job.output() has all chunks."
        )
    else:
        why = (
            "They cannot be replayed from the job's output in their order. error.received has the chunks that did "
            "arrive. A worker with return_aggregate_stream keeps all chunks in the output."
        )
    return StreamInterruptedError(
        f"The stream of job {address.job_id} of endpoint {address.endpoint_id} has a hole after {buffer.gap} chunks: a "
        f"response was lost, or another reader took the chunks. {why}",
        job_id=address.job_id,
        received=buffer.received,
        gap=buffer.gap,
    )
