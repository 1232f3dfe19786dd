"""Faults on purpose: which request is hit, by what. Decisions only, and the same ones for the same seed."""

import math
import random
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from attrs import define, field, frozen, validators


class FaultKind(StrEnum):
    """What can go wrong.

    Attributes:
        LATENCY: The answer comes late.
        RESET_BEFORE: The connection breaks before the request was processed.
        RESET_AFTER: The request was processed, then the connection breaks: the answer is lost.
        RATE_LIMITED: 429, not processed, without a word on when to come back.
        RATE_LIMITED_RETRY_AFTER: 429, not processed, with `Retry-After` (seconds, a fraction, a date) or ``RateLimit``.
        SERVER_ERROR: 500, 502, 503 (not processed) or 504 (processed).
        EDGE_ERROR: Cloudflare's 520 and 524 (processed), 521, 522, 523 (not processed).
        HTML_BODY: Processed, but a page of HTML comes back, with status 200.
        TRUNCATED_BODY: Processed, but the connection ends in the middle of the answer's body.
        DROPPED_STREAM: Chunks were drained, and their answer is lost. Hits `stream` only.
        WORKER_DEATH: A worker of this queue dies with the job in its hands: when it has done the work (or streamed the
            first chunk), before it can report. The job goes to another one.
        DUPLICATE_RESULT: A worker reports its result twice.
        CLOCK_JUMP: The queue's clock leaps forward.
    """

    LATENCY = "latency"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    RATE_LIMITED = "rate_limited"
    RATE_LIMITED_RETRY_AFTER = "rate_limited_retry_after"
    SERVER_ERROR = "server_error"
    EDGE_ERROR = "edge_error"
    HTML_BODY = "html_body"
    TRUNCATED_BODY = "truncated_body"
    DROPPED_STREAM = "dropped_stream"
    WORKER_DEATH = "worker_death"
    DUPLICATE_RESULT = "duplicate_result"
    CLOCK_JUMP = "clock_jump"


WORKER_KINDS: Final = frozenset({FaultKind.WORKER_DEATH, FaultKind.DUPLICATE_RESULT})
REFUSING_KINDS: Final = frozenset(
    {
        FaultKind.RESET_BEFORE,
        FaultKind.RATE_LIMITED,
        FaultKind.RATE_LIMITED_RETRY_AFTER,
        FaultKind.SERVER_ERROR,
        FaultKind.EDGE_ERROR,
    }
)
STREAM_OPERATION: Final = "stream"
SERVER_STATUSES: Final = (500, 502, 503, 504)
EDGE_STATUSES: Final = (520, 521, 522, 523, 524)
PROCESSED_STATUSES: Final = frozenset({504, 520, 524})


class RetryAfterForm(StrEnum):
    """How a 429 says when to come back."""

    SECONDS = "seconds"
    FRACTION = "fraction"
    DATE = "date"
    RATE_LIMIT = "rate_limit"


class ErrorForm(StrEnum):
    """What the body of an error looks like."""

    JSON = "json"
    TEXT = "text"
    HTML = "html"
    EMPTY = "empty"


def _kinds(kinds: Iterable[FaultKind | str]) -> tuple[FaultKind, ...]:
    return tuple(FaultKind(kind) for kind in kinds)


def _names(names: Iterable[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


@frozen(kw_only=True)
class Faults:
    """Random faults, reproducible: the n-th request of an operation meets the same fate whenever the seed is the same.

    Attributes:
        seed: Any whole number.
        rate: Share of the requests that are hit, 0 to 1. `WORKER_DEATH` hits this share of the jobs handed out, and
            `DUPLICATE_RESULT` of the results.
        kinds: What they are hit by, all equally likely.
        operations: Operations that are hit, by their id; None for every client operation. The worker's side counts too
            where it is named: `job_take`, `job_take_batch`, `job_done`, `job_stream`, `job_stop`, `ping`.
        latency: The longest delay of `LATENCY`, in seconds, 0 or more.
        retry_after: What `RATE_LIMITED_RETRY_AFTER` asks for, in seconds, 0 or more.
        clock_jump: The longest leap of `CLOCK_JUMP`, in seconds, 0 or more.

    Raises:
        ValueError: A number is out of its range, or there is no such kind.
    """

    seed: int = 0
    rate: float = field(default=0.1, validator=[validators.ge(0), validators.le(1)])
    kinds: tuple[FaultKind, ...] = field(default=tuple(FaultKind), converter=_kinds)
    operations: frozenset[str] | None = field(default=None, converter=_names)
    latency: float = field(default=0.2, validator=validators.ge(0))
    retry_after: float = field(default=1.0, validator=validators.ge(0))
    clock_jump: float = field(default=1.0, validator=validators.ge(0))


@frozen(kw_only=True)
class Fault:
    """One fault, with all its details decided."""

    kind: FaultKind
    seconds: float = 0.0
    status: int = 200
    form: ErrorForm = ErrorForm.JSON
    retry_after: float | None = None
    retry_after_form: RetryAfterForm = RetryAfterForm.SECONDS

    @property
    def processed(self) -> bool:
        """Whether the request is processed all the same."""
        return self.kind not in REFUSING_KINDS or self.status in PROCESSED_STATUSES


@define(eq=False)
class Injection:
    """A fault that a test asked for."""

    kind: FaultKind
    operation: str | None
    times: int
    status: int | None
    seconds: float | None

    def hits(self, operation: str, *, worker: bool) -> bool:
        """Whether a request of this operation is meant."""
        if self.operation is not None:
            return self.operation == operation
        return not worker and self.kind in kinds_for(operation)


def kinds_for(operation: str) -> frozenset[FaultKind]:
    """What can hit a request of this operation."""
    kinds = frozenset(FaultKind) - WORKER_KINDS
    return kinds if operation == STREAM_OPERATION else kinds - {FaultKind.DROPPED_STREAM}


class FaultPlan:
    """Decides, request by request.

    Attributes:
        injected: How many faults of each kind there were.
    """

    def __init__(self, faults: Faults | None) -> None:
        self._faults = faults
        self._injections: list[Injection] = []
        self._seen: Counter[str] = Counter()
        self.injected: Counter[FaultKind] = Counter()

    def inject(self, injection: Injection) -> None:
        """Hit the next requests that match."""
        self._injections.append(injection)

    def draw(self, operation: str, *, worker: bool = False) -> Fault | None:
        """The fate of the next request of an operation."""
        for injection in self._injections:
            if injection.hits(operation, worker=worker):
                return self._use(injection)
        faults = self._faults
        if faults is None or (worker if faults.operations is None else operation not in faults.operations):
            return None
        rng = self._rng(operation, faults)
        kinds = [kind for kind in faults.kinds if kind in kinds_for(operation)]
        if not kinds or rng.random() >= faults.rate:
            return None
        return self._count(_decide(rng.choice(kinds), faults, rng))

    def strikes(self, kind: FaultKind) -> bool:
        """Whether the next job handed out, or the next result, is hit by a fault of the worker's side."""
        for injection in self._injections:
            if injection.kind is kind:
                self._use(injection)
                return True
        faults = self._faults
        if faults is None or kind not in faults.kinds or self._rng(kind, faults).random() >= faults.rate:
            return False
        self.injected[kind] += 1
        return True

    def _use(self, injection: Injection) -> Fault:
        injection.times -= 1
        if injection.times <= 0:
            self._injections.remove(injection)
        faults = self._faults if self._faults is not None else Faults(rate=0)
        fault = _decide(injection.kind, faults, random.Random(0), injection.status)
        if injection.seconds is not None:
            retry_after = injection.seconds if fault.retry_after is not None else None
            fault = Fault(
                kind=fault.kind,
                seconds=injection.seconds,
                status=fault.status,
                retry_after=retry_after,
            )
        return self._count(fault)

    def _count(self, fault: Fault) -> Fault:
        self.injected[fault.kind] += 1
        return fault

    def _rng(self, name: str, faults: Faults) -> random.Random:
        self._seen[name] += 1
        return random.Random(f"{faults.seed}/{name}/{self._seen[name]}")


def _decide(kind: FaultKind, faults: Faults, rng: random.Random, status: int | None = None) -> Fault:
    match kind:
        case FaultKind.LATENCY:
            return Fault(kind=kind, seconds=rng.uniform(0, faults.latency))
        case FaultKind.CLOCK_JUMP:
            return Fault(kind=kind, seconds=rng.uniform(0, faults.clock_jump))
        case FaultKind.RATE_LIMITED:
            return Fault(kind=kind, status=429, form=rng.choice([ErrorForm.JSON, ErrorForm.TEXT]))
        case FaultKind.RATE_LIMITED_RETRY_AFTER:
            asked = rng.choice(list(RetryAfterForm))
            return Fault(kind=kind, status=429, retry_after=faults.retry_after, retry_after_form=asked)
        case FaultKind.SERVER_ERROR:
            return Fault(kind=kind, status=status or rng.choice(SERVER_STATUSES), form=rng.choice(list(ErrorForm)))
        case FaultKind.EDGE_ERROR:
            form = rng.choice([ErrorForm.HTML, ErrorForm.TEXT, ErrorForm.EMPTY])
            return Fault(kind=kind, status=status or rng.choice(EDGE_STATUSES), form=form)
        case _:
            return Fault(kind=kind)


def whole_seconds(seconds: float) -> int:
    """Seconds for a header that takes none but whole ones: never less than meant."""
    return math.ceil(seconds)
