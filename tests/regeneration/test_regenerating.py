"""The eight edits of `docs/regenerating.md`, made on a copy: the tools say what the page says they do."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.regeneration.project import FACADE_TESTS, GENERATED_TESTS, NO_COMPLAINT, OUR_CODE, SEAM_TESTS, Project
from tests.regeneration.walkthrough import PAGE, Walk, normalized, walks

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

SPEC = Path("spec/openapi.yaml")
FACADE_CORE = "runpod_typed/_core"
WALKS = walks(PAGE.read_text(encoding="utf-8"))
FOLLOWED = [walk for walk in WALKS if any(edit.path.is_relative_to(FACADE_CORE) for edit in walk.edits())]
"""The edits after which the facade has to follow."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    copy = Project.copy(tmp_path_factory.mktemp("project"))
    copy.look_once()
    return copy


@pytest.fixture(autouse=True)
def _as_it_was(project: Project) -> None:
    project.reset()


def assert_lines_are_named(told: str, walk: Walk, project: Project) -> None:
    """The page quotes each line of the package that mypy points at: it is the very line that must follow."""
    for match in re.finditer(rf"^({OUR_CODE}\S+):(\d+): error", told, re.MULTILINE):
        lines = (project.folder / match[1]).read_text(encoding="utf-8").splitlines()
        assert lines[int(match[2]) - 1].strip() in walk.text, f"the page does not quote the line of {match[0]}"


def assert_tests_pass(project: Project, *paths: str) -> None:
    """They pass on the copy, and have looked at the copy."""
    tested = project.test(*paths)
    assert tested.returncode == 0, tested.stdout
    assert f"runpod_typed: {project.folder / 'runpod_typed'}" in tested.stdout


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.title)
def test_an_edit_does_what_the_page_says(walk: Walk, project: Project) -> None:
    complaints = ""
    for shown in project.follow(walk):
        assert normalized(shown.told) == normalized(shown.output), f"`{shown.command}` prints now:\n{shown.told}"
        assert_lines_are_named(shown.told, walk, project)
        complaints = shown.told if shown.command.startswith("nox -s types") else complaints

    if {edit.path for edit in walk.edits()} == {SPEC}:  # nothing else has to follow, tests included
        assert complaints == NO_COMPLAINT
    assert OUR_CODE not in complaints, "the page leaves the facade as mypy does not take it"
    if walk in FOLLOWED:  # the others are tested all together, below
        assert_tests_pass(project, *(SEAM_TESTS if complaints == NO_COMPLAINT else GENERATED_TESTS))


def test_what_no_code_has_to_follow_no_test_has_to_follow(project: Project) -> None:
    for walk in WALKS:
        for edit in walk.edits() if walk not in FOLLOWED else ():
            edit.apply(project.folder)
    assert project.told("nox -s generate").startswith("generated/ is written")

    assert_tests_pass(project, *FACADE_TESTS)


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
    ]
