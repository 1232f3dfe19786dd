"""A typed job without an account: the handler runs in this process.

python examples/first_job.py
"""

import inspect
import textwrap
from dataclasses import dataclass
from typing import Any

from runpod_typed import Endpoint
from runpod_typed.local import LocalQueue


@dataclass
class Sketch:
    """The input."""

    width: int
    height: int


@dataclass
class Picture:
    """The output."""

    rows: list[str]


def draw(job: dict[str, Any]) -> dict[str, Any]:
    """Draw a lighthouse, in a handler as Runpod's SDK takes it."""
    width, height = job["input"]["width"], job["input"]["height"]
    tower = ["*" * (row // 2 * 2 + 1) for row in range(1, height)]
    return {"rows": [line.center(width) for line in [*tower, "~" * width]]}


def submit(queue: LocalQueue) -> Picture:
    """Submit a job, and wait for its output."""
    with Endpoint(
        queue.endpoint_id,
        api_key=queue.api_key,
        base_url=queue.base_url,
        input_type=Sketch,
        output_type=Picture,
    ) as painter:
        return painter.run_sync(Sketch(width=48, height=9), timeout=30)


def main() -> None:
    """Print the handler, the code that submits a job to it, and the output."""
    for function in (draw, submit):
        print(textwrap.indent(inspect.getsource(function), "     "))
    with LocalQueue(draw) as queue:
        picture = submit(queue)
    print(f"     A {type(picture).__name__} of {len(picture.rows)} rows:\n")
    for row in picture.rows:
        print("     " + row.rstrip())


if __name__ == "__main__":
    main()
