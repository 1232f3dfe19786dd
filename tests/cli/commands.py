"""Commands of the command line, in this process or in processes of their own."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from runpod_typed._cli import main
from runpod_typed.local import LocalQueue

GOLDEN = Path(__file__).with_name("golden")


@frozen
class Result:
    """The end of a command."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The only line of stdout."""
        (line,) = self.stdout.splitlines()
        return json.loads(line)

    @property
    def lines(self) -> list[Any]:
        """The lines of stdout."""
        return [json.loads(line) for line in self.stdout.splitlines()]


def environment(queue: LocalQueue | None, **more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RUNPOD_", "XDG_"))}
    given = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"} | more
    if queue is not None:
        given = {"RUNPOD_API_KEY": queue.api_key, "RUNPOD_ENDPOINT_BASE_URL": queue.base_url} | given
    return inherited | given


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "runpod_typed", *arguments]


def run(queue: LocalQueue | None, *arguments: str, stdin: str = "", **variables: str) -> Result:
    """Run a command in this process: a new one takes half a second of a processor to start."""
    buffers = {"stdin": io.BytesIO(stdin.encode()), "stdout": io.BytesIO(), "stderr": io.BytesIO()}
    streams = {name: io.TextIOWrapper(buffer, "utf-8", write_through=True) for name, buffer in buffers.items()}
    variables = environment(queue, **variables)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        for name in os.environ.keys() | variables:
            patch.setenv(name, variables[name]) if name in variables else patch.delenv(name)
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        patch.setattr(sys, "argv", ["runpod-typed", *arguments])
        main()
    stdout, stderr = (buffers[name].getvalue().decode() for name in ("stdout", "stderr"))
    return Result(int(end.value.code or 0), stdout, stderr)


def start(queue: LocalQueue, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments),
        env=environment(queue, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check_golden(name: str, text: str) -> None:
    """Compare with a file; `UPDATE_GOLDEN=1` writes it."""
    text = re.sub(r"[ \t]+$", "", without_ids(text), flags=re.MULTILINE)
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def without_ids(text: str) -> str:
    """Replace ids and times, which are different each time."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-u1", "JOB", text)
    text = re.sub(r"worker[0-9a-f]{8}", "WORKER", text)
    text = re.sub(r'"(delayTime|executionTime)": \d+', r'"\1": 0', text)
    text = re.sub(r"\b[\d.]+ (ms|s)\b", "TIME", text)
    return re.sub(r"http://127\.0\.0\.1:\d+", "http://QUEUE", text)
