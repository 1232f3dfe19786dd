"""The options of a map, checked before anything is sent."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncIterable, Callable, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any, Final, Literal, cast

from attrs import frozen

from runpod_typed._bulk.journal import Journal
from runpod_typed._bulk.journal_writer import JournalWriter, repeated_key
from runpod_typed._bulk.keys import checked_key
from runpod_typed._bulk.progress import ProgressOption, check_progress
from runpod_typed._core.batch_run import split_journal_id
from runpod_typed._core.counters import Counters
from runpod_typed._models.durations import Duration, wait_timeout
from runpod_typed._models.validators import check_flags, check_type
from runpod_typed.errors import ConfigurationError, JournalError

OnExit = Literal["leave", "cancel"]

_NO_INPUTS: Final[tuple[type, ...]] = (str, bytes, bytearray, Mapping)
"""Iterables that are one input, passed by mistake."""


@frozen(kw_only=True)
class MapOptions:
    """The options of a map."""

    concurrency: int | None
    ordered: bool
    attempts: int
    key: Callable[[Any], str] | None
    journal: Path | None
    resubmit_uncertain: bool
    progress: ProgressOption
    timeout: float | None
    queue_timeout: float | None
    on_exit: OnExit
    price_per_second: float | None
    max_cost: float | None
    max_outage: float

    def open_journal(self, endpoint_id: str, *, of_batches: bool = False) -> JournalWriter | None:
        """Open the journal, or return None.

        Raises:
            JournalError: It cannot be used, or has unfinished jobs of the other kind: in batches, or single ones.
        """
        if self.journal is None:
            return None
        journal = JournalWriter(self.journal, endpoint_id)
        others = [entry for entry in journal.in_flight() if (split_journal_id(entry.job_id) is None) is of_batches]
        if others:
            journal.close()
            call = "endpoint.map()" if of_batches else "endpoint.batches.run()"
            raise JournalError(
                f"The journal {self.journal} has {len(others)} unfinished jobs of {call}. Make that call with the same "
                "inputs and journal first: it collects their results."
            )
        return journal

    def counters(self, inputs: object) -> Counters:
        """Return the counters of a map over inputs."""
        return Counters(len(inputs) if isinstance(inputs, Sized) else None, self.price_per_second)

    def interruption_note(self, in_flight: int) -> str:
        """Return a sentence about the jobs that an interrupt leaves, and how to continue."""
        jobs = "1 job of the map is" if in_flight == 1 else f"{in_flight} jobs of the map are"
        if self.on_exit == "cancel":
            return f"{jobs} in flight, and cancelled now. A second Ctrl-C leaves them."
        if self.journal is not None:
            return f"{jobs} in flight. To resume, make the same call: journal={str(self.journal)!r} has the jobs."
        return (
            f"{jobs} in flight and will run to the end. To resume after an interrupt, pass journal=PATH; to cancel the "
            "jobs, pass on_exit='cancel', or call endpoint.purge_queue()."
        )


def map_options(
    inputs: object,
    input_kinds: tuple[type, ...],
    *,
    concurrency: int | None,
    ordered: bool,
    attempts: int,
    key: Callable[[Any], str] | None,
    journal: str | os.PathLike[str] | Journal | None,
    resubmit_uncertain: bool,
    progress: ProgressOption,
    timeout: Duration | None,
    queue_timeout: Duration | None,
    on_exit: OnExit,
    price_per_second: float | None,
    max_cost: float | None,
    max_outage: float,
) -> MapOptions:
    """Check the options of a map whose inputs may be of `input_kinds`.

    Raises:
        ConfigurationError: A value cannot be used, or two inputs of a sequence have the same key.
    """
    check_flags(ordered=ordered, resubmit_uncertain=resubmit_uncertain)
    check_type("journal", journal, (str, os.PathLike), "a path or a Journal")
    if concurrency is not None:
        _check_count("concurrency", concurrency)
    _check_count("attempts", attempts)
    _check_price("price_per_second", price_per_second)
    _check_price("max_cost", max_cost)
    if max_cost is not None and price_per_second is None:
        raise ConfigurationError("max_cost= needs price_per_second=, the price of one second of execution.")
    if on_exit not in ("leave", "cancel"):
        raise ConfigurationError(f"on_exit= must be 'leave' or 'cancel', not {on_exit!r}.")
    if key is not None and not callable(key):
        raise ConfigurationError(f"key= must be a function of an input, not {type(key).__name__}.")
    _check_flag("ordered", ordered)
    _check_flag("resubmit_uncertain", resubmit_uncertain)
    kind = type(inputs)
    if issubclass(kind, _NO_INPUTS) or not issubclass(kind, input_kinds):
        note = " Only the async API takes async iterables." if issubclass(kind, AsyncIterable) else ""
        raise ConfigurationError(f"inputs must be an iterable of inputs, not {kind.__name__}.{note}")
    check_progress(progress)
    if key is not None and isinstance(inputs, Sequence):
        _check_keys(key, cast("Sequence[object]", inputs))
    return MapOptions(
        concurrency=concurrency,
        ordered=ordered,
        attempts=attempts,
        key=key,
        journal=_journal_path(journal),
        resubmit_uncertain=resubmit_uncertain,
        progress=progress,
        timeout=wait_timeout(timeout),
        queue_timeout=wait_timeout(queue_timeout, "queue_timeout"),
        on_exit=on_exit,
        price_per_second=price_per_second,
        max_cost=max_cost,
        max_outage=max_outage,
    )


def _journal_path(journal: object) -> Path | None:
    if journal is None:
        return None
    if isinstance(journal, str | os.PathLike) and (path := os.fspath(cast("os.PathLike[str]", journal))):
        return Path(path)
    raise ConfigurationError(f"journal= must be the path of a file or a Journal, not {journal!r}.")


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name}= must be True or False, not {value!r}.")


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name}= must be a whole number of at least 1, not {value!r}.")


def _check_price(name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ConfigurationError(f"{name}= must be a finite number of at least 0, not {value!r}.")


def _check_keys(key: Callable[[Any], str], inputs: Sequence[object]) -> None:
    seen = set[str]()
    for value in inputs:
        found = checked_key(key(value))
        if found in seen:
            raise repeated_key(found)
        seen.add(found)
