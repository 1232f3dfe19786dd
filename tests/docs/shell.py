"""The commands in documents, compared with the sessions and extras that exist."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

from runpod_typed._cli.app import app
from tests.docs.snippets import ROOT, commands, snippets_in


def commands_in(*pages: Path) -> list[list[str]]:
    """Return every command in the `sh` snippets of these pages, split into words."""
    return [command for page in pages for snippet in snippets_in(page, "sh") for command in commands(snippet)]


def sessions() -> set[str]:
    """The names of the nox sessions."""
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(decorator).startswith("nox.session") for decorator in node.decorator_list)
    }


def extras() -> set[str]:
    """The names of the package's extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return set(project["optional-dependencies"])


def complaint(command: list[str]) -> str | None:
    """Return the fault of a command, or None if its session, extra or program exists."""
    match command:
        case ["python3", "-m", "nox", "-s", *names]:
            return None if set(names) <= sessions() else f"no such session: {set(names) - sessions()}"
        case ["python3", "-m", "pip", "install", target, *others]:
            if not set(others) <= {"runpod"}:
                return f"no such thing to install: {others}"
            wheel, url = r"runpod_typed-[\d.]+-py3-none-any\.whl", r" @ git\+https://\S+/runpod-typed"
            found = re.fullmatch(rf"(\.|nox|runpod-typed|{wheel})(\[([\w,]+)\])?({url})?", target)
            known = found is not None and set((found[3] or "local").split(",")) <= extras()
            return None if known and target != "runpod-typed" else f"no such thing to install: {target}"
        case ["runpod-typed", name, *_]:
            known = any(command.callback and command.callback.__name__ == name for command in app.registered_commands)
            return None if known else f"no such command: {name}"
        case ["runpod-typed", *_]:
            return None  # tests/cli runs them
        case _:
            return f"no test checks {' '.join(command)!r}"
