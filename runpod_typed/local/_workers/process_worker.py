"""Real workers: subprocesses that run the worker SDK, restarted when they end, and ended with the queue."""

import asyncio
import logging
import os
import secrets
import shlex
import site
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

from attrs import frozen

from runpod_typed.local._runtime import QueueRuntime
from runpod_typed.local._threads import DaemonThread
from runpod_typed.local._workers.process_tree import kill_tree

HEARTBEAT_SECONDS: Final = 1  # the shortest that the SDK supports
LINE_CAP: Final = 8192  # characters
NOT_INHERITED: Final = {"RUNPOD_API_KEY", "RUNPOD_ENDPOINT_ID", "RUNPOD_REALTIME_PORT"}
REPORTED_LINES: Final = 20
TERMINATE_SECONDS: Final = 2.0
TERMINATE_IDLE_SECONDS: Final = 0.5  # the SDK takes 1 or 2 to end, even when idle
KILL_SECONDS: Final = 5.0
OUTPUT_SECONDS: Final = 1.0
REPLACE_SECONDS: Final = 30.0
STOP_SECONDS: Final = 5.0
FIRST_RESTART_PAUSE: Final = 0.1
LONGEST_RESTART_PAUSE: Final = 5.0
HEALTHY_SECONDS: Final = 5.0
CRASH_SECONDS: Final = 0.05

logger = logging.getLogger("runpod_typed.local")


def worker_variables(endpoint_url: str, worker_id: str, token: str) -> dict[str, str]:
    """Return the environment variables by which the worker SDK finds its queue and its identity."""
    reports = "$RUNPOD_POD_ID/$ID?gpu=local"
    return {
        "RUNPOD_WEBHOOK_GET_JOB": f"{endpoint_url}/job-take/$ID?gpu=local",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{endpoint_url}/job-done/{reports}",
        "RUNPOD_WEBHOOK_POST_STREAM": f"{endpoint_url}/job-stream/{reports}",
        "RUNPOD_WEBHOOK_PING": f"{endpoint_url}/ping/$RUNPOD_POD_ID",
        "RUNPOD_PING_INTERVAL": str(HEARTBEAT_SECONDS * 1000),
        "RUNPOD_POD_ID": worker_id,
        "RUNPOD_AI_API_KEY": token,
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        "RUNPOD_SKIP_GPU_CHECK": "true",
    }


def process_environment(variables: Mapping[str, str], home: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of a worker process.

    It gets a home directory without `~/.runpod/config.toml`, whose key would win over the token; caches and packages of
    the real home are still found. An endpoint's id in the cloud would change the form of the log. A proxy would stop
    the heartbeats, and the queue would give each job of more than 45 s to another worker.
    """
    kept = {name: value for name, value in inherited.items() if name not in NOT_INHERITED}
    caches = {
        "XDG_CACHE_HOME": str(Path.home() / ".cache"),
        "PYTHONUSERBASE": site.getuserbase(),
        "PYTHONUNBUFFERED": "1",
    }
    hosts = (
        inherited.get("no_proxy") or inherited.get("NO_PROXY"),
        urlsplit(variables["RUNPOD_WEBHOOK_PING"]).hostname,
    )
    names = ("no_proxy", "NO_PROXY") if os.name == "posix" else ("NO_PROXY",)  # elsewhere they are one
    unproxied = dict.fromkeys(names, ",".join(filter(None, hosts)))
    return caches | kept | unproxied | dict(variables) | {"HOME": home, "USERPROFILE": home}


@contextmanager
def kill_on_parent_exit(marker: str) -> Generator[Callable[[int], None]]:
    """Within the block, let a shell kill a process and its descendants when this process ends in any way.

    A worker without a queue asks for jobs in a busy loop. The shell waits for the end of a pipe that only this process
    holds open; it runs before the worker does, so that no worker is missed. The block gets a function that tells it the
    worker's process group. Without a shell, there is no such protection.
    """
    script = (
        'read -r group; read -r _; [ -z "$group" ] || kill -9 "-$group"; for f in /proc/[0-9]*/environ; do '
        'grep -qsF "$1" "$f" && p=${f#/proc/} && kill -9 "${p%/environ}"; done'
    )
    try:
        guard = subprocess.Popen(
            ["/bin/sh", "-c", script, "sh", marker],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        yield lambda _group: None
        return

    stdin = guard.stdin
    assert stdin is not None  # noqa: S101 -- a pipe was asked for

    def tell(group: int) -> None:
        with suppress(OSError):  # it was killed
            os.write(stdin.fileno(), f"{group}\n".encode())

    with guard:
        try:
            yield tell
        finally:
            guard.kill()  # before its pipe closes: the number of the group may be in use again


@frozen
class WorkerFailure:
    """An unexpected end of a worker; `reason` is the rest of a sentence about it, `output` its last lines."""

    reason: str
    output: str = ""
    asked: bool = False


def diagnose_exit(code: int, output: str, *, asked: bool) -> WorkerFailure | None:
    """Return the failure of a worker that ended by itself, if any; `asked` says if it ever asked for a job."""
    if code == 0 and asked:
        return None  # as the SDK ends after a job if it is configured to refresh its worker
    reason = f"ended with code {code}"
    if not asked:
        reason += " before it asked for a job"
        if "No module named 'runpod'" in output:
            reason += ", because its Python has no worker SDK (pip install runpod)"
        elif code == 0:
            reason += " (does it call runpod.serverless.start?)"
    return WorkerFailure(reason, output, asked)


class ProcessWorker:
    """A worker process, followed by another when it ends. `loop` is the queue's event loop."""

    def __init__(
        self,
        command: Sequence[str],
        endpoint_url: str,
        token: str,
        runtime: QueueRuntime,
        loop: asyncio.AbstractEventLoop,
        *,
        on_output: Callable[[str, str], object] | None = None,
    ) -> None:
        self._on_output = on_output
        self._command = list(command)
        self._endpoint_url = endpoint_url
        self._token = token
        self._runtime = runtime
        self._loop = loop
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        """Ends the pause before the next process."""
        self._kill_at = 0.0
        self._process: subprocess.Popen[str] | None = None
        self._killed: subprocess.Popen[str] | None = None
        self._reported: WorkerFailure | None = None
        self._warnings: list[str] = []
        self.worker_id = ""
        self._thread = DaemonThread(self._supervise, "runpod-typed worker supervisor")

    # Called from other threads.

    def start(self) -> None:
        """Start the first process."""
        self._add_worker(healthy=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the process to end, and start no other. May be repeated."""
        if not self._stopping.is_set():
            worker = self._runtime.engine.workers.get(self.worker_id)
            busy = worker is not None and worker.jobs
            self._kill_at = time.monotonic() + (TERMINATE_SECONDS if busy else TERMINATE_IDLE_SECONDS)
            self._stopping.set()
            self._hurry.set()
        self._terminate()

    def join(self) -> list[str]:
        """Return when the process is gone; it is killed if it takes too long. May be repeated."""
        if not self._thread.wait(max(0.0, self._kill_at - time.monotonic())):
            self.kill()
        if not self._thread.wait(KILL_SECONDS):
            return [*self._warnings, f"worker {self.worker_id} (process {self.pid}) could not be ended"]
        return self._warnings

    @property
    def failed(self) -> bool:
        """True if its last process ended before it asked for a job."""
        return self._reported is not None and not self._reported.asked

    @property
    def pid(self) -> int | None:
        """The id of the running process."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def kill(self) -> None:
        """Kill the process and its descendants; another one follows."""
        process = self._killed = self._process
        if process is not None:
            kill_tree(process.pid, self._marker)

    def stop_job(self, job_id: str) -> None:
        """Replace the worker if it does not stop the job: one that blocks does not ask for stops."""
        self._loop.call_later(STOP_SECONDS, self._kill_if_unresponsive, self._process, self.worker_id, job_id)

    def replace(self) -> None:
        """End the worker after its present jobs (`stopPod`); between two processes, start the next one at once."""
        self._hurry.set()
        if self._process is None:
            return  # the next one has an id already, and must be given jobs
        self._runtime.release_worker(self.worker_id)
        self._terminate()
        self._kill_later(REPLACE_SECONDS)

    def crash(self, job_id: str) -> None:
        """Die in the middle of this job."""
        del job_id
        self._kill_later(CRASH_SECONDS)

    def _kill_later(self, seconds: float) -> None:
        process = self._process
        self._loop.call_later(seconds, lambda: self.kill() if process is self._process else None)

    def _kill_if_unresponsive(self, process: "subprocess.Popen[str] | None", worker_id: str, job_id: str) -> None:
        if process is not self._process or process is self._killed:
            return
        unresponsive = self._runtime.engine.is_running_cancelled_job(worker_id, job_id)
        if unresponsive is None:
            self._loop.call_later(HEARTBEAT_SECONDS, self._kill_if_unresponsive, process, worker_id, job_id)
        elif unresponsive:
            logger.warning("Worker %s does not stop job %s and is replaced.", worker_id, job_id)
            self.kill()

    def _terminate(self) -> None:
        process = self._process
        if process is not None:
            with suppress(OSError):
                process.terminate()

    # Run in the supervisor's thread.

    def _supervise(self) -> None:
        pause = FIRST_RESTART_PAUSE
        with tempfile.TemporaryDirectory(prefix="runpod-typed-home-", ignore_cleanup_errors=True) as home:
            while not self._stopping.is_set():
                started = time.monotonic()
                failure = self._run_one(home)
                if self._stopping.is_set():
                    return
                if failure is None or time.monotonic() - started > HEALTHY_SECONDS:
                    pause = FIRST_RESTART_PAUSE
                if failure is not None:
                    self._report(failure, pause)
                self._add_worker(healthy=failure is None)
                hurried = self._hurry.wait(pause)
                pause = FIRST_RESTART_PAUSE if hurried else min(pause * 2, LONGEST_RESTART_PAUSE)

    @property
    def _marker(self) -> str:
        return f"RUNPOD_POD_ID={self.worker_id}"

    def _add_worker(self, *, healthy: bool) -> None:
        self.worker_id = f"worker{secrets.token_hex(4)}"
        self._call(partial(self._runtime.add_worker, self.worker_id, self, healthy=healthy))

    def _remove_worker(self) -> None:
        self._call(partial(self._runtime.remove_worker, self.worker_id))

    def _call(self, action: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the queue has stopped
            self._loop.call_soon_threadsafe(action)

    def _report(self, failure: WorkerFailure, pause: float) -> None:
        """Log why a worker ended; its output only if it is new."""
        again, self._reported = failure == self._reported, failure
        shown = failure.output and self._on_output is None and not again
        logger.warning(
            "A worker (%s) %s. The next one starts in %.1f s.%s",
            shlex.join(self._command),
            "ended once more, for the same reason" if again else failure.reason,
            pause,
            f" Its last output:\n{failure.output.rstrip()}" if shown else "",
        )

    def _run_one(self, home: str) -> WorkerFailure | None:
        """Run a process to its end, and return its failure, if any."""
        variables = worker_variables(self._endpoint_url, self.worker_id, self._token)
        output: deque[str] = deque(maxlen=REPORTED_LINES)
        self._hurry.clear()
        with kill_on_parent_exit(self._marker) as tell_group:
            try:
                process = subprocess.Popen(
                    self._command,
                    env=process_environment(variables, home, os.environ),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    start_new_session=True,
                )
            except OSError as error:
                self._remove_worker()
                return WorkerFailure(f"could not be started: {error}")
            tell_group(process.pid)
            self._process = process
            assert process.stdout is not None  # noqa: S101 -- a pipe was asked for
            reader = threading.Thread(target=self._read, args=(process.stdout, self.worker_id, output), daemon=True)
            reader.start()
            if self._stopping.is_set():
                self._terminate()  # `stop` came before there was a process
            elif self._hurry.is_set():
                self.kill()  # and so did `replace`: it may have read an old file
            code = process.wait()
            kill_tree(process.pid, self._marker)
        reader.join(OUTPUT_SECONDS)
        if reader.is_alive():
            kill_tree(process.pid, self._marker)
            reader.join(OUTPUT_SECONDS)
        if reader.is_alive():
            self._warn_about_survivor()
        self._process = None
        worker = self._runtime.engine.workers.get(self.worker_id)
        asked = worker is not None and worker.ready
        self._remove_worker()
        return None if process is self._killed else diagnose_exit(code, "".join(output), asked=asked)

    def _read(self, stream: IO[str], worker_id: str, output: deque[str]) -> None:
        with stream:
            while line := stream.readline(LINE_CAP):
                self._runtime.note_output(worker_id, line)
                output.append(line)
                if self._on_output is not None:
                    self._on_output(worker_id, line)

    def _warn_about_survivor(self) -> None:
        warning = f"a process that worker {self.worker_id} started still runs and could not be found"
        self._warnings.append(warning)
        logger.warning("%s%s: it holds the worker's output open.", warning[0].upper(), warning[1:])
