"""Checks that the tree is ready for a release: version, changelog, URLs and git; `nox -s release` checks the packages.

    python scripts/release_check.py               all must hold
    python scripts/release_check.py --rehearsal   the last steps before a release are only listed

It publishes nothing.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PLACEHOLDER: Final = ".example/"
"""No real host ends like this (RFC 2606): `[project.urls]` holds it until the repository has an address."""


def version_problems(version: str, tags: Sequence[str]) -> Iterator[str]:
    """Yield the reasons why a version cannot be released."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        yield f"runpod_typed/_version.py: {version} does not have the form 1.2.3"
    elif newer := [tag for tag in tags if re.fullmatch(r"v\d+\.\d+\.\d+", tag) and _key(tag) >= _key(version)]:
        yield f"runpod_typed/_version.py: {version} is not newer than {max(newer, key=_key)}"


def changelog_problems(text: str, version: str) -> Iterator[str]:
    """Yield what the changelog lacks for a version."""
    sections = re.findall(r"^## \[(.+?)\](.*)\n((?:(?!## ).*\n?)*)", text, re.MULTILINE)
    names = [name for name, _, _ in sections]
    yield from (f"CHANGELOG.md: [{name}] occurs twice" for name in sorted(set(names)) if names.count(name) > 1)
    title = next((title for name, title, _ in sections if name == version), None)
    if title is None or not re.fullmatch(r" - \d{4}-\d{2}-\d{2}", title):
        yield f"CHANGELOG.md: there is no section `## [{version}] - YYYY-MM-DD`"
    if any(name == "Unreleased" and body.strip() for name, _, body in sections):
        yield "CHANGELOG.md: [Unreleased] is not empty"


def url_problems(urls: Mapping[str, str]) -> Iterator[str]:
    """Yield the project URLs that are still placeholders."""
    yield from (f"pyproject.toml: {name} is a placeholder: {url}" for name, url in urls.items() if PLACEHOLDER in url)


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _git(*arguments: str) -> list[str]:
    """Return the lines of git's output; none outside of a repository, as in an unpacked sdist."""
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()


def main(arguments: Sequence[str]) -> int:
    """Print the problems; return the exit code."""
    source = (ROOT / "runpod_typed/_version.py").read_text(encoding="utf-8")
    version = source.partition('__version__ = "')[2].partition('"')[0]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    problems = [
        *version_problems(version, _git("tag", "--list")),
        *changelog_problems((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version),
        *url_problems(project["urls"]),
        *(["git: not everything is committed"] if _git("status", "--porcelain") else []),
    ]
    rehearsal = "--rehearsal" in arguments
    print(*(f"{'to do' if rehearsal else 'PROBLEM'}: {problem}" for problem in problems), sep="\n")
    print(f"runpod-typed {version}: {len(problems)} steps left before the release")
    return 1 if problems and not rehearsal else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
