"""Commands for an endpoint as a whole."""

import sys
import time
from typing import Annotated

import typer

from runpod_typed._cli.exit_codes import ExitCode
from runpod_typed._cli.printer import Printer, note, show_health
from runpod_typed._cli.values import AsJson, EndpointId, Profile, connect, parse_duration


def health(
    endpoint: EndpointId,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Repeat until Ctrl-C.")] = False,
    interval: Annotated[
        float, typer.Option(parser=parse_duration, metavar="DURATION", help="The time between two calls of --watch.")
    ] = 2.0,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Print how many jobs and workers an endpoint has, by state."""
    printer = Printer(as_json=as_json)
    with connect(endpoint, profile) as target:
        if not watch:
            printer.health(target.health())
        elif printer.as_json:
            while True:
                printer.health(target.health())
                time.sleep(interval)
        else:
            from rich.live import Live  # noqa: PLC0415 -- --help must be quick

            with Live(show_health(target.health()), console=printer.console) as live:
                while True:
                    time.sleep(interval)
                    live.update(show_health(target.health()), refresh=True)


def purge(
    endpoint: EndpointId,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Remove all jobs that wait for a worker. Running jobs keep running."""
    printer = Printer(as_json=as_json)
    with connect(endpoint, profile) as target:
        if not yes:
            _confirm(endpoint, target.health().jobs.in_queue)
        result = target.purge_queue()
    if printer.as_json:
        printer.json(result.to_dict())
    else:
        printer.console.print("1 job was removed." if result.removed == 1 else f"{result.removed} jobs were removed.")


def _confirm(endpoint: str, waiting: int) -> None:
    if not sys.stdin.isatty():
        note("Nothing was removed: there is no terminal to ask. Use --yes.")
        raise typer.Exit(ExitCode.USAGE)
    if not waiting:
        note(f"No jobs wait in the queue of endpoint {endpoint}.")
        raise typer.Exit
    if not typer.confirm(f"Remove {waiting} waiting jobs of endpoint {endpoint}?", err=True):
        note("Nothing was removed.")
        raise typer.Exit(ExitCode.FAILED)
