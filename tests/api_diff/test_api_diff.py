"""Revisions that are compared, and the report."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from scripts import api_diff
from tests.regeneration.project import Project

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

SPEC = "openapi: 3.1.0\ninfo: { version: 2.0.0 }\npaths: {}\n"
WITH_SCHEMA = SPEC + "components:\n  schemas:\n    Job: { type: object }\n"
JOB_IS_NEW = "  compatible  Job is new: object\n"
NOTE = "spec/openapi.yaml:2: info.version is 2.0.0; the API has changed: make it 2.1.0.\n"


class Repository(Project):
    """A repository of a tiny project."""

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text, encoding="utf-8")

    def report(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
        """The output of a run that goes well."""
        assert api_diff.main(["--root", str(self.folder), *arguments]) == 0
        return capsys.readouterr().out


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with one commit."""
    repository = Repository(tmp_path)
    repository.write("runpod_typed/_version.py", '__version__ = "0.1.0"\n')
    repository.write("spec/openapi.yaml", SPEC)
    repository.write("runpod_typed/__init__.py", "def first() -> None: ...\n")
    repository.write("generated/runpod_queue_api/__init__.py", "")
    repository.git("init", "--quiet")
    repository.commit("First")
    return repository


def test_has_nothing_to_compare_a_single_commit_with(
    repository: Repository, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = "There is no earlier revision to compare with.\n"
    assert repository.report(capsys) == nothing
    assert repository.report(capsys, "--json") == ""
    assert Repository(tmp_path_factory.mktemp("no-repository")).report(capsys) == nothing


def test_compares_an_edit_with_the_last_commit(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    repository.write("runpod_typed/__init__.py", "def second() -> None: ...\n")

    assert repository.report(capsys).splitlines() == [
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


def test_compares_a_new_file_too(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    repository.write("runpod_typed/tools.py", "def saw() -> None: ...\n")
    assert "  compatible  tools is new (module)\n" in repository.report(capsys)


def test_compares_a_commit_with_the_one_before(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    repository.write("spec/openapi.yaml", WITH_SCHEMA)
    repository.commit("Second")
    repository.write("README.md", "not imported by users")

    assert JOB_IS_NEW in repository.report(capsys)


def test_prefers_the_last_tag(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    repository.git("tag", "v0.1.0")
    for name in ("second", "third"):
        repository.write(f"runpod_typed/{name}.py", "x: int = 1\n")
        repository.commit(name)

    report = repository.report(capsys)

    assert report.startswith("What has changed for users since v0.1.0:\n")
    assert "second is new" in report
    assert "third is new" in report


@pytest.mark.parametrize("name", ["v0.1.0", "0.1.0", "HEAD~1", "a-branch"])
def test_takes_any_name_of_a_revision(name: str, repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    repository.git("tag", "v0.1.0")
    repository.git("branch", "a-branch")
    repository.write("spec/openapi.yaml", WITH_SCHEMA)
    repository.commit("Second")

    assert JOB_IS_NEW in repository.report(capsys, name)


@pytest.mark.parametrize("name", ["v9.9.9", "--", "", "missing", "-x"])
def test_refuses_a_revision_that_does_not_exist(
    name: str, repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(api_diff.RevisionError, match="is not a tag, release or commit of this repository"):
        api_diff.find_revision(repository.folder, name)
    if name == "missing":
        assert api_diff.main(["--root", str(repository.folder), name]) == 1
        assert capsys.readouterr().err.startswith("api_diff: 'missing' is not a tag, release or commit")


def test_compares_with_a_revision_that_has_no_project(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.git("rm", "--quiet", "-r", ".")
    repository.write("README.md", "nothing yet")
    repository.commit("Nothing")
    repository.git("tag", "v0.0.1")
    repository.write("spec/openapi.yaml", WITH_SCHEMA)
    repository.write("runpod_typed/_version.py", '__version__ = "0.1.0"\n')

    assert repository.report(capsys).splitlines()[-3:] == [
        "No breaking, 1 compatible. After 0.0.0 comes 0.0.1.",
        "The project says that it is 0.1.0.",
        "Before 1.0, a breaking change raises the second number, and anything else the third.",
    ]


def test_prints_json(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    repository.git("tag", "v0.1.0")
    repository.write("runpod_typed/__init__.py", "")
    repository.write("spec/openapi.yaml", WITH_SCHEMA)

    assert json.loads(repository.report(capsys, "--json")) == {
        "since": "v0.1.0",
        "version": "0.1.0",
        "next_version": "0.2.0",
        "changes": [
            {"part": "The API (spec/openapi.yaml)", "subject": "Job", "text": "is new: object", "effect": "compatible"},
            {"part": "runpod_typed", "subject": "first", "text": "is gone", "effect": "breaking"},
        ],
        "notes": [NOTE.strip()],
    }


@pytest.mark.parametrize(("version", "note"), [("2.0.0", NOTE), ("2.0.9", NOTE), ("2.1.0", ""), ("3.0.0", "")])
def test_asks_for_the_next_version_of_the_specification(
    version: str, note: str, repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.write("spec/openapi.yaml", WITH_SCHEMA.replace("2.0.0", version))
    report = repository.report(capsys)
    assert ("info.version" in report) is bool(note)
    assert note.replace("2.0.0", version) in report


@pytest.mark.parametrize(
    ("reader", "line"),
    [
        ("print('runpod_typed cannot read this')", "runpod_typed cannot read this"),
        ("import no_such_module", "runpod_typed cannot be imported: ModuleNotFoundError"),
    ],
)
def test_passes_on_what_the_facade_cannot_read(
    reader: str, line: str, repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.write("scripts/read_examples.py", reader)
    repository.write("spec/openapi.yaml", WITH_SCHEMA)
    assert line in repository.report(capsys)


def test_leaves_the_work_tree_alone(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    repository.write("spec/openapi.yaml", WITH_SCHEMA)
    repository.write("runpod_typed/draft.py", "x: int = 1\n")
    before = snapshot(repository.folder)

    repository.report(capsys)
    repository.report(capsys, "HEAD")

    assert snapshot(repository.folder) == before


def snapshot(folder: Path) -> dict[Path, str]:
    """Return every file outside git's own, by its content."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {path: sha256(path.read_bytes()).hexdigest() for path in files}


def test_notices_code_that_is_older_than_the_specification(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.dumps({"spec_sha256": sha256(SPEC.encode()).hexdigest()})
    repository.write("generated/GENERATED.json", record)
    api_diff.main(["--root", str(repository.folder)])
    assert capsys.readouterr().err == ""

    repository.write("spec/openapi.yaml", WITH_SCHEMA)
    api_diff.main(["--root", str(repository.folder)])
    assert "run `nox -s generate` first" in capsys.readouterr().err


def test_names_the_line_of_a_broken_specification(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    repository.write("spec/openapi.yaml", "openapi: 3.1.0\npaths: [\n")

    assert api_diff.main(["--root", str(repository.folder)]) == 1
    assert capsys.readouterr().err.startswith("spec/openapi.yaml:3: not valid YAML: ")
