"""The next version, and the report."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.api_changes import RULE_BEFORE_1, RULE_FROM_1, Change, Part, next_version, report

BREAKING = Change("Job.retries", "is gone", breaks=True)
COMPATIBLE = Change("Job.gpu", "is new", breaks=False)


@pytest.mark.parametrize(
    ("version", "changes", "following"),
    [
        ("0.1.0", [], "0.1.0"),
        ("0.1.0", [COMPATIBLE], "0.1.1"),
        ("0.1.3", [COMPATIBLE, BREAKING], "0.2.0"),
        ("1.2.3", [], "1.2.3"),
        ("1.2.3", [COMPATIBLE], "1.3.0"),
        ("1.2.3", [BREAKING, COMPATIBLE], "2.0.0"),
        ("0.9.0.dev1", [BREAKING], "0.10.0"),
    ],
)
def test_the_gravest_change_decides_on_the_version(version: str, changes: list[Change], following: str) -> None:
    assert next_version(version, changes) == following


def test_refuses_what_is_not_a_version() -> None:
    with pytest.raises(ValueError, match="'one' is not a version"):
        next_version("one", [BREAKING])


@given(
    st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)),
    st.lists(st.sampled_from([BREAKING, COMPATIBLE]), min_size=1),
)
def test_the_next_version_is_later(version: tuple[int, int, int], changes: list[Change]) -> None:
    following = next_version(".".join(map(str, version)), changes)
    assert tuple(map(int, following.split("."))) > version


def test_reports_breaking_changes_first() -> None:
    other = Change("Job.a", "is new", breaks=False)
    assert Part.of("The API", [COMPATIBLE, BREAKING, other]).changes == (BREAKING, COMPATIBLE, other)


def test_reports_a_change_of_several_owners_once() -> None:
    changes = [Change(f"{owner}: wait", "is gone", breaks=True, merge=True) for owner in ("run", "stop", "go")]
    assert [str(change) for change in Part.of("", changes).changes] == ["breaking    run and 2 more: wait is gone"]


def test_reports_each_part_and_the_next_version() -> None:
    parts = [Part.of("The API", [BREAKING, COMPATIBLE]), Part.of("runpod_typed", [])]

    assert list(report("v0.1.0", "0.1.0", "0.1.0", parts, ["A note."])) == [
        "What has changed for users since v0.1.0:",
        "",
        "The API",
        "  breaking    Job.retries is gone",
        "  compatible  Job.gpu is new",
        "",
        "runpod_typed",
        "  nothing",
        "",
        "1 breaking, 1 compatible. After 0.1.0 comes 0.2.0.",
        "A note.",
        RULE_BEFORE_1,
    ]
    assert list(report("v0.1.0", "0.1.0", "0.1.0", parts[1:], ["A note."])) == [
        "Nothing has changed for users since v0.1.0.",
        "A note.",
    ]


@pytest.mark.parametrize(
    ("now", "line"),
    [
        ("0.1.1", "The project says that it is 0.1.1, which is too little."),
        ("0.2.0", "The project says that it is 0.2.0."),
        ("1.0.0", "The project says that it is 1.0.0."),
    ],
)
def test_compares_a_raised_version_with_what_is_needed(now: str, line: str) -> None:
    assert line in list(report("v0.1.0", "0.1.0", now, [Part.of("The API", [BREAKING])]))


def test_from_version_1_on_another_rule_holds() -> None:
    assert list(report("v1.0.0", "1.0.0", "1.0.0", [Part.of("The API", [COMPATIBLE])]))[-1] == RULE_FROM_1
