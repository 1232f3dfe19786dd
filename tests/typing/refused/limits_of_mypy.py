"""Right programs that mypy refuses. Checked for its types, never run.

Where a line here is refused no longer, it belongs into `accepted/`.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, assert_type

from runpod_typed import Client, Endpoint


@dataclass
class Prompt:
    text: str


@dataclass
class LongPrompt(Prompt):
    limit: int


class Seconds:
    def encode(self, value: timedelta, /) -> Any:
        return value.total_seconds()

    def decode(self, data: Any, /) -> timedelta:
        return timedelta(seconds=data)


def a_union_or_literal_beside_two_codecs(client: Client) -> None:
    codec = Seconds()
    client.endpoint("id", input_type=Prompt | None, output_type=codec, chunk_type=codec)  # E: mypy[arg-type]
    endpoint = client.endpoint("id", input_type=codec, output_type=codec, chunk_type=Literal["a", "b"])
    assert_type(endpoint, Endpoint[timedelta, timedelta, Literal["a", "b"]])  # E: mypy[assert-type]


def a_wider_input_than_the_annotation_says(client: Client) -> None:
    endpoint: Endpoint[LongPrompt] = client.endpoint("id", input_type=Prompt)  # E: mypy[arg-type]
    endpoint.run(LongPrompt("a", limit=3))
