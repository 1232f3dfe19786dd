"""Checks the specification: its structure, its references, its examples, and the rules it is written by.

Every problem is told as ``file:line: reason``. `scripts/generate.py` refuses to generate from a specification with a
problem, because the generator itself names no lines, and drops what it does not understand.

    python scripts/check_spec.py            the checks of this module
    python scripts/check_spec.py --lint     the npm linter too (needs Node.js; exit code 3 where there is none)
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol, cast
from urllib.parse import quote

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from openapi_spec_validator import OpenAPIV31SpecValidator
from openapi_spec_validator.schemas.utils import get_schema_content
from referencing.jsonschema import DRAFT202012, SchemaRegistry

if __name__ == "__main__":  # run as a file, Python looks beside it and not in the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.spec_document import Json, Pointer, Problem, SpecDocument, SpecError, mapping, parse_reference, show
from scripts.wire_module import BUDGET, BUDGETS, NO_BUDGET

ROOT: Final = Path(__file__).resolve().parent.parent
SPEC: Final = Path("spec/openapi.yaml")

LINTER: Final = "@redocly/cli@2.77.0"
LINTER_CONFIG: Final = Path("spec/redocly.yaml")
NO_NODE: Final = 3
"""The exit code that says: checked, but not linted, for want of Node.js."""

OPEN_ENUM_PREFIX: Final = "Known"
"""How the names of enums begin that the service may extend: every enum there is."""

_SCHEMAS: Final[Pointer] = ("components", "schemas")
_EXAMPLE_KEYS: Final = ("example", "examples")


def problems(spec: SpecDocument) -> list[Problem]:
    """Everything that is wrong with a specification, in the order of its lines."""
    found: list[Problem] = []
    # Each stage walks along what the one before has found sound: references and operations, then schemas.
    for stage in ((references, operation_ids), (shape,), (schemas,), (semantics, house_rules, examples)):
        if not found:
            found = [problem for check in stage for problem in check(spec)]
    return sorted(set(found), key=lambda problem: (problem.line, problem.reason))


def load_checked(root: Path) -> SpecDocument:
    """The specification of a repository, free of problems.

    Raises:
        SpecError: It has some.
    """
    spec = SpecDocument.load(root / SPEC, shown_as=SPEC)
    if found := problems(spec):
        raise SpecError(*found)
    return spec


def references(spec: SpecDocument) -> Iterator[Problem]:
    """Every `$ref` leads to something in this file."""
    for pointer, value in spec.walk():
        if not pointer or pointer[-1] != "$ref" or not isinstance(value, str):
            continue
        target = parse_reference(value)
        if target is None:
            yield spec.problem(pointer, f"$ref {value!r} leads out of the file")
            continue
        try:
            spec.find(target)
        except SpecError:
            yield spec.problem(pointer, f"$ref {value!r} leads nowhere")


def operation_ids(spec: SpecDocument) -> Iterator[Problem]:
    """Every operation has a name of its own: the generator drops the second of two without a word."""
    seen: dict[str, int] = {}
    for operation in spec.operations():
        place = (*operation.pointer, "operationId")
        if not operation.name:
            yield spec.problem(operation.pointer, f"{operation.method} {operation.path} has no operationId")
        elif operation.name in seen:
            yield spec.problem(place, f"operationId {operation.name!r} is taken, see line {seen[operation.name]}")
        else:
            seen[operation.name] = spec.line(place)


def shape(spec: SpecDocument) -> Iterator[Problem]:
    """The file is built as an OpenAPI 3.1 document is."""
    # The library would take another implementation where one is installed, whose messages are others.
    validator = cast("_Validator", Draft202012Validator(dict(get_schema_content("3.1"))))
    yield from (_told(spec, (), error) for error in validator.iter_errors(spec.content))


def schemas(spec: SpecDocument) -> Iterator[Problem]:
    """Every schema is a JSON Schema, all the way down: OpenAPI's own rules stop at its top."""
    validator = cast("_Validator", Draft202012Validator(Draft202012Validator.META_SCHEMA, format_checker=_FORMATS))
    for pointer, value in _without_data(spec):
        is_named = pointer[:-1] == _SCHEMAS
        is_inline = pointer[-1:] == ("schema",) and pointer[:2] != _SCHEMAS
        if is_named or is_inline:
            yield from (_told(spec, pointer, error) for error in validator.iter_errors(value))


def semantics(spec: SpecDocument) -> Iterator[Problem]:
    """What an OpenAPI 3.1 document says fits together: paths and their parameters, for one."""
    validator = OpenAPIV31SpecValidator(cast("dict[str, object]", spec.content))
    yield from (_told(spec, (), error) for error in validator.root_validator(validator.schema_path))


def _told(spec: SpecDocument, above: Pointer, error: ValidationError) -> Problem:
    pointer: Pointer = (*above, *error.absolute_path)
    return spec.problem(pointer, f"{_one_line(error.message)} (at {show(pointer)})")


def house_rules(spec: SpecDocument) -> Iterator[Problem]:
    """The rules at the top of the file: what the generated code would get wrong is not written."""
    for pointer, value in _without_data(spec):
        if isinstance(value, dict) and not _names_properties(pointer):
            for rule in (_defaults, _closed_objects, _closed_enums, _empty_responses):
                for place, reason in rule(spec, pointer, value):
                    yield spec.problem(place, reason)
    known_budgets = [NO_BUDGET, *mapping(spec.content.get(BUDGETS))]
    for operation in spec.operations():
        budget = mapping(spec.find(operation.pointer)).get(BUDGET)
        if not operation.is_webhook and budget not in known_budgets:
            known = ", ".join(known_budgets)
            yield spec.problem((*operation.pointer, BUDGET), f"{BUDGET} must be one of {known}, not {budget!r}")


def examples(spec: SpecDocument) -> Iterator[Problem]:
    """Every example is what its schema says."""
    for place, schema in example_places(spec):
        yield from misfits(spec, place, schema)


def example_places(spec: SpecDocument) -> Iterator[tuple[Pointer, Pointer]]:
    """Where each example stands, and the schema that it is an example of."""
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


def misfits(spec: SpecDocument, place: Pointer, schema: Pointer) -> list[Problem]:
    """What a schema of the specification has against the example at a place."""
    registry = SchemaRegistry().with_resource("urn:spec", DRAFT202012.create_resource(spec.content))
    reference = {"$ref": "urn:spec" + quote(show(schema), safe="#/")}
    validator = cast("_Validator", Draft202012Validator(reference, registry=registry, format_checker=_FORMATS))
    found: list[Problem] = []
    for error in validator.iter_errors(spec.find(place)):
        inner: Pointer = (*place, *error.absolute_path)
        reason = f"the example breaks its schema: {_one_line(error.message)} (at {show(inner)})"
        found.append(spec.problem(inner, reason))
    return found


def lint(root: Path) -> int:
    """Runs the npm linter; returns its exit code, or `NO_NODE`."""
    npx = shutil.which("npx")
    if npx is None:
        print("check_spec: not linted: Node.js (npx) is not installed on this machine", file=sys.stderr)
        return NO_NODE
    command = [npx, "--yes", LINTER, "lint", "--config", str(LINTER_CONFIG), str(SPEC)]
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    return subprocess.run(command, cwd=root, env=os.environ | quiet, check=False).returncode


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
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
        "operations": sum(not operation.is_webhook for operation in spec.operations()),
        "schemas": len(mapping(spec.find(_SCHEMAS))),
        "examples": sum(1 for _ in example_places(spec)),
    }
    print(f"{SPEC.as_posix()} is sound: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    return lint(root) if arguments.lint else 0


_Rule = Callable[[SpecDocument, Pointer, dict[str, Json]], Iterator[tuple[Pointer, str]]]


def _defaults(_spec: SpecDocument, pointer: Pointer, value: dict[str, Json]) -> Iterator[tuple[Pointer, str]]:
    if "default" in value:
        reason = (
            "a `default` response makes any unknown status parse as an error: name the statuses"
            if pointer[-1:] == ("responses",)
            else "a `default` would be sent with every request: write `x-runpod-default`"
        )
        yield (*pointer, "default"), reason
    if "const" in value:
        yield (*pointer, "const"), "a `const` refuses every other value of the service: write a plain type"


def _closed_objects(_spec: SpecDocument, pointer: Pointer, value: dict[str, Json]) -> Iterator[tuple[Pointer, str]]:
    if value.get("type") == "object" and value.get("additionalProperties") is not True:
        yield pointer, f"{show(pointer)} must tolerate unknown fields: write `additionalProperties: true`"


def _closed_enums(spec: SpecDocument, pointer: Pointer, value: dict[str, Json]) -> Iterator[tuple[Pointer, str]]:
    if "enum" in value and not (pointer[:-1] == _SCHEMAS and str(pointer[-1]).startswith(OPEN_ENUM_PREFIX)):
        yield (*pointer, "enum"), f"the service may extend an enum: make it a schema named {OPEN_ENUM_PREFIX}..."
    reference = value.get("$ref")
    if isinstance(reference, str) and reference.startswith(f"#/components/schemas/{OPEN_ENUM_PREFIX}"):
        alternatives = spec.find(pointer[:-1])
        if not (isinstance(alternatives, list) and pointer[-2] == "anyOf" and {"type": "string"} in alternatives):
            yield (*pointer, "$ref"), f"the service may extend {reference}: put it in `anyOf`, beside `type: string`"


def _empty_responses(_spec: SpecDocument, pointer: Pointer, value: dict[str, Json]) -> Iterator[tuple[Pointer, str]]:
    if "responses" in pointer and value.get("schema") == {}:
        yield (*pointer, "schema"), "an empty response schema parses as None: write `type: object` or name a property"


def _without_data(spec: SpecDocument) -> Iterator[tuple[Pointer, Json]]:
    """Every value of the document proper: what stands inside an example or an extension is data."""
    for pointer, value in spec.walk():
        if not any(_is_data(pointer[:depth], str(key)) for depth, key in enumerate(pointer)):
            yield pointer, value


def _is_data(parent: Pointer, key: str) -> bool:
    return (key in _EXAMPLE_KEYS or key.startswith("x-")) and not _names_properties(parent)


def _names_properties(pointer: Pointer) -> bool:
    """Whether the keys of the mapping at this place are names that the API chose."""
    return pointer[-1:] == ("properties",) and pointer[-2:-1] != ("properties",)


class _Validator(Protocol):
    """What is used of jsonschema's validator, whose own types leave `iter_errors` partly unknown."""

    def iter_errors(self, instance: Json) -> Iterator[ValidationError]: ...


def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def _is_pattern(value: object) -> bool:
    return not isinstance(value, str) or bool(re.compile(value))


_FORMATS: Final = FormatChecker(formats=())
_FORMATS.checks("date-time", raises=ValueError)(_is_date_time)
_FORMATS.checks("regex", raises=re.error)(_is_pattern)


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    sys.exit(main())
