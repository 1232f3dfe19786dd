"""Declared types, and the inputs and outputs of their jobs. Checked for its types, never run."""

import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar, assert_type

import attrs
import msgspec
import pydantic
from typing_extensions import TypeForm

from runpod_typed import AsyncClient, AsyncEndpoint, Client, Codec, Endpoint, JobState
from runpod_typed.webhooks import MAX_WEBHOOK_BYTES, parse_webhook, verify_secret


@dataclass
class Prompt:
    text: str


@attrs.frozen
class Image:
    url: str


class Options(TypedDict, total=False):
    steps: int


class Size(NamedTuple):
    width: int
    height: int


class Mood(enum.Enum):
    DRY = "dry"
    WARM = "warm"


class Token(msgspec.Struct):
    text: str


class Answer(pydantic.BaseModel):
    text: str


T = TypeVar("T")


@dataclass
class Page(Generic[T]):
    items: list[T]


UserId = NewType("UserId", str)


class Seconds:
    """A codec by its shape alone."""

    def encode(self, value: dt.timedelta, /) -> Any:
        return value.total_seconds()

    def decode(self, data: Any, /) -> dt.timedelta:
        return dt.timedelta(seconds=data)


class Table(Codec[list[list[int]]]):
    """A codec that says so; its parameters may be named as it likes."""

    def encode(self, value: list[list[int]]) -> dict[str, list[list[int]]]:
        return {"rows": value}

    def decode(self, data: dict[str, list[list[int]]]) -> list[list[int]]:
        return data["rows"]


def nothing_declared_is_any_json(client: Client, async_client: AsyncClient) -> None:
    assert_type(client.endpoint("id"), Endpoint[Any, Any, Any])
    assert_type(async_client.endpoint("id"), AsyncEndpoint[Any, Any, Any])
    assert_type(Endpoint("id"), Endpoint[Any, Any, Any])
    assert_type(AsyncEndpoint("id"), AsyncEndpoint[Any, Any, Any])


def the_client_carries_every_kind_of_type(client: Client) -> None:
    assert_type(client.endpoint("id", output_type=Prompt), Endpoint[Any, Prompt, Any])
    assert_type(client.endpoint("id", output_type=Image), Endpoint[Any, Image, Any])
    assert_type(client.endpoint("id", output_type=Options), Endpoint[Any, Options, Any])
    assert_type(client.endpoint("id", output_type=Size), Endpoint[Any, Size, Any])
    assert_type(client.endpoint("id", output_type=Mood), Endpoint[Any, Mood, Any])
    assert_type(client.endpoint("id", output_type=Token), Endpoint[Any, Token, Any])
    assert_type(client.endpoint("id", output_type=Answer), Endpoint[Any, Answer, Any])
    assert_type(client.endpoint("id", output_type=Page[Token]), Endpoint[Any, Page[Token], Any])
    assert_type(client.endpoint("id", output_type=UserId), Endpoint[Any, UserId, Any])
    assert_type(client.endpoint("id", output_type=Literal["a", "b"]), Endpoint[Any, Literal["a", "b"], Any])
    assert_type(client.endpoint("id", output_type=Annotated[int, "pixels"]), Endpoint[Any, int, Any])
    assert_type(client.endpoint("id", output_type=int), Endpoint[Any, int, Any])
    assert_type(client.endpoint("id", output_type=dt.datetime), Endpoint[Any, dt.datetime, Any])
    assert_type(client.endpoint("id", output_type=None), Endpoint[Any, None, Any])
    assert_type(client.endpoint("id", output_type=object), Endpoint[Any, object, Any])


def so_does_an_endpoint_on_its_own() -> None:
    assert_type(Endpoint("id", output_type=Prompt), Endpoint[Any, Prompt, Any])
    assert_type(Endpoint("id", output_type=Image), Endpoint[Any, Image, Any])
    assert_type(Endpoint("id", output_type=Options), Endpoint[Any, Options, Any])
    assert_type(Endpoint("id", output_type=Size), Endpoint[Any, Size, Any])
    assert_type(Endpoint("id", output_type=Mood), Endpoint[Any, Mood, Any])
    assert_type(Endpoint("id", output_type=Token), Endpoint[Any, Token, Any])
    assert_type(Endpoint("id", output_type=Answer), Endpoint[Any, Answer, Any])
    assert_type(Endpoint("id", output_type=Page[Token]), Endpoint[Any, Page[Token], Any])
    assert_type(Endpoint("id", output_type=Literal["a", "b"]), Endpoint[Any, Literal["a", "b"], Any])
    assert_type(Endpoint("id", output_type=None), Endpoint[Any, None, Any])
    assert_type(AsyncEndpoint("id", output_type=Answer), AsyncEndpoint[Any, Answer, Any])


def containers_and_unions_keep_what_they_hold(client: Client, async_client: AsyncClient) -> None:
    assert_type(client.endpoint("id", output_type=list[Image]), Endpoint[Any, list[Image], Any])
    assert_type(client.endpoint("id", output_type=tuple[int, str]), Endpoint[Any, tuple[int, str], Any])
    assert_type(client.endpoint("id", output_type=Sequence[Token]), Endpoint[Any, Sequence[Token], Any])
    assert_type(
        client.endpoint("id", output_type=dict[str, list[Options]]), Endpoint[Any, dict[str, list[Options]], Any]
    )
    assert_type(client.endpoint("id", output_type=Mapping[Mood, Size]), Endpoint[Any, Mapping[Mood, Size], Any])
    assert_type(client.endpoint("id", output_type=str | None), Endpoint[Any, str | None, Any])
    assert_type(client.endpoint("id", output_type=Prompt | Answer), Endpoint[Any, Prompt | Answer, Any])
    assert_type(client.endpoint("id", output_type=list[Prompt | None] | str), Endpoint[Any, list[Prompt | None] | str])
    assert_type(Endpoint("id", output_type=Token | Image), Endpoint[Any, Token | Image, Any])
    assert_type(async_client.endpoint("id", output_type=Answer | None), AsyncEndpoint[Any, Answer | None, Any])
    assert_type(AsyncEndpoint("id", output_type=list[Answer] | None), AsyncEndpoint[Any, list[Answer] | None, Any])


def inputs_and_chunks_are_declared_alike(client: Client, async_client: AsyncClient) -> None:
    assert_type(client.endpoint("id", input_type=Prompt), Endpoint[Prompt, Any, Any])
    assert_type(client.endpoint("id", chunk_type=Token), Endpoint[Any, Any, Token])
    assert_type(client.endpoint("id", input_type=Options, chunk_type=str | bytes), Endpoint[Options, Any, str | bytes])
    assert_type(
        client.endpoint("id", input_type=Prompt, output_type=list[Token], chunk_type=Token),
        Endpoint[Prompt, list[Token], Token],
    )
    assert_type(
        client.endpoint("id", input_type=Prompt | Options, output_type=Answer | None, chunk_type=str | None),
        Endpoint[Prompt | Options, Answer | None, str | None],
    )
    assert_type(
        Endpoint("id", input_type=Prompt, output_type=list[Token], chunk_type=Token),
        Endpoint[Prompt, list[Token], Token],
    )
    assert_type(
        async_client.endpoint("id", input_type=Size, output_type=Mood, chunk_type=Image),
        AsyncEndpoint[Size, Mood, Image],
    )
    assert_type(
        AsyncEndpoint("id", input_type=Prompt | None, output_type=Mood | None, chunk_type=Image | None),
        AsyncEndpoint[Prompt | None, Mood | None, Image | None],
    )


def a_codec_stands_for_what_it_decodes(client: Client, async_client: AsyncClient) -> None:
    assert_type(client.endpoint("id", output_codec=Seconds()), Endpoint[Any, dt.timedelta, Any])
    assert_type(client.endpoint("id", input_codec=Seconds()), Endpoint[dt.timedelta, Any, Any])
    assert_type(client.endpoint("id", chunk_codec=Table()), Endpoint[Any, Any, list[list[int]]])
    assert_type(Endpoint("id", output_codec=Seconds()), Endpoint[Any, dt.timedelta, Any])
    assert_type(async_client.endpoint("id", output_codec=Table()), AsyncEndpoint[Any, list[list[int]], Any])
    assert_type(AsyncEndpoint("id", output_codec=Seconds()), AsyncEndpoint[Any, dt.timedelta, Any])


def codecs_and_types_mix(client: Client) -> None:
    assert_type(client.endpoint("id", input_type=Prompt, output_codec=Seconds()), Endpoint[Prompt, dt.timedelta, Any])
    assert_type(
        client.endpoint("id", input_codec=Table(), output_type=list[Answer], chunk_type=Options),
        Endpoint[list[list[int]], list[Answer], Options],
    )
    assert_type(
        Endpoint("id", input_codec=Seconds(), output_type=Mood, chunk_codec=Table()),
        Endpoint[dt.timedelta, Mood, list[list[int]]],
    )


def unions_and_literals_stand_beside_a_codec(client: Client, async_client: AsyncClient) -> None:
    assert_type(
        client.endpoint("id", input_type=Prompt | None, output_codec=Seconds()),
        Endpoint[Prompt | None, dt.timedelta, Any],
    )
    assert_type(
        client.endpoint("id", input_codec=Seconds(), output_type=Literal["a", "b"], chunk_type=Prompt | str),
        Endpoint[dt.timedelta, Literal["a", "b"], Prompt | str],
    )
    assert_type(
        async_client.endpoint("id", output_type=Answer | None, chunk_codec=Table()),
        AsyncEndpoint[Any, Answer | None, list[list[int]]],
    )
    assert_type(
        Endpoint("id", input_type=Literal["a"], output_codec=Seconds(), chunk_type=Prompt | None),
        Endpoint[Literal["a"], dt.timedelta, Prompt | None],
    )
    assert_type(
        AsyncEndpoint("id", input_codec=Seconds(), output_type=list[Answer] | None),
        AsyncEndpoint[dt.timedelta, list[Answer] | None, Any],
    )


def unions_stand_beside_two_codecs(client: Client) -> None:
    assert_type(
        client.endpoint("id", input_type=Prompt | None, output_codec=Seconds(), chunk_codec=Table()),
        Endpoint[Prompt | None, dt.timedelta, list[list[int]]],
    )


def a_webhook_is_typed_like_an_output(body: bytes, text: str) -> None:
    assert_type(verify_secret(text, text), bool)
    assert_type(MAX_WEBHOOK_BYTES, int)
    assert_type(parse_webhook(body), JobState[Any])
    assert_type(parse_webhook(text, output_type=Answer), JobState[Answer])
    assert_type(parse_webhook(body, output_type=Prompt | Answer), JobState[Prompt | Answer])
    assert_type(parse_webhook(body, output_type=list[Token] | None), JobState[list[Token] | None])
    assert_type(parse_webhook(body, output_codec=Seconds()), JobState[dt.timedelta])
    assert_type(parse_webhook(body, output_type=Answer).output, Answer | None)
    assert_type(parse_webhook(memoryview(body), output_type=Answer, max_bytes=5).result(), Answer)


async def a_confirmed_webhook_is_typed_like_its_endpoint(
    body: bytes, endpoint: Endpoint[Any, Answer], async_endpoint: AsyncEndpoint[Any, Answer]
) -> None:
    assert_type(parse_webhook(body, confirm=endpoint), JobState[Answer])
    assert_type(await parse_webhook(body, confirm=async_endpoint), JobState[Answer])


def functions_can_pass_types_on(client: Client, output_type: TypeForm[T], codec: Codec[T]) -> None:
    assert_type(client.endpoint("id", output_type=output_type), Endpoint[Any, T, Any])
    assert_type(client.endpoint("id", output_codec=codec), Endpoint[Any, T, Any])
