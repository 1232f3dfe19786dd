from __future__ import annotations

import json
import math
import pickle
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpod_typed._codecs.codec import UNTYPED, Codec
from runpod_typed.errors import InputError, OutputError
from tests.core.codec_samples import (
    Album,
    Box,
    Cat,
    Celsius,
    Checked,
    Coordinate,
    Dog,
    Guarded,
    Holder,
    Image,
    Limited,
    Options,
    Quality,
    Reply,
    Request,
    Sampling,
    Tidied,
    Tree,
    as_input,
    as_output,
    wrong,
)

OUTPUT_MISFITS: list[tuple[object, object, str, str]] = [
    (str, 5, "$", "expected `str`, got `int`"),
    (int, "5", "$", "expected `int`, got `str`"),
    (int, 5.0, "$", "expected `int`, got `float`"),
    (int, True, "$", "expected `int`, got `bool`"),
    (bool, 1, "$", "expected `bool`, got `int`"),
    (datetime, 1_700_000_000, "$", "expected `datetime`, got `int`"),
    (list[str], "text", "$", "expected `array`, got `str`"),
    (Request, {}, "$", "missing required field `prompt`"),
    (Request, [], "$", "expected `object`, got `array`"),
    (Request, {"prompt": "p", "size": [1, "2"]}, "$.size[1]", "expected `int`, got `str`"),
    (Request, {"prompt": "p", "quality": "ultra"}, "$.quality", "'ultra'"),
    (list[Request], [{"prompt": "p"}, {"prompt": None}], "$[1].prompt", "expected `str`, got `null`"),
    (Sampling, {"steps": 0}, "$", "must be >= 1"),
    (list[Guarded], [{"number": 1}, {"number": 13}], "$[1]", "13 brings bad luck"),
    (Cat | Dog, {"type": "Cow"}, "$.type", "Cow"),
    (Coordinate, [1, "2"], "$[1]", "expected `int`, got `str`"),
    (Image, {"url": 5}, "$.url", "should be a valid string, got `int`"),
    (Image, {"url": "u", "numImages": "2"}, "$.numImages", "should be a valid integer, got `str`"),
    (Image, {}, "$.url", "field required"),
    (Album, {"images": [{"url": "u"}, {"url": None}]}, "$.images[1].url", "got `NoneType`"),
    (dict[str, Image], {"a": {"url": "u"}, "b c": {"url": 1}}, '$["b c"].url', "should be a valid string"),
    (Box | Reply, {"width": "1"}, "$.width", "should be a valid integer, got `str`"),
    (list[Box | Reply], [{"text": 1}], "$[0].width", "field required; should be a valid string"),
    (Limited, {"steps": 0}, "$.steps", "greater than 0"),
    (Checked, {"number": 3}, "$.number", "odd"),
    (list[Image], [{}, {}, {}, {}], "$[0].url", "field required at `$[2].url`; and 1 more"),
    (Tidied, {"taken": "2026-01-02T00:00:00Z", "count": "1"}, "$.count", "should be a valid integer, got `str`"),
    (Tidied, {"taken": "yesterday"}, "$.taken", "valid datetime"),
    (Tidied, {"taken": 5}, "$.taken", "valid datetime"),
    (None, 0, "$", "expected `null`, got `int`"),
]


@pytest.mark.parametrize(("type_form", "data", "path", "words"), OUTPUT_MISFITS, ids=str)
def test_misfit_output_is_refused_with_its_path(type_form: object, data: Any, path: str, words: str) -> None:
    with pytest.raises(OutputError) as caught:
        as_output(type_form, data, job_id="job-7")
    error = caught.value
    assert error.path == path
    assert error.output is data
    assert error.job_id == "job-7"
    assert words in error.message
    assert "The output of job job-7 does not fit" in error.message
    assert path == "$" or f" at `{path}`" in error.message
    assert error.__cause__ is not None


@pytest.mark.parametrize(
    ("type_form", "data", "path"),
    [
        (dict[str, int], {"a": 1, "b b": "2", "c": "3"}, '$["b b"]'),
        (dict[str, dict[str, Box]], {"a": {"x": {"width": 1}}, "b": {"y": {"width": 1}, "z": {}}}, "$.b.z"),
        (list[dict[str, list[int]]], [{"a": [1]}, {"b": [2], "c": [3, None]}], "$[1].c[1]"),
        (Request, {"prompt": "p", "boxes": {"big": {"width": 1}, "bad": {"width": ""}}}, "$.boxes.bad.width"),
        (dict[int, str], {"1": "a", "two": "b"}, "$.two"),
        (dict[Literal["a"], int], {"a": 1, "b": 2}, "$.b"),
        (dict[str, int], dict.fromkeys(map(str, range(5_000)), 1) | {"4321": ""}, '$["4321"]'),
    ],
    ids=str,
)
def test_the_path_names_the_key_of_a_dict(type_form: object, data: Any, path: str) -> None:
    with pytest.raises(OutputError) as caught:
        as_output(type_form, data)
    assert caught.value.path == path


def test_the_key_is_found_although_the_class_needs_all_the_data() -> None:
    @dataclass
    class Sums:
        values: dict[str, int]

        def __post_init__(self) -> None:
            self.values["total"]

    with pytest.raises(OutputError) as caught:
        as_output(Sums, {"values": {"a": 1, "b": "2", "c": 3, "total": 6}})
    assert caught.value.path == "$.values.b"


def test_a_field_that_resembles_a_path_breaks_nothing() -> None:
    class Odd(msgspec.Struct, rename={"a": "a[...]b", "c": "c.d"}):
        a: int = 0
        c: dict[str, int] = {}

    for data in ({"a[...]b": ""}, {"c.d": {"x": ""}}):
        with pytest.raises(OutputError, match="expected `int`, got `str`"):
            as_output(Odd, data)


def test_unknown_keys_of_an_output_are_ignored() -> None:
    assert as_output(Box, {"width": 1, "depth": 3}) == Box(1)
    assert as_output(Image, {"url": "u", "size": 3}) == Image(url="u")


@pytest.mark.parametrize("type_form", [Box, str, list[int], Image, Box | Reply], ids=str)
def test_a_missing_output_is_explained(type_form: object) -> None:
    with pytest.raises(OutputError, match=r"^The output of job j1 does not fit .* returned nothing \(null\)") as caught:
        as_output(type_form, None, job_id="j1")
    assert caught.value.output is None


def test_output_errors_can_be_pickled() -> None:
    with pytest.raises(OutputError) as caught:
        as_output(Image, {"url": 1}, job_id="j1")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.path, copy.output, copy.job_id) == ("$.url", {"url": 1}, "j1")


DECLARED: Sequence[object] = [
    *(Request, Sampling, Options, Coordinate, Cat | Dog, Tree[int], Guarded, list[Box], dict[str, Box], dict[int, str]),
    *(Image, Album, Tidied, Box | Reply, Limited, list[Image], UNTYPED, None, datetime, UUID, Decimal, set[int], bytes),
]
FIELD_NAMES = st.sampled_from(["prompt", "size", "width", "url", "taken", "text", "number", "steps", "type", "images"])
LIKELY: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers(12, 15) | st.floats() | st.text(st.characters()) | st.sampled_from(["Cat", "2026-01-02"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELD_NAMES | st.text(), inner, max_size=3),
)


@settings(max_examples=5 * settings().max_examples)
@given(st.sampled_from(DECLARED), LIKELY)
def test_any_output_fits_or_raises_output_error(type_form: object, data: Any) -> None:
    with suppress(OutputError):
        as_output(type_form, data, job_id="j1")


@settings(max_examples=5 * settings().max_examples)
@given(
    st.sampled_from(DECLARED),
    LIKELY | st.builds(Request, prompt=st.integers(), extra=LIKELY) | st.builds(object) | st.builds(Box, width=LIKELY),
)
def test_any_input_is_plain_json_or_raises_input_error(type_form: object, value: Any) -> None:
    try:
        plain = as_input(type_form, value)
    except InputError as error:
        error.message.encode()  # it can be printed
    else:
        assert json.loads(json.dumps(plain, allow_nan=False, ensure_ascii=False).encode()) == plain


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("type_form", [Any, list[Any], Tree[int], Image, list[Image], Box | Reply], ids=str)
def test_endless_nesting_raises_our_errors(type_form: object) -> None:
    deep = _nested(100_000)
    with pytest.raises(InputError):
        as_input(type_form, deep)
    if type_form in (Tree[int], Image, list[Image], Box | Reply):  # Any accepts all that could be decoded
        with pytest.raises(OutputError):
            as_output(type_form, {"value": 1, "children": deep} if type_form == Tree[int] else [deep])


def test_nan_and_infinity_from_workers_are_kept() -> None:
    class Losses(pydantic.BaseModel):
        values: list[float | None]

    assert as_output(Reply, {"text": "t", "seconds": math.inf}) == Reply("t", math.inf)
    assert math.isnan(as_output(list[float], [math.nan])[0])
    assert math.isnan(as_output(Losses, {"values": [math.nan]}).values[0])


def test_lone_surrogates_from_workers_are_kept_if_possible() -> None:
    assert as_output(Reply, {"text": "\ud83d"}) == Reply("\ud83d")
    with pytest.raises(OutputError, match="surrogate"):
        as_output(Image, {"url": "\ud83d"})


INPUT_MISFITS: list[tuple[object, object, str, str]] = [
    (Request, Request(prompt=wrong(5)), "$.prompt", "expected `str`, got `int`"),
    (Request, Request("p", size=[1, wrong("2")]), "$.size[1]", "expected `int`, got `str`"),
    (Request, Request("p", boxes={"a b": Box(wrong("1"))}), '$.boxes["a b"].width', "expected `int`"),
    (Request, Request("p", size=[wrong(object())]), "$.size[0]", "JSON has no form for `object`"),
    (Request, Request("p", extra=object()), "$.extra", "JSON has no form for `object`"),
    (Request, Request("p", extra={"loss": [math.nan]}), "$.extra.loss[0]", "JSON has no number for `nan`"),
    (Request, Request("p", note="\ud83d"), "$.note", "surrogate"),
    (Request, {"prompt": "p", "size": "big"}, "$.size", "expected `array`, got `str`"),
    (Request, Box(1), "$", "missing required field `prompt`"),
    (Request, Request, "$", "not the class"),
    (Sampling, {"steps": 0}, "$", "must be >= 1"),
    (list[Guarded], [{"number": 13}], "$[0]", "bad luck"),
    (str, 5, "$", "expected `str`, got `int`"),
    (Image, Image.model_construct(url=5), "$.url", "should be a valid string, got `int`"),
    (Image, {"url": 5}, "$.url", "should be a valid string, got `int`"),
    (Image, object(), "$", "instance of Image, got `object`"),
    (Holder, Holder(content=object()), "$.content", "JSON has no form for `object`"),
    (Box | Reply, Reply("t", math.nan), "$.seconds", "JSON has no number for `nan`"),
    (list[Image], [Image(url="u"), {}], "$[1].url", "field required"),
    (Image, Image.model_construct(url="\ud83d"), "$.url", "surrogate"),
    (list[Limited], [Limited(1), Limited(0)], "$[1].steps", "greater than 0"),
    (Box | Reply, Box(wrong("1")), "$.width", "should be a valid integer"),
    (UNTYPED, {"image": b"png"}, "$.image", "base64"),
    (UNTYPED, {"image": {1: "a"}}, "$.image", "the key 1"),
    (UNTYPED, {"boxes": [Box(1), Box(wrong("1"))]}, "$.boxes[1].width", "does not fit `Box`"),
    (UNTYPED, {"image": Image.model_construct(url=1)}, "$.image.url", "does not fit `Image`"),
]


def shown(value: object) -> str:
    """A value in a test's name, which is the same in each process: without addresses."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


@pytest.mark.parametrize(("type_form", "value", "path", "words"), INPUT_MISFITS, ids=shown)
def test_misfit_input_is_refused_with_its_path(type_form: object, value: Any, path: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        as_input(type_form, value)
    assert caught.value.path == path
    assert words in caught.value.message
    assert path == "$" or f" at `{path}`" in caught.value.message
    assert caught.value.message.endswith("Nothing was sent.")


@pytest.mark.parametrize("value", [None, {}, [], "", ()], ids=repr)
def test_empty_inputs_are_refused(value: Any) -> None:
    with pytest.raises(InputError, match="drops an empty input before a worker sees it"):
        as_input(UNTYPED, value)


def test_typed_inputs_that_encode_to_nothing_are_refused() -> None:
    @dataclass
    class Nothing:
        pass

    class Frugal(msgspec.Struct, omit_defaults=True):
        steps: int = 20

    for value in (Nothing(), Frugal()):
        with pytest.raises(InputError, match="is empty"):
            as_input(type(value), value)


@pytest.mark.parametrize("value", [0, False, [None], {"": None}, " "], ids=repr)
def test_small_inputs_are_not_empty(value: Any) -> None:
    assert as_input(UNTYPED, value) == value


@pytest.mark.parametrize(
    ("type_form", "value"),
    [
        (Request, {"prompt": "p", "style": "oil"}),
        (list[Box], [{"width": 1}]),
        (Image, {"url": "u", "style": "oil"}),
        (Image, {"url": "u", "taken": "2026-01-02T00:00:00Z"}),
        (Box | Reply, {"text": "t"}),
    ],
    ids=str,
)
def test_data_that_fits_the_type_is_sent_unchanged(type_form: object, value: Any) -> None:
    assert as_input(type_form, value) == value


def test_a_subclass_sends_its_own_fields() -> None:
    @dataclass
    class Cube(Box):
        depth: int = 7

    assert as_input(Box, Cube(1)) == {"width": 1, "height": 1, "depth": 7}


def test_serialization_aliases_are_used() -> None:
    class OneWay(pydantic.BaseModel):
        steps: int = pydantic.Field(serialization_alias="num_inference_steps")

        @pydantic.field_serializer("steps")
        def _as_text(self, steps: int) -> str:
            return str(steps)

    assert as_input(OneWay, OneWay(steps=5)) == {"num_inference_steps": "5"}


def test_attributes_set_after_validation_are_checked() -> None:
    album = Album(images=[Image(url="u")])
    album.images[0].url = wrong(5)
    with pytest.raises(InputError) as caught:
        as_input(Album, album)
    assert caught.value.path == "$.images[0].url"


def test_untyped_inputs_may_hold_data_class_instances() -> None:
    value = {"box": Box(1), "more": [Sampling(2), Cat(9), Image(url="u"), Coordinate(1, 2), Quality.HIGH]}
    assert as_input(UNTYPED, value) == {
        "box": {"width": 1, "height": 1},
        "more": [
            {"steps": 2, "seed": None},
            {"type": "Cat", "lives": 9},
            {"url": "u", "taken": None, "numImages": 1},
            [1, 2],
            "high",
        ],
    }
    assert as_input(UNTYPED, Box(1)) == {"width": 1, "height": 1}


def test_instances_of_unsupported_classes_raise_input_error() -> None:
    @dataclass
    class Handle:
        write: Callable[[], None]
        opaque: Codec[int]

    with pytest.raises(InputError, match="`Handle` is not supported as a type") as caught:
        as_input(UNTYPED, {"a": [Handle(print, Celsius())]})
    assert caught.value.path == "$.a[0]"


def test_exceptions_of_data_classes_become_output_errors() -> None:
    with pytest.raises(OutputError, match="`Guarded` raised KeyError: 'an odd exception'"):
        as_output(Guarded, {"number": 14})
