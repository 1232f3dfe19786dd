"""The counts of a soak."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import asdict, define, field

ALLOWED_OVERRUN = 0.25
"""Seconds that a call may last beyond its timeout."""

SHORT = 1.0
"""The longest timeout in seconds for which a busy machine is an excuse: in a longer one, a thread waits for a processor
many times without being late for that reason."""

_SCHEDULER = Path("/proc/thread-self/schedstat")


def _waited_for_a_processor() -> float:
    """Seconds that this thread was ready to run and did not, since it began; 0 if unknown."""
    try:
        return int(_SCHEDULER.read_text(encoding="ascii").split()[1]) / 1e9
    except OSError:
        return 0.0


def runs_in(numbers: list[int]) -> list[list[int]]:
    """Split the numbers of a stream's chunks at each one that does not follow the one before: there a run begins."""
    runs: list[list[int]] = [[]]
    for number in numbers:
        if runs[-1] and number <= runs[-1][-1]:
            runs.append([])
        runs[-1].append(number)
    return runs


@define
class Tally:
    """The outcomes of the jobs of one client; shared by its threads or tasks.

    Attributes:
        submitted: Jobs that the client set out to submit.
        delivered: Jobs that came to the end that they should, with the right result.
        uncertain: Submissions of unknown fate that were reported as such.
        interrupted: Streams that may have a gap and were reported as such.
        given_up: Jobs that the platform itself gave up (their worker died more than once), reported as such.
        lost: Jobs with any other outcome: a wrong result, a stream with an unreported gap, no end at all.
        refused: Submissions that were reported as never queued; `never_queued` has their tokens.
        cut: Submissions whose task was cancelled.
        overrun: Calls that lasted longer than their timeout allowed.
        late: The same, but no longer than the time for which their thread was ready to run and had no processor.
        outside: Errors outside the library's own tree.
        went_on: Waits that ended by an error of the API after all attempts, and were repeated.
        samples: A few words on each thing that should not have happened.
    """

    submitted: int = 0
    delivered: int = 0
    uncertain: int = 0
    interrupted: int = 0
    given_up: int = 0
    lost: int = 0
    refused: int = 0
    cut: int = 0
    overrun: int = 0
    late: int = 0
    outside: int = 0
    went_on: int = 0
    worst_overrun: float = 0.0
    never_queued: list[str] = field(factory=list[str])
    samples: list[str] = field(factory=list[str])
    _lock: threading.Lock = field(factory=threading.Lock, repr=False)

    def count(self, name: str, sample: str | None = None) -> None:
        """One more of these."""
        with self._lock:
            setattr(self, name, getattr(self, name) + 1)
            if sample is not None and len(self.samples) < 20:
                self.samples.append(f"{name}: {sample}")

    def count_never_queued(self, token: str) -> None:
        """Count a submission that was reported as never queued."""
        self.count("refused")
        with self._lock:
            self.never_queued.append(token)

    @property
    def ended(self) -> int:
        """The number of jobs that are accounted for."""
        return (
            self.delivered + self.uncertain + self.interrupted + self.given_up + self.refused + self.lost + self.outside
        )

    @contextmanager
    def limit(self, timeout: float) -> Generator[None]:
        """Check that the block keeps its timeout."""
        began, kept_waiting = time.monotonic(), _waited_for_a_processor()
        try:
            yield
        finally:
            self.count_lateness(timeout, time.monotonic() - began, _waited_for_a_processor() - kept_waiting)

    def count_lateness(self, timeout: float, lasted: float, waited: float) -> None:
        """Count a call that lasted too long, of which its thread waited some seconds for a processor."""
        over = lasted - timeout
        self.worst_overrun = max(self.worst_overrun, over)
        if over > ALLOWED_OVERRUN:
            excused = timeout <= SHORT and over - waited <= ALLOWED_OVERRUN
            self.count(
                "late" if excused else "overrun",
                f"{over:.3f} s beyond a timeout of {timeout:g} s; for {waited:.3f} s of the call its thread had no "
                "processor though it was ready to run",
            )

    def to_dict(self) -> dict[str, Any]:
        """For another process."""
        return asdict(self, filter=lambda attribute, _: attribute.name != "_lock")
