"""The edits of `docs/regenerating.md` fit the code; `nox -s regeneration` makes them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts.check_spec import ROOT
from tests.regeneration.walkthrough import PAGE, Walk, walks


@pytest.mark.parametrize("walk", walks(PAGE.read_text(encoding="utf-8")), ids=lambda walk: walk.title)
def test_the_edits_of_a_section_fit_the_code(walk: Walk, tmp_path: Path) -> None:
    for path in {edit.path for edit in walk.edits()}:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)

    for edit in walk.edits():
        edit.apply(tmp_path)
