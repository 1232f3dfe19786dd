"""The table of docs/reliability.md says of every kind of operation what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest

from runpod_typed._core import operations
from runpod_typed._core.operations import Operation
from runpod_typed._core.retries import Failure, is_retryable
from runpod_typed._models.retry_policy import OperationKind, RetryPolicy

PAGE: Final = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text(encoding="utf-8")
CONSENT: Final = RetryPolicy(resubmit=True)

COLUMNS: Final[dict[str, list[Failure]]] = {
    "never sent, or answered 429": [Failure(request_sent=False), Failure(request_sent=True, status=429)],
    "passing failure after sending": [
        Failure(request_sent=True),
        Failure(request_sent=True, status=200, unreadable=True),
        *(Failure(request_sent=True, status=status) for status in (408, *range(500, 600))),
    ],
    "any refusal": [
        Failure(request_sent=True, status=status)
        for status in (301, 307, 308, *range(400, 500))
        if status not in {408, 409, 429}
    ],
}


def rows_of(text: str, heading: str) -> dict[str, list[str]]:
    """The cells of a table's rows, by the first cell; the rows follow on the one with the heading."""
    lines = text[text.index(f"| {heading} |") :].partition("\n\n")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in (lines[0], *lines[2:])]
    return {first: others for first, *others in cells}


ROWS: Final = rows_of(PAGE, "kind")


def test_the_table_has_every_kind_and_every_column() -> None:
    assert ROWS["kind"][:3] == list(COLUMNS)
    assert set(ROWS) - {"kind"} == {kind.name for kind in OperationKind}


@pytest.mark.parametrize("kind", OperationKind)
def test_the_table_says_what_is_retried_when(kind: OperationKind) -> None:
    for cell, failures in zip(ROWS[kind.name], COLUMNS.values(), strict=False):
        said = {
            "again": (True, True),
            "no": (False, False),
            "no; again with `resubmit=True`": (False, True),
            "no; again after 409": (False, False),
        }[cell]
        for failure in failures:
            done = (is_retryable(kind, failure, RetryPolicy()), is_retryable(kind, failure, CONSENT))
            assert done == said, failure


def test_a_conflict_is_retried_for_submissions_alone() -> None:
    conflict = Failure(request_sent=True, status=409)
    said = {kind for kind in OperationKind if "409" in ROWS[kind.name][2]}
    assert said == {kind for kind in OperationKind if is_retryable(kind, conflict, RetryPolicy())}


def test_every_operation_stands_under_its_kind() -> None:
    found: list[Operation[Any]] = [each for each in vars(operations).values() if isinstance(each, Operation)]
    names = {kind.name: {each.name for each in found if each.kind is kind} for kind in OperationKind}
    table = rows_of(PAGE, "kind, and its operations")
    said = {kind: set(re.findall(r"`(\w+)`", cells[0])) for kind, cells in table.items() if kind in names}
    assert said == names
