"""A specification with an error is refused, with the file, the line and the reason."""

from pathlib import Path
from typing import Final

import pytest

from scripts import check_spec
from scripts.spec_document import Problem, SpecDocument, SpecError
from tests.spec.broken import EDITS, Edit, documents, edited, project_with, write

pytestmark = pytest.mark.slow

SPEC: Final = check_spec.ROOT / check_spec.SPEC


@pytest.mark.parametrize("edits", list(documents()), ids=lambda edits: next(iter(edits)))
def test_reports_each_error_with_its_line_and_reason(
    edits: dict[str, Edit], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SPEC.read_text(encoding="utf-8")
    for edit in edits.values():
        text = edited(text, edit)
    write(text, tmp_path)

    assert check_spec.main(["--root", str(tmp_path)]) == 1

    reported = capsys.readouterr().err.splitlines()
    for name, edit in edits.items():
        line = text[: text.index(edit.marker)].count("\n") + 1
        place = f"spec/openapi.yaml:{line}: "
        assert any(each.startswith(place) and edit.reason in each for each in reported), (name, line, reported)


def test_a_specification_that_is_not_there_is_told_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_spec.main(["--root", str(tmp_path)]) == 1
    assert "spec/openapi.yaml:1: cannot be read: " in capsys.readouterr().err


def test_every_problem_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project_with(EDITS["missing reference"], tmp_path)
    path = tmp_path / check_spec.SPEC
    path.write_text(path.read_text(encoding="utf-8").replace("operationId: retry", "operationId: cancel"), "utf-8")

    assert check_spec.main(["--root", str(tmp_path)]) == 1

    told = capsys.readouterr().err
    assert "leads nowhere" in told
    assert "is taken" in told


def test_a_problem_reads_like_a_compiler_message() -> None:
    assert str(Problem(Path("spec/openapi.yaml"), 12, "no such thing")) == "spec/openapi.yaml:12: no such thing"


def test_names_the_closest_line_of_a_missing_place() -> None:
    spec = SpecDocument.load(SPEC)

    with pytest.raises(
        SpecError, match="#/components/schemas/Job/propertys/id is missing: no 'propertys' here"
    ) as told:
        spec.find(("components", "schemas", "Job", "propertys", "id"))

    assert told.value.problems[0].line == spec.line(("components", "schemas", "Job"))


def test_the_linter_says_so_where_there_is_no_node(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert check_spec.main(["--lint"]) == check_spec.NO_NODE

    assert "not linted: Node.js (npx) is not installed" in capsys.readouterr().err
