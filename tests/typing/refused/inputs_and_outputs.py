"""Inputs and outputs that are not what was declared. Checked for its types, never run."""

# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# These follow from a mistake, and are none.

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypedDict

from runpod_typed import Client, Codec, Endpoint, Job, JobState
from runpod_typed.webhooks import parse_webhook


@dataclass
class Prompt:
    text: str


@dataclass
class LongPrompt(Prompt):
    limit: int


@dataclass
class Image:
    url: str


class Options(TypedDict):
    steps: int


class Seconds:
    def encode(self, value: timedelta, /) -> Any:
        return value.total_seconds()

    def decode(self, data: Any, /) -> timedelta:
        return timedelta(seconds=data)


class EncodesAlone:
    def encode(self, value: timedelta, /) -> Any:
        return value.total_seconds()


class DecodesAnother:
    def encode(self, value: timedelta, /) -> Any:
        return value.total_seconds()

    def decode(self, data: Any, /) -> str:
        return str(data)


def an_input_must_fit(
    endpoint: Endpoint[Prompt, Image], by_dict: Endpoint[Options], longer: Endpoint[LongPrompt]
) -> None:
    endpoint.run("a")  # E: mypy[arg-type] pyright[reportArgumentType]
    endpoint.run({"text": "a"})  # E: mypy[arg-type] pyright[reportArgumentType]
    endpoint.run(Image("a"))  # E: mypy[arg-type] pyright[reportArgumentType]
    endpoint.run(None)  # E: mypy[arg-type] pyright[reportArgumentType]
    endpoint.run()  # E: mypy[call-arg] pyright[reportCallIssue]
    endpoint.run_sync(Prompt)  # E: mypy[arg-type] pyright[reportArgumentType]
    endpoint.run_sync_state(7)  # E: mypy[arg-type] pyright[reportArgumentType]
    by_dict.run({"steps": "many"})  # E: mypy[typeddict-item] pyright[reportArgumentType]
    by_dict.run({"stepz": 1})  # E: mypy[typeddict-unknown-key, typeddict-item] pyright[reportArgumentType]
    longer.run(Prompt("a"))  # E: mypy[arg-type] pyright[reportArgumentType]


def an_output_is_what_was_declared(endpoint: Endpoint[Prompt, Image, str], job: Job[Image, str]) -> None:
    text: str = endpoint.run_sync(Prompt("a"))  # E: mypy[assignment] pyright[reportAssignmentType]
    of_texts: Job[str] = endpoint.run(Prompt("a"))  # E: mypy[assignment] pyright[reportAssignmentType]
    state: JobState[str] = job.wait()  # E: mypy[assignment] pyright[reportAssignmentType]
    number: int = job.output()  # E: mypy[assignment] pyright[reportAssignmentType]
    print(job.output().path)  # E: mypy[attr-defined] pyright[reportAttributeAccessIssue]
    for chunk in job.stream():
        print(chunk.url)  # E: mypy[attr-defined] pyright[reportAttributeAccessIssue]
    print(text, of_texts, state, number)


def a_declaration_fits_its_annotation() -> None:
    other: Endpoint[Prompt, str] = Endpoint("id", output_type=Image)  # E: mypy[arg-type] pyright[reportAssignmentType]
    print(other)


def an_output_may_be_absent_from_a_state(state: JobState[Image], job: Job[Image]) -> None:
    print(state.output.url)  # E: mypy[union-attr] pyright[reportOptionalMemberAccess]
    image: Image = job.wait().output  # E: mypy[assignment] pyright[reportAssignmentType]
    print(job.state.status)  # E: mypy[union-attr] pyright[reportOptionalMemberAccess]
    print(state.delay_time_ms + 1)  # E: mypy[operator] pyright[reportOptionalOperand]
    print(image)


def a_wider_job_is_no_narrower_one(job: Job[Prompt], endpoint: Endpoint[LongPrompt]) -> None:
    narrower: Job[LongPrompt] = job  # E: mypy[assignment] pyright[reportAssignmentType]
    wider: Endpoint[Prompt] = endpoint  # E: mypy[assignment] pyright[reportAssignmentType]
    print(narrower, wider)


def a_type_is_no_value(client: Client) -> None:
    client.endpoint("id", output_type=7)  # E: mypy[call-overload] pyright[reportCallIssue, reportArgumentType]
    Endpoint("id", output_type=7)  # E: mypy[call-overload] pyright[reportCallIssue, reportArgumentType]
    parse_webhook(b"", output_type=7)  # E: mypy[call-overload] pyright[reportArgumentType]


def a_codec_is_no_type(client: Client) -> None:
    client.endpoint("id", output_type=Seconds())  # E: mypy[call-overload] pyright[reportCallIssue, reportArgumentType]


def an_endpoint_id_is_known(client: Client) -> None:
    client.endpoint(os.getenv("ENDPOINT_ID"))  # E: mypy[arg-type] pyright[reportCallIssue, reportArgumentType]
    Endpoint(None)  # E: mypy[call-overload] pyright[reportCallIssue, reportArgumentType]


def a_codec_has_two_methods_of_one_type() -> None:
    Endpoint("id", output_codec=EncodesAlone())  # E: mypy[call-overload] pyright[reportCallIssue, reportArgumentType]
    Endpoint("id", output_codec=DecodesAnother())  # E: mypy[misc] pyright[reportCallIssue, reportArgumentType]
    codec: Codec[str] = Seconds()  # E: mypy[assignment] pyright[reportAssignmentType]
    print(codec)


def a_codec_is_an_instance_and_stands_for_what_it_decodes(client: Client) -> None:
    endpoint = client.endpoint("id", input_codec=Seconds(), output_codec=Seconds())
    endpoint.run(3.5)  # E: mypy[arg-type] pyright[reportArgumentType]
    number: float = endpoint.run_sync(timedelta(1))  # E: mypy[assignment] pyright[reportAssignmentType]
    of_the_class = client.endpoint("id", output_type=Seconds)
    decoded: timedelta = of_the_class.run_sync(1)  # E: mypy[assignment] pyright[reportAssignmentType]
    print(number, decoded)


def a_literal_has_no_other_value(client: Client) -> None:
    endpoint = client.endpoint("id", input_type=Literal["a", "b"], output_type=Literal[1, 2])
    endpoint.run("c")  # E: mypy[arg-type] pyright[reportArgumentType]
    three: Literal[3] = endpoint.run_sync("a")  # E: mypy[assignment] pyright[reportAssignmentType]
    print(three)
