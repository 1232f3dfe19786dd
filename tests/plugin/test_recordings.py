"""Exchanges with an endpoint are recorded without keys, and replayed without it."""

import json
from pathlib import Path

import pytest

from runpod_typed import APIError, JobFailedError, S3Config
from runpod_typed.local import LocalQueue
from runpod_typed.testing import ReplayError, record, replay

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
async def test_records_for_the_async_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "recording.json"
    with LocalQueue(handler, endpoint_id="demo") as queue:
        monkeypatch.setenv("RUNPOD_API_KEY", queue.api_key)
        monkeypatch.setenv("RUNPOD_ENDPOINT_BASE_URL", queue.base_url)
        async with record(path) as client:
            assert await client.endpoint("demo").run_sync("x", timeout=60) == "x"
    async with replay(path) as client:
        assert await client.endpoint("demo").run_sync("x", timeout=60) == "x"


def test_unknown_request_names_it(recording: Path) -> None:
    with replay(recording) as client, pytest.raises((ReplayError, APIError), match="no response to POST /demo/run"):
        client.endpoint("demo").run("something else")


def test_refuses_a_file_that_is_not_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps([]), encoding="utf-8")
    with pytest.raises(ValueError, match="not a recording"):
        replay(path)
