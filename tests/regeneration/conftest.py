"""One copy of the project for all tests of a worker."""

from __future__ import annotations

import sys

import pytest

from scripts.check_spec import ROOT

sys.path.append(str(ROOT / "generated"))  # the project is not installed beside its copies

from tests.regeneration.project import Project


@pytest.fixture(scope="session")
def checked_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.checked(tmp_path_factory.mktemp("regeneration"))


@pytest.fixture
def project(checked_project: Project) -> Project:
    """The copy, as it was."""
    checked_project.reset()
    return checked_project
