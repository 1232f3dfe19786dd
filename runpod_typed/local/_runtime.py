"""The engine at run time: its clock, the requests that wait for it, and what it wants done.

Everything here runs in the server's event loop. Other threads come in by `call_soon_threadsafe`.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, Protocol, TypeVar, TypeVarTuple

from attrs import frozen

from runpod_typed.local._archive import Archive, ArchiveError
from runpod_typed.local._engine.batches import Batches
from runpod_typed.local._engine.engine import Engine
from runpod_typed.local._engine.events import Event, JobChanged, JobStopped, JobsWaiting, WebhookDue, WorkerReplaced
from runpod_typed.local._engine.records import JobRecord, Result
from runpod_typed.local._engine.settings import EngineSettings
from runpod_typed.local._faults import FaultKind, FaultPlan
from runpod_typed.local._webhooks import WebhookSender

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SAVE_SECONDS: Final = 0.1
KEPT_LINES: Final = 2000
QUIET_SECONDS: Final = 0.05
"""The time without any event after which `auto_advance` jumps, in real time."""

logger = logging.getLogger("runpod_typed.local")


class Worker(Protocol):
    """A worker that the queue starts, in this process or in a process of its own."""

    def start(self) -> None:
        """Begin to take jobs."""

    def stop(self) -> None:
        """Take no more jobs, and end the running ones as far as possible. May be repeated."""

    def join(self) -> list[str]:
        """Wait for the end, within limits, and return warnings about what is left. May be repeated."""
        ...

    def stop_job(self, job_id: str) -> None:
        """Stop a job, if possible."""

    def replace(self) -> None:
        """End, and let another worker follow."""

    def crash(self, job_id: str) -> None:
        """Die in the middle of a job."""

    @property
    def failed(self) -> bool:
        """True if it ended before it asked for a job."""
        return False

    @property
    def pid(self) -> int | None:
        """The id of its running process, if it has one."""
        return None


@frozen
class LogLine:
    """A line that a worker wrote."""

    at: float
    """Seconds since 1970 of the queue's clock."""
    worker_id: str
    text: str


@frozen
class SimulatedOutage:
    """A time in which every request fails."""

    until: float
    """The end, in the event loop's time."""
    status: int | None
    """The status of the responses; None breaks the connections."""


class Waiter:
    """A request that waits until it is woken, its time is over or its client left."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self.left = False

    def wake(self) -> None:
        """Check again."""
        self._woken.set()

    def leave(self) -> None:
        """Stop waiting."""
        self.left = True
        self.wake()

    async def until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready()`, at most the given time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not ready() and not self.left:
                    self._woken.clear()
                    await self._woken.wait()


class QueueRuntime:
    """The engine with waiting, waking, and a timer for its next deadline."""

    def __init__(
        self,
        endpoint_id: str,
        *,
        settings: EngineSettings,
        webhooks: WebhookSender,
        faults: FaultPlan,
        auto_advance: bool = False,
        archive: Archive | None = None,
    ) -> None:
        self.endpoint_id = endpoint_id
        self.engine = Engine(settings)
        self.batches = Batches(self.engine, endpoint_id)
        self.faults = faults
        self.outage: SimulatedOutage | None = None
        self.held = 0
        self.closing = False
        self._started = time.time() - time.monotonic()
        self.skipped_seconds = 0.0
        """Seconds by which the queue's clock is ahead of real time."""
        self.log: deque[LogLine] = deque(maxlen=KEPT_LINES)
        """The last lines that workers wrote."""
        self._webhooks = webhooks
        self._deliveries: set[asyncio.Task[None]] = set()
        self._workers: dict[str, Worker] = {}
        self._ending: set[str] = set()
        self._crashing: set[str] = set()
        self._waiters: dict[str, dict[Waiter, None]] = {}
        self._takers: dict[Waiter, str] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._archive = archive
        self._saving: asyncio.TimerHandle | None = None
        if archive is not None:
            jobs, batches = archive.load()
            self.engine.restore(jobs, self.now())
            self.batches.restore(batches)
            self.engine.changed = set(self.engine.jobs)
        self._auto_advance = auto_advance
        self._skip: asyncio.TimerHandle | None = None
        self._rings_at = 0.0  # the handle of uvloop may have no `when`

    def now(self) -> float:
        """Return the engine's time, in seconds since 1970. Changes of the system's clock do not move it."""
        return self._started + time.monotonic() + self.skipped_seconds

    def advance_clock(self, seconds: float) -> None:
        """Move the queue's clock forward."""
        self.skipped_seconds += seconds
        self.act(self.engine.advance)

    def act(self, action: Callable[[*Ts, float], T], *args: *Ts) -> T:
        """Call the engine with the present time as the last argument, and handle the events that follow."""
        try:
            return action(*args, self.now())
        finally:
            for event in self.engine.take_events():
                self._handle(event)
            self._set_timer()
            self._skip_later()
            if (self.engine.changed or self.batches.changed) and self._saving is None and not self.closing:
                self._saving = asyncio.get_running_loop().call_later(SAVE_SECONDS, self._save)

    def _handle(self, event: Event) -> None:
        match event:
            case JobChanged(job_id):
                self._wake(job_id)
            case JobsWaiting(count):
                self._wake_takers(count)
            case JobStopped(worker_id, job_id):
                self._wake(worker_id)
                if worker_id in self._workers:
                    self._workers[worker_id].stop_job(job_id)
            case WorkerReplaced(worker_id):
                if worker_id in self._workers:
                    self._workers[worker_id].replace()
            case WebhookDue():
                self._deliver(event)

    def _deliver(self, due: WebhookDue) -> None:
        if not self.closing:
            task = asyncio.get_running_loop().create_task(self._webhooks.post(due))
            self._deliveries.add(task)
            task.add_done_callback(self._deliveries.discard)

    def _set_timer(self) -> None:
        due_at = self.engine.next_deadline
        if due_at is None or self.closing:
            return
        loop = asyncio.get_running_loop()
        ring_at = loop.time() + max(0.0, due_at - self.now())
        if self._timer is not None:
            if self._rings_at <= ring_at:
                return
            self._timer.cancel()
        self._timer, self._rings_at = loop.call_at(ring_at, self._ring), ring_at

    def _ring(self) -> None:
        self._timer = None
        self.act(self.engine.advance)

    def _save(self) -> None:
        """Write the jobs and batches that have changed."""
        self._saving = None
        changed, batches = self.engine.changed or set[str](), self.batches.changed
        if self._archive is not None and (changed or batches):
            jobs = {job_id: self.engine.jobs.get(job_id) for job_id in changed}
            try:
                self._archive.save(jobs, batches.values())
            except ArchiveError as error:  # the disk may be full
                logger.error("From now on, no job is kept: %s", error)  # noqa: TRY400 -- the message says it all
                self._archive = None
            changed.clear()
        batches.clear()

    def note_output(self, worker_id: str, text: str) -> None:
        """Keep a line that a worker wrote. May be called from any thread."""
        self.log.append(LogLine(self.now(), worker_id, text))

    def _skip_later(self) -> None:
        """With `auto_advance`, jump to the next deadline if nothing happens for a moment."""
        if self._auto_advance and not self.closing:
            if self._skip is not None:
                self._skip.cancel()
            self._skip = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._skip_time)

    def _skip_time(self) -> None:
        due_at = self.engine.next_deadline
        if due_at is not None and self._everything_waits():
            self.advance_clock(max(0.0, due_at - self.now()))

    def _everything_waits(self) -> bool:
        """Tell if a client waits for a job, no job runs, and no worker could take one."""
        running = any(worker.jobs for worker in self.engine.workers.values())
        idle = self.engine.waiting == 0 or self.engine.paused or not self._takers
        return idle and not running and any(subject in self.engine.jobs for subject in self._waiters)

    # Workers of this process.

    def add_worker(self, worker_id: str, worker: Worker, *, attached: bool = False, healthy: bool = True) -> None:
        """Add a worker that starts; `healthy` is False for the successor of a failed one."""
        self._workers[worker_id] = worker
        self.act(partial(self.engine.start_worker, worker_id, attached=attached, healthy=healthy))

    def remove_worker(self, worker_id: str) -> None:
        """Remove a worker that is gone; its jobs go to others."""
        self._workers.pop(worker_id, None)
        self._ending.discard(worker_id)
        self._crashing.discard(worker_id)
        self.act(self.engine.lose_worker, worker_id)

    def release_worker(self, worker_id: str) -> None:
        """Respond to the held requests of a worker, and to all that follow, at once: it is about to end."""
        self._ending.add(worker_id)
        for waiter in [waiter for waiter, taker in self._takers.items() if taker == worker_id]:
            waiter.wake()
        self._wake(worker_id)

    # Waiting.

    async def wait_for(self, subject: str, waiter: Waiter, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until `ready()`, at most the given time. It is checked after each change of the job or worker."""
        waiters = self._waiters.setdefault(subject, {})
        waiters[waiter] = None
        self._skip_later()
        try:
            await waiter.until(lambda: self.closing or ready(), seconds)
        finally:
            del waiters[waiter]
            if not waiters:
                self._waiters.pop(subject, None)

    async def take(self, worker_id: str, waiter: Waiter, *, limit: int, seconds: float) -> list[JobRecord]:
        """Take up to `limit` jobs. Wait for the first one at most the given time."""
        taken: list[JobRecord] = []

        def ready() -> bool:
            if self.closing or worker_id in self._ending or worker_id in self._crashing:
                return True
            if not waiter.left:
                taken.extend(self.act(partial(self.engine.take, worker_id, limit=limit)))
            if not taken:
                self._takers[waiter] = worker_id
            return bool(taken)

        try:
            await waiter.until(ready, seconds)
        finally:
            self._takers.pop(waiter, None)
            if not taken and self.engine.waiting:
                self._wake_takers(1)
        for record in taken:
            worker = self._workers.get(worker_id)
            if worker is not None and self.faults.hits_worker(FaultKind.WORKER_DEATH):
                self._crashing.add(worker_id)
                worker.crash(record.id)
        return taken

    def finish(self, worker_id: str, job_id: str, result: Result) -> None:
        """Accept a result. The results of a worker that is about to crash are lost."""
        if worker_id in self._crashing:
            return
        self.act(self.engine.finish, worker_id, job_id, result)
        if self.faults.hits_worker(FaultKind.DUPLICATE_RESULT):
            self.act(self.engine.finish, worker_id, job_id, result)

    async def wait_for_stops(self, worker_id: str, waiter: Waiter, seconds: float) -> list[str]:
        """Return the jobs that a worker should stop. Wait for the first one at most the given time."""
        stops: list[str] = []

        def ready() -> bool:
            if not waiter.left:
                stops.extend(self.act(self.engine.take_stops, worker_id))
            return worker_id in self._ending or bool(stops)

        await self.wait_for(worker_id, waiter, ready, seconds)
        return stops

    def _wake(self, subject: str) -> None:
        for waiter in self._waiters.get(subject, ()):
            waiter.wake()

    def _wake_takers(self, count: int) -> None:
        for waiter in list(self._takers)[:count]:
            del self._takers[waiter]
            waiter.wake()

    async def close(self) -> None:
        """Let all held requests return, and end the deliveries of webhooks. May be repeated."""
        self.closing = True
        for timer in (self._timer, self._skip, self._saving):
            if timer is not None:
                timer.cancel()
        for waiter in [*self._takers, *(waiter for waiters in self._waiters.values() for waiter in waiters)]:
            waiter.wake()
        for task in self._deliveries:
            task.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)
        await self._webhooks.close()
        self._save()
        if self._archive is not None:
            self._archive.close()
