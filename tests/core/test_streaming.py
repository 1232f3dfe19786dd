from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from runpod_typed import JobStatus, StreamChunk
from runpod_typed._core.job_record import JobAddress
from runpod_typed._core.rate_limiter import TooLate
from runpod_typed._core.streaming import StreamBuffer, interrupted_error
from runpod_typed._models.responses import read_stream_page
from runpod_typed._models.stream import StreamPage
from runpod_typed._transport.messages import TransportFailure
from runpod_typed.errors import APIError
from tests.core.calls import REQUESTS, answer, call_of, error

ADDRESS = JobAddress("ep", "job-1")


def page(*outputs: Any, status: str | None = "IN_PROGRESS") -> StreamPage:
    return read_stream_page({"status": status, "stream": [{"output": output} for output in outputs]})


def outputs(buffer: StreamBuffer) -> list[Any]:
    """Return the chunks that the buffer hands out now."""
    taken = list[Any]()
    while (chunk := buffer.take()) is not None:
        taken.append(chunk.output)
    return taken


def buffer_of(*pages: StreamPage | None) -> StreamBuffer:
    """Return a buffer that has absorbed some pages; None is a lost response."""
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


def test_null_is_a_chunk() -> None:
    assert outputs(buffer_of(page(None, None))) == [None, None]


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"])
def test_an_empty_response_confirms_the_end(status: str) -> None:
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


def test_a_response_without_status_keeps_the_last_one() -> None:
    buffer = buffer_of(page("a"), page("b", status=None))
    assert buffer.status == "IN_PROGRESS"
    buffer.update(JobStatus.COMPLETED)
    assert buffer.confirming
    buffer.absorb(page("c", status=None))
    assert not buffer.finished
    buffer.absorb(page(status=None))
    assert buffer.finished


def test_a_job_that_is_queued_again_is_read_on() -> None:
    buffer = buffer_of(page("a", status="COMPLETED"), page(status="COMPLETED"))
    buffer.reopen()
    assert (buffer.confirming, buffer.finished) == (False, False)
    buffer.update(JobStatus.IN_QUEUE)
    assert not buffer.confirming
    buffer.absorb(page("b"))
    assert outputs(buffer) == ["a", "b"]


def test_a_stream_without_a_gap_is_complete() -> None:
    buffer = buffer_of(page("a"))
    assert buffer.reconcile("no list")
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
def test_a_gap_is_filled_from_the_aggregated_output(pages: list[StreamPage | None], whole: list[Any]) -> None:
    for taken_early in (True, False):
        buffer = buffer_of(*pages)
        before = outputs(buffer) if taken_early else []
        assert buffer.reconcile(whole)
        assert before + outputs(buffer) == whole
        assert (buffer.gap, buffer.received) == (None, whole)
        assert interrupted_error(buffer, ADDRESS) is None


def test_chunks_are_compared_as_json() -> None:
    buffer = buffer_of(page(float("nan")), None, page({"loss": float("nan")}, 1))
    assert buffer.reconcile([float("nan"), 0, {"loss": float("nan")}, 1])
    assert repr(outputs(buffer)) == "[nan, 0, {'loss': nan}, 1]"
    buffer = buffer_of(page("a"), None, page(True))
    assert not buffer.reconcile(["a", 1])
    buffer = buffer_of(page(2.0), None, page(-0.0, 3.5, {"box": [1.0, True]}))
    assert buffer.reconcile([2, 1, 0, 3.5, {"box": [1, True]}])
    assert outputs(buffer) == [2, 1, 0, 3.5, {"box": [1, True]}]
    buffer = buffer_of(page("a"), None, page({"box": [1]}))
    assert not buffer.reconcile(["a", {"box": [True]}])


@pytest.mark.parametrize(
    ("pages", "output"),
    [
        ([page("a"), None, page("c")], []),
        ([page("a"), None, page("c")], ["a"]),
        ([page("a"), None, page("c")], ["a", "b"]),
        ([page("a"), None, page("c")], ["b", "c"]),
        ([page("a"), None, page("c")], ["c", "a"]),
        ([page("a", "b"), None], ["a"]),
        ([page("a"), None], "a string"),
        ([page("a"), None], {"a": 1}),
        ([page("a"), None], None),
        ([None], []),
        ([None], None),
    ],
)
def test_an_output_that_lacks_chunks_fills_no_gap(pages: list[StreamPage | None], output: object) -> None:
    buffer = buffer_of(*pages)
    received = list(buffer.received)
    assert not buffer.reconcile(output)
    assert buffer.received == received
    found = interrupted_error(buffer, ADDRESS)
    assert found is not None
    assert (found.job_id, found.received, found.gap) == ("job-1", received, buffer.gap)
    assert "has a hole after" in found.message
    assert "return_aggregate_stream" in found.message


def test_metrics_of_chunks_that_did_arrive_are_kept() -> None:
    came = read_stream_page([{"output": "c", "metrics": {"tokens": 3}}])
    buffer = buffer_of(page("a"), None, came)
    assert buffer.reconcile(["a", "b", "c"])
    chunks = [buffer.take() for _ in range(3)]
    assert chunks[1] == StreamChunk(output="b", raw={})
    assert chunks[2] == came.chunks[0]


def test_a_stream_continues_after_a_filled_gap() -> None:
    buffer = buffer_of(None)
    assert buffer.reconcile(["a"])
    buffer.absorb(page("b"))
    assert outputs(buffer) == ["a", "b"]


# A job that ran again


@pytest.mark.parametrize(
    ("pages", "before", "now", "mixed"),
    [
        ([page("a")], 0, 1, True),
        ([page("a")], 1, 2, True),
        ([page("a")], 0, 0, False),
        ([page("a")], 1, 1, False),
        ([page(), None], 0, 1, False),
    ],
)
def test_chunks_of_an_earlier_run_are_told_once(
    pages: list[StreamPage | None], before: int, now: int, *, mixed: bool
) -> None:
    for taken_early in (True, False):
        buffer = buffer_of(*pages)
        buffer.retries = before
        if taken_early:
            outputs(buffer)
        assert [buffer.count_retries(now) for _ in range(2)] == [mixed, False]
        assert buffer.runs_mixed is mixed


def test_a_hole_in_the_stream_of_a_job_that_ran_again_says_so() -> None:
    buffer = buffer_of(page("a"), None, page("a", "b"))
    buffer.count_retries(1)
    assert not buffer.reconcile(["a", "b"])
    assert "may begin with chunks of an earlier run" in str(interrupted_error(buffer, ADDRESS))


# A handle that has reconnected


def reconnected(*pages: StreamPage) -> StreamBuffer:
    buffer = StreamBuffer(from_start=False)
    for each in pages:
        buffer.absorb(each)
    return buffer


def test_holds_chunks_of_a_running_job_back_until_released() -> None:
    buffer = reconnected(page("c"))
    assert (buffer.held_back, outputs(buffer)) == (True, [])
    buffer.release()
    buffer.absorb(page("d"))
    assert outputs(buffer) == ["c", "d"]


def test_no_more_than_a_megabyte_is_held_back() -> None:
    buffer = reconnected(page("x" * 600_000))
    assert outputs(buffer) == []
    buffer.absorb(page("y" * 600_000))
    assert len(outputs(buffer)) == 2


def test_no_more_than_fifteen_responses_are_held_back() -> None:
    buffer = reconnected(*[page(number) for number in range(15)])
    assert outputs(buffer) == []
    buffer.absorb(page(15))
    assert outputs(buffer) == list(range(16))


def test_nothing_is_held_back_of_a_job_in_the_queue() -> None:
    buffer = reconnected(page(status="IN_QUEUE"), page("a"))
    assert (buffer.complete, outputs(buffer)) == (True, ["a"])


@pytest.mark.parametrize(
    ("received", "whole"), [([], ["a", "b"]), (["b"], ["a", "b"]), (["a"], ["a", "b"]), (["a", "b"], ["a", "b"])]
)
def test_chunks_that_were_held_back_are_replayed_from_the_first(received: list[str], whole: list[str]) -> None:
    buffer = reconnected(page(*received, status="COMPLETED"), page(status="COMPLETED"))
    assert outputs(buffer) == []
    assert buffer.reconcile(whole)
    assert outputs(buffer) == whole
    assert buffer.complete


@pytest.mark.parametrize("output", [[], None, "text", {"a": 1}, ["something", "else"]])
def test_an_output_of_another_kind_proves_no_hole(output: object) -> None:
    buffer = reconnected(page("a", "b", status="COMPLETED"))
    assert buffer.reconcile(output)
    assert outputs(buffer) == ["a", "b"]


@pytest.mark.parametrize(
    ("received", "whole", "rest"),
    [(["a"], ["a", "b", "c"], ["b", "c"]), (["a", "b"], ["a", "b"], [])],
)
def test_the_chunks_after_the_ones_handed_out_are_replayed(
    received: list[str], whole: list[str], rest: list[str]
) -> None:
    buffer = reconnected(page(*received))
    buffer.release()
    assert outputs(buffer) == received
    assert buffer.reconcile(whole)
    assert outputs(buffer) == rest


@pytest.mark.parametrize("received", [["b", "c"], ["a", "c"], ["c"]])
def test_a_hole_before_chunks_that_were_handed_out_is_an_error(received: list[str]) -> None:
    buffer = reconnected(page(*received))
    buffer.release()
    outputs(buffer)
    assert not buffer.reconcile(["a", "b", "c"])
    found = interrupted_error(buffer, ADDRESS)
    assert found is not None
    assert found.received == received
    assert "another reader" in found.message


def test_a_hole_among_chunks_not_handed_out_is_an_error_too() -> None:
    buffer = reconnected(page("b"))
    buffer.release()
    outputs(buffer)
    buffer.absorb(page("x"))
    assert not buffer.reconcile(["a", "x"])


# Chunks that were split on the way


BIG = "".join(f"{number:09}" for number in range(250_000))  # 2.25 MB
PIECES = [BIG[:1_000_000], BIG[1_000_000:2_000_000], BIG[2_000_000:]]


def test_pieces_handed_out_before_a_gap_are_aligned() -> None:
    buffer = buffer_of(page(*PIECES), None)
    assert outputs(buffer) == PIECES
    assert buffer.reconcile([BIG, "b"])
    assert outputs(buffer) == ["b"]


def test_the_rest_of_a_split_chunk_is_replayed() -> None:
    buffer = buffer_of(page(PIECES[0]), None)
    assert outputs(buffer) == PIECES[:1]
    assert buffer.reconcile([BIG, "b"])
    assert "".join(outputs(buffer)) == BIG[1_000_000:] + "b"


@pytest.mark.parametrize("arrived", [PIECES, PIECES[1:], PIECES[:1], PIECES[1:2], PIECES[::2], [*PIECES, "b"]], ids=len)
def test_pieces_after_a_gap_are_aligned(arrived: list[str]) -> None:
    buffer = buffer_of(page("a"), None, page(*arrived))
    assert buffer.reconcile(["a", BIG, "b"])
    assert "".join(outputs(buffer)) == f"a{BIG}b"


def test_a_foreign_piece_after_a_gap_is_not_aligned() -> None:
    buffer = buffer_of(page("a"), None, page(PIECES[0], "foreign"))
    assert not buffer.reconcile(["a", BIG, "b"])


@pytest.mark.parametrize("pieces", [["x" * 1_000_000], [PIECES[1]]], ids=["foreign", "second"])
def test_pieces_that_do_not_fit_are_named_in_the_error(pieces: list[str]) -> None:
    buffer = buffer_of(page(*pieces), None)
    outputs(buffer)
    assert not buffer.reconcile([BIG])
    assert "could not be aligned" in str(interrupted_error(buffer, ADDRESS))


def test_a_gap_in_a_split_chunk_of_a_reconnected_job_is_an_error() -> None:
    buffer = reconnected(page(*PIECES[1:]))
    outputs(buffer)
    assert not buffer.reconcile([BIG])


# Memory


def test_chunks_that_the_caller_has_are_not_kept() -> None:
    buffer = StreamBuffer()
    for number in range(20):
        buffer.absorb(page(str(number) * 200_000))
        outputs(buffer)
    assert sum(len(chunk) for chunk in buffer.received) < 2_000_000
    assert buffer.received[-1][:2] == "19"
    buffer.lost()
    whole = [str(number) * 200_000 for number in range(22)]
    assert buffer.reconcile(whole)
    assert outputs(buffer) == whole[20:]


def test_json_that_python_cannot_follow_is_compared_too() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    buffer = buffer_of(page("a"))
    buffer.absorb(StreamPage(status=JobStatus.IN_PROGRESS, chunks=(StreamChunk(output=deep, raw={}),)))
    buffer.lost()
    assert len(outputs(buffer)) == 2


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
    """A handler yields, the server drains, responses are lost, the caller reads."""

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
    def response_arrives(self) -> None:
        self.buffer.absorb(self.drain())

    @precondition(lambda self: not self.buffer.finished)
    @rule()
    def response_is_lost(self) -> None:
        self.lost += len(self.drain().chunks)
        self.buffer.lost()

    @rule()
    def caller_reads(self) -> None:
        self.handed_out += outputs(self.buffer)

    @precondition(lambda self: self.buffer.finished)
    @rule(aggregated=st.booleans())
    def the_end(self, *, aggregated: bool) -> None:
        healed = self.buffer.reconcile(list(self.yielded) if aggregated else [])
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
def test_fills_a_gap_only_if_the_output_can_be_all_chunks(pages: list[list[int] | None], data: st.DataObject) -> None:
    buffer = buffer_of(*(None if each is None else page(*each) for each in pages))
    received, gap = list(buffer.received), buffer.gap
    whole: list[int] = data.draw(st.lists(st.integers(0, 2), max_size=10))
    if gap is None:
        return
    rest = iter(whole[gap:])
    can_be = bool(whole) and whole[:gap] == received[:gap] and all(chunk in rest for chunk in received[gap:])
    assert buffer.reconcile(whole) is can_be
    assert outputs(buffer) == (whole if can_be else received[:gap])
