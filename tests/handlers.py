"""Handlers for the local queue, as a user would write them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

from runpod_typed.local import progress_update

Job = dict[str, Any]


def square(job: Job) -> dict[str, Any]:
    """Squares `n`; does what else the input says."""
    order = job["input"]
    if "sleep" in order:
        time.sleep(order["sleep"])
    if "boom" in order:
        raise ValueError(order["boom"])
    if "error" in order:
        return {"error": order["error"]}
    for step in range(order.get("steps", 0)):
        progress_update(job, {"step": step})
        time.sleep(order.get("pause", 0.05))
    n = order.get("n", 0)
    return {"squared": n * n}


def count(job: Job) -> Iterator[Any]:
    """Yields 0, 1, 2 ... up to `n`, slowly; does what else the input says."""
    order = job["input"]
    for number in range(order["n"]):
        time.sleep(order.get("pause", 0.01))
        if number == order.get("boom_at", -1):
            raise ValueError("the stream broke")
        yield {"number": number}


def large_chunks(job: Job) -> Iterator[str]:
    """Yields a chunk that is split on the way, and a small one a second later."""
    yield "a" * 1_500_000
    time.sleep(1.2)
    yield "b"


class Flaky:
    """Fails until it is told not to."""

    def __init__(self) -> None:
        self.works = threading.Event()

    def __call__(self, job: Job) -> str:
        if not self.works.is_set():
            raise RuntimeError("not yet")
        return "worked"


class Blocking:
    """Runs until it is released."""

    def __init__(self) -> None:
        self.release = threading.Event()

    def __call__(self, job: Job) -> str:
        self.release.wait(60)
        return "released"
