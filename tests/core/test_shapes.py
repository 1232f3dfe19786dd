from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runpod_queue_api import models
from runpod_queue_api.types import UNSET, Unset

from runpod_typed._codecs.json import kind_of
from runpod_typed._models.responses import (
    ReadOnlyJSON,
    ValidationError,
    as_array,
    as_count,
    as_int,
    as_object,
    as_optional_int,
    as_optional_string,
    as_string,
    parse,
    read_only,
    reads,
)
from tests.core.calls import copies

JSON_VALUES = [None, True, 5, 1.5, "text", "", [1], {"a": 1}]


def refused(read: Callable[[Any, str], object], value: object) -> bool:
    try:
        read(value, "the thing")
    except ValidationError as error:
        return str(error).startswith("the thing ")
    return False


def accepted_by(read: Callable[[Any, str], object]) -> list[object]:
    return [value for value in JSON_VALUES if not refused(read, value)]


def test_each_reader_accepts_one_type_and_names_what_it_refuses() -> None:
    assert accepted_by(as_object) == [{"a": 1}]
    assert accepted_by(as_array) == [None, [1]]
    assert accepted_by(as_string) == ["text"]
    assert accepted_by(as_int) == [5, 1.5]
    assert accepted_by(as_optional_string) == [None, "text", ""]
    assert accepted_by(as_optional_int) == [None, 5, 1.5]
    assert accepted_by(as_count) == [None, 5, 1.5]


@pytest.mark.parametrize("value", [None, UNSET])
def test_null_and_absent_are_the_same(value: Unset | None) -> None:
    assert as_optional_string(value, "x") is None
    assert as_optional_int(value, "x") is None
    assert as_count(value, "x") == 0
    assert as_array(value, "x") == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_counts_nothing(value: float) -> None:
    with pytest.raises(ValidationError, match="the delay must be a finite number"):
        as_optional_int(cast("int", value), "the delay")


def test_drops_fractions_of_milliseconds_and_keeps_huge_numbers() -> None:
    assert as_optional_int(cast("int", 1.9), "x") == 1
    assert as_optional_int(10**4000, "x") == 10**4000


def test_a_string_that_cannot_be_sent_back_is_refused() -> None:
    with pytest.raises(ValidationError, match="lone surrogate"):
        as_string("job-\ud83d", "the job's id")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        (UNSET, "absent"),
        (True, "a boolean"),
        (5, "a number"),
        (1.5, "a number"),
        ("", "an empty string"),
        ("text", "a string"),
        ({}, "an object"),
        ([], "an array"),
    ],
)
def test_kinds_are_named_in_json_s_own_words(value: object, kind: str) -> None:
    assert kind_of(value) == kind


def test_a_null_is_parsed_like_an_absent_field() -> None:
    job = parse(models.Job, {"id": "j", "status": "FAILED", "delayTime": None, "more": None})
    assert job.delay_time is UNSET
    assert job.additional_properties == {}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"id": "j"}, "the field 'status' is missing"),
        ({"id": None, "status": "FAILED"}, "the field 'id' is missing"),
        ([], "must be an object, and is an array"),
        (None, "must be an object, and is null"),
    ],
)
def test_names_what_does_not_fit_a_model(value: object, words: str) -> None:
    @reads(models.Job)
    def read(job: models.Job, raw: object) -> models.Job:
        return job

    with pytest.raises(ValidationError, match=words):
        read(value)


@pytest.mark.parametrize("output", [None, 5, "x", [1], {"id": 5}, {"nested": {"status": None}}])
def test_gives_an_opaque_field_to_no_model(output: object) -> None:
    """A specification may declare the type of an output: people get JSON all the same."""

    @reads(models.EndpointMetrics, "workers")
    def read(model: models.EndpointMetrics, raw: Mapping[str, Any]) -> tuple[object, object]:
        return model.workers, raw["workers"]

    model, came = read({"workers": output})
    assert model is UNSET
    assert came is output


@pytest.mark.parametrize("value", [5, "text", True, [5], ["abc"], [[1]]])
def test_a_part_of_the_wrong_kind_is_said_in_words(value: object) -> None:
    with pytest.raises(ValidationError, match="a field has the wrong kind of value"):
        parse(models.EndpointHealth, {"workers": value})


# ReadOnlyJSON


def test_read_only_json_is_a_mapping_that_cannot_be_changed() -> None:
    view: Any = read_only({"a": 1, "b": [2]})
    assert (view["a"], list(view), len(view), "b" in view, view.get("c")) == (1, ["a", "b"], 2, True, None)
    assert repr(view) == "{'a': 1, 'b': [2]}"
    with pytest.raises(TypeError):
        view["a"] = 2
    with pytest.raises(TypeError):
        del view["a"]
    with pytest.raises(AttributeError):
        view._data = {}


def test_read_only_json_equals_each_mapping_of_the_same_content() -> None:
    view = read_only({"a": 1})
    assert view == {"a": 1}
    assert view == {"a": 1}
    assert view == read_only({"a": 1})
    assert view != {"a": 2}
    assert view != cast("object", [("a", 1)])


def test_read_only_json_does_not_follow_changes_of_its_source() -> None:
    source = {"a": 1}
    view = read_only(source)
    source["a"] = 2
    assert view == {"a": 1}
    assert read_only(view) is view


def test_a_copy_of_read_only_json_is_a_plain_dict_of_its_own() -> None:
    view = read_only({"a": 1})
    plain = view.copy()
    plain["a"] = 2
    assert type(plain) is dict
    assert view == {"a": 1}


def test_read_only_json_survives_copies_and_pickles() -> None:
    for copied in copies(read_only({"a": [1]})):
        assert isinstance(copied, ReadOnlyJSON)
        assert copied == {"a": [1]}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_no_json_makes_a_reader_raise_anything_but_its_own_error(value: object) -> None:
    readers: list[Callable[[Any, str], object]] = [
        *(as_array, as_object, as_string, as_optional_string, as_int, as_optional_int, as_count),
    ]
    for read in readers:
        refused(read, value)
    for model in (models.Job, models.StreamAnswer, models.EndpointHealth, models.PurgeResult, models.RunRequest):
        try:
            parse(model, {"id": value, "stream": value, "jobs": value, "policy": value, "input": value})
        except ValidationError:
            continue
