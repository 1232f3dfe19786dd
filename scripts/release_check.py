"""The release checklist, as far as the files tell: `nox -s release` goes through all of it.

    python scripts/release_check.py tree               version, changelog, and what git says
    python scripts/release_check.py tree --rehearsal   the same, but forgives what is only written before a release
    python scripts/release_check.py dist FOLDER        what the wheel and the sdist in a folder hold

It publishes nothing.
"""

import argparse
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

ROOT: Final = Path(__file__).resolve().parent.parent

_FINAL: Final = re.compile(r"(?P<major>\d+)\.(?P<minor>\d+)\.(?P<patch>\d+)")
_ASSIGNED: Final = re.compile(r'^__version__ = "(?P<version>[^"]+)"$', re.MULTILINE)
_SECTION: Final = re.compile(r"^## \[(?P<name>[^\]]+)\](?: - (?P<date>\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)

_IN_WHEEL: Final = (
    "runpod_typed/__init__.py",
    "runpod_typed/py.typed",
    "runpod_typed/_sync/client.py",
    "runpod_typed/local/__init__.py",
    "runpod_queue_api/__init__.py",
    "runpod_queue_api/py.typed",
    "runpod_queue_api/wire.py",
)
_IN_SDIST: Final = ("CHANGELOG.md", "LICENSE", "README.md", "noxfile.py", "pyproject.toml", "spec/openapi.yaml")
_NOT_SHIPPED: Final = ("tests/", "docs/", "examples/", "scripts/", "spec/", "benchmarks/")


@frozen
class Finding:
    """One line of the checklist.

    Attributes:
        what: What was looked at.
        problem: What is wrong; None where it is as it should be.
        is_last_step: Whether it is among the last things that are done before a release, which a rehearsal forgives.
    """

    what: str
    problem: str | None = None
    is_last_step: bool = False

    def __str__(self) -> str:
        """The line, as it is printed."""
        return f"ok      {self.what}" if self.problem is None else f"PROBLEM {self.what}: {self.problem}"


def check_version(project_version: str, module_text: str, tags: Sequence[str]) -> Iterator[Finding]:
    """Whether the version is one, is told the same way twice, and is new.

    Args:
        project_version: What pyproject.toml says.
        module_text: The text of `runpod_typed/_version.py`.
        tags: The tags of the repository.
    """
    final = _FINAL.fullmatch(project_version)
    yield Finding("the version is a final one", None if final else f"{project_version} is not of the form 1.2.3")
    told = _ASSIGNED.search(module_text)
    same = told is not None and told["version"] == project_version
    yield Finding(
        "pyproject.toml and runpod_typed/_version.py agree",
        None if same else f"{project_version} and {told['version'] if told else 'none'}",
    )
    released = [_key(tag) for tag in tags if _FINAL.fullmatch(tag.removeprefix("v"))]
    older = not released or _key(project_version) > max(released)
    yield Finding(
        f"{project_version} is newer than every release",
        None if older else f"there is a tag v{'.'.join(map(str, max(released)))}",
        is_last_step=True,
    )


def check_changelog(text: str, version: str) -> Iterator[Finding]:
    """Whether the changelog tells of the version, with its date, and of nothing that is left over."""
    sections = list(_SECTION.finditer(text))
    names = [section["name"] for section in sections]
    yield Finding(
        "CHANGELOG.md has one section for each version",
        None if len(set(names)) == len(names) else f"there are {', '.join(names)}",
    )
    own = next((section for section in sections if section["name"] == version), None)
    problem = "there is none" if own is None else None if own["date"] else "it has no date"
    yield Finding(f"CHANGELOG.md has a section [{version}] with its date", problem, is_last_step=True)
    left = "" if not names or names[0] != "Unreleased" else _between(text, sections[0], sections[1:])
    yield Finding(
        "CHANGELOG.md has nothing left under [Unreleased]",
        f"it has {len(left.splitlines())} lines" if left else None,
        is_last_step=True,
    )


def check_git(status: str) -> Iterator[Finding]:
    """Whether everything is committed.

    Args:
        status: What `git status --porcelain` says.
    """
    changed = status.splitlines()
    yield Finding("everything is committed", f"{len(changed)} files are not" if changed else None, is_last_step=True)


def check_dist(folder: Path, version: str) -> Iterator[Finding]:
    """Whether a wheel and an sdist of the version are in a folder, and hold what they should."""
    wheel = folder / f"runpod_typed-{version}-py3-none-any.whl"
    sdist = folder / f"runpod_typed-{version}.tar.gz"
    for path in (wheel, sdist):
        yield Finding(f"{path.name} is built", None if path.is_file() else "it is not there")
    if not (wheel.is_file() and sdist.is_file()):
        return
    with zipfile.ZipFile(wheel) as archive:
        shipped = archive.namelist()
    missing = [name for name in _IN_WHEEL if name not in shipped]
    yield Finding("the wheel holds both packages, with their types", _missing(missing))
    stray = [name for name in shipped if name.startswith(_NOT_SHIPPED)]
    yield Finding("the wheel holds nothing else", f"it holds {stray[0]}" if stray else None)
    top = sdist.name.removesuffix(".tar.gz")
    with tarfile.open(sdist) as archive:
        packed = archive.getnames()
    missing = [name for name in _IN_SDIST if f"{top}/{name}" not in packed]
    yield Finding("the sdist holds the sources", _missing(missing))


def _missing(names: Sequence[str]) -> str | None:
    return f"{', '.join(names)} missing" if names else None


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _between(text: str, section: re.Match[str], following: Sequence[re.Match[str]]) -> str:
    end = following[0].start() if following else len(text)
    return text[section.end() : end].strip()


def _git(*arguments: str) -> str | None:
    """What git says; None outside of a repository, as in an unpacked sdist."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def _tree(version: str) -> Iterator[Finding]:
    tags = (_git("tag", "--list") or "").split()
    yield from check_version(version, (ROOT / "runpod_typed/_version.py").read_text(encoding="utf-8"), tags)
    yield from check_changelog((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    status = _git("status", "--porcelain")
    if status is not None:
        yield from check_git(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Go through a part of the list, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    parts.add_parser("tree").add_argument("--rehearsal", action="store_true")
    parts.add_parser("dist").add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    findings = list(_tree(version) if options.part == "tree" else check_dist(options.folder, version))
    forgiven = options.part == "tree" and options.rehearsal
    failed = 0
    for finding in findings:
        if finding.problem is not None and forgiven and finding.is_last_step:
            print(f"to do   {finding.what}: {finding.problem}")
        else:
            print(finding)
            failed += finding.problem is not None
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
