"""Typed jobs on real Runpod workers, on this machine, with no account.

    python3 -m nox -s demo

Two local queues replace the platform. Each starts a worker of Runpod's SDK (worker.py, streaming_worker.py), and this
program talks to them as it would to https://api.runpod.ai/v2. It checks what it shows, and exits with code 1 if
anything is wrong.
"""

import inspect
import os
import re
import shutil
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, TypeVar

from runpod_typed import Endpoint, InputError, Job, JobCancelledError, JobEvent, JobFailedError
from runpod_typed.local import LocalQueue

HERE = Path(__file__).resolve().parent
P = ParamSpec("P")
T = TypeVar("T")


# The inputs and outputs. From here on, a type checker knows both.


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """The input of `worker.py`."""

    width: int = 64
    height: int = 13
    seconds: float = 0.0
    shades_file: str | None = None


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Its output."""

    rows: list[str]
    shades: str


@dataclass(frozen=True, kw_only=True)
class Speech:
    """The input of `streaming_worker.py`."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Word:
    """The chunks that it yields."""

    index: int
    word: str


Painter = Endpoint[Drawing, Picture]
Speaker = Endpoint[Speech, list[Word], Word]


# The steps. Their first line is the heading, and a line that ends with `# shown` is printed as it stands.


def run_sync(painter: Painter) -> None:
    """run_sync: one call, and the result is an object of your own type."""
    picture = painter.run_sync(Drawing(width=64, height=13), timeout=60)  # shown
    show_text("\n".join(picture.rows))
    print()
    show("picture", f"{type(picture).__name__}, {len(picture.rows)} rows, drawn with {picture.shades!r}")
    expect(len(picture.rows) == 13, "the picture should have 13 rows")


def refused_input(painter: Painter) -> None:
    """types: an input that does not fit is refused before anything is sent."""
    settings: Any = {"width": "wide", "height": 13}  # shown
    try:
        painter.run(settings)  # shown
    except InputError as error:
        show("InputError", error)
        expect(error.path == "$.width", "the error should name the field")
    else:
        fail("a width of 'wide' should be refused")


def run(painter: Painter) -> None:
    """run: submit a job now, and read its output later."""
    job = painter.run(Drawing(width=64, height=13))  # shown
    show("job.id", job.id)
    show("job.status()", job.status())
    picture = job.output(timeout=60)  # shown
    show("picture", f"{type(picture).__name__}, {len(picture.rows)} rows")
    state = job.wait(timeout=60)  # shown
    show("state.status", state.status)
    show("state.worker_id", state.worker_id)
    show("state.delay_time_ms", f"{state.delay_time_ms}, in the queue")
    show("state.execution_time_ms", f"{state.execution_time_ms}, at work")
    expect(state.succeeded, "the job should have succeeded")


def events(painter: Painter) -> None:
    """events: each change of the status, and the progress that the handler reports."""
    job = painter.run(Drawing(height=8, seconds=4))  # shown
    seen: list[JobEvent[Picture]] = []
    since = stopwatch()
    for event in job.events(timeout=60):  # shown
        print(since(), event.status, event.progress or "")  # shown
        seen.append(event)
    expect(len([event for event in seen if event.progress]) >= 2, "progress should be seen while the job runs")
    expect(seen[-1].status == "COMPLETED", "the last event should be COMPLETED")


def stream(speaker: Speaker) -> None:
    """stream: the chunks of a generator handler, each when it is yielded."""
    text = "Each word arrives as soon as the worker yields it"
    job = speaker.run(Speech(text=text))  # shown
    words: list[Word] = []
    since = stopwatch()
    for word in job.stream(timeout=60):  # shown
        print(since(), word.index, word.word)  # shown
        words.append(word)
    expect(" ".join(word.word for word in words) == text, "the stream should hold every word, once")
    expect(job.output(timeout=60) == words, "the job's output should be the same words")


def failure(painter: Painter, file: Path) -> Job[Picture]:
    """failure: the error of the handler raises, with its traceback."""
    job = painter.run(Drawing(height=9, shades_file=str(file)))  # shown
    try:
        job.output(timeout=60)  # shown
    except JobFailedError as error:
        show("error.error_type", error.error_type)
        show("error.error_message", error.error_message)
        show("error.worker_id", error.worker_id)
        print("\n     error.remote_traceback:\n")
        show_text(re.sub(r'"[^"]*[/\\]site-packages', '"...', error.remote_traceback or ""), margin="     | ")
        expect(error.error_type == "FileNotFoundError", "the worker should have missed its file")
        expect("load_shades" in (error.remote_traceback or ""), "the traceback should lead to the worker's own line")
    else:
        fail("the job should have failed")
    return job


def retry(job: Job[Picture], file: Path) -> None:
    """retry: the cause is fixed, and the same job runs again."""
    file.write_text(" .-=o8", encoding="utf-8")  # shown
    former_id = job.id
    state = job.retry()  # shown
    show("job.retry()", f"{state.status}, {'the same' if state.id == former_id else 'another'} id")
    picture = job.output(timeout=60)  # shown
    print()
    show_text("\n".join(picture.rows))
    expect(state.id == former_id, "a retry should keep the id")
    expect(picture.shades == " .-=o8", "the job should have found its file")


def health_and_purge(painter: Painter) -> Job[Picture]:
    """health, purge_queue: one job runs, and three wait and are removed."""
    busy = painter.run(Drawing(seconds=60))
    next(event for event in busy.events(timeout=60) if event.status.is_running)
    for _ in range(3):
        painter.run(Drawing())
    health = painter.health()  # shown
    jobs, workers = health.jobs, health.workers
    show("health.jobs", f"{jobs.in_progress} in progress, {jobs.in_queue} in the queue, {jobs.completed} completed")
    show("health.workers", f"{workers.running} running, {workers.idle} idle")
    purge = painter.purge_queue()  # shown
    show("purge.removed", purge.removed)
    show("job.status()", f"{busy.status()}, the job keeps running")
    expect((jobs.in_progress, jobs.in_queue, workers.running) == (1, 3, 1), "1 job should run on 1 worker, and 3 wait")
    expect(purge.removed == 3, "the 3 jobs that wait should be removed")
    expect(painter.health().jobs.in_queue == 0, "no job should be left in the queue")
    return busy


def cancel(painter: Painter, job: Job[Picture]) -> None:
    """cancel: the job that runs is stopped, and its worker is free again."""
    state = job.cancel()  # shown
    show("state.status", state.status)
    try:
        job.output(timeout=60)  # shown
    except JobCancelledError as error:
        show("JobCancelledError", error)
    else:
        fail("a cancelled job should have no output")
    picture = painter.run_sync(Drawing(height=1), timeout=60)
    show("the next job", f"{type(picture).__name__}, {len(picture.rows)} row")


# All of them, one after the other.


def main() -> None:
    """Start two queues and their workers, and go through the steps."""
    try:
        sdk = version("runpod")
    except PackageNotFoundError:
        sys.exit("Runpod's worker SDK is not installed here: `python3 -m nox -s demo` installs it, and runs this.")
    print(f"Two local queues, each with a worker of Runpod's SDK {sdk}:\n")
    print("     painter   examples/worker.py            Drawing -> Picture")
    print("     speaker   examples/streaming_worker.py  Speech -> Word, Word, ...")
    with (
        LocalQueue(worker=[sys.executable, str(HERE / "worker.py")], endpoint_id="painter") as drawings,
        LocalQueue(worker=[sys.executable, str(HERE / "streaming_worker.py")], endpoint_id="speaker") as speeches,
        Endpoint(
            drawings.endpoint_id,
            api_key=drawings.api_key,
            base_url=drawings.base_url,
            input_type=Drawing,
            output_type=Picture,
        ) as painter,
        Endpoint(
            speeches.endpoint_id,
            api_key=speeches.api_key,
            base_url=speeches.base_url,
            input_type=Speech,
            output_type=list[Word],
            chunk_type=Word,
        ) as speaker,
    ):
        try:
            go_through(painter, speaker)
        except Exception:
            show_worker_output(drawings)
            show_worker_output(speeches)
            raise
    print(f"\n{bold('Everything was as it should be.')}")
    print("For an endpoint of yours, set RUNPOD_API_KEY instead of api_key and base_url.")
    print("README.md says more.")


def go_through(painter: Painter, speaker: Speaker) -> None:
    """All steps."""
    step(run_sync, painter)
    step(refused_input, painter)
    step(run, painter)
    step(events, painter)
    step(stream, speaker)
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        shades_file = Path(folder) / "shades.txt"
        failed = step(failure, painter, shades_file)
        step(retry, failed, shades_file)
    busy = step(health_and_purge, painter)
    step(cancel, painter, busy)


# How it is shown.


class UnexpectedError(Exception):
    """A result is not the expected one."""


STYLED = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
numbers = count(1)


def step(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Print the step's heading and the lines that it shows, and take it."""
    heading = f"{next(numbers)}. {inspect.getdoc(function)}"
    print(f"\n{bold(heading)}\n")
    above = ""
    for line in inspect.getsource(function).splitlines():
        code, mark, _ = line.partition("  # shown")
        if mark:
            print("     >", textwrap.indent(code.strip(), "    " if above.endswith(":") else ""))
            above = code
    print()
    return function(*args, **kwargs)


def expect(condition: object, otherwise: str) -> None:
    """Stop unless the condition holds."""
    if not condition:
        fail(otherwise)


def fail(why: str) -> NoReturn:
    """Stop here."""
    raise UnexpectedError(why)


def show(name: str, value: object) -> None:
    """Print a name and its value."""
    margin = f"     {name:<24} "
    room = max(40, shutil.get_terminal_size().columns - len(margin))
    lines = textwrap.wrap(str(value), room, break_long_words=False, break_on_hyphens=False)
    print(margin + f"\n{' ' * len(margin)}".join(lines))


def show_text(text: str, margin: str = "     ") -> None:
    """Print some lines, indented, and wrap those that are longer than the terminal is wide."""
    room = shutil.get_terminal_size().columns - len(margin)
    for line in text.rstrip().splitlines():
        for part in textwrap.wrap(
            line, room, subsequent_indent="    ", drop_whitespace=False, break_on_hyphens=False
        ) or [""]:
            print(margin + part)


def show_worker_output(queue: LocalQueue) -> None:
    """Print the last lines that a worker of the queue wrote."""
    lines = queue.worker_output.splitlines()[-30:]
    print(f"\nThe last lines of {queue.endpoint_id}'s worker:\n")
    print(textwrap.indent("\n".join(lines), "     | "))


def bold(text: str) -> str:
    """Return the text in bold, on a terminal that can show it."""
    return f"\x1b[1m{text}\x1b[0m" if STYLED else text


def stopwatch() -> Callable[[], str]:
    """Return a function that prints the seconds from now on, for the beginning of a line."""
    started = time.monotonic()
    return lambda: f"     {time.monotonic() - started:4.1f} s "


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
