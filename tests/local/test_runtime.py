"""Races of the runtime that cannot be forced over the wire."""

import asyncio
import gc
from types import SimpleNamespace
from typing import Any, cast

from typing_extensions import override

from runpod_typed.local._engine.events import WebhookDue
from runpod_typed.local._engine.records import Submission
from runpod_typed.local._engine.settings import EngineSettings
from runpod_typed.local._faults import FaultPlan
from runpod_typed.local._runtime import QueueRuntime
from runpod_typed.local._webhooks import WebhookSender


class Posted(WebhookSender):
    """Webhooks that are noted and not sent."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self.due: list[WebhookDue] = []

    @override
    async def post(self, due: WebhookDue) -> None:
        self.due.append(due)


def serve(webhooks: WebhookSender) -> QueueRuntime:
    return QueueRuntime("demo", settings=EngineSettings(), webhooks=webhooks, faults=FaultPlan(None, ()))


def test_closing_drops_unstarted_delivery() -> None:
    webhooks = Posted()

    async def scenario() -> None:
        runtime = serve(webhooks)
        submission = Submission(input=1, webhook="http://127.0.0.1/hook")
        record = runtime.act(runtime.engine.submit, submission)
        runtime.act(runtime.engine.cancel, record.id)
        await runtime.close()

    asyncio.run(scenario())
    gc.collect()  # a coroutine that was never awaited would be reported here, which fails the test
    assert webhooks.due == []


def loop_of_plain_handles() -> asyncio.AbstractEventLoop:
    """Return a loop whose handles have no `when`, like those of uvloop for what is due at once."""
    loop: Any = asyncio.new_event_loop()
    plain_call_at = loop.call_at

    def call_at(when: float, callback: Any, *args: Any, **options: Any) -> Any:
        return SimpleNamespace(cancel=plain_call_at(when, callback, *args, **options).cancel)

    loop.call_at = call_at
    return cast("asyncio.AbstractEventLoop", loop)


def test_timer_needs_no_time_of_its_handle() -> None:
    async def scenario() -> None:
        runtime = serve(Posted())
        ids = [runtime.act(runtime.engine.submit, Submission(input=number)).id for number in range(3)]
        assert len(set(ids)) == 3
        await runtime.close()

    with asyncio.Runner(loop_factory=loop_of_plain_handles) as runner:
        runner.run(scenario())
