"""A copy of the project, where the specification is edited and the tools run as people run them."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from attrs import define, field

from scripts import api_diff, generate
from scripts.check_spec import ROOT

PARTS: Final = ("examples", "generated", "pyproject.toml", "runpod_typed", "scripts", "spec", "tests")
TYPED: Final = ("runpod_typed", "generated/runpod_queue_api", "scripts", "tests")
TESTED: Final = (
    "tests/contract/test_generated_client.py",
    "tests/contract/test_generated_wire.py",
    "tests/contract/test_operations.py",
    "tests/spec/test_openapi.py",
    "tests/core/test_config.py",
    "tests/core/test_health.py",
    "tests/core/test_jobs.py",
    "tests/core/test_operations.py",
    "tests/core/test_options.py",
    "tests/core/test_shapes.py",
    "tests/core/test_webhooks.py",
    "tests/local/test_wire_forms.py",
)
"""The tests that read the wire; the page says which of them fail."""
PLUGINS: Final = ("-p", "anyio", "-p", "_hypothesis_pytestplugin", "-p", "no:cacheprovider")
CACHE: Final = ".mypy_cache"
IGNORED: Final = ("__pycache__/", ".hypothesis/", f"{CACHE}/", ".pytest_cache/")
DISTRIBUTION: Final = "runpod-typed"
NO_COMPLAINT: Final = "Success: no issues found"


@define
class Project:
    """A copy in a repository of its own."""

    folder: Path
    _warm: Path | None = field(default=None, init=False)
    """What mypy knows of the project as it was."""

    @classmethod
    def copy(cls, folder: Path) -> Project:
        """Copy this project, with one commit."""
        for name in PARTS:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", CACHE))
            else:
                shutil.copy(source, folder / name)
        project = cls(folder)
        project.git("init", "--quiet")
        (folder / ".git" / "info" / "exclude").write_text("\n".join(IGNORED), encoding="utf-8")
        project.commit("As it was")
        return project

    @classmethod
    def checked(cls, folder: Path, shared: Path) -> Project:
        """Copy this project; mypy checks it once for all copies that share a folder.

        Raises:
            LookupError: The project is installed here: mypy would find in it what an edit has removed.
        """
        if any(distributions(name=DISTRIBUTION)):
            raise LookupError(f"{DISTRIBUTION} is installed beside the copy: run `nox -s regeneration`")
        project = cls.copy(folder / "project")
        project._warm = shared / "warm"
        try:
            shared.mkdir()
        except FileExistsError:  # another process checks it
            while not project._warm.exists():
                time.sleep(0.5)
            return project
        assert not (complaints := project.complaints()), "\n".join(complaints)
        shutil.copytree(project.folder / CACHE, shared / "new")
        (shared / "new").rename(project._warm)
        return project

    def reset(self) -> None:
        """Undo every edit."""
        self.git("reset", "--quiet", "--hard")
        self.git("clean", "--quiet", "--force", "-d")
        if self._warm is not None:
            shutil.rmtree(self.folder / CACHE, ignore_errors=True)
            shutil.copytree(self._warm, self.folder / CACHE)

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def git(self, *arguments: str) -> str:
        """Run git without the settings of the machine."""
        settings = ("user.name=Test", "user.email=test@example.org", "core.autocrlf=false", "commit.gpgsign=false")
        options = [word for setting in settings for word in ("-c", setting)]
        done = self.run("git", *options, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program in the copy, which finds the copy and no installed package."""
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
        """Run this Python in the copy."""
        return self.run(sys.executable, *arguments)

    def test(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run tests of the copy on the copy, without the plugins that they do not need."""
        return self.python("-m", "pytest", "--tb=short", "--disable-plugin-autoload", *PLUGINS, *arguments)

    def complaints(self) -> list[str]:
        """Return the errors that mypy finds in the copy."""
        done = self.python("-m", "mypy", "--no-error-summary", "--python-version", "3.11", *TYPED)
        assert done.returncode in {0, 1}, done.stdout + done.stderr
        return sorted(line for line in done.stdout.splitlines() if ": error: " in line)

    def flagged(self, complaints: list[str]) -> Iterator[tuple[str, str]]:
        """Yield the file and the text of each line that mypy points at."""
        for complaint in complaints:
            if match := re.match(r"(\S+?):(\d+): error: ", complaint):
                lines = (self.folder / match[1]).read_text(encoding="utf-8").splitlines()
                yield match[1], lines[int(match[2]) - 1].strip()

    def _printed(self, main: Callable[[list[str]], int], *arguments: str) -> str:
        """Run a script of the project on the copy, in this process: to start it takes longer than to run it."""
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed):
            main(["--root", str(self.folder), *arguments])
        return printed.getvalue()

    def generate(self) -> None:
        """Run `nox -s generate`, which must accept the specification."""
        printed = self._printed(generate.main)
        assert re.search(r"^generated/ is (written|up to date)", printed, re.MULTILINE), printed

    def output(self, command: str) -> str:
        """Return what a command of the page prints.

        Raises:
            ValueError: The command is unknown.
        """
        match command.split():
            case ["nox", "-s", "generate"]:
                return self._printed(generate.main)
            case ["nox", "-s", "api_diff"]:
                return self._printed(api_diff.main)
            case ["nox", "-s", "api_diff", "|", "grep", *_]:
                lines = self._printed(api_diff.main).splitlines()
                return "\n".join(line for line in lines if line.startswith("  breaking"))
            case ["nox", "-s", "types", *_] if "|" not in command:
                return "\n".join(self.complaints() or [NO_COMPLAINT])
            case ["nox", "-s", "types", *_, "|", "grep", beginning]:
                prefix = beginning.removeprefix("^")
                return "\n".join(line for line in self.complaints() if line.startswith(prefix))
            case ["nox", "-s", "tests", "|", "grep", "-E", _]:
                done = self.test(
                    "-q",
                    "--no-header",
                    "--override-ini=addopts=--import-mode=importlib",
                    "--hypothesis-profile=quick",
                    "--continue-on-collection-errors",
                    "-rfE",
                    *TESTED,
                )
                failed = re.findall(r"^((?:FAILED|ERROR) [^\s\[]+)", done.stdout, re.MULTILINE)
                assert bool(failed) == bool(done.returncode), done.stdout + done.stderr
                return "\n".join(sorted(set(failed)))
            case ["git", "status", "--short"]:
                return self.git("status", "--short")
            case _:
                raise ValueError(f"an unknown command: {command!r}")
