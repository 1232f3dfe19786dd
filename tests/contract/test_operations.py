"""Each operation of the seam is the one that the specification describes."""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from runpod_queue_api import wire

from runpod_typed._core import batch_operations, operations
from runpod_typed._core.requests import Operation, Request
from runpod_typed._models.retry_policy import OperationKind
from runpod_typed.errors import APIStatusError, ServerError
from scripts.spec_document import Json, mapping, sequence
from tests.contract.described import OPERATIONS, SPEC
from tests.core.batch_calls import batch_requests
from tests.core.calls import NOW, REQUESTS, answer, call_of

ALL: Final = {**REQUESTS, **batch_requests()}
KINDS: Final = {
    "GET": {OperationKind.READ, OperationKind.DRAIN},
    "PUT": {OperationKind.CANCEL},
    "DELETE": {OperationKind.CANCEL},
    "POST": {OperationKind.SUBMIT, OperationKind.CANCEL, OperationKind.REQUEUE, OperationKind.PURGE},
}


def described(name: str) -> dict[str, Json]:
    return mapping(SPEC.find(OPERATIONS[name].pointer))


def resolved(value: Json) -> dict[str, Json]:
    """The value, or what it refers to."""
    reference = mapping(value).get("$ref")
    return mapping(value if reference is None else SPEC.find(tuple(str(reference).removeprefix("#/").split("/"))))


def answers(name: str, status: str) -> Iterator[tuple[str, Json]]:
    """The JSON examples of an operation's responses with a status, by name."""
    content = mapping(resolved(mapping(described(name)["responses"])[status])["content"])
    for example, told in mapping(mapping(content["application/json"]).get("examples")).items():
        yield example, resolved(told)["value"]


SUCCESSES: Final = [
    pytest.param(name, value, id=f"{name}-{status}-{example}")
    for name in ALL
    for status in mapping(described(name)["responses"])
    if status.startswith("2")
    for example, value in answers(name, status)
]
REFUSALS: Final = [
    pytest.param(name, int(status), id=f"{name}-{status}")
    for name in ALL
    for status in mapping(described(name)["responses"])
    if status.isdigit() and not status.startswith("2")
]


def test_every_operation_of_the_seam_is_tried_here() -> None:
    described = (*vars(operations).values(), *vars(batch_operations).values())
    seam = {value.name for value in described if isinstance(value, Operation)}
    assert set(ALL) == seam


@pytest.mark.parametrize("request_", ALL.values(), ids=ALL)
def test_a_request_goes_where_the_specification_says(request_: Request[Any]) -> None:
    operation = OPERATIONS[request_.operation.name]
    path, _, query = request_.http.target.partition("?")
    assert request_.http.method == operation.method.upper()
    assert re.fullmatch(re.sub(r"\{\w+\}", "[^/?]+", operation.path), path)
    shared = sequence(mapping(SPEC.find(operation.pointer[:-1])).get("parameters"))
    own = sequence(described(operation.name).get("parameters"))
    parameters = {str(resolved(each)["name"]): resolved(each)["in"] for each in [*shared, *own]}
    assert all(parameters[pair.partition("=")[0]] == "query" for pair in query.split("&") if pair)
    assert (request_.http.body is not None) is ("requestBody" in described(operation.name))


@pytest.mark.parametrize("request_", ALL.values(), ids=ALL)
def test_a_kind_of_repetition_fits_the_method(request_: Request[Any]) -> None:
    assert request_.operation.kind in KINDS[request_.http.method]


@pytest.mark.parametrize("request_", ALL.values(), ids=ALL)
def test_a_cap_is_known_where_the_specification_states_one(request_: Request[Any]) -> None:
    stated = mapping(described(request_.operation.name).get("requestBody") or {}).get("x-runpod-max-bytes")
    assert request_.operation.payload_cap == stated == wire.PAYLOAD_CAPS.get(request_.operation.name)


@pytest.mark.parametrize(("name", "body"), SUCCESSES)
def test_every_answer_that_the_specification_shows_is_read(name: str, body: Json) -> None:
    request_ = {**REQUESTS, **batch_requests()}[name]._replace(job_id=None)  # the examples are of several jobs
    assert not isinstance(call_of(request_).result(answer(body), seconds=5.0, wall_clock=NOW), Exception)


@pytest.mark.parametrize(("name", "status"), REFUSALS)
def test_each_refusal_in_the_specification_has_its_own_class(name: str, status: int) -> None:
    found = call_of(ALL[name]).result(answer({"error": "no"}, status), seconds=5.0, wall_clock=NOW)
    assert isinstance(found, ServerError) if status >= 500 else type(found) is not APIStatusError


@pytest.mark.parametrize(("name", "status"), REFUSALS)
def test_every_refusal_that_the_specification_shows_is_quoted(name: str, status: int) -> None:
    for _, body in answers(name, str(status)):
        found: Any = call_of(ALL[name]).result(answer(body, status), seconds=5.0, wall_clock=NOW)
        if isinstance(found, APIStatusError):
            assert any(str(words)[:200] in found.message for words in mapping(body).values())
        else:
            assert found.status == "FAILED"
