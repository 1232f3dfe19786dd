"""The edits of `docs/regenerating.md`, made on a copy: the tools print what the page shows."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.regeneration.project import NO_COMPLAINT, Project
from tests.regeneration.walkthrough import PAGE, Walk, follow, normalized, walks

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

SPEC = Path("spec/openapi.yaml")
OUR_CODE = "runpod_typed/"
TYPES = "nox -s types -- --quick"
TESTS = "nox -s tests | grep -E '^(FAILED|ERROR)'"
WALKS = walks(PAGE.read_text(encoding="utf-8"))


def assert_lines_are_named(printed: str, walk: Walk, project: Project) -> None:
    """The page quotes each line of the package that mypy points at, apart from the sync API, which is generated."""
    for match in re.finditer(rf"^({OUR_CODE}(?!_sync/)\S+):(\d+): error", printed, re.MULTILINE):
        lines = (project.folder / match[1]).read_text(encoding="utf-8").splitlines()
        assert lines[int(match[2]) - 1].strip() in walk.text, f"the page does not quote the line of {match[0]}"


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.title)
def test_an_edit_does_what_the_page_says(walk: Walk, project: Project) -> None:
    shown = set[str]()
    for command in follow(project, walk):
        printed = normalized(command.printed)
        assert printed == normalized(command.shown), f"`{command.command}` prints now:\n{command.printed}"
        assert_lines_are_named(command.printed, walk, project)
        shown.add(command.command)

    complaints = project.output(TYPES)
    assert OUR_CODE not in complaints, "the page ends with a facade that mypy refuses"
    if {edit.path for edit in walk.edits()} == {SPEC}:  # nothing else has to follow
        assert complaints == NO_COMPLAINT
    assert TESTS in shown or project.output(TESTS) == ""


def test_the_page_goes_through_every_kind_of_edit() -> None:
    assert [walk.title for walk in WALKS] == [
        "A new optional field",
        "A new status",
        "A renamed field",
        "A removed field",
        "A new operation",
        "A removed operation",
        "A changed path",
        "A tightened limit",
        "A changed type",
        "A required field becomes optional",
        "A header parameter",
        "Another authentication",
        "A typed output",
    ]
