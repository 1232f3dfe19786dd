"""The README is true: its Python runs against a local queue, its commands and links exist."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import runpod_typed
from runpod_typed import RetryPolicy
from runpod_typed.local import Handler, HandlerConfig, LocalQueue, progress_update
from tests.docs.shell import commands_in, complaint, extras
from tests.docs.snippets import ROOT, Snippet, is_as_promised, run, snippets_in

pytestmark = pytest.mark.slow

README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")
FIRST_SCREEN = TEXT.splitlines()[:40]

Job = dict[str, Any]


# The workers behind `my-endpoint`, by the heading under which it is called.


def paint(job: Job) -> dict[str, str]:
    progress_update(job, {"step": 1})
    return {"url": "https://example.com/lighthouse.png"}


def refuse(job: Job) -> None:
    raise ValueError("steps must be positive")


async def dawdle(job: Job) -> None:
    await asyncio.sleep(60)


def write(job: Job) -> Iterator[str]:
    yield "In"
    yield "the"
    raise MemoryError("the fog is too thick")


def paint_many(job: Job) -> object:
    return "AAEC" if job["input"]["prompt"] == "a dot" else [paint(job)]


HANDLERS: dict[str, Handler | HandlerConfig] = {
    "runpod-typed": paint,
    "A failure raises": refuse,
    "A deadline holds": dawdle,
    "A stream ends": write,
    "Types": paint_many,
    "Async": paint,
    "Ten thousand inputs": paint,
}


@pytest.mark.parametrize("snippet", snippets_in(README, "python"), ids=str)
def test_what_the_readme_shows_runs_and_prints_what_it_says(
    snippet: Snippet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with LocalQueue(HANDLERS.get(snippet.heading), endpoint_id="my-endpoint") as queue:
        monkeypatch.setenv("RUNPOD_API_KEY", queue.api_key)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", queue.base_url)
        printed = run(snippet)
    assert is_as_promised(snippet, printed), f"{snippet} printed:\n{printed}"


def test_every_handler_here_serves_a_part_of_the_readme() -> None:
    calling = {snippet.heading for snippet in snippets_in(README, "python") if "my-endpoint" in snippet.code}

    assert calling == HANDLERS.keys()


def test_first_screen_shows_code_commands_and_reasons() -> None:
    first = snippets_in(README, "python")[0]
    shown = [line for line in first.code.splitlines() if line]

    assert first.line + len(first.code.splitlines()) < len(FIRST_SCREEN)
    assert len(shown) == 10
    for session in ("demo", "tests"):
        command = f"python3 -m pip install nox && python3 -m nox -s {session}"
        assert any(line.startswith(command) for line in FIRST_SCREEN)
    (shown_command,) = re.findall(r"`(runpod-typed .+)`", "\n".join(FIRST_SCREEN))
    assert complaint(shlex.split(shown_command)) is None
    assert len([line for line in FIRST_SCREEN if line.startswith("- **")]) == 4


@pytest.mark.parametrize("command", commands_in(README), ids=" ".join)
def test_every_command_names_what_there_is(command: list[str]) -> None:
    assert complaint(command) is None


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)", TEXT))
def test_every_link_leads_to_a_file(target: str) -> None:
    assert (ROOT / target).is_file()


def test_every_extra_is_explained() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)) == extras()


def test_the_names_of_errors_are_those_of_the_package() -> None:
    named = set(re.findall(r"\b[A-Z]\w+Error\b", TEXT)) - {"ValueError", "MemoryError"}

    assert named <= set(runpod_typed.__all__)


def test_the_figures_on_retries_are_the_defaults() -> None:
    policy = RetryPolicy()

    assert f"up to {policy.attempts} attempts within {policy.budget:g} seconds" in " ".join(TEXT.split())
