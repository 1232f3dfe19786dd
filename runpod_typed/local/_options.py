"""The settings of a queue, checked."""

import re
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import field, frozen
from runpod_queue_api import wire

from runpod_typed.local._faults import FaultPlan
from runpod_typed.local._server.access import Access, known_hosts
from runpod_typed.local._server.rate_limits import Limits, make_limiters
from runpod_typed.local._validators import is_finite, is_whole
from runpod_typed.local._workers.handler_config import HandlerConfig


@frozen(kw_only=True)
class QueueOptions:
    """The arguments of a `LocalQueue`.

    Raises:
        ValueError: One is out of range.
    """

    config: HandlerConfig | None
    command: Sequence[str] | None
    workers: int
    endpoint_id: str
    api_key: str | None = field(repr=False)
    host: str
    port: int
    limits: Limits
    time_scale: float
    faults: FaultPlan
    auto_advance: bool
    persist: Path | None
    page: bool
    on_worker_output: Callable[[str, str], object] | None

    def __attrs_post_init__(self) -> None:
        if not _is_id(self.endpoint_id):
            raise ValueError(f"endpoint_id {self.endpoint_id!r} must match {wire.ENDPOINT_ID_PATTERN}")
        if self.api_key == "":
            raise ValueError("api_key must not be empty; leave it out for a random one")
        if self.config is not None and self.command is not None:
            raise ValueError("give either handler or worker, not both")
        if isinstance(self.command, str) or (self.command is not None and not self.command):
            raise ValueError('worker must be a list such as [sys.executable, "handler.py"]')
        if not is_whole(self.workers) or self.workers < 1:
            raise ValueError(f"workers must be at least 1, not {self.workers!r}")
        if not is_whole(self.port) or not 0 <= self.port <= 65535:
            raise ValueError(f"port must be from 0 to 65535, not {self.port!r}")
        if not is_finite(self.time_scale) or self.time_scale <= 0:
            raise ValueError(f"time_scale must be a number above 0, not {self.time_scale!r}")
        make_limiters(self.limits)  # refuses unknown names here, not in the server's thread

    def make_access(self) -> Access:
        """Return the keys of the queue."""
        key = self.api_key or f"local_{secrets.token_urlsafe(24)}"
        return Access(key, f"worker_{secrets.token_urlsafe(24)}", known_hosts(self.host))


def _is_id(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(wire.ENDPOINT_ID_PATTERN, value) is not None
