"""The pages of `docs/` are true: their Python runs, their commands, tables and numbers are right."""

# The figures of a page are compared with private constants.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import math
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from runpod_queue_api import wire

import runpod_typed
from runpod_typed import Client, PollPolicy, RateLimits, RetryPolicy
from runpod_typed._core import config, schedule
from runpod_typed._models.rate_limits import limit_for
from runpod_typed._transport import connection
from runpod_typed.local import FaultKind, Handler, HandlerConfig, LocalQueue, progress_update
from tests.docs.shell import commands_in, complaint, extras, sessions
from tests.docs.snippets import ROOT, Snippet, is_as_promised, run, snippets_in

pytestmark = pytest.mark.slow

DOCS = ROOT / "docs"
PROVED_ELSEWHERE = {"coming-from-runpod.md", "regenerating.md"}  # tests/samples, tests/regeneration
PAGES = sorted(page for page in DOCS.glob("*.md") if page.name not in PROVED_ELSEWHERE)
SNIPPETS = [snippet for page in PAGES for snippet in snippets_in(page, "python")]
RELIABILITY = (DOCS / "reliability.md").read_text(encoding="utf-8")

Job = dict[str, Any]


# The workers behind `my-endpoint`, by the page and the heading under which it is called.


def paint(job: Job) -> dict[str, str]:
    progress_update(job, {"step": 1})
    return {"url": "https://example.com/lighthouse.png"}


def paint_seeded(job: Job) -> list[dict[str, object]]:
    return [{"url": "https://example.com/lighthouse.png", "seed": 7}]


def paint_slowly(job: Job) -> dict[str, str]:
    picture = paint(job)
    time.sleep(1.5)  # longer than the limit of half a second that the page shows
    return picture


async def dawdle(job: Job) -> None:
    await asyncio.sleep(60)


def refuse(job: Job) -> None:
    raise ValueError("steps must be positive")


def write(job: Job) -> Iterator[str]:
    yield "In"
    yield "the"
    raise MemoryError("the fog is too thick")


def tell_the_length(job: Job) -> dict[str, int]:
    return {"minutes": 94}


HANDLERS: dict[tuple[str, str], Handler | HandlerConfig | None] = {
    ("bulk.md", "Ten thousand inputs"): paint,
    ("bulk.md", "Resume after a crash"): paint,
    ("bulk.md", "Jobs from anywhere"): paint,
    ("local-queue.md", "Recorded responses"): paint,
    ("index.md", "runpod-typed"): paint,
    ("quickstart.md", "With an account"): paint,
    ("quickstart.md", "Async"): paint,
    ("reliability.md", "Errors"): refuse,
    ("reliability.md", "Retries"): paint,
    ("reliability.md", "The log"): paint,
    ("reliability.md", "Rate limits"): paint,
    ("reliability.md", "Proxies and certificates"): paint,
    ("types.md", "Typed inputs and outputs"): paint_seeded,
    ("types.md", "Data that does not fit"): paint_seeded,
    ("types.md", "pydantic"): paint_seeded,
    ("types.md", "Custom codecs"): tell_the_length,
    ("types.md", "Options of one job"): None,  # no worker takes it, and nothing is posted to its webhook
    ("waiting.md", "Waiting"): paint,
    ("waiting.md", "Two limits"): paint_slowly,
    ("waiting.md", "Reconnecting to a job"): paint,
    ("waiting.md", "Progress"): paint_slowly,
    ("waiting.md", "Streaming"): write,
    ("waiting.md", "Cancelling and retrying"): dawdle,
    ("waiting.md", "Many jobs at once"): paint,
    ("waiting.md", "The endpoint as a whole"): paint,
    ("when-to-use-what.md", "Batches"): paint,
}


def place(snippet: Snippet) -> tuple[str, str]:
    return snippet.path.name, snippet.heading


def is_a_test_module(snippet: Snippet) -> bool:
    return "import pytest" in snippet.code


@pytest.mark.parametrize("snippet", [snippet for snippet in SNIPPETS if not is_a_test_module(snippet)], ids=str)
def test_a_snippet_runs_and_prints_what_stands_below_it(
    snippet: Snippet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with LocalQueue(HANDLERS.get(place(snippet)), endpoint_id="my-endpoint") as queue:
        monkeypatch.setenv("RUNPOD_API_KEY", queue.api_key)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", queue.base_url)
        printed = run(snippet)
    assert is_as_promised(snippet, printed), f"{snippet} printed:\n{printed}"


@pytest.mark.parametrize("snippet", [snippet for snippet in SNIPPETS if is_a_test_module(snippet)], ids=str)
def test_a_test_module_passes_under_pytest(snippet: Snippet, tmp_path: Path) -> None:
    module = tmp_path / "test_shown.py"
    module.write_text(snippet.code, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", module.name]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False)

    assert shown.returncode == 0, shown.stdout
    assert f"{snippet.code.count('def test_')} passed" in shown.stdout


def test_every_handler_here_serves_a_part_of_a_page() -> None:
    calling = {
        place(snippet) for snippet in SNIPPETS if '"my-endpoint"' in snippet.code and "LocalQueue" not in snippet.code
    }

    assert calling == HANDLERS.keys()


def test_every_extra_is_explained() -> None:
    text = (DOCS / "quickstart.md").read_text(encoding="utf-8")

    assert set(re.findall(r"^\| `([a-z]+)` \|", text, re.MULTILINE)) == extras()


@pytest.mark.parametrize("command", commands_in(*PAGES), ids=" ".join)
def test_every_command_names_what_there_is(command: list[str]) -> None:
    assert complaint(command) is None


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_blocks_fit_the_column(page: Path) -> None:
    blocks = [snippet for language in ("python", "sh", "text") for snippet in snippets_in(page, language)]
    assert [line for block in blocks for line in block.code.splitlines() if len(line) > 88] == []


def test_blocks_are_of_a_language_that_is_proved() -> None:
    languages = {
        (page.name, language)
        for page in PAGES
        for language in re.findall(r"^```(\w+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert {language for _, language in languages} <= {"python", "sh", "text", "toml"}


@pytest.mark.parametrize("snippet", [snippet for page in PAGES for snippet in snippets_in(page, "toml")], ids=str)
def test_profiles_that_are_shown_can_be_used(snippet: Snippet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "runpod-typed" / "config.toml"
    file.parent.mkdir()
    file.write_text(snippet.code, encoding="utf-8")

    profiles = tomllib.loads(snippet.code)
    assert profiles
    for name, profile in profiles.items():
        with Client(profile=name) as client:
            assert client.base_url == profile.get("base_url", wire.SERVER_URL)


def rows_of_the_page(head: str) -> list[list[str]]:
    """The cells of the table in reliability.md whose first line begins so."""
    lines = RELIABILITY.partition(head)[2].partition("\n\n")[0]
    table = (head + lines).splitlines()
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in [table[0], *table[2:]]]


# Figures.


def test_the_table_of_rate_limits_is_the_published_one() -> None:
    published = {
        limit.budget: [str(limit.requests), "" if limit.concurrent is None else str(limit.concurrent)]
        for limit in wire.OPERATION_LIMITS.values()
    }

    assert {row[0].strip("`"): row[1:3] for row in rows_of_the_page("| Limit | Requests")[1:]} == published
    assert {limit.window_seconds for limit in wire.OPERATION_LIMITS.values()} == {10}
    for operation, limit in wire.OPERATION_LIMITS.items():
        kept = limit_for(RateLimits(), operation)
        assert kept is not None
        if limit.concurrent is not None:
            assert kept[1].concurrent == limit.concurrent - math.ceil(limit.concurrent / 20)  # "a twentieth"


def test_the_figures_of_the_page_on_reliability_are_the_defaults() -> None:
    policy, words = RetryPolicy(), " ".join(RELIABILITY.split())

    assert f"up to {policy.attempts} attempts within {policy.budget:g} seconds" in words
    assert f"longer than `max_retry_after` ({policy.max_retry_after:g} seconds)" in words
    assert f"`PollPolicy.max_outage` ({PollPolicy().max_outage:g} seconds)" in words
    assert f"polls again for {schedule._NOT_FOUND_SECONDS:g} seconds" in words
    assert f"pauses that grow to {schedule._LONGEST_RETRY_PAUSE:g} seconds" in words
    assert f"at most {schedule._UNREADABLE_RESPONSES} in a row" in words
    assert f"| {config.DEFAULT_TIMEOUT:g} s, connecting {connection.CONNECT_TIMEOUT:g} s of it |" in words
    run_cap, sync_cap = (wire.PAYLOAD_CAPS[name] // 2**20 for name in ("run", "run_sync"))
    assert f"`run` takes {run_cap} MiB, `run_sync` {sync_cap} MiB." in words
    assert f"may have {connection.DEFAULT_MAX_RESPONSE_BYTES // 2**20} MiB" in words
    kept = wire.RUN_RETENTION_SECONDS // 60, wire.RUN_SYNC_RETENTION_SECONDS // 60
    assert f"kept {kept[0]} minutes, of `run_sync` {kept[1]} minute " in words


def test_the_soak_that_is_shown_ended_well() -> None:
    shown = (DOCS / "soak.txt").read_text(encoding="utf-8")
    bad = ("lost", "doubled without consent", "deadlines overrun", "errors outside the tree")

    assert shown.rstrip().endswith("All is well.")
    for name in bad:
        assert set(re.findall(rf"^  {name} +(\d+)$", shown, re.MULTILINE)) == {"0"}


def test_the_names_of_errors_are_those_of_the_package() -> None:
    theirs = {"CancelledError", "ValueError", "MemoryError", "TimeoutError", "TypeError"}
    named = {name for page in PAGES for name in re.findall(r"\b[A-Z]\w+Error\b", page.read_text(encoding="utf-8"))}

    assert named - theirs <= set(runpod_typed.__all__)
    tabled = set(re.findall(r"`(\w+Error)`", "".join("".join(row) for row in rows_of_the_page("| What happened |"))))
    ends = {"RunpodError", "APIError", "JobError"}  # bases, of which a row names the members
    statuses = set(subclasses(runpod_typed.APIStatusError)) - tabled
    assert set(runpod_typed.errors.__all__) - tabled - ends == statuses


def subclasses(error: type[Exception]) -> Iterator[str]:
    for child in error.__subclasses__():
        yield child.__name__


def test_every_environment_variable_is_in_the_table() -> None:
    package = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "runpod_typed").rglob("*.py"))
    table = (DOCS / "reference" / "options.md").read_text(encoding="utf-8")

    variables = {
        *re.findall(r"RUNPOD_TYPED_[A-Z]+", package),
        connection.API_KEY_VARIABLE,
        connection.BASE_URL_VARIABLE,
    }
    assert len(variables) >= 5
    assert {name for name in variables if f"`{name}`" not in table} == set()


def test_every_kind_of_fault_is_in_the_table() -> None:
    text = (DOCS / "local-queue.md").read_text(encoding="utf-8")
    table = text.partition("| Kind |")[2].partition("\n\n")[0]

    assert set(re.findall(r"`(\w+)`", "".join(line.split(" | ")[0] for line in table.splitlines()))) == set(FaultKind)


def test_the_environment_of_a_reader_is_not_that_of_the_tests() -> None:
    assert "RUNPOD_API_KEY" not in os.environ
    with pytest.raises(runpod_typed.ConfigurationError, match="There is no API key"):
        Client()


# Names of files and sessions.

GUIDES = [*sorted(DOCS.glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
FOLDERS = (
    "_async|_codecs|_core|_models|_sync|_transport|"
    "benchmarks|docs|examples|generated|local|runpod_typed|scripts|spec|tests"
)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_files_that_are_named_are_there(guide: Path) -> None:
    text = re.sub(r"```.*?```", "", guide.read_text(encoding="utf-8"), flags=re.DOTALL)
    named = set(re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", text))
    places = (ROOT, ROOT / "runpod_typed")

    assert [name for name in named if not any((place / name).exists() for place in places)] == []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_sessions_that_are_named_are_there(guide: Path) -> None:
    text = guide.read_text(encoding="utf-8")
    named = {name for names in re.findall(r"nox -s ((?:[a-z_]+ ?)+)", text) for name in names.split()}

    assert named - sessions() == set()
