"""Every command as a process of its own, against `serve` with a real worker."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from runpod_typed._cli.app import app
from tests.cli.commands import Result, command, environment
from tests.cli.test_serve import WORKER, served

pytestmark = pytest.mark.slow


def names(group: Any, *above: str) -> set[tuple[str, ...]]:
    """Return the words of every command below a group."""
    found: set[tuple[str, ...]] = set()
    for name, each in group.commands.items():
        found |= names(each, *above, name) if hasattr(each, "commands") else {(*above, name)}
    return found


def test_every_command_works_against_serve(tmp_path: Path) -> None:
    inputs, journal = tmp_path / "inputs.jsonl", str(tmp_path / "map.sqlite")
    inputs.write_text('{"text": "a"}\n{"text": "ü"}\n', encoding="utf-8")
    used: set[tuple[str, ...]] = {("serve",)}

    def run(*words: str, code: int = 0) -> list[Any]:
        """Run a command that ends with a code; return the lines that it prints."""
        used.add(words[:2] if words[0] in {"batch", "journal"} else words[:1])
        found = subprocess.run(
            command(*words), env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert found.returncode == code, (words, found.stderr)
        return Result(0, found.stdout, found.stderr).lines

    with served(str(WORKER)) as places:
        variables = environment(None, RUNPOD_API_KEY=places["api_key"], RUNPOD_ENDPOINT_BASE_URL=places["base_url"])
        (done,) = run("run", "local", "-i", '{"text": "hi"}', "--wait")
        job, output = done["id"], done["output"]
        assert output == [{"chunk": 0, "text": "hi"}]
        assert run("status", "local", job)[0]["status"] == "COMPLETED"
        assert run("output", "local", job) == [output]
        assert run("wait", "local", job)[0]["id"] == job
        assert run("events", "local", job)[-1]["status"] == "COMPLETED"
        assert run("health", "local")[0]["jobs"]["completed"] == 1
        (submitted,) = run("run", "local", "-i", '{"text": "piece"}')
        assert run("stream", "local", submitted["id"]) == [{"chunk": 0, "text": "piece"}]
        assert run("doctor", "local")
        (failed,) = run("run", "local", "-i", '{"fail": "dark"}', "--wait", code=1)
        assert run("retry", "local", failed["id"])[0]["id"] == failed["id"]
        run("wait", "local", failed["id"], code=1)
        (slow,) = run("run", "local", "-i", '{"seconds": 60}')
        assert run("cancel", "local", slow["id"])[0]["status"] == "CANCELLED"

        mapped = run("map", "local", str(inputs), "--journal", journal)
        assert [line["output"][0]["text"] for line in mapped] == ["a", "ü"]
        assert run("journal", "show", journal)[0]["succeeded"] == 2
        assert run("journal", "failures", journal) == []
        exported = tmp_path / "exported.jsonl"
        run("journal", "export", journal, "-o", str(exported))
        assert len(exported.read_text(encoding="utf-8").splitlines()) == 2

        assert len(run("batch", "run", "local", str(inputs))) == 2
        (draft,) = run("batch", "create", "local", str(inputs))
        run("batch", "add", "local", draft["id"], str(inputs))
        run("batch", "finalize", "local", draft["id"])
        while run("batch", "show", "local", draft["id"])[0]["requestCompleted"] < 4:
            pass
        assert len(run("batch", "results", "local", draft["id"])) == 4
        assert draft["id"] in {line["id"] for line in run("batch", "list", "local")}
        (unwanted,) = run("batch", "create", "local", str(inputs))
        run("batch", "cancel", "local", unwanted["id"])

        run("purge", "local", "--yes")
    assert used == names(get_command(app))
