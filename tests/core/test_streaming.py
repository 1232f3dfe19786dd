from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from runpod_typed import JobStatus, StreamChunk
from runpod_typed._core.rate_limiter import TooLate
from runpod_typed._core.responses import read_stream_page
from runpod_typed._core.streaming import StreamBuffer, interrupted_error
from runpod_typed._models.jobs import JobAddress
from runpod_typed._models.stream import StreamPage
from runpod_typed._transport.messages import TransportFailure
from runpod_typed.errors import APIError
from tests.core.calls import REQUESTS, answer, call_of, error

ADDRESS = JobAddress("ep", "job-1")


def page(*outputs: Any, status: str | None = "IN_PROGRESS") -> StreamPage:
    return read_stream_page({"status": status, "stream": [{"output": output} for output in outputs]})


def outputs(buffer: StreamBuffer) -> list[Any]:
    """What the buffer hands out at this moment."""
    taken = list[Any]()
    while (chunk := buffer.take()) is not None:
        taken.append(chunk.output)
    return taken


def buffer_of(*pages: StreamPage | None) -> StreamBuffer:
    """A buffer that has absorbed some pages; None is an answer that was lost."""
    buffer = StreamBuffer()
    for each in pages:
        if each is None:
            buffer.lost()
        else:
            buffer.absorb(each)
    return buffer


# Without a loss


def _too_late() -> APIError:
    error = call_of(REQUESTS["stream"]).too_late(TooLate(seconds=1.0, message=""))
    assert isinstance(error, APIError)
    return error


def test_chunks_are_handed_out_in_order_and_once() -> None:
    buffer = buffer_of(page("a", "b"), page(), page("c"))
    assert outputs(buffer) == ["a", "b", "c"]
    assert outputs(buffer) == []
    assert buffer.received == ["a", "b", "c"]


def test_a_chunk_of_nothing_is_a_chunk() -> None:
    assert outputs(buffer_of(page(None, None))) == [None, None]


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"])
def test_the_last_chunks_come_with_the_end_and_an_empty_answer_confirms_it(status: str) -> None:
    buffer = buffer_of(page("a"), page("b", status=status))
    assert (buffer.confirming, buffer.finished, buffer.status) == (True, False, status)
    buffer.absorb(page("late", status=status))
    assert (buffer.confirming, buffer.finished) == (True, False)
    buffer.absorb(page(status=status))
    assert buffer.finished
    assert outputs(buffer) == ["a", "b", "late"]


def test_an_end_without_chunks_needs_no_confirmation() -> None:
    assert buffer_of(page("a"), page(status="COMPLETED")).finished


@pytest.mark.parametrize("status", ["IN_QUEUE", "IN_PROGRESS", "PAUSED", None])
def test_other_statuses_are_no_end(status: str | None) -> None:
    buffer = buffer_of(page("a", status=status), page(status=status))
    assert (buffer.confirming, buffer.finished, buffer.status) == (False, False, status)


def test_an_answer_that_does_not_say_where_the_job_stands_leaves_it_where_it_stood() -> None:
    buffer = buffer_of(page("a"), page("b", status=None))
    assert buffer.status == "IN_PROGRESS"
    buffer.looked(JobStatus.COMPLETED)
    assert buffer.confirming
    buffer.absorb(page("c", status=None))
    assert not buffer.finished
    buffer.absorb(page(status=None))
    assert buffer.finished


def test_a_job_that_goes_on_after_all_is_read_on() -> None:
    buffer = buffer_of(page("a", status="COMPLETED"), page(status="COMPLETED"))
    buffer.reopen()
    assert (buffer.confirming, buffer.finished) == (False, False)
    buffer.looked(JobStatus.IN_QUEUE)
    assert not buffer.confirming
    buffer.absorb(page("b"))
    assert outputs(buffer) == ["a", "b"]


def test_a_buffer_without_a_gap_has_nothing_to_heal_or_to_report() -> None:
    buffer = buffer_of(page("a"))
    assert buffer.heal("no list")
    assert interrupted_error(buffer, ADDRESS) is None


# With one


def test_nothing_is_handed_out_behind_a_gap() -> None:
    buffer = buffer_of(page("a", "b"), None, page("d"))
    assert outputs(buffer) == ["a", "b"]
    assert buffer.received == ["a", "b", "d"]


@pytest.mark.parametrize(
    ("pages", "whole"),
    [
        ([page("a"), None, page("c")], ["a", "b", "c"]),
        ([page("a"), None, page("b")], ["a", "b"]),
        ([None, page("b")], ["a", "b"]),
        ([None], ["a", "b"]),
        ([page("a"), None], ["a", "b"]),
        ([page("a"), None], ["a"]),
        ([page("a"), None, page("c"), None, page("e")], ["a", "b", "c", "d", "e"]),
        ([page("a"), None, page("c"), None], ["a", "b", "c", "d"]),
        ([None, None, page("a")], ["a", "a", "b"]),
        ([page("a"), None, page("a")], ["a", "a"]),
        ([page({"i": 1}), None, page(None)], [{"i": 1}, {"i": 2}, None]),
    ],
)
def test_a_gap_is_filled_from_the_output_of_all_chunks(pages: list[StreamPage | None], whole: list[Any]) -> None:
    for taken_early in (True, False):
        buffer = buffer_of(*pages)
        before = outputs(buffer) if taken_early else []
        assert buffer.heal(whole)
        assert before + outputs(buffer) == whole
        assert (buffer.gap, buffer.received) == (None, whole)
        assert interrupted_error(buffer, ADDRESS) is None


@pytest.mark.parametrize(
    ("pages", "output"),
    [
        ([page("a"), None, page("c")], []),
        ([page("a"), None, page("c")], ["a"]),
        ([page("a"), None, page("c")], ["a", "b"]),
        ([page("a"), None, page("c")], ["b", "c"]),
        ([page("a"), None, page("c")], ["c", "a"]),
        ([page("a", "b"), None], ["a"]),
        ([page("a"), None], "a text"),
        ([page("a"), None], {"a": 1}),
        ([page("a"), None], None),
        ([None], []),
        ([None], None),
    ],
)
def test_an_output_that_is_not_all_chunks_fills_no_gap(pages: list[StreamPage | None], output: object) -> None:
    buffer = buffer_of(*pages)
    received = list(buffer.received)
    assert not buffer.heal(output)
    assert buffer.received == received
    found = interrupted_error(buffer, ADDRESS)
    assert found is not None
    assert (found.job_id, found.received, found.gap) == ("job-1", received, buffer.gap)
    assert "lost an answer after" in found.message
    assert "return_aggregate_stream" in found.message


def test_what_came_beside_the_chunks_that_did_arrive_is_kept() -> None:
    came = read_stream_page([{"output": "c", "metrics": {"tokens": 3}}])
    buffer = buffer_of(page("a"), None, came)
    assert buffer.heal(["a", "b", "c"])
    chunks = [buffer.take() for _ in range(3)]
    assert chunks[1] == StreamChunk(output="b", raw={})
    assert chunks[2] == came.chunks[0]


def test_a_stream_goes_on_after_a_gap_is_filled() -> None:
    buffer = buffer_of(None)
    assert buffer.heal(["a"])
    buffer.absorb(page("b"))
    assert outputs(buffer) == ["a", "b"]


# Which failures lose chunks


@pytest.mark.parametrize(
    "outcome",
    [
        TransportFailure("ReadError", request_sent=True),
        TransportFailure("ReadTimeout", request_sent=True, timed_out=True),
        answer(b"", 500),
        answer(b"", 524),
        answer(b"", 408),
        answer(b"<html>", 200),
        answer({"stream": 5}, 200),
    ],
    ids=repr,
)
def test_a_failure_after_sending_may_have_lost_chunks(outcome: Any) -> None:
    buffer = buffer_of(page("a"))
    buffer.note(error("stream", outcome))
    assert buffer.gap == 1


@pytest.mark.parametrize(
    "outcome",
    [TransportFailure("ConnectError", request_sent=False), answer(b"", 401), answer(b"", 404), answer(b"", 429)],
    ids=repr,
)
def test_a_refusal_has_lost_nothing(outcome: Any) -> None:
    buffer = buffer_of(page("a"))
    buffer.note(error("stream", outcome))
    buffer.note(_too_late())
    assert buffer.gap is None


# Whatever happens


class Streaming(RuleBasedStateMachine):
    """A handler yields, the server drains, answers are lost on the way, somebody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = StreamBuffer()
        self.yielded = list[int]()
        self.drained = 0
        self.lost = 0
        self.handed_out = list[Any]()
        self.ended = False

    @initialize(distinct=st.booleans())
    def begin(self, *, distinct: bool) -> None:
        """Chunks that are all alike hide more than chunks that are not."""
        self.distinct = distinct

    @precondition(lambda self: not self.ended)
    @rule(number=st.integers(1, 3))
    def handler_yields(self, number: int) -> None:
        for _ in range(number):
            self.yielded.append(len(self.yielded) if self.distinct else 0)

    @precondition(lambda self: not self.ended)
    @rule()
    def handler_returns(self) -> None:
        self.ended = True

    def drain(self) -> StreamPage:
        new = self.yielded[self.drained :]
        self.drained = len(self.yielded)
        return page(*new, status="COMPLETED" if self.ended else "IN_PROGRESS")

    @precondition(lambda self: not self.buffer.finished)
    @rule()
    def answer_arrives(self) -> None:
        self.buffer.absorb(self.drain())

    @precondition(lambda self: not self.buffer.finished)
    @rule()
    def answer_is_lost(self) -> None:
        self.lost += len(self.drain().chunks)
        self.buffer.lost()

    @rule()
    def somebody_reads(self) -> None:
        self.handed_out += outputs(self.buffer)

    @precondition(lambda self: self.buffer.finished)
    @rule(aggregated=st.booleans())
    def the_end(self, *, aggregated: bool) -> None:
        healed = self.buffer.heal(list(self.yielded) if aggregated else [])
        self.handed_out += outputs(self.buffer)
        if healed:
            assert self.handed_out == self.yielded
            assert interrupted_error(self.buffer, ADDRESS) is None
        else:
            found = interrupted_error(self.buffer, ADDRESS)
            assert found is not None
            assert len(found.received) == len(self.yielded) - self.lost
            assert not (aggregated and self.yielded), "the output holds all chunks, and they were not handed out"

    @invariant()
    def what_is_handed_out_is_what_was_yielded_from_its_beginning(self) -> None:
        assert self.handed_out == self.yielded[: len(self.handed_out)]

    @invariant()
    def a_loss_never_goes_unnoticed(self) -> None:
        assert self.lost == 0 or self.buffer.gap is not None or len(self.handed_out) == len(self.yielded)


Streaming.TestCase.settings = settings(stateful_step_count=20)
TestStreaming = Streaming.TestCase


@given(st.lists(st.one_of(st.none(), st.lists(st.integers(0, 2), max_size=3)), max_size=8), st.data())
def test_a_gap_is_filled_if_and_only_if_the_output_can_be_all_chunks(
    pages: list[list[int] | None], data: st.DataObject
) -> None:
    buffer = buffer_of(*(None if each is None else page(*each) for each in pages))
    received, gap = list(buffer.received), buffer.gap
    whole: list[int] = data.draw(st.lists(st.integers(0, 2), max_size=10))
    if gap is None:
        return
    rest = iter(whole[gap:])
    can_be = bool(whole) and whole[:gap] == received[:gap] and all(chunk in rest for chunk in received[gap:])
    assert buffer.heal(whole) is can_be
    assert outputs(buffer) == (whole if can_be else received[:gap])
