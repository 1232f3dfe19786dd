"""A queue without workers, whose jobs end when their input says so.

It follows Runpod's documents and shares no code with any client. It does as little as it can, so that it is not what
is measured: no authentication, and no state but a job's end. A job's input says how many seconds it runs and when it
yields chunks; the output says when, on the machine's monotonic clock, the job ended, how long it ran, and how often it
was polled.
"""

from __future__ import annotations

import itertools
import json
import resource
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs

from attrs import define, field, frozen

WINDOW_SECONDS: Final = 10.0
WINDOW_REQUESTS: Final = 2000
OPEN_AT_ONCE: Final = 400
BUDGETS: Final = {
    "status": ("status", WINDOW_REQUESTS, OPEN_AT_ONCE),
    "status-sync": ("status", WINDOW_REQUESTS, OPEN_AT_ONCE),
    "stream": ("status", WINDOW_REQUESTS, OPEN_AT_ONCE),
    "run": ("run", 1000, 200),
    "runsync": ("run_sync", 2000, 400),
}
"""The budget of each limited operation, its requests in a window, and those that may be open at once."""
HOLD_MS: Final = {"runsync": 90_000, "status-sync": 90_000, "stream": 10_000}

Response = tuple[int, bytes]
"""The status and the body of a response."""


@define
class Job:
    """A job: its end, and its chunks with their times, all on the monotonic clock."""

    id: str
    began_at: float
    ends_at: float
    chunks: deque[tuple[float, str]]
    polls: int = 0

    def next_event(self) -> float:
        """Return when the next chunk comes, or the job ends."""
        return min(self.ends_at, self.chunks[0][0]) if self.chunks else self.ends_at

    def body(self, now: float) -> bytes:
        """Return the body for /status."""
        if now < self.ends_at:
            return f'{{"delayTime":1,"id":"{self.id}","status":"IN_PROGRESS","workerId":"w1"}}'.encode()
        ran = self.ends_at - self.began_at
        return (
            f'{{"delayTime":1,"executionTime":{int(ran * 1000)},"id":"{self.id}",'
            f'"output":{{"done_at":{self.ends_at!r},"polls":{self.polls},"ran":{ran!r}}},'
            f'"status":"COMPLETED","workerId":"w1"}}'
        ).encode()

    def drained(self, now: float) -> bytes:
        """Return the body for /stream, and drop the chunks in it."""
        items: list[str] = []
        while self.chunks and self.chunks[0][0] <= now:
            items.append(self.chunks.popleft()[1])
        status = "COMPLETED" if now >= self.ends_at and not self.chunks else "IN_PROGRESS"
        return f'{{"status":"{status}","stream":[{",".join(items)}]}}'.encode()


@frozen
class Held:
    """A response that is due at a later time."""

    job: Job
    operation: str
    until: float


@define
class Queue:
    """All jobs, and the limits on requests."""

    limited: bool
    clock: Callable[[], float]
    jobs: dict[str, Job] = field(factory=dict[str, Job])
    requests: Counter[str] = field(factory=Counter[str])
    connections: set[object] = field(factory=set[object])
    refused: int = 0
    open: Counter[str] = field(factory=Counter[str])
    most_open: int = 0
    _numbers: itertools.count[int] = field(factory=itertools.count)
    _windows: defaultdict[str, deque[float]] = field(factory=lambda: defaultdict[str, deque[float]](deque))

    def handle(self, connection: object, target: str, body: bytes) -> Response | Held:
        """Handle a request.

        Args:
            connection: The client's address, which no other open connection has.
            target: The path and the query.
            body: The body.
        """
        path, _, query = target.partition("?")
        parts = path.split("/")  # "", "v2", endpoint, operation, job id
        operation = parts[3]
        if parts[2] == "bench":
            return 200, json.dumps(self._administer(operation, body)).encode()
        self.requests[operation] += 1
        self.connections.add(connection)
        if not self._admits(operation):
            return 429, b'{"error":"too many requests"}'
        now = self.clock()
        if operation in {"run", "runsync"}:
            job = self._submit(json.loads(body)["input"], now)
            if operation == "run":
                self.leave(operation)
                return 200, f'{{"id":"{job.id}","status":"IN_QUEUE"}}'.encode()
        else:
            found = self.jobs.get(parts[4])
            if found is None:
                self.leave(operation)
                return 404, b'{"error":"job not found"}'
            job = found
            job.polls += 1
        hold = HOLD_MS.get(operation, 0)
        if query and hold:
            hold = int(parse_qs(query).get("wait", [hold])[0])
        due = job.next_event() if operation == "stream" else job.ends_at
        held = Held(job, operation, min(due, now + hold / 1000))
        return self.finish(held) if hold == 0 or due <= now else held

    def finish(self, held: Held) -> Response:
        """Return the response that was held."""
        self.leave(held.operation)
        now = self.clock() + 1e-6  # timers fire up to one tick of their clock early
        return 200, held.job.drained(now) if held.operation == "stream" else held.job.body(now)

    def leave(self, operation: str) -> None:
        """Note the end of a request."""
        if self.limited and operation in BUDGETS:
            self.open[BUDGETS[operation][0]] -= 1

    def _submit(self, given: Any, began_at: float) -> Job:
        chunks = deque(
            (began_at + after, json.dumps({"output": {"done_at": began_at + after}}))
            for after in given.get("chunks", ())
        )
        number = next(self._numbers)
        job = Job(f"{number:08x}-0000-4000-8000-000000000000-u1", began_at, began_at + given.get("seconds", 0), chunks)
        self.jobs[job.id] = job
        return job

    def _admits(self, operation: str) -> bool:
        """Return whether a request is within the limits; if so, it is open until `leave`."""
        if not self.limited or operation not in BUDGETS:
            return True
        budget, requests, open_at_once = BUDGETS[operation]
        window, now = self._windows[budget], self.clock()
        while window and window[0] <= now - WINDOW_SECONDS:
            window.popleft()
        if len(window) >= requests or self.open[budget] >= open_at_once:
            self.refused += 1
            return False
        window.append(now)
        self.open[budget] += 1
        self.most_open = max(self.most_open, self.open["status"])
        return True

    def _administer(self, operation: str, body: bytes) -> object:
        if operation == "report":
            return self._report()
        now = self.clock()
        return [self._submit(given, now).id for given in json.loads(body)]

    def _report(self) -> dict[str, Any]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        report: dict[str, Any] = {
            "cpu": usage.ru_utime + usage.ru_stime,
            "requests": dict(self.requests),
            "connections": len(self.connections),
            "refused": self.refused,
            "most_open": self.most_open,
        }
        self.requests.clear()
        self.connections.clear()
        now = self.clock()
        self.jobs = {job.id: job for job in self.jobs.values() if job.ends_at > now}
        self._windows.clear()
        self.refused = self.most_open = 0
        return report
