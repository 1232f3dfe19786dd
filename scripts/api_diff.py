"""Say what has changed for users since a revision: in the API, and in the Python names of both packages.

    python scripts/api_diff.py              since the last tag; without one, since the last commit before what is here
    python scripts/api_diff.py REV          since a tag, a commit, or a release (`0.1.0` finds the tag `v0.1.0`)
    python scripts/api_diff.py --json       the same, for programs

Each change is breaking or compatible; the next version is said at the end, and whether the facade reads the examples of
the specification. The revision is unpacked into a temporary folder; nothing in the work tree is touched.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, cast

if __name__ == "__main__":  # run as a file, Python looks beside it and not in the repository
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.api_changes import Part, next_version, numbers, report
from scripts.python_changes import python_changes, read
from scripts.spec_changes import spec_changes
from scripts.spec_document import SpecDocument, SpecError, mapping

ROOT: Final = Path(__file__).resolve().parent.parent
SPEC: Final = Path("spec/openapi.yaml")
RECORD: Final = Path("generated/GENERATED.json")
READER: Final = Path("scripts/read_examples.py")
PACKAGES: Final = {"runpod_typed": Path(), "runpod_queue_api": Path("generated")}
"""The packages that users import, and the folders that they stand in."""
SOURCES: Final = ("spec", "generated", "runpod_typed")


class RevisionError(Exception):
    """There is no such revision."""


def find_revision(root: Path, given: str | None) -> tuple[str, str] | None:
    """Return the name and the commit of the revision to compare with, or None if there is nothing earlier.

    Raises:
        RevisionError: The given one does not exist.
    """
    if given is not None:
        for name in (given, f"v{given}"):
            if commit := _commit(root, name):
                return name, commit
        raise RevisionError(f"api_diff: {given!r} is not a tag, release or commit of this repository")
    if tag := _git(root, "describe", "--tags", "--abbrev=0"):
        return tag, _commit(root, tag)
    is_changed = bool(_git(root, "status", "--porcelain", "--", *SOURCES))
    if commit := _commit(root, "HEAD" if is_changed else "HEAD~1"):
        return f"commit {_git(root, 'rev-parse', '--short', commit)}", commit
    return None


def unpack(root: Path, commit: str, folder: Path) -> None:
    """Copy what concerns users from a commit into a folder."""
    present = _git(root, "ls-tree", "--name-only", commit).splitlines()
    if paths := sorted(set(SOURCES).intersection(present)):
        archive = folder / "archive.zip"
        subprocess.run(["git", "-C", str(root), "archive", "--output", str(archive), commit, "--", *paths], check=True)
        shutil.unpack_archive(archive, folder)


def compare(old: Path, new: Path) -> list[Part]:
    """Compare two trees of the project.

    Raises:
        SpecError: One of the specifications cannot be read.
    """
    parts = [Part.of(f"The API ({SPEC.as_posix()})", spec_changes(_spec(old), _spec(new)))]
    for package, place in PACKAGES.items():
        parts.append(Part.of(package, python_changes(*(read(package, tree / place) for tree in (old, new)))))
    return parts


def notes(old: Path, new: Path, parts: Sequence[Part]) -> Iterator[str]:
    """Say what is left to do: the version of the specification, and examples that the facade cannot read."""
    version, now = (str(mapping(_spec(tree).content.get("info")).get("version", "0.0.0")) for tree in (old, new))
    following = next_version(version, parts[0].changes)
    if numbers(now) < numbers(following):
        line = _spec(new).line(("info", "version"))
        yield f"{SPEC.as_posix()}:{line}: info.version is {now}; the API has changed: make it {following}."
    if (new / READER).is_file():
        done = subprocess.run([sys.executable, READER], cwd=new, capture_output=True, text=True, check=False)
        unread = done.stderr.strip().splitlines()[-1:] if done.returncode else []
        yield from (*done.stdout.splitlines(), *(f"runpod_typed cannot be imported: {line}" for line in unread))


def version_of(tree: Path) -> str:
    """Return the version that a tree of the project has."""
    path = tree / "runpod_typed" / "_version.py"
    source = path.read_text(encoding="utf-8") if path.is_file() else ""
    return source.partition('__version__ = "')[2].partition('"')[0] or "0.0.0"


def as_json(since: str, version: str, parts: Sequence[Part], notes: Sequence[str]) -> str:
    """Return the report for programs."""
    pairs = [(part, change) for part in parts for change in part.changes]
    changes = [
        {"part": part.title, "subject": change.subject, "text": change.text, "effect": change.effect}
        for part, change in pairs
    ]
    following = next_version(version, [change for _, change in pairs])
    content = {"since": since, "version": version, "next_version": following, "changes": changes, "notes": notes}
    return json.dumps(content, indent=2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="api_diff", description="Says what has changed for users since a revision.")
    parser.add_argument("revision", nargs="?", help="a tag, release or commit (default: the last tag, or commit)")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: the one of this script)")
    arguments = parser.parse_args(argv)
    root: Path = arguments.root.resolve()
    if _is_stale(root):
        print(f"api_diff: generated/ does not match {SPEC}: run `nox -s generate` first", file=sys.stderr)
    try:
        revision = find_revision(root, arguments.revision)
        if revision is None:
            print("There is no earlier revision to compare with.", file=sys.stderr if arguments.json else sys.stdout)
            return 0
        since, commit = revision
        with tempfile.TemporaryDirectory(prefix="api-diff-") as name:
            old = Path(name)
            unpack(root, commit, old)
            parts, version = compare(old, root), version_of(old)
            left = list(notes(old, root, parts))
    except (RevisionError, SpecError) as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.json:
        print(as_json(since, version, parts, left))
    else:
        print(*report(since, version, version_of(root), parts, left), sep="\n")
    return 0


def _spec(tree: Path) -> SpecDocument:
    """Return the specification of a tree, or an empty one if it has none."""
    path = tree / SPEC
    return SpecDocument.load(path, shown_as=SPEC) if path.is_file() else SpecDocument(SPEC, {}, {(): 1})


def _is_stale(root: Path) -> bool:
    """Return True if the generated package is older than the specification."""
    if not (root / RECORD).is_file() or not (root / SPEC).is_file():
        return False
    record = cast("dict[str, str]", json.loads((root / RECORD).read_text(encoding="utf-8")))
    return record.get("spec_sha256") != sha256((root / SPEC).read_bytes()).hexdigest()


def _commit(root: Path, name: str) -> str:
    """Return the id of a commit by any of its names, or an empty string."""
    return _git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")


def _git(root: Path, *arguments: str) -> str:
    """Return the output of git; empty if git fails, is not installed, or the folder is not the top of a repository."""
    if shutil.which("git") is None or not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
