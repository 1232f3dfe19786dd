"""Parts of the generated code that the rest of the project relies on.

A newer generator that renames, moves or reinterprets any of this fails here, and not in a user's program.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final, Protocol, Self, cast

import attrs
import httpx
import pytest
from openapi_python_client import strings
from runpod_queue_api import AuthenticatedClient, Client, models, wire
from runpod_queue_api.api.jobs import get_status
from runpod_queue_api.types import UNSET, Unset

from scripts.spec_document import Json, Operation, mapping, sequence
from tests.contract.described import OPERATIONS, SCHEMAS, SPEC

OBJECTS: Final = [name for name, schema in SCHEMAS.items() if mapping(schema)["type"] == "object"]
ENUMS: Final = [name for name, schema in SCHEMAS.items() if "enum" in mapping(schema)]

FIGURES: Final = [
    (name, field)
    for name in OBJECTS
    for field, schema in mapping(mapping(SCHEMAS[name]).get("properties")).items()
    if mapping(schema).get("type") == "integer" and field not in sequence(mapping(SCHEMAS[name]).get("required"))
]

ANY_JSON: Final[list[Json]] = ["text", "", 0, 1.5, True, None, [], [1, [2]], {}, {"prompt": "Hello, World!"}]


class Model(Protocol):
    """The attributes of every generated model."""

    additional_properties: dict[str, Any]

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self: ...
    def to_dict(self) -> dict[str, Any]: ...


def model(name: str) -> type[Model]:
    """A generated model by the name of its schema."""
    return cast("type[Model]", getattr(models, name))


def builder(name: str) -> Callable[..., dict[str, Any]]:
    """The function that builds the request of an operation."""
    tag = sequence(mapping(SPEC.find(OPERATIONS[name].pointer))["tags"])[0]
    module = import_module(f"runpod_queue_api.api.{tag}.{name}")
    return cast("Callable[..., dict[str, Any]]", module._get_kwargs)


def parameters(operation: Operation, *kinds: str) -> dict[str, bool]:
    """Return an operation's parameters of these kinds by their Python names, and whether each is required."""
    found = [mapping(SPEC.find(place)) for place in SPEC.parameters(operation)]
    return {
        str(strings.PythonIdentifier(str(each["name"]), "field_")): each.get("required") is True
        for each in found
        if each["in"] in kinds
    }


def required_fields(name: str) -> dict[str, object]:
    """A value for each field that a schema cannot do without."""
    schema = mapping(SCHEMAS[name])
    place = ("components", "schemas", name, "properties")
    fields = {field: mapping(SPEC.find(SPEC.follow((*place, field)))) for field in mapping(schema.get("properties"))}
    kinds = {field: value.get("format", value.get("type")) for field, value in fields.items()}
    values: dict[Json, object] = {"array": [], "date-time": "2026-07-09T10:30:00+00:00", "integer": 1, "number": 1.5}
    return {field: values.get(kinds.get(field), "x") for field in map(str, sequence(schema.get("required")))}


def vars_of(parsed: Model) -> dict[str, object]:
    """The fields of a model by their Python names, unknown ones left out."""
    fields = attrs.fields(type(cast("attrs.AttrsInstance", parsed)))
    return {field.name: getattr(parsed, field.name) for field in fields if field.name != "additional_properties"}


def example_body(operation: Operation) -> dict[str, object]:
    """The body of an operation, as the argument that it takes; nothing where it takes none."""
    given = mapping(mapping(SPEC.find(operation.pointer)).get("requestBody"))
    if not given:
        return {}
    content = mapping(mapping(given["content"])["application/json"])
    example = mapping(next(iter(mapping(content["examples"]).values())))["value"]
    place = SPEC.follow((*operation.pointer, "requestBody", "content", "application/json", "schema"))
    schema = mapping(SPEC.find(place))
    if schema["type"] == "object":
        return {"body": model(str(place[-1])).from_dict(mapping(example))}
    item = model(str(SPEC.follow((*place, "items"))[-1]))
    return {"body": [item.from_dict(mapping(each)) for each in sequence(example)]}


@pytest.mark.parametrize("name", OPERATIONS)
def test_builds_a_request_from_ids_body_and_options(name: str) -> None:
    operation = mapping(SPEC.find(OPERATIONS[name].pointer))
    signature = inspect.signature(builder(name)).parameters
    ids, options = parameters(OPERATIONS[name], "path"), parameters(OPERATIONS[name], "query", "header", "cookie")
    body = ["body"] if "requestBody" in operation else []

    assert [key for key, value in signature.items() if value.kind is value.POSITIONAL_OR_KEYWORD] == [*ids]
    assert {key for key, value in signature.items() if value.kind is value.KEYWORD_ONLY} == {*body, *options}
    assert all(isinstance(signature[option].default, Unset) != required for option, required in options.items())


@pytest.mark.parametrize("name", OPERATIONS)
def test_ids_are_quoted_into_the_path(name: str) -> None:
    found = OPERATIONS[name]
    ids, body = parameters(found, "path"), example_body(found)
    required = [option for option, needed in parameters(found, "query", "header", "cookie").items() if needed]

    request = builder(name)(*("a/b c" for _ in ids), **body, **dict.fromkeys(required, "x"))

    assert request.keys() <= {"method", "url", "params", "json", "headers", "cookies"}
    assert ("json" in request) == ("body" in body)
    assert request["method"] == found.method
    assert request["url"] == re.sub(r"\{\w+\}", "a%2Fb%20c", found.path)


@pytest.mark.parametrize(
    ("name", "option"), [("run_sync", "wait"), ("get_status_sync", "wait"), ("stream", "wait"), ("get_status", "ttl")]
)
def test_an_option_is_sent_only_when_it_is_given(name: str, option: str) -> None:
    ids = ["e", "j"][: len(parameters(OPERATIONS[name], "path"))]
    body = {"body": models.RunRequest(input_=1)} if name == "run_sync" else {}

    assert builder(name)(*ids, **body)["params"] == {}
    assert builder(name)(*ids, **body, **{option: 1500})["params"] == {option: 1500}


@pytest.mark.parametrize("value", ANY_JSON, ids=repr)
def test_any_json_passes_as_input(value: Json) -> None:
    request = builder("run")("endpoint", body=models.RunRequest(input_=value))
    assert request["json"] == {"input": value}


def test_the_envelope_is_sent_under_the_documented_names() -> None:
    body = models.RunRequest(
        input_={"prompt": "Hello"},
        webhook="https://example.org/hook",
        policy=models.ExecutionPolicy(execution_timeout=5000, ttl=10000, low_priority=True),
        s_3_config=models.S3Config(
            access_id="i", access_secret="s", bucket_name="b", endpoint_url="u", object_path="o"
        ),
    )

    assert builder("run")("endpoint", body=body)["json"] == {
        "input": {"prompt": "Hello"},
        "webhook": "https://example.org/hook",
        "policy": {"executionTimeout": 5000, "ttl": 10000, "lowPriority": True},
        "s3Config": {
            "accessId": "i",
            "accessSecret": "s",
            "bucketName": "b",
            "endpointUrl": "u",
            "objectPath": "o",
        },
    }


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_schema_has_a_model_that_keeps_unknown_fields(name: str) -> None:
    known = required_fields(name)

    parsed = model(name).from_dict({**known, "fieldOfTomorrow": {"deep": 1}})

    assert parsed.additional_properties == {"fieldOfTomorrow": {"deep": 1}}
    assert parsed.to_dict() == {**known, "fieldOfTomorrow": {"deep": 1}}


@pytest.mark.parametrize("name", [name for name in OBJECTS if "examples" in mapping(SCHEMAS[name])])
def test_the_example_of_a_schema_survives_its_model(name: str) -> None:
    for example in sequence(mapping(SCHEMAS[name])["examples"]):
        told = model(name).from_dict(mapping(example)).to_dict()
        assert {key: same_instant(value) for key, value in told.items()} == {
            key: same_instant(value) for key, value in mapping(example).items()
        }


def same_instant(value: object) -> object:
    """`Z` and `+00:00` say the same."""
    return value.replace("Z", "+00:00") if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value) else value


@pytest.mark.parametrize("name", ENUMS)
def test_an_enum_has_a_member_for_each_value_it_names(name: str) -> None:
    values = sequence(mapping(SCHEMAS[name])["enum"])
    enum = cast("type[models.KnownJobStatus]", getattr(models, name))

    assert {member.value for member in enum} == set(values)
    assert all(member == member.name for member in enum)


@pytest.mark.parametrize("status", ["UNHEARD_OF", "", "in_queue"])
def test_a_status_of_tomorrow_is_kept_as_it_came(status: str) -> None:
    job = models.Job.from_dict({"id": "j", "status": status})

    assert job.status == status
    assert not isinstance(job.status, models.KnownJobStatus)
    assert job.to_dict()["status"] == status


def test_a_known_status_is_a_member() -> None:
    assert models.Job.from_dict({"id": "j", "status": "IN_QUEUE"}).status is models.KnownJobStatus.IN_QUEUE


@pytest.mark.parametrize(("name", "figure"), FIGURES)
def test_a_figure_stays_an_integer_and_what_is_absent_is_unset(name: str, figure: str) -> None:
    parsed = model(name).from_dict({**required_fields(name), figure: 0})
    present = [value for value in vars_of(parsed).values() if type(value) is int]
    absent = [value for value in vars_of(parsed).values() if isinstance(value, Unset)]

    assert 0 in present
    assert len(absent) == len(mapping(mapping(SCHEMAS[name])["properties"])) - len(parsed.to_dict())
    assert all(value is UNSET and not value for value in absent)
    assert parsed.to_dict() == {**required_fields(name), figure: 0}


def test_an_error_is_text_or_an_object() -> None:
    text = models.Job.from_dict({"id": "j", "status": "FAILED", "error": "Invalid image URL"})
    free = models.Job.from_dict({"id": "j", "status": "FAILED", "error": {"code": 17}})

    assert text.error == "Invalid image URL"
    assert isinstance(free.error, models.ErrorObject)
    assert free.error.to_dict() == {"code": 17}


def test_a_worker_s_report_needs_its_message_alone() -> None:
    assert models.WorkerError.from_dict({"error_message": "no prompt"}).error_type is UNSET
    with pytest.raises(KeyError):
        models.WorkerError.from_dict({"error": "no prompt"})


def test_a_stream_answer_holds_its_chunks() -> None:
    answer = models.StreamAnswer.from_dict({"status": "COMPLETED", "stream": [{"output": "H"}, {"metrics": {"a": 1}}]})

    assert isinstance(answer.stream, list)
    assert [chunk.output for chunk in answer.stream] == ["H", UNSET]
    assert models.StreamAnswer.from_dict({"status": "COMPLETED"}).stream is UNSET


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-07-09T10:30:00Z", datetime(2026, 7, 9, 10, 30, tzinfo=UTC)),
        ("2026-07-09T10:30:00.123456789Z", datetime(2026, 7, 9, 10, 30, 0, 123456, tzinfo=UTC)),
        ("20260709T103000+0200", datetime(2026, 7, 9, 8, 30, tzinfo=UTC)),
        ("2026-07", datetime.fromisoformat("2026-07-01")),
    ],
)
def test_a_date_time_is_read_by_dateutil(text: str, instant: datetime) -> None:
    """The last one is what the standard library refuses."""
    child = models.BatchRequest.from_dict({"id": "r", "status": "COMPLETED", "startedAt": text, "completedAt": text})

    assert child.started_at == instant
    assert child.completed_at == instant


# The generated package by itself


def test_the_generated_client_shows_no_key_and_has_a_timeout() -> None:
    with AuthenticatedClient(base_url="http://127.0.0.1:9", token="CANARY") as client:
        sent = client.get_httpx_client()
        assert "CANARY" not in repr(client)
        assert sent.headers[wire.API_KEY_HEADER] == f"{wire.API_KEY_PREFIX}CANARY"
        assert sent.timeout.read is not None


@pytest.mark.parametrize("status", [400, 404, 409, 429, 500, 502, 524])
@pytest.mark.parametrize("text", ["no token provided", "", "<html>", "[1]", "null"])
def test_survives_error_bodies_that_are_not_objects(status: int, text: str) -> None:
    transport = httpx.MockTransport(lambda _request: httpx.Response(status, text=text))
    client = Client(base_url="http://127.0.0.1:9").set_httpx_client(
        httpx.Client(transport=transport, base_url="http://127.0.0.1:9")
    )
    response = get_status.sync_detailed("ep", "job-1", client=client)
    assert response.status_code == status
    shown = response.parsed
    assert text == (shown if isinstance(shown, str) else shown and shown.to_dict()[wire.ERROR_MESSAGE_KEYS[0]])
