"""Edits that break the specification, one for each way in which it can be wrong."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from scripts import check_spec

SPEC: Final = check_spec.ROOT / check_spec.SPEC


class Edit(NamedTuple):
    """A change to the specification that breaks it."""

    old: str
    new: str
    reason: str
    marker: str
    """What begins on the line that the message must name, once the edit is made: of a thing that is not there, the
    closest one around it."""


EDITS: Final = {
    "missing reference": Edit(
        old="$ref: '#/components/schemas/S3Config'",
        new="$ref: '#/components/schemas/S4Config'",
        reason="$ref '#/components/schemas/S4Config' leads nowhere",
        marker="S4Config",
    ),
    "reference to another file": Edit(
        old="$ref: '#/components/schemas/S3Config'",
        new="$ref: other.yaml#/S3Config",
        reason="$ref 'other.yaml#/S3Config' leads out of the file",
        marker="other.yaml",
    ),
    "duplicate operationId": Edit(
        old="operationId: retry",
        new="operationId: cancel",
        reason="operationId 'cancel' is taken, see line ",
        marker="operationId: cancel\n      tags: [jobs]\n      summary: Queue",
    ),
    "missing operationId": Edit(
        old="      operationId: retry\n",
        new="",
        reason="post /{endpoint_id}/retry/{job_id} has no operationId",
        marker="post:\n      tags: [jobs]\n      summary: Queue",
    ),
    "example of a wrong type": Edit(
        old="value: { removed: 2, status: completed }",
        new="value: { removed: two, status: completed }",
        reason="the example breaks its schema: 'two' is not of type 'integer'",
        marker="removed: two",
    ),
    "example out of range": Edit(
        old="policy: { executionTimeout: 5000 }",
        new="policy: { executionTimeout: 4999 }",
        reason="the example breaks its schema: 4999 is less than the minimum of 5000",
        marker="executionTimeout: 4999",
    ),
    "example of a date that is none": Edit(
        old="startedAt: '2026-07-09T10:30:00Z'",
        new="startedAt: '2026-07-09 noon'",
        reason="the example breaks its schema: '2026-07-09 noon' is not a 'date-time'",
        marker="2026-07-09 noon",
    ),
    "example of a parameter": Edit(
        old="example: 120000",
        new="example: 300001",
        reason="the example breaks its schema: 300001 is greater than the maximum of 300000",
        marker="300001",
    ),
    "not YAML": Edit(
        old="  title: Runpod queue API",
        new="  title: Runpod: queue API",
        reason="not valid YAML: mapping values are not allowed here",
        marker="title: Runpod: queue API",
    ),
    "a key twice": Edit(
        old="  title: Runpod queue API",
        new="  title: Runpod queue API\n  title: Runpod queue API",
        reason='not valid YAML: found duplicate key "title"',
        marker="  title: Runpod queue API\n  version",
    ),
    "a date without quotes": Edit(
        old="startedAt: '2026-07-09T10:30:00Z'",
        new="startedAt: 2026-07-09T10:30:00Z",
        reason="is not JSON: put the value in quotes",
        marker="startedAt: 2026",
    ),
    "a status code without quotes": Edit(
        old="        '429': { $ref: '#/components/responses/TooManyRequests' }",
        new="        429: { $ref: '#/components/responses/TooManyRequests' }",
        reason="is not a string: put it in quotes",
        marker="        429:",
    ),
    "not OpenAPI": Edit(
        old="    description: Production.",
        new="    description: [Production.]",
        reason="['Production.'] is not of type 'string'",
        marker="[Production.]",
    ),
    "a field of nothing": Edit(
        old="        description: Do not scale up for this job; run it when nothing more urgent waits.\n",
        new="        description:\n",
        reason="None is not of type 'string'",
        marker="description:\n          examples: [true]",
    ),
    "a field without a schema": Edit(
        old="        retries:\n          type: integer\n"
        "          description: How often the platform handed it out again; absent means never.\n"
        "          examples: [1]\n",
        new="        retries:\n",
        reason="None is not of type 'object', 'boolean' (at #/components/schemas/Job/properties/retries)",
        marker="        retries:\n        input:",
    ),
    "a type that is none": Edit(
        old="        executionTime:\n          type: integer",
        new="        executionTime:\n          type: milliseconds",
        reason="'milliseconds' is not valid under any of the given schemas",
        marker="          type: milliseconds",
    ),
    "a pattern that is none": Edit(
        old="        pattern: ^[A-Za-z0-9_-]+$\n        x-runpod-constants: { pattern: ENDPOINT_ID_PATTERN }",
        new="        pattern: '['\n        x-runpod-constants: { pattern: ENDPOINT_ID_PATTERN }",
        reason="'[' is not a 'regex'",
        marker="        pattern: '['",
    ),
    "a parameter without a name": Edit(
        old="    StatusTtl:\n      name: ttl\n",
        new="    StatusTtl:\n",
        reason="'name' is a required property",
        marker="    StatusTtl:",
    ),
    "a default that would be sent": Edit(
        old="        x-runpod-default: 90000",
        new="        default: 90000",
        reason="a `default` would be sent with every request",
        marker="        default: 90000",
    ),
    "a default response": Edit(
        old="        '5XX': { $ref: '#/components/responses/OtherServerError' }",
        new="        default: { $ref: '#/components/responses/OtherServerError' }",
        reason="a `default` response makes any unknown status parse as an error",
        marker="        default: {",
    ),
    "a constant": Edit(
        old="          description: The word `completed`, in lower case.",
        new="          const: completed\n          description: The word.",
        reason="a `const` refuses every other value of the service",
        marker="const: completed",
    ),
    "a closed object": Edit(
        old="      required: [removed]\n      additionalProperties: true",
        new="      required: [removed]",
        reason="#/components/schemas/PurgeResult must tolerate unknown fields",
        marker="    PurgeResult:",
    ),
    "an object that is closed by a word": Edit(
        old="      required: [removed]\n      additionalProperties: true",
        new="      required: [removed]\n      additionalProperties: false",
        reason="#/components/schemas/PurgeResult must tolerate unknown fields",
        marker="additionalProperties: false",
    ),
    "properties of any JSON": Edit(
        old="    EndpointHealth:\n      type: object\n",
        new="    EndpointHealth:\n",
        reason="#/components/schemas/EndpointHealth has properties and takes any JSON",
        marker="properties:\n        jobs:",
    ),
    "a path without a name for a parameter": Edit(
        old="  /{endpoint_id}/cancel/{job_id}:",
        new="  /{endpoint_id}/cancel:",
        reason="'job_id' of the path /{endpoint_id}/cancel is a parameter of it, and not in it",
        marker="  /{endpoint_id}/cancel:",
    ),
    "a name in a path without a parameter": Edit(
        old="  /{endpoint_id}/health:",
        new="  /{endpoint_id}/health/{region}:",
        reason="'region' of the path /{endpoint_id}/health/{region} is not a parameter of it",
        marker="  /{endpoint_id}/health/{region}:",
    ),
    "a server of an operation": Edit(
        old="      operationId: retry\n",
        new="      operationId: retry\n      servers: [{ url: https://other.runpod.ai }]\n",
        reason="a client has one server for all operations",
        marker="servers: [{",
    ),
    "an operation without a success": Edit(
        old="""      responses:
        '200':
          description: The metrics, as far as they are known.""",
        new="""      responses:
        '409':
          description: The metrics, as far as they are known.""",
        reason="get_metrics describes no successful response",
        marker="responses:\n        '409'",
    ),
    "a parameter that the generated code calls": Edit(
        old="    Wait:\n      name: wait",
        new="    Wait:\n      name: quote",
        reason="the generated code uses the name 'quote' itself",
        marker="name: quote",
    ),
    "two parameters of one name": Edit(
        old="    PageLimit:\n      name: limit",
        new="    PageLimit:\n      name: Offset",
        reason="'Offset' and 'offset' are both called 'offset' in Python",
        marker="name: Offset",
    ),
    "a schema that hides a name": Edit(
        old="  schemas:\n",
        new="  schemas:\n    Mapping: { type: object, additionalProperties: true }\n",
        reason="the generated code uses the name 'Mapping' itself",
        marker="    Mapping:",
    ),
    "an enum with a value twice": Edit(
        old="enum: [DRAFT, FINALIZED,",
        new="enum: [DRAFT, DRAFT, FINALIZED,",
        reason="the values of an enum must be different strings, see 'DRAFT'",
        marker="enum: [DRAFT, DRAFT",
    ),
    "an unknown extension": Edit(
        old="      operationId: retry\n",
        new="      operationId: retry\n      x-runpod-ratelimit: run\n",
        reason="x-runpod-ratelimit has no effect",
        marker="x-runpod-ratelimit: run",
    ),
    "one name instead of a list": Edit(
        old="x-runpod-message-keys: [error, message, detail, title]",
        new="x-runpod-message-keys: error",
        reason="x-runpod-message-keys must be a list",
        marker="x-runpod-message-keys: error",
    ),
    "an output that is required": Edit(
        old="      x-runpod-output-key: output\n      x-runpod-constants: { x-runpod-output-key: BATCH_OUTPUT_KEY }\n"
        "      description: A request in a batch as it stands.\n      required: [id, status]",
        new="      x-runpod-output-key: output\n      x-runpod-constants: { x-runpod-output-key: BATCH_OUTPUT_KEY }\n"
        "      description: A request in a batch.\n      required: [id, status, output]",
        reason="an output cannot be required",
        marker="x-runpod-output-key: output\n      x-runpod-constants: { x-runpod-output-key: BATCH",
    ),
    "an empty list of names": Edit(
        old="x-runpod-message-keys: [error, message, detail, title]",
        new="x-runpod-message-keys: []",
        reason="x-runpod-message-keys must be a list of names, not []",
        marker="x-runpod-message-keys: []",
    ),
    "a pattern of what is sent": Edit(
        old="          format: uri\n          description: A second form of `webhook`",
        new="          pattern: ^https://\n          description: A second form of `webhook`",
        reason="a client must keep to the pattern of what it sends",
        marker="pattern: ^https://",
    ),
    "a closed enum": Edit(
        old="          type: string\n          description: The word `completed`, in lower case.",
        new="          type: string\n          enum: [completed]\n          description: The word.",
        reason="the service may extend an enum",
        marker="          enum: [completed]",
    ),
    "an enum without a way out": Edit(
        old="            - $ref: '#/components/schemas/KnownBatchRequestStatus'\n            - type: string",
        new="            - $ref: '#/components/schemas/KnownBatchRequestStatus'\n            - type: integer",
        reason="the service may extend #/components/schemas/KnownBatchRequestStatus",
        marker="            - $ref: '#/components/schemas/KnownBatchRequestStatus'",
    ),
    "a response of any shape": Edit(
        old="              schema:\n                $ref: '#/components/schemas/EndpointRequests'",
        new="              schema: {}",
        reason="an empty response schema parses as None",
        marker="              schema: {}",
    ),
    "an unpublished rate limit": Edit(
        old="x-runpod-rate-limit: cancel",
        new="x-runpod-rate-limit: cancelling",
        reason="x-runpod-rate-limit must be one of none-published, run, ",
        marker="x-runpod-rate-limit: cancelling",
    ),
    "an operation that says nothing of rate limits": Edit(
        old="      x-runpod-rate-limit: cancel\n",
        new="",
        reason="x-runpod-rate-limit must be one of none-published, run, ",
        marker="    post:\n      operationId: cancel\n",
    ),
    "two spellings of a field": Edit(
        old="        workerId:\n          type: string\n",
        new="        worker_id:\n          type: string\n          description: Old.\n"
        "        workerId:\n          type: string\n",
        reason="'workerId' and 'worker_id' are both called 'worker_id' in Python",
        marker="        workerId:\n          type: string\n          description: The worker that has it",
    ),
    "a field with a name of the generated code": Edit(
        old="        workerId:\n          type: string\n",
        new="        src_dict:\n          type: string\n          description: New.\n"
        "        workerId:\n          type: string\n",
        reason="the generated code uses the name 'src_dict' itself",
        marker="        src_dict:",
    ),
    "a bound without a constant": Edit(
        old="        x-runpod-constants: { x-runpod-unit: STATUS_TTL_UNIT }\n",
        new="        maximum: 9000\n        x-runpod-constants: { x-runpod-unit: STATUS_TTL_UNIT }\n",
        reason="a client must keep to the maximum of what it sends: name a constant in x-runpod-constants",
        marker="        maximum: 9000",
    ),
    "a body that is not JSON": Edit(
        old="          application/json:\n            schema:\n              $ref: '#/components/schemas/BatchUpdate'",
        new="          multipart/form-data:\n            schema:\n              "
        "$ref: '#/components/schemas/BatchUpdate'",
        reason="a client cannot send multipart/form-data",
        marker="          multipart/form-data:",
    ),
    "a result that is not JSON": Edit(
        old="            application/json:\n              schema:\n                "
        "$ref: '#/components/schemas/PurgeResult'",
        new="            text/csv:\n              schema:\n                $ref: '#/components/schemas/PurgeResult'",
        reason="a client cannot read text/csv: describe the result as application/json",
        marker="            text/csv:",
    ),
    "two results": Edit(
        old="        '400': { $ref: '#/components/responses/BadRequest' }",
        new="        '202':\n          description: Accepted.\n          content:\n            application/json:\n"
        "              schema: { $ref: '#/components/schemas/Batch' }\n"
        "        '400': { $ref: '#/components/responses/BadRequest' }",
        reason="run has two results: describe both by one schema",
        marker="            application/json:\n              schema: { $ref: '#/components/schemas/Batch' }",
    ),
    "a unit that its constant does not have": Edit(
        old="          maximum: 604800000\n          x-runpod-unit: milliseconds",
        new="          maximum: 604800000\n          x-runpod-unit: seconds",
        reason="the constant EXECUTION_TIMEOUT_MAX_MS counts seconds: its name must end in _SECONDS",
        marker="            maximum: EXECUTION_TIMEOUT_MAX_MS",
    ),
    "a figure without its unit": Edit(
        old="          maximum: 604800000\n          x-runpod-unit: milliseconds\n",
        new="          maximum: 604800000\n",
        reason="the constant EXECUTION_TIMEOUT_MAX_MS has no x-runpod-unit beside its value",
        marker="            maximum: EXECUTION_TIMEOUT_MAX_MS",
    ),
    "an operation that authenticates in another way": Edit(
        old="      operationId: retry\n",
        new="      operationId: retry\n      security: [{ apiKey: [] }, {}]\n",
        reason="a client authenticates each operation in the same way",
        marker="      security: [{ apiKey: [] }, {}]",
    ),
    "a path with its parameters in another order": Edit(
        old="  /{endpoint_id}/retry/{job_id}:",
        new="  /{job_id}/retry/{endpoint_id}:",
        reason="a client passes {endpoint_id} first: this path must begin with it, too",
        marker="  /{job_id}/retry/",
    ),
    "a webhook that posts what has no name": Edit(
        old="              $ref: '#/components/schemas/Job'\n            examples:\n              completed:\n"
        "                value:\n                  delayTime: 9533",
        new="              type: object\n            examples:\n              completed:\n"
        "                value:\n                  delayTime: 9533",
        reason="name the schema of what a webhook posts",
        marker="            schema:\n              type: object\n            examples:\n              completed:",
    ),
    "a final status that is unknown": Edit(
        old="x-runpod-final: [COMPLETED,",
        new="x-runpod-final: [COMPLETE,",
        reason="x-runpod-final names 'COMPLETE', which is not a value of the enum",
        marker="      x-runpod-final: [COMPLETE,",
    ),
    "properties beside a schema that is extended": Edit(
        old="      required: [removed]\n",
        new="      required: [removed]\n      allOf: [{ $ref: '#/components/schemas/EndpointMetrics' }]\n",
        reason="the generated code drops properties beside the alternatives of #/components/schemas/PurgeResult",
        marker="      properties:\n        removed:",
    ),
    "no final status": Edit(
        old="x-runpod-final: [FAILED, CANCELLED]",
        new="x-runpod-final: []",
        reason="x-runpod-final names no value, so that a client would wait forever: name those after which nothing "
        "changes",
        marker="      x-runpod-final: []",
    ),
    "only final statuses": Edit(
        old="x-runpod-final: [COMPLETED, FAILED, CANCELLED, TIMED_OUT]",
        new="x-runpod-final: [IN_QUEUE, IN_PROGRESS, RUNNING, COMPLETED, FAILED, CANCELLED, TIMED_OUT]",
        reason="x-runpod-final names all values",
        marker="      x-runpod-final: [IN_QUEUE",
    ),
    "a link to an operation that is gone": Edit(
        old="      operationId: retry\n      description: Another run",
        new="      operationId: requeue\n      description: Another run",
        reason="no operation is called 'requeue': name another one, or remove the link",
        marker="      operationId: requeue",
    ),
    "a link with a parameter that its operation does not take": Edit(
        old="      parameters: { endpoint_id: $request.path.endpoint_id, batch_id: '$response.body#/id' }",
        new="      parameters: { endpoint_id: $request.path.endpoint_id, job_id: '$response.body#/id' }",
        reason="get_batch has no parameter 'job_id'",
        marker="      parameters: { endpoint_id: $request.path.endpoint_id, job_id: '$response.body#/id' }\n"
        "    BatchFinalize",
    ),
    "a link by path to an operation that is gone": Edit(
        old="operationId: finalize_batch\n      description: The start",
        new="operationRef: '#/paths/~1gone/post'\n      description: The start",
        reason="operationRef '#/paths/~1gone/post' leads nowhere",
        marker="operationRef:",
    ),
    "a key that is not a field": Edit(
        old="x-runpod-input-key: input",
        new="x-runpod-input-key: inputs",
        reason="x-runpod-input-key names 'inputs', which is not a property",
        marker="      x-runpod-input-key: inputs",
    ),
    "a path beside the base path of its tag": Edit(
        old="x-runpod-base-path: /{endpoint_id}/openai/v1",
        new="x-runpod-base-path: /{endpoint_id}/openai/v2",
        reason="the path of list_models, /{endpoint_id}/openai/v1/models, does not begin with /",
        marker="    x-runpod-base-path: /{endpoint_id}/openai/v2",
    ),
}


YAML: Final = ("not YAML", "a key twice", "a date without quotes", "a status code without quotes")
REFERENCES: Final = (
    *("missing reference", "reference to another file", "duplicate operationId", "missing operationId"),
    "a link by path to an operation that is gone",
)
LINKS: Final = ("a link to an operation that is gone", "a link with a parameter that its operation does not take")
OPENAPI: Final = ("not OpenAPI", "a parameter without a name")
SCHEMAS: Final = ("a field of nothing", "a field without a schema", "a type that is none", "a pattern that is none")
PATHS: Final = ("a path without a name for a parameter", "a name in a path without a parameter")
EXAMPLES: Final = tuple(name for name in EDITS if name.startswith("example"))
APART: Final = {*YAML, *REFERENCES, *OPENAPI, *SCHEMAS, *PATHS, *EXAMPLES, *LINKS}
RULES: Final = tuple(name for name in EDITS if name not in APART)
STAGES: Final = (*zip(YAML), REFERENCES, OPENAPI, SCHEMAS, PATHS, RULES, EXAMPLES, LINKS)
"""The edits that one run of the checks can report."""


def project_with(edit: Edit, folder: Path) -> str:
    """Write the specification, edited, into a folder, and return its text."""
    return write(edited(SPEC.read_text(encoding="utf-8"), edit), folder)


def edited(text: str, edit: Edit) -> str:
    """Return the text of a specification after an edit."""
    assert edit.old in text, "the edit no longer fits the specification"
    return text.replace(edit.old, edit.new, 1)


def write(text: str, folder: Path) -> str:
    """Write a specification into a folder, and return its text."""
    (folder / check_spec.SPEC).parent.mkdir(exist_ok=True)
    (folder / check_spec.SPEC).write_text(text, encoding="utf-8")
    return text


def documents() -> Iterator[dict[str, Edit]]:
    """Yield all edits, as many together as one run of the checks reports: a problem hides those of later stages."""
    original = SPEC.read_text(encoding="utf-8")
    for stage in STAGES:
        left = {name: EDITS[name] for name in stage}
        while left:
            together = dict[str, Edit]()
            taken = set[int]()
            for name, edit in left.items():
                start = original.index(edit.old)
                place = set(range(start, start + len(edit.old)))
                if not taken & place:
                    taken |= place
                    together[name] = edit
            yield together
            left = {name: edit for name, edit in left.items() if name not in together}
