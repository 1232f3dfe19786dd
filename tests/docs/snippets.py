"""The code blocks of Markdown files: found, run, and compared with the output that the page shows."""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from types import FunctionType, ModuleType

from attrs import frozen

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"```(?P<language>\w*|\{[\w-]+\}.*)")
_HEADING = re.compile(r"#+ +(?P<text>.+)")
_LIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@frozen
class Snippet:
    """A fenced block of code.

    Attributes:
        path: The file that shows it.
        line: The number of its first line there.
        language: What stands behind the opening fence.
        code: Its text.
        heading: The heading that it stands below.
        output: The `text` block right below it, or None.
    """

    path: Path
    line: int
    language: str
    code: str
    heading: str
    output: str | None = None

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line}"


def snippets_in(path: Path, language: str) -> list[Snippet]:
    """The blocks of a language in a Markdown file, each with the output that is promised below it."""
    blocks = list(_blocks(path))
    following = [*blocks, None][1:]
    lines = path.read_text(encoding="utf-8").splitlines()
    return [
        Snippet(block.path, block.line, block.language, block.code, block.heading, _output(block, after, lines))
        for block, after in zip(blocks, following, strict=True)
        if block.language == language
    ]


def run(snippet: Snippet) -> str:
    """Run a Python snippet as a module of its own, and the tests in it; gives back what it printed.

    Tracebacks name the Markdown file and the line in it.
    """
    name = f"snippet_{snippet.path.stem}_{snippet.line}".lower()
    module = ModuleType(name)
    code = compile("\n" * (snippet.line - 1) + snippet.code, str(snippet.path), "exec")
    printed = io.StringIO()
    sys.modules[name] = module  # classes are looked up by their module
    try:
        with contextlib.redirect_stdout(printed):
            exec(code, module.__dict__)
            for function in list(vars(module).values()):
                if isinstance(function, FunctionType) and function.__name__.startswith("test_"):
                    function()
    finally:
        del sys.modules[name]
    return printed.getvalue()


def is_as_promised(snippet: Snippet, printed: str) -> bool:
    """Return whether a snippet printed what the page shows; `...` there matches anything."""
    return snippet.output is None or doctest.OutputChecker().check_output(snippet.output, printed, _LIKE)


def commands(snippet: Snippet) -> list[list[str]]:
    """The commands of a shell snippet, in words, without comments."""
    found: list[list[str]] = []
    for line in snippet.code.splitlines():
        words = shlex.split(line, comments=True)
        found += [list(group) for is_and, group in groupby(words, lambda word: word == "&&") if not is_and]
    return found


def _blocks(path: Path) -> Iterator[Snippet]:
    heading, language, start = "", None, 0
    code: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        fence = _FENCE.fullmatch(line.rstrip())
        if language is None:
            title = _HEADING.fullmatch(line)
            heading = title["text"] if title else heading
            if fence:
                language, start, code = fence["language"], number + 1, []
        elif line.rstrip() == "```":
            yield Snippet(path, start, language, "\n".join(code) + "\n", heading)
            language = None
        else:
            code.append(line)
    if language is not None:
        raise ValueError(f"{path.name}:{start - 1}: the block that begins here has no end")


def _output(block: Snippet, after: Snippet | None, lines: list[str]) -> str | None:
    if after is None or after.language != "text":
        return None
    between = lines[block.line + block.code.count("\n") : after.line - 2]
    return after.code if not "".join(between).strip() else None
