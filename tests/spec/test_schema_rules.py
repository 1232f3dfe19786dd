"""Refuse what no code would be made from, with its line: misspellings, and keywords that the generator drops."""

from pathlib import Path
from typing import Final

import pytest

from scripts.check_spec import operation_ids, path_parameters, references
from scripts.schema_rules import schema_rules
from scripts.spec_document import SpecDocument, SpecError
from scripts.spec_rules import house_rules, names
from scripts.wire_module import render

DOCUMENT: Final = """\
openapi: 3.1.0
info: { title: Small, version: 1.0.0 }
servers: [{ url: 'https://example.org/v1', x-runpod-constants: { url: SERVER_URL } }]
security: [{ key: [] }]
x-runpod-rate-limits: { few: { requests: 2, windowSeconds: 1 } }
paths:
  '/{id}/run':
    parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
    get:
      operationId: run
      x-runpod-rate-limit: few
      parameters:
        - { name: more, in: query, schema: { type: string } }
      responses: { '200': { description: Done. } }
components:
  securitySchemes: { key: { type: http, scheme: bearer } }
  schemas:
    KnownState: { type: string, enum: [ON, OFF], x-runpod-final: ['OFF'], x-runpod-constants: { x-runpod-final: F } }
    Part: { type: object, additionalProperties: true }
    Thing:
      type: object
      additionalProperties: true
      required: [name]
      properties:
        name: { type: string }
"""
FIELD: Final = "        name: { type: string }\n"
MORE: Final = "        - { name: more, in: query, schema: { type: string } }\n"

BROKEN: Final = {
    "a misspelled keyword": (FIELD, "        name: { typ: string }\n", "does not follow `typ`: correct it"),
    "null as in OpenAPI 3.0": (
        FIELD,
        "        name: { type: string, nullable: true }\n",
        "write `type: [..., 'null']`",
    ),
    "a title of another class": (
        "    Part: { type: object,",
        "    Part: { type: object, title: Piece,",
        "would name the Python class",
    ),
    "a title of a class in a class": (
        FIELD,
        "        name: { type: object, additionalProperties: true, title: Name }\n",
        "would name the Python class",
    ),
    "a discriminator": (
        FIELD,
        "        name: { oneOf: [{ type: string }], discriminator: { propertyName: kind } }\n",
        "alternatives are read in their order",
    ),
    "a condition": (FIELD, "        name: { type: string, not: { type: 'null' } }\n", "does not follow `not`"),
    "properties by pattern": (
        "      required: [name]\n",
        "      patternProperties: { '^x': { type: integer } }\n",
        "does not follow `patternProperties`",
    ),
    "a keyword beside a reference": (
        FIELD,
        "        name: { $ref: '#/components/schemas/Part', required: [a] }\n",
        "does not follow `required` beside a reference",
    ),
    "a reference into a schema": (
        FIELD,
        FIELD + "        other: { $ref: '#/components/schemas/Thing/properties/name' }\n",
        "reads no part of a schema",
    ),
    "a field that is `true`": (FIELD, FIELD + "        other: true\n", "reads no schema `true`"),
    "a list of nothing": (FIELD, "        name: { type: [array, 'null'] }\n", "an array needs `items`"),
    "a required field that is not there": (
        "      required: [name]\n",
        "      required: [name, age]\n",
        "'age' is required and not a property",
    ),
    "a closed object or null": (
        FIELD,
        "        name: { type: [object, 'null'], properties: {} }\n",
        "must tolerate unknown fields",
    ),
    "a list with commas": (
        MORE,
        "        - { name: more, in: query, explode: false, schema: { type: array, items: {} } }\n",
        "writes 'more' with `explode: true`",
    ),
    "a parameter in another style": (
        MORE,
        "        - { name: more, in: query, style: deepObject, schema: { type: string } }\n",
        "writes 'more' with `style: form`",
    ),
    "a parameter with content": (
        MORE,
        "        - { name: more, in: query, content: { application/json: { schema: {} } } }\n",
        "drops a parameter with `content`",
    ),
    "a header of the client": (
        MORE,
        "        - { name: authorization, in: header, schema: { type: string } }\n",
        "writes the header authorization itself",
    ),
    "a parameter twice": (MORE, MORE + MORE, "has the parameter 'more' in query twice"),
    "a path with a query": ("  '/{id}/run':", "  '/{id}/run?all=1':", "is not a path of a URL"),
    "a path with a space": ("  '/{id}/run':", "  '/{id}/ru n':", "is not a path of a URL"),
    "another dialect of schemas": (
        "info: {",
        "jsonSchemaDialect: https://json-schema.org/draft/2019-09/schema\ninfo: {",
        "read as JSON Schema 2020-12",
    ),
    "a version in one part": ("version: 1.0.0", "version: draft", "must be three numbers"),
    "an enum of nothing": ("enum: [ON, OFF]", "enum: []", "an enum needs values"),
    "an enum of numbers": ("{ type: string, enum", "{ type: integer, enum", "beside `type: string`"),
    "a state that is running and final": (
        "x-runpod-final: ['OFF'], x-runpod-constants: { ",
        "x-runpod-final: ['OFF'], x-runpod-running: ['OFF'], x-runpod-constants: { x-runpod-running: R, ",
        "which is in x-runpod-final too",
    ),
    "a retention below zero": (
        "      operationId: run\n",
        "      operationId: run\n      x-runpod-retention-seconds: -1\n",
        "must be a whole number above 0",
    ),
    "an empty prefix": (
        "      operationId: run\n",
        "      operationId: run\n      x-runpod-job-id-prefix: ''\n",
        "must be a string of at least one character",
    ),
    "a broken pattern": (
        "      operationId: run\n",
        "      operationId: run\n      x-runpod-id-pattern: '('\n",
        "is not a regular expression",
    ),
    "a reference to itself": (
        "    Part: {",
        "    Loop: { $ref: '#/components/schemas/Loop' }\n    Part: {",
        "leads back to itself",
    ),
    "a misspelled rate limit": ("windowSeconds: 1 }", "windowSeconds: 1, concurent: 2 }", "has no 'concurent'"),
    "an address with a query": ("org/v1'", "org/v1?a=1'", "needs an address such as https://host/path"),
    "a number that is not finite": ("requests: 2", "requests: .inf", "is inf, which is not JSON"),
    "a tag": (FIELD, "        name: !my { type: string }\n", "has the tag '!my'"),
    "a tag of a value": (FIELD, "        name: { type: !my string }\n", "has the tag '!my'"),
}


def problems(text: str, folder: Path) -> list[tuple[int, str]]:
    path = folder / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        spec = SpecDocument.load(path)
        found = list(references(spec)) or [
            problem
            for check in (operation_ids, path_parameters, house_rules, schema_rules, names)
            for problem in check(spec)
        ]
        if not found:
            render(spec)
    except SpecError as error:
        return [(problem.line, problem.reason) for problem in error.problems]
    return [(spec.line(place), reason) for place, reason in found]


def test_accepts_the_document_that_the_others_break(tmp_path: Path) -> None:
    assert problems(DOCUMENT, tmp_path) == []


@pytest.mark.parametrize(("old", "new", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_names_the_line_of_what_would_be_dropped(old: str, new: str, reason: str, tmp_path: Path) -> None:
    assert DOCUMENT.count(old) == 1
    lines = DOCUMENT[: DOCUMENT.index(old)].count("\n") + 1
    last = lines + new.rstrip("\n").count("\n")

    found = problems(DOCUMENT.replace(old, new), tmp_path)

    assert any(lines <= line <= last and reason in told for line, told in found), found


ACCEPTED: Final = {
    "an enum of a server's variable": (
        "url: 'https://example.org/v1',",
        "url: 'https://{host}/v1', variables: { host: { default: example.org, enum: [example.org] } },",
    ),
    "a title of a field": (FIELD, "        name: { type: string, title: Name }\n"),
    "a title that is the name": ("    Part: { type: object,", "    Part: { type: object, title: part,"),
    "notes beside a reference": (
        FIELD,
        "        name: { $ref: '#/components/schemas/Part', title: Name, readOnly: true }\n",
    ),
    "an enum without its type": ("KnownState: { type: string, enum", "KnownState: { enum"),
    "unique items": (FIELD, "        name: { type: array, items: {}, uniqueItems: true }\n"),
    "an encoding": (FIELD, "        name: { type: string, contentEncoding: base64 }\n"),
    "a field that is called content": (
        FIELD,
        FIELD
        + "        content: { type: object, additionalProperties: true, properties: { encoding: { type: string } } }\n",
    ),
    "a field that another member describes": (
        FIELD,
        """\
        name:
          allOf:
            - { $ref: '#/components/schemas/Part' }
            - { type: object, additionalProperties: true, required: [a], properties: { b: {} } }
""",
    ),
    "one value that would not be repeated": (
        MORE,
        "        - { name: more, in: query, explode: false, schema: { type: string } }\n",
    ),
    "a hyphen in the path": ("  '/{id}/run':", "  '/{id}/run/{job-id}':"),
}


@pytest.mark.parametrize(("old", "new"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepts_what_the_generated_code_follows(old: str, new: str, tmp_path: Path) -> None:
    assert DOCUMENT.count(old) == 1
    parameter = "        - { name: job-id, in: path, required: true, schema: { type: string } }\n"
    text = DOCUMENT.replace(old, new)

    assert problems(text.replace(MORE, MORE + parameter) if "job-id" in new else text, tmp_path) == []


def test_tables_name_an_operation_as_its_module_is_called(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(DOCUMENT.replace("operationId: run\n", "operationId: runJob\n      deprecated: true\n"), "utf-8")

    source = render(SpecDocument.load(path))

    assert "'run_job': OperationLimit('few', 2, 1.0, None)" in source
    assert "frozenset(['run_job'])" in source
