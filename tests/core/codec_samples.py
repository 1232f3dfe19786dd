"""Types of all kinds that the tests of codecs declare."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, NamedTuple, NotRequired, TypeVar

import attrs
import msgspec
import pydantic
import pydantic.dataclasses
from hypothesis import strategies as st
from typing_extensions import TypedDict

from runpod_typed import JobState, JobStatus
from runpod_typed._codecs.codec import codec_for
from runpod_typed._core.run_request import encode_input
from runpod_typed._models.jobs import with_typed_output

T = TypeVar("T")

ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Quality(enum.Enum):
    LOW = "low"
    HIGH = "high"


@dataclass
class Box:
    width: int
    height: int = 1


@dataclass
class Request:
    prompt: str
    size: list[int] = field(default_factory=lambda: [512, 512])
    quality: Quality = Quality.LOW
    boxes: dict[str, Box] = field(default_factory=dict[str, Box])
    note: str | None = None
    extra: Any = None


@dataclass
class Reply:
    text: str
    seconds: float = 0.0


@dataclass
class Guarded:
    number: int

    def __post_init__(self) -> None:
        if self.number == 13:
            raise ValueError("13 brings bad luck")
        if self.number == 14:
            raise KeyError("an odd exception")


@attrs.define
class Sampling:
    steps: int = attrs.field(validator=attrs.validators.ge(1))
    seed: int | None = None


class Options(TypedDict):
    name: str
    strength: NotRequired[float]


class Coordinate(NamedTuple):
    x: int
    y: int


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True, rename="camel"):
    good_boy: bool


@dataclass
class Tree(Generic[T]):
    value: T
    children: list[Tree[T]] = field(default_factory=list["Tree[T]"])


class Image(pydantic.BaseModel):
    url: str
    taken: datetime | None = None
    num_images: int = pydantic.Field(default=1, alias="numImages")


class Album(pydantic.BaseModel):
    images: list[Image]
    cover: Image | None = None


class Tidied(pydantic.BaseModel):
    taken: datetime
    tags: tuple[str, ...] = ()
    price: Decimal = Decimal(0)
    count: int = 0

    @pydantic.model_validator(mode="before")
    @classmethod
    def _tidy(cls, data: Any) -> Any:
        return data


class Holder(pydantic.BaseModel):
    content: Any


@pydantic.dataclasses.dataclass
class Checked:
    number: int

    @pydantic.field_validator("number")
    @classmethod
    def _be_even(cls, number: int) -> int:
        if number % 2:
            raise ValueError("odd")
        return number


@dataclass
class Limited:
    steps: Annotated[int, pydantic.Field(gt=0)]


@dataclass
class WithImage:
    image: Image


def as_output(type_form: object, data: Any, job_id: str = "job-1") -> Any:
    state: JobState[Any] = JobState(id=job_id, status=JobStatus.COMPLETED, output=data, raw={})
    return with_typed_output(state, codec_for(type_form)).output


def as_input(type_form: object, value: Any, **keywords: Any) -> Any:
    return encode_input(codec_for(type_form), value, **keywords)


def wrong(value: object) -> Any:
    """A value where a type checker would not have it."""
    return value


class Celsius:
    """A temperature, written as a string such as ``21C``."""

    def encode(self, value: int) -> Any:
        return f"{value:d}C"

    def decode(self, data: Any) -> int:
        if not data.endswith("C"):
            raise ValueError(f"{data} is not a temperature")
        return int(data[:-1])
