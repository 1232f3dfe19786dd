"""A copy of the project in a repository of its own, where edits are tried and tools run as people run them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from attrs import define, field, frozen

from scripts.check_spec import ROOT
from tests.regeneration.walkthrough import Walk, commands, normalized, parse_diff

PARTS: Final = ("examples", "generated", "pyproject.toml", "runpod_typed", "scripts", "spec", "tests")
TYPED: Final = ("runpod_typed", "generated/runpod_queue_api", "scripts", "tests")
CACHES: Final = ("__pycache__/", ".hypothesis/", ".mypy_cache/", ".pytest_cache/")
DISTRIBUTION: Final = "runpod-typed"
OUR_CODE: Final = "runpod_typed/"
NO_COMPLAINT: Final = "Success: no issues found"

GENERATED_TESTS: Final = (
    "tests/contract/test_generated_client.py",
    "tests/contract/test_generated_wire.py",
    "tests/spec/test_openapi.py",
)
"""The tests of the specification and of what is made of it: whatever it says, they hold."""

SEAM_TESTS: Final = ("tests/contract", "tests/spec/test_openapi.py", "tests/architecture/test_wire_names.py")
"""The same, and those of the facade's seam to it: they hold as soon as the facade has followed."""

FACADE_TESTS: Final = (
    *SEAM_TESTS,
    *(f"tests/core/test_{name}.py" for name in ("config", "envelope", "health", "jobs", "operations", "options")),
    *(f"tests/core/test_{name}.py" for name in ("rate_budget", "rate_limit", "webhooks")),
    *(f"tests/local/test_{name}.py" for name in ("client_routes", "wire_forms")),
)
"""The same, and those of all that looks at the wire: they hold, as they are, where nothing has to follow an edit."""


@frozen
class Shown:
    """A command of the page.

    Attributes:
        command: As it is typed.
        output: What the page shows.
        told: What it prints.
    """

    command: str
    output: str
    told: str


@define
class Project:
    """The copy.

    Attributes:
        folder: Where it lies.
        known: What mypy has against the project before any edit: what only an edit brings is looked at.
    """

    folder: Path
    known: Counter[str] = field(factory=Counter[str])

    @classmethod
    def copy(cls, folder: Path) -> Project:
        """A copy of this project, with one commit."""
        for name in PARTS:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".mypy_cache"))
            else:
                shutil.copy(source, folder / name)
        project = cls(folder)
        project.git("init", "--quiet")
        (folder / ".git" / "info" / "exclude").write_text("\n".join(CACHES), encoding="utf-8")
        project.commit("As it was")
        return project

    def reset(self) -> None:
        """Takes back whatever was edited."""
        self.git("reset", "--quiet", "--hard")
        self.git("clean", "--quiet", "--force", "-d")

    def commit(self, message: str) -> None:
        """Records everything as it is."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def git(self, *arguments: str) -> str:
        """Runs git, whatever a person's settings are."""
        settings = ("user.name=Test", "user.email=test@example.org", "core.autocrlf=false", "commit.gpgsign=false")
        options = [word for setting in settings for word in ("-c", setting)]
        done = self.run("git", *options, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a program in the copy, which it sees in the place of whatever is installed."""
        path = os.pathsep.join(map(str, (self.folder, self.folder / "generated")))
        return subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": path, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs this Python in the copy."""
        return self.run(sys.executable, *arguments)

    def told(self, command: str) -> str:
        """What a command of the page prints; of what mypy says, what it did not say before the edit.

        Raises:
            ValueError: The page has a command that nobody knows here.
        """
        match command.split():
            case ["nox", "-s", "generate"]:
                done = self.python("scripts/generate.py")
                return done.stdout + done.stderr
            case ["nox", "-s", "api_diff", *arguments]:
                done = self.python("scripts/api_diff.py", *arguments)
                return done.stdout + done.stderr
            case ["nox", "-s", "types"]:
                return "\n".join(self.new_complaints() or [NO_COMPLAINT])
            case ["nox", "-s", "types", "|", "grep", beginning]:
                prefix = beginning.removeprefix("^")
                return "\n".join(line for line in self.new_complaints() if line.startswith(prefix))
            case ["git", "status", "--short"]:
                return self.git("status", "--short")
            case _:
                raise ValueError(f"nobody runs {command!r}")

    def complaints(self) -> list[str]:
        """What mypy has against the project as it stands."""
        done = self.python("-m", "mypy", "--no-error-summary", "--python-version", "3.11", *TYPED)
        assert done.returncode in {0, 1}, done.stdout + done.stderr
        return [line for line in done.stdout.splitlines() if ": error: " in line]

    def new_complaints(self) -> list[str]:
        """What mypy has against it since the edit, by the names of the files."""
        known, new = self.known.copy(), list[str]()
        for line in self.complaints():
            key = normalized(line)
            if known[key]:
                known[key] -= 1
            else:
                new.append(line)
        return sorted(new)

    def look_once(self) -> None:
        """Notes what mypy has against the project before any edit, and fills its cache.

        Raises:
            LookupError: The project is installed here: in its modules mypy would find what an edit has removed.
        """
        if any(distributions(name=DISTRIBUTION)):
            raise LookupError(f"{DISTRIBUTION} is installed beside the copy: run `nox -s regeneration`")
        self.known = Counter(map(normalized, self.complaints()))

    def follow(self, walk: Walk) -> Iterator[Shown]:
        """Does what a section of the page does, command by command.

        Raises:
            ValueError: An edit does not fit, or the page has a block that nobody knows here.
            AssertionError: Python does not print what the page says.
        """
        for step in walk.steps:
            match step.language:
                case "diff":
                    for edit in parse_diff(step.text):
                        edit.apply(self.folder)
                case "console":
                    for command, output in commands(step.text):
                        yield Shown(command, output, self.told(command))
                case "pycon":
                    self.check_session(step.text)
                case language:
                    raise ValueError(f"nobody runs a block of {language}")

    def check_session(self, text: str) -> None:
        """Runs an interactive session in the copy.

        Raises:
            AssertionError: It prints something else.
        """
        file = self.folder / "session.txt"
        file.write_text(text, encoding="utf-8")
        seen = self.python("-m", "doctest", "-o", "ELLIPSIS", file.name)
        file.unlink()
        assert seen.returncode == 0, seen.stdout + seen.stderr

    def test(self, *paths: str) -> subprocess.CompletedProcess[str]:
        """Runs tests of the copy on the copy."""
        return self.python("-m", "pytest", "--tb=short", "-p", "no:cacheprovider", *paths)
