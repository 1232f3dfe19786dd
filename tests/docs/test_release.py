"""The checks before a release find what is missing."""

from __future__ import annotations

import pytest

from scripts.release_check import changelog_problems, url_problems, version_problems

CHANGELOG = """\
# Changelog

## [Unreleased]

## [1.2.0] - 2026-11-21

- One thing.

## [1.1.0] - 2026-10-01
"""


def test_prepared_release_has_no_problem() -> None:
    assert list(version_problems("1.2.0", ["v1.1.0", "nightly"])) == []
    assert list(changelog_problems(CHANGELOG, "1.2.0")) == []
    assert list(url_problems({"Source": "https://host/owner/repository"})) == []


@pytest.mark.parametrize(
    ("version", "tags", "problem"),
    [
        ("1.2.dev1", [], "1.2.dev1 does not have the form 1.2.3"),
        ("1.2.0", ["v1.2.0"], "1.2.0 is not newer than v1.2.0"),
        ("1.9.0", ["v1.10.0", "v1.2.0"], "1.9.0 is not newer than v1.10.0"),
    ],
)
def test_finds_version_that_cannot_be_released(version: str, tags: list[str], problem: str) -> None:
    assert list(version_problems(version, tags)) == [f"runpod_typed/_version.py: {problem}"]


@pytest.mark.parametrize(
    ("text", "version", "problem"),
    [
        (CHANGELOG, "1.3.0", "there is no section `## [1.3.0] - YYYY-MM-DD`"),
        (CHANGELOG.replace(" - 2026-11-21", ""), "1.2.0", "there is no section `## [1.2.0] - YYYY-MM-DD`"),
        (CHANGELOG.replace("[Unreleased]\n", "[Unreleased]\n\n- Left.\n"), "1.2.0", "[Unreleased] is not empty"),
        (CHANGELOG + "## [1.2.0]\n", "1.2.0", "[1.2.0] occurs twice"),
    ],
)
def test_finds_changelog_that_is_not_ready(text: str, version: str, problem: str) -> None:
    assert list(changelog_problems(text, version)) == [f"CHANGELOG.md: {problem}"]


def test_finds_placeholder_url() -> None:
    urls = {"Source": "https://repository.example/runpod-typed"}
    assert list(url_problems(urls)) == [
        "pyproject.toml: Source is a placeholder: https://repository.example/runpod-typed"
    ]
