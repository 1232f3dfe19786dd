"""Starting and stopping: ready when it says so, gone when it says so."""

import errno
import math
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from runpod_typed.local import Limit, LocalQueue, QueueStats
from runpod_typed.local._server.uvicorn_thread import listen
from tests.local.caller import Caller, eventually, in_background
from tests.open_things import OpenThings

pytestmark = pytest.mark.slow


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("runpod-typed")}


def test_listens_on_loopback_on_its_own_port() -> None:
    with LocalQueue() as one, LocalQueue() as other:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v2", one.base_url)
        assert one.base_url != other.base_url
        assert (one.endpoint_id, Caller(one).get("/health").status) == ("local", 200)


def test_stop_leaves_no_thread_or_listener() -> None:
    with LocalQueue(lambda job: 1, workers=3) as queue:
        client = Caller(queue)
        client.wait(client.run())
        assert len(threads()) == 4
    assert threads() == set()
    with pytest.raises(ConnectionRefusedError):
        client.get("/health")


def test_two_hundred_queues_leave_nothing_open() -> None:
    def use() -> None:
        with LocalQueue(lambda job: job["input"]) as queue:
            client = Caller(queue)
            assert client.wait(client.run())["status"] == "COMPLETED"

    use()  # what is opened once for all
    before, files = OpenThings.now(), open_files()
    for _ in range(200):
        use()
    assert before.more_now() == []
    assert open_files() == files


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_removes_home_of_worker_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    program = "import pathlib, time; print(pathlib.Path.home(), flush=True); time.sleep(60)"
    with LocalQueue(worker=[sys.executable, "-c", program], workers=2) as queue:
        output = eventually(lambda: queue.worker_output, lambda output: output.count("\n") == 2)
        assert {Path(home).parent for home in output.split()} == {tmp_path}
    assert list(tmp_path.iterdir()) == []


def test_use_during_stop_returns_or_raises() -> None:
    def look(queue: LocalQueue) -> str:
        try:
            while True:
                assert queue.held_requests == 0
        except RuntimeError as error:
            return str(error)

    for _ in range(20):
        with LocalQueue() as queue:
            said = in_background(partial(look, queue))
        assert said() == "the queue is not running"


def test_may_stop_twice_but_not_start_twice() -> None:
    queue = LocalQueue()
    assert queue.start() is queue
    with pytest.raises(RuntimeError, match="already"):
        queue.start()
    queue.stop()
    queue.stop()


def test_restarts_empty_on_same_port() -> None:
    queue = LocalQueue()
    with queue:
        url, job_id = queue.base_url, Caller(queue).run()
    with queue:
        assert queue.base_url == url
        assert Caller(queue).get(f"/status/{job_id}").status == 404


def test_port_in_use_raises_and_leaves_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        queue = LocalQueue(port=port)
        with pytest.raises(OSError, match=f"127.0.0.1 port {port}: .*in use") as caught:
            queue.start()
    assert caught.value.errno == errno.EADDRINUSE
    assert threads() == set()
    with queue:
        assert Caller(queue).get("/health").status == 200


def test_listens_on_other_address() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with LocalQueue(host="::1") as queue:
        assert queue.base_url.startswith("http://[::1]:")
        assert Caller(queue).get("/health").status == 200


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"api_key": ""}, "api_key"),
        ({"limits": {"nothing": Limit(1)}}, "nothing"),
        ({"worker": "handler.py"}, "worker must be a list"),
        ({"worker": []}, "worker must be a list"),
        ({"worker": ["x"], "handler": print}, "not both"),
        ({"handler": {}}, "handler"),
        ({"handler": 7}, "handler"),
    ],
)
def test_names_wrong_argument_before_start(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        LocalQueue(**arguments)


def test_only_stats_can_be_read_after_stop() -> None:
    queue = LocalQueue(lambda job: 1)
    with pytest.raises(RuntimeError, match="is not running"):
        queue.stats()
    with queue:
        client = Caller(queue)
        job_id = client.run()
        client.wait(job_id)
    stats = queue.stats()
    assert isinstance(stats, QueueStats)
    assert (stats.submitted, stats.completed, stats.executions) == (1, 1, {job_id: 1})
    with pytest.raises(RuntimeError, match="is not running"):
        queue.pause()


def test_paused_queue_keeps_jobs_waiting() -> None:
    with LocalQueue(lambda job: 1) as queue:
        queue.pause()
        client = Caller(queue)
        ids = [client.run() for _ in range(3)]
        assert client.get("/health").json["jobs"]["inQueue"] == 3
        queue.resume()
        assert {client.wait(job_id)["status"] for job_id in ids} == {"COMPLETED"}


def test_url_of_queue_that_was_not_started_raises() -> None:
    queue = LocalQueue(port=54321)
    for ask in (lambda: queue.base_url, queue.worker_environment):
        with pytest.raises(RuntimeError, match="the queue was not started"):
            ask()
    assert repr(queue) == "<LocalQueue 'local' (not started)>"


def test_enforces_rate_limits() -> None:
    with LocalQueue(limits={"purge_queue": Limit(2)}) as queue:
        client = Caller(queue)
        assert [client.post("/purge-queue").status for _ in range(3)] == [200, 200, 429]
        assert client.post("/purge-queue").json == {"error": "too many requests"}
        assert client.get("/health").status == 200
        queue.advance(10)
        assert client.post("/purge-queue").status == 200


def test_listening_socket_is_tcp() -> None:
    """Or else asyncio leaves Nagle's algorithm on, and every response comes 40 ms late."""
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_works_without_uvloop_and_httptools() -> None:
    program = Path(__file__).with_name("plain_server.py")
    ended = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=150, check=False)
    assert (ended.stdout, ended.stderr) == ("all is well\n", "")


def test_program_without_stop_ends() -> None:
    program = (
        "from runpod_typed.local import LocalQueue\n"
        "queue = LocalQueue(lambda job: 1, workers=2).start()\n"
        "print(queue.base_url)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=150, check=True)
    assert ended.stdout.startswith("http://127.0.0.1:")
    assert ended.stderr == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_forked_child_ends_without_the_queue() -> None:
    program = (
        "import os, sys\n"
        "from runpod_typed.local import LocalQueue\n"
        "queue = LocalQueue(lambda job: 1).start()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    try:\n"
        "        queue.stats()\n"
        "    except RuntimeError as error:\n"
        "        print(error)\n"
        "    sys.exit(7)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "print(queue.stats().submitted)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert ended.stdout == "the queue is not running in this process\n7\n0\n"


def test_import_needs_no_worker_sdk() -> None:
    program = (
        "import sys, runpod_typed.local; print(sorted({'runpod', 'requests', 'fastapi', 'aiohttp'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=150, check=True)
    assert ended.stdout == "[]\n"


NO_WHOLE_NUMBER: Final = ("1", b"1", None, True, 1.5, math.nan, math.inf, -1, [1])
NO_NUMBER: Final = ("1", b"1", None, True, math.nan, math.inf, -math.inf, -1, 10**400, [1], timedelta(seconds=1))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("workers", (*NO_WHOLE_NUMBER, 0)),
        ("port", (*NO_WHOLE_NUMBER, 65_536)),
        ("time_scale", (*NO_NUMBER, 0)),
        ("endpoint_id", (None, 5, b"local", "", "a/b")),
    ],
)
def test_bad_settings_are_refused_by_name(name: str, values: tuple[Any, ...]) -> None:
    for value in values:
        with pytest.raises(ValueError, match=name):
            LocalQueue(handler=str, **{name: value})


@pytest.mark.parametrize(
    ("method", "name", "values"),
    [
        ("advance", "seconds", NO_NUMBER),
        ("outage", "seconds", NO_NUMBER),
        ("throttle", "workers", NO_WHOLE_NUMBER),
    ],
)
def test_bad_arguments_are_refused_by_name(method: str, name: str, values: tuple[Any, ...]) -> None:
    queue = LocalQueue(handler=str)
    for value in values:
        with pytest.raises(ValueError, match=name):
            getattr(queue, method)(value)
