"""Examples of the specification that the facade cannot read are named with their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import read_examples
from scripts.check_spec import ROOT

pytestmark = pytest.mark.slow


def printed(old: str, new: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The output for a specification with an edit."""
    text = (ROOT / read_examples.SPEC).read_text(encoding="utf-8")
    assert old in text
    path = folder / read_examples.SPEC
    path.parent.mkdir()
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert read_examples.main() == 0
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def _in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_reads_every_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed("openapi: 3.1.0", "openapi: 3.1.0", tmp_path, capsys) == ""


@pytest.mark.parametrize(
    ("old", "new", "operation"),
    [
        ("value: { delayTime: 824, id:", "value: { delayTime: soon, id:", "run_sync"),
        ("value: { delayTime: 18, id:", "value: { delayTime: 18, di:", "get_status"),
        ("startedAt: '2026-07-09T10:30:00Z'", "startedAt: noon", "list_batch_requests"),
        ("value: { id: batch_01j9abc123, status: DRAFT }", "value: { status: DRAFT }", "create_batch"),
        ("value: { status: IN_QUEUE, stream: [] }", "value: { status: IN_QUEUE, stream: {} }", "stream"),
        ("jobs: { completed: 72,", "jobs: { completed: many,", "get_health"),
        ("delayTime: 9533", "delayTime: [9533]", "job_finished"),
    ],
)
def test_names_an_example_that_cannot_be_read(
    old: str, new: str, operation: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = printed(old, new, tmp_path, capsys).splitlines()
    assert line.startswith("spec/openapi.yaml:")
    assert f": runpod_typed cannot read this example of {operation}: " in line


def test_notices_a_call_to_another_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (*_, line) = printed("/{endpoint_id}/health:", "/{endpoint_id}/pulse:", tmp_path, capsys).splitlines()
    assert "cannot read this example of get_health: the facade asks for GET /example-" in line
