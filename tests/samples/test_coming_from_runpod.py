"""The pages for people who come from the official clients: their Python runs, and their names exist."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

import runpod_typed
from runpod_typed import Endpoint, Job, JobState, RetryPolicy
from runpod_typed.local import Handler, HandlerConfig, progress_update
from tests.docs.snippets import ROOT, Snippet, is_as_promised, run, snippets_in
from tests.samples.conftest import Serve
from tests.samples.support import echo, say

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs" / "coming-from-runpod.md"
TEXT = PAGE.read_text(encoding="utf-8")
SNIPPETS = snippets_in(PAGE, "python")
PAGES = [path.read_text(encoding="utf-8") for path in (PAGE, PAGE.with_name("coming-from-javascript-or-go.md"))]


# The workers, by the heading under which they are called.


def run_out_of_memory(job: dict[str, Any]) -> None:
    raise RuntimeError("CUDA out of memory")


def report(job: dict[str, Any]) -> None:
    progress_update(job, {"step": 1})
    time.sleep(2)  # its progress is looked at once a second


async def say_slowly(job: dict[str, Any]) -> str:
    await asyncio.sleep(1)  # the page waits for half a second
    return say(job)


async def spell_slowly(job: dict[str, Any]) -> AsyncIterator[str]:
    yield "H"
    yield "e"
    await asyncio.sleep(60)  # until it is cancelled
    yield "l"


def chat(job: dict[str, Any]) -> dict[str, Any]:
    return {"output_tokens": 16, "text": ["Hello! How may I help you today?"]}


HANDLERS: dict[str, Handler | HandlerConfig] = {
    "A failure raises": run_out_of_memory,
    "None is a result": report,
    "Waiting waits": say_slowly,
    "A stream ends": spell_slowly,
    "Safe calls are retried": say,
    "Types are yours": chat,
    "The whole request body, or the input alone": echo,
    "asyncio and trio": say,
    "Ctrl-C": say,
}


@pytest.mark.parametrize("snippet", SNIPPETS, ids=str)
def test_snippet_prints_what_the_page_shows(snippet: Snippet, serve: Serve) -> None:
    serve(HANDLERS.get(snippet.heading, say))
    assert snippet.output is not None, f"{snippet} promises nothing"
    printed = run(snippet)
    assert is_as_promised(snippet, printed), f"{snippet} printed:\n{printed}"


def test_every_handler_is_used_by_the_page() -> None:
    assert {snippet.heading for snippet in SNIPPETS if "ENDPOINT_ID" in snippet.code} == HANDLERS.keys()


@pytest.mark.parametrize("text", PAGES, ids=["Python", "JavaScript and Go"])
def test_methods_and_attributes_in_tables_exist(text: str) -> None:
    owners: dict[str, type] = {"endpoint": Endpoint, "job": Job, "state": JobState}
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert {len(row) for row in rows} <= {2, 3}
    named = set(re.findall(r"\b(endpoint|job|state)\.(\w+)", " ".join(row[1] for row in rows)))
    assert len(named) > 12
    assert [name for name in named if not hasattr(owners[name[0]], name[1]) and name not in fields_of_state()] == []


def fields_of_state() -> set[tuple[str, str]]:
    return {("state", name) for name in JobState.__annotations__}


def test_error_names_exist() -> None:
    theirs = {"HTTPError", "KeyError", "RuntimeError", "TimeoutError", "TypeError"}
    assert set(re.findall(r"\b[A-Z]\w+Error\b", "".join(PAGES))) - theirs <= set(runpod_typed.__all__)


def test_retry_numbers_are_the_defaults() -> None:
    policy = RetryPolicy()
    assert f"up to {policy.attempts} attempts within {policy.budget:g} seconds" in " ".join(TEXT.split())
