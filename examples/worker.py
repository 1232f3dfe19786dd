"""A Runpod worker, as one deploys it: it knows neither this library nor the local queue.

The handler draws the Mandelbrot set in letters, row by row: a stand-in for a model that takes its time, reports its
progress, and needs a file that may be missing.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import runpod

SHADES = " .,:;+*%#@"
MOST_STEPS = 60


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """The input of a job."""

    width: int
    height: int
    seconds: float = 0.0
    """How long to take over it."""
    shades_file: str | None = None
    """A file with the letters to draw with, from light to dark."""


async def handler(job: dict[str, Any]) -> dict[str, Any]:
    """Run one job. What it raises is the job's error, with this worker's traceback."""
    drawing = Drawing(**job["input"])
    shades = load_shades(drawing.shades_file)
    rows: list[str] = []
    for number in range(drawing.height):
        rows.append(draw_row(number, drawing, shades))
        runpod.serverless.progress_update(job, {"rows": number + 1, "of": drawing.height})
        await asyncio.sleep(drawing.seconds / drawing.height)  # here a cancelled job stops
    return {"rows": rows, "shades": shades}


def load_shades(file: str | None) -> str:
    """The letters to draw with."""
    if file is None:
        return SHADES
    if not Path(file).exists():
        raise FileNotFoundError(f"no shades to draw with in {file}")
    return Path(file).read_text(encoding="utf-8")


def draw_row(number: int, drawing: Drawing, shades: str) -> str:
    """One row of the picture."""
    imaginary = 1.2 - 2.4 * (number + 0.5) / drawing.height
    return "".join(
        shades[min(steps_to_escape(complex(3.2 * (column + 0.5) / drawing.width - 2.3, imaginary)), len(shades) - 1)]
        for column in range(drawing.width)
    )


def steps_to_escape(c: complex) -> int:
    """After how many steps a point is outside; the most that are tried where it stays."""
    z = 0j
    for step in range(MOST_STEPS):
        z = z * z + c
        if abs(z) > 2:
            return step
    return MOST_STEPS


if __name__ == "__main__":
    runpod.serverless.start({"handler": handler})
