"""Runpod's own worker SDK, unchanged, as subprocesses of the queue."""

import json
import logging
import operator
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from runpod_typed.local import FaultKind, LocalQueue
from runpod_typed.local._workers import process_worker
from runpod_typed.local._workers.process_worker import WorkerFailure, diagnose_exit
from tests.local.caller import Caller, eventually, in_background

pytestmark = pytest.mark.slow

WORKER = str(Path(__file__).with_name("sdk_worker.py"))


def command(kind: str) -> list[str]:
    return [sys.executable, WORKER, kind]


@pytest.fixture(scope="module", autouse=True)
def home_of_a_developer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home directory with a key in the place where the worker SDK would prefer it to the queue's token."""
    home = tmp_path_factory.mktemp("home")
    (home / ".runpod").mkdir()
    (home / ".runpod" / "config.toml").write_text('[default]\napi_key = "a-key-for-the-real-platform"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("RUNPOD_LOG_LEVEL", "INFO")
        yield


class Queues(dict[str, LocalQueue]):
    """A queue for each kind of handler, started when a test asks for it."""

    def __missing__(self, kind: str) -> LocalQueue:
        self[kind] = LocalQueue(worker=command(kind)).start()
        return self[kind]


@pytest.fixture(scope="module")
def queues() -> Iterator[Queues]:
    queues = Queues()
    yield queues
    for ended in [in_background(queue.stop) for queue in queues.values()]:
        ended()


@pytest.fixture
def plain(queues: Queues) -> Caller:
    return Caller(queues["plain"])


def do(client: Caller, action: str, /, **details: object) -> Any:
    """Have the worker do something; the job when it is finished."""
    return client.wait(client.run({"do": action} | details))


def test_runs_job_and_returns_output(plain: Caller) -> None:
    shown = do(plain, "echo", what={"text": "é 50% a=b&c", "none": None})
    assert (shown["status"], shown["output"]) == ("COMPLETED", {"echo": {"text": "é 50% a=b&c", "none": None}})
    assert list(shown) == ["delayTime", "executionTime", "id", "output", "status", "workerId"]


def test_empty_output_is_absent(plain: Caller) -> None:
    assert "output" not in do(plain, "nothing")


def test_exception_is_json_in_error(plain: Caller) -> None:
    shown = do(plain, "raise", what="no prompt")
    assert shown["status"] == "FAILED"
    error = json.loads(shown["error"])
    assert (error["error_type"], error["error_message"]) == ("<class 'ValueError'>", "no prompt")
    assert "on_demand" in error["error_traceback"]
    assert error["worker_id"] == shown["workerId"]


@pytest.mark.parametrize("what", ["plain text", {"code": 7}])
def test_returned_error_fails_job_and_keeps_output(plain: Caller, what: object) -> None:
    shown = do(plain, "error", what=what)
    assert (shown["status"], shown["error"], shown["output"]) == ("FAILED", what, {"partial": 1})


def test_progress_shows_while_running(plain: Caller) -> None:
    job_id = plain.run({"do": "progress", "what": "4/10"})
    shown = plain.until(f"/status/{job_id}", lambda shown: "output" in shown)
    assert (shown["status"], shown["output"]) == ("IN_PROGRESS", {"done": "4/10"})
    assert plain.wait(job_id)["output"] == "finished"


def test_cancel_stops_job_and_worker_continues(queues: Queues, plain: Caller) -> None:
    job_id = plain.run({"do": "sleep"})
    plain.until(f"/status/{job_id}", lambda shown: shown["status"] == "IN_PROGRESS")
    plain.post(f"/cancel/{job_id}")
    eventually(lambda: queues["plain"].worker_output, lambda output: f"STOPPED {job_id}" in output)
    assert do(plain, "echo", what=1)["status"] == "COMPLETED"
    assert plain.get(f"/status/{job_id}").json["status"] == "CANCELLED"


def test_execution_timeout_stops_job(queues: Queues, plain: Caller) -> None:
    job_id = plain.run({"do": "sleep"}, policy={"executionTimeout": 5000})
    plain.until(f"/status/{job_id}", lambda shown: shown["status"] == "IN_PROGRESS")
    queues["plain"].advance(5)
    assert plain.wait(job_id)["status"] == "TIMED_OUT"
    eventually(lambda: queues["plain"].worker_output, lambda output: f"STOPPED {job_id}" in output)


def test_replaces_worker_that_blocks_after_cancel(
    plain: Caller, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_worker, "STOP_SECONDS", 0.1)
    job_id = plain.run({"do": "block"})
    plain.until(f"/status/{job_id}", lambda shown: shown["status"] == "IN_PROGRESS")
    plain.post(f"/cancel/{job_id}")
    assert do(plain, "echo", what=1)["status"] == "COMPLETED"
    assert [message.partition(" ")[2].partition(" ")[2] for message in caplog.messages] == [
        f"does not stop job {job_id} and is replaced."
    ]


def test_empty_object_input_ends_as_timeout(queues: Queues, plain: Caller) -> None:
    job_id = plain.run({})
    for dispatches in (1, 2):
        eventually(lambda: queues["plain"].stats().executions.get(job_id), partial(operator.eq, dispatches))
        queues["plain"].advance(46)
    shown = plain.wait(job_id)
    assert (shown["status"], shown["error"]) == ("FAILED", "job timed out after 1 retries")
    eventually(lambda: queues["plain"].worker_output, lambda output: "missing field(s): id or input" in output)


def test_refresh_worker_replaces_process(plain: Caller) -> None:
    before = do(plain, "refresh")
    after = do(plain, "pid")
    assert before["output"]["pid"] != after["output"]
    assert before["workerId"] != after["workerId"]


def test_replaces_dead_worker_and_retries_job(plain: Caller, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "runpod_typed.local"):
        shown = do(plain, "die")
    assert (shown["status"], shown["error"], shown["retries"]) == ("FAILED", "job timed out after 1 retries", 1)
    assert "ended with code 3" in caplog.text
    assert do(plain, "echo", what=1)["status"] == "COMPLETED"


def test_worker_death_fault_kills_process(queues: Queues, plain: Caller) -> None:
    queues["plain"].inject("worker_death")
    shown = do(plain, "echo", what=1)
    assert (shown["status"], shown["retries"]) == ("COMPLETED", 1)


@pytest.mark.parametrize(("kind", "output"), [("generator", []), ("aggregate", [{"n": 0}, {"n": 1}, {"n": 2}])])
def test_generator_streams_and_aggregates_if_configured(queues: Queues, kind: str, output: object) -> None:
    client = Caller(queues[kind])
    job_id = client.run({"count": 3})
    shown = client.wait(job_id)
    assert (shown["status"], shown["output"]) == ("COMPLETED", output)
    stream = client.get(f"/stream/{job_id}").json
    assert stream == {"status": "COMPLETED", "stream": [{"output": {"n": number}} for number in range(3)]}


@pytest.mark.parametrize("kind", ["generator", "aggregate"])
def test_generator_exception_fails_job_after_chunks(queues: Queues, kind: str) -> None:
    client = Caller(queues[kind])
    job_id = client.run({"count": 1, "raise": True})
    shown = client.wait(job_id)
    assert (shown["status"], "output" in shown) == ("FAILED", False)
    assert shown["error"].startswith("handler: no more \ntraceback: Traceback (most recent call last):")
    assert client.get(f"/stream/{job_id}").json == {"status": "FAILED", "stream": [{"output": {"n": 0}}]}


def test_worker_takes_several_jobs(queues: Queues) -> None:
    client = Caller(queues["concurrent"])
    ids = [client.run({"n": number}) for number in range(3)]
    jobs = [client.wait(job_id) for job_id in ids]
    assert {job["status"] for job in jobs} == {"COMPLETED"}
    assert {job["output"] for job in jobs} == {3}
    assert len({job["workerId"] for job in jobs}) == 1


def test_configured_refresh_replaces_process(queues: Queues) -> None:
    client = Caller(queues["refreshing"])
    before, after = do(client, "pid"), do(client, "pid")
    assert before["output"] != after["output"]


def test_stop_ends_blocking_workers_and_helpers(caplog: pytest.LogCaptureFixture) -> None:
    with LocalQueue(worker=command("plain"), workers=2) as queue:
        client = Caller(queue)
        assert client.get("/health").json["workers"]["initializing"] == 2
        client.until("/health", lambda health: health["workers"]["idle"] == 2)
        ids = [client.run({"do": "block"}) for _ in range(2)]
        for job_id in ids:
            client.until(f"/status/{job_id}", lambda shown: shown["status"] == "IN_PROGRESS")
        pids = queue.worker_pids
        assert len(pids) == 2
        groups = [os.getpgid(pid) for pid in pids]
    for group in groups:
        eventually(partial(is_there, group), operator.not_)
    assert caplog.text == ""


def is_there(group: int) -> bool:
    """Tell if a process of the group is left (the SDK's heartbeat has one of its own)."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found by their environment in /proc")
def test_a_worker_ends_if_its_program_ends_at_its_start() -> None:
    program = (
        "import os, signal, subprocess\n"
        "from runpod_typed.local._workers.process_worker import kill_on_parent_exit\n"
        "with kill_on_parent_exit('MARKER=of-a-test'):\n"
        "    worker = subprocess.Popen(['/bin/sleep', '60'], env={'MARKER': 'of-a-test'}, start_new_session=True)\n"
        "    print(worker.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
    eventually(partial(is_there, pid), operator.not_)


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_worker_does_not_outlive_the_program(signal_: signal.Signals) -> None:
    program = (
        "import signal, sys, time\n"
        "from runpod_typed.local import LocalQueue\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # the runner of the tests may ignore it
        "queue = LocalQueue(worker=[sys.executable, '-c', 'import time; print(1); time.sleep(60)']).start()\n"
        "while not queue.worker_output:\n"
        "    time.sleep(0.01)\n"
        "print(*queue.worker_pids, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.send_signal(signal_)
    eventually(partial(is_there, pid), operator.not_)


def test_reports_failed_worker_with_its_output(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.WARNING, "runpod_typed.local"),
        LocalQueue(worker=[sys.executable, "-c", "import no_such_module"]) as queue,
    ):
        eventually(lambda: caplog.text, lambda text: "No module named 'no_such_module'" in text)
        assert "No module named 'no_such_module'" in queue.worker_output
        assert Caller(queue).get("/health").status == 200


def test_broken_worker_is_logged_once_and_unhealthy(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    script = tmp_path / "handler.py"
    script.write_text("def handler(job)\n")
    with (
        caplog.at_level(logging.WARNING, "runpod_typed.local"),
        LocalQueue(worker=[sys.executable, str(script)]) as queue,
    ):
        eventually(lambda: caplog.messages, lambda messages: len(messages) > 1)
        assert Caller(queue).get("/health").json["workers"]["unhealthy"] == 1
    first, second, *_ = caplog.messages
    assert f"{script}) ended with code 1 before it asked for a job. The next one starts in" in first
    assert f'File "{script}", line 1' in first
    assert first.count("SyntaxError") == 1
    assert "ended once more, for the same reason" in second


@pytest.mark.parametrize(
    ("code", "words", "asked", "reason"),
    [
        (0, "", True, None),
        (3, "", True, "ended with code 3"),
        (-9, "Killed\n", True, "ended with code -9"),
        (0, "", False, "ended with code 0 before it asked for a job (does it call runpod.serverless.start?)"),
        (
            1,
            "ModuleNotFoundError: No module named 'runpod'\n",
            False,
            "ended with code 1 before it asked for a job, because its Python has no worker SDK (pip install runpod)",
        ),
    ],
)
def test_diagnoses_exit_of_worker(code: int, words: str, asked: bool, reason: str | None) -> None:
    failure = None if reason is None else WorkerFailure(reason, words, asked)
    assert diagnose_exit(code, words, asked=asked) == failure


def test_reports_missing_program(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "runpod_typed.local"), LocalQueue(worker=["/no/such/program"]):
        eventually(lambda: caplog.text, lambda text: "/no/such/program" in text)


def test_heartbeats_take_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with LocalQueue(worker=command("plain")) as queue:
        queue.inject("latency", operation="ping", seconds=0)
        eventually(lambda: queue.faults_injected, lambda injected: injected.get(FaultKind.LATENCY) == 1)


def test_worker_environment_connects_any_worker() -> None:
    with LocalQueue() as queue:
        client = Caller(queue)
        process = subprocess.Popen(
            command("plain"),
            env=dict(os.environ) | {"HOME": "/nowhere"} | queue.worker_environment("mine"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            assert do(client, "echo", what=1)["workerId"] == "mine"
        finally:
            process.terminate()
            queue.stop()
            process.wait(20)
