"""Awaiting what is there, and using what is still awaited. Checked for its types, never run."""

# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# These follow from a mistake, and are none.

from dataclasses import dataclass

from runpod_typed import AsyncClient, AsyncEndpoint, AsyncJob, Client, Endpoint, Job


@dataclass
class Image:
    url: str


async def what_is_there_is_not_awaited(client: Client, endpoint: Endpoint[str, Image], job: Job[Image, Image]) -> None:
    await endpoint.run_sync("a")  # E: mypy[misc] pyright[reportGeneralTypeIssues]
    await endpoint.run("a")  # E: mypy[misc] pyright[reportGeneralTypeIssues]
    await job.output()  # E: mypy[misc] pyright[reportGeneralTypeIssues]
    await job.wait()  # E: mypy[misc] pyright[reportGeneralTypeIssues]
    async for chunk in job.stream():  # E: mypy[attr-defined] pyright[reportGeneralTypeIssues]
        print(chunk)
    async with client:  # E: mypy[attr-defined] pyright[reportGeneralTypeIssues]
        pass
    await client.aclose()  # E: mypy[attr-defined] pyright[reportAttributeAccessIssue]


async def what_is_awaited_is_not_there_yet(endpoint: AsyncEndpoint[str, Image], job: AsyncJob[Image, Image]) -> None:
    endpoint.run("a")  # E: mypy[unused-coroutine] pyright[reportUnusedCoroutine]
    job.cancel()  # E: mypy[unused-coroutine] pyright[reportUnusedCoroutine]
    print(job.output().url)  # E: mypy[attr-defined] pyright[reportAttributeAccessIssue]
    image: Image = job.output()  # E: mypy[assignment] pyright[reportAssignmentType]
    print(image)
    async with endpoint.run("a") as never:  # E: mypy[attr-defined] pyright[reportGeneralTypeIssues]
        print(never)


async def an_async_iterator_is_no_iterator(job: AsyncJob[Image, Image]) -> None:
    for chunk in job.stream():  # E: mypy[attr-defined] pyright[reportGeneralTypeIssues]
        print(chunk)
    list(job.events())  # E: mypy[call-overload] pyright[reportArgumentType]
    await job.stream()  # E: mypy[misc] pyright[reportGeneralTypeIssues]


def no_loop_no_waiting(client: AsyncClient, job: AsyncJob[Image]) -> None:
    with client:  # E: mypy[attr-defined] pyright[reportGeneralTypeIssues]
        pass
    client.close()  # E: mypy[unused-coroutine] pyright[reportUnusedCoroutine]
    other_half: Job[Image] = job  # E: mypy[assignment] pyright[reportAssignmentType]
    print(other_half)
