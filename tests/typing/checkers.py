"""Runs mypy and pyright as a user of the library does, and reads what the files under test expect of them.

A line that must be refused says so in a comment, each checker's rules in its brackets::

    endpoint.run(7)  # E: mypy[arg-type] pyright[reportArgumentType]
"""

import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tokenize
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

_PACKAGES: Final = ("runpod_typed", "runpod_queue_api")
_SECONDS: Final = 450
_COMMENT: Final = re.compile(r"# E:(?P<checkers>(?: \w+\[[\w, -]+\])+)")
_RULES: Final = re.compile(r"(?P<checker>\w+)\[(?P<rules>[^\]]+)\]")


class Diagnostic(NamedTuple):
    """An error of a type checker, with its line."""

    file: str
    line: int
    rule: str
    message: str


def copy_as_project(files: Iterable[Path], folder: Path) -> None:
    """Make the files a project of their own, where nothing of this repository is in reach."""
    for file in files:
        shutil.copy(file, folder / file.name)


def run_mypy(project: Path) -> list[Diagnostic]:
    """Run ``mypy --strict`` without other settings."""
    files = sorted(file.name for file in project.glob("*.py"))
    command = [sys.executable, "-m", "mypy", "--strict", "--output=json", "--follow-imports=silent", *files]
    output = _run(command, project, {"MYPYPATH": os.pathsep.join(_source_folders())})
    found = (json.loads(line) for line in output.splitlines())
    return [
        Diagnostic(Path(one["file"]).name, one["line"], one["code"], one["message"])
        for one in found
        if one["severity"] == "error"
    ]


def run_pyright(project: Path) -> list[Diagnostic]:
    """Run pyright in strict mode without other settings."""
    settings = {"typeCheckingMode": "strict", "extraPaths": _source_folders()}
    (project / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    output = _run(command, project, {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"})
    found: list[dict[str, Any]] = json.loads(output)["generalDiagnostics"]
    return [
        Diagnostic(Path(one["file"]).name, one["range"]["start"]["line"] + 1, one.get("rule", "-"), one["message"])
        for one in found
        if one["severity"] in {"error", "warning"}
    ]


CHECKERS: Final[Mapping[str, Callable[[Path], list[Diagnostic]]]] = {"mypy": run_mypy, "pyright": run_pyright}


def expected_of(checker: str, source: str) -> set[tuple[int, str]]:
    """The lines that a checker must refuse, each with its rule.

    Raises:
        ValueError: A comment that begins like an expectation cannot be read.
    """
    expected: set[tuple[int, str]] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or not token.string.startswith("# E:"):
            continue
        comment = _COMMENT.fullmatch(token.string)
        if comment is None:
            raise ValueError(f"line {token.start[0]}: {token.string!r} cannot be read as an expectation")
        for found in _RULES.finditer(comment["checkers"]):
            if found["checker"] not in CHECKERS:
                raise ValueError(f"line {token.start[0]}: there is no checker {found['checker']!r}")
            if found["checker"] == checker:
                expected.update((token.start[0], rule.strip()) for rule in found["rules"].split(","))
    return expected


def disagreements(expected: set[tuple[int, str]], found: Iterable[Diagnostic]) -> list[str]:
    """Return the missing and the surplus errors."""
    said = list(found)
    missing = expected - {(one.line, one.rule) for one in said}
    return [f"line {line}: nothing said of {rule}" for line, rule in sorted(missing)] + [
        f"line {one.line}: {one.rule}: {one.message}" for one in said if (one.line, one.rule) not in expected
    ]


def _source_folders() -> list[str]:
    """Return the folders of the packages under test, unless they are installed."""
    site = Path(sysconfig.get_path("purelib")).resolve()
    specs = [importlib.util.find_spec(name) for name in _PACKAGES]
    folders = {Path(spec.origin).resolve().parent.parent for spec in specs if spec is not None and spec.origin}
    return sorted(str(folder) for folder in folders if folder != site)


def _run(command: list[str], folder: Path, variables: Mapping[str, str]) -> str:
    """The standard output of a checker; both exit with 1 where they found something, and higher where they failed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"{command[2]} failed with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout
