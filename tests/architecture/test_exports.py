"""The public names are the promised ones, sorted and described."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.architecture.source import modules

ERRORS = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "CertificateError",
    "ConfigurationError",
    "ConflictError",
    "InputError",
    "JobCancelledError",
    "JobError",
    "JobExpiredError",
    "JobFailedError",
    "JobTimedOutError",
    "JournalError",
    "NotFoundError",
    "OutputError",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "QueueTimeoutError",
    "RateLimitError",
    "RunpodError",
    "ServerError",
    "StreamInterruptedError",
    "SubmissionUncertainError",
    "UnprocessableEntityError",
    "WaitTimeoutError",
]

PUBLIC = {
    "runpod_typed": sorted(
        [
            *ERRORS,
            "AsyncBatchRun",
            "AsyncBatches",
            "AsyncClient",
            "AsyncEndpoint",
            "AsyncJob",
            "AsyncJobMap",
            "Batch",
            "BatchResult",
            "BatchRun",
            "BatchStatus",
            "Batches",
            "Client",
            "Codec",
            "Endpoint",
            "EndpointHealth",
            "EndpointMetrics",
            "ExecutionPolicy",
            "FailedAttempt",
            "Hooks",
            "Job",
            "JobCounts",
            "JobEnd",
            "JobEvent",
            "JobFailure",
            "JobMap",
            "JobState",
            "JobStatus",
            "Journal",
            "JournalCounts",
            "JournalEntry",
            "JournalStatus",
            "MapProgress",
            "MapResult",
            "MapStats",
            "OperationKind",
            "PollPolicy",
            "PurgeResult",
            "RateLimit",
            "RateLimits",
            "RequestInfo",
            "ResponseInfo",
            "RetryInfo",
            "RetryPolicy",
            "S3Config",
            "StreamChunk",
            "WorkerCounts",
            "__version__",
            "as_completed",
            "async_as_completed",
            "errors",
        ]
    ),
    "runpod_typed.errors": ERRORS,
    "runpod_typed.local": [
        "Chunk",
        "FaultKind",
        "Faults",
        "Handler",
        "HandlerConfig",
        "JobStatus",
        "Limit",
        "LocalQueue",
        "QueueStats",
        "SubmittedJob",
        "progress_update",
    ],
    "runpod_typed.otel": ["tracing_hooks", "webhook_context"],
    "runpod_typed.testing": [
        "AsyncEndpointFactory",
        "EndpointFactory",
        "QueueFactory",
        "QueueOptions",
        "Recording",
        "ReplayError",
        "record",
        "replay",
    ],
    "runpod_typed.webhooks": ["MAX_WEBHOOK_BYTES", "parse_webhook", "verify_secret"],
}
"""The public modules and their names. A name here is a promise: taking one away is a major release."""


def undescribed(module: ModuleType) -> Iterator[str]:
    """The public names of a module, and of its classes, that have no docstring."""
    for name in module.__all__:
        thing: object = getattr(module, name)
        if inspect.isclass(thing):
            yield from (f"{module.__name__}.{name}.{member}" for member in undescribed_members(thing))
        elif (inspect.ismodule(thing) or inspect.isroutine(thing)) and not inspect.getdoc(thing):
            yield f"{module.__name__}.{name}"


def undescribed_members(cls: type) -> Iterator[str]:
    """The public methods and properties of a class of ours that have no docstring, inherited ones included."""
    if not (vars(cls).get("__doc__") or "").strip():
        yield "(the class)"
    for name, member in inspect.getmembers_static(cls):
        ours = any(name in vars(base) for base in cls.__mro__ if base.__module__.partition(".")[0] == cls_root(cls))
        callable_member = isinstance(member, property | classmethod | staticmethod) or inspect.isfunction(member)
        if ours and callable_member and not name.startswith("_") and not inspect.getdoc(getattr(cls, name)):
            yield name


def cls_root(cls: type) -> str:
    """The package that a class comes from."""
    return cls.__module__.partition(".")[0]


@pytest.mark.parametrize("name", PUBLIC)
def test_the_public_names_are_the_promised_ones_and_sorted(name: str) -> None:
    assert list(importlib.import_module(name).__all__) == PUBLIC[name]


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_and_method_is_described(name: str) -> None:
    assert list(undescribed(importlib.import_module(name))) == []


def test_every_error_can_be_imported_from_the_root() -> None:
    root, errors = importlib.import_module("runpod_typed"), importlib.import_module("runpod_typed.errors")
    assert {name: getattr(root, name) for name in ERRORS} == {name: getattr(errors, name) for name in ERRORS}


def test_root_has_no_other_public_names() -> None:
    root = importlib.import_module("runpod_typed")
    stray = {
        name
        for name, thing in vars(root).items()
        if not name.startswith("_") and name not in PUBLIC["runpod_typed"] and not inspect.ismodule(thing)
    }
    assert stray == set()


@pytest.mark.slow
def test_every_module_says_what_it_is_for() -> None:
    assert [module.path for module in modules() if not ast.get_docstring(module.tree)] == []


def test_a_name_without_a_docstring_is_found() -> None:
    class Described:
        """Here."""

        def bare(self) -> None: ...

        def told(self) -> None:
            """Here too."""

        @property
        def bare_too(self) -> int:
            return 1

        def _private(self) -> None: ...

    class Bare(Described): ...

    module = ModuleType("example")
    vars(module).update(Described=Described, Bare=Bare, __all__=["Bare", "Described"])
    assert list(undescribed(module)) == [
        "example.Bare.(the class)",
        "example.Bare.bare",
        "example.Bare.bare_too",
        "example.Described.bare",
        "example.Described.bare_too",
    ]
