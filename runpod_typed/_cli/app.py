"""The application: its commands, and the errors that end them."""

import logging
import os
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

import runpod_typed
from runpod_typed._cli import batches, bulk, doctor, endpoints, jobs, serve
from runpod_typed._cli.exit_codes import EXIT_CODES_HELP, ExitCode, exit_code_for
from runpod_typed._cli.printer import note, note_interrupt
from runpod_typed._cli.wording import as_commands
from runpod_typed._logging import logger

# `ctx` is Any: the class of contexts has moved in Typer 0.27.


class _Command(TyperCommand):
    """A command whose help shows flags without a type."""

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters."""
        return _without_flag_types(super().get_params(ctx))


class _Group(TyperGroup):
    """A group of commands whose help shows flags without a type."""

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters."""
        return _without_flag_types(super().get_params(ctx))


def _without_flag_types(parameters: Any) -> Any:
    """Hide the types of flags: Typer 0.29 writes `--wait <bool>`, as if the flag took a value."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""
    return parameters


class _Commands(_Group):
    """The commands: an error of the package ends one with a message and its exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            note_interrupt(interrupt)
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except typer.Exit:  # before the next clause, which loads the client
            raise
        except runpod_typed.RunpodError as error:
            message = "\n".join([f"{type(error).__name__}: {error.message}", *getattr(error, "__notes__", ())])
            note(as_commands(message, error.job_id))
            raise typer.Exit(exit_code_for(error)) from None
        except BrokenPipeError:  # Typer ends the command quietly
            raise
        except OSError as error:
            note(f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror or error}.")
            raise typer.Exit(ExitCode.USAGE if error.filename else ExitCode.FAILED) from None


app: typer.Typer = typer.Typer(
    name="runpod-typed",
    cls=_Commands,
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
app.add_typer(batches.batch, name="batch", cls=_Group)
app.add_typer(bulk.journal, name="journal", cls=_Group)
for _app in (app, batches.batch, bulk.journal):
    for _info in _app.registered_commands:
        _info.cls = _Command


def run() -> None:
    """Run the application and exit."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # it was closed, and a connection would take its place
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 -- until the end
    warnings.showwarning = _show_warning
    if not logger.handlers:  # RUNPOD_TYPED_LOG adds one
        logger.addHandler(_Notes(logging.WARNING))
    app(prog_name="runpod-typed")


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    note(f"Warning: {as_commands(str(message))}")


class _Notes(logging.Handler):
    """Prints what the package logs."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg != "Interrupted: %s":  # the exception has it as a note
            note(as_commands(record.getMessage()))
