"""The error of a failed job, in each of the forms that workers and the platform give it."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_typed import JobFailure
from runpod_typed._models.failure import is_platform_timeout, parse_failure

TRACEBACK = 'Traceback (most recent call last):\n  File "handler.py", line 2, in handler\n    raise error\n'


def report(**fields: Any) -> dict[str, Any]:
    return {
        "error_type": "<class 'ValueError'>",
        "error_message": "no prompt",
        "error_traceback": TRACEBACK,
        "hostname": "host",
        "worker_id": "w-1",
        "runpod_version": "1.12.0",
        **fields,
    }


def said(text: str | None, kind: str | None = None) -> JobFailure:
    return JobFailure(error_type=kind, error_message=text)


PARSED = JobFailure(error_type="ValueError", error_message="no prompt", remote_traceback=TRACEBACK)


# Reports of the worker SDK


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("before", ["", " \n"])
def test_a_report_in_a_string_is_taken_apart(indent: int | None, before: str) -> None:
    failure = parse_failure(before + json.dumps(report(more=["x"]), indent=indent))
    assert (failure, failure.worker_id) == (PARSED, "w-1")


def test_a_report_as_an_object_is_taken_apart() -> None:
    assert parse_failure(report()) == PARSED
    assert parse_failure(repr(report())) == PARSED


def test_a_report_of_sdk_2_has_logs_event_and_hook() -> None:
    failure = parse_failure(report(logs="loading\n", event="prestart_failed", hook="load"), output=[1])
    assert (failure.logs, failure.event, failure.hook, failure.output) == ("loading\n", "prestart_failed", "load", [1])
    assert parse_failure(report(logs=["x"], event=5, hook=None)) == PARSED


@pytest.mark.parametrize(
    ("given_type", "name"),
    [
        ("<class 'ValueError'>", "ValueError"),
        ("<class 'package.module.Odd'>", "package.module.Odd"),
        (" <class 'ValueError'> ", "ValueError"),
        ("ValueError", "ValueError"),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_the_class_of_an_exception_is_its_name(given_type: object, name: str | None) -> None:
    assert parse_failure(report(error_type=given_type)).error_type == name


def test_an_exception_without_a_message_keeps_type_and_traceback() -> None:
    failure = parse_failure(json.dumps(report(error_type="<class 'AssertionError'>", error_message="")))
    assert failure == JobFailure(error_type="AssertionError", error_message="", remote_traceback=TRACEBACK)


@pytest.mark.parametrize("message", [None, 5, ["a"], {"a": 1}])
def test_an_object_with_another_message_is_the_handlers_own(message: object) -> None:
    own = report(error_message=message)
    assert parse_failure(own) == said(json.dumps(own, separators=(",", ":")))


# Exceptions in generators


def from_generator(error: str, message: str, ending: str | None = None) -> str:
    line = f"{error}: {message}" if message else error
    return f"handler: {message} \ntraceback: {TRACEBACK}{line if ending is None else ending}\n"


@pytest.mark.parametrize("error", ["ValueError", "package.module.Odd"])
@pytest.mark.parametrize(
    "message", ["no prompt", "two\nlines: of text", "a: b", "", "(.*", "ends with blank ", "ValueError: x", ": "]
)
def test_a_generators_failure_is_taken_apart(error: str, message: str) -> None:
    failure = parse_failure(from_generator(error, message))
    assert failure.error_type == error
    assert failure.error_message == message.rstrip()
    assert failure.remote_traceback is not None
    assert failure.remote_traceback.startswith("Traceback")
    assert failure.remote_traceback.endswith(f"{error}: {message}" if message else error)
    assert failure.worker_id is None


def test_the_last_of_chained_exceptions_counts() -> None:
    chained = (
        f"handler: second \ntraceback: {TRACEBACK}KeyError: 'first'\n\nDuring handling of the above exception, "
        f"another exception occurred:\n\n{TRACEBACK}ValueError: second\nwith a note\n"
    )
    assert parse_failure(chained).error_type == "ValueError"


def test_a_traceback_without_the_message_has_no_known_type() -> None:
    assert parse_failure(from_generator("ValueError", "boom", "something else")).error_type is None


@pytest.mark.parametrize("text", ["handler: no traceback", "my handler: x \ntraceback: y", "Invalid image URL", ""])
def test_other_text_is_the_message(text: str) -> None:
    assert parse_failure(text) == said(text)


@pytest.mark.parametrize("filler", ["x", "x\n", "ValueError: ", "a.b.c", "(a+)+", "\\", "{", "['", "é"])
@pytest.mark.parametrize("form", ["generator", "report", "text", "object", "repr", "list"])
def test_megabytes_of_message_are_parsed_in_little_memory(form: str, filler: str) -> None:
    message = (filler * (3_000_000 // len(filler))).rstrip()
    match form:
        case "generator":
            error: Any = from_generator("ValueError", message)
        case "report":
            error = json.dumps(report(error_message=message, error_traceback=TRACEBACK + message))
        case "object":
            error = {"error": {"message": message, "type": "ValueError"}}
        case "repr":
            error = repr({"message": message})
        case "list":
            error = [message, {"msg": message}]
        case _:
            error = message
    tracemalloc.start()
    failure = parse_failure(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert failure.error_message is not None
    assert message in failure.error_message or form == "repr"
    assert failure.error_type == ("ValueError" if form in {"generator", "report", "object"} else None)
    assert peak < 200_000_000


# Errors that handlers return

NOT_LOADED = said("not loaded", "BadRequestError")
MISSING = said("body.size.0: Field required")
TWO = said("size: too small; n: too big")


@pytest.mark.parametrize(
    ("error", "parsed"),
    [
        ({"message": "no such model", "type": "not_found", "code": None}, said("no such model", "not_found")),
        ({"error": {"message": "no such model", "type": "not_found"}}, said("no such model", "not_found")),
        ({"object": "error", "message": "not loaded", "type": "BadRequestError", "code": 400}, NOT_LOADED),
        ({"message": "too long", "code": "context_length_exceeded"}, said("too long", "context_length_exceeded")),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, said("busy", "overloaded_error")),
        ({"detail": "Not Found"}, said("Not Found")),
        ({"title": "Bad Request", "detail": "no prompt", "status": 400}, said("no prompt")),
        ({"error": "boom", "message": ""}, said("boom")),
        ({"error": "boom", "error_type": "<class 'OSError'>"}, said("boom", "OSError")),
        (
            {"detail": [{"loc": ["body", "size", 0], "msg": "Field required", "type": "missing"}]},
            said("body.size.0: Field required"),
        ),
        ([{"loc": ["size"], "msg": "too small", "type": "x"}, {"loc": ["n"], "msg": "too big"}], TWO),
        (["n must be a number", "seed is missing"], said("n must be a number; seed is missing")),
        (["a", 1, None, {"x": 1}], said('a; 1; null; {"x":1}')),
        ({"message": ["a", "b"]}, said("a; b")),
        (["a"] * 100, said("; ".join(["a"] * 100))),
        (["{'message': 'a'}"] * 50_000, said("; ".join([*["a"] * 100, "and 49,900 more"]))),
    ],
)
def test_error_objects_and_lists_are_taken_apart(error: Any, parsed: JobFailure) -> None:
    for form in (error, json.dumps(error), repr(error), f" {error!r}\n"):
        assert parse_failure(form) == parsed


@pytest.mark.parametrize(
    "text",
    [
        *("{", "{not json", '{"a": 1}', "{}", '{"error_message": 5}', '{"\ud83d', " {[}", "[]", "[1, 2"),
        *("{'message': object()}", "{'message': __import__('os').getcwd()}", "{'message': '\\d'}", "{1: " * 200),
        *("{" + "-" * 9_000 + "1}", "[" * 9_000 + "]" * 9_000, "{'a': 1e}", "{'message', 'x'}", "{'message': b'x'}"),
    ],
    ids=lambda text: repr(text[:40]),
)
@pytest.mark.filterwarnings("error")
def test_text_that_only_resembles_an_object_is_text(text: str) -> None:
    assert parse_failure(text) == said(text)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ({"code": 5}, '{"code":5}'),
        ({}, "{}"),
        ([], "[]"),
        (5, "5"),
        (False, "false"),
        ([["\ud83d", 1]], "\ud83d; 1"),
        ({"a": "\ud83d"}, "an object"),
        ([{"a": "\ud83d"}], "an object"),
    ],
)
def test_other_errors_are_shown_as_json_or_by_their_kind(error: object, message: str) -> None:
    assert parse_failure(error) == said(message)


def test_no_error_has_no_message() -> None:
    assert parse_failure(None) == JobFailure()


def test_deep_nesting_is_shown_by_its_kind() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert parse_failure(deep) == said("an array")
    assert parse_failure({"error_message": deep}) == said("an object")
    assert parse_failure('{"error_message":' + "[" * 100_000).error_message is not None
    nested: Any = "x"
    for _ in range(50):
        nested = {"error": nested}
    assert parse_failure(nested).error_message is not None


KEYS = [
    "error_message",
    "error_type",
    "error_traceback",
    "worker_id",
    "error",
    "message",
    "detail",
    "loc",
    "msg",
    "type",
]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner),
        max_leaves=8,
    )
)
def test_any_error_can_be_parsed(error: object) -> None:
    for form in (error, json.dumps(error), repr(error), f"handler: {error} \ntraceback: {error}"):
        failure = parse_failure(form)
        fields = (failure.error_type, failure.error_message, failure.remote_traceback, failure.worker_id)
        assert all(field is None or isinstance(field, str) for field in fields)


@pytest.mark.parametrize(
    ("error", "platform"),
    [
        ("job timed out after 1 retries", True),
        ("job timed out after 12 retries", True),
        ("the job timed out after 1 retries", False),
        ("job timed out", False),
        ({"error": "job timed out after 1 retries"}, False),
        (None, False),
    ],
)
def test_the_platforms_timeout_message_is_recognized(error: object, *, platform: bool) -> None:
    assert is_platform_timeout(error) is platform
