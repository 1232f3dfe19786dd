"""The server that every contender talks to: a queue without workers, whose jobs end when they were told to.

It is spelled from the vendor's documents and shares no code with any client. It does as little as it can, so that it is
not what is measured: no authentication, no state but a job's end, one pass over a request's bytes. A job's input says
how many seconds it runs and when it yields what; the output says when, on the machine's monotonic clock, it was done or
yielded, how long it ran, and how often it was looked at.

    python -m benchmarks.server [--limits]

It prints its port, and ends when its standard input is closed. With ``--limits`` it enforces the published limits
(`BUDGETS`): on ``/status``, ``/status-sync`` and ``/stream`` together 2,000 requests in any 10 s and 400 open at once.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import resource
import sys
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs

from attrs import define, field
from typing_extensions import override

BACKLOG: Final = 4096
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
TOO_MANY: Final = b'{"error":"too many requests"}'


@define
class Job:
    """A job: when it ends, and what it yields when, all on the monotonic clock."""

    id: str
    began_at: float
    ends_at: float
    chunks: deque[tuple[float, str]]
    looks: int = 0

    def next_event(self) -> float:
        """When there is something to stream, or the job has ended."""
        return min(self.ends_at, self.chunks[0][0]) if self.chunks else self.ends_at

    def body(self, now: float) -> bytes:
        """The answer of /status."""
        if now < self.ends_at:
            return f'{{"delayTime":1,"id":"{self.id}","status":"IN_PROGRESS","workerId":"w1"}}'.encode()
        ran = int((self.ends_at - self.began_at) * 1000)
        return (
            f'{{"delayTime":1,"executionTime":{ran},"id":"{self.id}","output":{{"done_at":{self.ends_at!r},"looks":{self.looks},'
            f'"ran":{self.ends_at - self.began_at!r}}},'
            f'"status":"COMPLETED","workerId":"w1"}}'
        ).encode()

    def drained(self, now: float) -> bytes:
        """The answer of /stream: what was yielded since the last one, which is then gone."""
        items: list[str] = []
        while self.chunks and self.chunks[0][0] <= now:
            items.append(self.chunks.popleft()[1])
        status = "COMPLETED" if now >= self.ends_at and not self.chunks else "IN_PROGRESS"
        return f'{{"status":"{status}","stream":[{",".join(items)}]}}'.encode()


@define
class Queue:
    """All jobs, and the limits on looking at them."""

    limited: bool
    clock: Callable[[], float]
    jobs: dict[str, Job] = field(factory=dict[str, Job])
    requests: Counter[str] = field(factory=Counter[str])
    refused: int = 0
    open: Counter[str] = field(factory=Counter[str])
    most_open: int = 0
    _numbers: itertools.count[int] = field(factory=itertools.count)
    _windows: defaultdict[str, deque[float]] = field(factory=lambda: defaultdict[str, deque[float]](deque))

    def submit(self, given: Any, began_at: float) -> Job:
        """A job from its input."""
        chunks = deque(
            (began_at + after, json.dumps({"output": {"done_at": began_at + after}}))
            for after in given.get("chunks", ())
        )
        number = next(self._numbers)
        job = Job(f"{number:08x}-0000-4000-8000-000000000000-u1", began_at, began_at + given.get("seconds", 0), chunks)
        self.jobs[job.id] = job
        return job

    def admits(self, operation: str) -> bool:
        """Whether a request is within the limits; it is then open until `left`."""
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

    def left(self, operation: str) -> None:
        """A request that was admitted is over."""
        if self.limited and operation in BUDGETS:
            self.open[BUDGETS[operation][0]] -= 1

    def report(self) -> dict[str, Any]:
        """What has happened since the last report, and the processor time used since the start."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        report: dict[str, Any] = {
            "cpu": usage.ru_utime + usage.ru_stime,
            "requests": dict(self.requests),
            "refused": self.refused,
            "most_open": self.most_open,
        }
        self.requests.clear()
        now = self.clock()
        self.jobs = {job.id: job for job in self.jobs.values() if job.ends_at > now}
        self._windows.clear()
        self.refused = self.most_open = 0
        return report


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, queue: Queue, loop: asyncio.AbstractEventLoop) -> None:
        self._queue = queue
        self._loop = loop
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._held: tuple[asyncio.TimerHandle, str] | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- asyncio's own types are looser
        self._transport = transport

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._held is not None:
            timer, operation = self._held
            timer.cancel()
            self._queue.left(operation)

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head, body = self._received[:end], self._received[end + 4 :]
        length = 0
        if not head.startswith(b"GET"):
            found = head.lower().find(b"content-length:")
            length = int(head[found + 15 :].split(b"\r", 1)[0]) if found >= 0 else 0
        if len(body) < length:
            return
        self._received = body[length:]
        self._handle(head[: head.index(b"\r")].split(b" ")[1].decode(), body[:length])

    def _handle(self, target: str, body: bytes) -> None:
        queue = self._queue
        path, _, query = target.partition("?")
        parts = path.split("/")  # "", "v2", endpoint, operation, job id
        operation = parts[3]
        if parts[2] == "bench":
            self._answer(json.dumps(self._administer(operation, body)).encode())
            return
        queue.requests[operation] += 1
        if not queue.admits(operation):
            self._answer(TOO_MANY, "429 Too Many Requests")
            return
        now = queue.clock()
        if operation in {"run", "runsync"}:
            job = queue.submit(json.loads(body)["input"], now)
            if operation == "run":
                queue.left(operation)
                self._answer(f'{{"id":"{job.id}","status":"IN_QUEUE"}}'.encode())
                return
        else:
            found = queue.jobs.get(parts[4])
            if found is None:
                queue.left(operation)
                self._answer(b'{"error":"job not found"}', "404 Not Found")
                return
            job = found
            job.looks += 1
        hold = HOLD_MS.get(operation, 0)
        if query and hold:
            hold = int(parse_qs(query).get("wait", [hold])[0])
        due = job.next_event() if operation == "stream" else job.ends_at
        if hold == 0 or due <= now:
            self._finish(job, operation)
        else:
            until = min(due, now + hold / 1000)
            self._held = self._loop.call_at(until, self._finish, job, operation), operation

    def _finish(self, job: Job, operation: str) -> None:
        self._held = None
        self._queue.left(operation)
        # The loop's timers fire up to one tick of its clock early.
        now = self._queue.clock() + 1e-6
        self._answer(job.drained(now) if operation == "stream" else job.body(now))

    def _administer(self, operation: str, body: bytes) -> object:
        if operation == "report":
            return self._queue.report()
        now = self._queue.clock()
        return [self._queue.submit(given, now).id for given in json.loads(body)]

    def _answer(self, body: bytes, status: str = "200 OK") -> None:
        if self._transport is not None:
            self._transport.write(
                f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
            )


async def serve(*, limited: bool) -> None:
    """Serve until standard input is closed."""
    loop = asyncio.get_running_loop()
    queue = Queue(limited, loop.time)
    server = await loop.create_server(lambda: Connection(queue, loop), "127.0.0.1", 0, backlog=BACKLOG)
    async with server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(limited="--limits" in sys.argv[1:]))
