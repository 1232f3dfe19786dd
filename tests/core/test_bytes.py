"""Bytes are base64 in JSON in each codec, and numbers of numpy are numbers."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import attrs
import msgspec
import pydantic
import pydantic.dataclasses
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import TypedDict

from runpod_typed._codecs.codec import UNTYPED, codec_for
from runpod_typed._codecs.msgspec import MsgspecCodec
from runpod_typed._codecs.pydantic import PydanticCodec
from runpod_typed.errors import InputError, OutputError
from tests.core.codec_samples import Box, Image, as_input, as_output


@dataclass
class Picture:
    data: bytes


@dataclass
class Refusal:
    reason: str
    trace: bytes | None = None


@dataclass
class Gallery:  # served by pydantic, because of the image
    image: Image | None = None
    pictures: list[Picture] = field(default_factory=list[Picture])
    named: dict[str, bytes] = field(default_factory=dict[str, bytes])
    anything: Any = None


class Blob(TypedDict):
    data: bytes


class Packed(msgspec.Struct):
    data: bytes


@attrs.define
class Wrapped:
    data: bytes


MAKERS: list[tuple[Any, Callable[[bytes], Any]]] = [
    *((type_form, type_form) for type_form in (Picture, Packed, Wrapped)),
    (Blob, lambda data: Blob(data=data)),
    (Picture | Refusal, Picture),
    (Refusal | Picture, Picture),
    (Picture | Refusal, lambda data: Refusal("x", data)),
    (list[Picture | Refusal], lambda data: [Picture(data), Refusal("x", data)]),
    (dict[str, bytes | Box], lambda data: {"a": data, "b": Box(1)}),
]


@pytest.mark.parametrize(("type_form", "make"), MAKERS, ids=lambda value: str(value).partition(" at 0x")[0])
@given(st.binary())
def test_bytes_are_standard_base64_in_both_directions(
    type_form: Any, make: Callable[[bytes], Any], data: bytes
) -> None:
    value = make(data)
    plain = as_input(type_form, value)
    assert base64.b64encode(data).decode() in json.dumps(plain)
    assert as_output(type_form, plain) == value


@given(st.binary(), st.binary())
def test_bytes_within_types_that_pydantic_serves_are_base64(one: bytes, other: bytes) -> None:
    first, second = (base64.b64encode(data).decode() for data in (one, other))
    gallery = Gallery(None, [Picture(one)], {"a": other}, {"deep": [one, (other,)]})
    plain = {
        "image": None,
        "pictures": [{"data": first}],
        "named": {"a": second},
        "anything": {"deep": [first, [second]]},
    }
    assert isinstance(codec_for(Gallery), PydanticCodec)
    assert as_input(Gallery, gallery) == plain
    assert as_input(Gallery | Refusal, gallery) == plain
    assert as_input(UNTYPED, {"of": gallery}) == {"of": plain}
    assert as_input(Gallery, plain) == plain  # as it was given
    back = as_output(Gallery, plain)
    assert (back.pictures, back.named) == (gallery.pictures, gallery.named)


@pytest.mark.parametrize("type_form", [Picture, Picture | Refusal, Refusal | Picture, dict[str, bytes | Box]], ids=str)
@pytest.mark.parametrize("text", ["a", "????", "not base64!"])
def test_strings_that_are_not_base64_are_refused(type_form: object, text: str) -> None:
    with pytest.raises(OutputError, match="base64"):
        as_output(type_form, {"data": text})
    with pytest.raises(InputError, match="base64"):
        as_input(type_form, {"data": text})


def test_the_config_of_a_pydantic_model_decides_about_its_bytes() -> None:
    class Plain(pydantic.BaseModel):
        data: bytes

    class Encoded(pydantic.BaseModel, ser_json_bytes="base64", val_json_bytes="base64"):
        data: bytes

    @pydantic.dataclasses.dataclass
    class Checked:
        data: bytes

    for type_form in (Plain, Plain | Refusal, list[Plain]):
        value: Any = [Plain(data=b"hi")] if type_form == list[Plain] else Plain(data=b"hi")
        assert '"hi"' in json.dumps(as_input(type_form, value))
    assert as_input(Checked | Refusal, Checked(b"hi")) == {"data": "hi"}
    assert as_input(Encoded | Refusal, Encoded(data=b"hi")) == {"data": "aGk="}
    assert as_output(Encoded, {"data": "aGk="}) == Encoded(data=b"hi")


def test_unions_with_bytes_keep_other_members() -> None:
    assert as_input(list[str | bytes | int | Box], ["a", b"hi", 5, Box(1)]) == [
        "a",
        "aGk=",
        5,
        {"width": 1, "height": 1},
    ]


# Numbers of numpy and other subclasses


class Half(float):
    def __repr__(self) -> str:
        return "Half"


class Count(int):
    pass


class Markup(str):
    __slots__ = ()


@dataclass
class Numbers:
    x: float
    n: int = 0
    name: str = ""
    more: list[float] = field(default_factory=list[float])
    extra: Any = None


def test_subclasses_of_plain_types_are_plain_in_every_path() -> None:
    value = Numbers(Half(0.5), Count(3), Markup("a"), [Half(1.5)], {"deep": Half(2.5)})
    plain = {"x": 0.5, "n": 3, "name": "a", "more": [1.5], "extra": {"deep": 2.5}}
    assert isinstance(codec_for(Numbers), MsgspecCodec)
    for type_form, given_value, sent in (
        (Numbers, value, plain),
        (Numbers | Box, value, plain),
        (UNTYPED, value, plain),
        (UNTYPED, {"x": Half(0.5)}, {"x": 0.5}),
        (float, Half(0.5), 0.5),
        (dict[str, float], {"x": Half(0.5)}, {"x": 0.5}),
        (float | Box, Half(0.5), 0.5),
    ):
        result = as_input(type_form, given_value)
        assert result == sent
        assert "Half" not in repr(result)
        assert json.dumps(result) == json.dumps(sent)


def test_numpy_floats_are_floats_in_every_path() -> None:
    numpy = pytest.importorskip("numpy")
    for type_form in (Numbers, Numbers | Box, UNTYPED):
        sent = as_input(type_form, Numbers(numpy.float64(0.5), more=[numpy.float64(1.5)]))
        assert (sent["x"], sent["more"]) == (0.5, [1.5])
        assert type(sent["x"]) is type(sent["more"][0]) is float


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        ("numpy.int64(5)", "send value.item()"),
        ("numpy.float32(0.5)", "send value.item()"),
        ("numpy.bool_(True)", "send value.item()"),
        ("numpy.array([1, 2])", "send value.tolist()"),
    ],
)
def test_other_numpy_values_are_refused_with_advice(make: str, advice: str) -> None:
    numpy = pytest.importorskip("numpy")
    value = eval(make, {"numpy": numpy})  # names of tests stay the same without numpy
    for type_form, given_value, path in (
        (UNTYPED, {"n": value}, "$.n"),
        (Numbers, Numbers(0.5, n=value), "$.n"),
        (Numbers, Numbers(0.5, extra=[value]), "$.extra[0]"),
        (Numbers | Box, Numbers(0.5, n=value), "$.n"),
        (Numbers | Box, Numbers(0.5, extra=[value]), "$.extra[0]"),
        (dict[str, int], {"n": value}, "$.n"),
    ):
        with pytest.raises(InputError, match=advice.replace("(", r"\(").replace(")", r"\)")) as caught:
            as_input(type_form, given_value)
        assert caught.value.path == path


class Opaque:
    pass


def test_the_first_of_several_unknown_objects_is_named() -> None:
    for type_form in (Numbers, Numbers | Box):
        with pytest.raises(InputError, match=r"JSON has no form for `tests\.core\.test_bytes\.Opaque`") as caught:
            as_input(type_form, Numbers(0.5, extra=["\0", Opaque(), object()]))
        assert caught.value.path == "$.extra[1]"


class Grumpy(pydantic.BaseModel):
    number: int = 1

    @pydantic.field_serializer("number")
    def _serialize(self, number: int) -> int:
        raise ValueError("never on Fridays")


def test_serializers_that_raise_are_quoted() -> None:
    with pytest.raises(InputError, match="never on Fridays"):
        as_input(Grumpy, Grumpy())
