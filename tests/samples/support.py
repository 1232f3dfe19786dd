"""What the samples' tests have in common: how long they sleep, and the handlers behind them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Final

from runpod_typed.local import HandlerConfig

SECOND: Final = 0.03
"""A second of the samples' sleeping, here. Their loops sleep for 3, 5 or 10 of them between two looks."""

ENDPOINT_ID: Final = "YOUR_ENDPOINT_ID"

Job = dict[str, Any]


def chat(job: Job) -> dict[str, Any]:
    """Answers as the language model does whose outputs the samples print."""
    return {"input_tokens": 24, "output_tokens": 16, "text": [f"You said: {job['input']['prompt']}"]}


def choose(job: Job) -> list[dict[str, Any]]:
    """Answers as the other language model does, the one behind the JavaScript samples."""
    choice = {"message": {"role": "assistant", "content": job["input"]["prompt"].upper()}}
    return [{"choices": [choice], "usage": {"input": 5, "output": 16}}]


def echo(job: Job) -> Any:
    """Gives back what it got: what a client really sent."""
    return job["input"]


def say(job: Job) -> str:
    """Gives back the prompt alone."""
    prompt: str = job["input"]["prompt"]
    return prompt


def refuse(job: Job) -> str:
    """Fails as handlers do, by raising."""
    raise ValueError(f"no model for {job['input']['prompt']!r}")


def spell(job: Job) -> Iterator[str]:
    """Yields the prompt letter by letter."""
    yield from job["input"]["prompt"]


SPELLING: Final[HandlerConfig] = {"handler": spell, "return_aggregate_stream": True}


class Gate:
    """A handler that has started, and waits until it may go on."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.open = threading.Event()

    def __call__(self, job: Job) -> Any:
        self.started.set()
        self.open.wait(30)
        return job["input"]


class Flaky:
    """Fails the first time and works from then on."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, job: Job) -> Any:
        self.calls += 1
        if self.calls == 1:
            raise RuntimeError("the model was not loaded yet")
        return job["input"]
