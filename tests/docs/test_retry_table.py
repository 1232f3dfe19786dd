"""The table of docs/reliability.md says of every operation what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from runpod_typed._core import operations
from runpod_typed._core.requests import Operation
from runpod_typed._core.retries import Failure, is_retryable
from runpod_typed._models.retry_policy import OperationKind, RetryPolicy

PAGE: Final = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text(encoding="utf-8")
CONSENT: Final = RetryPolicy(resubmit=True)

COLUMNS: Final[dict[str, list[Failure]]] = {
    "not accepted": [Failure(request_sent=False), Failure(request_sent=True, status=429)],
    "unknown": [
        Failure(request_sent=True),
        Failure(request_sent=True, status=200, unreadable=True),
        *(Failure(request_sent=True, status=status) for status in (408, *range(500, 600))),
    ],
    "refused": [
        Failure(request_sent=True, status=status)
        for status in (301, 307, 308, *range(400, 500))
        if status not in {408, 409, 429}
    ],
}
ALLOWED: Final = {
    "again": (True, True),
    "no": (False, False),
    "no; again with `resubmit=True`": (False, True),
    "no; again after 409": (False, False),
}
"""Whether another attempt follows, by default and with `resubmit=True`."""


def table() -> dict[str, list[str]]:
    """The cells of a row, by each of its operations; the heading's by "operation"."""
    lines = PAGE[PAGE.index("| operation |") :].partition("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in (lines[0], *lines[2:])]
    return {name: row[1:] for row in rows for name in re.findall(r"`(\w+)`", row[0]) or [row[0]]}


TABLE: Final = table()
KINDS: Final[dict[str, OperationKind]] = {
    each.name: each.kind for each in vars(operations).values() if isinstance(each, Operation)
}


def test_table_has_every_operation_and_column() -> None:
    assert TABLE["operation"][:3] == list(COLUMNS)
    assert TABLE.keys() - {"operation"} == KINDS.keys()
    assert set(KINDS.values()) == set(OperationKind)


@pytest.mark.parametrize("operation", KINDS)
def test_table_tells_which_failures_are_retried(operation: str) -> None:
    for cell, failures in zip(TABLE[operation], COLUMNS.values(), strict=False):
        for failure in failures:
            policies = RetryPolicy(), CONSENT
            done = tuple(is_retryable(KINDS[operation], failure, policy) for policy in policies)
            assert done == ALLOWED[cell], failure


def test_conflict_is_retried_for_submissions_alone() -> None:
    conflict = Failure(request_sent=True, status=409)
    said = {operation for operation in KINDS if "409" in TABLE[operation][2]}
    assert said == {operation for operation in KINDS if is_retryable(KINDS[operation], conflict, RetryPolicy())}
