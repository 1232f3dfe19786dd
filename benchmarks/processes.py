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

from benchmarks.environments import ROOT, Environment
from benchmarks.probe import Sample


class _PerProcessState:
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
    """What the server has done since the last report.

    Attributes:
        cpu: Seconds of processor time since its start.
        requests: How many came, by operation.
        refused: How many it answered with 429.
        most_open: How many limited ones were open at once.
    """

    cpu: float
    requests: dict[str, int]
    refused: int
    most_open: int


class Server(_PerProcessState):
    """The benchmark server."""

    def __init__(self, *, limited: bool = False) -> None:
        super().__init__([], ["benchmarks.server", *(["--limits"] if limited else [])], None)
        self.port = int(self._read())

    @property
    def base_url(self) -> str:
        """What contenders are given."""
        return f"http://127.0.0.1:{self.port}/v2"

    def create(self, inputs: Sequence[dict[str, Any]]) -> list[str]:
        """Jobs that begin now."""
        return cast("list[str]", self._ask("jobs", inputs))

    def report(self) -> ServerReport:
        """What has happened since the last report; jobs that have ended are forgotten."""
        return ServerReport(**self._ask("report", None))

    def _ask(self, what: str, body: object) -> Any:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", f"/v2/bench/{what}", json.dumps(body))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


class Probe(_PerProcessState):
    """One contender in a process of its own, with nothing but its own installation."""

    def __init__(
        self, half: str, name: str, environment: Environment, profiler: Environment, server: Server | None
    ) -> None:
        base_url = "" if server is None else server.base_url
        super().__init__(
            ["-S", "-P"],
            ["benchmarks.probe", half, name, base_url],
            environment.variables(profiler.folder, ROOT),
        )
        self.name = name

    def do(self, **task: Any) -> Sample:
        """Have a task done."""
        self.begin(**task)
        return self.end()

    def begin(self, **task: Any) -> None:
        """Have a task begun."""
        self._input.write(json.dumps(task) + "\n")
        self._input.flush()

    def end(self) -> Sample:
        """Wait for the task's end."""
        return Sample(**json.loads(self._read()))
