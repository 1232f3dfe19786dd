"""`map` and `journal`, as processes of their own."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sized
from pathlib import Path

import pytest

from runpod_typed._bulk.journal_writer import JournalWriter
from runpod_typed._cli.inputs import open_inputs, show_progress
from runpod_typed.local import LocalQueue
from tests.cli.commands import command, environment, run

pytestmark = pytest.mark.slow


def test_map_writes_results_in_order_and_resumes(queue: LocalQueue, tmp_path: Path) -> None:
    inputs, output, journal = (tmp_path / name for name in ("inputs.jsonl", "out.jsonl", "run.sqlite"))
    inputs.write_text('{"text": "a"}\n\n{"fail": "dark"}\n{"text": "c"}\n', encoding="utf-8")
    arguments = ("map", "demo", str(inputs), "-o", str(output), "--journal", str(journal), "--concurrency", "2")
    result = run(queue, *arguments)
    assert result.code == 1, result.stderr
    assert "1 input failed" in result.stderr
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [line["index"] for line in lines] == [0, 1, 2]
    assert lines[0]["output"] == [{"chunk": 0, "text": "a"}]
    assert "dark" in lines[1]["error"]
    counts = run(None, "journal", "show", str(journal)).json
    assert (counts["succeeded"], counts["failed"]) == (2, 1)
    assert "dark" in run(None, "journal", "failures", str(journal)).json["error"]
    exported = tmp_path / "exported.jsonl"
    assert run(None, "journal", "export", str(journal), "-o", str(exported)).code == 0
    assert len(exported.read_text(encoding="utf-8").splitlines()) == 3


def test_map_reads_csv_and_stdin(queue: LocalQueue, tmp_path: Path) -> None:
    inputs = tmp_path / "inputs.csv"
    inputs.write_text("text,n\nfirst,1\n", encoding="utf-8")
    assert run(queue, "map", "demo", str(inputs)).json["input"] == {"text": "first", "n": "1"}
    assert run(queue, "map", "demo", "-", stdin='{"text": "x"}\n').json["output"] == [{"chunk": 0, "text": "x"}]


def test_lines_of_a_file_are_counted_and_read(tmp_path: Path) -> None:
    path = tmp_path / "inputs.jsonl"
    path.write_text('\ufeff{"n": 1}\n\n{"n": "ä"}\n', encoding="utf-8")
    with open_inputs(str(path)) as inputs:
        assert isinstance(inputs, Sized)
        assert len(inputs) == 2
        assert list(inputs) == [{"n": 1}, {"n": "ä"}]
    rows = tmp_path / "inputs.csv"
    rows.write_text('\ufeffn\n1\n"ä\n"\n', encoding="utf-8")
    with open_inputs(str(rows)) as inputs:
        assert isinstance(inputs, Sized)
        assert (len(inputs), list(inputs)) == (2, [{"n": "1"}, {"n": "ä\n"}])


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_named_pipe_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=('{"n": 1}\n{"n": 2}\n',), daemon=True)
    writer.start()
    with open_inputs(str(path)) as inputs:
        assert not isinstance(inputs, Sized)
        assert list(inputs) == [{"n": 1}, {"n": 2}]
    writer.join()


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no files for open descriptors")
def test_an_open_file_is_read_from_its_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "inputs.jsonl"
    path.write_text('{"n": 1}\n', encoding="utf-8")
    with path.open() as file, open_inputs(f"/dev/fd/{file.fileno()}") as inputs:
        assert list(inputs) == [{"n": 1}]


def test_map_names_the_line_that_is_not_json(queue: LocalQueue) -> None:
    result = run(queue, "map", "demo", "-", stdin='{"text": "x"}\n{"text": \n')
    assert result.code == 2
    assert "is not valid JSON: line" in result.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("inputs.jsonl", b'{"text": "x"}\n{"text": \n'),
        ("inputs.jsonl", b'{"text": "x"}\n{"text": "\xff"}\n'),
        ("inputs.csv", b"text,n\nx,1\nx\n"),
        ("inputs.csv", b"text,n,text\nx,1,y\n"),
    ],
)
def test_a_file_is_checked_before_anything_is_sent(
    queue: LocalQueue, tmp_path: Path, name: str, content: bytes
) -> None:
    inputs = tmp_path / name
    inputs.write_bytes(content)
    before = len(queue.submissions)
    result = run(queue, "map", "demo", str(inputs))
    assert result.code == 2, result.stderr
    assert "is not" in result.stderr
    assert len(queue.submissions) == before


@pytest.mark.parametrize("name", ["inputs.jsonl", "link.jsonl", "run.sqlite"])
def test_files_in_use_are_not_overwritten(idle_queue: LocalQueue, tmp_path: Path, name: str) -> None:
    inputs = tmp_path / "inputs.jsonl"
    inputs.write_text('{"text": "x"}\n', "utf-8")
    (tmp_path / "link.jsonl").symlink_to(inputs)
    for words in (("map",), ("batch", "run")):
        options = ("-o", str(tmp_path / name), "--journal", str(tmp_path / "run.sqlite"))
        result = run(idle_queue, *words, "demo", str(inputs), *options)
        assert result.code == 2
        assert "would be overwritten" in result.stderr


def test_a_file_on_standard_input_is_not_overwritten(idle_queue: LocalQueue, tmp_path: Path) -> None:
    inputs = tmp_path / "inputs.jsonl"
    inputs.write_text('{"text": "x"}\n', "utf-8")
    arguments = command("map", "demo", "-", "-o", str(inputs))
    with inputs.open() as stdin:
        ended = subprocess.run(arguments, stdin=stdin, env=environment(idle_queue), capture_output=True, check=False)
    assert ended.returncode == 2
    assert inputs.read_text("utf-8") == '{"text": "x"}\n'


def test_an_output_that_links_to_itself_is_named(idle_queue: LocalQueue, tmp_path: Path) -> None:
    inputs, output = tmp_path / "inputs.jsonl", tmp_path / "loop"
    inputs.write_text('{"text": "x"}\n', "utf-8")
    output.symlink_to(output)
    result = run(idle_queue, "map", "demo", str(inputs), "-o", str(output))
    assert result.code == 2
    assert "symbolic links" in result.stderr
    assert inputs.read_text("utf-8") == '{"text": "x"}\n'
    assert idle_queue.stats().submitted == 0


def test_progress_is_shown_beside_the_results_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert not show_progress(None)
    assert show_progress(tmp_path / "out.jsonl")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert show_progress(None)


def test_export_names_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    JournalWriter(tmp_path / "run.sqlite", "demo").close()
    result = run(None, "journal", "export", str(tmp_path / "run.sqlite"), "-o", str(tmp_path / "none" / "out"))
    assert result.code == 2
    assert "No such file or directory" in result.stderr
    assert "Traceback" not in result.stderr


def test_missing_journal_is_an_error(tmp_path: Path) -> None:
    result = run(None, "journal", "show", str(tmp_path / "none"))
    assert result.code == 2
    assert "JournalError" in result.stderr
