"""Each command, against a queue with a real worker."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runpod_typed import Client
from runpod_typed._cli.printer import note
from runpod_typed.local import LocalQueue
from tests.cli.commands import check_golden, command, environment, run, start, without_ids

pytestmark = pytest.mark.slow


def submit(queue: LocalQueue, **given: object) -> str:
    with Client(queue.api_key, base_url=queue.base_url) as client:
        return client.endpoint("demo").run(given or {"text": "ü"}).id


def finished(queue: LocalQueue, **given: object) -> str:
    job_id = submit(queue, **given)
    with Client(queue.api_key, base_url=queue.base_url) as client:
        client.endpoint("demo").job(job_id).wait(timeout=60)
    return job_id


def test_run_prints_what_the_api_said(queue: LocalQueue) -> None:
    result = run(queue, "run", "demo", "-i", '{"text": "hi"}')
    assert result.code == 0
    assert result.json.keys() == {"id", "status"}
    assert result.stderr == ""


@pytest.mark.parametrize("how", ["--wait", "--sync"])
def test_run_waits_for_the_state(queue: LocalQueue, how: str) -> None:
    result = run(queue, "run", "demo", "-i", "-", how, stdin='{"text": "hi"}')
    assert result.code == 0
    check_golden("run_wait.json", result.stdout.replace("sync-", ""))


def test_run_reads_a_file_and_streams(queue: LocalQueue, tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"chunks": 3}', encoding="utf-8")
    result = run(queue, "run", "demo", "-i", f"@{file}", "--stream")
    assert result.code == 0
    assert [line["chunk"] for line in result.lines] == [0, 1, 2]


@pytest.mark.parametrize("how", ["--wait", "--sync", "--stream"])
def test_run_exits_with_1_if_the_job_failed(queue: LocalQueue, how: str) -> None:
    result = run(queue, "run", "demo", "-i", '{"fail": "too dark"}', how)
    assert result.code == 1
    assert "too dark" in result.stderr
    assert not result.stdout or result.json["status"] == "FAILED"


def test_status_output_stream_and_events(queue: LocalQueue) -> None:
    job_id = finished(queue, chunks=2)
    check_golden("status.json", run(queue, "status", "demo", job_id).stdout)
    check_golden("output.json", run(queue, "output", "demo", job_id).stdout)
    check_golden("stream.json", run(queue, "stream", "demo", job_id).stdout)
    check_golden("events.json", run(queue, "events", "demo", job_id).stdout)


def test_wait_prints_each_job_as_it_finishes(queue: LocalQueue) -> None:
    quick, slow = finished(queue), submit(queue, seconds=60)
    process = start(queue, "wait", "demo", slow, quick)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["id"] == quick
    assert run(queue, "cancel", "demo", slow).json["status"] == "CANCELLED"
    stdout, stderr = process.communicate(timeout=150)
    assert (process.returncode, json.loads(stdout)["status"]) == (1, "CANCELLED")
    assert f"Job {slow} is CANCELLED" in stderr


def test_wait_exits_with_1_if_one_job_failed(queue: LocalQueue) -> None:
    result = run(queue, "wait", "demo", finished(queue), finished(queue, fail="no light"))
    assert result.code == 1
    assert {line["status"] for line in result.lines} == {"COMPLETED", "FAILED"}
    assert "no light" in result.stderr


def test_retry_queues_a_failed_job_again(queue: LocalQueue) -> None:
    job_id = finished(queue, fail="once")
    assert run(queue, "retry", "demo", job_id).json["id"] == job_id
    refused = run(queue, "retry", "demo", finished(queue))
    assert refused.code == 1
    assert "only FAILED and TIMED_OUT jobs can be retried" in refused.stderr


def test_cancel_and_purge(idle_queue: LocalQueue) -> None:
    job_id = submit(idle_queue, text="waits")
    assert run(idle_queue, "cancel", "demo", job_id).json == {"id": job_id, "status": "CANCELLED"}
    submit(idle_queue, text="waits")
    refused = run(idle_queue, "purge", "demo")
    assert (refused.code, refused.stdout) == (2, "")
    assert "--yes" in refused.stderr
    check_golden("purge.json", run(idle_queue, "purge", "demo", "--yes").stdout)


def test_health(idle_queue: LocalQueue) -> None:
    result = run(idle_queue, "health", "demo")
    assert result.json.keys() == {"jobs", "workers"}


def test_health_watch_repeats_until_interrupted(idle_queue: LocalQueue) -> None:
    process = start(idle_queue, "health", "demo", "--watch", "--interval", "100ms")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline()).keys() == {"jobs", "workers"}
    assert json.loads(process.stdout.readline()).keys() == {"jobs", "workers"}
    process.send_signal(signal.SIGINT)
    assert "Traceback" not in process.communicate(timeout=150)[1]
    assert process.returncode == 130


def test_doctor_finds_everything(queue: LocalQueue) -> None:
    result = run(queue, "doctor", "demo", "--job", finished(queue))
    assert result.code == 0
    assert {check["name"]: check["ok"] for check in result.json["checks"]} == {
        "versions": True,
        "key": True,
        "URL": True,
        "endpoint": True,
        "clock": True,
        "long polling": True,
    }
    assert queue.api_key not in result.stdout + result.stderr


def test_doctor_without_a_key() -> None:
    result = run(None, "doctor")
    assert result.code == 3
    assert result.json["ok"] is False
    assert [check["name"] for check in result.json["checks"]] == ["versions", "key"]


def test_doctor_names_what_fails(idle_queue: LocalQueue) -> None:
    lost = run(idle_queue, "doctor", "demo", "--job", "lost")
    assert {check["name"]: check["ok"] for check in lost.json["checks"]}["long polling"] is False
    assert [check["name"] for check in lost.json["checks"]].count("endpoint") == 1
    for options, variables in (((), {"RUNPOD_ENDPOINT_BASE_URL": "nonsense"}), (("--profile", "lost"), {})):
        result = run(idle_queue, "doctor", *options, **variables)
        assert (result.code, result.json["checks"][-1]["name"]) == (2, "configuration")


def test_interrupted_wait_prints_how_to_reconnect(idle_queue: LocalQueue) -> None:
    job_id = submit(idle_queue, text="waits")
    process = start(idle_queue, "wait", "demo", job_id)
    held = idle_queue.held_requests
    while held == 0:
        held = idle_queue.held_requests
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=150)
    assert (process.returncode, stdout) == (130, "")
    assert f"runpod-typed wait demo {job_id}" in stderr
    assert "Traceback" not in stderr
    assert run(idle_queue, "status", "demo", job_id).json["status"] == "IN_QUEUE"


@pytest.mark.parametrize("how", ["--wait", "--stream", "--sync"])
def test_interrupted_run_cancels_if_asked_to(idle_queue: LocalQueue, how: str) -> None:
    cancelled = idle_queue.stats().cancelled
    process = start(idle_queue, "run", "demo", "-i", '{"text": 1}', how, "--cancel-on-interrupt")
    while idle_queue.held_requests == 0:
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    stderr = process.communicate(timeout=150)[1]
    assert process.returncode == 130
    assert "cancelled" in stderr
    assert "Traceback" not in stderr
    assert idle_queue.stats().cancelled == cancelled + 1


def test_interrupted_run_sync_names_the_job(idle_queue: LocalQueue) -> None:
    process = start(idle_queue, "run", "demo", "-i", '{"text": 1}', "--sync")
    while idle_queue.held_requests == 0:
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGINT)
    stderr = process.communicate(timeout=150)[1]
    assert process.returncode == 130
    assert without_ids(stderr).endswith("keeps running; reconnect with `runpod-typed wait demo sync-JOB`\n")
    assert "Traceback" not in stderr


def test_timeout_exits_with_4_and_says_how_to_reconnect(idle_queue: LocalQueue) -> None:
    result = run(idle_queue, "run", "demo", "-i", '{"text": 1}', "--wait", "--timeout", "500ms")
    assert result.code == 4
    assert "runpod-typed wait demo " in result.stderr


def test_timeout_limits_a_submission_without_waiting(idle_queue: LocalQueue) -> None:
    idle_queue.inject("latency", operation="run", seconds=30)
    result = run(idle_queue, "run", "demo", "-i", '{"text": 1}', "--timeout", "500ms")
    assert result.code == 5  # uncertain: the request was sent


def test_lost_response_exits_with_5(idle_queue: LocalQueue) -> None:
    idle_queue.inject("reset_after", operation="run")
    result = run(idle_queue, "run", "demo", "-i", '{"text": 1}')
    assert result.code == 5
    assert "SubmissionUncertainError" in result.stderr


def test_wrong_key_exits_with_3(idle_queue: LocalQueue) -> None:
    result = run(idle_queue, "health", "demo", RUNPOD_API_KEY="wrong-key")
    assert result.code == 3
    assert "wrong-key" not in result.stderr


def test_missing_key_exits_with_3() -> None:
    result = run(None, "health", "demo")
    assert (result.code, result.stdout) == (3, "")
    assert "RUNPOD_API_KEY" in result.stderr


def test_key_of_a_profile(idle_queue: LocalQueue, tmp_path: Path) -> None:
    file = tmp_path / ".config" / "runpod-typed" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'[local]\napi_key = "{idle_queue.api_key}"\nbase_url = "{idle_queue.base_url}"\n', "utf-8")
    assert run(None, "health", "demo", "--profile", "local", HOME=str(tmp_path)).code == 0
    file.write_text(f'\ufeff[local]\napi_key = "wrong"\nbase_url = "{idle_queue.base_url}"\n', "utf-8")
    wrong = run(None, "health", "demo", "--profile", "local", HOME=str(tmp_path))
    assert wrong.code == 3
    assert "Check the API key of the profile 'local'" in wrong.stderr
    file.write_text('[local]\napi_key = ""\n', "utf-8")
    empty = run(None, "health", "demo", "--profile", "local", HOME=str(tmp_path))
    assert "has an empty api_key" in empty.stderr
    unknown = run(None, "health", "demo", "--profile", "other", HOME=str(tmp_path))
    assert unknown.code == 2
    assert "'local'" in unknown.stderr
    assert idle_queue.api_key not in unknown.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["statsu", "demo"], "No such command"),
        (["run", "demo"], "give the input"),
        (["run", "demo", "-i", '{"a": 1,}'], "line 1, column 9"),
        (["run", "demo", "-i", "@no-such-file.json"], "No such file"),
        (["run", "demo", "-i", "9" * 5000], "4300 digits"),
        (["run", "demo", "-i", "{}"], "empty"),
        (["run", "de/mo", "-i", "1"], "invalid character"),
        (["run", "demo", "-i", "1", "--ttl", "1y"], "write 90s, 10m or 2h"),
        (["run", "demo", "-i", "1", "--sync", "--wait"], "exclude each other"),
    ],
)
def test_bad_usage_exits_with_2(idle_queue: LocalQueue, arguments: list[str], message: str) -> None:
    result = run(idle_queue, *arguments)
    assert (result.code, result.stdout) == (2, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("begin", ["", "\ufeff"], ids=["plain", "byte order mark"])
def test_input_is_utf_8_in_every_locale(tmp_path: Path, begin: str) -> None:
    path = tmp_path / "input.json"
    path.write_text(f'{begin}{{"text": "ü"}}', "utf-8")
    variables = environment(None, PYTHONIOENCODING="ascii")
    for source in ("-", f"@{path}"):
        with path.open("rb") as file:
            arguments = command("run", "demo", "-i", source, "--dry-run")
            written = subprocess.run(arguments, env=variables, stdin=file, stdout=subprocess.PIPE, check=True).stdout
        assert json.loads(written)["body"] == {"input": {"text": "ü"}}


@pytest.mark.parametrize("arguments", [("run", "demo", "-i", "-"), ("map", "demo", "-")])
def test_stdin_that_is_not_utf_8_is_refused(idle_queue: LocalQueue, arguments: tuple[str, ...]) -> None:
    ended = subprocess.run(
        command(*arguments), env=environment(idle_queue), input=b'"\xff"', capture_output=True, check=False
    )
    assert ended.returncode == 2
    assert b"standard input is not UTF-8" in ended.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_named(idle_queue: LocalQueue) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            command("health", "demo"), env=environment(idle_queue), stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (ended.returncode, ended.stderr) == (1, b"No space left on device.\n")


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
@pytest.mark.parametrize(("closed", "code"), [("<&-", 2), (">&-", 2), ("2>&-", 2)])
def test_closed_streams_are_empty(closed: str, code: int) -> None:
    line = f'"$@" {closed}'
    ended = subprocess.run(
        ["sh", "-c", line, "sh", *command("run", "demo", "-i", "-")],
        env=environment(None),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr


def test_dry_run_sends_nothing() -> None:
    options = ["--ttl", "1h", "--execution-timeout", "10m", "--low-priority", "--webhook", "https://example.com/done"]
    result = run(None, "run", "demo", "-i", '{"prompt": "ü"}', "--dry-run", *options)
    assert result.code == 0
    check_golden("dry_run.json", result.stdout)


def test_notes_keep_words_and_commands_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    note("The job did not finish within 3 s. To reconnect: runpod-typed wait local my-job-u1\n  Next line")
    assert capsys.readouterr().err.splitlines() == [
        "The job did not finish within 3 s. To",
        "reconnect:",
        "runpod-typed wait local my-job-u1",
        "  Next line",
    ]


def test_a_terminal_gets_readable_text(queue: LocalQueue) -> None:
    job_id = finished(queue, text="\x1b[31mred")
    ours, theirs = pty.openpty()
    with subprocess.Popen(command("status", "demo", job_id), env=environment(queue), stdout=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # Linux says so when the other end has closed
                break
            if not part:
                break
            shown += part
    os.close(ours)
    assert process.returncode == 0
    check_golden("status.txt", shown.decode().replace("\r\n", "\n"))
