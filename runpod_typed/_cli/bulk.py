"""Commands for many jobs: maps, and the journals that they write."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import runpod_typed
from runpod_typed._cli.inputs import (
    Inputs,
    JournalOption,
    OutputFile,
    Resubmit,
    open_inputs,
    open_output,
    resumable,
    show_progress,
    write_results,
)
from runpod_typed._cli.printer import Printer, encode, note
from runpod_typed._cli.values import AsJson, EndpointId, Profile, connect

journal: typer.Typer = typer.Typer(
    help="Read the journal of a map.", no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]}
)

JournalFile = Annotated[Path, typer.Argument(metavar="FILE", help="The journal.", show_default=False)]


def map_inputs(
    endpoint: EndpointId,
    inputs: Inputs,
    *,
    output: OutputFile = None,
    journal_file: JournalOption = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The number of jobs in flight.", show_default=False)
    ] = None,
    resubmit_uncertain: Resubmit = False,
    profile: Profile = None,
) -> None:
    """Run a job for each input, and write one JSON line per result, in order.

    Example: runpod-typed map my-endpoint inputs.jsonl -o results.jsonl --journal run.sqlite
    """
    with (
        connect(endpoint, profile) as target,
        open_inputs(inputs) as values,
        open_output(output, inputs, journal_file) as file,
        resumable("Jobs in flight", journal_file),
        target.map(
            values,
            concurrency=concurrency,
            journal=journal_file,
            resubmit_uncertain=resubmit_uncertain,
            progress=show_progress(output),
        ) as results,
    ):
        write_results(results, file)


@journal.command()
def show(file: JournalFile, *, as_json: AsJson = False) -> None:
    """Print how many inputs are in which state."""
    from attrs import asdict  # noqa: PLC0415 -- --help must be quick

    shown: dict[str, int] = asdict(runpod_typed.Journal(file).counts())
    printer = Printer(as_json=as_json)
    if printer.as_json:
        printer.json(shown)
    else:
        for name, number in shown.items():
            printer.console.print(f"{number:>8}  {name.replace('_', ' ')}")


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
