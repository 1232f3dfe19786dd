"""The values that commands take: durations, inputs, and the options that several commands share."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TextIO

import typer

import runpod_typed
from runpod_typed._cli.exit_codes import ExitCode
from runpod_typed._cli.wording import Names, in_use

if TYPE_CHECKING:
    from runpod_typed import Endpoint, ExecutionPolicy

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_duration(given: str | float) -> float:
    """Return a duration such as `90s`, `10m`, `2h` or `1h30m` in seconds; a number alone means seconds."""
    text = str(given)  # a default is a number
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not _DURATION.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is not a duration; write 90s, 10m or 2h.")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def read_input(given: str | None) -> Any:
    """Return the JSON of `-i`: the argument itself, `@FILE`, or standard input for `-`."""
    if given is None:
        raise typer.BadParameter('give the input: -i \'{"prompt": "..."}\', -i @FILE, or -i - for standard input.')
    if given != "-" and not given.startswith("@"):
        return _decode(given, "the input")
    path = Path(given[1:])
    source = "standard input" if given == "-" else str(path)
    try:
        return _decode(utf8_stdin().read() if given == "-" else path.read_text(encoding="utf-8-sig"), source)
    except OSError as error:
        raise typer.BadParameter(f"{source}: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{source} is not UTF-8: {error.reason} at byte {error.start}.") from None


def utf8_stdin() -> TextIO:
    """Return standard input, read as UTF-8 in every locale: JSON has no other encoding."""
    stdin = sys.stdin
    reconfigure = getattr(stdin, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8-sig", errors="strict")
    return stdin


def _decode(text: str, source: str) -> Any:
    if not text.strip():
        raise typer.BadParameter(f"{source} is empty.")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = text.split("\n")[error.lineno - 1]
        begin = max(0, error.colno - 31)
        excerpt = f"{line[begin : begin + 60]}\n{' ' * (error.colno - 1 - begin)}^"
        raise typer.BadParameter(
            f"{source} is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}.\n{excerpt}"
        ) from None
    except ValueError as error:  # a number with too many digits
        reason = str(error).partition(";")[0]
        raise typer.BadParameter(f"{source} cannot be read: {reason}.") from None
    except RecursionError:
        raise typer.BadParameter(f"{source} is nested too deeply.") from None


@contextmanager
def connect(endpoint_id: str, profile: str | None) -> Generator[Endpoint]:
    """Yield the endpoint, of a client with the key of the environment or of a profile."""
    in_use.set(Names(endpoint_id, profile))
    try:
        client = runpod_typed.Client(profile=profile)
    except runpod_typed.ConfigurationError:
        if profile is None and not os.environ.get("RUNPOD_API_KEY", "").strip():
            typer.echo("There is no API key: set RUNPOD_API_KEY, or use --profile NAME.", err=True)
            raise typer.Exit(ExitCode.NOT_AUTHORIZED) from None
        raise
    with client:
        yield client.endpoint(endpoint_id)


def policy_of(execution_timeout: float | None, ttl: float | None, *, low_priority: bool) -> ExecutionPolicy | None:
    """Return the limits and the priority of a job, or None if no option gives any."""
    if execution_timeout is None and ttl is None and not low_priority:
        return None
    return runpod_typed.ExecutionPolicy(execution_timeout=execution_timeout, ttl=ttl, low_priority=low_priority or None)


EndpointId = Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's id.", show_default=False)]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, as if the output were not a terminal.")]
Profile = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        envvar="RUNPOD_TYPED_PROFILE",
        help="Take the key from this table of ~/.config/runpod-typed/config.toml.",
        show_default=False,
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        parser=parse_duration,
        metavar="DURATION",
        help="Stop waiting after this time, such as 90s or 10m. The job keeps running.",
        show_default=False,
    ),
]
CancelOnInterrupt = Annotated[bool, typer.Option("--cancel-on-interrupt", help="Let Ctrl-C cancel the job.")]
Webhook = Annotated[
    str | None, typer.Option(metavar="URL", help="Post the finished job to this URL.", show_default=False)
]
Ttl = Annotated[
    float | None,
    typer.Option(
        parser=parse_duration,
        metavar="DURATION",
        help="Remove the job after this time, finished or not: 10s to 7d.",
        show_default=False,
    ),
]
ExecutionTimeout = Annotated[
    float | None,
    typer.Option(
        parser=parse_duration, metavar="DURATION", help="Stop the job if it runs longer: 5s to 7d.", show_default=False
    ),
]
LowPriority = Annotated[bool, typer.Option("--low-priority", help="Let other jobs go first.")]
