"""Injected faults: which request is hit by which fault. Decisions only, the same ones for the same seed."""

import random
from collections import Counter
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Final

from attrs import define, evolve, field, frozen, validators
from typing_extensions import override

from runpod_typed.local._validators import check_seconds, check_status, is_whole


class FaultKind(StrEnum):
    """The kinds of faults."""

    LATENCY = "latency"
    """The response comes late."""
    RESET_BEFORE = "reset_before"
    """The connection breaks before the request is processed."""
    RESET_AFTER = "reset_after"
    """The request is processed, then the connection breaks: the response is lost."""
    RATE_LIMITED = "rate_limited"
    """429, not processed, without `Retry-After`."""
    RATE_LIMITED_RETRY_AFTER = "rate_limited_retry_after"
    """429, not processed, with `Retry-After` (seconds, a fraction, a date) or `RateLimit`."""
    SERVER_ERROR = "server_error"
    """500, 502, 503 (not processed) or 504 (processed)."""
    EDGE_ERROR = "edge_error"
    """Cloudflare's 520 and 524 (processed), 521, 522, 523 (not processed)."""
    HTML_BODY = "html_body"
    """Processed, but the response is an HTML page with status 200."""
    TRUNCATED_BODY = "truncated_body"
    """Processed, but the connection ends in the middle of the response body."""
    DROPPED_STREAM = "dropped_stream"
    """Chunks are drained, and their response is lost. Hits `stream` only."""
    NOT_YET_VISIBLE = "not_yet_visible"
    """The submitted job is unknown (404) to clients for some time. Hits `run` and `run_sync` only."""
    WORKER_DEATH = "worker_death"
    """A worker of this queue dies after the work is done (or the first chunk streamed) and before it can report. The
    job goes to another one."""
    DUPLICATE_RESULT = "duplicate_result"
    """A worker reports its result twice."""
    CLOCK_JUMP = "clock_jump"
    """The queue's clock moves forward."""

    @classmethod
    @override
    def _missing_(cls, value: object) -> "FaultKind":
        raise ValueError(f"unknown fault kind {value!r}; known are {', '.join(cls)}")


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
OPERATIONS_OF_KIND: Final = {
    FaultKind.DROPPED_STREAM: frozenset({"stream"}),
    FaultKind.NOT_YET_VISIBLE: frozenset({"run", "run_sync"}),
}
SERVER_STATUSES: Final = (500, 502, 503, 504)
EDGE_STATUSES: Final = (520, 521, 522, 523, 524)
PROCESSED_STATUSES: Final = frozenset({504, 520, 524})


class RetryAfterForm(StrEnum):
    """The form in which a 429 says when to come back."""

    SECONDS = "seconds"
    FRACTION = "fraction"
    DATE = "date"
    RATE_LIMIT = "rate_limit"


class ErrorForm(StrEnum):
    """The form of an error body."""

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
    """Random faults, reproducible: with the same seed, the n-th request of an operation meets the same fault.

    Raises:
        ValueError: A number is out of its range, or a kind is unknown.
    """

    seed: int = 0
    """Any whole number."""
    rate: float = field(default=0.1, validator=[validators.ge(0), validators.le(1)])
    """Share of the requests that are hit, 0 to 1. `WORKER_DEATH` hits this share of the jobs handed out,
    `DUPLICATE_RESULT` of the results."""
    kinds: tuple[FaultKind, ...] = field(default=tuple(FaultKind), converter=_kinds)
    """The kinds, all equally likely."""
    operations: frozenset[str] | None = field(default=None, converter=_names)
    """Ids of the operations that are hit; None for all client operations. Operations of workers must be named:
    `job_take`, `job_take_batch`, `job_done`, `job_stream`, `job_stop`, `ping`."""
    latency: float = field(default=0.2, validator=validators.ge(0))
    """The longest delay of `LATENCY` in seconds, 0 or more."""
    retry_after: float = field(default=1.0, validator=validators.ge(0))
    """The time that `RATE_LIMITED_RETRY_AFTER` asks for in seconds, 0 or more."""
    clock_jump: float = field(default=1.0, validator=validators.ge(0))
    """The longest jump of `CLOCK_JUMP` in seconds, 0 or more."""
    not_yet_visible: float = field(default=1.0, validator=validators.ge(0))
    """The longest time for which `NOT_YET_VISIBLE` hides a job in seconds, 0 or more."""


@frozen(kw_only=True)
class Fault:
    """A fault with all details decided."""

    kind: FaultKind
    seconds: float = 0.0
    """Seconds of the delay, jump, invisibility or `Retry-After`."""
    status: int = 200
    form: ErrorForm = ErrorForm.JSON
    retry_after_form: RetryAfterForm | None = None

    @property
    def processed(self) -> bool:
        """The request is processed although it fails."""
        return self.kind not in REFUSING_KINDS or self.status in PROCESSED_STATUSES


@define(eq=False)
class Injection:
    """A fault that a test asked for."""

    kind: FaultKind
    operation: str | None
    times: int
    status: int | None
    seconds: float | None

    def matches(self, operation: str, *, worker: bool) -> bool:
        """Tell if the fault hits a request of this operation."""
        if self.operation is not None:
            return self.operation == operation
        return not worker and self.kind in kinds_for(operation)


def kinds_for(operation: str) -> frozenset[FaultKind]:
    """Return the kinds that can hit a request of this operation."""
    others = {kind for kind, operations in OPERATIONS_OF_KIND.items() if operation not in operations}
    return frozenset(FaultKind) - WORKER_KINDS - others


class FaultPlan:
    """Decides on each request, and counts the faults of each kind in `injected`.

    Args:
        faults: The random faults; None for those of `inject` alone.
        operations: The ids of all operations.

    Raises:
        ValueError: `faults` is of another type, or one of its operations is unknown.
    """

    def __init__(self, faults: Faults | None, operations: Collection[str]) -> None:
        given: object = faults  # callers without a type checker may pass anything
        if given is not None and not isinstance(given, Faults):  # pyright: ignore[reportUnnecessaryIsInstance] -- see above
            raise ValueError(f"faults must be Faults(...) or None, not {given!r}")
        self._faults = faults
        self._operations = operations
        for operation in (faults and faults.operations) or ():
            self._check_operation(operation)
        self._injections: list[Injection] = []
        self._requests: Counter[str] = Counter()
        self.injected: Counter[FaultKind] = Counter()

    def inject(
        self, kind: str, *, operation: str | None, times: int, status: int | None, seconds: float | None
    ) -> None:
        """Hit the next matching requests.

        Raises:
            ValueError: The kind or operation is unknown, or a number is out of range.
        """
        if operation is not None:
            self._check_operation(operation)
        if not is_whole(times) or times < 1:
            raise ValueError(f"times must be at least 1, not {times!r}")
        check_status(status, least=400)
        if seconds is not None:
            check_seconds(seconds)
        self._injections.append(Injection(FaultKind(kind), operation, times, status, seconds))

    def draw(self, operation: str, *, worker: bool = False) -> Fault | None:
        """Return the fault for the next request of an operation."""
        for injection in self._injections:
            if injection.matches(operation, worker=worker):
                return self._use(injection)
        faults = self._faults
        if faults is None or (worker if faults.operations is None else operation not in faults.operations):
            return None
        rng = self._rng(operation, faults)
        kinds = [kind for kind in faults.kinds if kind in kinds_for(operation)]
        if not kinds or rng.random() >= faults.rate:
            return None
        fault = _decide(rng.choice(kinds), faults, rng)
        self.injected[fault.kind] += 1
        return fault

    def hits_worker(self, kind: FaultKind) -> bool:
        """Tell if a fault of the worker's side hits the next job handed out, or the next result."""
        for injection in self._injections:
            if injection.kind is kind:
                self._use(injection)
                return True
        faults = self._faults
        if faults is None or kind not in faults.kinds or self._rng(kind, faults).random() >= faults.rate:
            return False
        self.injected[kind] += 1
        return True

    def _check_operation(self, operation: str) -> None:
        if operation not in self._operations:
            raise ValueError(f"unknown operation {operation!r}; known are {sorted(self._operations)}")

    def _use(self, injection: Injection) -> Fault:
        injection.times -= 1
        if injection.times <= 0:
            self._injections.remove(injection)
        self.injected[injection.kind] += 1
        fault = _decide(injection.kind, self._faults or Faults(rate=0), random.Random(0), injection.status)
        if injection.seconds is None:
            return fault
        form = fault.retry_after_form and RetryAfterForm.SECONDS
        return evolve(fault, seconds=injection.seconds, retry_after_form=form)

    def _rng(self, name: str, faults: Faults) -> random.Random:
        self._requests[name] += 1
        return random.Random(f"{faults.seed}/{name}/{self._requests[name]}")


def _decide(kind: FaultKind, faults: Faults, rng: random.Random, status: int | None = None) -> Fault:
    match kind:
        case FaultKind.LATENCY | FaultKind.CLOCK_JUMP | FaultKind.NOT_YET_VISIBLE:
            return Fault(kind=kind, seconds=rng.uniform(0, getattr(faults, kind)))
        case FaultKind.RATE_LIMITED:
            return Fault(kind=kind, status=429, form=rng.choice([ErrorForm.JSON, ErrorForm.TEXT]))
        case FaultKind.RATE_LIMITED_RETRY_AFTER:
            form = rng.choice(list(RetryAfterForm))
            return Fault(kind=kind, status=429, seconds=faults.retry_after, retry_after_form=form)
        case FaultKind.SERVER_ERROR:
            return Fault(kind=kind, status=status or rng.choice(SERVER_STATUSES), form=rng.choice(list(ErrorForm)))
        case FaultKind.EDGE_ERROR:
            forms = [ErrorForm.HTML, ErrorForm.TEXT, ErrorForm.EMPTY]
            return Fault(kind=kind, status=status or rng.choice(EDGE_STATUSES), form=rng.choice(forms))
        case _:
            return Fault(kind=kind)
