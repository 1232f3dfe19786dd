"""One copy of the project for all tests of a worker."""

from __future__ import annotations

import pytest

from tests.regeneration.project import Project


@pytest.fixture(scope="session")
def checked_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.checked(tmp_path_factory.mktemp("regeneration"))


@pytest.fixture
def project(checked_project: Project) -> Project:
    """The copy, as it was."""
    checked_project.reset()
    return checked_project
