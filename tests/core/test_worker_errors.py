from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpod_typed._models.failure import WorkerFailure, is_platform_timeout, parse_worker_failure

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


PARSED = WorkerFailure(error_type="ValueError", message="no prompt", traceback=TRACEBACK, worker_id="w-1")


# An exception in a plain handler: JSON in a string


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("before", ["", " \n"])
def test_a_report_as_json_in_a_string_is_taken_apart(indent: int | None, before: str) -> None:
    assert parse_worker_failure(before + json.dumps(report(logs=["more"]), indent=indent)) == PARSED


def test_a_report_as_an_object_is_taken_apart() -> None:
    assert parse_worker_failure(report()) == PARSED


@pytest.mark.parametrize(
    ("said", "name"),
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
def test_an_exception_s_class_is_named_as_people_write_it(said: object, name: str | None) -> None:
    assert parse_worker_failure(report(error_type=said)).error_type == name


def test_an_exception_without_words_keeps_its_type_and_traceback() -> None:
    failure = parse_worker_failure(json.dumps(report(error_type="<class 'AssertionError'>", error_message="")))
    assert failure == WorkerFailure(error_type="AssertionError", message="", traceback=TRACEBACK, worker_id="w-1")


@pytest.mark.parametrize("message", [None, 5, ["a"], {"a": 1}])
def test_an_object_whose_message_is_no_text_is_the_handler_s_own(message: object) -> None:
    own = report(error_message=message)
    assert parse_worker_failure(own) == WorkerFailure(message=json.dumps(own, separators=(",", ":")))


# An exception in a generator: text with a prefix


def from_generator(error: str, message: str, ending: str | None = None) -> str:
    line = f"{error}: {message}" if message else error
    return f"handler: {message} \ntraceback: {TRACEBACK}{line if ending is None else ending}\n"


@pytest.mark.parametrize("error", ["ValueError", "package.module.Odd"])
@pytest.mark.parametrize("message", ["no prompt", "two\nlines: of text", "a: b", "", "(.*", "ends with blank "])
def test_a_generator_s_failure_is_taken_apart(error: str, message: str) -> None:
    failure = parse_worker_failure(from_generator(error, message))
    assert failure.error_type == error
    assert failure.message == message.rstrip()
    assert failure.traceback is not None
    assert failure.traceback.startswith("Traceback")
    assert failure.traceback.endswith(f"{error}: {message}" if message else error)
    assert failure.worker_id is None


def test_of_chained_exceptions_the_last_one_counts() -> None:
    chained = (
        f"handler: second \ntraceback: {TRACEBACK}KeyError: 'first'\n\nDuring handling of the above exception, "
        f"another exception occurred:\n\n{TRACEBACK}ValueError: second\nwith a note\n"
    )
    assert parse_worker_failure(chained).error_type == "ValueError"


def test_a_traceback_that_does_not_end_with_the_message_has_no_known_type() -> None:
    assert parse_worker_failure(from_generator("ValueError", "boom", "something else")).error_type is None


@pytest.mark.parametrize("text", ["handler: no traceback", "my handler: x \ntraceback: y", "Invalid image URL", ""])
def test_other_text_is_text(text: str) -> None:
    assert parse_worker_failure(text) == WorkerFailure(message=text)


# Everything else


@pytest.mark.parametrize("text", ["{", "{not json", '{"a": 1}', "{}", '{"error_message": 5}', '{"\ud83d', " {[}"])
def test_text_that_only_looks_like_a_report_is_text(text: str) -> None:
    assert parse_worker_failure(text) == WorkerFailure(message=text)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ({"code": 5}, '{"code":5}'),
        ({}, "{}"),
        (["a", 1], '["a",1]'),
        (5, "5"),
        (False, "false"),
        (["\ud83d"], "an array"),
        ({"a": "\ud83d"}, "an object"),
    ],
)
def test_an_error_of_another_kind_is_said_as_json_or_by_its_kind(error: object, message: str) -> None:
    assert parse_worker_failure(error) == WorkerFailure(message=message)


def test_no_error_says_nothing() -> None:
    assert parse_worker_failure(None) == WorkerFailure()


def test_an_error_nested_more_deeply_than_python_follows_is_said_by_its_kind() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert parse_worker_failure(deep) == WorkerFailure(message="an array")
    assert parse_worker_failure({"error_message": deep}) == WorkerFailure(message="an object")
    assert parse_worker_failure('{"error_message":' + "[" * 100_000).message is not None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["error_message", "error_type", "error_traceback", "worker_id"]), inner)
        ),
        max_leaves=8,
    )
)
def test_no_error_is_too_odd_to_be_read(error: object) -> None:
    for form in (error, json.dumps(error), f"handler: {error} \ntraceback: {error}"):
        failure = parse_worker_failure(form)
        fields = (failure.error_type, failure.message, failure.traceback, failure.worker_id)
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
def test_the_platform_s_own_words_are_recognized(error: object, *, platform: bool) -> None:
    assert is_platform_timeout(error) is platform
