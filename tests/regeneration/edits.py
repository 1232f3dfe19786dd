"""Edits of the specification, each with what must come of it.

An edit ends in one of three ways: the facade follows by itself, and a behavior against a server shows it; mypy points
at the lines that must follow, and at no other; or `nox -s generate` refuses it with the line and the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from attrs import frozen

from scripts.spec_document import Json
from tests.regeneration import behaviors
from tests.regeneration.spec_edits import (
    Change,
    Drop,
    Everywhere,
    Place,
    Put,
    Rename,
    at,
    component,
    operation,
    path_of,
    prop,
    schema,
)

Object: TypeAlias = dict[str, Json]


@frozen(kw_only=True)
class Edit:
    """One edit."""

    name: str
    changes: tuple[Change, ...]
    report: tuple[str, ...] = ()
    """The lines of `nox -s api_diff` about the API."""
    behavior: Callable[[], None] | None = None
    """Holds after the edit, without any other."""
    flags: tuple[str, ...] = ()
    """A part of each line that mypy points at."""
    refused_at: Place | None = None
    """The place whose line `nox -s generate` names."""
    warned_at: Place | None = None
    """The place whose line it names without refusing the edit."""
    reason: str = ""
    """A part of what it says there."""


TEXT: Final[Object] = {"type": "object", "additionalProperties": True, "properties": {"word": {"type": "string"}}}
STRINGS: Final[Object] = {"type": "array", "items": {"type": "string"}}
BATCH: Final[Object] = {"$ref": "#/components/schemas/Batch"}
REGION: Final[Object] = {"name": "X-Region", "in": "header", "schema": {"type": "string"}}
RESPONSES_OF_ANY: Final = (
    ("200", "BatchChanged"),
    ("400", "BadRequest"),
    ("401", "Unauthorized"),
    ("404", "NotFound"),
    ("429", "TooManyRequests"),
    ("4XX", "OtherClientError"),
    ("500", "InternalServerError"),
    ("502", "BadGateway"),
    ("5XX", "OtherServerError"),
)
COUNTERS: Final[Object] = {
    name: {"$ref": f"#/components/schemas/{kind}Counts"} for name, kind in (("jobs", "Job"), ("workers", "Worker"))
}
STATUSES: Final = ("IN_QUEUE", "IN_PROGRESS", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
FINAL: Final = STATUSES[3:]


def new(kind: str, **more: Json) -> Object:
    """Return the schema of a new field."""
    return {"type": kind, "description": "New."} | more


def lists_statuses(*statuses: str) -> Put:
    """List the known statuses."""
    return Put(schema("KnownJobStatus", "enum"), list(statuses))


def calls(kind: str, *statuses: str) -> Put:
    """List the statuses that are final, running or retryable."""
    return Put(schema("KnownJobStatus", f"x-runpod-{kind}"), list(statuses))


def limits(name: str, requests: int, seconds: float, concurrent: int) -> Put:
    """Set a rate limit."""
    limit: Object = {"requests": requests, "windowSeconds": seconds, "concurrent": concurrent}
    return Put(at("x-runpod-rate-limits", name), limit)


def has(kind: str, *values: str, was: tuple[str, ...]) -> str:
    """Return the line on statuses of a kind."""
    return f"compatible  KnownJobStatus has {kind} {' or '.join(values)}, was {' or '.join(was)}"


FIELDS: Final = (
    Edit(
        name="a number becomes a string",
        changes=(
            Put(prop("Job.delayTime", "type"), "string"),
            Put(prop("Job.delayTime", "examples"), ["824"]),
            Everywhere(r"delayTime: (\d+)", r"delayTime: '\1'"),
        ),
        flags=("job.delay_time,",),
        report=("breaking    Job.delayTime is string, was integer",),
    ),
    Edit(
        name="a whole number becomes a fraction",
        changes=(Put(prop("Job.executionTime", "type"), "number"),),
        flags=("job.execution_time,",),
        report=("breaking    Job.executionTime is number, was integer",),
    ),
    Edit(
        name="an id may be a number",
        changes=(Put(prop("Job.id", "type"), ["string", "integer"]),),
        flags=("job.id,",),
        report=("breaking    Job.id is string or integer, was string",),
    ),
    Edit(
        name="a counter becomes an object",
        changes=(
            Put(prop("Job.retries"), new("object", additionalProperties=True)),
            Everywhere(r"\bretries: 1\b", "retries: { by: platform }"),
        ),
        flags=("job.retries,",),
        report=("breaking    Job.retries is object, was integer",),
    ),
    Edit(
        name="a number becomes a list",
        changes=(Put(prop("PurgeResult.removed"), STRINGS), Everywhere(r"\bremoved: (\d)", r"removed: ['\1']")),
        flags=("model.removed,",),
        report=("breaking    PurgeResult.removed is list of string, was integer",),
    ),
    Edit(
        name="a number becomes optional",
        changes=(Drop(schema("PurgeResult", "required")),),
        flags=("model.removed,",),
        report=("breaking    PurgeResult.removed may be absent now",),
    ),
    Edit(
        name="an id becomes optional",
        changes=(Put(schema("Job", "required"), ["status"]),),
        flags=("job.id,",),
        report=("breaking    Job.id may be absent now",),
    ),
    Edit(
        name="an optional field becomes required",
        changes=(Put(schema("PurgeResult", "required"), ["removed", "status"]),),
        behavior=behaviors.reads_the_status_of_a_purge,
        report=("compatible  PurgeResult.status is always there now",),
    ),
    Edit(
        name="a counter of the health becomes a string",
        changes=(Put(prop("JobCounts.inQueue", "type"), "string"), Everywhere(r"\binQueue: (\d)", r"inQueue: '\1'")),
        flags=("model.in_queue,", "health.jobs.in_queue"),
        report=("breaking    JobCounts.inQueue is string, was integer",),
    ),
    Edit(
        name="the metrics of a chunk become a string",
        changes=(
            Put(prop("StreamChunk.metrics"), new("string")),
            Everywhere(r"metrics:\n +avg_gen.*\n(?: +\w+: .*\n){10}", "metrics: fast\n"),
        ),
        flags=("metrics.to_dict()",),
        report=("breaking    StreamChunk.metrics is string, was object",),
    ),
    Edit(
        name="an error may be a number",
        changes=(Put(prop("Job.error", "anyOf"), [{"type": "string"}, {"type": "integer"}]),),
        flags=("job.error",),
        report=("breaking    Job.error is string or integer, was string or ErrorObject or list of any JSON",),
    ),
    Edit(
        name="a field is renamed",
        changes=(Rename(prop("Job.delayTime"), "queueTimeMs"),),
        flags=("job.delay_time,", "job.delay_time is UNSET"),
        report=("breaking    Job.delayTime is called queueTimeMs now",),
    ),
    Edit(
        name="a field is removed",
        changes=(Drop(prop("JobCounts.retried")),),
        flags=("model.retried,",),
        report=("breaking    JobCounts.retried is gone",),
    ),
    Edit(
        name="new optional fields with common names",
        changes=(
            *(Put(prop(f"Job.{name}"), new("string")) for name in ("type", "reason", "path", "url", "key")),
            Put(prop("Job.queuePosition"), new("integer")),
            Put(prop("Job.timeout"), new("integer")),
            Put(prop("Job.job"), new("object", additionalProperties=True)),
        ),
        behavior=behaviors.reads_new_fields,
        report=(
            "compatible  Job.job is new: object, optional",
            "compatible  Job.timeout is new: integer, optional",
            "compatible  Job.queuePosition is new: integer, optional",
            *(f"compatible  Job.{name} is new: string, optional" for name in ("key", "url", "path", "reason", "type")),
        ),
    ),
    Edit(
        name="a field is deprecated",
        changes=(Put(prop("Job.workerId", "deprecated"), True),),
        flags=("job.worker_id",),
        report=("compatible  Job.workerId is deprecated",),
    ),
    Edit(
        name="a field that is sent is deprecated",
        changes=(Put(prop("ExecutionPolicy.ttl", "deprecated"), True),),
        flags=("model.ttl = ",),
        behavior=behaviors.warns_of_a_deprecated_field,
        report=("compatible  ExecutionPolicy.ttl is deprecated",),
    ),
    Edit(
        name="the error of a request of a batch becomes an object",
        changes=(
            Put(prop("BatchRequest.error"), new("object", additionalProperties=True)),
            Everywhere(r"error: Invalid image URL(\n +startedAt)", r"error: { code: 1 }\1"),
        ),
        flags=("request.error",),
        report=("breaking    BatchRequest.error is object, was string",),
    ),
    Edit(
        name="a page may have no requests",
        changes=(Drop(schema("BatchRequestPage", "required")),),
        flags=("page.requests,",),
        report=("breaking    BatchRequestPage.requests may be absent now",),
    ),
    Edit(
        name="a time is received in seconds",
        changes=(Put(prop("Job.delayTime", "x-runpod-unit"), "seconds"),),
        flags=("assert_type(wire.DELAY_TIME_UNIT",),
        report=("breaking    Job.delayTime has unit seconds, was milliseconds",),
    ),
    Edit(
        name="a webhook posts something else",
        changes=(
            Put(
                at("webhooks", "jobFinished", "post", "requestBody", "content", "application/json", "schema"),
                {"$ref": "#/components/schemas/EndpointRequests"},
            ),
        ),
        flags=("read_webhook:",),
        report=("breaking    job_finished: the body as application/json is EndpointRequests, was Job",),
    ),
    Edit(
        name="a schema extends another beside its own fields",
        changes=(
            Put(schema("PurgeResult", "allOf"), [{"$ref": "#/components/schemas/Zone"}]),
            Put(schema("Zone"), new("object", additionalProperties=True)),
        ),
        refused_at=schema("PurgeResult", "properties"),
        reason="the generated code drops properties beside the alternatives of #/components/schemas/PurgeResult",
        report=("breaking    PurgeResult is Zone, was object", "compatible  Zone is new: object"),
    ),
    Edit(
        name="a schema extends another",
        changes=(
            Put(
                schema("EndpointHealth"),
                {
                    "description": "The counters.",
                    "allOf": [
                        {"$ref": "#/components/schemas/Zone"},
                        new("object", additionalProperties=True, properties=COUNTERS),
                    ],
                },
            ),
            Put(schema("Zone"), new("object", additionalProperties=True)),
        ),
        behavior=behaviors.works,
        report=("breaking    EndpointHealth is Zone and object, was object", "compatible  Zone is new: object"),
    ),
    Edit(
        name="the output has another name",
        changes=(Rename(prop("Job.output"), "result"), Put(schema("Job", "x-runpod-output-key"), "result")),
        behavior=behaviors.reads_the_renamed_output,
        flags=(".output",),  # a test that reads the generated model
        report=("breaking    Job.output is called result now", "compatible  Job has output key result, was output"),
    ),
    Edit(
        name="a response is wrapped",
        changes=(
            Put(
                operation("get_status", "responses", "200", "content"),
                {"application/json": {"schema": {"$ref": "#/components/schemas/Wrapper"}}},
            ),
            Put(
                schema("Wrapper"),
                new("object", additionalProperties=True, properties={"job": {"$ref": "#/components/schemas/Job"}}),
            ),
        ),
        flags=("STATUS = describe(get_status,", "client.call(get_status", "job.worker_id or None"),
        report=(
            "breaking    get_status: the response 200 as application/json is Wrapper, was Job",
            "compatible  Wrapper is new: object",
        ),
    ),
)

REQUESTS: Final = (
    Edit(
        name="a shorter longest wait",
        changes=(
            Put(component("parameters", "Wait", "schema", "maximum"), 15000),
            Put(component("parameters", "Wait", "example"), 15000),
        ),
        behavior=behaviors.holds_at_most_15_seconds,
        report=("breaking    run_sync and 1 more: wait (query) has maximum 15,000, was 300,000",),
    ),
    Edit(
        name="a shorter longest wait of streams",
        changes=(
            Put(component("parameters", "StreamWait", "schema", "maximum"), 5000),
            Put(component("parameters", "StreamWait", "example"), 5000),
        ),
        behavior=behaviors.holds_streams_at_most_5_seconds,
        report=("breaking    stream: wait (query) has maximum 5,000, was 300,000",),
    ),
    Edit(
        name="a longer shortest wait",
        changes=(Put(component("parameters", "Wait", "schema", "minimum"), 5000),),
        behavior=behaviors.asks_for_no_short_wait,
        report=("breaking    run_sync and 1 more: wait (query) has minimum 5,000, was 1,000",),
    ),
    Edit(
        name="a shorter longest life and a lower rate limit",
        changes=(Put(prop("ExecutionPolicy.ttl", "maximum"), 259200000), limits("cancel", 50, 10, 10)),
        behavior=behaviors.refuses_a_week_of_ttl,
        report=(
            "breaking    ExecutionPolicy.ttl has maximum 259,200,000, was 604,800,000",
            "compatible  The rate limit cancel is 50 requests, 10 windowSeconds, 10 concurrent, was 100 requests, ...",
        ),
    ),
    Edit(
        name="a window of half a second",
        changes=(limits("requests", 2, 0.5, 2),),
        behavior=behaviors.sends_three_requests_within_a_second,
        report=("compatible  The rate limit requests is 2 requests, 0.5 windowSeconds, 2 concurrent, was 10 ...",),
    ),
    Edit(
        name="a smaller largest body",
        changes=(Put(operation("run", "requestBody", "x-runpod-max-bytes"), 1048576),),
        behavior=behaviors.refuses_a_body_of_2_mib,
        report=("breaking    run: the body has limit in bytes 1,048,576, was 10,485,760",),
    ),
    Edit(
        name="a key in a header of its own",
        changes=(
            Put(
                at("components", "securitySchemes", "apiKey"),
                {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
            ),
        ),
        behavior=behaviors.sends_the_key_in_its_header,
        report=("breaking    run and 20 more has authentication apiKey header X-API-Key, was http bearer",),
    ),
    Edit(
        name="an optional header",
        changes=(Put(operation("run", "parameters"), [REGION]),),
        behavior=behaviors.sends_no_optional_parameter,
        report=("compatible  run: X-Region (header) is new: string, optional",),
    ),
    Edit(
        name="a required header",
        changes=(Put(operation("run", "parameters"), [REGION | {"required": True}]),),
        flags=("run._get_kwargs(endpoint_id", "run.sync(", "client.call(run,"),
        report=("breaking    run: X-Region (header) is new: string, required",),
    ),
    Edit(
        name="a required cookie",
        changes=(Put(operation("cancel", "parameters"), [REGION | {"in": "cookie", "required": True}]),),
        flags=("cancel._get_kwargs(endpoint_id",),
        report=("breaking    cancel: X-Region (cookie) is new: string, required",),
    ),
    Edit(
        name="a required field before the input",
        changes=(
            Put(schema("RunRequest", "required"), ["region", "input"]),
            Put(prop("RunRequest.region"), new("string")),
            Everywhere(r"\{ input: \{ prompt", "{ region: eu, input: { prompt"),
            Everywhere(r"- input: \{ prompt", "- region: eu\n          input: { prompt"),
        ),
        flags=("models.RunRequest(", "RunRequest("),
        report=("breaking    RunRequest.region is new: string, required",),
    ),
    Edit(
        name="an optional field of a request",
        changes=(Put(prop("RunRequest.priority"), new("integer")),),
        behavior=behaviors.works,
        report=("compatible  RunRequest.priority is new: integer, optional",),
    ),
    Edit(
        name="an optional field of a policy",
        changes=(Put(prop("ExecutionPolicy.region"), new("string")),),
        behavior=behaviors.sends_the_new_field_of_a_policy,
        report=("compatible  ExecutionPolicy.region is new: string, optional",),
    ),
    Edit(
        name="an optional field before the name of a batch",
        changes=(Put(prop("BatchUpdate.label"), new("string")),),
        behavior=behaviors.renames_a_batch,
        report=("compatible  BatchUpdate.label is new: string, optional",),
    ),
    Edit(
        name="a parameter is deprecated",
        changes=(Put(component("parameters", "StatusTtl", "deprecated"), True),),
        behavior=behaviors.warns_of_a_deprecated_parameter,
        report=("compatible  get_status: ttl (query) is deprecated",),
    ),
    Edit(
        name="a number that is sent may be a fraction",
        changes=(Put(prop("ExecutionPolicy.ttl", "type"), "number"),),
        behavior=behaviors.refuses_a_month_of_ttl,
        report=("compatible  ExecutionPolicy.ttl is number, was integer",),
    ),
    Edit(
        name="a time is sent in seconds",
        changes=(Put(prop("ExecutionPolicy.executionTimeout", "x-runpod-unit"), "seconds"),),
        refused_at=prop("ExecutionPolicy.executionTimeout", "x-runpod-constants", "minimum"),
        reason="the constant EXECUTION_TIMEOUT_MIN_MS counts seconds",
        report=("breaking    ExecutionPolicy.executionTimeout has unit seconds, was milliseconds",),
    ),
    Edit(
        name="an operation with another authentication",
        changes=(Put(operation("get_health", "security"), [{}]),),
        refused_at=operation("get_health", "security"),
        reason="a client authenticates each operation in the same way",
        report=("compatible  get_health has authentication none, was http bearer",),
    ),
    Edit(
        name="a multipart body",
        changes=(Rename(operation("run", "requestBody", "content", "application/json"), "multipart/form-data"),),
        refused_at=operation("run", "requestBody", "content", "multipart/form-data"),
        reason="a client cannot send multipart/form-data",
        report=(
            "breaking    run: the body as application/json is gone",
            "compatible  run: the body as multipart/form-data is new: RunRequest",
        ),
    ),
    Edit(
        name="a looser pattern of ids",
        changes=(Put(component("parameters", "JobId", "schema", "pattern"), "^[A-Za-z0-9_~-]+$"),),
        behavior=behaviors.works,
        report=("compatible  get_status and 4 more: job_id (path) has pattern ^[A-Za-z0-9_~-]+$, was ...",),
    ),
)

RESPONSES: Final = (
    Edit(
        name="another header that says when to come back",
        changes=(Everywhere(r"( +)Retry-After:\n", r"\1X-Retry-In:\n"),),
        behavior=behaviors.reads_the_renamed_retry_header,
        report=(
            "breaking    run and 20 more: the response 429, Retry-After is called X-Retry-In now",
            "breaking    run and 20 more: the response 502, Retry-After is called X-Retry-In now",
            "breaking    run and 20 more: the response 5XX, Retry-After is called X-Retry-In now",
        ),
    ),
    Edit(
        name="another header with the id of a request",
        changes=(Put(at("x-runpod-request-id-headers"), ["X-Trace"]),),
        behavior=behaviors.reads_the_renamed_request_id,
        report=("compatible  The specification has request id headers X-Trace, was X-Request-ID or ...",),
    ),
    Edit(
        name="a typed output",
        changes=(Put(prop("Job.output"), {"anyOf": [TEXT, {}], "description": "The output."}),),
        behavior=behaviors.returns_plain_output,
        report=("breaking    Job.output is object or any JSON, was any JSON",),
    ),
    Edit(
        name="a typed chunk",
        changes=(Put(prop("StreamChunk.output"), {"anyOf": [TEXT, {"type": "string"}], "description": "A chunk."}),),
        behavior=behaviors.returns_plain_chunks,
        report=("breaking    StreamChunk.output is object or string, was any JSON",),
    ),
    Edit(
        name="a code before the message of an error",
        changes=(Put(prop("ErrorBody.code"), new("string")),),
        behavior=behaviors.keeps_the_error_message,
        report=("compatible  ErrorBody.code is new: string, optional",),
    ),
    Edit(
        name="another prefix of a generator's error",
        changes=(Put(prop("Job.error", "x-runpod-generator-error-prefix"), "worker: "),),
        behavior=behaviors.recognizes_the_new_error_prefix,
        report=("compatible  Job.error has generator error prefix worker: , was handler: ",),
    ),
    Edit(
        name="a shorter retention",
        changes=(Put(operation("run", "x-runpod-retention-seconds"), 600),),
        behavior=behaviors.works,
        report=("breaking    run has retention in seconds 600, was 1,800",),
    ),
    Edit(
        name="a response that was not described",
        changes=(Put(operation("run", "responses", "409"), {"$ref": "#/components/responses/OtherClientError"}),),
        behavior=behaviors.works,
        report=("compatible  run: the response 409 is new: ErrorBody or string",),
    ),
    Edit(
        name="no plain text for a missing job",
        changes=(Drop(component("responses", "NotFound", "content", "text/plain")),),
        behavior=behaviors.works,
        report=("compatible  run and 20 more: the response 404 as text/plain is gone",),
    ),
    Edit(
        name="two results",
        changes=(
            Put(
                operation("run", "responses", "202"),
                {"description": "New.", "content": {"application/json": {"schema": BATCH}}},
            ),
        ),
        refused_at=operation("run", "responses", "200", "content", "application/json"),
        reason="run has two results",
        report=("breaking    run: the response 202 is new: Batch",),
    ),
    Edit(
        name="a success that is 202",
        changes=(Rename(operation("run", "responses", "200"), "202"),),
        behavior=behaviors.accepts_202,
        report=("breaking    run: the response 200 is gone", "compatible  run: the response 202 is new: Job"),
    ),
)

STATES: Final = (
    Edit(
        name="a new status",
        changes=(lists_statuses("PAUSED", *STATUSES),),
        flags=("assert_never(known)",),
        report=("compatible  KnownJobStatus.PAUSED is new",),
    ),
    Edit(
        name="a new final status",
        changes=(lists_statuses(*STATUSES, "EXPIRED"), calls("final", *FINAL, "EXPIRED")),
        flags=("assert_never(known)",),
        report=(has("final", *FINAL, "EXPIRED", was=FINAL), "compatible  KnownJobStatus.EXPIRED is new"),
    ),
    Edit(
        name="a status that is final now",
        changes=(calls("final", "RUNNING", *FINAL), calls("running", "IN_PROGRESS")),
        behavior=behaviors.takes_running_as_final,
        report=(
            has("running", "IN_PROGRESS", was=("IN_PROGRESS", "RUNNING")),
            has("final", "RUNNING", *FINAL, was=FINAL),
        ),
    ),
    Edit(
        name="a status is removed",
        changes=(lists_statuses(*STATUSES[:2], *FINAL), calls("running", "IN_PROGRESS")),
        flags=("models.KnownJobStatus.RUNNING",),
        report=(
            "breaking    KnownJobStatus.RUNNING is gone",
            has("running", "IN_PROGRESS", was=("IN_PROGRESS", "RUNNING")),
        ),
    ),
    Edit(
        name="a final status that does not exist",
        changes=(calls("final", *FINAL, "FINISHED"),),
        refused_at=schema("KnownJobStatus", "x-runpod-final"),
        reason="FINISHED",
        report=(has("final", *FINAL, "FINISHED", was=FINAL),),
    ),
    Edit(
        name="no final status",
        changes=(calls("final"),),
        refused_at=schema("KnownJobStatus", "x-runpod-final"),
        reason="a client would wait forever",
        report=(has("final", "none", was=FINAL),),
    ),
    Edit(
        name="a status of batches that is final now",
        changes=(Put(schema("KnownBatchStatus", "x-runpod-final"), ["FINALIZED", "FAILED", "CANCELLED"]),),
        behavior=behaviors.takes_a_finalized_batch_as_done,
        report=("compatible  KnownBatchStatus has final FINALIZED or FAILED or CANCELLED, was FAILED or CANCELLED",),
    ),
)

OPERATIONS: Final = (
    Edit(
        name="a used operation is removed",
        changes=(Drop(path_of("retry")),),
        flags=("from runpod_queue_api.api.jobs import",),
        warned_at=component("links", "JobRetry", "operationId"),
        reason="no operation is called 'retry': name another one, or remove the link",
        report=("breaking    retry is gone",),
    ),
    Edit(
        name="an unused operation is removed",
        changes=(Drop(path_of("list_models")),),
        behavior=behaviors.works,
        report=("breaking    list_models is gone",),
    ),
    Edit(
        name="a used operation is renamed",
        changes=(Put(operation("retry", "operationId"), "requeue"),),
        flags=("from runpod_queue_api.api.jobs import",),
        report=("breaking    retry is called requeue now",),
    ),
    Edit(
        name="an unused operation is renamed",
        changes=(Put(operation("list_models", "operationId"), "get_models"),),
        behavior=behaviors.works,
        report=("breaking    list_models is called get_models now",),
    ),
    Edit(
        name="a new operation",
        changes=(
            Put(
                at("paths", "/{endpoint_id}/pause"),
                {
                    "parameters": [{"$ref": "#/components/parameters/EndpointId"}],
                    "post": {
                        "operationId": "pause",
                        "tags": ["endpoint"],
                        "x-runpod-rate-limit": "none-published",
                        "responses": {
                            status: {"$ref": f"#/components/responses/{name}"} for status, name in RESPONSES_OF_ANY
                        },
                    },
                },
            ),
        ),
        behavior=behaviors.works,
        report=("compatible  pause is new: POST /{endpoint_id}/pause",),
    ),
    Edit(
        name="another path",
        changes=(Rename(path_of("purge_queue"), "/{endpoint_id}/queue/purge"),),
        behavior=behaviors.purges_at_the_new_path,
        report=("compatible  purge_queue is POST /{endpoint_id}/queue/purge, was POST /{endpoint_id}/purge-queue",),
    ),
    Edit(
        name="parameters of a path in another order",
        changes=(Rename(path_of("cancel"), "/{job_id}/cancel/{endpoint_id}"),),
        refused_at=path_of("cancel"),
        reason="a client passes {endpoint_id} first",
        report=("compatible  cancel is POST /{job_id}/cancel/{endpoint_id}, was POST /{endpoint_id}/cancel/{job_id}",),
    ),
    Edit(
        name="ids of a path in another order",
        changes=(Rename(path_of("delete_batch_request"), "/{endpoint_id}/batch/{request_id}/requests/{batch_id}"),),
        behavior=behaviors.removes_a_request_at_the_new_path,
        report=(
            "compatible  delete_batch_request is DELETE /{endpoint_id}/batch/{request_id}/requests/{batch_id}, ...",
        ),
    ),
    Edit(
        name="a new operation without a result",
        changes=(
            Put(
                at("paths", "/{endpoint_id}/cache"),
                {
                    "parameters": [{"$ref": "#/components/parameters/EndpointId"}],
                    "delete": {
                        "operationId": "clear_cache",
                        "tags": ["endpoint"],
                        "x-runpod-rate-limit": "none-published",
                        "responses": {"204": {"description": "New."}},
                    },
                },
            ),
        ),
        behavior=behaviors.calls_an_operation_without_a_result,
        report=("compatible  clear_cache is new: DELETE /{endpoint_id}/cache",),
    ),
    Edit(
        name="another method",
        changes=(Rename(operation("get_status"), "post"),),
        behavior=behaviors.reads_the_status_by_post,
        report=("compatible  get_status is POST /{endpoint_id}/status/{job_id}, was GET ...",),
    ),
    Edit(
        name="another name of a path parameter",
        changes=(
            Put(component("parameters", "EndpointId", "name"), "endpoint"),
            Everywhere(r"\{endpoint_id\}", "{endpoint}"),
        ),
        behavior=behaviors.works,
        flags=("endpoint_id=",),  # a test that names it
        report=(
            "breaking    run and 20 more: endpoint_id (path) is called endpoint (path) now",
            "compatible  The tag openai has base path /{endpoint}/openai/v1, was /{endpoint_id}/openai/v1",
        ),
    ),
    Edit(
        name="another server",
        changes=(Everywhere("https://api.runpod.ai/v2", "https://eu.api.runpod.ai/v3"),),
        behavior=behaviors.calls_the_new_server,
        report=("compatible  The service is at https://eu.api.runpod.ai/v3, was at https://api.runpod.ai/v2",),
    ),
    Edit(
        name="a server with a variable",
        changes=(
            Everywhere(
                r"  - url: https://api.runpod.ai/v2\n",
                "  - url: https://{region}.api.runpod.ai/v2\n    variables: { region: { default: eu } }\n",
            ),
        ),
        behavior=behaviors.calls_the_default_of_a_server_variable,
        report=("compatible  The service is at https://{region}.api.runpod.ai/v2, was at https://api.runpod.ai/v2",),
    ),
    Edit(
        name="a server with a variable that has no default",
        changes=(Everywhere("https://api.runpod.ai/v2", "https://{region}.api.runpod.ai/v2"),),
        refused_at=at("servers", 0, "url"),
        reason="give each variable a default",
        report=("compatible  The service is at https://{region}.api.runpod.ai/v2, was at https://api.runpod.ai/v2",),
    ),
    Edit(
        name="a deprecated operation",
        changes=(Put(operation("get_requests", "deprecated"), True),),
        behavior=behaviors.warns_of_a_deprecated_operation,
        flags=("get_requests._get_kwargs(",),
        report=("compatible  get_requests is deprecated",),
    ),
    Edit(
        name="another tag",
        changes=(Put(operation("purge_queue", "tags"), ["jobs"]),),
        flags=("from runpod_queue_api.api.endpoint import",),
        report=("breaking    purge_queue has tag jobs, was endpoint",),
    ),
)

NAMES: Final = (
    *(
        Edit(
            name=f"a field named {name}",
            changes=(Put(prop(f"Job.{name}"), new("string")),),
            refused_at=prop(f"Job.{place}"),
            reason=name,
            report=(f"compatible  Job.{name} is new: string, optional",),
        )
        for name, place in (
            ("worker_id", "workerId"),
            *((each, each) for each in ("d", "src_dict", "additional_properties", "fromDict")),
        )
    ),
    Edit(
        name="a field named self",
        changes=(Put(prop("Job.self"), new("string")),),
        behavior=behaviors.reads_a_field_named_self,
        report=("compatible  Job.self is new: string, optional",),
    ),
    Edit(
        name="a parameter named client",
        changes=(Put(operation("cancel", "parameters"), [REGION | {"name": "client", "in": "query"}]),),
        behavior=behaviors.works,
        report=("compatible  cancel: client (query) is new: string, optional",),
    ),
    Edit(
        name="an example that breaks its schema",
        changes=(Put(prop("Job.delayTime", "examples"), ["soon"]),),
        refused_at=prop("Job.delayTime", "examples"),
        reason="the example breaks its schema",
    ),
)

EDITS: Final = (*FIELDS, *REQUESTS, *RESPONSES, *STATES, *OPERATIONS, *NAMES)
