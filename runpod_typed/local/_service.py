"""The engine at work: its clock, those who wait for it, and what it wants done.

Everything here runs in the server's event loop. Other threads come in through `LocalQueue` and the workers, by
`call_soon_threadsafe`.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Protocol, TypeVar

from runpod_typed.local._engine.batches import BatchBook
from runpod_typed.local._engine.engine import Engine
from runpod_typed.local._engine.events import Event, JobChanged, JobStopped, JobsWaiting, WebhookDue, WorkerReplaced
from runpod_typed.local._engine.jobs import JobRecord, Result
from runpod_typed.local._engine.settings import EngineSettings
from runpod_typed.local._faults import FaultKind, FaultPlan

T = TypeVar("T")

logger = logging.getLogger("runpod_typed.local")


class WorkerListener(Protocol):
    """Who is told what a worker of ours should do."""

    def stop_job(self, job_id: str) -> None:
        """Stop this job, if you can."""

    def replace(self) -> None:
        """End, and let another take your place."""

    def crash(self, job_id: str) -> None:
        """Die in the middle of this job."""


class Worker(WorkerListener, Protocol):
    """A worker of ours, in this process or in one of its own."""

    def start(self) -> None:
        """Begin to take jobs."""

    def stop(self) -> None:
        """Take no more jobs, and end what runs as far as that is possible."""

    def join(self) -> list[str]:
        """Wait for the end, within reason. Returns complaints about what is left."""
        ...

    @property
    def output(self) -> str:
        """The last lines that it wrote, where they are known."""
        ...

    @property
    def pid(self) -> int | None:
        """Its process, if it has one of its own that runs."""
        ...


class Waiter:
    """One who waits: wakes up when something happened, the time is over, the client has left or the queue closes."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] | None = None
        self.left = False

    def wake(self) -> None:
        """Look again."""
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    def leave(self) -> None:
        """Wait no longer."""
        self.left = True
        self.wake()

    async def until(self, ready: Callable[[], bool], deadline: float) -> bool:
        """Wait until `ready()`; False when the loop's time reached `deadline` or nobody waits any more."""
        while not ready():
            if self.left or self._loop.time() >= deadline:
                return False
            self._future = self._loop.create_future()
            timer = self._loop.call_at(deadline, self.wake)
            try:
                await self._future
            finally:
                timer.cancel()
        return True


class QueueService:
    """The engine, plus waiting, waking and a timer for what is due next.

    Args:
        endpoint_id: The one endpoint that is served.
        settings: What the engine goes by.
        post_webhook: Delivers a webhook, with its repetitions.
        faults: What goes wrong on purpose.
    """

    def __init__(
        self,
        endpoint_id: str,
        *,
        settings: EngineSettings,
        post_webhook: Callable[[WebhookDue], Coroutine[None, None, None]],
        faults: FaultPlan,
    ) -> None:
        self.endpoint_id = endpoint_id
        self._started = time.monotonic()
        self._offset = 0.0
        self.engine = Engine(settings)
        self.batches = BatchBook(self.engine, endpoint_id)
        self.listeners: dict[str, WorkerListener] = {}
        self.faults = faults
        self.closing = False
        self.held = 0
        self._post_webhook = post_webhook
        self._deliveries: set[asyncio.Task[None]] = set()
        self._job_waiters: dict[str, dict[Waiter, None]] = {}
        self._takers: dict[Waiter, str] = {}
        self._leaving: set[str] = set()
        self._dying: set[str] = set()
        self._stop_waiters: dict[str, dict[Waiter, None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    # The clock.

    def now(self) -> float:
        """The engine's time."""
        return time.monotonic() - self._started + self._offset

    def jump(self, seconds: float) -> None:
        """Let the queue's clock leap."""
        self._offset += seconds
        self.act(self.engine.advance)

    # Acting on the engine.

    def act(self, action: Callable[[float], T]) -> T:
        """Do something with the engine at the present time, and carry out what follows from it."""
        try:
            return action(self.now())
        finally:
            self._carry_out()

    def _carry_out(self) -> None:
        for event in self.engine.take_events():
            self._handle(event)
        self._arm()

    def _handle(self, event: Event) -> None:
        match event:
            case JobChanged(job_id):
                _wake_all(self._job_waiters.get(job_id))
            case JobsWaiting(count):
                self._wake_takers(count)
            case JobStopped(worker_id, job_id):
                _wake_all(self._stop_waiters.get(worker_id))
                if worker_id in self.listeners:
                    self.listeners[worker_id].stop_job(job_id)
            case WorkerReplaced(worker_id):
                if worker_id in self.listeners:
                    self.listeners[worker_id].replace()
            case WebhookDue():
                self._deliver(event)

    def _deliver(self, due: WebhookDue) -> None:
        """Post it beside the requests; `close` ends that."""
        if not self.closing:
            task = asyncio.get_running_loop().create_task(self._post_webhook(due))
            self._deliveries.add(task)
            task.add_done_callback(self._deliveries.discard)

    def _arm(self) -> None:
        """Have the timer ring at the next deadline, if it would not ring before."""
        due_at = self.engine.next_deadline
        if due_at is None or self.closing:
            return
        loop = asyncio.get_running_loop()
        ring_at = loop.time() + max(0.0, due_at - self.now())
        if self._timer is not None:
            if self._timer_at <= ring_at:
                return
            self._timer.cancel()
        self._timer_at = ring_at
        self._timer = loop.call_at(ring_at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.act(self.engine.advance)

    # Workers of ours.

    def adopt_worker(
        self, worker_id: str, listener: WorkerListener, *, attached: bool = False, healthy: bool = True
    ) -> None:
        """A worker of ours starts.

        Args:
            worker_id: Its id.
            listener: Is told what it should do.
            attached: It runs in this process.
            healthy: The one before it did not fail.
        """
        self.listeners[worker_id] = listener
        self.act(partial(self.engine.start_worker, worker_id, attached=attached, healthy=healthy))

    def forget_worker(self, worker_id: str) -> None:
        """A worker of ours is gone; its jobs go to others."""
        self.listeners.pop(worker_id, None)
        self._leaving.discard(worker_id)
        self._dying.discard(worker_id)
        self.act(partial(self.engine.lose_worker, worker_id))

    def release_worker(self, worker_id: str) -> None:
        """Answer the worker's held requests, and all that follow, at once: it is about to end."""
        self._leaving.add(worker_id)
        for waiter in [waiter for waiter, taker in self._takers.items() if taker == worker_id]:
            waiter.wake()
        _wake_all(self._stop_waiters.get(worker_id))

    # Waiting.

    async def wait_for_job(self, job_id: str, waiter: Waiter, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready()`, looking again at each change of the job, for so long at most."""
        deadline = asyncio.get_running_loop().time() + seconds
        waiters = self._job_waiters.setdefault(job_id, {})
        waiters[waiter] = None
        try:
            await waiter.until(lambda: self.closing or ready(), deadline)
        finally:
            del waiters[waiter]
            if not waiters:
                self._job_waiters.pop(job_id, None)

    async def take(self, worker_id: str, waiter: Waiter, *, limit: int, seconds: float) -> list[JobRecord]:
        """Take up to `limit` jobs; wait for the first one for so long at most."""
        deadline = asyncio.get_running_loop().time() + seconds
        taken: list[JobRecord] = []

        def ready() -> bool:
            if self.closing or worker_id in self._leaving or worker_id in self._dying:
                return True
            if not waiter.left:
                taken.extend(self.act(partial(self.engine.take, worker_id, limit=limit)))
            if not taken:
                self._takers[waiter] = worker_id
            return bool(taken)

        try:
            await waiter.until(ready, deadline)
        finally:
            self._takers.pop(waiter, None)
            if not taken and self.engine.waiting:
                self._wake_takers(1)
        listener = self.listeners.get(worker_id)
        if listener is not None:
            for record in taken:
                if self.faults.strikes(FaultKind.WORKER_DEATH):
                    self._dying.add(worker_id)
                    listener.crash(record.id)
        return taken

    def finish(self, worker_id: str, job_id: str, result: Result) -> None:
        """Take a worker's result, unless the worker is about to die: then its work is lost, however quick it was."""
        if worker_id in self._dying:
            return
        finish = partial(self.engine.finish, worker_id, job_id, result)
        self.act(finish)
        if self.faults.strikes(FaultKind.DUPLICATE_RESULT):
            self.act(finish)

    async def wait_for_stops(self, worker_id: str, waiter: Waiter, seconds: float) -> list[str]:
        """The jobs that a worker should stop; wait for the first one for so long at most."""
        deadline = asyncio.get_running_loop().time() + seconds
        stops: list[str] = []

        def ready() -> bool:
            if not waiter.left:
                stops.extend(self.act(partial(self.engine.take_stops, worker_id)))
            return self.closing or worker_id in self._leaving or bool(stops)

        waiters = self._stop_waiters.setdefault(worker_id, {})
        waiters[waiter] = None
        try:
            await waiter.until(ready, deadline)
        finally:
            del waiters[waiter]
            if not waiters:
                self._stop_waiters.pop(worker_id, None)
        return stops

    def _wake_takers(self, count: int) -> None:
        for waiter in list(self._takers)[:count]:
            del self._takers[waiter]
            waiter.wake()

    # The end.

    async def close(self) -> None:
        """Let everybody who waits go, and end the deliveries of webhooks."""
        self.closing = True
        if self._timer is not None:
            self._timer.cancel()
        _wake_all(list(self._takers))
        for waiters in (*self._job_waiters.values(), *self._stop_waiters.values()):
            _wake_all(waiters)
        for task in self._deliveries:
            task.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)


def _wake_all(waiters: Iterable[Waiter] | None) -> None:
    for waiter in waiters or ():
        waiter.wake()
