"""Another release of the generator is tried on a copy, shown, and taken only as a whole.

The release that is installed plays the new one; the copy of the project says that it is on an older one.
"""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

from scripts.upgrade_generator import GENERATOR, UpgradeError, pinned_version, summary, with_pin
from tests.regeneration.project import Project

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

INSTALLED = version(GENERATOR)
MODULE = Path("generated/runpod_queue_api/api/jobs/run.py")
TEMPLATE = Path("scripts/templates/property_templates/datetime_property.py.jinja")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that was made by an older release, which wrote one line less."""
    project = Project.copy(tmp_path_factory.mktemp("project"))
    text = (project.folder / "pyproject.toml").read_text(encoding="utf-8")
    (project.folder / "pyproject.toml").write_text(with_pin(text, "0.1.0"), encoding="utf-8")
    text = (project.folder / MODULE).read_text(encoding="utf-8")
    (project.folder / MODULE).write_text(text.replace("from http import HTTPStatus\n", ""), encoding="utf-8")
    project.commit("As an older release made it")
    return project


@pytest.fixture
def outdated(copy: Project) -> Project:
    copy.reset()
    return copy


@needs_git
def test_a_dry_run_shows_what_would_move_and_leaves_everything_as_it_was(outdated: Project) -> None:
    done = outdated.python("scripts/upgrade_generator.py", "--dry-run")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n+from http import HTTPStatus\n" in done.stdout
    assert f"\n{GENERATOR} 0.1.0 -> {INSTALLED}\n" in done.stdout
    assert f"  {MODULE.as_posix()}  +1 -0\n1 files, 1 lines added, 0 removed\n" in done.stdout
    assert "The contract tests pass" in done.stdout
    assert outdated.git("status", "--short") == ""


@needs_git
def test_an_upgrade_raises_the_pin_and_writes_what_the_new_release_makes(outdated: Project) -> None:
    done = outdated.python("scripts/upgrade_generator.py")

    assert done.returncode == 0, done.stdout + done.stderr
    touched = ["generated/runpod_queue_api/api/jobs/run.py", "pyproject.toml"]
    assert outdated.git("status", "--short").split() == [word for path in touched for word in ("M", path)]
    assert pinned_version((outdated.folder / "pyproject.toml").read_text(encoding="utf-8")) == INSTALLED
    again = outdated.python("scripts/upgrade_generator.py")
    assert again.stdout == f"{GENERATOR} {INSTALLED} is what pyproject.toml pins already: nothing to do\n"


@needs_git
def test_a_release_that_moves_what_the_project_relies_on_fails_the_contract_tests(outdated: Project) -> None:
    text = (outdated.folder / TEMPLATE).read_text(encoding="utf-8")
    assert "isoparse(" in text
    (outdated.folder / TEMPLATE).write_text(text.replace("isoparse(", "datetime.datetime.fromisoformat("), "utf-8")

    done = outdated.python("scripts/upgrade_generator.py", "--dry-run")

    assert done.returncode == 1
    assert "test_a_date_time_is_read_by_dateutil" in done.stdout
    assert "The contract tests fail: what the project relies on has moved." in done.stdout


@needs_git
def test_a_release_that_does_not_compile_the_project_changes_nothing(outdated: Project) -> None:
    (outdated.folder / "scripts" / "generator.yaml").write_text("post_hooks: [\n", encoding="utf-8")

    done = outdated.python("scripts/upgrade_generator.py")

    assert done.returncode == 1
    assert (
        f"upgrade_generator: {GENERATOR} {INSTALLED} does not compile the project; nothing is changed\n" in done.stderr
    )
    assert outdated.git("status", "--short") == " M scripts/generator.yaml\n"


def test_only_the_pin_of_the_generator_is_changed() -> None:
    text = f'generate = [\n    "{GENERATOR}==0.29.1",  # why\n    "ruff==0.29.1",\n]\n'

    assert pinned_version(text) == "0.29.1"
    assert with_pin(text, "0.30.0") == text.replace("client==0.29.1", "client==0.30.0")


@pytest.mark.parametrize("text", ["", f'"{GENERATOR}>=0.29"', f'"{GENERATOR}==1", "{GENERATOR}==2"'])
def test_a_pin_that_is_missing_or_not_the_only_one_is_refused(text: str) -> None:
    with pytest.raises(UpgradeError, match="must pin openapi-python-client once"):
        with_pin(text, "0.30.0")


def test_a_difference_is_summed_up_by_file() -> None:
    diff = ["--- a.py\n", "+++ a.py\n", "@@ -1 +1,2 @@\n", "-x\n", "+y\n", "+z\n", " same\n"]
    gone = ["--- generated/b.py\n", "+++ /dev/null\n", "@@ -1 +0,0 @@\n", "-x\n"]

    assert list(summary([*diff, *gone])) == [
        "  a.py            +2 -1",
        "  generated/b.py  +0 -1",
        "2 files, 2 lines added, 2 removed",
    ]
    assert list(summary([])) == ["0 files, 0 lines added, 0 removed"]
