"""Writes `wire.py`: what the specification states as data, as typed constants.

Each constant names the place in the specification that its value is taken from. Nothing is stated here a second time: a
changed limit is an edit of the specification and a run of the generator.
"""

from collections.abc import Callable, Iterator
from typing import Final

from attrs import frozen

from scripts.spec_document import Json, Operation, Pointer, SpecDocument, SpecError, mapping, show

BUDGETS: Final = "x-runpod-rate-limits"
BUDGET: Final = "x-runpod-rate-limit"
NO_BUDGET: Final = "none-published"
MAX_BYTES: Final = "x-runpod-max-bytes"
DEFAULT: Final = "x-runpod-default"
RETENTION: Final = "x-runpod-retention-seconds"
"""The extensions that this module reads. What they mean stands at the top of the specification."""

HEADER: Final = '''\
"""The wire in figures: limits, caps, ranges, prefixes and patterns, as the specification states them.

Milliseconds where a name ends in `_MS`, seconds where it ends in `_SECONDS`, bytes where it speaks of a cap.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class OperationLimit(NamedTuple):
    """The published rate limit of an operation. Operations with the same `budget` share it."""

    budget: str
    """The name of the budget."""
    requests: int
    """How many requests may start in a window, per user and endpoint."""
    window_seconds: float
    """How long the window is."""
    concurrent: int | None
    """How many requests may be open at a time; None where no figure is published."""


'''


@frozen
class Constant:
    """A constant of `wire.py`: its name, where its value stands, what it means."""

    name: str
    type: str
    source: Callable[[SpecDocument], Pointer]
    doc: str


def at(*pointer: str | int) -> Callable[[SpecDocument], Pointer]:
    """A fixed place in the specification."""
    return lambda _spec: pointer


def parameter(name: str, *rest: str) -> Callable[[SpecDocument], Pointer]:
    """A place in the schema of a shared parameter."""
    return at("components", "parameters", name, "schema", *rest)


def schema(name: str, *rest: str) -> Callable[[SpecDocument], Pointer]:
    """A place in a schema."""
    return at("components", "schemas", name, *rest)


def operation(name: str, *rest: str) -> Callable[[SpecDocument], Pointer]:
    """A place in an operation, wherever its path puts it."""
    return lambda spec: (*spec.operation(name).pointer, *rest)


def policy(field: str, key: str) -> Callable[[SpecDocument], Pointer]:
    """A place in a field of the execution policy."""
    return schema("ExecutionPolicy", "properties", field, key)


CONSTANTS: Final = (
    Constant("SERVER_URL", "str", at("servers", 0, "url"), "Base URL of the service."),
    Constant("ENDPOINT_ID_PATTERN", "str", parameter("EndpointId", "pattern"), "What an endpoint id looks like."),
    Constant("JOB_ID_PATTERN", "str", parameter("JobId", "pattern"), "What a job id looks like."),
    Constant(
        "SYNC_JOB_ID_PREFIX",
        "str",
        operation("run_sync", "x-runpod-job-id-prefix"),
        "How the id of a job that was started by `run_sync` begins.",
    ),
    Constant("WAIT_MIN_MS", "int", parameter("Wait", "minimum"), "The shortest hold that can be asked for."),
    Constant("WAIT_MAX_MS", "int", parameter("Wait", "maximum"), "The longest hold that can be asked for."),
    Constant("WAIT_DEFAULT_MS", "int", parameter("Wait", DEFAULT), "The hold when none is asked for."),
    Constant("STREAM_WAIT_DEFAULT_MS", "int", parameter("StreamWait", DEFAULT), "The same, of `stream`."),
    Constant(
        "RUN_RETENTION_SECONDS",
        "int",
        operation("run", RETENTION),
        "How long the result of a job of `run` can be read after it has finished.",
    ),
    Constant(
        "JOB_PROPAGATION_SECONDS",
        "int",
        operation("run", "x-runpod-propagation-seconds"),
        "How long after its submission a job may still be answered with 404.",
    ),
    Constant("RUN_SYNC_RETENTION_SECONDS", "int", operation("run_sync", RETENTION), "The same, of `run_sync`."),
    Constant(
        "EXECUTION_TIMEOUT_MIN_MS",
        "int",
        policy("executionTimeout", "minimum"),
        "The shortest bound on a job's running time.",
    ),
    Constant("EXECUTION_TIMEOUT_MAX_MS", "int", policy("executionTimeout", "maximum"), "The longest."),
    Constant(
        "EXECUTION_TIMEOUT_DEFAULT_MS",
        "int",
        policy("executionTimeout", DEFAULT),
        "The bound when neither job nor endpoint sets one.",
    ),
    Constant("TTL_MIN_MS", "int", policy("ttl", "minimum"), "The shortest life of a job, from its submission on."),
    Constant("TTL_MAX_MS", "int", policy("ttl", "maximum"), "The longest."),
    Constant("TTL_DEFAULT_MS", "int", policy("ttl", DEFAULT), "The life of a job that sets none."),
    Constant("STREAM_CHUNK_CAP", "int", schema("StreamChunk", MAX_BYTES), "The largest chunk, in bytes."),
    Constant(
        "GENERATOR_ERROR_PREFIX",
        "str",
        schema("Job", "properties", "error", "x-runpod-generator-error-prefix"),
        "How the error of a generator handler that raised begins.",
    ),
    Constant(
        "GENERATOR_TRACEBACK_SEPARATOR",
        "str",
        schema("Job", "properties", "error", "x-runpod-generator-traceback-separator"),
        "What stands between message and traceback there. The worker writes a space before it.",
    ),
    Constant(
        "PLATFORM_TIMEOUT_PATTERN",
        "str",
        schema("Job", "properties", "error", "x-runpod-platform-timeout-pattern"),
        "The error of a job that no worker reported on in time; its status is FAILED.",
    ),
    Constant(
        "BATCH_MAX_REQUESTS",
        "int",
        schema("BatchAppend", "properties", "requests", "maxItems"),
        "How many requests a batch holds at most.",
    ),
    Constant(
        "BATCH_MAX_ACTIVE",
        "int",
        operation("create_batch", "x-runpod-max-active-batches"),
        "How many active batches an endpoint holds at most.",
    ),
    Constant(
        "BATCH_MAX_QUEUED",
        "int",
        operation("create_batch", "x-runpod-max-queued-requests"),
        "How many queued batch requests an endpoint holds at most.",
    ),
)


def render(spec: SpecDocument) -> str:
    """The text of `wire.py`, unformatted.

    Raises:
        SpecError: The specification lacks a value, or has one of another type.
    """
    return HEADER + "\n".join(_statements(spec))


def _statements(spec: SpecDocument) -> Iterator[str]:
    for constant in CONSTANTS:
        yield _statement(constant.name, constant.type, repr(_value(spec, constant)), constant.doc)
    openai = spec.operation("list_models").path.rsplit("/", 1)[0]
    yield _statement("OPENAI_BASE_PATH", "str", repr(openai), "What OpenAI clients are pointed at, below `SERVER_URL`.")
    envelope = schema("RunRequest")(spec)
    keys = sorted(mapping(spec.find((*envelope, "properties"))))
    required = spec.find((*envelope, "required", 0))
    yield _statement(
        "ENVELOPE_KEYS",
        "frozenset[str]",
        f"frozenset({{{', '.join(map(repr, keys))}}})",
        "The keys of a request. The service discards every other.",
    )
    yield _statement("ENVELOPE_INPUT_KEY", "str", repr(required), "The one that a request cannot do without.")
    messages = tuple(mapping(spec.find(schema("ErrorBody", "properties")(spec))))
    yield _statement(
        "ERROR_MESSAGE_KEYS",
        "tuple[str, ...]",
        repr(messages),
        "Where the message of an error body may stand, likeliest first.",
    )
    yield _statement(
        "PAYLOAD_CAPS",
        "Mapping[str, int]",
        _mapping_proxy(_payload_caps(spec)),
        "The largest request body in bytes, by operation; none is published for the others.",
    )
    yield _statement(
        "OPERATION_LIMITS",
        "Mapping[str, OperationLimit]",
        _mapping_proxy(_limits(spec)),
        "The published rate limits, by operation; none are published for the others.",
    )


def _payload_caps(spec: SpecDocument) -> Iterator[tuple[str, str]]:
    for found in _client_operations(spec):
        body = mapping(mapping(spec.find(found.pointer)).get("requestBody"))
        if MAX_BYTES in body:
            place: Pointer = (*found.pointer, "requestBody", MAX_BYTES)
            yield found.name, repr(_typed(spec, place, "int"))


def _limits(spec: SpecDocument) -> Iterator[tuple[str, str]]:
    for found in _client_operations(spec):
        place: Pointer = (*found.pointer, BUDGET)
        budget = str(_typed(spec, place, "str"))
        if budget == NO_BUDGET:
            continue
        published = mapping(spec.content.get(BUDGETS))
        if budget not in published:
            raise SpecError(spec.problem(place, f"{BUDGETS} publishes no budget {budget!r}"))
        requests = _typed(spec, (BUDGETS, budget, "requests"), "int")
        window = _typed(spec, (BUDGETS, budget, "windowSeconds"), "int")
        given = "concurrent" in mapping(published[budget])
        concurrent = _typed(spec, (BUDGETS, budget, "concurrent"), "int") if given else None
        yield found.name, f"OperationLimit({budget!r}, {requests!r}, {float(str(window))!r}, {concurrent!r})"


def _client_operations(spec: SpecDocument) -> list[Operation]:
    return sorted((found for found in spec.operations() if not found.is_webhook), key=lambda found: found.name)


def _value(spec: SpecDocument, constant: Constant) -> Json:
    return _typed(spec, constant.source(spec), constant.type)


def _typed(spec: SpecDocument, place: Pointer, kind: str) -> Json:
    value = spec.find(place)
    if type(value).__name__ != kind:
        raise SpecError(spec.problem(place, f"{show(place)} must be of type {kind}, not {value!r}"))
    return value


def _mapping_proxy(entries: Iterator[tuple[str, str]]) -> str:
    return "MappingProxyType({" + ", ".join(f"{key!r}: {value}" for key, value in entries) + "})"


def _statement(name: str, annotation: str, value: str, doc: str) -> str:
    return f'{name}: Final[{annotation}] = {value}\n"""{doc}"""\n'
