# Fixtures of the async half's tests.
"""Fixtures that both halves' tests use."""

import pytest

from tests.scripted_server import Script

OK_JOB = b'{"id": "job-1", "status": "IN_QUEUE"}'


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def quiet() -> Script:
    """Takes a request and never answers."""
    return [3600.0]
