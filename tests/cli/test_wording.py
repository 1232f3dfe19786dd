"""Messages of the package name commands and options on the command line, and no Python."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import runpod_typed
from runpod_typed._cli.wording import Names, as_commands, command, in_use

PACKAGE = Path(runpod_typed.__file__).parent
PYTHON = re.compile(
    r"\bendpoint\.\w|\bjob\.\w+\(|\berror\.(?:job|state)|\brun_sync\(|Policy\b|\b(?:journal|webhook|api_key|timeout)=|"
    r"resubmit\w*=|\bexecution_timeout\b"
)
OF_PROGRAMS = (
    "leave out api_key=",
    "output(timeout=)",
    "has no result yet",
    "Policy.m",
    "Policy.j",
    "is one of them",
    "or a Journal, not",
)
"""Parts of messages that no command can cause."""


def messages() -> Iterator[str]:
    """Yield the sentences of the package, with 'X' for each value."""
    for folder in ("_core", "_models", "_bulk", "_sync", "_transport"):
        for path in sorted((PACKAGE / folder).glob("*.py")):
            yield from _sentences(ast.parse(path.read_text(encoding="utf-8")))


def _sentences(tree: ast.AST) -> Iterator[str]:
    if isinstance(tree, ast.Expr) and isinstance(tree.value, ast.Constant):
        return  # a docstring
    if isinstance(tree, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "'X'" for part in tree.values)
        return
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str) and " " in tree.value:
        yield tree.value
    for child in ast.iter_child_nodes(tree):
        yield from _sentences(child)


def test_no_message_speaks_python() -> None:
    shown = [as_commands(message, "job") for message in messages() if " " in message]
    assert len(shown) > 200
    assert [text for text in shown if PYTHON.search(text) and not any(part in text for part in OF_PROGRAMS)] == []


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("reconnect with endpoint.job('a-1')", "reconnect with `runpod-typed wait demo a-1`"),
        (
            "reconnect with endpoint.job('a'), or keep waiting with error.job.",
            "reconnect with `runpod-typed wait demo a`.",
        ),
        ("endpoint.batches.get('b') shows", "`runpod-typed batch show demo b` shows"),
        ("Retry it with job.retry()", "Retry it with `runpod-typed retry demo j`"),
        ("raise ExecutionPolicy.ttl.", "raise --ttl."),
        ("the worker says {endpoint}", "the worker says {endpoint}"),
    ],
)
def test_names_the_command(message: str, shown: str) -> None:
    token = in_use.set(Names("demo"))
    try:
        assert as_commands(message, "j") == shown
    finally:
        in_use.reset(token)


def test_commands_repeat_the_profile() -> None:
    token = in_use.set(Names("demo", "my work"))
    try:
        assert command("wait", "demo", "j") == "runpod-typed wait demo j --profile 'my work'"
        assert as_commands("endpoint.job('j')") == "`runpod-typed wait demo j --profile 'my work'`"
    finally:
        in_use.reset(token)
