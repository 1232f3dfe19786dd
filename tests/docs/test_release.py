"""The release checklist notices what it should."""

from __future__ import annotations

import tarfile
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from runpod_typed import __version__
from scripts.release_check import Finding, check_changelog, check_dist, check_git, check_version
from tests.docs.snippets import ROOT

CHANGELOG = """\
# Changelog

## [Unreleased]

## [1.2.0] - 2026-11-21

- One thing.

## [1.1.0] - 2026-10-01
"""


def problems(findings: Iterable[Finding]) -> list[str]:
    return [finding.problem for finding in findings if finding.problem is not None]


def test_the_version_is_told_the_same_way_twice() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["version"] == __version__


def test_a_prepared_release_has_no_problem() -> None:
    assert problems(check_version("1.2.0", '__version__ = "1.2.0"', ["v1.1.0", "nightly"])) == []
    assert problems(check_changelog(CHANGELOG, "1.2.0")) == []
    assert problems(check_git("")) == []


@pytest.mark.parametrize(
    ("version", "module", "tags", "problem"),
    [
        ("1.2.dev1", '__version__ = "1.2.dev1"', [], "1.2.dev1 is not of the form 1.2.3"),
        ("1.2.0", '__version__ = "1.1.0"', [], "1.2.0 and 1.1.0"),
        ("1.2.0", "", [], "1.2.0 and none"),
        ("1.2.0", '__version__ = "1.2.0"', ["v1.2.0"], "there is a tag v1.2.0"),
        ("1.9.0", '__version__ = "1.9.0"', ["v1.10.0", "v1.2.0"], "there is a tag v1.10.0"),
    ],
)
def test_a_version_that_cannot_be_released_is_noticed(version: str, module: str, tags: list[str], problem: str) -> None:
    assert problems(check_version(version, module, tags)) == [problem]


@pytest.mark.parametrize(
    ("text", "version", "found"),
    [
        (CHANGELOG, "1.3.0", ["there is none"]),
        (CHANGELOG.replace(" - 2026-11-21", ""), "1.2.0", ["it has no date"]),
        (CHANGELOG.replace("[Unreleased]\n", "[Unreleased]\n\n- Left over.\n"), "1.2.0", ["it has 1 lines"]),
        (CHANGELOG + "## [1.2.0]\n", "1.2.0", ["there are Unreleased, 1.2.0, 1.1.0, 1.2.0"]),
    ],
)
def test_a_changelog_that_is_not_ready_is_noticed(text: str, version: str, found: list[str]) -> None:
    assert problems(check_changelog(text, version)) == found


def test_what_is_not_committed_is_noticed_and_forgiven_in_a_rehearsal() -> None:
    (finding,) = check_git(" M README.md\n?? new.py\n")

    assert (finding.problem, finding.is_last_step) == ("2 files are not", True)


def packed(folder: Path, *, in_wheel: list[str]) -> Path:
    with zipfile.ZipFile(folder / "runpod_typed-1.2.0-py3-none-any.whl", "w") as wheel:
        for name in in_wheel:
            wheel.writestr(name, "")
    with tarfile.open(folder / "runpod_typed-1.2.0.tar.gz", "w:gz") as sdist:
        for name in ("CHANGELOG.md", "LICENSE", "README.md", "noxfile.py", "pyproject.toml", "spec/openapi.yaml"):
            sdist.addfile(tarfile.TarInfo(f"runpod_typed-1.2.0/{name}"))
    return folder


WHEEL = [
    "runpod_typed/__init__.py",
    "runpod_typed/py.typed",
    "runpod_typed/_sync/client.py",
    "runpod_typed/local/__init__.py",
    "runpod_queue_api/__init__.py",
    "runpod_queue_api/py.typed",
    "runpod_queue_api/wire.py",
]


def test_a_wheel_and_an_sdist_that_are_complete_have_no_problem(tmp_path: Path) -> None:
    assert problems(check_dist(packed(tmp_path, in_wheel=WHEEL), "1.2.0")) == []


def test_a_wheel_without_types_or_with_tests_is_noticed(tmp_path: Path) -> None:
    shipped = [name for name in WHEEL if name != "runpod_typed/py.typed"] + ["tests/conftest.py"]

    assert problems(check_dist(packed(tmp_path, in_wheel=shipped), "1.2.0")) == [
        "runpod_typed/py.typed missing",
        "it holds tests/conftest.py",
    ]


def test_a_build_of_another_version_is_noticed(tmp_path: Path) -> None:
    assert problems(check_dist(packed(tmp_path, in_wheel=WHEEL), "1.3.0")) == ["it is not there", "it is not there"]
