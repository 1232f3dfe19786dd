"""The descendants of a worker process, wherever they have gone.

Workers start model servers in sessions of their own, which the end of the process group does not reach. On Linux they
are found by an environment variable that all descendants inherit, or as children of children; elsewhere by the latter.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import frozen

ROUNDS: Final = 5  # a process may start another one while it is being ended
PROC: Final = Path("/proc")


@frozen
class Process:
    """A running process."""

    id: int
    parent: int
    marked: bool
    """Its environment has the marker."""


def kill_tree(root: int, marker: str) -> None:
    """Kill a process group and all descendants of its leader.

    Args:
        root: The id of the leader. If that process is gone, its group and marked processes are still found.
        marker: `NAME=value` in the environment of the leader, unique to it.
    """
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(root)], capture_output=True, check=False)  # noqa: S607 -- part of Windows
        return
    quiet = 0
    for _ in range(ROUNDS):
        found = descendants(root, marker)
        quiet = 0 if found else quiet + 1
        with suppress(OSError):
            os.killpg(root, signal.SIGKILL)
        for process_id in found:
            with suppress(OSError):
                os.kill(process_id, signal.SIGKILL)
        if quiet == 2:  # a single search misses a process whose parent starts it and ends meanwhile
            return


def descendants(root: int, marker: str) -> set[int]:
    """Return the ids of the running descendants of a process, without the process itself."""
    processes = {process.id: process for process in _processes(marker.encode())}
    found = {process.id for process in processes.values() if process.marked or _is_below(process, root, processes)}
    return found - {root, os.getpid()}


def _is_below(process: Process, root: int, processes: Mapping[int, Process]) -> bool:
    while (parent := processes.get(process.parent)) is not None and parent is not process:
        if parent.id == root:
            return True
        process = parent
    return False


def _processes(marker: bytes) -> Iterator[Process]:
    if not PROC.joinpath("self", "environ").exists():
        yield from _processes_by_ps()
        return
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):  # it is gone
                state, parent = folder.joinpath("stat").read_bytes().rpartition(b")")[2].split()[:2]
                if state != b"Z":
                    yield Process(int(folder.name), int(parent), marker in _environment(folder).split(b"\0"))


def _environment(folder: Path) -> bytes:
    try:
        return folder.joinpath("environ").read_bytes()
    except PermissionError:  # of another user
        return b""


def _processes_by_ps() -> Iterator[Process]:
    command = ["ps", "-A", "-o", "pid=,ppid="]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in listed.stdout.splitlines():
        process_id, parent = map(int, line.split())
        yield Process(process_id, parent, marked=False)
