"""A map with a journal that is killed at any instant loses no input, and runs none twice unless it says so."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from runpod_typed.local import FaultKind, Faults, LocalQueue

PROGRAM = Path(__file__).with_name("killed_map.py")
KINDS = tuple(kind for kind in FaultKind if kind is not FaultKind.WORKER_DEATH)  # the platform runs a job again then


@pytest.mark.slow
@pytest.mark.parametrize("how", ["map", "async-map"])
@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_a_killed_map_runs_every_input_once(tmp_path: Path, rate: float, how: str) -> None:
    run_and_kill(tmp_path, inputs=300, kills=3, rate=rate, how=how)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_killed_batches_run_every_input_once(tmp_path: Path, rate: float) -> None:
    assert not run_and_kill(tmp_path, inputs=100, kills=3, rate=rate, how="batches")


@pytest.mark.endurance
@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_batches_survive_thirty_kills(tmp_path: Path, rate: float) -> None:
    assert not run_and_kill(tmp_path, inputs=300, kills=30, rate=rate, how="batches")


@pytest.mark.endurance
@pytest.mark.slow
@pytest.mark.parametrize("how", ["map", "async-map"])
@pytest.mark.parametrize("rate", [0.0, 0.1])
def test_a_map_survives_thirty_kills(tmp_path: Path, rate: float, how: str) -> None:
    run_and_kill(tmp_path, inputs=500, kills=30, rate=rate, how=how)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("how", ["map", "map, cancel"])
def test_a_second_interrupt_leaves_at_once(tmp_path: Path, how: str) -> None:
    uncertain = run_and_kill(tmp_path, inputs=100, kills=2, rate=0.0, how=how, stop=interrupt_twice)
    assert len(uncertain) <= 2 * 32  # submissions whose responses it did not wait for


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("how", ["async-map", "async-map, cancel"])
def test_a_second_interrupt_of_tasks_loses_nothing(tmp_path: Path, how: str) -> None:
    uncertain = run_and_kill(tmp_path, inputs=100, kills=2, rate=0.0, how=how, stop=interrupt_tasks_twice)
    assert len(uncertain) <= 2 * 32


def interrupt_tasks_twice(process: subprocess.Popen[bytes]) -> None:
    """Interrupt twice, and kill what hangs: asyncio can lose the step of a task that a second Ctrl-C hits."""
    try:
        interrupt_twice(process, seconds=10)
    except subprocess.TimeoutExpired:
        process.kill()


def interrupt_twice(process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Press Ctrl-C, and once more while the process cleans up."""
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue
    process.wait(timeout=seconds)


def run_and_kill(
    folder: Path,
    *,
    inputs: int,
    kills: int,
    rate: float,
    how: str,
    stop: Callable[[subprocess.Popen[bytes]], object] = subprocess.Popen[bytes].kill,
) -> set[int]:
    """Run inputs in a process that is stopped at random instants; return the uncertain ones."""
    runs = Counter[int]()
    lock = Lock()

    def handler(job: dict[str, Any]) -> int:
        number = int(job["input"]["n"])
        with lock:
            runs[number] += 1
        time.sleep(0.005)
        return number

    dice = random.Random()
    out = folder / "out.txt"
    with LocalQueue(handler, workers=8, faults=Faults(rate=rate, kinds=KINDS)) as queue:
        command = [sys.executable, str(PROGRAM), queue.base_url, queue.api_key, str(folder / "run.sqlite"), str(out)]
        command += [str(inputs), how]
        for _ in range(kills):
            with subprocess.Popen(command) as process:
                try:
                    process.wait(timeout=dice.uniform(0.4, 1.4))
                except subprocess.TimeoutExpired:
                    stop(process)
                finally:
                    process.kill()  # if it did not stop, the test fails instead of waiting for it
        subprocess.run(command, check=True, timeout=450)
    lines = out.read_text(encoding="utf-8").splitlines()
    assert lines.pop() == "end"
    last = [line.split()[:2] for line in lines[-inputs:]]
    assert [int(number) for number, _ in last] == list(range(inputs))
    fates = {"ok", "SubmissionUncertainError", *(["JobCancelledError"] if "cancel" in how else [])}
    assert {fate for _, fate in last} <= fates
    uncertain = {int(number) for number, fate in last if fate != "ok"}
    lost = {number for number in range(inputs) if not runs[number]} - uncertain
    twice = {number for number, count in runs.items() if count > 1} - uncertain
    assert not lost
    assert not twice
    return uncertain
