"""Submissions that are held back during an outage."""

import anyio
import pytest

from runpod_typed import APIConnectionError
from runpod_typed._bulk.outage import SubmissionGate

pytestmark = pytest.mark.anyio


async def no_response() -> None:
    raise APIConnectionError("Lost.", operation="get_health", method="GET", url="u", request_sent=True)


async def test_a_late_success_does_not_hide_an_outage() -> None:
    gate = SubmissionGate(no_response, max_outage=0.01)
    gate.failed()
    gate.succeeded()  # it was sent before the outage
    with anyio.fail_after(20), pytest.raises(APIConnectionError) as caught:
        await gate.wait()
    assert caught.value.__notes__ == ["The map gave up: nothing could be submitted for 0.01 s."]
