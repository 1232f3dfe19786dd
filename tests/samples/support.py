"""The handlers behind the samples, and the length of their pauses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Final

from runpod_typed.local import HandlerConfig

SECOND: Final = 0.03
"""The length of a second here. The loops of the samples sleep for 3, 5 or 10 seconds between two polls."""

ENDPOINT_ID: Final = "YOUR_ENDPOINT_ID"

Job = dict[str, Any]


def chat(job: Job) -> dict[str, Any]:
    """Respond like the language model of the Python samples."""
    return {"input_tokens": 24, "output_tokens": 16, "text": [f"You said: {job['input']['prompt']}"]}


def choose(job: Job) -> list[dict[str, Any]]:
    """Respond like the language model of the JavaScript samples."""
    choice = {"message": {"role": "assistant", "content": job["input"]["prompt"].upper()}}
    return [{"choices": [choice], "usage": {"input": 5, "output": 16}}]


def echo(job: Job) -> Any:
    """Return the input."""
    return job["input"]


def say(job: Job) -> str:
    """Return the prompt."""
    prompt: str = job["input"]["prompt"]
    return prompt


def refuse(job: Job) -> str:
    """Raise an error."""
    raise ValueError(f"no model for {job['input']['prompt']!r}")


def spell(job: Job) -> Iterator[str]:
    """Yield the prompt letter by letter."""
    yield from job["input"]["prompt"]


SPELLING: Final[HandlerConfig] = {"handler": spell, "return_aggregate_stream": True}


class Gate:
    """A handler that starts and then waits until the gate is open."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.open = threading.Event()

    def __call__(self, job: Job) -> Any:
        self.started.set()
        self.open.wait(30)
        return job["input"]


class Flaky:
    """A handler that fails the first time."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, job: Job) -> Any:
        self.calls += 1
        if self.calls == 1:
            raise RuntimeError("the model was not loaded yet")
        return job["input"]
