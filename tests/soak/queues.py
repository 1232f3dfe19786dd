"""The server process of a soak: three local queues with faults and an outage, and a record of the jobs that ran."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from typing import Any

from runpod_typed.local import Faults, HandlerConfig, JobStatus, LocalQueue

Job = dict[str, Any]

_lock = threading.Lock()
_ran: defaultdict[str, set[str]] = defaultdict(set)
_failed: set[str] = set()


def _note(job: Job) -> str:
    token: str = job["input"]["token"]
    with _lock:
        _ran[token].add(job["id"])
    return token


def plain(job: Job) -> dict[str, str]:
    """Return the token; sleep or fail once if the order says so."""
    token = _note(job)
    order = job["input"]
    time.sleep(order.get("sleep", 0))
    with _lock:
        fails = "fail_once" in order and job["id"] not in _failed
        if fails:
            _failed.add(job["id"])
    if fails:
        raise ValueError(f"{token} fails once")
    return {"token": token}


def chunks(job: Job) -> Iterator[dict[str, int]]:
    """Yield 0, 1, 2 ..."""
    _note(job)
    for number in range(job["input"]["n"]):
        time.sleep(0.003)
        yield {"number": number}


def submitted(queues: Collection[LocalQueue]) -> int:
    """Return the number of accepted jobs."""
    return sum(queue.stats().submitted for queue in queues)


def break_down(queues: Collection[LocalQueue], jobs: int, seconds: float) -> None:
    """After a number of jobs, let all queues respond with 503 and then refuse connections, half of the time each."""
    try:
        while submitted(queues) < jobs:
            time.sleep(0.05)
        for status in (503, None):
            for queue in queues:
                queue.outage(seconds / 2, status=status)
            time.sleep(seconds / 2)
    except RuntimeError:
        return  # the queues have stopped


def finish_all(queues: Collection[LocalQueue]) -> None:
    """Wait until no job waits or runs, so that the record of jobs that ran is complete."""
    for queue in queues:
        for _ in range(1200):
            by_status = queue.stats().by_status
            if not by_status[JobStatus.IN_QUEUE] + by_status[JobStatus.IN_PROGRESS]:
                break
            time.sleep(0.05)


def main() -> None:
    """Start the queues that the argument describes, print where they are, and report when asked to."""
    options = json.loads(sys.argv[1])

    def faults(salt: int) -> Faults:
        return Faults(
            seed=options["seed"] * 10 + salt,
            rate=options["rate"],
            kinds=tuple(options["kinds"]),
            latency=0.05,
            retry_after=0.05,
            clock_jump=0.2,
            not_yet_visible=1.0,
        )

    workers = options["workers"]
    with ExitStack() as stack:
        kept: HandlerConfig = {"handler": chunks, "return_aggregate_stream": True}
        queues = {
            "plain": LocalQueue(plain, workers=workers, endpoint_id="plain", faults=faults(1)),
            "kept": LocalQueue(kept, workers=workers // 2, endpoint_id="kept", faults=faults(2)),
            "gone": LocalQueue(chunks, workers=workers // 2, endpoint_id="gone", faults=faults(3)),
        }
        for queue in queues.values():
            stack.enter_context(queue)
        outage = (queues.values(), options["jobs"] // 3, options["outage"])
        threading.Thread(target=break_down, args=outage, daemon=True).start()
        where = {name: {"base_url": queue.base_url, "key": queue.api_key} for name, queue in queues.items()}
        print(json.dumps(where), flush=True)
        never_queued: list[str] = json.loads(sys.stdin.readline())
        finish_all(queues.values())
        injected: Counter[str] = Counter()
        for queue in queues.values():
            injected.update({str(kind): count for kind, count in queue.faults_injected.items()})
        report = {
            "injected": injected,
            "accepted": submitted(queues.values()),
            "doubled": [token for token, ids in _ran.items() if len(ids) > 1],
            "ran_unreported": [token for token in never_queued if token in _ran],
        }
        print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
