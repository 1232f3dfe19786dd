"""The examples run, each as a program of its own, and say what they found."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.snippets import ROOT

pytestmark = pytest.mark.slow

EXAMPLES = ROOT / "examples"
STEPS = ["run_sync", "types", "run", "events", "stream", "failure", "retry", "health, purge_queue", "cancel"]


def run_program(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, path], cwd=path.parent, capture_output=True, text=True, timeout=170, check=False
    )


def longest_line(output: str) -> int:
    return max(map(len, output.splitlines()))


def headings(output: str) -> list[str]:
    return re.findall(r"^\d+\. (.+?): ", output, re.MULTILINE)


def test_the_demo_goes_through_all_of_its_steps_on_real_workers() -> None:
    demo = run_program(EXAMPLES / "demo.py")

    assert (demo.returncode, demo.stderr) == (0, ""), demo.stdout
    assert headings(demo.stdout) == STEPS
    assert "FileNotFoundError: no shades to draw with in" in demo.stdout  # the worker's traceback, to its last line
    assert "Everything was as it should be." in demo.stdout
    assert "\x1b" not in demo.stdout  # stdout is not a terminal
    assert longest_line(demo.stdout) <= 80


def test_the_first_job_shows_its_code_and_its_picture() -> None:
    first = run_program(EXAMPLES / "first_job.py")

    assert (first.returncode, first.stderr) == (0, "")
    assert "def draw(job: dict[str, Any]) -> dict[str, Any]:" in first.stdout
    assert "A Picture of 9 rows:" in first.stdout
    assert longest_line(first.stdout) <= 80


def test_demo_fails_on_wrong_result_and_shows_worker_output(tmp_path: Path) -> None:
    demo = run_program(changed_copy(tmp_path, "worker.py", '"rows": rows', '"rows": []'))

    assert demo.returncode == 1
    assert "UnexpectedError: the picture should have 13 rows" in demo.stderr
    assert headings(demo.stdout) == ["run_sync"]
    assert "The last lines of painter's worker:" in demo.stdout
    assert "Sending Progress Update" in demo.stdout  # a line of the worker's log


def changed_copy(folder: Path, name: str, before: str, after: str) -> Path:
    """The demo in a folder of its own, with something changed in one of its files."""
    copy = shutil.copytree(EXAMPLES, folder / "examples")
    text = (copy / name).read_text(encoding="utf-8")
    assert before in text
    (copy / name).write_text(text.replace(before, after), encoding="utf-8")
    return copy / "demo.py"


def test_the_async_example_answers_every_question() -> None:
    example = run_program(EXAMPLES / "async_client.py")

    assert (example.returncode, example.stderr) == (0, "")
    assert example.stdout.splitlines()[11] == "12  [1, 2, 3, 4, 6, 12]"


def test_the_webhook_example_reads_the_job_that_it_submitted() -> None:
    example = run_program(EXAMPLES / "webhook.py")

    assert (example.returncode, example.stderr) == (0, "")
    assert "The one that was submitted: True" in example.stdout
    assert "Its output: Sum(total=10)" in example.stdout
