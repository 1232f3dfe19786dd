"""Commands for jobs: submit, wait, stream, cancel, retry."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

import runpod_typed
from runpod_typed._cli.exit_codes import ExitCode
from runpod_typed._cli.printer import Printer, note, note_interrupt, show_status
from runpod_typed._cli.values import (
    AsJson,
    CancelOnInterrupt,
    EndpointId,
    ExecutionTimeout,
    JobId,
    LowPriority,
    Profile,
    Timeout,
    Ttl,
    Webhook,
    connect,
    policy_of,
    read_input,
)
from runpod_typed._cli.wording import as_commands, command

if TYPE_CHECKING:
    from runpod_typed import ExecutionPolicy, Job, JobState


def run(
    endpoint: EndpointId,
    *,
    input_: Annotated[
        str | None,
        typer.Option(
            "--input",
            "-i",
            metavar="JSON",
            help="The job's input: JSON, @FILE, or - for standard input.",
            show_default=False,
        ),
    ] = None,
    sync: Annotated[bool, typer.Option("--sync", help="Submit with /runsync and wait for the result.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the job has finished.")] = False,
    stream: Annotated[bool, typer.Option("--stream", help="Print the chunks as they come.")] = False,
    webhook: Webhook = None,
    ttl: Ttl = None,
    execution_timeout: ExecutionTimeout = None,
    low_priority: LowPriority = False,
    timeout: Timeout = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the request and send nothing.")] = False,
    cancel_on_interrupt: CancelOnInterrupt = False,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Submit a job, and print its id or wait for its result.

    Example: runpod-typed run my-endpoint -i '{"prompt": "a lighthouse"}' --wait
    """
    if sync + wait + stream > 1:
        raise typer.BadParameter("--sync, --wait and --stream exclude each other.")
    value = read_input(input_)
    policy = policy_of(execution_timeout, ttl, low_priority=low_priority)
    printer = Printer(as_json=as_json)
    if dry_run:
        printer.value(_request(endpoint, value, webhook=webhook, policy=policy, sync=sync))
        return
    with connect(endpoint, profile) as target:
        if sync:
            try:
                state = target.run_sync_state(
                    value, webhook=webhook, policy=policy, timeout=timeout, cancel_on_exit=cancel_on_interrupt
                )
            except KeyboardInterrupt as interrupt:  # its notes name the job
                note_interrupt(interrupt, "Nothing was submitted.")
                raise typer.Exit(ExitCode.INTERRUPTED) from None
            _finish(printer, state)
        job = target.run(value, webhook=webhook, policy=policy, timeout=None if wait or stream else timeout)
        if stream:
            _stream(printer, job, timeout, cancel_on_interrupt=cancel_on_interrupt)
        if wait:
            _wait(printer, job, timeout, cancel_on_interrupt=cancel_on_interrupt)
        if job.state is not None:
            printer.state(job.state)
        if not printer.as_json:
            note(f"To wait for it: {_command('wait', job)}")


def status(endpoint: EndpointId, job: JobId, *, profile: Profile = None, as_json: AsJson = False) -> None:
    """Print the state of a job."""
    with connect(endpoint, profile) as target:
        Printer(as_json=as_json).state(target.job(job).refresh())


def output(
    endpoint: EndpointId,
    job: JobId,
    *,
    timeout: Timeout = None,
    cancel_on_interrupt: CancelOnInterrupt = False,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Wait for a job and print its output alone."""
    with connect(endpoint, profile) as target:
        handle = target.job(job)
        with _reconnectable([handle], cancel=cancel_on_interrupt):
            value = handle.output(timeout)
        Printer(as_json=as_json).value(value)


def stream(
    endpoint: EndpointId,
    job: JobId,
    *,
    timeout: Timeout = None,
    cancel_on_interrupt: CancelOnInterrupt = False,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Print the chunks of a job as they come, one per line."""
    with connect(endpoint, profile) as target:
        handle = target.job(job)
        _stream(Printer(as_json=as_json), handle, timeout, cancel_on_interrupt=cancel_on_interrupt)


def events(
    endpoint: EndpointId,
    job: JobId,
    *,
    timeout: Timeout = None,
    cancel_on_interrupt: CancelOnInterrupt = False,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Print each change of a job's status or progress until it has finished."""
    printer = Printer(as_json=as_json)
    with connect(endpoint, profile) as target:
        handle = target.job(job)
        state: JobState[Any] | None = None
        with _reconnectable([handle], cancel=cancel_on_interrupt):
            for event in handle.events(timeout):
                state = event.state
                if printer.as_json:
                    printer.json(state.to_dict())
                else:
                    progress = "" if event.progress is None else json.dumps(event.progress, ensure_ascii=False)
                    printer.console.print(show_status(event.status), progress, markup=False)
        _exit_unless_succeeded(state)


def wait(
    endpoint: EndpointId,
    jobs: Annotated[list[str], typer.Argument(metavar="JOB...", help="The jobs' ids.", show_default=False)],
    *,
    timeout: Timeout = None,
    cancel_on_interrupt: CancelOnInterrupt = False,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Wait for jobs, and print each as it finishes."""
    import asyncio  # noqa: PLC0415 -- --help must be quick

    printer = Printer(as_json=as_json)
    with (
        connect(endpoint, profile) as target,
        _reconnectable([target.job(job_id) for job_id in jobs], cancel=cancel_on_interrupt),
    ):
        succeeded = asyncio.run(_wait_for_all(printer, endpoint, jobs, timeout, profile))
    raise typer.Exit(ExitCode.DONE if succeeded else ExitCode.FAILED)


def cancel(endpoint: EndpointId, job: JobId, *, profile: Profile = None, as_json: AsJson = False) -> None:
    """Cancel a job: one that waits is removed, one that runs is stopped."""
    with connect(endpoint, profile) as target:
        Printer(as_json=as_json).state(target.job(job).cancel())


def retry(endpoint: EndpointId, job: JobId, *, profile: Profile = None, as_json: AsJson = False) -> None:
    """Queue a failed or timed-out job again, with the same id and input."""
    with connect(endpoint, profile) as target:
        Printer(as_json=as_json).state(target.job(job).retry())


def _wait(printer: Printer, job: Job[Any, Any], timeout: float | None, *, cancel_on_interrupt: bool) -> None:
    with _reconnectable([job], cancel=cancel_on_interrupt):
        if printer.as_json:
            state = job.wait(timeout)
        else:
            with printer.console.status(f"Job {job.id} ..."):
                state = job.wait(timeout)
    _finish(printer, state)


def _stream(printer: Printer, job: Job[Any, Any], timeout: float | None, *, cancel_on_interrupt: bool) -> None:
    with _reconnectable([job], cancel=cancel_on_interrupt):
        for chunk in job.stream(timeout):
            printer.value(chunk)
    raise typer.Exit(ExitCode.DONE)  # a job that failed has raised


async def _wait_for_all(
    printer: Printer, endpoint: str, job_ids: Sequence[str], timeout: float | None, profile: str | None
) -> bool:
    import asyncio  # noqa: PLC0415 -- --help must be quick

    async with runpod_typed.AsyncClient(profile=profile) as client:
        target = client.endpoint(endpoint)
        waits = [asyncio.create_task(target.job(job_id).wait(timeout)) for job_id in job_ids]
        succeeded, errors = True, list[runpod_typed.RunpodError]()
        for finished in asyncio.as_completed(waits):
            try:
                state = await finished
            except runpod_typed.RunpodError as error:
                errors.append(error)
                continue
            printer.state(state)
            _explain_failure(printer, state)
            succeeded = succeeded and state.succeeded
    for other in errors[1:]:
        note(as_commands(other.message, other.job_id))
    if errors:
        raise errors[0]
    return succeeded


@contextmanager
def _reconnectable(jobs: Sequence[Job[Any, Any]], *, cancel: bool) -> Generator[None]:
    """On Ctrl-C, print how to reconnect to the jobs, or cancel them."""
    try:
        yield
    except KeyboardInterrupt:
        for job in jobs if cancel else ():
            status = job.cancel(timeout=10).status
            was = "was" if status == runpod_typed.JobStatus.CANCELLED else f"is {status} and was not"
            note(f"Job {job.id} {was} cancelled.")
        if not cancel:
            keeps_running = f"Job {jobs[0].id} keeps" if len(jobs) == 1 else f"{len(jobs)} jobs keep"
            note(f"{keeps_running} running. To reconnect: {_command('wait', *jobs)}")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _command(name: str, *jobs: Job[Any, Any]) -> str:
    return command(name, jobs[0].endpoint_id, *(job.id for job in jobs))


def _finish(printer: Printer, state: JobState[Any]) -> None:
    printer.state(state)
    _explain_failure(printer, state)
    _exit_unless_succeeded(state)
    raise typer.Exit(ExitCode.DONE)


def _explain_failure(printer: Printer, state: JobState[Any]) -> None:
    """Say on stderr why a job failed, unless the state that was printed for people says it."""
    if printer.as_json and not state.succeeded:
        reason = f": {state.error_message}" if state.error_message else ""
        note(f"Job {state.id} is {state.status}{reason}")


def _exit_unless_succeeded(state: JobState[Any] | None) -> None:
    if state is not None and not state.succeeded:
        raise typer.Exit(ExitCode.FAILED)


def _request(
    endpoint: str, value: Any, *, webhook: str | None, policy: ExecutionPolicy | None, sync: bool
) -> dict[str, Any]:
    """Return the request that would be sent, without the key."""
    import httpx  # noqa: PLC0415 -- --help must be quick

    requests: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json={"id": "dry-run", "status": "COMPLETED"})

    http_client = httpx.Client(transport=httpx.MockTransport(respond))
    with http_client, runpod_typed.Client("dry-run", http_client=http_client) as client:
        target = client.endpoint(endpoint)
        (target.run_sync_state if sync else target.run)(value, webhook=webhook, policy=policy)
    request = requests[0]
    return {"method": request.method, "url": str(request.url), "body": json.loads(request.content)}
