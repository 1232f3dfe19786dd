"""The server process of a soak: three local queues with faults, and a record of which job ran for which order."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from runpod_typed.local import Faults, LocalQueue
from runpod_typed.local._handlers import HandlerConfig

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
    """Gives the token back; sleeps or fails once where the order says so."""
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
    """Yields 0, 1, 2 ..."""
    _note(job)
    for number in range(job["input"]["n"]):
        time.sleep(0.003)
        yield {"number": number}


def main() -> None:
    """Start the queues as the first argument says, tell where they are, and report when told to end."""
    options = json.loads(sys.argv[1])

    def faults(salt: int) -> Faults:
        return Faults(
            seed=options["seed"] * 10 + salt,
            rate=options["rate"],
            kinds=tuple(options["kinds"]),
            latency=0.05,
            retry_after=0.05,
            clock_jump=0.2,
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
        where = {name: {"base_url": queue.base_url, "key": queue.api_key} for name, queue in queues.items()}
        print(json.dumps(where), flush=True)
        sys.stdin.readline()
        injected: Counter[str] = Counter()
        accepted = 0
        for queue in queues.values():
            injected.update({str(kind): count for kind, count in queue.faults_injected.items()})
            accepted += queue.stats().submitted
        doubled = [token for token, ids in _ran.items() if len(ids) > 1]
        print(json.dumps({"injected": injected, "accepted": accepted, "doubled": doubled}), flush=True)


if __name__ == "__main__":
    main()
