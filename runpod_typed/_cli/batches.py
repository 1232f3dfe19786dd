"""Commands for batches: drafts of many requests, which run when the endpoint has capacity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runpod_typed._cli.exit_codes import ExitCode
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
from runpod_typed._cli.values import (
    AsJson,
    EndpointId,
    ExecutionTimeout,
    LowPriority,
    Profile,
    Ttl,
    Webhook,
    connect,
    policy_of,
)
from runpod_typed._cli.wording import command

if TYPE_CHECKING:
    from runpod_typed import Batch

batch: typer.Typer = typer.Typer(
    help="Run many requests as a batch: cheaper than single jobs, but they may start later.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="The batch's id.", show_default=False)]
Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="The display name.", show_default=False)]


@batch.command()
def run(
    endpoint: EndpointId,
    inputs: Inputs,
    *,
    output: OutputFile = None,
    journal_file: JournalOption = None,
    name: Name = None,
    webhook: Webhook = None,
    ttl: Ttl = None,
    execution_timeout: ExecutionTimeout = None,
    low_priority: LowPriority = False,
    resubmit_uncertain: Resubmit = False,
    profile: Profile = None,
) -> None:
    """Run all inputs in as many batches as they need, and write one JSON line per result, in order.

    Example: runpod-typed batch run my-endpoint inputs.jsonl -o results.jsonl --journal run.sqlite
    """
    policy = policy_of(execution_timeout, ttl, low_priority=low_priority)
    with (
        connect(endpoint, profile) as target,
        open_inputs(inputs) as values,
        open_output(output, inputs, journal_file) as file,
        resumable("The batches", journal_file),
        target.batches.run(
            values,
            name=name,
            journal=journal_file,
            resubmit_uncertain=resubmit_uncertain,
            progress=show_progress(output),
            webhook=webhook,
            policy=policy,
        ) as results,
    ):
        write_results(results, file)


@batch.command()
def create(
    endpoint: EndpointId,
    inputs: Annotated[
        str | None,
        typer.Argument(
            metavar="INPUTS", help="A .jsonl or .csv file, or - for JSON lines on stdin.", show_default=False
        ),
    ] = None,
    *,
    name: Name = None,
    finalize: Annotated[bool, typer.Option("--finalize", help="Run it at once.")] = False,
    webhook: Webhook = None,
    ttl: Ttl = None,
    execution_timeout: ExecutionTimeout = None,
    low_priority: LowPriority = False,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Create a draft of up to 5,000 requests. It runs nothing, and costs nothing, until it is finalized.

    Example: runpod-typed batch create my-endpoint inputs.jsonl --name captions
    """
    policy, printer = policy_of(execution_timeout, ttl, low_priority=low_priority), Printer(as_json=as_json)
    with connect(endpoint, profile) as target:
        batches = target.batches
        if inputs is None:
            made = batches.create(name=name)
        else:
            with open_inputs(inputs) as values:
                made = batches.create(values, name, webhook=webhook, policy=policy)
        if finalize:
            made = batches.finalize(made)
    _show(printer, made)
    if not printer.as_json:
        follows = ("see", "show") if finalize else ("run", "finalize")
        note(f"To {follows[0]} it: {command('batch', follows[1], endpoint, made.id)}")


@batch.command()
def add(
    endpoint: EndpointId,
    batch_id: BatchId,
    inputs: Inputs,
    *,
    webhook: Webhook = None,
    ttl: Ttl = None,
    execution_timeout: ExecutionTimeout = None,
    low_priority: LowPriority = False,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Add requests to a draft."""
    policy = policy_of(execution_timeout, ttl, low_priority=low_priority)
    with connect(endpoint, profile) as target, open_inputs(inputs) as values:
        changed = target.batches.add(batch_id, values, webhook=webhook, policy=policy)
    _show(Printer(as_json=as_json), changed)


@batch.command()
def finalize(endpoint: EndpointId, batch_id: BatchId, *, profile: Profile = None, as_json: AsJson = False) -> None:
    """Close a draft and queue its requests, which are paid for from now on."""
    with connect(endpoint, profile) as target:
        _show(Printer(as_json=as_json), target.batches.finalize(batch_id))


@batch.command("list")
def list_batches(endpoint: EndpointId, *, profile: Profile = None, as_json: AsJson = False) -> None:
    """Print the batches of an endpoint, newest first."""
    printer = Printer(as_json=as_json)
    with connect(endpoint, profile) as target:
        found = target.batches.list()
    if printer.as_json:
        for one in found:
            printer.json(one.to_dict())
    elif found:
        printer.batches(found)
    else:
        note("There are no batches.")


@batch.command()
def show(endpoint: EndpointId, batch_id: BatchId, *, profile: Profile = None, as_json: AsJson = False) -> None:
    """Print the status and the counts of a batch."""
    with connect(endpoint, profile) as target:
        _show(Printer(as_json=as_json), target.batches.get(batch_id))


@batch.command()
def results(endpoint: EndpointId, batch_id: BatchId, *, output: OutputFile = None, profile: Profile = None) -> None:
    """Write the requests of a batch, one JSON line each: id, status, output or error, and times."""
    failed = unfinished = 0
    with connect(endpoint, profile) as target, open_output(output) as file:
        for result in target.batches.results(batch_id):
            file.write(f"{encode(result.to_dict())}\n")
            failed += result.done and not result.succeeded
            unfinished += not result.done
        file.flush()
    if unfinished:
        note(f"{_requests(unfinished)} not finished yet.")
    if failed:
        note(f"{_requests(failed)} without a result.")
        raise typer.Exit(ExitCode.FAILED)


@batch.command()
def cancel(endpoint: EndpointId, batch_id: BatchId, *, profile: Profile = None, as_json: AsJson = False) -> None:
    """Cancel a batch: waiting requests never run, running ones finish. A draft is discarded."""
    with connect(endpoint, profile) as target:
        _show(Printer(as_json=as_json), target.batches.cancel(batch_id))


def _show(printer: Printer, shown: Batch) -> None:
    if printer.as_json:
        printer.json(shown.to_dict() or {"id": shown.id})
    else:
        printer.batch(shown)


def _requests(count: int) -> str:
    return "1 request is" if count == 1 else f"{count} requests are"
