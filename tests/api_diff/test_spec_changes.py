"""The effect of an edit of the specification on those who call the service, on a small specification."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.api_changes import Part
from scripts.check_spec import ROOT, SPEC
from scripts.spec_changes import spec_changes
from scripts.spec_document import SpecDocument

BASE = """\
openapi: 3.1.0
servers: [{ url: https://example.org/v1 }]
security: [{ key: [] }]
x-runpod-rate-limits:
  run: { requests: 10, windowSeconds: 10, concurrent: 2 }
paths:
  /{id}/run:
    parameters: [{ $ref: '#/components/parameters/Id' }]
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
  /{id}/stop:
    parameters: [{ $ref: '#/components/parameters/Id' }]
    post:
      operationId: stop
      responses: { '200': { $ref: '#/components/responses/Started' } }
webhooks:
  finished:
    post:
      operationId: finished
      security: []
      requestBody:
        content: { application/json: { schema: { $ref: '#/components/schemas/Report' } } }
      responses: { '200': { description: Received. } }
components:
  securitySchemes: { key: { type: http, scheme: bearer } }
  parameters:
    Id: { name: id, in: path, required: true, schema: { type: string, pattern: '^[a-z]+$' } }
  responses:
    Started:
      headers: { Retry-After: { schema: { type: string } } }
      content: { application/json: { schema: { $ref: '#/components/schemas/Job' } } }
  schemas:
    Request:
      required: [input]
      properties:
        input: { description: Any JSON. }
        policy: { $ref: '#/components/schemas/Policy' }
        hook: { type: string, format: uri }
    Policy:
      properties:
        ttl: { type: integer, minimum: 10, maximum: 100, x-runpod-default: 50 }
        tags: { type: array, maxItems: 5, items: { type: string } }
    Job:
      required: [id, status]
      properties:
        id: { type: string }
        status: { anyOf: [{ $ref: '#/components/schemas/KnownStatus' }, { type: string }] }
        delay: { type: integer }
        error: { type: string }
        at: { type: string, format: date-time }
        policy: { $ref: '#/components/schemas/Policy' }
    KnownStatus: { type: string, enum: [WAITING, DONE] }
    Report: { required: [id], properties: { id: { type: string } } }
"""


def document(text: str, folder: Path) -> SpecDocument:
    path = folder / "openapi.yaml"
    path.write_text(text, encoding="utf-8")
    return SpecDocument.load(path)


def reported(before: str, after: str, folder: Path) -> list[str]:
    changes = spec_changes(document(before, folder), document(after, folder))
    return [f"{change.effect}: {change.subject} {change.text}" for change in Part.of("", changes).changes]


EDITS = {
    # Operations.
    "/{id}/run: -> /{id}/start:": ["compatible: run is POST /{id}/start, was POST /{id}/run"],
    "operationId: run -> operationId: start": ["breaking: run is called start now"],
    "tags: [jobs] -> tags: [queue]": ["breaking: run has tag queue, was jobs"],
    "tags: [jobs] -> deprecated: true": [
        "breaking: run has no tag now, was jobs",
        "compatible: run is deprecated",
    ],
    "rate-limit: run -> rate-limit: other": ["compatible: run has rate limit other, was run"],
    "retention-seconds: 60 -> retention-seconds: 30": ["breaking: run has retention in seconds 30, was 60"],
    "retention-seconds: 60 -> retention-seconds: 90": ["compatible: run has retention in seconds 90, was 60"],
    "/{id}/run: -> /{name}/run/{id}:": ["compatible: run is POST /{name}/run/{id}, was POST /{id}/run"],
    "{id}/stop: -> {id}/stop/{id}:": ["compatible: stop is POST /{id}/stop/{id}, was POST /{id}/stop"],
    # Authentication.
    "operationId: stop -> operationId: stop\n      security: [{}]": [
        "compatible: stop has authentication none, was http bearer"
    ],
    "type: http, scheme: bearer -> type: apiKey, in: header, name: X-Key": [
        "breaking: run and 1 more has authentication apiKey header X-Key, was http bearer"
    ],
    "type: http, scheme: bearer -> type: http, scheme: Bearer": [],
    "[{ url: https://example.org/v1 }] -> [{ url: https://example.org/v1 }, { url: https://b.org }]": [
        "compatible: The service is at https://example.org/v1 or https://b.org, was at https://example.org/v1"
    ],
    "{ $ref: '#/components/schemas/Policy' } -> { allOf: [{ $ref: '#/components/schemas/Policy' }] }": [],
    "security: [{ key: [] }] -> security: []": ["compatible: run and 1 more has authentication none, was http bearer"],
    "operationId: stop -> operationId: stop\n      security: [{ key: [] }, { other: [] }]": [
        "compatible: stop has authentication http bearer or other, was http bearer"
    ],
    # Parameters.
    "minimum: 1000 -> minimum: 2000": ["breaking: run: wait (query) has minimum 2,000, was 1,000"],
    "minimum: 1000, maximum: 9000 -> minimum: 1000": ["compatible: run: wait (query) has no maximum now, was 9,000"],
    "type: integer, minimum: 1000 -> type: number, minimum: 1000": [
        "compatible: run: wait (query) is number, was integer"
    ],
    "in: query, schema -> in: query, required: true, schema": ["breaking: run: wait (query) is required now"],
    "in: query, schema -> in: query, deprecated: true, schema": ["compatible: run: wait (query) is deprecated"],
    "required: true, schema -> schema": ["compatible: run and 1 more: id (path) is optional now"],
    "name: wait -> name: hold": ["breaking: run: wait (query) is called hold (query) now"],
    "{ name: wait, -> { name: a, in: header, schema: {} }\n        - { name: wait,": [
        "compatible: run: a (header) is new: any JSON, optional"
    ],
    "{ name: wait, -> { name: a, in: header, required: true, schema: {} }\n        - { name: wait,": [
        "breaking: run: a (header) is new: any JSON, required"
    ],
    "pattern: '^[a-z]+$' -> example: a": ["compatible: run and 1 more: id (path) has no pattern now, was ^[a-z]+$"],
    "[a-z]+ -> [a-z0-9]*": ["compatible: run and 1 more: id (path) has pattern ^[a-z0-9]*$, was ^[a-z]+$"],
    "[a-z]+ -> [a-y]+": ["breaking: run and 1 more: id (path) has pattern ^[a-y]+$, was ^[a-z]+$"],
    "[a-z]+ -> [a-z]{1,9}": ["breaking: run and 1 more: id (path) has pattern ^[a-z]{1,9}$, was ^[a-z]+$"],
    # Bodies.
    "max-bytes: 10485760 -> max-bytes: 1000": ["breaking: run: the body has limit in bytes 1,000, was 10,485,760"],
    "max-bytes: 10485760 -> max-bytes: 10485761": [
        "compatible: run: the body has limit in bytes 10,485,761, was 10,485,760"
    ],
    "        required: true\n -> ": ["compatible: run: the body is optional now"],
    "operationId: stop -> operationId: stop\n      requestBody: { required: true, content: {} }": [
        "breaking: stop: the body is new: any JSON, required"
    ],
    "{ application/json: { schema: { $ref: '#/components/schemas/Request' } } } -> { text/csv: { schema: {} } }": [
        "breaking: run: the body as application/json is gone",
        "compatible: run: the body as text/csv is new: any JSON",
    ],
    "{ $ref: '#/components/schemas/Request' } -> { type: array, items: { $ref: '#/components/schemas/Request' } }": [
        "breaking: run: the body as application/json is list of Request, was Request"
    ],
    # Responses.
    "        '404': { description: Not found. }\n -> ": ["compatible: run: the response 404 is gone"],
    "        '200': { $ref: '#/components/responses/Started' }\n -> ": ["breaking: run: the response 200 is gone"],
    "'404': -> '409': { description: No. }\n        '404':": ["compatible: run: the response 409 is new: no body"],
    "'404': -> '202': { $ref: '#/components/responses/Started' }\n        '404':": [
        "compatible: run: the response 202 is new: Job"
    ],
    "'404': -> '202': { content: { application/json: { schema: { type: string } } } }\n        '404':": [
        "breaking: run: the response 202 is new: string"
    ],
    "'200': { $ref: '#/components/responses/Started' } -> '2XX': { $ref: '#/components/responses/Started' }": [
        "compatible: run: the response 200 is gone",
        "compatible: run: the response 2XX is new: Job",
    ],
    "{ Retry-After: { schema: { type: string } } } -> {}": [
        "breaking: run and 1 more: the response 200, Retry-After is gone"
    ],
    "{ Retry-After: { -> { Retry-After: { required: true,": [
        "compatible: run and 1 more: the response 200, Retry-After is always there now"
    ],
    "{ $ref: '#/components/schemas/Job' } -> { anyOf: [{ $ref: '#/components/schemas/Job' }, { type: string }] }": [
        "breaking: run and 1 more: the response 200 as application/json is Job or string, was Job"
    ],
    # Fields that are received.
    "delay: -> cost: { type: number }\n        delay:": ["compatible: Job.cost is new: number, optional"],
    "        delay: { type: integer }\n -> ": ["breaking: Job.delay is gone"],
    "delay: -> waited:": ["breaking: Job.delay is called waited now"],
    "delay: { type: integer } -> waited: { type: integer }\n        ran: { type: integer }": [
        "breaking: Job.delay is gone",
        "compatible: Job.waited is new: integer, optional",
        "compatible: Job.ran is new: integer, optional",
    ],
    "delay: { type: integer } -> delay: { type: [integer, string] }": [
        "breaking: Job.delay is integer or string, was integer"
    ],
    "{ $ref: '#/components/schemas/KnownStatus' }, -> ": [
        "compatible: Job.status is string, was KnownStatus or string"
    ],
    "format: date-time -> maxLength: 99": ["breaking: Job.at is string, was string (date-time)"],
    "[id, status] -> [id]": ["breaking: Job.status may be absent now"],
    "[id, status] -> [id, status, delay]": ["compatible: Job.delay is always there now"],
    "error: { type: string } -> error: { type: string, deprecated: true }": ["compatible: Job.error is deprecated"],
    "{ required: [id], -> {": ["breaking: Report.id may be absent now"],
    # Fields that are sent.
    "input: -> name: { type: string }\n        input:": ["compatible: Request.name is new: string, optional"],
    "required: [input]\n      properties: -> required: [input, name]\n      properties:\n        name: {}": [
        "breaking: Request.name is new: any JSON, required"
    ],
    "[input] -> [input, policy]": ["breaking: Request.policy is required now"],
    "[input] -> []": ["compatible: Request.input is optional now"],
    ", format: uri -> ": ["compatible: Request.hook has no format now, was uri"],
    "format: uri -> format: hostname": ["breaking: Request.hook has format hostname, was uri"],
    # Policy goes both ways.
    "default: 50 -> default: 60": ["compatible: Policy.ttl has default 60, was 50"],
    "maximum: 100, -> maximum: 99,": ["breaking: Policy.ttl has maximum 99, was 100"],
    "minimum: 10, -> minimum: 9,": ["compatible: Policy.ttl has minimum 9, was 10"],
    "maxItems: 5 -> maxItems: 4": ["breaking: Policy.tags has maximum of items 4, was 5"],
    "items: { type: string } -> items: { type: integer }": [
        "breaking: Policy.tags is list of integer, was list of string"
    ],
    "items: { type: string } -> items: { type: string, maxLength: 9 }": [
        "breaking: Policy.tags[] has maximum of characters 9, was none"
    ],
    # The rest.
    "[WAITING, DONE] -> [WAITING, PAUSED, DONE]": ["compatible: KnownStatus.PAUSED is new"],
    "[WAITING, DONE] -> [DONE]": ["breaking: KnownStatus.WAITING is gone"],
    "example.org/v1 -> example.org/v2": [
        "compatible: The service is at https://example.org/v2, was at https://example.org/v1"
    ],
    "requests: 10, -> requests: 5,": [
        (
            "compatible: The rate limit run is 5 requests, 10 windowSeconds, 2 concurrent, "
            "was 10 requests, 10 windowSeconds, 2 concurrent"
        )
    ],
    "openapi: 3.1.0 -> openapi: 3.1.0\nx-runpod-request-id-headers: [X-Trace]": [
        "compatible: The specification has request id headers X-Trace, was none"
    ],
    "x-runpod-default: 50 -> x-runpod-default: 50, x-runpod-constants: { maximum: TTL_MAX }": [],
    "description: Not found. -> description: It is not there.": [],
}


@pytest.mark.slow
@pytest.mark.parametrize("edit", EDITS)
def test_reports_an_edit(edit: str, tmp_path: Path) -> None:
    old, new = edit.split(" -> ")
    assert old in BASE
    assert reported(BASE, BASE.replace(old, new, 1), tmp_path) == EDITS[edit]


@pytest.mark.parametrize(
    ("text", "added", "effect", "form"),
    [
        ("webhooks:", "  /{id}/go:\n    post: { operationId: go, responses: {} }\nwebhooks:", "go", ": POST /{id}/go"),
        ("    Report:", "    Extra: { type: object }\n    Report:", "Extra", ": object"),
    ],
)
def test_reports_what_is_new_or_gone_as_a_whole(text: str, added: str, effect: str, form: str, tmp_path: Path) -> None:
    larger = BASE.replace(text, added)
    assert reported(BASE, larger, tmp_path) == [f"compatible: {effect} is new{form}"]
    assert reported(larger, BASE, tmp_path) == [f"breaking: {effect} is gone"]


def test_follows_schemas_that_refer_to_each_other_once(tmp_path: Path) -> None:
    circle = BASE.replace("error: { type: string }", "error: { $ref: '#/components/schemas/Job' }")
    assert reported(circle, circle, tmp_path) == []


@pytest.mark.slow
def test_finds_no_change_in_the_same_specification() -> None:
    spec = SpecDocument.load(ROOT / SPEC)
    assert spec_changes(spec, spec) == []


@pytest.mark.slow
def test_everything_is_new_after_nothing() -> None:
    changes = spec_changes(SpecDocument(SPEC, {}, {(): 1}), SpecDocument.load(ROOT / SPEC))
    assert {"The service", "run", "Job", "KnownJobStatus"} <= {change.subject for change in changes}
    assert {change.effect for change in changes} == {"compatible"}
