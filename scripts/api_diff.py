"""Says in words what has changed for users since a revision: in the API, and in the Python names of both packages.

    python scripts/api_diff.py              since the last tag; without one, since the last commit before what is here
    python scripts/api_diff.py REV          since a tag, a commit, or a release (`0.1.0` finds the tag `v0.1.0`)
    python scripts/api_diff.py --json       the same, for programs

Each change is marked: compatible, or breaking, after which code that was right may be wrong. The version that follows
is told at the end. The revision is unpacked into a temporary folder; nothing in the work tree is touched.
"""

import argparse
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, cast

from attrs import frozen

if __name__ == "__main__":  # run as a file, Python looks beside it and not in the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts import python_api
from scripts.api_changes import Part, next_version, report
from scripts.python_changes import python_changes
from scripts.spec_changes import spec_changes
from scripts.spec_document import SpecDocument, SpecError

ROOT: Final = Path(__file__).resolve().parent.parent
SPEC: Final = Path("spec/openapi.yaml")
RECORD: Final = Path("generated/GENERATED.json")
PACKAGES: Final = {"runpod_typed": Path(), "runpod_queue_api": Path("generated")}
"""The packages that users import, and the folders that they stand in."""
SOURCES: Final = ("spec", "generated", "runpod_typed")


class RevisionError(Exception):
    """There is no such revision."""


@frozen
class Revision:
    """A commit to compare with."""

    name: str
    """As people know it."""
    commit: str


def find_revision(root: Path, given: str | None) -> Revision | None:
    """What to compare with; None where there is nothing earlier.

    Raises:
        RevisionError: It was asked for, and is not there.
    """
    if given is not None:
        for name in (given, f"v{given}"):
            if commit := _commit(root, name):
                return Revision(name, commit)
        raise RevisionError(f"api_diff: {given!r} is no tag, release or commit of this repository")
    if tag := _git(root, "describe", "--tags", "--abbrev=0"):
        return Revision(tag, _commit(root, tag))
    is_changed = bool(_git(root, "status", "--porcelain", "--", *SOURCES))
    if commit := _commit(root, "HEAD" if is_changed else "HEAD~1"):
        return Revision(f"commit {_git(root, 'rev-parse', '--short', commit)}", commit)
    return None


def unpack(root: Path, revision: Revision, folder: Path) -> None:
    """Lays what concerns users of a revision into a folder, as far as the revision has it."""
    wanted = {*SOURCES, "pyproject.toml"}
    paths = sorted(wanted.intersection(_git(root, "ls-tree", "--name-only", revision.commit).splitlines()))
    if not paths:
        return
    command = [*_command(root), "archive", "--format=tar", revision.commit, "--", *paths]
    packed = subprocess.run(command, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def compare(old: Path, new: Path) -> list[Part]:
    """What has changed from one tree of the project to another.

    Raises:
        SpecError: One of the specifications cannot be read.
    """
    parts = [Part.of(f"The API ({SPEC.as_posix()})", spec_changes(_spec(old), _spec(new)))]
    for package, place in PACKAGES.items():
        before, after = (python_api.read(package, tree / place) for tree in (old, new))
        parts.append(Part.of(package, python_changes(before, after)))
    return parts


def version_of(tree: Path) -> str:
    """The version that a tree of the project says it is."""
    path = tree / "runpod_typed" / "_version.py"
    source = path.read_text(encoding="utf-8") if path.is_file() else ""
    return source.partition('__version__ = "')[2].partition('"')[0] or "0.0.0"


def as_json(since: str, version: str, parts: Sequence[Part]) -> str:
    """The report for programs."""
    changes = [
        {"part": part.title, "subject": change.subject, "text": change.text, "effect": change.effect.value}
        for part in parts
        for change in part.changes
    ]
    following = next_version(version, [change for part in parts for change in part.changes])
    return json.dumps({"since": since, "version": version, "next_version": following, "changes": changes}, indent=2)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="api_diff", description="Says what has changed for users since a revision.")
    parser.add_argument("revision", nargs="?", help="a tag, release or commit (default: the last tag, or commit)")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: the one of this script)")
    arguments = parser.parse_args(argv)
    root: Path = arguments.root.resolve()
    if _is_stale(root):
        print(f"api_diff: generated/ is not made of this {SPEC}: run `nox -s generate` first", file=sys.stderr)
    try:
        revision = find_revision(root, arguments.revision)
        if revision is None:
            print("There is no earlier revision to compare with.", file=sys.stderr if arguments.json else sys.stdout)
            return 0
        with tempfile.TemporaryDirectory(prefix="api-diff-") as folder:
            unpack(root, revision, Path(folder))
            parts, version = compare(Path(folder), root), version_of(Path(folder))
    except (RevisionError, SpecError) as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.json:
        print(as_json(revision.name, version, parts))
    else:
        print(*report(revision.name, version, version_of(root), parts), sep="\n")
    return 0


def _spec(tree: Path) -> SpecDocument:
    """The specification of a tree; one that describes nothing where it has none."""
    path = tree / SPEC
    return SpecDocument.load(path, shown_as=SPEC) if path.is_file() else SpecDocument(SPEC, {}, {(): 1})


def _is_stale(root: Path) -> bool:
    """Whether the generated package is older than the specification."""
    if not (root / RECORD).is_file() or not (root / SPEC).is_file():
        return False
    record = cast("dict[str, str]", json.loads((root / RECORD).read_text(encoding="utf-8")))
    return record.get("spec_sha256") != sha256((root / SPEC).read_bytes()).hexdigest()


def _commit(root: Path, name: str) -> str:
    """The id of a commit by any of its names; empty where there is none."""
    return _git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")


def _git(root: Path, *arguments: str) -> str:
    """What git answers; nothing where it fails, is not installed, or the folder is not the top of a repository."""
    if shutil.which("git") is None or not (root / ".git").exists():
        return ""
    return subprocess.run([*_command(root), *arguments], capture_output=True, text=True, check=False).stdout.strip()


def _command(root: Path) -> list[str]:
    return ["git", "-C", str(root)]


if __name__ == "__main__":
    sys.exit(main())
