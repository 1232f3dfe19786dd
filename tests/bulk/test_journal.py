"""The journal of a map: what it remembers, and which files it refuses."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runpod_typed import ConfigurationError, Journal, JournalError, JournalStatus, OutputError
from runpod_typed._bulk.journal_writer import JournalWriter
from runpod_typed._codecs import json
from runpod_typed._core.journal_records import JournalRecord


def entry(key: str, status: JournalStatus, index: int = 0, **fields: Any) -> JournalRecord:
    return JournalRecord(index=index, number=index + 1, key=key, fingerprint=key, status=status, **fields)


def job(output: object) -> bytes:
    return json.encode({"id": "j", "status": "COMPLETED", "output": output})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.sqlite"


def test_remembers_entries_across_writers(path: Path) -> None:
    writer = JournalWriter(path, "ep")
    writer.save(entry("a", JournalStatus.SUCCEEDED, job=job(7), job_id="j", attempts=1))
    writer.close()

    writer = JournalWriter(path, "ep")
    found = writer.find("a")
    assert found is not None
    state = writer.job(found)
    assert state is not None
    assert (found.status, found.job_id, state.output) == (JournalStatus.SUCCEEDED, "j", 7)
    assert writer.find("b") is None
    assert writer.job(entry("b", JournalStatus.WAITING)) is None
    writer.close()


def test_an_entry_is_on_disk_once_flushed(path: Path) -> None:
    writer = JournalWriter(path, "ep")
    writer.save(entry("a", JournalStatus.SUBMITTING))
    assert Journal(path).counts().total == 0
    writer.flush()
    assert Journal(path).counts().uncertain == 1
    writer.close()


def test_people_read_it_while_a_map_writes(path: Path, tmp_path: Path) -> None:
    writer = JournalWriter(path, "ep")
    writer.save(entry("a", JournalStatus.SUCCEEDED, 0, job=job({"n": 1}), job_id="j", attempts=1))
    writer.save(entry("b", JournalStatus.FAILED, 1, error="out of memory"))
    writer.save(entry("c", JournalStatus.SUBMITTED, 2, job_id="k"))
    writer.flush()

    journal = Journal(path)
    counts = journal.counts()
    assert (counts.succeeded, counts.failed, counts.in_flight, counts.uncertain, counts.total) == (1, 1, 1, 0, 3)
    assert [found.error for found in journal.failures()] == ["out of memory"]
    assert [found.output for found in journal.results()] == [{"n": 1}]
    assert [found.key for found in journal] == ["a", "b", "c"]
    assert journal.endpoint_id == "ep"
    assert journal.export_jsonl(tmp_path / "out.jsonl") == 3
    lines = [json.decode(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [(line["index"], line["output"], line["error"]) for line in lines] == [
        (0, {"n": 1}, None),
        (1, None, "out of memory"),
        (2, None, None),
    ]
    writer.close()


def test_export_does_not_overwrite_the_journal(path: Path, tmp_path: Path) -> None:
    writer = JournalWriter(path, "ep")
    writer.save(entry("a", JournalStatus.FAILED, error="out of memory"))
    writer.close()
    link = tmp_path / "link"
    link.symlink_to(path)
    for target in (path, link):
        with pytest.raises(JournalError, match="would be overwritten"):
            Journal(path).export_jsonl(target)
    assert Journal(path).counts().failed == 1


def test_a_number_that_python_cannot_read_is_kept(path: Path, tmp_path: Path) -> None:
    digits = b"9" * 5000
    body = b'{"id":"j","status":"COMPLETED","output":' + digits + b"}"
    writer = JournalWriter(path, "ep")
    writer.save(entry("a", JournalStatus.SUCCEEDED, job=body, job_id="j", attempts=1))
    writer.close()

    [found] = Journal(path).results()
    with pytest.raises(OutputError, match="more digits than Python reads"):
        found.output  # noqa: B018
    assert Journal(path).export_jsonl(tmp_path / "out.jsonl") == 1
    assert digits in (tmp_path / "out.jsonl").read_bytes()


def test_the_same_content_again_has_its_own_entry(path: Path) -> None:
    writer = JournalWriter(path, "ep")
    keys = [writer.claim(number, None, "digest").key for number in range(4)]
    assert len(set(keys)) == 4
    writer.close()

    again = JournalWriter(path, "ep")
    assert [again.claim(number, None, "digest").key for number in range(4)] == keys
    again.close()


def test_a_key_of_another_input_is_refused(path: Path) -> None:
    writer = JournalWriter(path, "ep")
    writer.claim(0, "a", "one")
    with pytest.raises(ConfigurationError, match="for two inputs"):
        writer.claim(1, "a", "one")
    writer.close()

    again = JournalWriter(path, "ep")
    assert again.claim(7, "a", "one").index == 7
    again.close()

    third = JournalWriter(path, "ep")
    with pytest.raises(JournalError, match="another input under the key 'a'"):
        third.claim(0, "a", "two")
    third.close()


def test_a_claimed_input_is_not_uncertain(path: Path) -> None:
    writer = JournalWriter(path, "ep")
    writer.claim(0, None, "digest")
    writer.flush()
    assert (Journal(path).counts().waiting, Journal(path).counts().uncertain) == (1, 0)
    writer.close()


def test_leaves_one_file_when_it_is_closed(path: Path) -> None:
    writer = JournalWriter(path, "ep")
    writer.claim(0, None, "digest")
    writer.close()
    writer.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["run.sqlite", "run.sqlite-lock"]


def test_a_second_map_on_a_journal_is_refused(path: Path) -> None:
    writer = JournalWriter(path, "ep")
    with pytest.raises(JournalError, match="in use by another map"):
        JournalWriter(path, "ep")
    writer.close()
    JournalWriter(path, "ep").close()


def test_another_process_on_a_journal_is_refused(path: Path) -> None:
    writer = JournalWriter(path, "ep")
    code = (
        "import sys; from pathlib import Path; from runpod_typed._bulk.journal_writer import JournalWriter\n"
        "JournalWriter(Path(sys.argv[1]), 'ep')"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert "in use by another map" in other.stderr
    writer.close()


def test_a_journal_of_another_endpoint_is_refused(path: Path) -> None:
    JournalWriter(path, "one").close()
    with pytest.raises(JournalError, match="belongs to endpoint one, not two"):
        JournalWriter(path, "two")


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\x00" + b"x" * 5000])
def test_a_corrupt_journal_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(JournalError):
        JournalWriter(path, "ep")
    assert path.read_bytes() == content


@pytest.mark.parametrize("length", [1, 15, 16, 99, 511, 512, 4095, 4096, 4097, 8191])
def test_a_journal_that_was_cut_off_is_refused(path: Path, length: int) -> None:
    writer = JournalWriter(path, "ep")
    writer.save(entry("a", JournalStatus.SUCCEEDED, job=job(7), job_id="j", attempts=1))
    writer.close()
    path.write_bytes(path.read_bytes()[:length])
    for use in (lambda: Journal(path).counts(), lambda: JournalWriter(path, "ep")):
        with pytest.raises(JournalError):
            use()
    assert path.stat().st_size == length


def write_and_edit(path: Path, change: str) -> None:
    """Write a journal of one finished input, and edit it with SQL."""
    writer = JournalWriter(path, "ep")
    writer.save(entry("a", JournalStatus.SUCCEEDED, job=job(7), job_id="j", attempts=1))
    writer.close()
    with sqlite3.connect(path) as database:
        database.execute(change)
    database.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entry SET status = 'done'",
        "UPDATE entry SET status = 'submitted', job_id = NULL",
        "UPDATE entry SET attempts = 'many'",
        "UPDATE entry SET position = 'x'",
        "UPDATE entry SET job_id = x'00'",
        "DELETE FROM about",
    ],
)
def test_an_edited_journal_is_refused(path: Path, change: str) -> None:
    write_and_edit(path, change)
    with pytest.raises(JournalError, match="is damaged"):
        JournalWriter(path, "ep")


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM job",
        "UPDATE job SET content = x'7b7b'",
        "UPDATE job SET content = '[]'",
        "UPDATE job SET content = 'x'",
        "UPDATE job SET content = 5",
    ],
)
def test_a_result_that_cannot_be_read_is_damage(path: Path, change: str) -> None:
    write_and_edit(path, change)
    if "UPDATE" in change:
        with pytest.raises(JournalError, match="is damaged"):
            list(Journal(path))
    writer = JournalWriter(path, "ep")
    found = writer.find("a")
    assert found is not None
    with pytest.raises(JournalError, match="is damaged"):
        writer.job(found)
    writer.close()


def test_a_link_to_a_journal_has_the_same_lock(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "latest.sqlite"
    try:
        link.symlink_to(path)
    except OSError:
        pytest.skip("links cannot be made here")
    writer = JournalWriter(path, "ep")
    with pytest.raises(JournalError, match="in use by another map"):
        JournalWriter(link, "ep")
    writer.close()


def test_a_damaged_page_is_found_when_it_is_opened(path: Path) -> None:
    writer = JournalWriter(path, "ep")
    for number in range(2000):
        writer.save(entry(f"key {number}", JournalStatus.SUCCEEDED, number, job_id="j", job=job("x" * 50)))
    writer.close()
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = os.urandom(4096)
    path.write_bytes(content)
    with pytest.raises(JournalError):
        JournalWriter(path, "ep")


def test_a_database_of_something_else_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE mine (x)")
    database.close()
    with pytest.raises(JournalError, match="not a journal"):
        JournalWriter(path, "ep")
    with pytest.raises(JournalError, match="not a journal"):
        Journal(path).counts()


def test_a_journal_of_a_newer_format_is_refused(path: Path) -> None:
    JournalWriter(path, "ep").close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    for use in (lambda: Journal(path).counts(), lambda: JournalWriter(path, "ep")):
        with pytest.raises(JournalError, match="newer version of this package"):
            use()


def test_a_journal_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be written"):
        JournalWriter(tmp_path / "missing" / "run.sqlite", "ep")
    with pytest.raises(JournalError, match="cannot be written"):
        JournalWriter(tmp_path / ("long" * 100), "ep")
    with pytest.raises(JournalError, match="cannot be written"):
        JournalWriter(Path("run\0"), "ep")
    with pytest.raises(JournalError, match="is a folder"):
        JournalWriter(tmp_path, "ep")
    assert not Path(f"{tmp_path}-lock").exists()


def test_reading_a_missing_journal_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="There is no journal"):
        Journal(tmp_path / "none.sqlite").counts()
    assert list(tmp_path.iterdir()) == []
