"""Exchanges with an endpoint are recorded without keys, and replayed without it."""

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from runpod_typed import APIError, JobFailedError, S3Config
from runpod_typed.local import LocalQueue
from runpod_typed.testing import ReplayError, record, replay
from tests.scripted_server import Script, answer, scripted

BUCKET = S3Config(
    access_id="the-id", access_secret="the-secret", bucket_name="b", endpoint_url="https://bucket.example"
)


def handler(job: dict[str, object]) -> object:
    if job["input"] == "fail":
        raise ValueError("too dark")
    return job["input"]


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "recording.json"
    with LocalQueue(handler, endpoint_id="demo") as queue:
        monkeypatch.setenv("RUNPOD_API_KEY", queue.api_key)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", queue.base_url)
        with record(path) as client:
            endpoint = client.endpoint("demo")
            assert endpoint.run(queue.api_key, s3_config=BUCKET).output(60) == queue.api_key
            with pytest.raises(JobFailedError):
                endpoint.run_sync("fail", timeout=60)
        assert queue.api_key not in path.read_text(encoding="utf-8")
    monkeypatch.delenv("RUNPOD_API_KEY")
    monkeypatch.delenv("RUNPOD_ENDPOINT_BASE_URL")
    return path


def test_replays_what_was_recorded(recording: Path) -> None:
    with replay(recording) as client:
        endpoint = client.endpoint("demo")
        assert endpoint.run("***", s3_config=BUCKET).output(60) == "***"
        with pytest.raises(JobFailedError, match="too dark"):
            endpoint.run_sync("fail", timeout=60)


def test_recording_holds_no_credentials(recording: Path) -> None:
    text = recording.read_text(encoding="utf-8")
    assert "the-secret" not in text
    assert "the-id" not in text
    assert "authorization" not in text.lower()


@pytest.mark.anyio
async def test_replays_for_the_async_client(recording: Path) -> None:
    async with replay(recording) as client:
        with pytest.raises(JobFailedError, match="too dark"):
            await client.endpoint("demo").run_sync("fail", timeout=60)


@pytest.mark.anyio
async def test_records_for_the_async_client(tmp_path: Path) -> None:
    path = tmp_path / "recording.json"
    with LocalQueue(handler, endpoint_id="demo") as queue:
        async with record(path, api_key=queue.api_key, base_url=queue.base_url) as client:
            assert await client.endpoint("demo").run_sync("x", timeout=60) == "x"
    async with replay(path) as client:
        assert await client.endpoint("demo").run_sync("x", timeout=60) == "x"


SECRETS = {
    "hf_token": "hf_abcdef",
    "authorization": "Bearer abcdef1",
    "aws_secret_access_key": "abcdef2",
    "private_key": "abcdef3",
    "credentials": {"user": ["abcdef4"]},
}
URLS = [
    "https://bucket.example/x?X-Amz-Credential=abcdef5&X-Amz-Signature=abcdef6",
    "postgres://user:abcdef7@host/db",
    "the header Authorization: Bearer abcdef8",
    "my token is hf_abcdef",
]


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AbstractContextManager[object]]:
    """Make a server the environment's endpoint."""

    @contextmanager
    def answering(*scripts: Script, path: str = "/v2") -> Generator[None]:
        with scripted(*scripts) as server:
            monkeypatch.setenv("RUNPOD_API_KEY", "rpa_key")
            monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", server.base_url.replace("/v2", path))
            yield

    return answering


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with LocalQueue(lambda job: job, endpoint_id="demo") as queue:
        monkeypatch.setenv("RUNPOD_API_KEY", queue.api_key)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", queue.base_url)
        yield


@pytest.mark.usefixtures("echo")
def test_masks_secrets_wherever_they_come_back(tmp_path: Path) -> None:
    path = tmp_path / "recording.json"
    given = {**SECRETS, "urls": URLS, "max_tokens": 5, "token_count": 7}
    with record(path) as client:
        job = client.endpoint("demo").run(given, webhook="https://me.example/abcdef9")
        assert job.output(60)["input"]["hf_token"] == "hf_abcdef"
    text = path.read_text(encoding="utf-8")
    assert "abcdef" not in text
    assert '"max_tokens": 5' in text
    assert '"token_count": 7' in text
    with replay(path) as client:
        job = client.endpoint("demo").run(given, webhook="https://me.example/abcdef9")
        assert job.output(60)["input"]["urls"][1] == "postgres://***@host/db"


@pytest.mark.parametrize("path", ["", "/v2", "/proxy/v2"])
def test_replays_whatever_the_base_url_was(answering: Any, tmp_path: Path, path: str) -> None:
    file = tmp_path / "new folder" / "recording.json"
    with answering([answer(200, '{"id": "j", "status": "COMPLETED", "output": 1}')], path=path), record(file) as client:
        assert client.endpoint("demo").run_sync("x") == 1
    with replay(file) as client:
        assert client.endpoint("demo").run_sync("x") == 1


def test_replays_a_lone_surrogate_and_nan(answering: Any, tmp_path: Path) -> None:
    file = tmp_path / "recording.json"
    with (
        answering([answer(200, '{"id": "j", "status": "COMPLETED", "output": ["\\ud800", "é", NaN]}')]),
        record(file) as client,
    ):
        recorded = client.endpoint("demo").run_sync("x")
    with replay(file) as client:
        replayed = client.endpoint("demo").run_sync("x")
    assert repr(recorded) == repr(replayed) == r"['\ud800', 'é', nan]"


@pytest.mark.parametrize("status", [200, 502])
def test_replays_what_is_not_json_as_it_came(answering: Any, tmp_path: Path, status: int) -> None:
    file = tmp_path / "recording.json"
    with (
        answering([answer(status, b"<html>\xff")], [answer(200, '{"id": "j", "status": "IN_QUEUE"}')]),
        record(file) as client,
    ):
        assert client.endpoint("demo").job("j").status() == "IN_QUEUE"
    with replay(file) as client:
        assert client.endpoint("demo").job("j").status() == "IN_QUEUE"
    first = json.loads(file.read_text(encoding="utf-8"))["exchanges"][0]["response"]
    assert (first["status"], first["text"]) == (status, "<html>\udcff")


@pytest.mark.usefixtures("echo")
def test_replays_a_map_to_its_threads(tmp_path: Path) -> None:
    file, inputs = tmp_path / "recording.json", [{"n": number % 3} for number in range(12)]
    with record(file) as client:
        recorded = sorted(result.output["id"] for result in client.endpoint("demo").map(inputs))
    with replay(file) as client:
        assert sorted(result.output["id"] for result in client.endpoint("demo").map(inputs)) == recorded


def test_refuses_a_folder_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        record(tmp_path, api_key="key")


def test_unknown_request_names_it(recording: Path) -> None:
    with replay(recording) as client, pytest.raises((ReplayError, APIError), match="no response to POST /demo/run"):
        client.endpoint("demo").run("something else")


@pytest.mark.parametrize("content", ["[]", "", "{", '{"version": 1}', '{"version": 1, "exchanges": {}}'])
def test_refuses_a_file_that_is_not_a_recording(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="not a recording"):
        replay(path)
