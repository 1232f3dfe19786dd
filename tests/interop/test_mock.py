"""A mock that is made of the specification alone serves the generated client, and refuses what does not fit.

Prism checks each request against the specification, and responds with its examples. It runs no code of this project.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from importlib import import_module
from typing import Any, Final, cast

import httpx
import pytest
from runpod_queue_api import AuthenticatedClient, models
from runpod_queue_api.api.jobs import get_status, run, stream
from runpod_queue_api.types import Response

from scripts.check_spec import ROOT, SPEC
from scripts.spec_document import Json, Operation, mapping, sequence
from tests.contract.described import OPERATIONS
from tests.contract.described import SPEC as DOCUMENT
from tests.interop.tools import environment, node_command

PATIENCE: Final = 60.0
"""Seconds until a mock that does not listen is given up."""

IDS: Final = {
    "endpoint_id": "gwp4kx5yd3nur1",
    "job_id": "my-job",
    "batch_id": "batch_01j9abc123",
    "request_id": "req_1",
}


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a mock that runs as long as these tests."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("mock") / "log.txt"
    command = node_command("prism", "mock", "--errors", "-h", "127.0.0.1", "-p", str(port), str(ROOT / SPEC))
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment())
    try:
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline and not listens(port):
            time.sleep(0.1)
        assert listens(port), log.read_text(encoding="utf-8")
        assert "warn" not in log.read_text(encoding="utf-8").lower()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def listens(port: int) -> bool:
    """Return whether a server listens at a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def client(mock: str) -> Iterator[AuthenticatedClient]:
    with AuthenticatedClient(base_url=mock, token="any-key", timeout=httpx.Timeout(30)) as client:
        yield client


def body_of(operation: Operation) -> Mapping[str, object]:
    """The first example of an operation's body, as the generated function takes it; nothing where it takes none."""
    content = mapping(mapping(DOCUMENT.find(operation.pointer)).get("requestBody")).get("content")
    described = mapping(mapping(content).get("application/json"))
    if not described:
        return {}
    example = mapping(next(iter(mapping(described["examples"]).values())))["value"]
    place = DOCUMENT.follow((*operation.pointer, "requestBody", "content", "application/json", "schema"))
    is_list = mapping(DOCUMENT.find(place))["type"] == "array"
    name = str((DOCUMENT.follow((*place, "items")) if is_list else place)[-1])
    read = cast("Callable[[Json], object]", getattr(models, name).from_dict)
    return {"body": [read(each) for each in sequence(example)] if is_list else read(example)}


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_generated_client_calls_every_operation(name: str, client: AuthenticatedClient) -> None:
    operation = OPERATIONS[name]
    tag = sequence(mapping(DOCUMENT.find(operation.pointer))["tags"])[0]
    call = cast(
        "Callable[..., Response[Any]]", import_module(f"runpod_queue_api.api.{tag}.{operation.name}").sync_detailed
    )
    ids = {key: value for key, value in IDS.items() if f"{{{key}}}" in operation.path}

    answer = call(**ids, **body_of(operation), client=client)

    assert answer.status_code == HTTPStatus.OK, answer.content
    assert answer.parsed is not None
    assert not isinstance(answer.parsed, models.ErrorBody)


def test_an_answer_is_read_as_its_model(client: AuthenticatedClient) -> None:
    job = run.sync("my-endpoint", client=client, body=models.RunRequest(input_={"prompt": "Hello"}))

    assert isinstance(job, models.Job)
    assert job.status is models.KnownJobStatus.IN_QUEUE


def test_the_mock_refuses_a_request_without_a_key(mock: str) -> None:
    answer = httpx.post(f"{mock}/my-endpoint/run", json={"input": 1})
    assert answer.status_code == HTTPStatus.UNAUTHORIZED


def test_the_mock_refuses_a_body_without_an_input(mock: str) -> None:
    answer = httpx.post(f"{mock}/my-endpoint/run", json={"prompt": 1}, headers={"Authorization": "Bearer any-key"})
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


@pytest.mark.parametrize(("wait", "status"), [(999, 422), (1000, 200), (300_000, 200), (300_001, 422)])
def test_the_mock_holds_requests_to_their_ranges(wait: int, status: int, client: AuthenticatedClient) -> None:
    answer = stream.sync_detailed("my-endpoint", "my-job", client=client, wait=wait)
    assert answer.status_code == status


def test_path_with_an_id_that_needs_quoting_is_not_misread(client: AuthenticatedClient) -> None:
    answer = get_status.sync_detailed("my-endpoint", "a/b", client=client)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
