"""The first minutes of a new user, as the page tells them; `nox -s recipes` follows it in a fresh environment."""

import pytest

from tests.cli.commands import command, environment
from tests.cli.first_minutes import PAGE, follow

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not PAGE.exists(), reason="the pages are not here")
def test_first_minutes_work_as_written() -> None:
    assert follow(command(), environment(None))["status"] == "COMPLETED"
