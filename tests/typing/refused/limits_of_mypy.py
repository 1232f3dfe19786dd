"""Right programs that mypy refuses. Checked for its types, never run.

Where a line here is refused no longer, it belongs into `accepted/`.
"""

from dataclasses import dataclass
from typing import Any, assert_type

from runpod_typed import Client, Endpoint


@dataclass
class Prompt:
    text: str


@dataclass
class LongPrompt(Prompt):
    limit: int


def any_as_a_type(client: Client) -> None:
    endpoint = client.endpoint("id", output_type=Any)  # mypy takes it for the class typing.Any: leave it out
    assert_type(endpoint, Endpoint[Any, Any, Any])  # E: mypy[assert-type]


def a_wider_input_than_the_annotation_says(client: Client) -> None:
    endpoint: Endpoint[LongPrompt] = client.endpoint("id", input_type=Prompt)  # E: mypy[arg-type]
    endpoint.run(LongPrompt("a", limit=3))
