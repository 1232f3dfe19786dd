"""OpenAI's API in front of the queue."""

from collections.abc import Iterator
from typing import Any

from runpod_typed.local import LocalQueue
from tests.local.caller import Caller

QUESTION = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def test_the_list_of_models_is_empty(client: Caller) -> None:
    assert client.get("/openai/v1/models").json == {"object": "list", "data": []}


def test_a_request_becomes_a_job_and_its_output_the_answer() -> None:
    with LocalQueue(lambda job: {"asked": job["input"]}) as queue:
        answer = Caller(queue).post("/openai/v1/chat/completions", QUESTION)
    assert answer.status == 200
    assert answer.json == {"asked": {"openai_route": "/v1/chat/completions", "openai_input": QUESTION}}


def test_a_worker_that_yields_its_one_answer_is_understood() -> None:
    def handler(job: dict[str, Any]) -> Iterator[object]:
        yield {"choices": []}

    for aggregate in (False, True):
        with LocalQueue({"handler": handler, "return_aggregate_stream": aggregate}) as queue:
            assert Caller(queue).post("/openai/v1/completions", QUESTION).json == {"choices": []}


def test_a_stream_comes_as_events() -> None:
    def handler(job: dict[str, Any]) -> Iterator[object]:
        yield {"n": 1}
        yield 'data: {"n":2}\n\n'
        yield "data: [DONE]\n\n"

    with LocalQueue(handler) as queue:
        answer = Caller(queue).post("/openai/v1/chat/completions", QUESTION | {"stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text == 'data: {"n":1}\n\ndata: {"n":2}\n\ndata: [DONE]\n\n'


def test_a_failure_is_an_error_in_openais_form() -> None:
    with LocalQueue(lambda job: {"error": "out of memory"}) as queue:
        answer = Caller(queue).post("/openai/v1/chat/completions", QUESTION)
    assert answer.status == 500
    assert answer.json == {"error": {"message": "out of memory", "type": "server_error"}}


def test_a_body_that_is_no_object_is_400(client: Caller) -> None:
    assert client.post("/openai/v1/chat/completions", []).status == 400
