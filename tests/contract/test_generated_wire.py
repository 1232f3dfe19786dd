"""The figures of `wire.py` are those of the specification, looked up there by the operation or field they are about."""

import re
from typing import Final

import pytest
from runpod_queue_api import wire
from runpod_queue_api.wire import OperationLimit

from scripts.spec_document import Json, mapping
from tests.contract.described import OPERATIONS, SCHEMAS, SPEC

DESCRIBED: Final = {name: mapping(SPEC.find(found.pointer)) for name, found in OPERATIONS.items()}
PARAMETERS: Final = mapping(SPEC.find(("components", "parameters")))


def of_parameter(name: str, key: str) -> Json:
    """A figure of a shared parameter."""
    return mapping(mapping(PARAMETERS[name])["schema"])[key]


def of_field(schema: str, field: str, key: str) -> Json:
    """A figure of a schema's field."""
    return mapping(mapping(mapping(SCHEMAS[schema])["properties"])[field])[key]


def budget_of(operation: dict[str, Json]) -> OperationLimit | None:
    """The published budget that an operation counts to."""
    name = operation["x-runpod-rate-limit"]
    budget = mapping(mapping(SPEC.content["x-runpod-rate-limits"]).get(str(name)))
    if not budget:
        return None
    requests, seconds, concurrent = (budget.get(key) for key in ("requests", "windowSeconds", "concurrent"))
    assert isinstance(requests, int)
    assert isinstance(seconds, int)
    assert concurrent is None or isinstance(concurrent, int)
    return OperationLimit(str(name), requests, float(seconds), concurrent)


def test_the_rate_limits_are_the_published_ones() -> None:
    published = {name: budget_of(operation) for name, operation in DESCRIBED.items()}

    assert dict(wire.OPERATION_LIMITS) == {name: budget for name, budget in published.items() if budget is not None}
    assert {"run", "get_status"} <= wire.OPERATION_LIMITS.keys()


def test_operations_that_share_a_budget_say_so() -> None:
    assert wire.OPERATION_LIMITS["get_status"] == wire.OPERATION_LIMITS["stream"]
    assert wire.OPERATION_LIMITS["run"].budget != wire.OPERATION_LIMITS["run_sync"].budget


def test_the_payload_caps_are_the_published_ones() -> None:
    bodies = {name: mapping(operation.get("requestBody")) for name, operation in DESCRIBED.items()}

    assert dict(wire.PAYLOAD_CAPS) == {
        name: body["x-runpod-max-bytes"] for name, body in bodies.items() if "x-runpod-max-bytes" in body
    }
    assert mapping(SCHEMAS["StreamChunk"])["x-runpod-max-bytes"] == wire.STREAM_CHUNK_CAP


def test_figures_cannot_be_changed_by_accident() -> None:
    assert not hasattr(wire.OPERATION_LIMITS, "__setitem__")
    assert not hasattr(wire.PAYLOAD_CAPS, "__setitem__")


@pytest.mark.parametrize(
    ("figure", "described"),
    [
        (wire.SERVER_URL, SPEC.find(("servers", 0, "url"))),
        (wire.WAIT_MIN_MS, of_parameter("Wait", "minimum")),
        (wire.WAIT_MAX_MS, of_parameter("Wait", "maximum")),
        (wire.WAIT_DEFAULT_MS, of_parameter("Wait", "x-runpod-default")),
        (wire.STREAM_WAIT_DEFAULT_MS, of_parameter("StreamWait", "x-runpod-default")),
        (wire.RUN_RETENTION_SECONDS, DESCRIBED["run"]["x-runpod-retention-seconds"]),
        (wire.RUN_SYNC_RETENTION_SECONDS, DESCRIBED["run_sync"]["x-runpod-retention-seconds"]),
        (wire.SYNC_JOB_ID_PREFIX, DESCRIBED["run_sync"]["x-runpod-job-id-prefix"]),
        (wire.EXECUTION_TIMEOUT_MIN_MS, of_field("ExecutionPolicy", "executionTimeout", "minimum")),
        (wire.EXECUTION_TIMEOUT_MAX_MS, of_field("ExecutionPolicy", "executionTimeout", "maximum")),
        (wire.EXECUTION_TIMEOUT_DEFAULT_MS, of_field("ExecutionPolicy", "executionTimeout", "x-runpod-default")),
        (wire.TTL_MIN_MS, of_field("ExecutionPolicy", "ttl", "minimum")),
        (wire.TTL_MAX_MS, of_field("ExecutionPolicy", "ttl", "maximum")),
        (wire.TTL_DEFAULT_MS, of_field("ExecutionPolicy", "ttl", "x-runpod-default")),
        (wire.BATCH_MAX_REQUESTS, of_field("BatchAppend", "requests", "maxItems")),
        (wire.BATCH_MAX_ACTIVE, DESCRIBED["create_batch"]["x-runpod-max-active-batches"]),
        (wire.BATCH_MAX_QUEUED, DESCRIBED["create_batch"]["x-runpod-max-queued-requests"]),
        (wire.GENERATOR_ERROR_PREFIX, of_field("Job", "error", "x-runpod-generator-error-prefix")),
        (wire.GENERATOR_TRACEBACK_SEPARATOR, of_field("Job", "error", "x-runpod-generator-traceback-separator")),
        (wire.ENVELOPE_KEYS, set(mapping(mapping(SCHEMAS["RunRequest"])["properties"]))),
        (wire.ERROR_MESSAGE_KEYS, tuple(mapping(mapping(SCHEMAS["ErrorBody"])["properties"]))),
    ],
)
def test_a_figure_is_the_one_that_is_described(figure: object, described: object) -> None:
    assert figure == described


def test_every_kind_of_figure_has_the_size_that_its_unit_gives_it() -> None:
    """Seconds that were written as milliseconds, or the other way round, would be off by a thousand."""
    assert 500 <= wire.WAIT_MIN_MS < wire.WAIT_DEFAULT_MS < wire.WAIT_MAX_MS <= 3_600_000
    assert 1_000 <= wire.EXECUTION_TIMEOUT_MIN_MS < wire.EXECUTION_TIMEOUT_DEFAULT_MS < wire.EXECUTION_TIMEOUT_MAX_MS
    assert 1_000 <= wire.TTL_MIN_MS < wire.TTL_DEFAULT_MS < wire.TTL_MAX_MS
    assert 10 <= wire.RUN_SYNC_RETENTION_SECONDS < wire.RUN_RETENTION_SECONDS <= 86_400


def test_openai_clients_are_pointed_at_an_endpoint_s_own_address() -> None:
    assert wire.OPENAI_BASE_PATH.format(endpoint_id="e").startswith("/e/openai")
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
def test_the_platform_s_timeout_is_recognised(error: str) -> None:
    assert re.search(wire.PLATFORM_TIMEOUT_PATTERN, error)


@pytest.mark.parametrize("error", ["my job timed out after 1 retries", "job timed out", "Invalid image URL"])
def test_a_handler_s_own_text_is_no_platform_timeout(error: str) -> None:
    assert not re.search(wire.PLATFORM_TIMEOUT_PATTERN, error)
