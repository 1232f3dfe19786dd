"""What is compared with what, and that nothing but words comes of it."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from scripts import api_diff
from scripts.check_spec import SPEC
from tests.regeneration.project import Project

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

EMPTY = "openapi: 3.1.0\npaths: {}\n"
WITH_SCHEMA = EMPTY + "components:\n  schemas:\n    Job: { type: object }\n"


def write(folder: Path, path: str, text: str) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text, encoding="utf-8")


@pytest.fixture
def repository(tmp_path: Path) -> Project:
    """A repository with one commit of a project that has nothing in it."""
    write(tmp_path, "runpod_typed/_version.py", '__version__ = "0.1.0"\n')
    write(tmp_path, "spec/openapi.yaml", EMPTY)
    write(tmp_path, "runpod_typed/__init__.py", "def first() -> None: ...\n")
    write(tmp_path, "generated/runpod_queue_api/__init__.py", "")
    repository = Project(tmp_path)
    repository.git("init", "--quiet")
    repository.commit("First")
    return repository


def told(repository: Project, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What is printed; the run must go well."""
    assert api_diff.main(["--root", str(repository.folder), *arguments]) == 0
    return capsys.readouterr().out


def test_after_a_single_commit_there_is_nothing_to_compare_with(
    repository: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(repository, capsys) == "There is no earlier revision to compare with.\n"
    assert told(repository, capsys, "--json") == ""


def test_a_folder_that_is_no_repository_has_nothing_to_compare_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert api_diff.main(["--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "There is no earlier revision to compare with.\n"


def test_an_edit_that_is_not_committed_is_compared_with_the_last_commit(
    repository: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    write(repository.folder, "runpod_typed/__init__.py", "def second() -> None: ...\n")

    assert told(repository, capsys).splitlines() == [
        f"What has changed for users since commit {repository.git('rev-parse', '--short', 'HEAD').strip()}:",
        "",
        "The API (spec/openapi.yaml)",
        "  nothing",
        "",
        "runpod_typed",
        "  breaking    first is gone",
        "  compatible  second is new: ()",
        "",
        "runpod_queue_api",
        "  nothing",
        "",
        "1 breaking, 1 compatible. After 0.1.0 comes 0.2.0.",
        "Before 1.0, a breaking change raises the second number, and anything else the third.",
    ]


def test_a_new_file_is_an_edit_too(repository: Project, capsys: pytest.CaptureFixture[str]) -> None:
    write(repository.folder, "runpod_typed/tools.py", "def saw() -> None: ...\n")

    assert "  compatible  tools is new (module)\n" in told(repository, capsys)


def test_a_commit_is_compared_with_the_one_before(repository: Project, capsys: pytest.CaptureFixture[str]) -> None:
    write(repository.folder, "spec/openapi.yaml", WITH_SCHEMA)
    repository.commit("Second")
    write(repository.folder, "README.md", "what users do not import is no edit")

    assert "  compatible  Job is new\n" in told(repository, capsys)


def test_the_last_tag_is_preferred_to_the_last_commit(repository: Project, capsys: pytest.CaptureFixture[str]) -> None:
    repository.git("tag", "v0.1.0")
    for name in ("second", "third"):
        write(repository.folder, f"runpod_typed/{name}.py", "x: int = 1\n")
        repository.commit(name)

    out = told(repository, capsys)

    assert out.startswith("What has changed for users since v0.1.0:\n")
    assert "second is new" in out
    assert "third is new" in out


@pytest.mark.parametrize("name", ["v0.1.0", "0.1.0", "HEAD~1", "a-branch"])
def test_a_revision_can_be_a_tag_a_release_a_commit_or_a_branch(
    name: str, repository: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.git("tag", "v0.1.0")
    repository.git("branch", "a-branch")
    write(repository.folder, "spec/openapi.yaml", WITH_SCHEMA)
    repository.commit("Second")

    assert "  compatible  Job is new\n" in told(repository, capsys, name)


@pytest.mark.parametrize("name", ["v9.9.9", "--", "", "nobody", "-x"])
def test_a_revision_that_is_not_there_is_refused(
    name: str, repository: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(api_diff.RevisionError, match="is no tag, release or commit of this repository"):
        api_diff.find_revision(repository.folder, name)
    if name == "nobody":
        assert api_diff.main(["--root", str(repository.folder), name]) == 1
        assert capsys.readouterr().err == "api_diff: 'nobody' is no tag, release or commit of this repository\n"


def test_a_revision_from_before_there_was_a_project_makes_everything_new(
    repository: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.git("rm", "--quiet", "-r", ".")
    write(repository.folder, "README.md", "nothing yet")
    repository.commit("Nothing")
    repository.git("tag", "v0.0.1")
    write(repository.folder, "spec/openapi.yaml", WITH_SCHEMA)
    write(repository.folder, "runpod_typed/_version.py", '__version__ = "0.1.0"\n')

    assert told(repository, capsys).splitlines()[-3:] == [
        "No breaking, 1 compatible. After 0.0.0 comes 0.0.1.",
        "The project says that it is 0.1.0.",
        "Before 1.0, a breaking change raises the second number, and anything else the third.",
    ]


def test_programs_get_json(repository: Project, capsys: pytest.CaptureFixture[str]) -> None:
    repository.git("tag", "v0.1.0")
    write(repository.folder, "runpod_typed/__init__.py", "")

    assert json.loads(told(repository, capsys, "--json")) == {
        "since": "v0.1.0",
        "version": "0.1.0",
        "next_version": "0.2.0",
        "changes": [{"part": "runpod_typed", "subject": "first", "text": "is gone", "effect": "breaking"}],
    }


def test_nothing_in_the_work_tree_is_touched(repository: Project, capsys: pytest.CaptureFixture[str]) -> None:
    write(repository.folder, "spec/openapi.yaml", WITH_SCHEMA)
    write(repository.folder, "runpod_typed/draft.py", "x: int = 1\n")
    before = snapshot(repository.folder)

    told(repository, capsys)
    told(repository, capsys, "HEAD")

    assert snapshot(repository.folder) == before


def snapshot(folder: Path) -> dict[Path, str]:
    """Every file outside git's own, by its content."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {path: sha256(path.read_bytes()).hexdigest() for path in files}


def test_code_that_is_older_than_the_specification_is_pointed_out(
    repository: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        repository.folder, "generated/GENERATED.json", json.dumps({"spec_sha256": sha256(EMPTY.encode()).hexdigest()})
    )
    api_diff.main(["--root", str(repository.folder)])
    assert capsys.readouterr().err == ""

    write(repository.folder, "spec/openapi.yaml", WITH_SCHEMA)
    api_diff.main(["--root", str(repository.folder)])
    assert "run `nox -s generate` first" in capsys.readouterr().err


def test_a_specification_that_cannot_be_read_is_told_with_its_line(
    repository: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    write(repository.folder, "spec/openapi.yaml", "openapi: 3.1.0\npaths: [\n")

    assert api_diff.main(["--root", str(repository.folder)]) == 1
    assert capsys.readouterr().err.startswith(f"{SPEC.as_posix()}:3: not valid YAML: ")
