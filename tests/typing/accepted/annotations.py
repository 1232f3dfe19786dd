"""Annotations of endpoints and jobs, and their variance. Checked for its types, never run."""

from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, assert_type

from runpod_typed import AsyncEndpoint, AsyncJob, Client, Codec, Endpoint, Job, JobEvent, JobState, StreamChunk

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass
class Animal:
    name: str


@dataclass
class Dog(Animal):
    tricks: int = 0


@dataclass
class Fetch:
    what: str


def parameters_left_out_are_any(endpoint: Endpoint[Fetch, Dog], narrow: Endpoint[Fetch], bare: Endpoint) -> None:
    assert_type(endpoint, Endpoint[Fetch, Dog, Any])
    assert_type(narrow, Endpoint[Fetch, Any, Any])
    assert_type(bare, Endpoint[Any, Any, Any])


def so_they_are_of_jobs(job: Job[Dog], bare: Job, async_job: AsyncJob[Dog], bare_async: AsyncEndpoint) -> None:
    assert_type(job, Job[Dog, Any])
    assert_type(bare, Job[Any, Any])
    assert_type(bare.output(), Any)
    assert_type(async_job, AsyncJob[Dog, Any])
    assert_type(bare_async, AsyncEndpoint[Any, Any, Any])


def what_is_declared_fits_its_annotation(client: Client) -> None:
    full: Endpoint[Fetch, Dog, str] = client.endpoint("id", input_type=Fetch, output_type=Dog, chunk_type=str)
    shorter: Endpoint[Fetch, Dog] = client.endpoint("id", input_type=Fetch, output_type=Dog)
    alone: Endpoint[Fetch, Dog] = Endpoint("id", input_type=Fetch, output_type=Dog)
    unsaid: Endpoint[Fetch, Dog] = client.endpoint("id")
    job: Job[Dog, str] = full.run(Fetch("stick"))
    by_type: dict[str, Endpoint[Fetch, Dog]] = {"full": full, "shorter": shorter, "alone": alone, "unsaid": unsaid}
    assert_type(job.output(), Dog)
    assert_type(by_type["full"].run_sync(Fetch("stick")), Dog)


def greet(job: Job[Animal, Animal]) -> str:
    return job.output().name


async def greet_later(job: AsyncJob[Animal, Animal]) -> str:
    return (await job.output()).name


def look_at(state: JobState[Animal], event: JobEvent[Animal], chunk: StreamChunk[Animal]) -> list[Animal | None]:
    return [state.output, event.state.output, chunk.output]


async def a_job_of_dogs_is_a_job_of_animals(job: Job[Dog, Dog], later: AsyncJob[Dog, Dog]) -> None:
    assert_type(greet(job), str)
    assert_type(await greet_later(later), str)
    kennel: list[Job[Animal]] = [job]
    assert_type(kennel[0].output(), Animal)


def what_is_seen_of_dogs_is_seen_of_animals(
    state: JobState[Dog], event: JobEvent[Dog], chunk: StreamChunk[Dog]
) -> None:
    assert_type(look_at(state, event, chunk), list[Animal | None])


def feed(endpoint: Endpoint[Dog, Animal]) -> Animal:
    return endpoint.run_sync(Dog("Rex"))


async def feed_later(endpoint: AsyncEndpoint[Dog, Animal]) -> Animal:
    return await endpoint.run_sync(Dog("Rex"))


async def an_endpoint_that_takes_animals_takes_dogs(
    endpoint: Endpoint[Animal, Dog], later: AsyncEndpoint[Animal, Dog]
) -> None:
    assert_type(feed(endpoint), Animal)
    assert_type(await feed_later(later), Animal)


class Runner(Protocol[T_co]):
    """The part of an endpoint that a program uses, so that its tests can replace it."""

    def run_sync(self, input: Fetch, *, timeout: float | None = None) -> T_co: ...


def fetch_with(runner: Runner[T]) -> T:
    return runner.run_sync(Fetch("stick"), timeout=3)


def an_endpoint_fits_a_protocol_of_the_users_own(endpoint: Endpoint[Fetch, Dog]) -> None:
    assert_type(fetch_with(endpoint), Dog)


def functions_keep_the_type(endpoint: Endpoint[Fetch, Dog]) -> None:
    def last(jobs: list[Job[T]]) -> T:
        return jobs[-1].output()

    assert_type(last([endpoint.run(Fetch("stick"))]), Dog)


class Kennel(Endpoint[Fetch, Dog]):
    """An endpoint of a user's own."""

    def __init__(self, client: Client) -> None:
        super().__init__("kennel", client=client, input_type=Fetch, output_type=Dog)

    def fetch(self) -> Dog:
        return self.run_sync(Fetch("stick"))


class Pool(Generic[T]):
    """A class that holds endpoints of any type."""

    def __init__(self, endpoint: Endpoint[Fetch, T]) -> None:
        self.endpoint = endpoint

    def run(self) -> T:
        return self.endpoint.run_sync(Fetch("stick"))


def subclasses_and_holders_keep_the_type(client: Client, codec: Codec[Dog]) -> None:
    assert_type(Kennel(client).with_options(timeout=3), Kennel)
    assert_type(Kennel(client).run(Fetch("stick")), Job[Dog, Any])
    assert_type(Pool(Kennel(client)).run(), Dog)
    assert_type(codec.decode({"name": "Rex"}), Dog)
    assert_type(codec.encode(Dog("Rex")), Any)
