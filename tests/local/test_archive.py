"""`persist`: jobs with their history, and batches, outlive the queue; a file that cannot be used is reported."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from runpod_typed import Client
from runpod_typed.local import HandlerConfig, LocalQueue
from runpod_typed.local._archive import ArchiveError


def handler(job: dict[str, Any]) -> Any:
    for number in range(2):
        yield {"row": number, "of": job["input"]}


def page_of(queue: LocalQueue, job_id: str) -> dict[str, Any]:
    """Return what the page shows of a job."""
    url, _, token = queue.page_url.partition("/?token=")
    shown: dict[str, Any] = httpx.get(f"{url}/page/jobs/{job_id}", headers={"X-Page-Token": token}).json()
    return shown


def test_history_and_batches_outlive_the_queue(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    config: HandlerConfig = {"handler": handler, "return_aggregate_stream": True}
    with (
        LocalQueue(config, endpoint_id="demo", persist=file, page=True) as queue,
        Client(queue.api_key, base_url=queue.base_url) as client,
    ):
        endpoint = client.endpoint("demo")
        job = endpoint.run("first")
        job.wait(timeout=60)
        draft = endpoint.batches.create(["a", "b"], "draft", timeout=60)
        done = endpoint.batches.finalize(endpoint.batches.create(["c"]))
        while not endpoint.batches.get(done).done:
            pass
        before = page_of(queue, job.id)
        results = [result.to_dict() for result in endpoint.batches.results(done)]
    with (
        LocalQueue(endpoint_id="demo", persist=file, page=True) as queue,
        Client(queue.api_key, base_url=queue.base_url) as client,
    ):
        endpoint = client.endpoint("demo")
        after = page_of(queue, job.id)
        assert [entry["kind"] for entry in after["history"]] == [
            "IN_QUEUE",
            "IN_PROGRESS",
            "chunk",
            "chunk",
            "COMPLETED",
        ]
        assert [entry["value"] for entry in after["history"]] == [entry["value"] for entry in before["history"]]
        assert after["history"][-1]["at"] == pytest.approx(before["history"][-1]["at"], abs=1.0)
        assert [batch.id for batch in endpoint.batches.list()] == [done.id, draft.id]
        assert endpoint.batches.get(draft).name == "draft"
        assert [result.to_dict() for result in endpoint.batches.results(done)] == results
        assert endpoint.batches.finalize(draft).request_total == 2
        queue.assert_submitted(2 + 2)


def test_reads_a_file_of_the_first_format(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    with LocalQueue(persist=file) as queue, Client(queue.api_key, base_url=queue.base_url) as client:
        job_id = client.endpoint("local").run("old").id
    with sqlite3.connect(file) as database:
        database.execute("UPDATE jobs SET job = json_remove(job, '$.history')")
        database.execute("DROP TABLE batches")
        database.execute("PRAGMA user_version = 0")
        database.execute("PRAGMA application_id = 0")
    database.close()
    with LocalQueue(persist=file) as queue, Client(queue.api_key, base_url=queue.base_url) as client:
        assert client.endpoint("local").job(job_id).status() == "IN_QUEUE"


def execute(statement: str) -> Callable[[Path], None]:
    def run(file: Path) -> None:
        with sqlite3.connect(file) as database:
            database.execute(statement)
        database.close()

    return run


def replace_by_text(file: Path) -> None:
    file.write_bytes(b"not a database" * 100)


def overwrite_pages(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:4096] + b"\xff" * 8192)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (execute("UPDATE jobs SET job = '{'"), "is damaged: JSONDecodeError"),
        (execute("UPDATE jobs SET job = '{}'"), "is damaged: KeyError"),
        (execute("UPDATE jobs SET job = json_set(job, '$.status', 'LOST')"), "is damaged: ValueError"),
        (execute("UPDATE batches SET batch = json_set(batch, '$.requests', 1)"), "is damaged: TypeError"),
        (execute("DELETE FROM jobs WHERE id LIKE 'req_%'"), "it lacks requests of batch"),
        (execute("PRAGMA user_version = 99"), "written by a newer version"),
        (execute("PRAGMA application_id = 7"), "of something else"),
        (execute("CREATE TABLE entries (id)"), "of something else"),
        (replace_by_text, "not a database"),
        (overwrite_pages, "cannot be used|damaged"),
    ],
)
def test_damaged_file_is_reported_and_left_alone(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    file = tmp_path / "jobs.db"
    with LocalQueue(persist=file) as queue, Client(queue.api_key, base_url=queue.base_url) as client:
        client.endpoint("local").run("waits")
        batches = client.endpoint("local").batches
        batches.finalize(batches.create(["waits"]))
    damage(file)
    before = file.read_bytes()
    for _ in range(2):  # nothing is left locked
        with pytest.raises(ArchiveError, match=message):
            LocalQueue(persist=file).start()
    assert file.read_bytes() == before
