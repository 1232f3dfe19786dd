"""Commands run as people run them: as processes of their own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from attrs import frozen

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


def run(queue: LocalQueue | None, *arguments: str, stdin: str | None = None, **variables: str) -> Result:
    ended = subprocess.run(
        command(*arguments),
        env=environment(queue, **variables),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Result(ended.returncode, ended.stdout, ended.stderr)


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
