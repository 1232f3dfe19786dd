"""The application: its commands, and the errors that end them."""

import sys
from typing import Annotated

import typer

import runpod_typed
from runpod_typed.cli import bulk, doctor, endpoints, jobs, serve
from runpod_typed.cli.exit_codes import EXIT_CODES_HELP, ExitCode, exit_code_for
from runpod_typed.cli.printer import note

app: typer.Typer = typer.Typer(
    name="runpod-typed",
    help="Run jobs on Runpod's queue-based serverless endpoints, and read their state.\n\n"
    "Results go to stdout, as JSON if it is not a terminal; everything else goes to stderr. The key comes from "
    "RUNPOD_API_KEY or from --profile.",
    epilog=EXIT_CODES_HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they show local variables, and among them the key
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:  # noqa: FBT001 -- a callback of Typer
    if asked:
        typer.echo(f"runpod-typed {runpod_typed.__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options of the application itself."""


for _command in (
    jobs.run,
    jobs.status,
    jobs.output,
    jobs.stream,
    jobs.events,
    jobs.wait,
    jobs.cancel,
    jobs.retry,
    serve.serve,
    endpoints.health,
    endpoints.purge,
    doctor.doctor,
):
    app.command()(_command)
app.command("map")(bulk.map_inputs)
app.add_typer(bulk.journal, name="journal")


def run() -> None:
    """Run the application and exit; an error of the package ends it with a message and its exit code."""
    try:
        app(prog_name="runpod-typed")
    except SystemExit:  # before the next clause, which loads the client
        raise
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except runpod_typed.RunpodError as error:
        note("\n".join([f"{type(error).__name__}: {error.message}", *getattr(error, "__notes__", ())]))
        if isinstance(error, runpod_typed.WaitTimeoutError):
            note(f"To reconnect: runpod-typed wait {error.endpoint_id} {error.job_id}")
        sys.exit(exit_code_for(error))
