"""Printing: JSON or readable text on stdout, everything else on stderr."""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from runpod_typed._cli.wording import as_commands

if TYPE_CHECKING:
    from runpod_typed import Batch, EndpointHealth, JobState

_COLORS: Final = {
    "COMPLETED": "green",
    "IN_QUEUE": "yellow",
    "IN_PROGRESS": "cyan",
    "DRAFT": "yellow",
    "FINALIZED": "cyan",
}
_COMMAND_LINE: Final = re.compile(r"`runpod-typed [^`]*`|runpod-typed \w.*")


class Printer:
    """Prints results, as JSON if that is asked for or if stdout is not a terminal."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json: bool = as_json or not sys.stdout.isatty()
        self.console: Console = Console(highlight=False, soft_wrap=False)

    def json(self, value: Any) -> None:
        """Print a value as one line of JSON."""
        typer.echo(encode(value))

    def value(self, value: Any) -> None:
        """Print an output or a chunk."""
        if self.as_json:
            self.json(value)
        else:
            self.console.print(_readable(value))

    def state(self, state: JobState[Any]) -> None:
        """Print the state of a job."""
        if self.as_json:
            self.json(state.to_dict())
        else:
            self.console.print(show_state(state))

    def health(self, health: EndpointHealth) -> None:
        """Print the numbers of jobs and workers."""
        if self.as_json:
            self.json(health.to_dict())
        else:
            self.console.print(show_health(health))

    def batch(self, batch: Batch) -> None:
        """Print a batch for people."""
        rows: list[tuple[str, RenderableType]] = [("Batch", Text(printable(batch.id)))]
        if batch.name is not None:
            rows.append(("Name", Text(printable(batch.name))))
        if batch.status is not None:
            rows.append(("Status", show_status(batch.status)))
        rows.append(("Requests", Text(_show_counts(batch))))
        if batch.created_at is not None:
            rows.append(("Created", Text(f"{batch.created_at:%Y-%m-%d %H:%M} UTC")))
        self.console.print(_grid(rows))

    def batches(self, batches: Iterable[Batch]) -> None:
        """Print batches for people, as a table."""
        table = Table(show_edge=False, pad_edge=False, box=None)
        for column in ("Batch", "Status", "Requests", "Name"):
            table.add_column(column, overflow="fold", no_wrap=column == "Batch")
        for batch in batches:
            status = show_status(batch.status or "unknown")
            table.add_row(batch.id, status, Text(_show_counts(batch)), Text(printable(batch.name or "")))
        self.console.print(table)


def note(message: str) -> None:
    """Print a message to stderr, its lines broken between words if it is a terminal."""
    text = printable(message)
    typer.echo("\n".join(map(_wrap, text.split("\n"))) if sys.stderr.isatty() else text, err=True)


def _wrap(line: str) -> str:
    """Break a line for the terminal. A command line stays whole, so that it can be copied."""
    kept = _COMMAND_LINE.sub(lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), line)
    width = shutil.get_terminal_size().columns - len("^C")  # an interrupt may have left that on the first line
    lines = textwrap.wrap(kept, width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def note_interrupt(interrupt: KeyboardInterrupt, otherwise: str | None = None) -> None:
    """Print to stderr what an interrupted call left behind, or else the given message."""
    notes = getattr(interrupt, "__notes__", ())
    for found in notes:
        note(as_commands(f"{found[:1].upper()}{found[1:]}"))
    if not notes and otherwise is not None:
        note(otherwise)


def encode(value: Any) -> str:
    """Return compact JSON, its characters as they are if they can be printed."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


def printable(text: str) -> str:
    """Return text that changes nothing in a terminal: control characters and lone surrogates are escaped."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else repr(character)[1:-1] for character in text
    )


def show_state(state: JobState[Any]) -> RenderableType:
    """Return a job for people."""
    rows: list[tuple[str, RenderableType]] = [("Job", Text(printable(state.id))), ("Status", show_status(state.status))]
    if state.delay_time_ms is not None:
        rows.append(("Waited", Text(show_ms(state.delay_time_ms))))
    if state.execution_time_ms is not None:
        rows.append(("Ran", Text(show_ms(state.execution_time_ms))))
    if state.worker_id is not None:
        rows.append(("Worker", Text(printable(state.worker_id))))
    if state.retries:
        rows.append(("Retries", Text(str(state.retries))))
    if state.progress is not None:
        rows.append(("Progress", _readable(state.progress)))
    failure = state.failure
    if failure is not None:
        message = ": ".join(filter(None, (failure.error_type, failure.error_message))) or "no reason was given"
        rows.append(("Error", Text(printable(message), style="red")))
        if failure.remote_traceback:
            rows.append(("Traceback", Text(printable(failure.remote_traceback.rstrip()), style="dim")))
    raw: Mapping[str, Any] = state.raw
    if state.succeeded and "output" in raw:
        rows.append(("Output", _readable(raw["output"])))
    return _grid(rows)


def show_status(status: str) -> Text:
    """Return a status in its color."""
    return Text(printable(str(status)), style=f"bold {_COLORS.get(status, 'red')}")


def show_ms(milliseconds: float) -> str:
    """Return a time for people."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.1f} s" if milliseconds < 120_000 else f"{milliseconds / 60_000:.1f} min"


def show_health(health: EndpointHealth) -> RenderableType:
    """Return the numbers of jobs and workers for people."""
    return Group(_counts("Jobs", health.raw.get("jobs", {})), _counts("Workers", health.raw.get("workers", {})))


def _counts(title: str, counts: Mapping[str, Any]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", show_edge=False, pad_edge=False)
    for name in counts:
        table.add_column(printable(name), justify="right")
    table.add_row(*(printable(str(number)) for number in counts.values()))
    return table


def _show_counts(batch: Batch) -> str:
    parts = [f"{batch.request_total} in all"]
    for number, name in (
        (batch.request_completed, "completed"),
        (batch.request_failed, "failed"),
        (batch.request_in_progress, "running"),
    ):
        if number:
            parts.append(f"{number} {name}")
    return ", ".join(parts)


def _grid(rows: list[tuple[str, RenderableType]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, value)
    return grid


def _readable(value: Any) -> RenderableType:
    if isinstance(value, str):
        return Text(printable(value))
    from rich.json import JSON  # noqa: PLC0415 -- --help must be quick

    try:
        return JSON(json.dumps(value, ensure_ascii=False, indent=2), indent=2)
    except (UnicodeEncodeError, RecursionError):
        return Text(json.dumps(value))
