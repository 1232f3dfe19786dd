"""One copy of the project for all tests of a worker."""

from __future__ import annotations

import os
import sys

import pytest

from scripts.check_spec import ROOT

sys.path.append(str(ROOT / "generated"))  # the project is not installed beside its copies

from tests.regeneration.project import Project


@pytest.fixture(scope="session")
def checked_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("regeneration")
    of_all_workers = tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    return Project.checked(folder, of_all_workers / "checked")


@pytest.fixture
def project(checked_project: Project) -> Project:
    """The copy, as it was."""
    checked_project.reset()
    return checked_project
