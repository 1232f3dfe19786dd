"""OpenAI's API in front of the queue, with a plain caller and with OpenAI's own client."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from runpod_typed.local import Limit, LocalQueue
from tests.local.caller import Caller

QUESTION = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
MESSAGES: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "hi"}]


def worker(job: dict[str, Any]) -> Iterator[object]:
    """Acts as vLLM, SGLang and embedding workers do: models, completions as text, streams as events, errors."""
    route, body = job["input"]["openai_route"], job["input"]["openai_input"]
    if route == "/v1/models":
        yield {"object": "list", "data": [{"id": "tiny", "object": "model", "created": 1, "owned_by": "me"}]}
    elif body["model"] != "tiny":
        yield {"error": {"message": f"no model {body['model']}"}}
    elif body.get("stream"):
        for word in ("Hel", "lo"):
            yield f"data: {completion('chat.completion.chunk', 'delta', word)}\n\n"
        if "break" in str(body["messages"]):
            raise RuntimeError("out of memory")
        yield "data: [DONE]\n\n"
    else:
        yield completion("chat.completion", "message", "Hello")


def completion(kind: str, part: str, content: str) -> str:
    choice = {"index": 0, part: {"role": "assistant", "content": content}, "finish_reason": None}
    return json.dumps({"id": "c", "object": kind, "created": 1, "model": "tiny", "choices": [choice]})


@pytest.fixture(scope="module")
def client() -> Iterator[openai.OpenAI]:
    with LocalQueue({"handler": worker, "return_aggregate_stream": True}) as queue:
        url = f"{queue.base_url}/{queue.endpoint_id}/openai/v1"
        with openai.OpenAI(api_key=queue.api_key, base_url=url, max_retries=0) as client:
            yield client


def test_openai_client_lists_models_of_the_worker(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]


def test_openai_client_gets_completion(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(model="tiny", messages=MESSAGES)
    assert completion.choices[0].message.content == "Hello"


def test_openai_client_streams(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="tiny", messages=MESSAGES, stream=True))
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["Hel", "lo"]


def test_openai_client_raises_error_of_the_worker(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError, match="no model huge"):
        client.chat.completions.create(model="huge", messages=MESSAGES)


def test_openai_client_raises_when_stream_fails_at_once(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIError, match="no model huge"):
        list(client.chat.completions.create(model="huge", messages=MESSAGES, stream=True))


def test_openai_client_raises_when_stream_breaks(client: openai.OpenAI) -> None:
    messages: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "break"}]
    received: list[str | None] = []
    with pytest.raises(openai.APIError, match="out of memory"):
        for chunk in client.chat.completions.create(model="tiny", messages=messages, stream=True):
            received.append(chunk.choices[0].delta.content)
    assert received == ["Hel", "lo"]


def test_asks_the_worker_for_models() -> None:
    with LocalQueue(lambda job: {"asked": job["input"]}) as queue:
        response = Caller(queue).get("/openai/v1/models")
    assert response.json == {"asked": {"openai_route": "/v1/models", "openai_input": {}}}


def test_returns_output_of_job() -> None:
    with LocalQueue(lambda job: {"asked": job["input"]}) as queue:
        response = Caller(queue).post("/openai/v1/chat/completions", QUESTION)
    assert response.status == 200
    assert response.json == {"asked": {"openai_route": "/v1/chat/completions", "openai_input": QUESTION}}


@pytest.mark.parametrize("aggregate", [False, True])
@pytest.mark.parametrize(("output", "body"), [({"choices": []}, '{"choices":[]}'), ('{"a": 1}', '{"a": 1}')])
def test_accepts_single_yielded_output(aggregate: bool, output: object, body: str) -> None:
    def handler(job: dict[str, Any]) -> Iterator[object]:
        yield output

    with LocalQueue({"handler": handler, "return_aggregate_stream": aggregate}) as queue:
        response = Caller(queue).post("/openai/v1/completions", QUESTION)
    assert (response.text, response.headers["content-type"]) == (body, "application/json")


def test_streams_events() -> None:
    def handler(job: dict[str, Any]) -> Iterator[object]:
        yield {"n": 1}
        yield 'data: {"n":2}\n\n'
        yield "data: [DONE]\n\n"

    with LocalQueue(handler) as queue:
        response = Caller(queue).post("/openai/v1/chat/completions", QUESTION | {"stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text == 'data: {"n":1}\n\ndata: {"n":2}\n\ndata: [DONE]\n\n'


ERRORS = [
    ("out of memory", {"message": "out of memory", "type": "server_error"}),
    ({"message": "too long", "code": 400}, {"message": "too long", "code": 400}),
]


@pytest.mark.parametrize(("error", "shown"), ERRORS)
def test_failure_is_an_openai_error(error: object, shown: object) -> None:
    with LocalQueue(lambda job: {"error": error}) as queue:
        response = Caller(queue).post("/openai/v1/chat/completions", QUESTION)
    assert response.status == 500
    assert response.json == {"error": shown}


def test_failed_stream_ends_with_error_event() -> None:
    def handler(job: dict[str, Any]) -> Iterator[object]:
        yield "data: {}\n\n"
        yield {"error": "out of memory"}

    with LocalQueue(handler) as queue:
        response = Caller(queue).post("/openai/v1/chat/completions", QUESTION | {"stream": True})
    event = 'data: {"error":{"message":"out of memory","type":"server_error"}}\n\n'
    assert response.text == f"data: {{}}\n\n{event}"


def test_body_that_is_not_an_object_gets_400(queue: LocalQueue) -> None:
    assert Caller(queue).post("/openai/v1/chat/completions", []).status == 400


def test_published_limit_holds_for_openai_requests() -> None:
    with LocalQueue({"handler": worker, "return_aggregate_stream": True}, limits={"openai": Limit(1)}) as queue:
        caller = Caller(queue)
        question = QUESTION | {"model": "tiny"}
        assert [caller.post("/openai/v1/chat/completions", question).status for _ in range(2)] == [200, 429]
