# Fixtures of the tests of the async API.
"""Fixtures that the tests of both APIs use."""

import pytest

from runpod_typed._core import schedule
from tests.scripted_server import Script

OK_JOB = b'{"id": "job-1", "status": "IN_QUEUE"}'


@pytest.fixture
def quiet() -> Script:
    """Reads a request and never responds."""
    return [3600.0]


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the pauses after failed polls a tenth as long."""
    monkeypatch.setattr(schedule, "_FIRST_RETRY_PAUSE", 0.025)
