"""Submissions that are held back during an outage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import anyio.lowlevel
import pytest

from runpod_typed import APIConnectionError, APIError, APIResponseValidationError, APIStatusError, PollPolicy
from runpod_typed._bulk import outage
from runpod_typed._bulk.outage import SubmissionGate

pytestmark = pytest.mark.anyio

POLICY = PollPolicy(min_interval=0.001, max_interval=0.002, max_outage=600)


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(outage, "monotonic", clock)
    return clock


def lost() -> APIConnectionError:
    return APIConnectionError("Lost.", operation="get_health", method="GET", url="u", request_sent=True)


async def responds() -> None:
    """Succeed."""


def failing(
    times: int, then: Callable[[], None] = lambda: None, error: Callable[[], APIError] = lost
) -> Callable[[], Awaitable[None]]:
    """Return a probe that fails the given number of times, and calls a function each time."""
    left = [times]

    async def probe() -> None:
        then()
        left[0] -= 1
        if left[0] >= 0:
            raise error()

    return probe


def status(code: int) -> Callable[[], APIStatusError]:
    return partial(APIStatusError, "No.", operation="get_health", method="GET", url="u", status_code=code)


def unreadable() -> APIResponseValidationError:
    call = {"operation": "get_health", "method": "GET", "url": "u"}
    return APIResponseValidationError("A page.", **call, status_code=200, body="<html>", is_json=False)


@pytest.mark.parametrize(
    ("error", "probes"),
    [
        (lost, 3),
        (unreadable, 3),
        (status(408), 3),
        (status(429), 3),
        (status(503), 3),
        (status(524), 3),
        (status(404), 1),
        (status(425), 1),
    ],
)
async def test_a_probe_that_may_pass_keeps_the_gate_closed(error: Callable[[], APIError], probes: int) -> None:
    sent = list[int]()
    gate = SubmissionGate(failing(2, lambda: sent.append(1), error), POLICY)
    gate.close()
    with anyio.fail_after(20):
        await gate.wait()
    assert len(sent) == probes


async def test_a_late_success_does_not_hide_an_outage(clock: Clock) -> None:
    def wait_long() -> None:
        clock.now += 500

    gate = SubmissionGate(failing(9, wait_long), POLICY)
    with gate:
        gate.close()
        gate.succeeded()  # it was sent before the outage
        with anyio.fail_after(20), pytest.raises(APIConnectionError) as caught:
            await gate.wait()
    assert caught.value.__notes__ == ["Gave up after an outage of 1000 s (PollPolicy.max_outage)."]


async def test_gives_up_if_only_probes_succeed(clock: Clock) -> None:
    gate = SubmissionGate(responds, POLICY)
    with gate:
        gate.failed(lost())
        for clock.now in (200.0, 400.0):
            await gate.wait()
            gate.failed(lost())
        clock.now = 600.0
        with pytest.raises(APIConnectionError):
            gate.failed(lost())


async def test_an_outage_ends_if_nothing_more_is_submitted(clock: Clock) -> None:
    gate = SubmissionGate(responds, POLICY)
    with gate:
        gate.close()  # its input is not submitted again
    with gate:
        await gate.wait()
        clock.now = 9000.0  # other jobs run
    with gate:
        await gate.wait()
        gate.failed(lost())  # the next failure begins another outage
        await gate.wait()


async def test_one_task_probes_and_opens_for_all() -> None:
    probes = list[float]()
    gate = SubmissionGate(failing(2, lambda: probes.append(0.0)), POLICY)
    gate.close()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(gate.wait)
    assert len(probes) == 3


async def test_a_map_that_ends_opens_the_gate() -> None:
    gate = SubmissionGate(anyio.sleep_forever, POLICY)
    gate.close()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(gate.wait)
            await anyio.sleep(0.05)
            gate.open()
            await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()  # the task that probes
