"""The content of `docs/regenerating.md`: edits, commands with their output, and Python sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from scripts.check_spec import ROOT
from tests.regeneration.project import Project

PAGE = ROOT / "docs" / "regenerating.md"
_NUMBERED = re.compile(r"## \d+\. (?P<title>.+)")
_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_ANY_LINES = r"(?:.*\n)+?"
_PLACEHOLDERS = (
    (re.compile(r"^(\S+\.py):\d+:", re.MULTILINE), r"\1:N:"),
    (re.compile(r"\d+(?= (source )?files)"), "N"),
    (re.compile(r"commit [0-9a-f]{7,}"), "commit C"),
    (re.compile(r"After \S+ comes \S+\."), "After V comes W."),
    (re.compile(r"yaml:\d+: info\.version is \S+; (.*): make it \S+\."), r"yaml:N: info.version is V; \1: make it W."),
)


@frozen
class Edit:
    """A replacement of lines in a file."""

    path: Path
    """The file, from the root."""
    old: str
    """Whole lines; one that says `...`, and no more, is any number of lines."""
    new: str

    def apply(self, root: Path) -> None:
        """Makes the edit below a folder.

        Raises:
            ValueError: What it replaces is not there, or more than once.
        """
        file = root / self.path
        text = file.read_text(encoding="utf-8")
        pattern = "".join(
            _ANY_LINES if line.strip() == "..." else re.escape(line) for line in self.old.splitlines(True)
        )
        found = list(re.finditer(pattern, text, re.MULTILINE))
        if len(found) != 1:
            raise ValueError(f"this stands in {self.path.as_posix()} {len(found)} times:\n{self.old}")
        start, end = found[0].span()
        file.write_text(text[:start] + self.new + text[end:], encoding="utf-8")


@frozen
class Step:
    """A block of the page."""

    language: str
    """The word behind its fence: diff, console or pycon."""
    text: str


@frozen
class Shown:
    """A command of the page."""

    command: str
    shown: str
    """The output on the page."""
    printed: str
    """The output now."""


@frozen
class Walk:
    """A numbered section."""

    title: str
    steps: tuple[Step, ...]
    """Its blocks, in order."""
    text: str
    """All of it."""

    def edits(self) -> list[Edit]:
        """Everything that a person changes by hand."""
        return [edit for step in self.steps if step.language == "diff" for edit in parse_diff(step.text)]


def walks(page: str) -> list[Walk]:
    """The numbered sections of a page."""
    found: list[Walk] = []
    for section in re.split(r"^(?=## )", page, flags=re.MULTILINE):
        heading = _NUMBERED.match(section)
        if heading:
            steps = tuple(Step(match["language"], match["text"]) for match in _BLOCK.finditer(section))
            found.append(Walk(heading["title"], steps, section))
    return found


def parse_diff(text: str) -> Iterator[Edit]:
    """The edits of a unified diff whose hunks are found by their text, and not by line numbers.

    Raises:
        ValueError: It is no such diff.
    """
    path, old, new = None, list[str](), list[str]()
    for line in [*text.splitlines(), "@@"]:
        if line.startswith(("--- ", "+++ ", "@@")):
            if path is not None and old != new:
                yield Edit(path, "".join(old), "".join(new))
            old, new = [], []
            path = Path(line.removeprefix("+++ b/")) if line.startswith("+++ b/") else path
        elif line[:1] in {" ", ""}:
            old.append(f"{line[1:]}\n")
            new.append(f"{line[1:]}\n")
        elif line[0] in "+-" and path is not None:
            (new if line[0] == "+" else old).append(f"{line[1:]}\n")
        else:
            raise ValueError(f"this line is not part of a diff: {line!r}")


def commands(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output that is shown below it."""
    parts = re.split(r"^\$ (.+)\n", text, flags=re.MULTILINE)
    if parts[0]:
        raise ValueError(f"output without a command: {parts[0]!r}")
    return [(command, output.rstrip("\n")) for command, output in zip(parts[1::2], parts[2::2], strict=True)]


def follow(project: Project, walk: Walk) -> Iterator[Shown]:
    """Do what a section says, generate after each edit, and yield each command with its output.

    Raises:
        ValueError: An edit does not fit, or a block or a command is unknown.
        AssertionError: Python does not print what the page shows.
    """
    for step in walk.steps:
        match step.language:
            case "diff":
                for edit in parse_diff(step.text):
                    edit.apply(project.folder)
                project.generate()
            case "console":
                for command, output in commands(step.text):
                    yield Shown(command, output, project.output(command))
            case "pycon":
                session = project.folder / "session.txt"
                session.write_text(step.text, encoding="utf-8")
                done = project.python("-m", "doctest", "-o", "ELLIPSIS", session.name)
                session.unlink()
                assert done.returncode == 0, done.stdout + done.stderr
            case language:
                raise ValueError(f"an unknown block: {language}")


def normalized(output: str) -> str:
    """Output without what changes while nothing of interest does: numbers of lines and files, commits, versions."""
    for pattern, placeholder in _PLACEHOLDERS:
        output = pattern.sub(placeholder, output)
    return output.rstrip("\n")
