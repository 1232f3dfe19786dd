"""The first minutes of a new user, as the page tells them."""

import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.commands import command, environment, run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "command-line.md"


@pytest.mark.skipif(not PAGE.exists(), reason="the pages are not here")
def test_first_minutes_work_as_written(tmp_path: Path) -> None:
    first_minutes = PAGE.read_text(encoding="utf-8").partition("## First minutes")[2].partition("\n## ")[0]
    serve, submit = (shlex.split(shown)[1:] for shown in re.findall(r"```sh\n(runpod-typed .*)\n```", first_minutes))
    process = subprocess.Popen(
        command(*serve), env=environment(None), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        exports = [process.stdout.readline().removeprefix("export ").strip().partition("=") for _ in range(2)]
        result = run(None, *submit, **{name: value for name, _, value in exports})
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert result.code == 0, result.stderr
    assert result.json["status"] == "COMPLETED"
    assert all(row in first_minutes for row in result.json["output"]["rows"][:1])
