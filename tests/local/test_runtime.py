"""Races of the runtime that cannot be forced over the wire."""

import asyncio
import gc
from types import SimpleNamespace
from typing import Any, cast

from typing_extensions import override

from runpod_typed.local._engine.events import WebhookDue
from runpod_typed.local._engine.records import Result, Submission
from runpod_typed.local._engine.settings import EngineSettings
from runpod_typed.local._faults import FaultPlan
from runpod_typed.local._page.views import show_detail
from runpod_typed.local._runtime import LogLine, QueueRuntime
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


def test_log_of_a_job_is_its_part_of_the_worker_log() -> None:
    async def scenario() -> dict[str, object]:
        runtime = serve(Posted())
        engine = runtime.engine
        before, job, after = (
            engine.submit(Submission(input=number), 0.0, job_id=f"job-{number}") for number in range(3)
        )
        written = [
            (0.5, "w", "starts\n"),
            (1.5, "w", "before prints\n"),
            (2.5, "w", "job prints\n"),
            (2.5, "v", "another worker\n"),
            (2.5, "w", "INFO   | job-0 | Finished.\n"),
            (2.5, "w", "DEBUG  | rp_job | of no job\n"),
            (3.2, "w", "job parts\n"),
            (3.7, "w", "INFO   | job-1 | Finished.\n"),
            (3.7, "w", "after prints\n"),
        ]
        runtime.log.extend(LogLine(at, worker_id, text) for at, worker_id, text in written)
        for record, at in (before, 1.0), (job, 2.0), (after, 3.5):
            engine.take("w", at)
            engine.finish("w", record.id, Result(output=1), at + 1)
        engine.lose_worker("w", 5.0)  # its log stays
        shown = {record.id: show_detail(runtime, record)["log"] for record in (before, job, after)}
        await runtime.close()
        return shown

    shown = asyncio.run(scenario())
    assert shown["job-0"] == "before prints\nINFO   | job-0 | Finished.\n"
    assert shown["job-1"] == ("job prints\nDEBUG  | rp_job | of no job\njob parts\nINFO   | job-1 | Finished.\n")
    assert shown["job-2"] == "after prints\n"
