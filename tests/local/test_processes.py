"""Worker processes that leave others behind: the queue always stops. No worker SDK is needed."""

import logging
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from runpod_typed.local import LocalQueue
from runpod_typed.local._runtime import KEPT_LINES
from runpod_typed.local._workers import process_tree, process_worker
from tests.local.caller import Caller, eventually

STAY = "import time; time.sleep(600)\n"
IGNORE_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
OWN_SESSION = (
    "import subprocess, sys\n"
    f"child = subprocess.Popen([sys.executable, '-c', {STAY!r}], start_new_session=True)\n"
    "print('child', child.pid, flush=True)\n"
)
DOUBLE_FORK = (  # its parent is gone
    "import os, sys\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork() == 0:\n"
    "        print('child', os.getpid(), flush=True)\n"
    f"        os.execve(sys.executable, ['python', '-c', {STAY!r}], ENVIRONMENT)\n"
    "    os._exit(0)\n"
    "os.wait()\n"
)
HIDDEN = DOUBLE_FORK.replace("ENVIRONMENT", "{}")
DAEMON = DOUBLE_FORK.replace("ENVIRONMENT", "os.environ")
LEFT = [OWN_SESSION, DAEMON]
INTERRUPTED = (
    "import os, signal, socket, sys, threading, time\n"
    "from runpod_typed.local import LocalQueue\n"
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    f"queue = LocalQueue(worker=[sys.executable, '-c', {IGNORE_SIGTERM + OWN_SESSION + STAY!r}]).start()\n"
    "while 'child' not in queue.worker_output:\n"
    "    time.sleep(0.01)\n"
    "print(queue.worker_output.split()[1], *queue.worker_pids, flush=True)\n"
    "threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")]


def worker(program: str) -> LocalQueue:
    return LocalQueue(worker=[sys.executable, "-c", program])


def run(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)


def child_of(queue: LocalQueue, number: int = 1) -> int:
    """Return the id of the process that the worker left behind."""
    output = eventually(lambda: queue.worker_output, lambda output: output.count("child ") >= number)
    return int(output.split("child ")[number].split()[0])


def is_running(process_id: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process_id)], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] not in {"", "Z"}


def wait_for_end(process_id: int) -> None:
    eventually(partial(is_running, process_id), lambda running: not running)


@pytest.mark.parametrize("left", LEFT)
@pytest.mark.parametrize("program", [STAY, IGNORE_SIGTERM + STAY, ""])
def test_stop_ends_processes_in_their_own_session(left: str, program: str) -> None:
    with worker(left + program) as queue:
        child = child_of(queue)
    wait_for_end(child)
    assert queue.worker_pids == ()


@pytest.mark.parametrize("left", LEFT)
def test_dead_worker_is_replaced_in_spite_of_its_children(left: str) -> None:
    with worker(left + STAY) as queue:
        first = child_of(queue)
        (process_id,) = queue.worker_pids
        os.kill(process_id, signal.SIGKILL)
        second = child_of(queue, 2)
        wait_for_end(first)
    wait_for_end(second)


def test_a_process_that_the_first_search_misses_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", STAY], start_new_session=True) as missed:
        searches = iter([set[int](), {missed.pid}, set[int](), set[int]()])

        def search(_root: int, _marker: str) -> set[int]:
            return next(searches)

        monkeypatch.setattr(process_tree, "descendants", search)
        with subprocess.Popen([sys.executable, "-c", ""], start_new_session=True) as ended:
            ended.wait()
            process_tree.kill_tree(ended.pid, "NAME=value")
        assert missed.wait(30) == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("left", LEFT)
@pytest.mark.parametrize("end", ["", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n"])
def test_children_do_not_outlive_the_program(left: str, end: str) -> None:
    ended = run(
        "import sys, time\n"
        "from runpod_typed.local import LocalQueue\n"
        f"queue = LocalQueue(worker=[sys.executable, '-c', {left + STAY!r}]).start()\n"
        "while 'child' not in queue.worker_output:\n"
        "    time.sleep(0.01)\n"
        "print(queue.worker_output, flush=True)\n" + end
    )
    wait_for_end(int(ended.stdout.split()[1]))


def test_warns_of_process_that_cannot_be_found(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process_worker, "OUTPUT_SECONDS", 0.2)
    queue = worker(HIDDEN + STAY).start()
    child = child_of(queue)
    try:
        with pytest.warns(RuntimeWarning, match="a process that worker .* started still runs and could not be found"):
            queue.stop()
        assert "it holds the worker's output open" in caplog.text
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.slow
def test_stop_can_be_repeated_after_ctrl_c() -> None:
    ended = run(
        INTERRUPTED + "port = int(queue.base_url.split(':')[2].split('/')[0])\n"
        "try:\n"
        "    queue.stop()\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
        "queue.stop()\n"
        "queue.stop()\n"
        "print(queue.worker_pids, [thread.name for thread in threading.enumerate()])\n"
        "try:\n"
        "    socket.create_connection(('127.0.0.1', port))\n"
        "except ConnectionRefusedError:\n"
        "    print('stopped')\n"
    )
    processes, *said = ended.stdout.splitlines()
    assert (said, ended.stderr) == (["interrupted", "() ['MainThread']", "stopped"], "")
    for process_id in processes.split():
        wait_for_end(int(process_id))


@pytest.mark.slow
def test_interrupted_stop_is_finished_at_exit() -> None:
    ended = run(INTERRUPTED + "queue.stop()\ntime.sleep(60)\n")
    assert "KeyboardInterrupt" in ended.stderr
    for process_id in ended.stdout.split():
        wait_for_end(int(process_id))


def test_endless_line_of_output_is_cut() -> None:
    program = "import sys; sys.stdout.write('x' * 20_000_000); sys.stdout.flush(); print('end', flush=True)\n"
    with worker(program + STAY) as queue:
        output = eventually(lambda: queue.worker_output, lambda output: "end" in output)
    assert len(output) <= KEPT_LINES * process_worker.LINE_CAP


def test_last_output_of_failed_worker_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "runpod_typed.local"), worker("raise SystemExit('no model')"):
        eventually(lambda: caplog.text, lambda text: "Its last output:\nno model" in text)


def test_restart_between_two_processes_starts_one_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_worker, "FIRST_RESTART_PAUSE", 600.0)
    mended = tmp_path / "mended"
    program = (
        f"import os, sys, urllib.request\nif not os.path.exists({str(mended)!r}):\n    sys.exit('broken')\n"
        "url = os.environ['RUNPOD_WEBHOOK_GET_JOB'].replace('$ID', os.environ['RUNPOD_POD_ID'])\n"
        "request = urllib.request.Request(url, headers={'Authorization': os.environ['RUNPOD_AI_API_KEY']})\n"
        "print('took', urllib.request.urlopen(request).read(), flush=True)\n"
    )
    with worker(program + STAY) as queue:
        eventually(lambda: queue.workers_failed, bool)
        mended.touch()
        queue.restart_workers()
        Caller(queue).run({"prompt": "a dot"})
        eventually(lambda: queue.worker_output, lambda output: "a dot" in output)


def test_worker_gets_no_endpoint_or_key_of_the_cloud() -> None:
    variables = {"RUNPOD_POD_ID": "w", "RUNPOD_WEBHOOK_PING": "http://[::1]:8000/ping"}
    kept = {"RUNPOD_LOG_LEVEL": "INFO"}
    dropped = {"RUNPOD_API_KEY": "rpa_x", "RUNPOD_ENDPOINT_ID": "abc", "RUNPOD_REALTIME_PORT": "80"}
    found = process_worker.process_environment(variables, "/home", kept | dropped)
    assert {name: found[name] for name in found if name.startswith("RUNPOD_")} == kept | variables


@pytest.mark.parametrize(
    ("inherited", "expected"),
    [({}, "127.0.0.1"), ({"NO_PROXY": "a"}, "a,127.0.0.1"), ({"no_proxy": "b", "NO_PROXY": "a"}, "b,127.0.0.1")],
)
def test_worker_reaches_queue_without_proxy(inherited: dict[str, str], expected: str) -> None:
    variables = {"RUNPOD_WEBHOOK_PING": "http://127.0.0.1:8000/ping"}
    found = process_worker.process_environment(variables, "/home", inherited)
    assert found["no_proxy"] == found["NO_PROXY"] == expected
