"""`batch`: drafts, runs and their results, as processes of their own."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from runpod_typed.local import LocalQueue
from tests.cli.commands import Result, check_golden, run, start

pytestmark = pytest.mark.slow


@pytest.fixture
def fresh_queue() -> Iterator[LocalQueue]:
    """A queue without workers and without batches."""
    with LocalQueue(endpoint_id="demo") as queue:
        yield queue


@pytest.fixture
def inputs(tmp_path: Path) -> str:
    path = tmp_path / "inputs.jsonl"
    path.write_text('{"text": "a"}\n{"fail": "dark"}\n{"text": "ü"}\n', encoding="utf-8")
    return str(path)


def shown(result: Result) -> str:
    """The lines of a batch without ids and times."""
    assert result.code == 0, result.stderr
    text = re.sub(r"batch_[0-9a-f]{32}", "BATCH", result.stdout)
    return re.sub(r'"createdAt": \d+', '"createdAt": 0', text)


def test_draft_is_filled_finalized_and_cancelled(fresh_queue: LocalQueue, inputs: str) -> None:
    created = run(fresh_queue, "batch", "create", "demo", inputs, "--name", "captions")
    batch = created.json["id"]
    lines = [shown(created)]
    lines += [
        shown(run(fresh_queue, "batch", *arguments))
        for arguments in (
            ("add", "demo", batch, inputs),
            ("show", "demo", batch),
            ("finalize", "demo", batch),
            ("list", "demo"),
            ("cancel", "demo", batch),
        )
    ]
    check_golden("batch.json", "".join(lines))
    fresh_queue.assert_submitted(6)


def test_results_have_one_line_for_each_request(queue: LocalQueue, inputs: str, tmp_path: Path) -> None:
    batch = run(queue, "batch", "create", "demo", inputs, "--finalize").json["id"]
    output = tmp_path / "results.jsonl"
    result = run(queue, "batch", "results", "demo", batch, "-o", str(output))
    while "not finished yet" in result.stderr:
        result = run(queue, "batch", "results", "demo", batch, "-o", str(output))
    assert (result.code, result.stdout, result.stderr) == (1, "", "1 request is without a result.\n")
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert sorted(line["status"] for line in lines) == ["COMPLETED", "COMPLETED", "FAILED"]


def test_run_writes_results_in_order_and_resumes(queue: LocalQueue, inputs: str, tmp_path: Path) -> None:
    journal = str(tmp_path / "run.sqlite")
    arguments = ("batch", "run", "demo", inputs, "--journal", journal)
    result = run(queue, *arguments)
    assert (result.code, result.stderr) == (1, "1 input failed.\n")
    assert [line.get("output") for line in result.lines] == [
        [{"chunk": 0, "text": "a"}],
        None,
        [{"chunk": 0, "text": "ü"}],
    ]
    assert "dark" in result.lines[1]["error"]
    assert run(queue, *arguments).lines == result.lines
    assert run(None, "journal", "show", journal).json["succeeded"] == 2


def test_interrupted_run_says_how_to_resume(fresh_queue: LocalQueue, inputs: str, tmp_path: Path) -> None:
    journal = tmp_path / "run.sqlite"
    process = start(fresh_queue, "batch", "run", "demo", inputs, "--journal", str(journal))
    while fresh_queue.stats().submitted < 3:
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=150)
    assert (process.returncode, stdout) == (130, "")
    assert "epeat the command" in stderr
    assert "batch_" in stderr
    assert "journal=" not in stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["show", "demo", "batch_none"], 1, "may not exist"),
        (["show", "demo", "a/b"], 2, "invalid character"),
        (["create", "demo", "no-such-file.jsonl"], 2, "No such file"),
        (["add", "demo", "batch_none"], 2, "Missing argument"),
        (["run", "demo", "no-such-file.jsonl"], 2, "No such file"),
    ],
)
def test_refuses_what_cannot_work(fresh_queue: LocalQueue, arguments: list[str], code: int, message: str) -> None:
    result = run(fresh_queue, "batch", *arguments)
    assert (result.code, result.stdout) == (code, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_error_names_the_command_that_shows_the_batch(fresh_queue: LocalQueue, inputs: str) -> None:
    batch = run(fresh_queue, "batch", "create", "demo", inputs, "--finalize").json["id"]
    result = run(fresh_queue, "batch", "finalize", "demo", batch)
    assert result.code == 1
    assert f"`runpod-typed batch show demo {batch}` shows the status" in result.stderr
