"""The contract tests fail if a release of the generator changes what the project relies on.

Each case is a change that a release might make, made by hand to a copy of the generated package.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.regeneration.project import Project

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


CONTRACT: Final = ("tests/contract", "-k", "not type_checker")  # mypy checks the copy elsewhere


class Move(NamedTuple):
    """A pattern that is replaced in modules of the generated package."""

    modules: str
    pattern: str
    replacement: str


MOVES = {
    "the builder of requests has another name": Move("api/*/*.py", r"\b_get_kwargs\b", "_build_request"),
    "query parameters stand elsewhere": Move("api/*/*.py", r'"params":', '"query":'),
    "ids are not quoted": Move("api/*/*.py", r'quote\(str\((\w+)\), safe=""\)', r"\1"),
    "the body is another argument": Move("api/jobs/run.py", r"\bbody\b", "json_body"),
    "an option that is not given is sent": Move("api/*/*.py", r"(wait|ttl): int \| Unset = UNSET", r"\1: int = 1000"),
    "unknown fields are dropped": Move("models/*.py", r"(\w+)\.additional_properties = d\n", ""),
    "models read by another method": Move("models/*.py", r"\bfrom_dict\b", "parse"),
    "models have other names": Move("models/job.py", r"\bclass Job\b", "class JobModel"),
    "fields have other names": Move("models/run_request.py", r"\bs_3_config\b", "s3_config"),
    "an unknown status is refused": Move("models/job.py", r"return cast\(KnownJobStatus \| str, data\)", "raise"),
    "dates are read by the standard library": Move(
        "models/batch_request.py", r"\bread_date_time\(", "datetime.datetime.fromisoformat("
    ),
    "enums have members of other names": Move("models/known_*.py", r"^    ([A-Z_]+) = ", r"    VALUE_\1 = "),
    "what is absent is None": Move("types.py", r"^UNSET: Unset = Unset\(\)", "UNSET = None"),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.copy(tmp_path_factory.mktemp("project"))


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES.keys())
def test_the_contract_tests_notice_that(move: Move, copy: Project) -> None:
    copy.reset()
    package = copy.folder / "generated" / "runpod_queue_api"
    assert sum(moved(path, move) for path in package.glob(move.modules)), (
        "the move no longer fits the generated package"
    )

    tested = copy.test("-q", "-x", *CONTRACT)

    assert tested.returncode != 0, tested.stdout


def moved(path: Path, move: Move) -> int:
    """Make a move in a module, and return how often it was made."""
    text, times = re.subn(move.pattern, move.replacement, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    path.write_text(text, encoding="utf-8")
    return times


def test_they_pass_as_long_as_nothing_moves(copy: Project) -> None:
    copy.reset()
    tested = copy.test("-q", *CONTRACT)
    assert tested.returncode == 0, tested.stdout
