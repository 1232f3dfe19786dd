"""Real workers: subprocesses that run the worker SDK, kept alive and ended for good."""

import asyncio
import logging
import os
import secrets
import shlex
import signal
import site
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Final

from attrs import frozen

from runpod_typed.local._service import QueueService

HEARTBEAT_SECONDS: Final = 1  # the least that the SDK survives
KEPT_LINES: Final = 500
REPORTED_LINES: Final = 20
TERMINATE_SECONDS: Final = 2.0
TERMINATE_IDLE_SECONDS: Final = 0.5  # the SDK takes 1 or 2 to end, even with nothing to do
REPLACE_SECONDS: Final = 30.0
STOP_SECONDS: Final = 5.0
FIRST_RESTART_PAUSE: Final = 0.1
LONGEST_RESTART_PAUSE: Final = 5.0
HEALTHY_SECONDS: Final = 5.0
CRASH_SECONDS: Final = 0.05

logger = logging.getLogger("runpod_typed.local")


def worker_variables(endpoint_url: str, worker_id: str, token: str) -> dict[str, str]:
    """The environment variables by which the worker SDK finds a queue and its own identity.

    Args:
        endpoint_url: The endpoint's URL, base path and endpoint id included.
        worker_id: The worker's id.
        token: What it presents.
    """
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
    """The whole environment of a worker process.

    A key in `~/.runpod/config.toml` would win over the token, so the worker gets a home directory without one; caches
    and packages of the real home are still found.

    Args:
        variables: From `worker_variables`.
        home: An empty directory.
        inherited: The environment of this process.
    """
    kept = {name: value for name, value in inherited.items() if name not in {"RUNPOD_REALTIME_PORT", "RUNPOD_API_KEY"}}
    own = Path.home()
    caches = {"XDG_CACHE_HOME": str(own / ".cache"), "PYTHONUSERBASE": site.getuserbase(), "PYTHONUNBUFFERED": "1"}
    return caches | kept | dict(variables) | {"HOME": home, "USERPROFILE": home}


@contextmanager
def last_will(process: "subprocess.Popen[str]") -> Generator[None]:
    """Within the block, see to it that the process group does not outlive us, however we end.

    A worker whose queue is gone asks for jobs again and again, without a pause. So a shell waits for the end of a pipe
    that only we hold open; where there is no shell, there is no such care.
    """
    try:
        executor = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _; kill -9 "-$1"', "sh", str(process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        yield
        return
    with executor:
        try:
            yield
        finally:
            executor.kill()  # before the pipe is closed: the group's number may be somebody else's by now


@frozen
class Fault:
    """Why a worker ended that nobody asked to.

    Attributes:
        reason: In words for its author; the subject of the sentence is the worker.
        words: The last lines that it wrote.
    """

    reason: str
    words: str = ""


def what_went_wrong(code: int, words: str, *, asked: bool) -> Fault | None:
    """The fault of a worker that ended by itself; None if that is nothing to speak of.

    Args:
        code: The exit code of its process.
        words: The last lines that it wrote.
        asked: It asked for work at least once.
    """
    if code == 0 and asked:
        return None  # as the SDK ends after a job when it is configured to refresh its worker
    reason = f"ended with code {code}"
    if not asked:
        reason += " before it asked for a job"
        if "No module named 'runpod'" in words:
            reason += ", since its Python has no worker SDK (pip install runpod)"
        elif code == 0:
            reason += " (does it call runpod.serverless.start?)"
    return Fault(reason, words)


class WorkerProcess:
    """One place for a worker: starts a process, and another when that one ends.

    Args:
        command: The program and its arguments.
        endpoint_url: Where the queue is.
        token: What workers present.
        service: The queue.
        loop: The event loop in which the queue lives.
    """

    def __init__(
        self,
        command: Sequence[str],
        endpoint_url: str,
        token: str,
        service: QueueService,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._command = list(command)
        self._endpoint_url = endpoint_url
        self._token = token
        self._service = service
        self._loop = loop
        self._stopping = threading.Event()
        self._kill_at = 0.0
        self._process: subprocess.Popen[str] | None = None
        self._killed: subprocess.Popen[str] | None = None
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._reported: Fault | None = None
        self.worker_id = ""
        self._thread = threading.Thread(target=self._supervise, name="runpod-typed worker supervisor", daemon=True)

    # From other threads.

    def start(self) -> None:
        """Start the first process."""
        self._adopt_new_worker(healthy=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the process to end, and start no other. `join` sees to it."""
        worker = self._service.engine.workers.get(self.worker_id)
        busy = worker is not None and worker.jobs
        self._kill_at = time.monotonic() + (TERMINATE_SECONDS if busy else TERMINATE_IDLE_SECONDS)
        self._stopping.set()
        self._terminate()

    def join(self) -> list[str]:
        """Return when nothing is left of the process, which is killed if it does not end by itself."""
        self._thread.join(max(0.0, self._kill_at - time.monotonic()))
        if self._thread.is_alive():
            self.kill()
            self._thread.join()
        return []

    @property
    def output(self) -> str:
        """The last lines that its processes wrote."""
        return "".join(list(self._lines))

    @property
    def pid(self) -> int | None:
        """The present process, if one runs."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def kill(self) -> None:
        """End the present process without warning; another one follows."""
        process = self._killed = self._process
        if process is not None:
            self._kill_group(process)

    def stop_job(self, job_id: str) -> None:
        """The worker is told when it asks. One that blocks does not ask: it is replaced, as on the platform."""
        self._loop.call_later(STOP_SECONDS, self._kill_if_deaf, self._process, self.worker_id, job_id)

    def _kill_if_deaf(self, process: "subprocess.Popen[str] | None", worker_id: str, job_id: str) -> None:
        if process is not self._process or process is self._killed:
            return
        in_vain = self._service.engine.runs_in_vain(worker_id, job_id)
        if in_vain is None:
            self._loop.call_later(HEARTBEAT_SECONDS, self._kill_if_deaf, process, worker_id, job_id)
        elif in_vain:
            logger.warning("Worker %s does not stop job %s and is replaced.", worker_id, job_id)
            self.kill()

    def replace(self) -> None:
        """The worker wants to end (`stopPod`): let it finish what it has, and end it."""
        self._service.release_worker(self.worker_id)
        self._terminate()
        process = self._process
        self._loop.call_later(REPLACE_SECONDS, self._kill_if_present, process)

    def crash(self, job_id: str) -> None:
        """Die in the middle of this job."""
        del job_id
        self._loop.call_later(CRASH_SECONDS, self._kill_if_present, self._process)

    def _kill_if_present(self, process: "subprocess.Popen[str] | None") -> None:
        if process is self._process:
            self.kill()

    def _terminate(self) -> None:
        process = self._process
        if process is not None:
            with suppress(OSError):
                process.terminate()

    @staticmethod
    def _kill_group(process: "subprocess.Popen[str]") -> None:
        """Kill the process and everything it started (the SDK pings from a process of its own)."""
        with suppress(OSError):
            if sys.platform == "win32":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)

    # In the supervisor's thread.

    def _supervise(self) -> None:
        pause = FIRST_RESTART_PAUSE
        with tempfile.TemporaryDirectory(prefix="runpod-typed-home-", ignore_cleanup_errors=True) as home:
            while not self._stopping.is_set():
                started = time.monotonic()
                fault = self._run_one(home)
                if self._stopping.is_set():
                    return
                if fault is None or time.monotonic() - started > HEALTHY_SECONDS:
                    pause = FIRST_RESTART_PAUSE
                if fault is not None:
                    self._report(fault, pause)
                self._adopt_new_worker(healthy=fault is None)
                self._stopping.wait(pause)
                pause = min(pause * 2, LONGEST_RESTART_PAUSE)

    def _adopt_new_worker(self, *, healthy: bool) -> None:
        self.worker_id = f"worker{secrets.token_hex(4)}"
        self._in_loop(partial(self._service.adopt_worker, self.worker_id, self, healthy=healthy))

    def _report(self, fault: Fault, pause: float) -> None:
        """Say why a worker ended; its last words only when they are new."""
        again, self._reported = fault == self._reported, fault
        logger.warning(
            "A worker (%s) %s. The next one starts in %.1f s.%s",
            shlex.join(self._command),
            "has ended once more, for the same reason" if again else fault.reason,
            pause,
            f" Its last words:\n{fault.words.rstrip()}" if fault.words and not again else "",
        )

    def _run_one(self, home: str) -> Fault | None:
        """Run a process to its end. Returns what was wrong with it, if something was."""
        variables = worker_variables(self._endpoint_url, self.worker_id, self._token)
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
            self._forget_worker()
            return Fault(f"could not be started: {error}")
        self._process = process
        assert process.stdout is not None  # noqa: S101 -- a pipe was asked for
        words: deque[str] = deque(maxlen=REPORTED_LINES)
        reader = threading.Thread(target=self._read, args=(process.stdout, words), daemon=True)
        reader.start()
        if self._stopping.is_set():
            self._terminate()  # `stop` came before there was a process
        with last_will(process):
            code = process.wait()
            self._kill_group(process)
        reader.join()
        self._process = None
        worker = self._service.engine.workers.get(self.worker_id)
        asked = worker is not None and worker.ready
        self._forget_worker()
        return None if process is self._killed else what_went_wrong(code, "".join(words), asked=asked)

    def _read(self, stream: IO[str], words: deque[str]) -> None:
        with stream:
            for line in stream:
                self._lines.append(line)
                words.append(line)

    def _forget_worker(self) -> None:
        self._in_loop(partial(self._service.forget_worker, self.worker_id))

    def _in_loop(self, action: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the queue has ended
            self._loop.call_soon_threadsafe(action)
