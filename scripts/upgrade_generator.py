"""Takes the project to the installed release of the code generator, and shows what that moves.

`nox -s upgrade_generator` installs the newest release, or the one that it is asked for, and runs this. Everything is
tried on a copy first: the pin is raised, `generated/` is written anew, and the contract tests, which hold what the rest
of the project relies on, are run on the result. Only then the pin and `generated/` are put in place.

    python scripts/upgrade_generator.py              raise the pin
    python scripts/upgrade_generator.py --dry-run    show what would move, and leave everything as it is
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

if __name__ == "__main__":  # run as a file, Python looks beside it and not in the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts import generate

ROOT: Final = Path(__file__).resolve().parent.parent
PROJECT: Final = Path("pyproject.toml")
GENERATOR: Final = "openapi-python-client"
PARTS: Final = (PROJECT.name, "generated", "runpod_typed", "scripts", "spec", "tests")
CONTRACT_TESTS: Final = "tests/contract"
SHOWN_LINES: Final = 20
"""Of what a generator that failed has to say, so many lines are shown: the reason stands at the end."""

_PIN: Final = re.compile(rf'(?<="{GENERATOR}==)[^"]+(?=")')


class UpgradeError(Exception):
    """The generator cannot be upgraded; the text says why."""


def pinned_version(text: str) -> str:
    """The version of the generator that a pyproject.toml pins.

    Raises:
        UpgradeError: It pins none, or several.
    """
    found = _PIN.findall(text)
    if len(found) != 1:
        raise UpgradeError(f"{PROJECT} must pin {GENERATOR} once, and does so {len(found)} times")
    return str(found[0])


def with_pin(text: str, wanted: str) -> str:
    """The same pyproject.toml with another pin."""
    pinned_version(text)
    return _PIN.sub(wanted, text)


def summary(lines: Iterable[str]) -> Iterator[str]:
    """How much of a unified diff is about which file."""
    added, removed = Counter[str](), Counter[str]()
    name, old = "", ""
    for line in lines:
        if line.startswith("--- "):
            old = line[4:].strip()
        elif line.startswith("+++ "):
            new = line[4:].strip()
            name = old if new == "/dev/null" else new
        elif line.startswith("+"):
            added[name] += 1
        elif line.startswith("-"):
            removed[name] += 1
    names = sorted(added.keys() | removed.keys())
    width = max(map(len, names), default=0)
    yield from (f"  {name:<{width}}  +{added[name]} -{removed[name]}" for name in names)
    yield f"{len(names)} files, {added.total()} lines added, {removed.total()} removed"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="upgrade_generator", description=f"Takes the project to another {GENERATOR}.")
    parser.add_argument("--dry-run", action="store_true", help="show what would move, and leave everything as it is")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: the one of this script)")
    arguments = parser.parse_args(argv)
    try:
        return _upgrade(arguments.root.resolve(), version(GENERATOR), dry_run=arguments.dry_run)
    except UpgradeError as error:
        print(f"upgrade_generator: {error}", file=sys.stderr)
        return 1


def _upgrade(root: Path, wanted: str, *, dry_run: bool) -> int:
    text = (root / PROJECT).read_text(encoding="utf-8")
    pinned = pinned_version(text)
    if pinned == wanted:
        print(f"{GENERATOR} {pinned} is what {PROJECT} pins already: nothing to do")
        return 0
    with tempfile.TemporaryDirectory(prefix="upgrade-generator-") as folder:
        copy = Path(folder)
        _copy(root, copy)
        (copy / PROJECT).write_text(with_pin(text, wanted), encoding="utf-8")
        generated = _run(copy, "scripts/generate.py")
        if generated.returncode:
            end = "".join(generated.stdout.splitlines(keepends=True)[-SHOWN_LINES:])
            raise UpgradeError(f"{GENERATOR} {wanted} does not compile the project; nothing is changed\n{end}".rstrip())
        before, after = (generate.read(tree / generate.OUTPUT) for tree in (root, copy))
        lines = list(generate.differences(after, before))
        tested = _run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", CONTRACT_TESTS)
    sys.stdout.writelines(lines)
    print(f"\n{GENERATOR} {pinned} -> {wanted}", *summary(lines), sep="\n")
    if not dry_run:
        (root / PROJECT).write_text(with_pin(text, wanted), encoding="utf-8")
        generate.exchange(after, root / generate.OUTPUT)
    print("Nothing was written (--dry-run)." if dry_run else f"{PROJECT} and {generate.OUTPUT}/ are written.")
    if tested.returncode:
        print(tested.stdout, "The contract tests fail: what the project relies on has moved.", sep="\n")
        return 1
    print("The contract tests pass: what the project relies on is where it was.")
    return 0


def _copy(root: Path, copy: Path) -> None:
    for name in PARTS:
        if (root / name).is_dir():
            shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(root / name, copy / name)


def _run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs this Python in a copy of the project, which it sees in the place of what is installed."""
    path = os.pathsep.join(map(str, (folder, folder / generate.OUTPUT)))
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
