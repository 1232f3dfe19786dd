"""Which version follows from which changes, and how a person is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.api_changes import RULE_BEFORE_1, RULE_FROM_1, Change, Part, breaking, compatible, next_version, report

BREAKING = breaking("Job.retries", "is gone")
COMPATIBLE = compatible("Job.gpu", "is new")


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


def test_a_version_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'one' is no version"):
        next_version("one", [BREAKING])


@given(
    st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)),
    st.lists(st.sampled_from([BREAKING, COMPATIBLE]), min_size=1),
)
def test_what_follows_is_always_a_later_version(version: tuple[int, int, int], changes: list[Change]) -> None:
    following = next_version(".".join(map(str, version)), changes)
    assert tuple(map(int, following.split("."))) > version


def test_what_breaks_is_told_first_and_the_rest_as_it_comes() -> None:
    other = compatible("Job.a", "is new")

    assert Part.of("The API", [COMPATIBLE, BREAKING, other]).changes == (BREAKING, COMPATIBLE, other)


def test_a_report_says_what_has_changed_part_by_part_and_which_version_follows() -> None:
    parts = [Part.of("The API", [BREAKING, COMPATIBLE]), Part.of("runpod_typed", [])]

    assert list(report("v0.1.0", "0.1.0", "0.1.0", parts)) == [
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
        RULE_BEFORE_1,
    ]


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ("0.1.1", "The project says that it is 0.1.1, which is too little."),
        ("0.2.0", "The project says that it is 0.2.0."),
        ("1.0.0", "The project says that it is 1.0.0."),
    ],
)
def test_a_version_that_was_raised_already_is_measured_against_what_is_needed(now: str, told: str) -> None:
    assert told in list(report("v0.1.0", "0.1.0", now, [Part.of("The API", [BREAKING])]))


def test_from_version_1_on_another_rule_holds() -> None:
    assert list(report("v1.0.0", "1.0.0", "1.0.0", [Part.of("The API", [COMPATIBLE])]))[-2:] == [
        "No breaking, 1 compatible. After 1.0.0 comes 1.1.0.",
        RULE_FROM_1,
    ]


def test_where_nothing_has_changed_that_is_all_that_is_said() -> None:
    parts = [Part.of("The API", []), Part.of("runpod_typed", [])]
    assert list(report("v0.1.0", "0.1.0", "0.1.0", parts)) == ["Nothing has changed for users since v0.1.0."]
