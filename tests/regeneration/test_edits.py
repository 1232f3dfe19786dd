"""Each edit of the specification ends as `edits.py` says: in code that follows, or in lines that are named."""

from __future__ import annotations

import shutil

import pytest

from scripts import generate
from scripts.api_changes import Part
from scripts.check_spec import SPEC
from scripts.spec_changes import spec_changes
from scripts.spec_document import SpecDocument
from tests.regeneration.edits import EDITS, Edit
from tests.regeneration.project import Project
from tests.regeneration.spec_edits import BASE, edited

HARMLESS = {
    "new optional fields with common names",
    "a shorter longest wait",
    "a shorter longest wait of streams",
    "a shorter longest life and a lower rate limit",
    "an optional header",
    "an optional field of a request",
    "a looser pattern of ids",
    "another header with the id of a request",
    "a typed output",
    "a typed chunk",
    "a code before the message of an error",
    "a shorter retention",
    "a response that was not described",
    "no plain text for a missing job",
    "an unused operation is renamed",
    "a new operation",
}
"""Edits that no test has to follow, all made together; but one quotes the published figures."""
PUBLISHED = "FAILED tests/contract/test_generated_wire.py::test_quotes_the_rate_limits_that_runpod_publishes"

FOLLOWED = [edit for edit in EDITS if not edit.flags and edit.refused_at is None]
GROUPS = 4
"""Checks of types are slow, so mypy sees these edits in a few groups, whose edits do not touch each other."""

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_an_edit_is_followed_or_its_lines_are_named(
    edit: Edit, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    path = project.folder / SPEC
    path.write_text(edited(edit.changes, path.read_text(encoding="utf-8")), encoding="utf-8")
    spec = SpecDocument.load(path, shown_as=SPEC)

    failed = generate.main(["--root", str(project.folder)])
    printed = capsys.readouterr()

    if edit.refused_at is not None:
        line = spec.line(edit.refused_at(spec))
        assert failed, "the edit is not refused"
        assert f"{SPEC.as_posix()}:{line}: " in printed.err
        assert edit.reason in printed.err
        assert project.git("status", "--short").split() == ["M", SPEC.as_posix()]
        assert_reported(edit, spec)
        return
    assert not failed, printed.err
    if edit.warned_at is not None:
        assert f"{SPEC.as_posix()}:{spec.line(edit.warned_at(spec))}: {edit.reason}" in printed.err
    if edit.flags:
        assert_flagged(edit, project)
    if edit.behavior is not None:
        done = project.python("-m", "tests.regeneration.behaviors", edit.behavior.__name__)
        assert done.returncode == 0, done.stdout + done.stderr
    assert_reported(edit, spec)


@pytest.mark.parametrize("group", range(GROUPS))
def test_mypy_points_at_no_line_if_the_facade_follows(group: int, project: Project) -> None:
    path = project.folder / SPEC
    changes = [change for edit in FOLLOWED[group::GROUPS] for change in edit.changes]
    path.write_text(edited(changes, path.read_text(encoding="utf-8")), encoding="utf-8")
    project.generate()

    assert project.complaints() == []


def test_edits_that_need_nothing_break_no_test(project: Project) -> None:
    harmless = [edit for edit in EDITS if edit.name in HARMLESS]
    assert len(harmless) == len(HARMLESS)
    path = project.folder / SPEC
    changes = [change for edit in harmless for change in edit.changes]
    path.write_text(edited(changes, path.read_text(encoding="utf-8")), encoding="utf-8")
    project.generate()

    assert project.output("nox -s tests | grep -E FAILED|ERROR") == PUBLISHED


def test_mypy_forgets_an_operation_that_came_back(project: Project) -> None:
    (removed,) = (edit for edit in EDITS if edit.name == "a used operation is removed")
    path = project.folder / SPEC
    before = path.read_text(encoding="utf-8")

    for text in (edited(removed.changes, before), before):
        path.write_text(text, encoding="utf-8")
        project.generate()
        assert bool(project.complaints()) is (text != before)


def assert_flagged(edit: Edit, project: Project) -> None:
    """Check that mypy points at each line that must follow, and at no other, apart from tests of what has changed."""
    complaints = project.complaints()
    flagged = list(project.flagged(complaints))
    ours = [each for each in flagged if not each[0].startswith("tests/")]
    needless = [each for each in ours if not any(flag in each[1] for flag in edit.flags)]
    missing = [flag for flag in edit.flags if not any(flag in line for _, line in flagged)]
    assert not needless, "\n".join(complaints)
    assert not missing, f"mypy does not point at {missing}:\n" + "\n".join(complaints)


def assert_reported(edit: Edit, spec: SpecDocument) -> None:
    """Check the lines of `api_diff` about the API; dots at the end of one stand for anything."""
    report = [str(change) for change in Part.of("", spec_changes(BASE, spec)).changes]
    assert len(report) == len(edit.report), "\n".join(report)
    for line, expected in zip(report, edit.report, strict=True):
        assert line == expected or (expected.endswith("...") and line.startswith(expected[:-3])), "\n".join(report)
