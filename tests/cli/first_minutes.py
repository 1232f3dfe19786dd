"""Follows the first minutes as a new user does: `python -m tests.cli.first_minutes` installs, serves and runs."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "command-line.md"


def follow(command: list[str], variables: dict[str, str]) -> Any:
    """Serve and submit as the page says; return the job's state, after a comparison with what the local page shows.

    Args:
        command: What stands for `runpod-typed`.
        variables: The environment.
    """
    section, _, serve, submit = _first_minutes()
    process = subprocess.Popen(
        command + shlex.split(serve)[1:],
        cwd=ROOT,
        env=variables | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        page = re.search(r"Page: +(\S+)\?token=(\S+)", process.stderr.readline())
        assert page is not None, "serve prints the URL of its page first"
        exports = [process.stdout.readline().removeprefix("export ").strip().partition("=") for _ in range(2)]
        found = subprocess.run(
            command + shlex.split(submit)[1:],
            env=variables | {name: value for name, _, value in exports},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stderr
        job = json.loads(found.stdout)
        shown = urllib.request.Request(f"{page[1]}page/jobs/{job['id']}", headers={"x-page-token": page[2]})
        with urllib.request.urlopen(shown, timeout=60) as response:
            assert json.loads(json.load(response)["output"]) == job["output"]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=150)
    assert job["output"]["rows"][0] in section
    return job


def install() -> None:
    """Install as the page says, into the environment of this interpreter."""
    found = shlex.split(_first_minutes()[1])
    subprocess.run([sys.executable, *found[1:]], cwd=ROOT, check=True)


def _first_minutes() -> tuple[str, str, str, str]:
    section = PAGE.read_text(encoding="utf-8").partition("## First minutes")[2].partition("\n## ")[0]
    installing, serve, submit = re.findall(r"```sh\n(.*)\n```", section)
    return section, installing, serve, submit


if __name__ == "__main__":
    install()
    script = Path(sys.executable).with_name("runpod-typed")
    print(follow([str(script)], dict(os.environ))["status"])
