"""Mistakes with maps and batches. Checked for its types, never run."""

# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# These follow from a mistake, and are none.

from collections.abc import AsyncIterable
from dataclasses import dataclass

from runpod_typed import AsyncEndpoint, AsyncJob, Batch, Endpoint, JobMap, MapResult, as_completed


@dataclass
class Prompt:
    text: str


@dataclass
class Image:
    url: str


def inputs_must_fit(endpoint: Endpoint[Prompt, Image], later: AsyncIterable[Prompt]) -> None:
    endpoint.map(["a"])  # E: mypy[list-item] pyright[reportArgumentType]
    endpoint.map(Prompt("a"))  # E: mypy[arg-type] pyright[reportArgumentType]
    endpoint.map(later)  # E: mypy[arg-type] pyright[reportArgumentType]
    endpoint.batches.run(["a"])  # E: mypy[list-item] pyright[reportArgumentType]
    endpoint.batches.create(["a"])  # E: mypy[list-item] pyright[reportArgumentType]
    endpoint.batches.create(Prompt("a"))  # E: mypy[arg-type] pyright[reportArgumentType]


def an_output_is_what_was_declared(endpoint: Endpoint[Prompt, Image], result: MapResult[Prompt, Image]) -> None:
    text: str = result.output  # E: mypy[assignment] pyright[reportAssignmentType]
    texts: list[str] = list(endpoint.map([Prompt("a")]).outputs())  # E: mypy[arg-type] pyright[reportAssignmentType]
    of_texts: JobMap[Prompt, str] = endpoint.map([Prompt("a")])  # E: mypy[assignment] pyright[reportAssignmentType]
    print(result.state.output)  # E: mypy[union-attr] pyright[reportOptionalMemberAccess]
    print(text, texts, of_texts)


def options_must_fit(endpoint: Endpoint[Prompt, Image]) -> None:
    endpoint.map([Prompt("a")], on_exit="stop")  # E: mypy[arg-type] pyright[reportArgumentType]
    endpoint.map([Prompt("a")], concurrency="many")  # E: mypy[arg-type] pyright[reportArgumentType]
    endpoint.map([], key=lambda prompt: prompt.url)  # E: mypy[attr-defined] pyright[reportAttributeAccessIssue]
    endpoint.map([Prompt("a")], 64)  # E: mypy[call-arg] pyright[reportCallIssue]
    endpoint.batches.get(7)  # E: mypy[arg-type] pyright[reportArgumentType]


async def halves_are_not_mixed(
    endpoint: Endpoint[Prompt, Image], later: AsyncEndpoint[Prompt, Image], jobs: list[AsyncJob[Image]]
) -> None:
    as_completed(jobs)  # E: mypy[arg-type] pyright[reportArgumentType]
    for result in later.map([Prompt("a")]):  # E: mypy[attr-defined] pyright[reportGeneralTypeIssues]
        print(result)
    async for other in endpoint.map([Prompt("a")]):  # E: mypy[attr-defined] pyright[reportGeneralTypeIssues]
        print(other)
    batch: Batch = later.batches.create([Prompt("a")])  # E: mypy[assignment] pyright[reportAssignmentType]
    print(batch)
