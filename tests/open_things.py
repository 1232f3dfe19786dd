"""The sockets and threads that this process holds open."""

from __future__ import annotations

import gc
import re
import threading
from contextlib import suppress
from pathlib import Path

from attrs import frozen


@frozen
class OpenThings:
    """The open sockets and threads at a moment."""

    sockets: frozenset[str]
    threads: frozenset[threading.Thread]

    @classmethod
    def now(cls) -> OpenThings:
        return cls(_sockets(), _threads())

    def more_now(self) -> list[object]:
        """Return what is open now and was not then."""
        gc.collect()
        now = OpenThings.now()
        return [*(now.sockets - self.sockets), *(now.threads - self.threads)]


def _sockets() -> frozenset[str]:
    found: set[str] = set()
    for number in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # it was the listing's own
            target = str(number.readlink())
            if target.startswith("socket:"):
                found.add(target)
    return frozenset(found)


def _threads() -> frozenset[threading.Thread]:
    # Event loops keep threads of their own, which look names up, until they end; aiohttp's resolver has one for all.
    own = re.compile(r"asyncio_|Trio |.*\(_run_safe_shutdown_loop\)")
    return frozenset(thread for thread in threading.enumerate() if not own.match(thread.name))
