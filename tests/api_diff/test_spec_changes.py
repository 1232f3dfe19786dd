"""What a change of the specification is to those who call the service, one small specification after the other."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

import pytest

from scripts.check_spec import ROOT, SPEC
from scripts.spec_changes import spec_changes
from scripts.spec_document import SpecDocument

BASE = """\
openapi: 3.1.0
servers:
  - url: https://example.org/v1
x-runpod-rate-limits:
  run: { requests: 10, windowSeconds: 10, concurrent: 2 }
paths:
  /{id}/run:
    parameters:
      - $ref: '#/components/parameters/Id'
    post:
      operationId: run
      tags: [jobs]
      x-runpod-rate-limit: run
      x-runpod-retention-seconds: 60
      parameters:
        - { name: wait, in: query, schema: { type: integer, minimum: 1000, maximum: 9000 } }
      requestBody:
        required: true
        x-runpod-max-bytes: 10485760
        content: { application/json: { schema: { $ref: '#/components/schemas/Request' } } }
      responses:
        '200': { $ref: '#/components/responses/Started' }
        '404': { description: Not found. }
webhooks:
  finished:
    post:
      operationId: finished
      requestBody:
        content: { application/json: { schema: { $ref: '#/components/schemas/Report' } } }
      responses:
        '200': { description: Received. }
components:
  parameters:
    Id: { name: id, in: path, required: true, schema: { type: string, pattern: '^[a-z]+$' } }
  responses:
    Started:
      content: { application/json: { schema: { $ref: '#/components/schemas/Job' } } }
  schemas:
    Request:
      type: object
      required: [input]
      properties:
        input: { description: Any JSON. }
        policy: { $ref: '#/components/schemas/Policy' }
    Policy:
      type: object
      properties:
        ttl: { type: integer, minimum: 10, maximum: 100, x-runpod-default: 50 }
        tags: { type: array, maxItems: 5, items: { type: string } }
    Job:
      type: object
      required: [id, status]
      properties:
        id: { type: string }
        status:
          anyOf:
            - $ref: '#/components/schemas/KnownStatus'
            - type: string
        delay: { type: integer }
        error: { type: string }
        policy: { $ref: '#/components/schemas/Policy' }
    KnownStatus:
      type: string
      enum: [WAITING, DONE]
    Report:
      type: object
      required: [id]
      properties:
        id: { type: string }
"""


def document(text: str, folder: Path) -> SpecDocument:
    path = folder / "openapi.yaml"
    path.write_text(text, encoding="utf-8")
    return SpecDocument.load(path)


def told(old: str, new: str, folder: Path) -> list[str]:
    """What is said of an edit of the specification above."""
    assert BASE.count(old) == 1, old
    before, after = document(BASE, folder), document(BASE.replace(old, new), folder)
    return [f"{change.effect}: {change.subject} {change.text}" for change in spec_changes(before, after)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # Operations.
        (
            "  /{id}/run:",
            "  /{id}/start:",
            ["compatible: run is POST /{id}/start, was POST /{id}/run; called by its name, it is what it was"],
        ),
        ("operationId: run", "operationId: start", ["breaking: run is called start now"]),
        ("tags: [jobs]", "tags: [queue]", ["breaking: run has moved to queue"]),
        ("tags: [jobs]", "tags: [jobs]\n      deprecated: true", ["compatible: run is deprecated"]),
        (
            "x-runpod-rate-limit: run",
            "x-runpod-rate-limit: none-published",
            ["compatible: run counts to the rate limit none-published, was run"],
        ),
        (
            "x-runpod-retention-seconds: 60",
            "x-runpod-retention-seconds: 30",
            ["compatible: run has a retention in seconds of 30, was 60"],
        ),
        # Parameters.
        (
            "minimum: 1000, maximum: 9000",
            "minimum: 2000, maximum: 9000",
            ["breaking: run: wait (query) has a minimum of 2,000, was 1,000"],
        ),
        (
            "minimum: 1000, maximum: 9000",
            "minimum: 1000",
            ["compatible: run: wait (query) has no maximum now, was 9,000"],
        ),
        ("in: query, schema", "in: query, required: true, schema", ["breaking: run: wait (query) is required now"]),
        ("required: true, schema", "schema", ["compatible: run: id (path) is optional now"]),
        (
            "name: wait,",
            "name: hold,",
            ["breaking: run: wait (query) is gone", "compatible: run: hold (query) is new: integer, optional"],
        ),
        (
            "name: wait, in: query,",
            "name: hold, in: query, required: true,",
            ["breaking: run: wait (query) is gone", "breaking: run: hold (query) is new: integer, required"],
        ),
        ("pattern: '^[a-z]+$'", "", ["compatible: run: id (path) has no pattern now, was ^[a-z]+$"]),
        (
            "pattern: '^[a-z]+$'",
            "pattern: '^[a-c]+$'",
            ["breaking: run: id (path) has a pattern of ^[a-c]+$, was ^[a-z]+$"],
        ),
        # Bodies and answers.
        (
            "x-runpod-max-bytes: 10485760",
            "x-runpod-max-bytes: 1048576",
            ["breaking: run: the body has a limit in bytes of 1,048,576, was 10,485,760"],
        ),
        (
            "x-runpod-max-bytes: 10485760",
            "x-runpod-max-bytes: 20971520",
            ["compatible: run: the body has a limit in bytes of 20,971,520, was 10,485,760"],
        ),
        (
            "schema: { $ref: '#/components/schemas/Request' }",
            "schema: { type: array, items: { $ref: '#/components/schemas/Request' } }",
            ["breaking: run: the body is list of Request, was Request"],
        ),
        ("        '404': { description: Not found. }\n", "", ["compatible: run: the answer 404 is gone"]),
        (
            "'404': { description: Not found. }",
            "'404': { description: Not found. }\n        '429': { description: Too many. }",
            ["compatible: run: the answer 429 is new: any JSON"],
        ),
        ("        '200': { $ref: '#/components/responses/Started' }\n", "", ["breaking: run: the answer 200 is gone"]),
        (
            "schema: { $ref: '#/components/schemas/Job' }",
            "schema: { anyOf: [{ $ref: '#/components/schemas/Job' }, { type: string }] }",
            ["breaking: run: the answer 200 is Job or string, was Job"],
        ),
        # Fields that are received.
        (
            "        delay: { type: integer }",
            "        delay: { type: integer }\n        cost: { type: number }",
            ["compatible: Job.cost is new: number, optional"],
        ),
        ("        delay: { type: integer }\n", "", ["breaking: Job.delay is gone"]),
        (
            "        delay: { type: integer }",
            "        waited: { type: integer }",
            ["breaking: Job.delay is called waited now"],
        ),
        (
            "        delay: { type: integer }",
            "        delay: { anyOf: [{ type: integer }, { type: string }] }",
            ["breaking: Job.delay is integer or string, was integer"],
        ),
        (
            "            - $ref: '#/components/schemas/KnownStatus'\n            - type: string",
            "            - type: string",
            ["compatible: Job.status is string, was KnownStatus or string"],
        ),
        ("required: [id, status]", "required: [id]", ["breaking: Job.status may be absent now"]),
        ("required: [id, status]", "required: [id, status, delay]", ["compatible: Job.delay is always there now"]),
        (
            "error: { type: string }",
            "error: { type: string, deprecated: true }",
            ["compatible: Job.error is deprecated"],
        ),
        ("required: [id]\n", "required: []\n", ["breaking: Report.id may be absent now"]),
        # Fields that are sent.
        (
            "        input: { description: Any JSON. }",
            "        input: { description: Any JSON. }\n        name: { type: string }",
            ["compatible: Request.name is new: string, optional"],
        ),
        (
            "      required: [input]\n      properties:",
            "      required: [input, name]\n      properties:\n        name: { type: string }",
            ["breaking: Request.name is new: string, required"],
        ),
        ("required: [input]", "required: [input, policy]", ["breaking: Request.policy is required now"]),
        ("required: [input]", "required: []", ["compatible: Request.input is optional now"]),
        # Policy goes both ways: what is freer for one is less sure for the other.
        (
            "x-runpod-default: 50",
            "x-runpod-default: 60",
            ["compatible: Policy.ttl has a default on the server of 60, was 50"],
        ),
        (
            "minimum: 10, maximum: 100",
            "minimum: 10, maximum: 99",
            ["breaking: Policy.ttl has a maximum of 99, was 100"],
        ),
        (
            "minimum: 10, maximum: 100",
            "minimum: 9, maximum: 100",
            ["compatible: Policy.ttl has a minimum of 9, was 10"],
        ),
        ("maxItems: 5", "maxItems: 4", ["breaking: Policy.tags has a maximum of items of 4, was 5"]),
        (
            "items: { type: string }",
            "items: { type: integer }",
            ["breaking: Policy.tags is list of integer, was list of string"],
        ),
        (
            "items: { type: string }",
            "items: { type: string, maxLength: 9 }",
            ["breaking: Policy.tags[] has a maximum of characters of 9, was none"],
        ),
        # Enums.
        (
            "enum: [WAITING, DONE]",
            "enum: [WAITING, PAUSED, DONE]",
            ["compatible: KnownStatus.PAUSED is new: enums are open"],
        ),
        ("enum: [WAITING, DONE]", "enum: [DONE]", ["breaking: KnownStatus.WAITING is gone"]),
        # The rest.
        (
            "example.org/v1",
            "example.org/v2",
            ["compatible: The service is at https://example.org/v2, was at https://example.org/v1"],
        ),
        (
            "requests: 10, windowSeconds: 10, concurrent: 2",
            "requests: 5, windowSeconds: 10",
            ["compatible: The rate limit run is 5 requests in 10 s, was 10 requests in 10 s, 2 at a time"],
        ),
        ("description: Not found.", "description: It is not there.", []),
    ],
)
def test_an_edit_is_told_in_words(old: str, new: str, expected: list[str], tmp_path: Path) -> None:
    assert told(old, new, tmp_path) == expected


OPERATION = indent(
    dedent(
        """\
        /{id}/stop:
          post:
            operationId: stop
            responses:
              '200': { description: Stopped. }
        """
    ),
    "  ",
)


def test_an_operation_that_comes_is_compatible_and_one_that_goes_breaks(tmp_path: Path) -> None:
    before, after = document(BASE, tmp_path), document(BASE.replace("webhooks:", f"{OPERATION}webhooks:"), tmp_path)

    assert [str(change) for change in spec_changes(before, after)] == ["compatible  stop is new: POST /{id}/stop"]
    assert [str(change) for change in spec_changes(after, before)] == ["breaking    stop is gone: POST /{id}/stop"]


def test_a_body_that_comes_or_goes_breaks(tmp_path: Path) -> None:
    without = document(BASE.replace("webhooks:", f"{OPERATION}webhooks:"), tmp_path)
    body = "requestBody: { content: { application/json: { schema: { type: object } } } }"
    operation = OPERATION.replace("responses:", f"{body}\n      responses:")
    with_body = document(BASE.replace("webhooks:", f"{operation}webhooks:"), tmp_path)

    assert [str(change) for change in spec_changes(without, with_body)] == ["breaking    stop: the body is new: object"]
    assert [str(change) for change in spec_changes(with_body, without)] == ["breaking    stop: the body is gone"]


def test_a_schema_that_comes_is_compatible_and_one_that_goes_breaks(tmp_path: Path) -> None:
    before, after = document(BASE, tmp_path), document(BASE + "    Extra: { type: object }\n", tmp_path)

    assert [str(change) for change in spec_changes(before, after)] == ["compatible  Extra is new"]
    assert [str(change) for change in spec_changes(after, before)] == ["breaking    Extra is gone"]


def test_fields_that_could_be_each_other_are_not_called_renamed(tmp_path: Path) -> None:
    expected = [
        "breaking: Job.delay is gone",
        "compatible: Job.waited is new: integer, optional",
        "compatible: Job.ran is new: integer, optional",
    ]
    new = "        waited: { type: integer }\n        ran: { type: integer }"
    assert told("        delay: { type: integer }", new, tmp_path) == expected


def test_schemas_that_name_each_other_are_followed_once(tmp_path: Path) -> None:
    circle = "        error: { $ref: '#/components/schemas/Job' }"
    spec = document(BASE.replace("        error: { type: string }", circle), tmp_path)

    assert spec_changes(spec, spec) == []


def test_the_specification_of_the_project_does_not_differ_from_itself() -> None:
    spec = SpecDocument.load(ROOT / SPEC)

    assert spec_changes(spec, spec) == []


def test_against_a_project_without_a_specification_everything_is_new() -> None:
    spec = SpecDocument.load(ROOT / SPEC)
    nothing = SpecDocument(SPEC, {}, {(): 1})

    told_of = {change.subject for change in spec_changes(nothing, spec)}

    assert {"The service", "run", "run_sync", "Job", "KnownJobStatus", "The rate limit run"} <= told_of
    assert {change.effect.value for change in spec_changes(nothing, spec)} == {"compatible"}
