"""An interrupted submission says what it knows of the job."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import pytest
import trio

from runpod_typed import (
    AsyncClient,
    AsyncEndpoint,
    Client,
    Endpoint,
    Hooks,
    ResponseInfo,
    RetryPolicy,
    SubmissionUncertainError,
    _interrupts,
)
from runpod_typed._transport.deadlines import Attempt
from runpod_typed.local import LocalQueue
from tests.handlers import square
from tests.scripted_server import Script, answer, scripted, wait_until

QUEUED = answer(200, '{"id": "job-1", "status": "IN_QUEUE"}')
LARGE = "x" * 19_000_000  # more than the buffers of a connection take
SUBMITTED = "job job-1 was submitted and keeps running; reconnect with endpoint.job('job-1')"
UNKNOWN = "A job for endpoint ep may have been submitted and keep running"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals go to processes alone here"),
]

QUEUED_AGAIN = SUBMITTED.replace("was submitted", "was queued again")
NAMED = {"run": SUBMITTED, "retry": QUEUED_AGAIN}
UNNAMED = {"run": UNKNOWN, "retry": "Job job-1 of endpoint ep may have been queued again and keep running"}


def ctrl_c() -> None:
    """Interrupt the main thread, also while it is blocked."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def notes(error: BaseException) -> str:
    return "\n".join(getattr(error, "__notes__", []))


def submit(endpoint: Endpoint, operation: str) -> object:
    return endpoint.run({"n": 1}) if operation == "run" else endpoint.job("job-1").retry()


async def async_submit(endpoint: AsyncEndpoint, operation: str) -> object:
    return await (endpoint.run({"n": 1}) if operation == "run" else endpoint.job("job-1").retry())


# Ctrl-C


def interrupted(
    script: Script, operation: str = "run", *, again_after: float | None = None, hooks: Hooks | None = None
) -> KeyboardInterrupt:
    """Press Ctrl-C once the request has arrived, and perhaps again."""
    with scripted(script) as server, Client("key", base_url=server.base_url, hooks=hooks) as client:

        def interrupt() -> None:
            wait_until(lambda: len(server.requests) == 1)
            ctrl_c()
            if again_after is not None:
                threading.Event().wait(again_after)
                ctrl_c()

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt) as caught:
            submit(client.endpoint("ep"), operation)
        thread.join()
        return caught.value


@pytest.mark.parametrize(("operation", "note"), NAMED.items())
def test_ctrl_c_waits_for_the_response_and_names_the_job(
    operation: str, note: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert notes(interrupted([0.2, QUEUED], operation)).startswith(note)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        f"Interrupted: {note}"
    ]


def test_ctrl_c_says_that_a_job_may_have_been_submitted() -> None:
    assert UNKNOWN in notes(interrupted([20.0, QUEUED]))


def test_a_second_ctrl_c_ends_the_wait_for_the_response() -> None:
    assert UNKNOWN in notes(interrupted([20.0, QUEUED], again_after=0.1))


def test_ctrl_c_says_nothing_of_a_refused_job() -> None:
    assert notes(interrupted([0.2, answer(400, '{"error": "no"}')])) == ""


def test_ctrl_c_during_a_status_speaks_of_no_submission() -> None:
    with scripted([20.0, QUEUED]) as server, Client("key", base_url=server.base_url) as client:
        threading.Timer(0.1, ctrl_c).start()
        with pytest.raises(KeyboardInterrupt) as caught:
            client.endpoint("ep").job("job-1").status()
        assert "submitted" not in notes(caught.value)


def test_a_client_is_usable_after_an_interrupted_submission() -> None:
    with scripted([0.2, QUEUED], [QUEUED]) as server, Client("key", base_url=server.base_url) as client:
        threading.Timer(0.1, ctrl_c).start()
        with pytest.raises(KeyboardInterrupt):
            client.endpoint("ep").run({"n": 1})
        assert client.endpoint("ep").run({"n": 2}).id == "job-1"


def test_an_exception_of_a_signal_handler_passes_with_a_note() -> None:
    class SoftTimeLimitError(Exception):
        pass

    def end(*_: object) -> None:
        raise SoftTimeLimitError

    before = signal.signal(signal.SIGALRM, end)
    try:
        with scripted([0.3, QUEUED]) as server, Client("key", base_url=server.base_url) as client:
            endpoint = client.endpoint("ep")
            signal.setitimer(signal.ITIMER_REAL, 0.15)
            with pytest.raises(SoftTimeLimitError) as caught:
                endpoint.run({"n": 1})
            assert notes(caught.value) == SUBMITTED
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(("operation", "note"), UNNAMED.items())
def test_ctrl_c_over_a_custom_client_ends_within_the_grace(operation: str, note: str) -> None:
    with (
        scripted([20.0, QUEUED]) as server,
        httpx.Client(timeout=60) as http_client,
        Client("key", base_url=server.base_url, http_client=http_client) as client,
    ):
        threading.Timer(0.2, ctrl_c).start()
        with pytest.raises(KeyboardInterrupt) as caught:
            submit(client.endpoint("ep"), operation)
        assert note in notes(caught.value)


def test_ctrl_c_during_the_upload_ends_at_once() -> None:
    with scripted([QUEUED]) as server, Client("key", base_url=server.base_url) as client:
        server.pause_before_body = 60.0
        threading.Timer(0.3, ctrl_c).start()
        with pytest.raises(KeyboardInterrupt) as caught:
            client.endpoint("ep").run({"n": "x" * 9_000_000})
        assert notes(caught.value) == ""
        assert not server.requests


def test_signal_handlers_are_called_at_once_and_brought_back() -> None:
    called: list[int] = []

    def note(number: int, _: object) -> None:
        called.append(number)

    before = signal.signal(signal.SIGALRM, note)
    try:
        with scripted([0.3, QUEUED]) as server, Client("key", base_url=server.base_url) as client:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            assert client.endpoint("ep").run({"n": 1}).id == "job-1"
        assert called == [signal.SIGALRM]
        assert signal.getsignal(signal.SIGALRM) is note
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_handler_that_is_installed_meanwhile_stays() -> None:
    def first(*_: object) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)

    before = signal.signal(signal.SIGALRM, first)
    try:
        with scripted([0.3, QUEUED]) as server, Client("key", base_url=server.base_url) as client:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            client.endpoint("ep").run({"n": 1})
        assert signal.getsignal(signal.SIGALRM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("step", range(1, 8))
def test_handlers_are_brought_back_if_one_raises_meanwhile(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    before, calls = {number: signal.getsignal(number) for number in signal.valid_signals()}, 0

    def install(number: int, handler: Any) -> object:
        nonlocal calls
        calls += 1
        if calls == step:
            raise KeyboardInterrupt
        return signal.signal(number, handler)

    monkeypatch.setattr(_interrupts, "_signal", SimpleNamespace(getsignal=signal.getsignal, signal=install))
    with suppress(KeyboardInterrupt):
        _interrupts.finish(lambda: None, Attempt(1.0), uses_anyio=False)
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before


def test_errors_and_results_pass_unchanged() -> None:
    with scripted([answer(502)]) as server, Client("key", base_url=server.base_url) as client:
        with pytest.raises(Exception, match="fate is unknown") as caught:
            client.endpoint("ep").run({"n": 1})
        assert notes(caught.value) == ""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_job_is_lost_without_a_word_by_many_interrupts() -> None:
    with LocalQueue(square) as queue, Client(queue.api_key, base_url=queue.base_url) as client:
        queue.pause()
        endpoint, random = client.endpoint(queue.endpoint_id), Random(7)
        endpoint.run({"n": -1})
        told = 1
        for n in range(100):
            timer = threading.Timer(random.uniform(0.0, 0.003), ctrl_c)
            try:
                try:
                    timer.start()
                    endpoint.run({"n": n})
                    told += 1
                finally:
                    timer.cancel()
                    timer.join()
            except KeyboardInterrupt as error:
                told += bool(notes(error))
        assert queue.stats().submitted <= told


# Cancellation


# What a hook hears of an interrupted submission whose response comes, or does not.
HEARD = [([0.4, QUEUED], (200, "job-1", None)), ([20.0, QUEUED], (None, None, None))]


def heard(response: ResponseInfo) -> tuple[object, ...]:
    return response.status_code, response.job_id, response.error


@pytest.mark.parametrize(("script", "expected"), HEARD)
def test_a_hook_hears_of_an_interrupted_request(script: Script, expected: tuple[object, ...]) -> None:
    responses = list[ResponseInfo]()
    interrupted(script, hooks=Hooks(on_response=responses.append))
    assert [heard(response) for response in responses] == [expected]


def cancelled(
    script: Script,
    leave: Callable[[Callable[[], Awaitable[object]]], Awaitable[Any]],
    anyio_backend: str,
    hooks: Hooks | None = None,
) -> Any:
    """Submit a job within something that cancels it."""
    with scripted(script) as server:

        async def main() -> Any:
            once = RetryPolicy.disabled()
            async with AsyncClient("key", base_url=server.base_url, retry=once, hooks=hooks) as client:
                return await leave(lambda: async_submit(client.endpoint("ep"), "run"))

        return anyio.run(main, backend=anyio_backend)


async def remembering(submission: Callable[[], Awaitable[object]], seen: list[str]) -> None:
    try:
        await submission()
    except BaseException as error:
        seen.append(notes(error))
        raise


@pytest.mark.parametrize(("script", "note"), [([0.4, QUEUED], SUBMITTED), ([20.0, QUEUED], UNKNOWN)])
def test_a_cancel_scope_waits_for_the_response(script: Script, note: str, anyio_backend: str) -> None:
    seen: list[str] = []

    async def leave(submission: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(TimeoutError):
            with anyio.fail_after(0.2):
                await remembering(submission, seen)

    cancelled(script, leave, anyio_backend)
    assert len(seen) == 1
    assert note in seen[0]


@pytest.mark.parametrize(("script", "expected"), HEARD)
def test_a_hook_hears_of_a_cancelled_request(script: Script, expected: tuple[object, ...], anyio_backend: str) -> None:
    responses = list[ResponseInfo]()

    async def leave(submission: Callable[[], Awaitable[object]]) -> None:
        with anyio.move_on_after(0.2):
            await submission()

    cancelled(script, leave, anyio_backend, Hooks(on_response=responses.append))
    assert [heard(response) for response in responses] == [expected]


@pytest.mark.parametrize(("script", "note"), [([0.4, QUEUED], SUBMITTED), ([20.0, QUEUED], UNKNOWN)])
def test_an_asyncio_timeout_waits_for_the_response(script: Script, note: str) -> None:
    async def leave(submission: Callable[[], Awaitable[object]]) -> TimeoutError:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.2):
                await submission()
        return caught.value

    error = cancelled(script, leave, "asyncio")
    assert note in notes(error.__context__)  # Python 3.11.0 to 3.11.3 sets no cause


def test_a_second_cancellation_ends_the_wait_for_the_response() -> None:
    async def leave(submission: Callable[[], Awaitable[object]]) -> str:
        task = asyncio.ensure_future(submission())
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        return notes(caught.value)

    assert UNKNOWN in cancelled([20.0, QUEUED], leave, "asyncio")


@pytest.mark.parametrize("fast", ["0", "1"])
@pytest.mark.parametrize("response", [[0.3, QUEUED], [0.3, None], [0.3, answer(500)], [0.3, answer(429)]])
def test_a_cancel_scope_takes_its_own_cancellation(
    response: Script, fast: str, anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_TYPED_FAST", fast)

    async def main() -> None:
        for seconds in (0.0, 0.001, 0.002, 0.004, 0.01, 0.1):
            with scripted(response, [QUEUED]) as server:
                async with AsyncClient("key", base_url=server.base_url) as client:
                    with anyio.move_on_after(seconds) as scope:
                        await client.endpoint("ep").run({"n": 1})
                    assert scope.cancelled_caught
                    await anyio.sleep(0.001)

    anyio.run(main, backend=anyio_backend)


def test_a_cancel_scope_that_waits_does_not_spin() -> None:
    async def leave(submission: Callable[[], Awaitable[object]]) -> int:
        task = asyncio.current_task()
        assert task is not None
        most = 0

        async def count() -> None:
            nonlocal most
            while True:
                most = max(most, task.cancelling())
                await asyncio.sleep(0.01)

        counting = asyncio.create_task(count())
        with anyio.move_on_after(0.2):
            await submission()
        counting.cancel()
        return most

    assert 1 <= cancelled([20.0, QUEUED], leave, "asyncio") <= 3


def test_a_cancellation_during_the_upload_ends_at_once(anyio_backend: str) -> None:
    seen: list[str] = []

    async def main() -> None:
        with scripted([QUEUED]) as server:
            server.pause_before_body = 60.0
            async with AsyncClient("key", base_url=server.base_url) as client:
                with anyio.move_on_after(0.3):
                    await remembering(lambda: client.endpoint("ep").run_sync({"n": LARGE}), seen)

    anyio.run(main, backend=anyio_backend)
    assert seen == [""]


def test_a_time_limit_of_a_custom_transport_is_no_cancellation() -> None:
    class Limited(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await request.aread()
            try:
                async with asyncio.timeout(0.05):
                    await asyncio.sleep(60)
            except TimeoutError:
                raise httpx.ReadTimeout("too slow") from None
            raise AssertionError

    async def main() -> None:
        async with httpx.AsyncClient(transport=Limited()) as http_client:
            client = AsyncClient("key", http_client=http_client)
            with pytest.raises(SubmissionUncertainError, match="too slow"):
                await client.endpoint("ep").run({"n": 1})

    asyncio.run(main())


@pytest.mark.trio
def test_ctrl_c_under_trio_names_the_job() -> None:
    seen: list[str] = []

    async def leave(submission: Callable[[], Awaitable[object]]) -> None:
        threading.Timer(0.2, ctrl_c).start()
        await remembering(submission, seen)

    with pytest.raises(KeyboardInterrupt):
        cancelled([2.0, QUEUED], leave, "trio")
    assert seen == [SUBMITTED]


def test_no_job_is_lost_without_a_word_by_many_cancellations() -> None:
    async def main() -> None:
        with LocalQueue(square) as queue:
            queue.pause()
            async with AsyncClient(queue.api_key, base_url=queue.base_url) as client:
                endpoint, random, told = client.endpoint(queue.endpoint_id), Random(7), 1
                await endpoint.run({"n": -1})
                for n in range(100):
                    task = asyncio.create_task(endpoint.run({"n": n}))
                    await asyncio.sleep(random.uniform(0, 0.004))
                    task.cancel()
                    try:
                        await task
                        told += 1
                    except asyncio.CancelledError as error:
                        told += bool(notes(error))
                assert queue.stats().submitted <= told

    asyncio.run(main())


def test_errors_of_a_send_are_not_wrapped_under_trio() -> None:
    async def main() -> None:
        client = AsyncClient("key", base_url="http://127.0.0.1:9/v2")
        await client.aclose()
        await client.endpoint("ep").run({"n": 1})

    with pytest.raises(ValueError, match="closed"):
        trio.run(main)
