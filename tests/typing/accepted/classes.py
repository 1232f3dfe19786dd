"""The types that the oldest supported versions of the type checkers know: classes. Checked for its types, never run."""

from dataclasses import dataclass
from typing import Any, TypedDict, assert_type

from runpod_typed import AsyncClient, AsyncEndpoint, Client, Endpoint, JobState


@dataclass
class Picture:
    url: str


class Prompt(TypedDict):
    text: str


class Base64:
    def encode(self, value: bytes, /) -> str:
        return value.hex()

    def decode(self, data: Any, /) -> bytes:
        return bytes.fromhex(data)


def endpoints_are_typed_by_classes(client: Client) -> None:
    assert_type(client.endpoint("id"), Endpoint[Any, Any, Any])
    assert_type(client.endpoint("id", output_type=Picture), Endpoint[Any, Picture, Any])
    assert_type(client.endpoint("id", output_type=list[Picture]), Endpoint[Any, list[Picture], Any])
    assert_type(
        client.endpoint("id", input_type=Prompt, output_type=dict[str, int], chunk_type=str),
        Endpoint[Prompt, dict[str, int], str],
    )
    assert_type(client.endpoint("id", input_type=Prompt, output_codec=Base64()), Endpoint[Prompt, bytes, Any])
    assert_type(Endpoint("id", output_type=Picture), Endpoint[Any, Picture, Any])


def jobs_are_typed_by_their_endpoint(client: Client) -> None:
    endpoint = client.endpoint("id", input_type=Prompt, output_type=Picture, chunk_type=int)
    job = endpoint.run({"text": "a"})
    assert_type(job.output(), Picture)
    assert_type(job.wait(), JobState[Picture])
    assert_type(list(job.stream()), list[int])
    assert_type(endpoint.run_sync({"text": "a"}), Picture)


async def so_are_async_jobs(client: AsyncClient) -> None:
    assert_type(AsyncEndpoint("id", output_type=Picture), AsyncEndpoint[Any, Picture, Any])
    job = await client.endpoint("id", output_type=Picture, chunk_type=int).run({"text": "a"})
    assert_type(await job.output(), Picture)
    assert_type([chunk async for chunk in job.stream()], list[int])


def unions_can_be_annotated(client: Client) -> None:
    endpoint: Endpoint[Any, Picture | None] = client.endpoint("id", output_type=Picture | None)
    assert_type(endpoint.run_sync(1), Picture | None)
