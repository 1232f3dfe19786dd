"""`serve`: workers, persistence, reload, and the ways in which it refuses to start."""

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from runpod_typed import Client, NotFoundError
from runpod_typed.local import LocalQueue
from tests.cli.commands import command, environment, run

pytestmark = pytest.mark.slow

WORKER = Path(__file__).with_name("worker.py")
IN_PROCESS = (
    "from importlib import util; find = util.find_spec; "
    "util.find_spec = lambda name, *more: None if name == 'runpod' else find(name, *more); "
    "from runpod_typed._cli import main; main()"
)


@contextmanager
def served(
    *arguments: str, program: list[str] | None = None, stderr: list[str] | None = None
) -> Generator[dict[str, Any]]:
    """Serve until the end of the block; nothing may be left. What it writes is added to `stderr`."""
    started = program or command()
    process = subprocess.Popen(
        [*started, "serve", *arguments, "--json"],
        env=environment(None),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGINT)
        written = process.communicate(timeout=150)[1]
        if stderr is not None:
            stderr.append(written)
    assert process.returncode == 130, written
    assert "Traceback" not in written


def client(places: dict[str, Any]) -> Client:
    return Client(places["api_key"], base_url=places["base_url"])


def test_serves_an_unchanged_worker_file() -> None:
    with served(str(WORKER)) as places, client(places) as ours:
        assert places.keys() == {"base_url", "api_key", "endpoint_id", "page_url"}
        output = ours.endpoint(places["endpoint_id"]).run_sync({"text": "hi"}, timeout=120)
        assert output == [{"chunk": 0, "text": "hi"}]
        assert "<title>Local queue</title>" in httpx.get(places["page_url"]).text


def test_serves_a_command() -> None:
    with served("--worker", f"{sys.executable} {WORKER}", "--endpoint", "mine") as places, client(places) as ours:
        assert ours.endpoint("mine").run_sync({"text": 1}, timeout=120) == [{"chunk": 0, "text": 1}]


def test_serves_a_handler_in_process_without_the_sdk(tmp_path: Path) -> None:
    file = tmp_path / "handler.py"
    start = "runpod.serverless.start({'handler': lambda job: job['input']})"
    file.write_text(f"import runpod, sys\nassert sys.argv == [__file__]\n{start}\n", "utf-8")
    with served(str(file), program=[sys.executable, "-c", IN_PROCESS]) as places, client(places) as ours:
        assert ours.endpoint("local").run_sync("in process", timeout=60) == "in process"


def test_prints_the_export_lines_and_a_first_job(tmp_path: Path) -> None:
    worker = Path(shutil.copy(WORKER, tmp_path))
    worker.with_name("test_input.json").write_text('{"input": {"text": "hi there"}}', "utf-8")
    process = subprocess.Popen(
        command("serve", str(worker)), env=environment(None), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    process.send_signal(signal.SIGTERM)
    noted = process.communicate(timeout=150)[1]
    assert "Page:" in noted
    assert """runpod-typed run local -i '{"text": "hi there"}' --wait""" in noted
    assert [line.partition("=")[0] for line in lines] == [
        "export RUNPOD_API_KEY",
        "export RUNPOD_ENDPOINT_BASE_URL",
    ]


CHATTY = """
import runpod
print("loading")

def handler(job):
    print(f"\\033[31mgot {job['input']}\\033[0m")
    return 1

runpod.serverless.start({"handler": handler})
"""


@pytest.mark.parametrize(
    ("options", "shown"),
    [((), ["{worker} | loading", "{worker} | got x"]), (("--quiet",), [])],
)
def test_prints_what_a_worker_writes(tmp_path: Path, options: tuple[str, ...], shown: list[str]) -> None:
    file = tmp_path / "handler.py"
    file.write_text(CHATTY, "utf-8")
    stderr: list[str] = []
    with served(str(file), *options, stderr=stderr) as places, client(places) as ours:
        worker = ours.endpoint("local").run_sync_state("x", timeout=120).worker_id
    lines = [line for line in "".join(stderr).splitlines() if "loading" in line or "got" in line]
    assert lines == [line.format(worker=worker) for line in shown]


def test_handler_in_process_prints_to_stderr(tmp_path: Path) -> None:
    jobs = tmp_path / "jobs.db"
    with LocalQueue(persist=jobs) as queue, Client(queue.api_key, base_url=queue.base_url) as ours:
        ours.endpoint("local").run("early")  # runs before the addresses are printed
    file = tmp_path / "handler.py"
    file.write_text(CHATTY, "utf-8")
    stderr: list[str] = []
    program = [sys.executable, "-c", IN_PROCESS]
    with served(str(file), "--persist", str(jobs), program=program, stderr=stderr) as places, client(places) as ours:
        ours.endpoint("local").run_sync("x", timeout=60)
    assert all(printed in stderr[0] for printed in ("loading", "got early", "got x"))


def test_limits_faults_and_time_scale_act() -> None:
    idle = ("--worker", f"{sys.executable} -c 'import time; time.sleep(600)'")
    options = ("--limits", "published", "--faults", "server_error", "--time-scale", "0.0001")
    with served(*idle, *options) as places:
        http = httpx.Client(
            base_url=f"{places['base_url']}/local", headers={"Authorization": f"Bearer {places['api_key']}"}
        )
        with http:
            while http.get("/health").status_code < 500:
                pass
            while http.post("/purge-queue").status_code != 429:
                pass
            body = {"input": 1, "policy": {"ttl": 10_000}}
            job_id = ""
            while not job_id:
                job_id = http.post("/run", json=body).json().get("id", "")
            while http.get(f"/status/{job_id}").status_code != 404:  # after a millisecond
                pass


def test_keeps_jobs_over_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    idle = ("--worker", f"{sys.executable} -c 'import time; time.sleep(600)'", "--persist", str(file))
    with served(*idle) as places, client(places) as ours:
        waiting = ours.endpoint("local").run({"text": "waits"}).id
        cancelled = ours.endpoint("local").run({"text": "cancelled"})
        cancelled.cancel()
        purged = ours.endpoint("local").run({"text": "gone"})
        locked = run(None, "serve", *idle)
        assert locked.code == 2
        assert "another queue uses it" in locked.stderr
        ours.endpoint("local").job(purged.id).status(ttl=0.001)
        with pytest.raises(NotFoundError):
            while True:
                ours.endpoint("local").job(purged.id).status()
    with served(str(WORKER), "--persist", str(file)) as places, client(places) as ours:
        endpoint = ours.endpoint("local")
        assert endpoint.job(waiting).output(timeout=120) == [{"chunk": 0, "text": "waits"}]
        assert endpoint.job(cancelled.id).status() == "CANCELLED"
        with pytest.raises(NotFoundError):
            endpoint.job(purged.id).status()


def test_reload_restarts_the_workers(tmp_path: Path) -> None:
    file = tmp_path / "handler.py"
    text = "import runpod\nrunpod.serverless.start({'handler': lambda job: 'first'})\n"
    file.write_text(text, "utf-8")
    with served(str(file), "--reload") as places, client(places) as ours:
        endpoint = ours.endpoint("local")
        assert endpoint.run_sync(1, timeout=120) == "first"
        file.write_text(text.replace("first", "second"), "utf-8")
        while endpoint.run_sync(1, timeout=120) != "second":
            pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Name a handler file or --worker"),
        (["no-such-file.py"], "There is no file no-such-file.py"),
        ([str(WORKER), "--limits", "none"], "--limits must be published"),
        ([str(WORKER), "--faults", "unknown"], "unknown fault kind"),
        ([str(WORKER), "--time-scale", "0"], "--time-scale must be"),
        ([str(WORKER), "--endpoint", "a/b"], "--endpoint 'a/b' must match"),
        ([str(WORKER), "--persist", __file__], "not a database"),
        (["--worker", " "], "--worker is empty"),
        (["--worker", "'"], "--worker is not a command"),
    ],
)
def test_refuses_what_cannot_work(arguments: list[str], message: str) -> None:
    result = run(None, "serve", *arguments)
    assert (result.code, result.stdout) == (2, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_refuses_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        result = run(None, "serve", str(WORKER), "--port", port)
    assert result.code == 2
    assert f"cannot listen on 127.0.0.1 port {port}" in result.stderr


@pytest.mark.parametrize("line", ["runpod.RunPodLogger()", "from runpod.serverless.utils import rp_cuda"])
def test_tells_that_a_file_needs_the_sdk(tmp_path: Path, line: str) -> None:
    file = tmp_path / "handler.py"
    file.write_text(f"import runpod\n{line}\n", "utf-8")
    ended = subprocess.run(
        [sys.executable, "-c", IN_PROCESS, "serve", str(file)],
        env=environment(None),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "pip install runpod" in ended.stderr


@pytest.mark.parametrize("program", [command(), [sys.executable, "-c", IN_PROCESS]], ids=["sdk", "in process"])
@pytest.mark.parametrize(
    ("source", "message"),
    [("x = 1\n", "runpod.serverless.start"), ("raise LookupError('no weights')\n", "LookupError: no weights")],
)
def test_refuses_a_file_without_a_handler(tmp_path: Path, program: list[str], source: str, message: str) -> None:
    file = tmp_path / "handler.py"
    file.write_text(source, "utf-8")
    ended = subprocess.run(
        [*program, "serve", str(file)], env=environment(None), capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "runpod_typed/_cli" not in ended.stderr
