"""The comparison itself: it sees what is missing, what is too much, and what cannot be read."""

import pytest

from tests.typing.checkers import Diagnostic, disagreements, expected_of

SOURCE = """\
first = 1  # E: mypy[assignment, arg-type] pyright[reportAssignmentType]
second = "# E: mypy[misc]"
third = 3  # E: pyright[reportCallIssue]
"""


def test_each_checker_has_its_own_expectations() -> None:
    assert expected_of("mypy", SOURCE) == {(1, "assignment"), (1, "arg-type")}
    assert expected_of("pyright", SOURCE) == {(1, "reportAssignmentType"), (3, "reportCallIssue")}


@pytest.mark.parametrize(
    "comment", ["# E:", "# E: arg-type", "# E:mypy[misc]", "# E: mypy[]", "# E: mypi[misc]", "# E: mypy[misc] oops"]
)
def test_an_expectation_that_cannot_be_read_is_an_error(comment: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        expected_of("mypy", f"x = 1  {comment}\n")


def test_a_missing_and_a_surplus_diagnostic_are_both_told() -> None:
    said = [Diagnostic("a.py", 1, "misc", "as expected"), Diagnostic("a.py", 2, "misc", "Oh!")]

    assert disagreements({(1, "misc")}, said[:1]) == []
    assert disagreements({(1, "misc")}, said) == ["line 2: misc: Oh!"]
    assert disagreements({(1, "misc"), (2, "call-arg")}, said) == [
        "line 2: nothing said of call-arg",
        "line 2: misc: Oh!",
    ]
