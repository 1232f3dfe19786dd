"""Help, and what is imported when."""

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from runpod_typed._cli.app import app
from tests.cli.commands import check_golden, run

COMMANDS = ["run", "status", "output", "stream", "events", "wait", "cancel", "retry", "serve"]
STATE_COMMANDS = ["health", "purge", "doctor"]
BULK_COMMANDS = ["map", "journal", "journal show", "journal failures", "journal export", "batch"]
BATCH_COMMANDS = [f"batch {name}" for name in ("run", "create", "add", "finalize", "list", "show", "results", "cancel")]

pytestmark = pytest.mark.slow
as_golden = pytest.mark.skipif(
    tuple(map(int, typer.__version__.split(".")[:2])) < (0, 27), reason="older versions draw help in another way"
)


@as_golden
@pytest.mark.parametrize("name", ["", *COMMANDS, *STATE_COMMANDS, *BULK_COMMANDS, *BATCH_COMMANDS])
def test_help(name: str) -> None:
    variables = {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    result = CliRunner(env=variables).invoke(app, [*name.split(), "--help"], prog_name="runpod-typed")
    assert result.exit_code == 0
    check_golden(f"help{'_' * bool(name)}{name.replace(' ', '_')}.txt", result.stdout)


@pytest.mark.parametrize("name", ["run", "batch create", "journal show"])
def test_flags_are_shown_without_a_type(name: str) -> None:
    assert "bool" not in run(None, *name.split(), "--help").stdout.lower()


def test_help_is_an_exit_code_0() -> None:
    assert run(None, "--help").code == 0


def test_version() -> None:
    assert run(None, "--version").stdout.startswith("runpod-typed ")


def test_completion_script() -> None:
    assert "_RUNPOD_TYPED_COMPLETE" in run(None, "--show-completion", "bash").stdout


def test_package_loads_nothing_until_it_is_used() -> None:
    code = (
        "import sys, runpod_typed, runpod_typed._cli\n"
        "print({'anyio', 'attrs', 'httpx', 'msgspec', 'rich', 'runpod_queue_api', 'typer'} & sys.modules.keys())"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"


def test_missing_extra_says_what_to_install() -> None:
    code = "import importlib.util as u; u.find_spec = lambda _: None; from runpod_typed._cli import main; main()"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert shown.returncode == 2
    assert "pip install typer rich" in shown.stderr
