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
from collections.abc import Iterable, Iterator, Mapping, Sequence
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

from scripts.schema_rules import schema_rules
from scripts.spec_document import (
    DEFAULT,
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
from scripts.spec_rules import SCHEMAS, Found, described, house_rules, names, names_properties, without_data

ROOT: Final = Path(__file__).resolve().parent.parent
SPEC: Final = Path("spec/openapi.yaml")

FORMATS: Final = FormatChecker(("date", "date-time", "regex", "uuid"))
LINTER: Final = "@redocly/cli@2.77.0"
LINTER_CONFIG: Final = Path("spec/redocly.yaml")
NO_NODE: Final = 3
"""The exit code for a specification that was checked and not linted, because Node.js is missing."""


def problems(spec: SpecDocument) -> list[Problem]:
    """Return everything that is wrong with a specification, in the order of its lines."""
    found: list[tuple[Pointer, str]] = []
    # Each stage walks along what the one before has found sound: references and operations, then schemas.
    for stage in (
        (references, operation_ids),
        (shape,),
        (schemas,),
        (path_parameters,),
        (semantics, house_rules, schema_rules, names),
        (examples,),
    ):
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
        if pointer[-1:] in {("$ref",), ("operationRef",)} and isinstance(value, str):
            target, seen = parse_reference(value), set[Pointer]()
            try:
                if target is None:
                    yield pointer, f"{pointer[-1]} {value!r} leads out of the file"
                while target is not None and target not in seen:
                    seen.add(target)
                    target = parse_reference(str(mapping(spec.find(target)).get("$ref", "")))
                if target is not None:
                    yield pointer, f"{pointer[-1]} {value!r} leads back to itself"
            except SpecError:
                yield pointer, f"{pointer[-1]} {value!r} leads nowhere"


def operation_ids(spec: SpecDocument) -> Found:
    """Report operations without a name of their own, and those out of its sight: the generator drops them."""
    for path, item in mapping(spec.content.get("paths")).items():
        if "$ref" in mapping(item):
            yield ("paths", path, "$ref"), f"describe the operations of {path} here: the generator follows no reference"
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


def dangling_links(spec: SpecDocument) -> list[Problem]:
    """Return the links to operations and parameters that are not there. No code is generated from a link."""
    operations = {operation.name: operation for operation in spec.client_operations()}
    return [
        spec.problem(*found)
        for pointer, value in without_data(spec)
        if pointer[-2:-1] == ("links",) and not names_properties(pointer[:-2]) and "operationId" in mapping(value)
        for found in _missing_targets(spec, operations, pointer)
    ]


def _missing_targets(spec: SpecDocument, operations: Mapping[str, Operation], link: Pointer) -> Found:
    given = mapping(spec.find(link))
    target = operations.get(str(given["operationId"]))
    if target is None:
        reason = f"no operation is called {given['operationId']!r}: name another one, or remove the link"
        yield (*link, "operationId"), reason
        return
    parameters = {str(mapping(spec.find(place)).get("name")) for place in spec.parameters(target)}
    for name in mapping(given.get("parameters")):
        if name.rpartition(".")[2] not in parameters:  # `path.id` is the parameter `id` in the path
            yield (*link, "parameters", name), f"{target.name} has no parameter {name!r}: correct the link"


def path_parameters(spec: SpecDocument) -> Found:
    """Report names in braces that no parameter has, and parameters that the path does not name."""
    for operation in spec.client_operations():
        if not re.fullmatch(r"(/([\w.~!$&'()*+,;=:@%-]|\{[\w-]+\})*)+", operation.path, re.ASCII):
            yield operation.pointer[:2], f"{operation.path!r} is not a path of a URL, such as `/{{endpoint_id}}/run`"
        yield from _parameters_given_twice(spec, operation)
        given = [mapping(spec.find(place)) for place in spec.parameters(operation)]
        declared = {str(parameter.get("name")) for parameter in given if parameter.get("in") == "path"}
        named = set(re.findall(r"\{(.*?)\}", operation.path))
        for name in sorted(named ^ declared):
            told = "is not a parameter of it" if name in named else "is a parameter of it, and not in it"
            yield operation.pointer[:2], f"{name!r} of the path {operation.path} {told}"


def _parameters_given_twice(spec: SpecDocument, operation: Operation) -> Found:
    for around in (operation.pointer[:-1], operation.pointer):
        seen = set[tuple[str, str]]()
        for index in range(len(sequence(mapping(spec.find(around)).get("parameters")))):
            place: Pointer = (*around, "parameters", index)
            parameter = mapping(spec.find(spec.follow(place)))
            name, where = str(parameter.get("name")), str(parameter.get("in"))
            if (name, where) in seen:
                yield place, f"{operation.name} has the parameter {name!r} in {where} twice: remove one"
            seen.add((name, where))


def shape(spec: SpecDocument) -> Found:
    """Report what breaks the structure of an OpenAPI 3.1 document."""
    # The library would take another implementation if one is installed, whose messages are others.
    yield from _told((), _validator(dict(get_schema_content("3.1"))).iter_errors(spec.content))


def schemas(spec: SpecDocument) -> Found:
    """Report what breaks JSON Schema, all the way down: OpenAPI's own rules stop at the top of a schema."""
    validator = _validator(Draft202012Validator.META_SCHEMA)
    for pointer, value in without_data(spec):
        is_inline = pointer[-1:] == ("schema",) and pointer[:2] != SCHEMAS
        if is_inline or pointer[:-1] == SCHEMAS:
            yield from _told(pointer, validator.iter_errors(value))


def semantics(spec: SpecDocument) -> Found:
    """Report what does not fit together, such as paths and their parameters."""
    validator = OpenAPIV31SpecValidator(cast("dict[str, object]", spec.content))
    yield from _told((), validator.root_validator(validator.schema_path))


def _validator(schema: object, registry: SchemaRegistry = SchemaRegistry()) -> Any:  # noqa: B008 -- frozen
    """Return a validator as Any: jsonschema's own types leave `iter_errors` partly unknown."""
    return Draft202012Validator(cast("Any", schema), registry=registry, format_checker=FORMATS)


def _told(above: Pointer, errors: Iterable[ValidationError]) -> Found:
    for error in errors:
        pointer: Pointer = (*above, *error.absolute_path)
        if error.validator in {"additionalProperties", "unevaluatedProperties"}:
            told = re.findall("'(.+?)'", error.message)
            pointer = (*pointer, *[key for key in told if key in cast("Any", error.instance)][:1])
        yield pointer, f"{' '.join(error.message.split())} (at {show(pointer)})"


def examples(spec: SpecDocument) -> Found:
    """Report each example that breaks its schema, and each default of another type."""
    for place, schema in example_places(spec):
        yield from misfits(spec, place, schema)
    for place, value in described(spec):
        if DEFAULT in value and "type" in value:
            yield from _told((*place, DEFAULT), _validator({"type": value["type"]}).iter_errors(value[DEFAULT]))


def example_places(spec: SpecDocument) -> Iterator[tuple[Pointer, Pointer]]:
    """Yield the place of each example, and of the schema that it is an example of."""
    for pointer, value in described(spec):
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
    if dangling := dangling_links(spec):
        print(*dangling, sep="\n", file=sys.stderr)
        return 1
    counts = {
        "operations": sum(1 for _ in spec.client_operations()),
        "schemas": len(mapping(spec.find(SCHEMAS))),
        "examples": sum(1 for _ in example_places(spec)),
    }
    print(f"{SPEC.as_posix()} is sound: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    return lint(root) if arguments.lint else 0


if __name__ == "__main__":
    sys.exit(main())
