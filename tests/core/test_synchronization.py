from __future__ import annotations

import asyncio
import gc
import math
import os
import queue
import sys
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import anyio
import pytest
import trio

from runpod_typed import _synchronization as synchronization
from runpod_typed._synchronization import (
    async_runtime,
    async_shielded,
    async_sleep,
    deadline_after,
    monotonic,
    running_asyncio_loop,
    runtime,
    shielded,
    sleep,
)
from runpod_typed._transport import deadlines
from runpod_typed._transport.deadlines import Attempt, async_deadline, current_attempt, deadline
from runpod_typed.errors import ConfigurationError

# Deadlines


def test_a_deadline_lies_the_given_seconds_ahead() -> None:
    before = monotonic()
    found = deadline_after(timedelta(minutes=1))
    assert found is not None
    assert before + 60 <= found <= monotonic() + 60


@pytest.mark.parametrize("timeout", [None, math.inf])
def test_no_limit_is_no_deadline(timeout: float | None) -> None:
    assert deadline_after(timeout) is None


@pytest.mark.parametrize("timeout", [-1, math.nan, True, "5"])
def test_an_invalid_duration_makes_no_deadline(timeout: Any) -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        deadline_after(timeout)


def test_what_is_left_of_an_attempt_runs_out() -> None:
    assert 59 < Attempt(60).left() <= 60
    assert Attempt(-1).left() < 0


def test_an_attempt_is_known_within_it_only() -> None:
    assert current_attempt.get() is None
    outer, inner = Attempt(60), Attempt(1)
    with deadline(outer):
        with deadline(inner):
            assert current_attempt.get() is inner
        assert current_attempt.get() is outer
        seen = list[object]()
        thread = threading.Thread(target=lambda: seen.append(current_attempt.get()))
        thread.start()
        thread.join()
        assert seen == [None]
    assert current_attempt.get() is None


def test_an_attempt_is_forgotten_when_it_fails() -> None:
    def fail() -> None:
        with deadline(Attempt(60)):
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert current_attempt.get() is None


@pytest.mark.anyio
async def test_an_async_attempt_is_ended_with_a_timeout_and_forgotten() -> None:
    attempt = Attempt(0.01)
    with pytest.raises(TimeoutError):
        async with async_deadline(attempt):
            assert current_attempt.get() is attempt
            await async_sleep(60)
    assert current_attempt.get() is None


@pytest.mark.anyio
async def test_two_tasks_have_attempts_of_their_own() -> None:
    async def attempt(seconds: float) -> None:
        mine = Attempt(seconds)
        async with async_deadline(mine):
            await async_sleep(0.01)
            assert current_attempt.get() is mine

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(attempt, 30)
        tasks.start_soon(attempt, 60)


@pytest.mark.anyio
async def test_finished_upload_leaves_only_the_time_for_a_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "_BUFFERED_UPLOAD_SECONDS", 0.0)
    attempt = Attempt(0.01, body_size=9, upload_seconds=600)
    assert attempt.left() > 500
    with pytest.raises(TimeoutError):
        async with async_deadline(attempt):
            attempt.finish_upload()
            assert attempt.left() <= 0.01
            await async_sleep(600)
    assert attempt.bytes_sent == 9


def test_finished_upload_never_extends_a_deadline() -> None:
    attempt = Attempt(60)
    attempt.deadline = before = monotonic() + 1
    attempt.finish_upload()
    assert attempt.deadline == before


# Sleeping, shielding


def test_sleeps_for_the_given_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = list[float]()
    monkeypatch.setattr(time, "sleep", slept.append)
    sleep(0.25)
    sleep(1e300)  # of which Python makes an OverflowError
    assert slept == [0.25, threading.TIMEOUT_MAX]


def test_the_sync_shield_changes_nothing() -> None:
    with shielded():
        done = True
    assert done


@pytest.mark.anyio
async def test_the_async_shield_lets_a_cancelled_task_clean_up() -> None:
    cleaned = list[bool]()

    async def work() -> None:
        try:
            await async_sleep(60)
        finally:
            with async_shielded():
                await async_sleep(0.01)
                cleaned.append(True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await async_sleep(0.01)
        tasks.cancel_scope.cancel()
    assert cleaned == [True]


# Events


def test_a_wait_for_an_event_ends_when_it_is_set() -> None:
    event = synchronization.Event()
    threading.Timer(0.01, event.set).start()
    event.wait(None)
    event.wait(60)


def test_a_wait_for_an_event_ends_when_the_time_is_over() -> None:
    synchronization.Event().wait(0.01)


@pytest.mark.anyio
async def test_an_event_wakes_a_task_when_set_or_late() -> None:
    event = synchronization.AsyncEvent()
    await event.wait(0.01)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(event.wait, None)
        tasks.start_soon(event.wait, 60)
        event.set()
    await event.wait(60)


def test_an_event_is_set_from_another_thread_or_loop(anyio_backend: str) -> None:
    made: queue.Queue[synchronization.AsyncEvent] = queue.Queue()

    async def wait() -> None:
        event = synchronization.AsyncEvent()
        made.put(event)
        await event.wait(None)

    async def set_it() -> None:
        made.get(timeout=10).set()

    with ThreadPoolExecutor(2) as threads:
        for in_a_loop in (False, True):
            waiting = threads.submit(lambda: anyio.run(wait, backend=anyio_backend))
            if in_a_loop:
                anyio.run(set_it)
            else:
                made.get(timeout=10).set()
            waiting.result(10)


def test_setting_an_event_of_an_ended_loop_does_nothing() -> None:
    async def make() -> synchronization.AsyncEvent:
        return synchronization.AsyncEvent()

    asyncio.run(make()).set()
    trio.run(make).set()


# Responses that are closed


@pytest.mark.anyio
async def test_drains_a_response_that_fails_while_it_is_read() -> None:
    read = list[bytes]()

    async def parts() -> AsyncIterator[bytes]:
        for part in (b"a", b"b"):
            read.append(part)
            yield part
        raise OSError("closed")

    synchronization.drain(iter([b"a"]), (OSError,))
    await synchronization.async_drain(parts(), (OSError,))
    assert read == [b"a", b"b"]


# Whose connections


class Connections:
    def __init__(self) -> None:
        self.closed = 0
        self.abandoned = 0

    def close(self) -> None:
        self.closed += 1

    def abandon(self) -> None:
        self.abandoned += 1


class Owner:
    """It is collected without being closed."""


def test_sync_connections_are_closed_with_their_owner() -> None:
    connections, owner = Connections(), Owner()
    synchronization.close_when_collected(owner, {None: connections})
    del owner
    gc.collect()
    assert (connections.closed, connections.abandoned) == (1, 0)


def test_async_connections_are_abandoned_with_a_warning() -> None:
    connections, owner = Connections(), Owner()
    synchronization.async_close_when_collected(owner, {None: connections})
    owners = [owner]
    del owner
    with pytest.warns(ResourceWarning, match="AsyncClient .* was not closed") as caught:
        owners.clear()
    assert caught[0].filename == __file__
    assert (connections.closed, connections.abandoned) == (0, 1)


def test_a_fork_leaves_the_connections_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    connections, owner = Connections(), Owner()
    synchronization.async_close_when_collected(owner, {None: connections})
    monkeypatch.setattr(os, "getpid", lambda: -1)
    del owner
    gc.collect()
    assert (connections.closed, connections.abandoned) == (0, 0)


def test_closed_owner_leaves_nothing_to_abandon() -> None:
    owner, transports = Owner(), dict[object, Connections]()
    synchronization.async_close_when_collected(owner, transports)
    del owner
    gc.collect()


def test_sync_connections_belong_to_all_threads() -> None:
    assert runtime() is None
    assert not synchronization.has_ended(runtime())
    synchronization.prepare()


def test_async_connections_belong_to_the_event_loop() -> None:
    async def owner() -> object:
        assert async_runtime() is async_runtime()
        assert not synchronization.async_has_ended(async_runtime())
        synchronization.async_prepare()
        return async_runtime()

    loops = asyncio.run(owner()), asyncio.run(owner())
    runs = trio.run(owner), trio.run(owner)
    assert loops[0] is not loops[1]
    assert runs[0] is not runs[1]
    assert all(synchronization.async_has_ended(each) for each in (*loops, *runs))
    assert not synchronization.async_has_ended(None)


def test_a_loop_runs_under_asyncio_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def loop() -> object:
        return running_asyncio_loop()

    assert asyncio.run(loop()) is not None
    assert trio.run(loop) is None
    assert running_asyncio_loop() is None
    monkeypatch.delitem(sys.modules, "asyncio")
    assert running_asyncio_loop() is None
