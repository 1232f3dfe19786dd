"""The commands that documents show: found, and held against what there is."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

from tests.docs.snippets import ROOT, commands, snippets_in


def commands_in(*pages: Path) -> list[list[str]]:
    """Every command in the shell snippets of these pages, in words."""
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
    """What is wrong with a command; None where it names a session, extra or program that there is."""
    match command:
        case ["python3", "-m", "nox", "-s", *names]:
            return None if set(names) <= sessions() else f"no such session: {set(names) - sessions()}"
        case ["python3", "-m", "pip", "install", target]:
            right = target in {"nox", "."} or re.fullmatch(rf"\.\[(({'|'.join(sorted(extras()))}),?)+\]", target)
            return None if right else f"no such thing to install: {target}"
        case _:
            return f"nobody checks {' '.join(command)!r}"
