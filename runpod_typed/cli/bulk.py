"""Commands for many jobs: maps, and the journals that they write."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from attrs import asdict

import runpod_typed
from runpod_typed.cli.exit_codes import ExitCode
from runpod_typed.cli.printer import Printer, encode, note
from runpod_typed.cli.values import AsJson, EndpointId, Profile, connect

if TYPE_CHECKING:
    from runpod_typed import MapResult

journal: typer.Typer = typer.Typer(
    help="Read the journal of a map.", no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]}
)

JournalFile = Annotated[Path, typer.Argument(metavar="FILE", help="The journal.", show_default=False)]


def map_inputs(
    endpoint: EndpointId,
    inputs: Annotated[
        str,
        typer.Argument(
            metavar="INPUTS", help="A .jsonl or .csv file, or - for JSON lines of stdin.", show_default=False
        ),
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write here, not to stdout.", show_default=False),
    ] = None,
    journal_file: Annotated[
        Path | None,
        typer.Option("--journal", metavar="FILE", help="Record the jobs here, to resume.", show_default=False),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The number of jobs in flight.", show_default=False)
    ] = None,
    profile: Profile = None,
) -> None:
    """Run a job for each input, and write one JSON line per result, in order.

    Example: runpod-typed map my-endpoint inputs.jsonl -o results.jsonl --journal run.sqlite
    """
    failed = 0
    with connect(profile) as client, _opened(inputs) as values, _target(output) as file:
        results = client.endpoint(endpoint).map(
            values, concurrency=concurrency, journal=journal_file, progress=sys.stderr.isatty()
        )
        try:
            with results:
                for result in results:
                    file.write(f"{encode(_show(result))}\n")
                    failed += not result.succeeded
        except KeyboardInterrupt:
            note(
                "Interrupted. Jobs in flight keep running." + (" Repeat the command to resume." if journal_file else "")
            )
            raise typer.Exit(ExitCode.INTERRUPTED) from None
    if failed:
        note(f"{failed} inputs failed.")
        raise typer.Exit(ExitCode.FAILED)


@journal.command()
def show(file: JournalFile, *, as_json: AsJson = False) -> None:
    """Print how many inputs are in which state."""
    shown: dict[str, int] = asdict(runpod_typed.Journal(file).counts())
    printer = Printer(as_json=as_json)
    if printer.as_json:
        printer.json(shown)
    else:
        for name, number in shown.items():
            printer.console.print(f"{number:>8}  {name}")


@journal.command()
def failures(file: JournalFile) -> None:
    """Print the inputs that failed, one JSON object per line."""
    for entry in runpod_typed.Journal(file).failures():
        typer.echo(encode({"index": entry.index, "key": entry.key, "job_id": entry.job_id, "error": entry.error}))


@journal.command()
def export(
    file: JournalFile,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")],
) -> None:
    """Write one JSON line per input: index, key, status, job id, attempts, output and error."""
    note(f"{runpod_typed.Journal(file).export_jsonl(output)} lines were written to {output}.")


def _show(result: MapResult[Any, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"index": result.index, "input": result.input, "job_id": result.job_id}
    if result.error is None:
        return shown | {"output": result.output}
    return shown | {"error": result.error.message}


@contextmanager
def _opened(given: str) -> Generator[Iterator[Any]]:
    """Yield the inputs of a file, read one at a time."""
    if given == "-":
        yield _json_lines(sys.stdin, "standard input")
        return
    try:
        with Path(given).open(encoding="utf-8", newline="") as file:
            yield iter(csv.DictReader(file)) if given.endswith(".csv") else _json_lines(file, given)
    except OSError as error:
        raise typer.BadParameter(f"{given}: {error.strerror}.") from None


def _json_lines(file: TextIO, name: str) -> Iterator[Any]:
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise typer.BadParameter(
                    f"{name} is not valid JSON: line {number}, column {error.colno}: {error.msg}."
                ) from None


@contextmanager
def _target(path: Path | None) -> Generator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    with path.open("w", encoding="utf-8") as file:
        yield file
