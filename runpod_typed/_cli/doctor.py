"""The command that checks the surroundings: versions, key, endpoint, clock."""

from __future__ import annotations

import platform
import time
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from rich.table import Table
from rich.text import Text

import runpod_typed
from runpod_typed._cli.exit_codes import ExitCode, exit_code_for
from runpod_typed._cli.printer import Printer, printable, show_ms
from runpod_typed._cli.values import AsJson, Profile
from runpod_typed._cli.wording import as_commands

if TYPE_CHECKING:
    import httpx

    from runpod_typed import Endpoint

_CLOCK_TOLERANCE = 60.0


class Check(NamedTuple):
    """One finding; `ok` is None if it could not be found out."""

    name: str
    ok: bool | None
    detail: str


def doctor(
    endpoint: Annotated[
        str | None, typer.Argument(metavar="ENDPOINT", help="An endpoint to call.", show_default=False)
    ] = None,
    *,
    job: Annotated[
        str | None, typer.Option("--job", metavar="JOB", help="A job to try long polling with.", show_default=False)
    ] = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Check versions, the key, and what an endpoint says. The key is never printed."""
    import httpx  # noqa: PLC0415 -- --help must be quick

    checks = [Check("versions", ok=True, detail=_versions())]
    code, subject = ExitCode.DONE, "configuration"
    dates: list[tuple[float, str]] = []

    def note_date(response: httpx.Response) -> None:
        dates.append((time.time(), response.headers.get("date", "")))

    try:
        with runpod_typed.Client("none", profile=profile):
            subject = "key"
        with (
            httpx.Client(event_hooks={"response": [note_date]}) as http,
            runpod_typed.Client(profile=profile, http_client=http) as client,
        ):
            source = f"profile {profile}" if profile else "RUNPOD_API_KEY"
            checks += [
                Check("key", ok=True, detail=f"found in {source}"),
                Check("URL", ok=True, detail=client.base_url),
            ]
            if endpoint is None:
                checks.append(Check("endpoint", ok=None, detail="not called: name one"))
            else:
                subject = "endpoint"
                target = client.endpoint(endpoint)
                checks.append(_reach(target))
                subject = "long polling"
                checks.append(_clock(*dates[-1]))
                checks.append(_long_polling(target, job))
    except runpod_typed.RunpodError as error:
        code = ExitCode.NOT_AUTHORIZED if subject == "key" else exit_code_for(error)
        checks.append(Check(subject, ok=False, detail=as_commands(error.message)))
    _show(Printer(as_json=as_json), checks)
    raise typer.Exit(code)


def _reach(endpoint: Endpoint[Any]) -> Check:
    began = time.monotonic()
    health = endpoint.health()
    took = show_ms(1000 * (time.monotonic() - began))
    jobs, workers = health.jobs, health.workers
    detail = f"{took}; jobs: {jobs.in_queue} in the queue, workers: {workers.idle} idle, {workers.running} running"
    return Check("endpoint", ok=True, detail=detail)


def _clock(now: float, date: str) -> Check:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 -- --help must be quick

    try:
        seconds = now - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return Check("clock", ok=None, detail="the server sent no date")
    detail = f"{abs(seconds):.0f} s {'ahead of' if seconds >= 0 else 'behind'} the server's"
    return Check("clock", ok=abs(seconds) < _CLOCK_TOLERANCE, detail=detail)


def _long_polling(endpoint: Endpoint[Any], job_id: str | None) -> Check:
    if job_id is None:
        return Check("long polling", ok=None, detail="not tried: name a job with --job")
    polls = endpoint.with_options(poll=runpod_typed.PollPolicy(long_poll=True))
    state = polls.job(job_id).wait(timeout=0)
    return Check("long polling", ok=True, detail=f"job {state.id} is {state.status}")


def _versions() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 -- --help must be quick

    from runpod_queue_api import wire  # noqa: PLC0415 -- --help must be quick

    versions = [
        f"runpod-typed {runpod_typed.__version__} (spec {wire.SPEC_VERSION})",
        f"Python {platform.python_version()}",
    ]
    for name in ("httpx", "runpod"):
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(versions)


def _show(printer: Printer, checks: list[Check]) -> None:
    if printer.as_json:
        printer.json(
            {"ok": all(check.ok is not False for check in checks), "checks": [one._asdict() for one in checks]}
        )
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    marks = {True: Text("ok", "green"), False: Text("fails", "red"), None: Text("?", "yellow")}
    for check in checks:
        grid.add_row(marks[check.ok], check.name, Text(printable(check.detail)))
    printer.console.print(grid)
