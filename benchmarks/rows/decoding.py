"""A large output: from the bytes of the response to the objects that users get."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from benchmarks.figures import Section, in_turn, milliseconds, ratio_row, rounds_table
from benchmarks.processes import Probe
from benchmarks.rows.bench import OURS, Bench, with_profile

TYPED = "ours, typed"
STANDARD = "json.loads"
WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog",
    "while",
    "seven",
    "wizards",
    "brew",
    "strong",
    "café",
    "crème",
]


def body(bench: Bench) -> str:
    """Return a finished job whose output is a transcript of about `output_bytes`."""
    dice = bench.dice
    segments: list[dict[str, Any]] = []
    size = 0
    while size < bench.sizes.output_bytes:
        number = len(segments)
        segment = {
            "id": number,
            "text": " ".join(dice.choices(WORDS, k=12)),
            "start": round(number * 2.5, 2),
            "end": round(number * 2.5 + dice.uniform(1, 2), 3),
            "confidence": dice.random(),
            "speaker": dice.choice(["A", "B", None]),
            "tokens": [dice.randrange(50_000) for _ in range(16)],
            "tags": {"channel": "left", "model": "large-v3"},
        }
        segments.append(segment)
        size += len(json.dumps(segment))
    job = {"delayTime": 120, "executionTime": 4000, "id": "a1b2-u1", "status": "COMPLETED", "workerId": "w1"}
    return json.dumps(job | {"output": {"language": "en", "segments": segments}})


def measure(bench: Bench) -> list[Section]:
    """Measure ours, plain and typed, beside the standard library's decoder on the same bytes."""
    text = body(bench)
    count = 10

    def measurement(probe: Probe) -> Callable[[], float]:
        probe.do(do="decode", body=text, count=1)
        return lambda: probe.do(do="decode", body=text, count=count).cpu / count

    with ExitStack() as stack:
        probes = {name: stack.enter_context(bench.probe("decode", name)) for name in (OURS, TYPED, STANDARD)}
        rounds = in_turn(bench.sizes.decodings, {name: measurement(probe) for name, probe in probes.items()})
        section = Section(
            title="A large output",
            rows=[
                ratio_row(
                    "a job with a 1 MB output, bytes to plain JSON, CPU",
                    rounds,
                    OURS,
                    STANDARD,
                    target=0.7,
                    show=milliseconds,
                ),
                ratio_row("the same to dataclasses, CPU", rounds, TYPED, STANDARD, target=1.2, show=milliseconds),
            ],
            text=f"{len(text):,} bytes: a transcript of texts, numbers, lists and mappings. Ours reads it with "
            "`parse_webhook`, the code that reads the responses of a client: the job's fields are checked too.\n\n"
            + rounds_table(rounds, OURS, milliseconds),
        )
        return [with_profile(section, probes[TYPED], "decode-typed.txt", do="decode", body=text, count=100)]
