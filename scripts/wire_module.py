"""Write `wire.py`: what the specification states as data, as typed constants.

`x-runpod-constants` in the specification names them. Derived are the tables by operation, and how a request shows its
API key.
"""

import re
from collections.abc import Iterator
from typing import Final

from attrs import evolve
from openapi_python_client import strings

from scripts.spec_document import (
    BUDGET,
    BUDGETS,
    CONSTANTS,
    MAX_BYTES,
    UNIT,
    Operation,
    Pointer,
    SpecDocument,
    SpecError,
    mapping,
    sequence,
    show,
)

NO_BUDGET: Final = "none-published"
"""The rate limit of operations for which Runpod publishes none."""

_PARTS: Final = {"query": "params", "header": "headers", "cookie": "cookies"}
RESERVED_HEADERS: Final = frozenset({"accept", "authorization", "content-type"})
"""The headers that are no parameters, as OpenAPI has it."""
_CHOICES: Final = ("allOf", "anyOf", "oneOf")

HEADER: Final = '''\
"""The figures of the wire: limits, caps, ranges, prefixes and patterns, as the specification states them.

Milliseconds if a name ends in `_MS`, seconds if it ends in `_SECONDS`, bytes for a cap.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple


class OperationLimit(NamedTuple):
    """The published rate limit of an operation. Operations with the same `budget` share it."""

    budget: str
    """The name of the budget."""
    requests: int
    """The number of requests that may start in a window, per user and endpoint."""
    window_seconds: float
    """The length of the window."""
    concurrent: int | None
    """The number of requests that may be open at a time, or None if no figure is published."""


'''


def render(spec: SpecDocument) -> str:
    """Return the source of `wire.py`, unformatted.

    Raises:
        SpecError: The specification lacks a value, or has one that cannot be a constant.
    """
    named = (evolve(found, name=python_name(found.name)) for found in spec.client_operations())
    operations = sorted(named, key=lambda found: found.name)
    deprecated = [found.name for found in operations if found.content.get("deprecated") is True]
    statements = [
        *_constants(spec),
        *_authentication(spec),
        _statement(
            "PAYLOAD_CAPS",
            "Mapping[str, int]",
            _table(_payload_caps(spec, operations)),
            "The largest request body in bytes, by operation; none is published for the others.",
        ),
        _statement(
            "OPERATION_LIMITS",
            "Mapping[str, OperationLimit]",
            _table(_limits(spec, operations)),
            "The published rate limits, by operation; none are published for the others.",
        ),
        _statement(
            "DEPRECATED_OPERATIONS", "frozenset[str]", f"frozenset({deprecated})", "Operations that will be removed."
        ),
        _statement(
            "DEPRECATED_INPUTS",
            "Mapping[str, tuple[tuple[str, ...], ...]]",
            _table((found.name, repr(paths)) for found in operations if (paths := tuple(_deprecated(spec, found)))),
            "Parts of requests that will be removed, by operation: the keys that lead to each.",
        ),
    ]
    return HEADER + "\n".join(statements)


def python_name(name: str) -> str:
    """Return the name that the generator gives to the module of an operation, to a field or to a parameter."""
    return strings.PythonIdentifier(name, "field_")


def named_constants(spec: SpecDocument) -> Iterator[tuple[str, Pointer, Pointer]]:
    """Yield each constant that the specification names: its name, the place of the name, the place of its value."""
    for pointer, names in spec.walk():
        if pointer[-1:] == (CONSTANTS,):
            for keyword, name in mapping(names).items():
                yield str(name), (*pointer, keyword), (*pointer[:-1], keyword)


def _constants(spec: SpecDocument) -> Iterator[str]:
    seen: dict[str, int] = {}
    for name, place, source in named_constants(spec):
        if not re.fullmatch("[A-Z][A-Z0-9_]*", name):
            raise SpecError(spec.problem(place, f"{name!r} cannot name a constant: write it as in `WAIT_MIN_MS`"))
        if name in seen:
            raise SpecError(spec.problem(place, f"the constant {name} is taken, see line {seen[name]}"))
        seen[name] = spec.line(place)
        yield _statement(name, *_literal(spec, source), f"`{source[-1]}` of `{show(source[:-1])}`.")


def _literal(spec: SpecDocument, source: Pointer) -> tuple[str, str]:
    """Return the type and the source code of a constant."""
    if source[:2] == ("components", "headers") and source[-1] == "name":
        uses = (place for place, value in spec.walk() if place[-1:] == ("$ref",) and value == show(source[:-1]))
        return "tuple[str, ...]", repr(tuple(sorted({str(place[-2]).lower() for place in uses})))
    match spec.find(source):
        case dict() as entries:
            return "frozenset[str]", f"frozenset({sorted(entries)})"
        case list() as items if all(isinstance(item, str) for item in items):
            return "tuple[str, ...]", repr(tuple(items))
        case str() as text if source[0] == "servers":
            return "str", repr(_server_url(spec, source, text))
        case str() as text if source[-1] == UNIT:
            return f"Literal[{text!r}]", repr(text)  # a type checker compares it with the unit that the facade expects
        case str() as text if str(source[-1]).endswith("-path"):
            return "str", repr(re.sub(r"\{\w+\}", "{}", text))  # the names of path parameters may change
        case (str() | int() | float()) as value:
            return type(value).__name__, repr(value)
        case value:
            raise SpecError(spec.problem(source, f"{show(source)} cannot be a constant: {value!r}"))


def _server_url(spec: SpecDocument, source: Pointer, template: str) -> str:
    """Return the URL of a server, its variables replaced by their defaults."""
    variables = mapping(mapping(spec.find(source[:-1])).get("variables"))
    url = re.sub(r"\{(\w+)\}", lambda match: str(mapping(variables.get(match[1])).get("default", match[0])), template)
    if not re.fullmatch(r"https?://[^{}?#\s]+", url):
        reason = f"a client needs an address such as https://host/path, not {url}: give each variable a default"
        raise SpecError(spec.problem(source, reason))
    return url


def _authentication(spec: SpecDocument) -> Iterator[str]:
    """Yield the header that carries the API key, and what stands before the key."""
    required = spec.content.get("security")
    names = [name for each in required for name in mapping(each)] if isinstance(required, list) else []
    if len(names) != 1:
        raise SpecError(spec.problem(("security",), "name exactly one scheme: a client sends one API key"))
    place: Pointer = ("components", "securitySchemes", names[0])
    if names[0] not in mapping(spec.find(place[:-1])):
        raise SpecError(spec.problem(("security", 0, names[0]), f"{show(place)} is missing"))
    scheme = mapping(spec.find(place))
    match scheme.get("type"), scheme.get("scheme", scheme.get("in")):
        case "http", str() as kind if kind.lower() == "bearer":
            header, prefix = "Authorization", "Bearer "
        case "apiKey", "header":
            header, prefix = str(scheme.get("name")), ""
        case kind, where:
            reason = f"{kind} in {where} is not supported: write `http` with `bearer`, or `apiKey` in `header`"
            raise SpecError(spec.problem(place, reason))
    yield _statement("API_KEY_HEADER", "str", repr(header), "The header that carries the API key.")
    yield _statement("API_KEY_PREFIX", "str", repr(prefix), "What stands before the API key in its header.")


def _deprecated(spec: SpecDocument, operation: Operation) -> Iterator[tuple[str, ...]]:
    """Yield the keys that lead to each deprecated part of a request as the generated code builds it."""
    for place in spec.parameters(operation):
        parameter = mapping(spec.find(place))
        if parameter.get("deprecated") is True and parameter.get("in") in _PARTS:
            yield _PARTS[str(parameter["in"])], str(parameter["name"])
    if body := spec.body(operation):
        yield from _deprecated_fields(spec, (*body, "content", "application/json", "schema"), ("json",), frozenset())


def _deprecated_fields(
    spec: SpecDocument, place: Pointer, keys: tuple[str, ...], above: frozenset[Pointer]
) -> Iterator[tuple[str, ...]]:
    place = spec.follow(place)
    schema = mapping(spec.find(place))
    if place in above:
        return
    below = [((*place, "properties", key), (*keys, key)) for key in mapping(schema.get("properties"))]
    yield from (path for field, path in below if mapping(spec.find(field)).get("deprecated") is True)
    below += [((*place, "items"), keys)] if "items" in schema else []
    below += [((*place, word, at), keys) for word in _CHOICES for at in range(len(sequence(schema.get(word))))]
    for field, path in below:
        yield from _deprecated_fields(spec, field, path, above | {place})


def _payload_caps(spec: SpecDocument, operations: list[Operation]) -> Iterator[tuple[str, str]]:
    for found in operations:
        body = spec.body(found)
        if body and MAX_BYTES in mapping(spec.find(body)):
            yield found.name, repr(_number(spec, (*body, MAX_BYTES), int))


def _limits(spec: SpecDocument, operations: list[Operation]) -> Iterator[tuple[str, str]]:
    for found in operations:
        budget = str(spec.find((*found.pointer, BUDGET)))
        if budget != NO_BUDGET:
            place: Pointer = (BUDGETS, budget)
            requests = _number(spec, (*place, "requests"), int)
            window = _number(spec, (*place, "windowSeconds"), int, float)
            for key in mapping(spec.find(place)):
                if key not in {"requests", "windowSeconds", "concurrent"}:
                    raise SpecError(spec.problem((*place, key), f"a rate limit has no {key!r}: correct it"))
            given = "concurrent" in mapping(spec.find(place))
            concurrent = _number(spec, (*place, "concurrent"), int) if given else None
            yield found.name, f"OperationLimit({budget!r}, {requests!r}, {float(window)!r}, {concurrent!r})"


def _number(spec: SpecDocument, place: Pointer, *kinds: type) -> float:
    value = spec.find(place)
    if type(value) not in kinds or not isinstance(value, int | float) or value <= 0:
        raise SpecError(spec.problem(place, f"{show(place)} must be a number above 0, not {value!r}"))
    return value


def _table(entries: Iterator[tuple[str, str]]) -> str:
    return "MappingProxyType({" + ", ".join(f"{key!r}: {value}" for key, value in entries) + "})"


def _statement(name: str, annotation: str, value: str, doc: str) -> str:
    return f'{name}: Final[{annotation}] = {value}\n"""{doc}"""\n'
