"""The options of a map, checked before anything is sent."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncIterable, Callable, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any, Final, Literal, cast

from attrs import Attribute, field, frozen
from attrs.validators import optional

from runpod_typed._bulk.progress import ProgressOption, check_progress
from runpod_typed._core.bulk import checked_key, repeated_key
from runpod_typed._core.counters import Counters
from runpod_typed._models.durations import Duration, wait_timeout
from runpod_typed._models.validators import flag, function, whole_number
from runpod_typed.errors import ConfigurationError

OnExit = Literal["leave", "cancel"]

_NO_INPUTS: Final[tuple[type, ...]] = (str, bytes, bytearray, Mapping)
"""Iterables that are one input, passed by mistake."""


def _journal_path(journal: object) -> Path | None:
    if journal is None:
        return None
    if isinstance(journal, str | os.PathLike) and (path := os.fspath(cast("os.PathLike[str]", journal))):
        return Path(path)
    raise ConfigurationError(f"journal= must be the path of a file or a Journal, not {journal!r}.")


def _queue_timeout(queue_timeout: Duration | None) -> float | None:
    return wait_timeout(queue_timeout, "queue_timeout")


def _price(_options: object, attribute: Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ConfigurationError(f"{attribute.name}= must be a finite number of at least 0, not {value!r}.")


def _progress(_options: object, _attribute: Attribute[Any], value: object) -> None:
    check_progress(value)


def _on_exit(_options: object, _attribute: Attribute[Any], value: object) -> None:
    if value not in ("leave", "cancel"):
        raise ConfigurationError(f"on_exit= must be 'leave' or 'cancel', not {value!r}.")


@frozen(kw_only=True)
class MapOptions:
    """The options of a map.

    Raises:
        ConfigurationError: A value cannot be used.
    """

    concurrency: int | None = field(validator=optional(whole_number(1)))
    ordered: bool = field(validator=flag)
    attempts: int = field(validator=whole_number(1))
    key: Callable[[Any], str] | None = field(validator=optional(function))
    journal: Path | None = field(converter=_journal_path)
    resubmit_uncertain: bool = field(validator=flag)
    progress: ProgressOption = field(validator=_progress)
    timeout: float | None = field(converter=wait_timeout)
    queue_timeout: float | None = field(converter=_queue_timeout)
    on_exit: OnExit = field(validator=_on_exit)
    price_per_second: float | None = field(validator=optional(_price))
    max_cost: float | None = field(validator=optional(_price))

    def __attrs_post_init__(self) -> None:
        if self.max_cost is not None and self.price_per_second is None:
            raise ConfigurationError("max_cost= needs price_per_second=, the price of one second of execution.")

    def check_inputs(self, inputs: object, kinds: tuple[type, ...]) -> None:
        """Check the inputs as far as that is possible without reading an iterator.

        Raises:
            ConfigurationError: They are of none of the kinds, or two of a sequence have the same key.
        """
        kind = type(inputs)
        if issubclass(kind, _NO_INPUTS) or not issubclass(kind, kinds):
            note = " Put a single input into a list." if issubclass(kind, _NO_INPUTS) else ""
            note = " Only the async API takes async iterables." if issubclass(kind, AsyncIterable) else note
            raise ConfigurationError(f"inputs must be an iterable of inputs, not {kind.__name__}.{note}")
        if self.key is not None and isinstance(inputs, Sequence):
            seen = set[str]()
            for value in cast("Sequence[object]", inputs):
                found = checked_key(self.key(value))
                if found in seen:
                    raise repeated_key(found)
                seen.add(found)

    def counters(self, inputs: object) -> Counters:
        """Return the counters of a map over inputs."""
        return Counters(len(inputs) if isinstance(inputs, Sized) else None, self.price_per_second)

    def cost_reached(self, counters: Counters) -> bool:
        """Return True if no more jobs may be submitted, since the estimated cost has reached its limit."""
        return self.max_cost is not None and counters.cost is not None and counters.cost >= self.max_cost

    @property
    def _resume(self) -> str:
        return f"To resume, make the same call: journal={str(self.journal)!r} has"

    def interruption_note(self, in_flight: int) -> str:
        """Return a sentence about the jobs that an interrupt leaves, and how to continue."""
        jobs = "1 job is" if in_flight == 1 else f"{in_flight} jobs are"
        if self.on_exit == "cancel":
            resume = f" {self._resume} the results, and runs what was cancelled." if self.journal else ""
            return f"{jobs} in flight, and cancelled now. A second Ctrl-C leaves them.{resume}"
        if self.journal is not None:
            return f"{jobs} in flight. {self._resume} the jobs."
        return (
            f"{jobs} in flight and will run to the end. To resume after an interrupt, pass journal=PATH; to cancel the "
            "jobs, pass on_exit='cancel', or call endpoint.purge_queue()."
        )
