"""Many inputs in, and one line per result out: what maps and batches share."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TextIO, final

import typer

from runpod_typed._cli.exit_codes import ExitCode
from runpod_typed._cli.printer import encode, note, note_interrupt
from runpod_typed._cli.values import utf8_stdin
from runpod_typed._cli.wording import as_commands

if TYPE_CHECKING:
    from runpod_typed import MapResult

Inputs = Annotated[
    str,
    typer.Argument(metavar="INPUTS", help="A .jsonl or .csv file, or - for JSON lines on stdin.", show_default=False),
]
OutputFile = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write here, not to stdout.", show_default=False),
]
JournalOption = Annotated[
    Path | None,
    typer.Option("--journal", metavar="FILE", help="Record the jobs here, to resume.", show_default=False),
]
Resubmit = Annotated[
    bool, typer.Option("--resubmit-uncertain", help="Run inputs that the journal may have submitted already.")
]


@final
class _Counted:
    """Inputs whose number is known, so that the progress shows how many are left."""

    def __init__(self, inputs: Iterator[Any], total: int) -> None:
        self._inputs = inputs
        self._total = total

    def __iter__(self) -> Iterator[Any]:
        return self._inputs

    def __len__(self) -> int:
        return self._total


@contextmanager
def open_inputs(given: str) -> Generator[Iterable[Any]]:
    """Yield the inputs of a file, read one at a time. All of them are checked first."""
    if given == "-":
        yield _json_lines(utf8_stdin(), "standard input")
        return
    read = _csv_rows if given.lower().endswith(".csv") else _json_lines
    with _open(Path(given), "r", "utf-8-sig") as file:
        if not file.seekable():
            yield read(file, given)
            return
        total = sum(1 for _ in read(file, given))
        file.seek(0)  # not opened again: a second file of /dev/stdin may share the position of the first
        yield _Counted(read(file, given), total)


def _csv_rows(file: TextIO, name: str) -> Iterator[Any]:
    rows = csv.DictReader(file, strict=True)
    try:
        names = rows.fieldnames or ()
        for column in names:
            if names.count(column) > 1:
                _refuse(f"{name} is not valid CSV: line {rows.line_num} names the column {column!r} more than once.")
        for row in rows:
            if None in row or None in row.values():
                _refuse(f"{name} is not valid CSV: line {rows.line_num} has more or fewer values than the first line.")
            yield row
    except csv.Error as error:
        _refuse(f"{name} is not valid CSV: line {rows.line_num}: {error}.")
    except UnicodeDecodeError as error:
        _refuse(f"{name} is not UTF-8: {error.reason} after line {rows.line_num}.")


def _json_lines(file: TextIO, name: str) -> Iterator[Any]:
    number = 0
    try:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _decode(line, number, name)
    except UnicodeDecodeError as error:
        _refuse(f"{name} is not UTF-8: {error.reason} after line {number}.")


def _decode(line: str, number: int, name: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        _refuse(f"{name} is not valid JSON: line {number}, column {error.colno}: {error.msg}.")
    except ValueError as error:  # a number with too many digits
        reason = str(error).partition(";")[0]
        _refuse(f"{name} cannot be read: line {number}: {reason}.")
    except RecursionError:
        _refuse(f"{name} is nested too deeply: line {number}.")


def _refuse(message: str) -> NoReturn:
    raise typer.BadParameter(message) from None


@contextmanager
def open_output(path: Path | None, *kept: str | Path | None) -> Generator[TextIO]:
    """Yield the file to write to. It must be none of the files that the command reads or keeps."""
    if path is None:
        yield sys.stdout
        return
    if any(_are_same(path, other) for other in kept if other is not None):
        _refuse(f"{path} would be overwritten: write the results to another file.")
    with _open(path, "w", "utf-8") as file:
        yield file


def _open(path: Path, mode: Literal["r", "w"], encoding: str) -> TextIO:
    try:
        return path.open(mode, encoding=encoding, newline="")
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}.") from None


def _are_same(path: Path, other: str | Path) -> bool:
    if other == "-":
        return path.is_file() and os.path.samestat(path.stat(), os.fstat(0))  # standard input
    if path.is_file() and Path(other).is_file():
        return path.samefile(other)
    return os.path.realpath(path) == os.path.realpath(other) and not path.exists()


def show_progress(output: Path | None) -> bool:
    """Tell if progress is shown: on a terminal that does not get the results too."""
    return sys.stderr.isatty() and (output is not None or not sys.stdout.isatty())


def write_results(results: Iterable[MapResult[Any, Any]], file: TextIO) -> None:
    """Write one JSON line per result, and exit with 1 if an input failed."""
    failed = 0
    for result in results:
        file.write(f"{encode(_show(result))}\n")
        failed += not result.succeeded
    file.flush()
    if failed:
        note("1 input failed." if failed == 1 else f"{failed} inputs failed.")
        raise typer.Exit(ExitCode.FAILED)


def _show(result: MapResult[Any, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"index": result.index, "input": result.input, "job_id": result.job_id}
    if result.error is None:
        return shown | {"output": result.output}
    return shown | {"error": as_commands(result.error.message, result.job_id)}


@contextmanager
def resumable(what: str, journal: Path | None) -> Generator[None]:
    """On Ctrl-C, say what keeps running, and how to resume."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        note_interrupt(interrupt)
        if not any("To resume" in found for found in getattr(interrupt, "__notes__", ())):
            note(f"{what} keep running." + (" Repeat the command to resume." if journal else ""))
        raise typer.Exit(ExitCode.INTERRUPTED) from None
