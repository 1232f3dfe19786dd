"""Races of the service that cannot be forced over the wire."""

import asyncio
import gc
from types import SimpleNamespace
from typing import Any, cast

from runpod_typed.local._engine.events import WebhookDue
from runpod_typed.local._engine.records import Submission
from runpod_typed.local._engine.settings import EngineSettings
from runpod_typed.local._faults import FaultPlan
from runpod_typed.local._service import QueueService


def test_closing_drops_unstarted_delivery() -> None:
    posted: list[WebhookDue] = []

    async def post(due: WebhookDue) -> None:
        posted.append(due)

    async def scenario() -> None:
        service = QueueService("demo", settings=EngineSettings(), post_webhook=post, faults=FaultPlan(None, ()))
        submission = Submission(input=1, webhook="http://127.0.0.1/hook")
        record = service.act(service.engine.submit, submission)
        service.act(service.engine.cancel, record.id)
        await service.close()

    asyncio.run(scenario())
    gc.collect()  # a coroutine that was never awaited would be reported here, which fails the test
    assert posted == []


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
        service = QueueService("demo", settings=EngineSettings(), post_webhook=post_nothing, faults=FaultPlan(None, ()))
        ids = [service.act(service.engine.submit, Submission(input=number)).id for number in range(3)]
        assert len(set(ids)) == 3
        await service.close()

    with asyncio.Runner(loop_factory=loop_of_plain_handles) as runner:
        runner.run(scenario())


async def post_nothing(due: WebhookDue) -> None:
    del due
