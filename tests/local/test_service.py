"""Races of the service that cannot be forced over the wire."""

import asyncio
import gc
from functools import partial

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
        service = QueueService("demo", settings=EngineSettings(), post_webhook=post, faults=FaultPlan(None))
        submission = Submission(input=1, webhook="http://127.0.0.1/hook")
        record = service.act(partial(service.engine.submit, submission))
        service.act(partial(service.engine.cancel, record.id))
        await service.close()

    asyncio.run(scenario())
    gc.collect()  # a coroutine that was never awaited would be reported here, which fails the test
    assert posted == []
