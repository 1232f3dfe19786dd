"""The processes of a run: the server, and a probe for each contender."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from types import TracebackType
from typing import IO, Any, Self, cast

from attrs import frozen

from benchmarks.certificates import Certificates
from benchmarks.environments import ROOT, Environment
from benchmarks.probe import Sample


class _Process:
    """A Python program of this package, which ends when its standard input is closed."""

    def __init__(self, options: Sequence[str], command: Sequence[str], variables: Mapping[str, str] | None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *options, "-m", *command],
            cwd=ROOT,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._input = cast("IO[str]", self._process.stdin)
        self._output = cast("IO[str]", self._process.stdout)

    def _read(self) -> str:
        line = self._output.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}; its error is above")
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc is not None:
            self._process.kill()
        self._input.close()
        self._process.wait()
        self._output.close()


@frozen
class ServerReport:
    """The requests that came to the server since the last report.

    Attributes:
        cpu: Seconds of processor time since its start.
        requests: The number of requests by operation.
        connections: The number of connections that they came over.
        refused: The number of responses with 429.
        most_open: The most limited requests that were open at once.
    """

    cpu: float
    requests: dict[str, int]
    connections: int
    refused: int
    most_open: int


class Server(_Process):
    """The benchmark server.

    Args:
        limited: True if it enforces the published limits.
        tls: Its certificate, or None for plain HTTP.
        round_trip: Seconds that the link to it takes for both directions; over TLS alone.
    """

    def __init__(self, *, limited: bool = False, tls: Certificates | None = None, round_trip: float = 0.0) -> None:
        command = ["benchmarks.server", *(["--limits"] if limited else [])]
        if tls is not None:
            command += ["--tls", str(tls.chain), str(tls.key), "--delay", str(round_trip)]
        super().__init__([], command, None)
        self._plain, encrypted, delayed = map(int, self._read().split())
        scheme, port = ("http", self._plain) if tls is None else ("https", delayed or encrypted)
        self.base_url = f"{scheme}://127.0.0.1:{port}/v2"
        """The base URL for contenders."""
        self.variables: Mapping[str, str] = {} if tls is None else tls.variables
        """The environment variables for contenders."""

    def create(self, inputs: Sequence[dict[str, Any]]) -> list[str]:
        """Create jobs that begin now, and return their ids."""
        return cast("list[str]", self._ask("jobs", inputs))

    def report(self) -> ServerReport:
        """Report since the last report, and forget finished jobs."""
        return ServerReport(**self._ask("report", None))

    def _ask(self, what: str, body: object) -> Any:
        connection = HTTPConnection("127.0.0.1", self._plain, timeout=60)
        try:
            connection.request("POST", f"/v2/bench/{what}", json.dumps(body))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


class Probe(_Process):
    """One contender in a process of its own, with nothing but its own installation."""

    def __init__(
        self, half: str, name: str, environment: Environment, profiler: Environment, server: Server | None
    ) -> None:
        base_url = "" if server is None else server.base_url
        super().__init__(
            ["-S", "-P"],
            ["benchmarks.probe", half, name, base_url],
            environment.variables(profiler.folder, ROOT) | ({} if server is None else dict(server.variables)),
        )
        self.name = name

    def do(self, **task: Any) -> Sample:
        """Do a task in the process."""
        self.begin(**task)
        return self.end()

    def begin(self, **task: Any) -> None:
        """Begin a task in the process."""
        self._input.write(json.dumps(task) + "\n")
        self._input.flush()

    def end(self) -> Sample:
        """Wait for the task's end."""
        return Sample(**json.loads(self._read()))
