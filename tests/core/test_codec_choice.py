from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import InitVar, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import attrs
import msgspec
import pytest
from annotated_types import Gt
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import TypeAliasType, TypedDict

from runpod_typed._codecs.codec import UNTYPED, codec_for
from runpod_typed._codecs.msgspec import MsgspecCodec
from runpod_typed._codecs.pydantic import PydanticCodec
from runpod_typed._core.run_request import encode_input
from runpod_typed.errors import ConfigurationError, InputError, OutputError
from tests.core.codec_samples import (
    ANY_JSON,
    Album,
    Box,
    Cat,
    Checked,
    Coordinate,
    Dog,
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
    WithImage,
    as_input,
    as_output,
)

Case = tuple[object, object, object]

Positive = TypeAliasType("Positive", Annotated[int, Gt(0)])

OF_MSGSPEC: list[Case] = [
    (str, "text", "text"),
    (int, 5, 5),
    (int, 2**80, 2**80),
    (float, 1.5, 1.5),
    (bool, True, True),
    (bytes, b"hi", "aGk="),
    (datetime, datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z"),
    (timedelta, timedelta(seconds=1.5), "PT1.5S"),
    (UUID, UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (Decimal, Decimal("0.10"), "0.10"),
    (Quality, Quality.HIGH, "high"),
    (Literal["a", "b"], "b", "b"),
    (list[int], [1, 2], [1, 2]),
    (tuple[int, str], (1, "a"), [1, "a"]),
    (set[int], {1}, [1]),
    (dict[int, str], {1: "a"}, {"1": "a"}),
    (Box | None, Box(2), {"width": 2, "height": 1}),
    (list[Box | None], [Box(2), None], [{"width": 2, "height": 1}, None]),
    (Sampling, Sampling(3), {"steps": 3, "seed": None}),
    (Options, {"name": "n"}, {"name": "n"}),
    (Coordinate, Coordinate(1, 2), [1, 2]),
    (Cat | Dog, Dog(good_boy=True), {"type": "Dog", "goodBoy": True}),
    (Tree[int], Tree(1, [Tree(2)]), {"value": 1, "children": [{"value": 2, "children": []}]}),
    (NewType("Score", float), 0.5, 0.5),
    (Annotated[int, msgspec.Meta(gt=0)], 1, 1),
]
OF_PYDANTIC: list[Case] = [
    (Image, Image(url="u", numImages=2), {"url": "u", "taken": None, "numImages": 2}),
    (
        Image,
        Image(url="u", taken=datetime(2026, 1, 2, tzinfo=UTC)),
        {"url": "u", "taken": "2026-01-02T00:00:00Z", "numImages": 1},
    ),
    (list[Image] | None, [Image(url="u")], [{"url": "u", "taken": None, "numImages": 1}]),
    (
        Album,
        Album(images=[Image(url="u")]),
        {"images": [{"url": "u", "taken": None, "numImages": 1}], "cover": None},
    ),
    (WithImage, WithImage(Image(url="u")), {"image": {"url": "u", "taken": None, "numImages": 1}}),
    (Tree[Image], Tree(Image(url="u")), {"value": {"url": "u", "taken": None, "numImages": 1}, "children": []}),
    (Box | Reply, Reply("t"), {"text": "t", "seconds": 0.0}),
    (Box | Reply, Box(1), {"width": 1, "height": 1}),
    (list[Box | Reply], [Box(1), Reply("t", 1.5)], [{"width": 1, "height": 1}, {"text": "t", "seconds": 1.5}]),
    (Limited, Limited(1), {"steps": 1}),
    (Checked, Checked(2), {"number": 2}),
    (Holder, Holder(content=[None]), {"content": [None]}),
    (Annotated[int, Gt(0)], 1, 1),
    (Positive, 1, 1),
    (Path, Path("cat.png"), "cat.png"),
    (
        Tidied,
        Tidied(taken=datetime(2026, 1, 2, tzinfo=UTC), tags=("a",), price=Decimal("0.1")),
        {"taken": "2026-01-02T00:00:00Z", "tags": ["a"], "price": "0.1", "count": 0},
    ),
]


@pytest.mark.parametrize(("type_form", "value", "plain"), OF_MSGSPEC, ids=str)
def test_msgspec_types_survive_both_ways(type_form: object, value: Any, plain: Any) -> None:
    assert isinstance(codec_for(type_form), MsgspecCodec)
    assert as_input(type_form, value) == plain
    assert as_output(type_form, plain) == value


@pytest.mark.parametrize(("type_form", "value", "plain"), OF_PYDANTIC, ids=str)
def test_pydantic_types_survive_both_ways(type_form: object, value: Any, plain: Any) -> None:
    assert isinstance(codec_for(type_form), PydanticCodec)
    assert as_input(type_form, value) == plain
    assert as_output(type_form, plain) == value


def test_type_aliases_are_followed() -> None:
    assert as_input(list[Positive], [5]) == [5]
    assert as_output(list[Positive], [5]) == [5]
    with pytest.raises(OutputError):
        as_output(list[Positive], [-5])


def test_none_is_a_valid_output() -> None:
    assert as_output(None, None) is None
    assert as_output(Box | None, None) is None
    assert as_output(Image | None, None) is None


@given(st.builds(Request, extra=ANY_JSON, boxes=st.dictionaries(st.text(), st.builds(Box))))
def test_any_typed_value_survives_both_ways(request: Request) -> None:
    plain = as_input(Request, request)
    assert as_output(Request, json.loads(json.dumps(plain))) == request


@given(ANY_JSON)
def test_any_json_is_sent_untyped(value: Any) -> None:
    assert as_output(UNTYPED, value) == value
    if value is None or value in ([], {}, ""):
        with pytest.raises(InputError):
            as_input(UNTYPED, value)
    else:
        assert json.dumps(as_input(UNTYPED, value)) == json.dumps(value)


@pytest.mark.parametrize("type_form", [Any, object, UNTYPED], ids=str)
def test_any_and_object_mean_untyped(type_form: object) -> None:
    assert codec_for(type_form) is codec_for(UNTYPED)


class Unknown:
    pass


@dataclass
class Undefined:
    value: Missing  # type: ignore[name-defined]  # noqa: F821 -- what is tested  # pyright: ignore[reportUndefinedVariable]


@attrs.define
class Private:
    _token: str = ""


@attrs.define
class AttrsWithModel:
    image: Image


@pytest.mark.parametrize(
    ("type_form", "words"),
    [
        (Unknown, "no rule for `Unknown`"),
        (list[Unknown], "no rule for `Unknown`"),
        (dict[str, Unknown | None], "no rule for `Unknown`"),
        (Undefined, "Missing"),
        (Private, "private attributes, such as `Private._token`"),
        (AttrsWithModel, "no rule for `Image`"),
        (Sampling | Box, "union of msgspec.Struct classes with tags"),
        ("Request", "without quotes"),
        (GenericAlias(list, ("Nowhere",)), "Nowhere"),
        (5, "`5` is not supported as a type"),
        (Box(1), "is not supported as a type"),
        pytest.param(
            TypedDict,
            "is not supported as a type",
            marks=pytest.mark.skipif(version("typing_extensions") < "4.14", reason="pydantic takes its plain function"),
        ),
    ],
    ids=lambda value: str(value).partition(" at 0x")[0],
)
def test_unsupported_types_are_refused_at_once(type_form: object, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        codec_for(type_form)
    assert words in caught.value.message
    caught.value.message.encode()


def test_unhashable_types_are_supported() -> None:
    assert as_output(Annotated[int, {"not": "hashable"}], 5) == 5


def test_codecs_are_cached_and_thread_safe() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(codec_for, [list[Request]] * 64))
    assert all(encode_input(codec, [Request("p")]) for codec in made)
    assert codec_for(list[Request]) is codec_for(list[Request])


def test_the_order_of_a_union_is_kept() -> None:
    @dataclass
    class One:
        n: int

    @dataclass
    class Two:
        n: int

    assert type(as_output(One | Two, {"n": 1})) is One
    assert type(as_output(Two | One, {"n": 1})) is Two


def test_init_only_arguments_are_left_to_pydantic() -> None:
    @dataclass
    class Scaled:
        size: int
        factor: InitVar[int] = 1

    assert isinstance(codec_for(Scaled), PydanticCodec)


@pytest.mark.parametrize("type_form", [Box | Reply, list[Sampling | Reply], Annotated[int, Gt(0)]], ids=str)
def test_missing_pydantic_is_named_with_the_alternatives(type_form: object, monkeypatch: pytest.MonkeyPatch) -> None:
    class NotMadeBefore:
        pass

    monkeypatch.setitem(sys.modules, "pydantic", None)
    monkeypatch.delitem(sys.modules, "runpod_typed._codecs.pydantic")
    with pytest.raises(ConfigurationError) as caught:
        codec_for(Annotated[type_form, NotMadeBefore()])
    assert "Install the extra `pydantic` of this package" in caught.value.message
    assert "a custom Codec" in caught.value.message
    assert isinstance(caught.value.__cause__, ImportError)


def test_missing_pydantic_names_tagged_structs_for_unions(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class Local:
        pass

    monkeypatch.setitem(sys.modules, "pydantic", None)
    monkeypatch.delitem(sys.modules, "runpod_typed._codecs.pydantic")
    with pytest.raises(ConfigurationError, match=r"union of msgspec.Struct classes with tags, or a custom Codec"):
        codec_for(Local | Box)


def test_pydantic_is_imported_only_if_a_type_needs_it() -> None:
    program = """
import sys
from dataclasses import dataclass
from runpod_typed._codecs.codec import UNTYPED, codec_for
from runpod_typed._core.run_request import encode_input

@dataclass
class Box:
    width: int

@dataclass
class Reply:
    text: str

assert encode_input(codec_for(Box | None), Box(1)) == {"width": 1}
assert encode_input(codec_for(UNTYPED), {"box": Box(1)}) == {"box": {"width": 1}}
assert "pydantic" not in sys.modules
codec_for(Box | Reply)
assert "pydantic" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=150)
