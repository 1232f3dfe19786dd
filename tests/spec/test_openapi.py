"""The promises of the specification to its readers and to the code that is generated from it."""

from typing import Final

import pytest

from scripts import check_spec
from scripts.spec_document import Json, Operation, Pointer, mapping, sequence, show
from tests.contract.described import OPERATIONS, SCHEMAS, SPEC

EXAMPLES: Final = dict(check_spec.example_places(SPEC))


def responses(operation: Operation) -> dict[str, dict[str, Json]]:
    """The responses of an operation, references followed."""
    given = mapping(SPEC.find((*operation.pointer, "responses")))
    return {status: resolved(mapping(response)) for status, response in given.items()}


def resolved(value: dict[str, Json]) -> dict[str, Json]:
    """Return the target of a reference, or the value itself."""
    reference = value.get("$ref")
    if not isinstance(reference, str):
        return value
    return mapping(SPEC.find(tuple(reference.removeprefix("#/").split("/"))))


def test_the_specification_has_no_problem() -> None:
    assert check_spec.problems(SPEC) == []


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_names_its_rate_limit_or_that_none_is_known(name: str) -> None:
    budget = mapping(SPEC.find(OPERATIONS[name].pointer)).get("x-runpod-rate-limit")
    assert budget == "none-published" or budget in mapping(SPEC.content["x-runpod-rate-limits"])


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_describes_success_and_each_class_of_failure(name: str) -> None:
    found = responses(OPERATIONS[name]).keys()
    assert {"400", "401", "404", "429", "4XX", "500", "502", "5XX"} <= found
    assert any(status.startswith("2") for status in found)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_with_a_body_may_be_refused_for_its_size(name: str) -> None:
    operation = mapping(SPEC.find(OPERATIONS[name].pointer))
    takes_jobs = "requestBody" in operation and name != "update_batch"
    assert ("413" in responses(OPERATIONS[name])) == takes_jobs


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_rate_limited_answer_may_say_when_to_come_back(name: str) -> None:
    headers = mapping(responses(OPERATIONS[name])["429"].get("headers"))
    assert headers
    assert not any(resolved(mapping(header)).get("required") for header in headers.values())


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_of_success_has_an_example(name: str) -> None:
    for status, success in responses(OPERATIONS[name]).items():
        if status.startswith("2") and "content" in success:
            assert mapping(mapping(mapping(success["content"])["application/json"])["examples"])


@pytest.mark.parametrize("place", EXAMPLES, ids=show)
def test_an_example_is_what_its_schema_says(place: Pointer) -> None:
    assert list(check_spec.misfits(SPEC, place, EXAMPLES[place])) == []


@pytest.mark.parametrize("name", [name for name, schema in SCHEMAS.items() if "properties" in mapping(schema)])
def test_an_object_tolerates_fields_that_nobody_knows_yet(name: str) -> None:
    assert mapping(SCHEMAS[name])["additionalProperties"] is True


@pytest.mark.parametrize("name", [name for name, schema in SCHEMAS.items() if "enum" in mapping(schema)])
def test_an_enum_is_always_left_open(name: str) -> None:
    reference = f"#/components/schemas/{name}"
    uses = [pointer for pointer, value in SPEC.walk() if value == {"$ref": reference}]
    assert uses
    assert all({"type": "string"} in sequence(SPEC.find(pointer[:-1])) for pointer in uses)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_and_every_field_is_described(name: str) -> None:
    schema = mapping(SCHEMAS[name])
    assert schema.get("description")
    for field, value in mapping(schema.get("properties")).items():
        assert resolved(mapping(value)).get("description"), field


@pytest.mark.parametrize(
    ("schema", "fields"),
    [
        ("Job", {"id", "status"}),
        ("RunRequest", {"input"}),
        ("WorkerError", {"error_message"}),
        ("StreamAnswer", set[str]()),
        ("StreamChunk", set[str]()),
        ("EndpointHealth", set[str]()),
        ("JobCounts", set[str]()),
        ("WorkerCounts", set[str]()),
        ("ErrorBody", set[str]()),
    ],
)
def test_what_a_capture_lacks_is_optional(schema: str, fields: set[str]) -> None:
    assert set(map(str, sequence(mapping(SCHEMAS[schema]).get("required")))) == fields
