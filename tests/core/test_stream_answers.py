from __future__ import annotations

from typing import Any

import pytest

from runpod_typed import StreamChunk
from runpod_typed._models.responses import ValidationError, read_chunk, read_stream_page

STREAM_ANSWERS: list[tuple[object, str | None, list[Any]]] = [
    ({"status": "IN_QUEUE", "stream": []}, "IN_QUEUE", []),
    (
        {"status": "IN_PROGRESS", "stream": [{"output": {"i": 2}}, {"output": None}]},
        "IN_PROGRESS",
        [{"i": 2}, None],
    ),
    ({"status": "COMPLETED"}, "COMPLETED", []),
    ({"status": "COMPLETED", "stream": None, "id": None}, "COMPLETED", []),
    ({"status": None, "stream": [{}]}, None, [None]),
    ({"status": "PAUSED", "stream": [], "delayTime": 5, "more": 1}, "PAUSED", []),
    ({}, None, []),
    ([], None, []),
    ([{"output": "a", "metrics": {"x": 1}}, {"output": "b", "metrics": None}], None, ["a", "b"]),
]


@pytest.mark.parametrize(("answer", "status", "outputs"), STREAM_ANSWERS)
def test_a_stream_s_answer_is_read_in_each_of_its_forms(answer: object, status: str | None, outputs: list[Any]) -> None:
    page = read_stream_page(answer)
    assert page.status == status
    assert [chunk.output for chunk in page.chunks] == outputs
    assert page.tells_nothing == (status is None and not outputs)


def test_a_null_in_a_chunk_loses_no_chunk() -> None:
    came = {"output": None, "metrics": None}
    for page in (read_stream_page([came]), read_stream_page({"status": "IN_PROGRESS", "stream": [came]})):
        assert page.chunks == (StreamChunk(output=None, metrics=None, raw={}),)
        assert page.chunks[0].raw == came


def test_a_chunk_has_what_came_beside_its_output() -> None:
    chunk = read_chunk({"output": {"text": ["How"]}, "metrics": {"tokens": 1}, "more": 2})
    assert (chunk.output, chunk.metrics, chunk.raw["more"]) == ({"text": ["How"]}, {"tokens": 1}, 2)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        5,
        "text",
        [5],
        [[]],
        [None],
        [""],
        [["output", 1]],
        {"stream": 5},
        {"stream": {}},
        {"stream": ""},
        {"stream": "chunk"},
        {"stream": [""]},
        {"stream": [["ab"]]},
        {"stream": [None]},
        {"stream": [{"output": 1, "metrics": 5}]},
        {"stream": [], "status": 5},
        {"stream": [], "status": ""},
    ],
)
def test_an_invalid_response_of_a_stream_is_refused(answer: object) -> None:
    with pytest.raises(ValidationError):
        read_stream_page(answer)
