"""`wire.py` holds the figures of the specification, and the facade keeps to the bounds among them."""

import ast
import re
from typing import Any, Final

import pytest
from runpod_queue_api import wire
from runpod_queue_api.wire import OperationLimit

from runpod_typed._core import batch_operations, operations
from runpod_typed._core.requests import Operation
from scripts.check_spec import ROOT
from scripts.spec_document import Pointer, mapping, show
from scripts.spec_rules import BOUNDS, sent_schemas
from scripts.wire_module import named_constants
from tests.contract.described import OPERATIONS, SPEC

CONSTANTS: Final = {name: source for name, _, source in named_constants(SPEC)}
DESCRIBED: Final = {name: mapping(SPEC.find(found.pointer)) for name, found in OPERATIONS.items()}
USED_OPERATIONS: Final = {
    value.name
    for module in (operations, batch_operations)
    for value in vars(module).values()
    if isinstance(value, Operation)
} & OPERATIONS.keys()


def budget_of(operation: dict[str, Any]) -> OperationLimit | None:
    """Return the published budget that an operation counts to."""
    name = str(operation["x-runpod-rate-limit"])
    budget: dict[str, Any] = mapping(mapping(SPEC.content["x-runpod-rate-limits"]).get(name))
    if not budget:
        return None
    return OperationLimit(name, budget["requests"], budget["windowSeconds"], budget.get("concurrent"))


def test_the_rate_limits_are_those_of_the_specification() -> None:
    stated = {name: budget_of(operation) for name, operation in DESCRIBED.items()}
    assert dict(wire.OPERATION_LIMITS) == {name: budget for name, budget in stated.items() if budget is not None}


def test_the_payload_caps_are_those_of_the_specification() -> None:
    bodies = {name: mapping(operation.get("requestBody")) for name, operation in DESCRIBED.items()}
    assert dict(wire.PAYLOAD_CAPS) == {
        name: body["x-runpod-max-bytes"] for name, body in bodies.items() if "x-runpod-max-bytes" in body
    }


def test_tables_cannot_be_changed_by_accident() -> None:
    assert not hasattr(wire.OPERATION_LIMITS, "__setitem__")
    assert not hasattr(wire.PAYLOAD_CAPS, "__setitem__")


def test_quotes_the_rate_limits_that_runpod_publishes() -> None:
    """A changed limit breaks this test alone: it quotes the table in Runpod's documents, and follows it."""
    limits = {name: (limit.requests, limit.concurrent) for name, limit in wire.OPERATION_LIMITS.items()}
    assert limits == {
        "run": (1000, 200),
        "run_sync": (2000, 400),
        "get_status": (2000, 400),
        "get_status_sync": (2000, 400),
        "stream": (2000, 400),
        "cancel": (100, 20),
        "purge_queue": (2, None),
        "get_requests": (10, 2),
        "list_models": (2000, 400),
    }


@pytest.mark.parametrize("name", CONSTANTS)
def test_a_constant_has_the_value_beside_its_name(name: str) -> None:
    value, source = getattr(wire, name), CONSTANTS[name]
    if source[:2] == ("components", "headers"):
        assert value
        assert all(header == header.lower() for header in value)
    elif source[0] in {"servers", "tags"} and isinstance(value, str):
        assert re.fullmatch(re.sub(r"\{\w+\}", ".*", str(SPEC.find(source))), value)
    else:
        described = SPEC.find(source)
        if isinstance(described, dict):
            assert value == described.keys()
        else:
            assert value == (tuple(described) if isinstance(described, list) else described)


def bounds_sent_by_the_facade() -> dict[str, Pointer]:
    """Return the constants of the bounds of what the facade sends, with their places."""
    found: dict[str, Pointer] = {}
    for name in sorted(USED_OPERATIONS):
        for place, schema in sent_schemas(SPEC, OPERATIONS[name]):
            names = mapping(mapping(schema).get("x-runpod-constants"))
            found.update({str(names[bound]): (*place, bound) for bound in BOUNDS if bound in names})
    return found


def test_the_facade_uses_the_bounds_of_what_it_sends() -> None:
    used: set[str] = set()
    for path in (ROOT / "runpod_typed").rglob("*.py"):
        if "local" not in path.relative_to(ROOT).parts:
            nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            used |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    bounds = bounds_sent_by_the_facade()
    assert bounds
    unused = {name: show(place) for name, place in bounds.items() if name not in used}
    assert unused == {}, "the facade does not keep to these bounds"


def test_each_figure_has_the_size_that_its_unit_gives_it() -> None:
    """Seconds written as milliseconds, or the other way round, would be off by a thousand."""
    for name in CONSTANTS:
        figure = getattr(wire, name)
        if name.endswith("_MS"):
            assert 500 <= figure <= 30 * 86_400_000, name
        elif name.endswith("_SECONDS"):
            assert 0 < figure <= 30 * 86_400, name


def test_openai_clients_get_the_address_of_an_endpoint() -> None:
    assert wire.OPENAI_BASE_PATH.format("e").startswith("/e/openai")
    assert not wire.OPENAI_BASE_PATH.endswith("/")


@pytest.mark.parametrize(
    "job_id",
    [
        "eaebd6e7-6a92-4bb8-a911-f996ac5ea99d",
        "sync-79164ff4-d212-44bc-9fe3-389e199a5c15",
        "c671a352-78e6-u1",
        "local_test",
    ],
)
def test_the_id_patterns_take_every_form_of_the_documents(job_id: str) -> None:
    assert re.fullmatch(wire.JOB_ID_PATTERN, job_id)
    assert re.fullmatch(wire.ENDPOINT_ID_PATTERN, job_id)


@pytest.mark.parametrize("job_id", ["", "a/b", "a b", "a?b", "ä", "..", "a\n"])
def test_the_id_patterns_refuse_what_would_change_a_path(job_id: str) -> None:
    assert not re.fullmatch(wire.JOB_ID_PATTERN, job_id)
    assert not re.fullmatch(wire.ENDPOINT_ID_PATTERN, job_id)


@pytest.mark.parametrize("error", ["job timed out after 1 retries", "job timed out after 12 retries"])
def test_recognizes_the_timeout_of_the_platform(error: str) -> None:
    assert re.search(wire.PLATFORM_TIMEOUT_PATTERN, error)


@pytest.mark.parametrize("error", ["my job timed out after 1 retries", "job timed out", "Invalid image URL"])
def test_takes_no_error_of_a_handler_for_a_platform_timeout(error: str) -> None:
    assert not re.search(wire.PLATFORM_TIMEOUT_PATTERN, error)
