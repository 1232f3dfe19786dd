"""Check the specification: its structure, its references, its examples, and the rules that it is written by.

Each problem is reported as ``file:line: reason``. `scripts/generate.py` refuses a specification with a problem, because
the generator names no lines, and drops what it does not understand.

    python scripts/check_spec.py            run the checks of this module
    python scripts/check_spec.py --lint     run the npm linter too (needs Node.js; exit code 3 if it is missing)
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from openapi_python_client import strings
from openapi_spec_validator import OpenAPIV31SpecValidator
from openapi_spec_validator.schemas.utils import get_schema_content
from referencing.jsonschema import DRAFT202012, SchemaRegistry

if __name__ == "__main__":  # run as a file, Python looks beside it and not in the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.spec_document import (
    Json,
    Operation,
    Pointer,
    Problem,
    SpecDocument,
    SpecError,
    mapping,
    parse_reference,
    sequence,
    show,
)
from scripts.wire_module import BUDGET, BUDGETS, CONSTANTS, NO_BUDGET, UNIT, named_constants

ROOT: Final = Path(__file__).resolve().parent.parent
SPEC: Final = Path("spec/openapi.yaml")

LINTER: Final = "@redocly/cli@2.77.0"
LINTER_CONFIG: Final = Path("spec/redocly.yaml")
NO_NODE: Final = 3
"""The exit code for a specification that was checked and not linted, because Node.js is missing."""

OPEN_ENUM_PREFIX: Final = "Known"
"""The prefix of enums, all of which the service may extend."""

BOUNDS: Final = (
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("minLength", "maxLength", "minItems", "maxItems"),
)
SUFFIXES: Final = {"milliseconds": "_MS", "seconds": "_SECONDS"}
"""The end of a constant's name, by what it counts."""
RESERVED_FIELDS: Final = frozenset(
    {
        *("d", "cls", "src_dict", "field_dict", "cast", "read_date_time", "deprecated"),
        *("additional_properties", "additional_keys", "to_dict", "from_dict"),
    }
)
RESERVED_PARAMETERS: Final = frozenset({"body", "cookies", "headers", "kwargs", "params", "response"})
"""Names that the generated code uses itself, beside those that the generator knows."""

_SCHEMAS: Final[Pointer] = ("components", "schemas")

Found = Iterator[tuple[Pointer, str]]
"""Places and what is wrong there."""


def problems(spec: SpecDocument) -> list[Problem]:
    """Return everything that is wrong with a specification, in the order of its lines."""
    found: list[tuple[Pointer, str]] = []
    # Each stage walks along what the one before has found sound: references and operations, then schemas.
    for stage in ((references, operation_ids), (shape,), (schemas,), (semantics, house_rules, names), (examples,)):
        if not found:
            found = [problem for check in stage for problem in check(spec)]
    return sorted({spec.problem(*each) for each in found}, key=lambda problem: (problem.line, problem.reason))


def load_checked(root: Path) -> SpecDocument:
    """Return the specification of a repository, free of problems.

    Raises:
        SpecError: It has some.
    """
    spec = SpecDocument.load(root / SPEC, shown_as=SPEC)
    if found := problems(spec):
        raise SpecError(*found)
    return spec


def references(spec: SpecDocument) -> Found:
    """Report each `$ref` that leads to nothing in this file."""
    for pointer, value in spec.walk():
        if pointer[-1:] == ("$ref",) and isinstance(value, str):
            target = parse_reference(value)
            try:
                if target is None:
                    yield pointer, f"$ref {value!r} leads out of the file"
                else:
                    spec.find(target)
            except SpecError:
                yield pointer, f"$ref {value!r} leads nowhere"


def operation_ids(spec: SpecDocument) -> Found:
    """Report operations without a name of their own: the generator drops the second of two."""
    seen: dict[str, int] = {}
    for operation in spec.operations():
        place: Pointer = (*operation.pointer, "operationId")
        module = strings.snake_case(operation.name)
        if not module:
            yield operation.pointer, f"{operation.method} {operation.path} has no operationId"
        elif module in seen:
            yield place, f"operationId {operation.name!r} is taken, see line {seen[module]}"
        else:
            seen[module] = spec.line(place)


def shape(spec: SpecDocument) -> Found:
    """Report what breaks the structure of an OpenAPI 3.1 document."""
    # The library would take another implementation if one is installed, whose messages are others.
    yield from _told((), _validator(dict(get_schema_content("3.1"))).iter_errors(spec.content))


def schemas(spec: SpecDocument) -> Found:
    """Report what breaks JSON Schema, all the way down: OpenAPI's own rules stop at the top of a schema."""
    validator = _validator(Draft202012Validator.META_SCHEMA)
    for pointer, value in _without_data(spec):
        is_inline = pointer[-1:] == ("schema",) and pointer[:2] != _SCHEMAS
        if is_inline or pointer[:-1] == _SCHEMAS:
            yield from _told(pointer, validator.iter_errors(value))


def semantics(spec: SpecDocument) -> Found:
    """Report what does not fit together, such as paths and their parameters."""
    validator = OpenAPIV31SpecValidator(cast("dict[str, object]", spec.content))
    yield from _told((), validator.root_validator(validator.schema_path))


def _validator(schema: object, registry: SchemaRegistry = SchemaRegistry()) -> Any:  # noqa: B008 -- frozen
    """Return a validator as Any: jsonschema's own types leave `iter_errors` partly unknown."""
    return Draft202012Validator(cast("Any", schema), registry=registry, format_checker=_FORMATS)


def _told(above: Pointer, errors: Iterable[ValidationError]) -> Found:
    for error in errors:
        pointer: Pointer = (*above, *error.absolute_path)
        yield pointer, f"{' '.join(error.message.split())} (at {show(pointer)})"


def house_rules(spec: SpecDocument) -> Found:
    """Report what breaks the rules at the top of the file, most of which the generated code would get wrong."""
    for pointer, value in _without_data(spec):
        if isinstance(value, dict) and not _names_properties(pointer):
            yield from _rules_of_values(spec, pointer, value)
            yield from _rules_of_extensions(pointer, value)
    for operation in spec.client_operations():
        yield from _rules_of_operations(spec, operation)
        yield from _unnamed_bounds(spec, operation)
    yield from _misnamed_units(spec)
    for place in webhook_schemas(spec):
        if spec.follow(place)[:-1] != _SCHEMAS:
            yield place, "name the schema of what a webhook posts: refer to one of components/schemas"
    for index, tag in enumerate(sequence(spec.content.get("tags"))):
        base = mapping(tag).get("x-runpod-base-path")
        for operation in spec.client_operations() if base else ():
            tags = sequence(mapping(spec.find(operation.pointer)).get("tags"))
            if mapping(tag).get("name") in tags and not operation.path.startswith(f"{base}/"):
                reason = f"the path of {operation.name}, {operation.path}, does not begin with {base}"
                yield ("tags", index, "x-runpod-base-path"), reason


def _rules_of_values(spec: SpecDocument, pointer: Pointer, value: dict[str, Json]) -> Found:
    if "default" in value and pointer[-1:] == ("responses",):
        yield (
            (*pointer, "default"),
            "a `default` response makes any unknown status parse as an error: name the statuses",
        )
    elif "default" in value and pointer[-2:-1] != ("variables",):
        yield (*pointer, "default"), "a `default` would be sent with every request: write `x-runpod-default`"
    if "const" in value:
        yield (*pointer, "const"), "a `const` refuses every other value of the service: write a plain type"
    if "properties" in value and "type" not in value:
        yield (*pointer, "properties"), f"{show(pointer)} has properties and takes any JSON: write `type: object`"
    if value.get("type") == "object" and value.get("additionalProperties") is not True:
        reason = f"{show(pointer)} must tolerate unknown fields: write `additionalProperties: true`"
        yield (*pointer, "additionalProperties"), reason
    if "responses" in pointer and value.get("schema") == {}:
        reason = "an empty response schema parses as None: write `type: object` or name a property"
        yield (*pointer, "schema"), reason
    is_open = pointer[:-1] == _SCHEMAS and str(pointer[-1]).startswith(OPEN_ENUM_PREFIX)
    if "enum" in value and not is_open and pointer[-2:-1] != ("variables",):
        yield (*pointer, "enum"), f"the service may extend an enum: make it a schema named {OPEN_ENUM_PREFIX}..."
    reference = value.get("$ref")
    if isinstance(reference, str) and reference.startswith(f"#/components/schemas/{OPEN_ENUM_PREFIX}"):
        alternatives = sequence(spec.find(pointer[:-1]))
        if not (pointer[-2] == "anyOf" and {"type": "string"} in alternatives):
            yield (*pointer, "$ref"), f"the service may extend {reference}: put it in `anyOf`, beside `type: string`"


def _rules_of_operations(spec: SpecDocument, operation: Operation) -> Found:
    described = mapping(spec.find(operation.pointer))
    budgets: list[Json] = [NO_BUDGET, *mapping(spec.content.get(BUDGETS))]
    if described.get(BUDGET) not in budgets:
        known = ", ".join(map(str, budgets))
        yield (*operation.pointer, BUDGET), f"{BUDGET} must be one of {known}, not {described.get(BUDGET)!r}"
    body = spec.follow((*operation.pointer, "requestBody")) if "requestBody" in described else ()
    for media_type in mapping(mapping(spec.find(body)).get("content")) if body else ():
        if media_type != "application/json":
            place: Pointer = (*body, "content", media_type)
            yield place, f"a client cannot send {media_type}: describe the body as application/json"
    own = described.get("security")
    if own and own != spec.content.get("security"):
        reason = "a client authenticates each operation in the same way: leave the key out (`[]`), or change it for all"
        yield (*operation.pointer, "security"), reason
    yield from _unread_results(spec, operation)
    first = _first_parameter(next(spec.client_operations()))
    if _first_parameter(operation) != first:
        yield operation.pointer[:2], f"a client passes {first} first: this path must begin with it, too"


def _unread_results(spec: SpecDocument, operation: Operation) -> Found:
    """Report successful responses that are not JSON, or that differ in their schema."""
    schemas: list[Json] = []
    for status in mapping(spec.find((*operation.pointer, "responses"))):
        response = spec.follow((*operation.pointer, "responses", status))
        content = mapping(mapping(spec.find(response)).get("content")) if status.startswith("2") else {}
        for media_type, described in content.items():
            place: Pointer = (*response, "content", media_type)
            schemas.append(mapping(described).get("schema"))
            if not re.match(r"application/(\S+\+)?json(;|$)", media_type):
                yield place, f"a client cannot read {media_type}: describe the result as application/json"
            elif schemas[-1] != schemas[0]:
                yield place, f"{operation.name} has two results: describe both by one schema, such as `anyOf`"


def _first_parameter(operation: Operation) -> str:
    return next(iter(re.findall(r"\{\w+\}", operation.path)), "")


def _rules_of_extensions(pointer: Pointer, value: dict[str, Json]) -> Found:
    """Report an extension that names a field or a value that is not there."""
    for keyword, given in value.items():
        chosen = given if isinstance(given, list) else [given]
        if re.fullmatch("x-.*-keys?", keyword):
            known, kind = list[Json](mapping(value.get("properties"))), "a property"
        elif "enum" in value and keyword.startswith("x-") and isinstance(given, list):
            known, kind = sequence(value["enum"]), "a value of the enum"
        else:
            continue
        for unknown in (each for each in chosen if each not in known):
            yield (*pointer, keyword), f"{keyword} names {unknown!r}, which is not {kind}"


def _unnamed_bounds(spec: SpecDocument, operation: Operation) -> Found:
    """Report bounds of what a client sends that are no constants: the facade could not keep to them."""
    for pointer, value in sent_schemas(spec, operation):
        given = mapping(value)
        for bound in BOUNDS:
            if isinstance(given.get(bound), int | float) and bound not in mapping(given.get(CONSTANTS)):
                reason = f"a client must keep to the {bound} of what it sends: name a constant in {CONSTANTS} beside it"
                yield (*pointer, bound), reason


def _misnamed_units(spec: SpecDocument) -> Found:
    """Report a constant whose name says another unit than its value has: who uses it relies on the name."""
    for name, place, source in named_constants(spec):
        beside, keyword = mapping(spec.find(source[:-1])), str(source[-1])
        if isinstance(beside.get(keyword), int | float):
            unit = "seconds" if keyword.endswith("-seconds") else str(beside.get(UNIT))
            suffix = SUFFIXES.get(unit, "")
            if not name.endswith(suffix) or (not suffix and name.endswith(tuple(SUFFIXES.values()))):
                told = f"counts {unit}: its name must end in {suffix}" if suffix else f"has no {UNIT} beside its value"
                yield place, f"the constant {name} {told}"


def webhook_schemas(spec: SpecDocument) -> Iterator[Pointer]:
    """Yield the place of the schema of each body that the service posts."""
    for operation in spec.operations():
        if operation.is_webhook:
            yield (*operation.pointer, "requestBody", "content", "application/json", "schema")


def sent_schemas(spec: SpecDocument, operation: Operation) -> Iterator[tuple[Pointer, Json]]:
    """Yield every value of the parameters and the body of an operation, references followed."""
    left = list(spec.parameters(operation))
    if "requestBody" in mapping(spec.find(operation.pointer)):
        left.append((*operation.pointer, "requestBody"))
    seen: set[Pointer] = set()
    while left:
        start = spec.follow(left.pop())
        if start not in seen:
            seen.add(start)
            for pointer, value in spec.walk(start):
                if "$ref" in mapping(value):
                    left.append(pointer)
                elif not any(_is_data(pointer[:depth], str(key)) for depth, key in enumerate(pointer)):
                    yield pointer, value


def names(spec: SpecDocument) -> Found:
    """Report names that become the same in Python, or that the generated code uses itself."""
    for pointer, value in _without_data(spec):
        if pointer[-1:] == ("properties",) and _names_properties(pointer):
            fields = {key: _identifier(key) for key in mapping(value)}
            loops = {f"{name}_item{rest}" for name in fields.values() for rest in ("", "_data")}
            yield from _collisions(pointer, fields, RESERVED_FIELDS | loops)
        if isinstance(mapping(value).get("enum"), list):
            values = [each for each in sequence(mapping(value)["enum"]) if isinstance(each, str) and each[:1].isalpha()]
            members = {each: strings.snake_case(each) for each in values}
            yield from _collisions((*pointer, "enum"), members, frozenset())
    yield from _collisions(_SCHEMAS, {key: strings.ClassName(key, "") for key in mapping(spec.find(_SCHEMAS))}, ())
    for operation in spec.client_operations():
        for place in spec.parameters(operation):
            name = str(mapping(spec.find(place)).get("name"))
            if _identifier(name) in RESERVED_PARAMETERS:
                yield (*place, "name"), f"the generated code uses the name {name!r} itself: it cannot be a parameter's"


def _collisions(pointer: Pointer, spelled: dict[str, str], reserved: Iterable[str]) -> Found:
    taken: dict[str, str] = {}
    for key, name in spelled.items():
        if name in reserved:
            yield (*pointer, key), f"the generated code uses the name {name!r} itself: {key!r} cannot be read or sent"
        elif name in taken:
            yield (*pointer, key), f"{key!r} and {taken[name]!r} are both called {name!r} in Python"
        taken[name] = key


def _identifier(name: str) -> str:
    return strings.PythonIdentifier(name, "field_")


def examples(spec: SpecDocument) -> Found:
    """Report each example that breaks its schema."""
    for place, schema in example_places(spec):
        yield from misfits(spec, place, schema)


def example_places(spec: SpecDocument) -> Iterator[tuple[Pointer, Pointer]]:
    """Yield the place of each example, and of the schema that it is an example of."""
    for pointer, value in _without_data(spec):
        if not isinstance(value, dict) or _names_properties(pointer):
            continue
        given = value.get("examples")
        if isinstance(given, list):  # of a schema
            yield from (((*pointer, "examples", index), pointer) for index in range(len(given)))
        elif "schema" in value:  # of a parameter, a header, a media type
            schema: Pointer = (*pointer, "schema")
            yield from (((*pointer, "examples", name, "value"), schema) for name in mapping(given))
            if "example" in value:
                yield (*pointer, "example"), schema


def misfits(spec: SpecDocument, place: Pointer, schema: Pointer) -> Found:
    """Report what a schema of the specification has against the value at a place."""
    registry = SchemaRegistry().with_resource("urn:spec", DRAFT202012.create_resource(spec.content))
    reference = {"$ref": "urn:spec" + quote(show(schema), safe="#/")}
    for pointer, reason in _told(place, _validator(reference, registry).iter_errors(spec.find(place))):
        yield pointer, f"the example breaks its schema: {reason}"


def lint(root: Path) -> int:
    """Run the npm linter; return its exit code, or `NO_NODE`."""
    npx = shutil.which("npx")
    if npx is None:
        print("check_spec: not linted: Node.js (npx) is not installed on this machine", file=sys.stderr)
        return NO_NODE
    command = [npx, "--yes", LINTER, "lint", "--config", str(LINTER_CONFIG), str(SPEC)]
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    return subprocess.run(command, cwd=root, env=os.environ | quiet, check=False).returncode


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="check_spec", description="Checks spec/openapi.yaml.")
    parser.add_argument("--lint", action="store_true", help="run the npm linter too")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: the one of this script)")
    arguments = parser.parse_args(argv)
    root: Path = arguments.root.resolve()
    try:
        spec = load_checked(root)
    except SpecError as error:
        print(error, file=sys.stderr)
        return 1
    counts = {
        "operations": sum(1 for _ in spec.client_operations()),
        "schemas": len(mapping(spec.find(_SCHEMAS))),
        "examples": sum(1 for _ in example_places(spec)),
    }
    print(f"{SPEC.as_posix()} is sound: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    return lint(root) if arguments.lint else 0


def _without_data(spec: SpecDocument) -> Iterator[tuple[Pointer, Json]]:
    """Yield every value of the document proper: the inside of an example or an extension is data."""
    for pointer, value in spec.walk():
        if not any(_is_data(pointer[:depth], str(key)) for depth, key in enumerate(pointer)):
            yield pointer, value


def _is_data(parent: Pointer, key: str) -> bool:
    return (key in {"example", "examples"} or key.startswith("x-")) and not _names_properties(parent)


def _names_properties(pointer: Pointer) -> bool:
    """Check whether the keys of the mapping at this place are names that the API chose."""
    return pointer[-1:] == ("properties",) and pointer[-2:-1] != ("properties",)


def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def _is_pattern(value: object) -> bool:
    return not isinstance(value, str) or bool(re.compile(value))


_FORMATS: Final = FormatChecker(formats=())
_FORMATS.checks("date-time", raises=ValueError)(_is_date_time)
_FORMATS.checks("regex", raises=re.error)(_is_pattern)


if __name__ == "__main__":
    sys.exit(main())
