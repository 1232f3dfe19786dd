"""The command that serves a worker from a local queue."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TextIO

import typer

from runpod_typed._cli.exit_codes import ExitCode
from runpod_typed._cli.handlers import HandlerFileError, load_handler
from runpod_typed._cli.printer import encode, note
from runpod_typed._cli.worker_output import WorkerOutput

if TYPE_CHECKING:
    from runpod_typed.local import Faults, LocalQueue

_FAULT_RATES: Final = {"light": 0.02, "some": 0.1, "heavy": 0.3}
_OPTIONS: Final = {"endpoint_id": "--endpoint", "time_scale": "--time-scale"}
"""The options for the arguments that messages of the queue begin with."""
_POLL_SECONDS: Final = 0.2
_LONGEST_EXAMPLE: Final = 200
_SKIPPED_FOLDERS: Final = frozenset({"__pycache__", "node_modules", "venv", "site-packages"})


def serve(
    handler: Annotated[
        Path | None,
        typer.Argument(metavar="HANDLER.py", help="A worker file, unchanged.", show_default=False),
    ] = None,
    *,
    worker: Annotated[
        str | None,
        typer.Option("--worker", metavar="CMD", help="Start this command as the worker.", show_default=False),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="The number of workers.")] = 1,
    reload: Annotated[bool, typer.Option("--reload", help="Restart the workers when a .py file changes.")] = False,
    endpoint: Annotated[str, typer.Option("--endpoint", metavar="ID", help="The endpoint's id.")] = "local",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, metavar="PORT", help="The port; 0 takes a free one.")
    ] = 0,
    persist: Annotated[
        Path | None,
        typer.Option("--persist", metavar="FILE", help="Keep jobs and batches in this file.", show_default=False),
    ] = None,
    limits: Annotated[
        str | None,
        typer.Option("--limits", metavar="published", help="Enforce the published rate limits.", show_default=False),
    ] = None,
    faults: Annotated[
        str | None,
        typer.Option(
            "--faults",
            metavar="PROFILE",
            help="Inject random faults: light, some, heavy, or kinds such as rate_limited,latency.",
            show_default=False,
        ),
    ] = None,
    time_scale: Annotated[float, typer.Option(metavar="FACTOR", help="Scale ttl, retention and timeouts.")] = 1.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not print what the workers write.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Serve a worker from a queue on this machine, with a page that shows it.

    Example: runpod-typed serve handler.py
    """
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        _fail("serve needs Starlette and uvicorn: python3 -m pip install starlette uvicorn")
    if (handler is None) == (worker is None):
        _fail("Name a handler file or --worker, and not both: runpod-typed serve handler.py")
    from runpod_typed.local import LocalQueue  # noqa: PLC0415 -- --help must be quick

    os.environ.setdefault("RUNPOD_DEBUG_LEVEL", "INFO")  # at DEBUG, the SDK writes several lines a second
    output = WorkerOutput()
    try:
        options = _worker_options(handler, worker, reload=reload)
        queue = LocalQueue(
            **options,
            workers=workers,
            endpoint_id=endpoint,
            port=port,
            limits=_limits(limits),
            faults=_faults(faults),
            time_scale=time_scale,
            persist=persist,
            page=True,
            on_worker_output=None if quiet else output,
        )
        stdout = sys.stdout
        with _stopped_by_signals(), redirect_stdout(sys.stderr), queue:  # a handler in this process may print
            _announce(queue, _example_input(handler), stdout, as_json=as_json)
            output.begin()
            _supervise(queue, handler or Path.cwd(), reload=reload)
    except HandlerFileError as error:
        _fail(str(error))
    except ValueError as error:
        subject, space, problem = str(error).partition(" ")
        _fail(f"{_OPTIONS.get(subject, subject)}{space}{problem}")
    except OSError as error:
        _fail(f"{error.strerror or error}.")
    finally:
        output.begin()  # a worker may wait for it


def _worker_options(handler: Path | None, worker: str | None, *, reload: bool) -> dict[str, Any]:
    if worker is not None:
        return {"worker": _split(worker)}
    path = handler or Path()
    if not path.is_file():
        raise HandlerFileError(f"There is no file {path}.")
    if find_spec("runpod") is not None:
        return {"worker": [sys.executable, str(path)]}
    if reload:
        raise HandlerFileError("--reload needs Runpod's worker SDK (pip install runpod), or --worker.")
    return {"handler": load_handler(path)}


def _split(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"--worker is not a command: {error}.") from None
    if not words:
        raise ValueError("--worker is empty.")
    return words


def _limits(given: str | None) -> Any:
    if given not in {None, "published"}:
        raise ValueError(f"--limits must be published, not {given!r}.")
    return given


def _faults(given: str | None) -> Faults | None:
    from runpod_typed.local import FaultKind, Faults  # noqa: PLC0415 -- --help must be quick

    if given is None:
        return None
    if given in _FAULT_RATES:
        return Faults(rate=_FAULT_RATES[given])
    return Faults(kinds=tuple(FaultKind(kind.strip()) for kind in given.split(",")))


def _example_input(handler: Path | None) -> str:
    """Return JSON for a first job: the input of the `test_input.json` beside the handler, as Runpod's SDK reads it."""
    try:
        found = json.loads((handler or Path()).with_name("test_input.json").read_bytes())["input"]
    except (OSError, ValueError, LookupError, TypeError):
        found = None
    shown = encode(found)
    return shown if found and len(shown) <= _LONGEST_EXAMPLE else '{"prompt": "hello"}'


def _announce(queue: LocalQueue, example: str, stdout: TextIO, *, as_json: bool) -> None:
    if as_json:
        places = {"base_url": queue.base_url, "api_key": queue.api_key, "endpoint_id": queue.endpoint_id}
        typer.echo(encode(places | {"page_url": queue.page_url}), stdout)
    else:
        first_job = shlex.join(["runpod-typed", "run", queue.endpoint_id, "-i", example, "--wait"])
        note(f"Page:  {queue.page_url}\nTry:   {first_job}\nStop:  Ctrl-C")
        note("For the terminal of your program:\n")
        typer.echo(f"export RUNPOD_API_KEY={queue.api_key}", stdout)
        typer.echo(f"export RUNPOD_ENDPOINT_BASE_URL={queue.base_url}", stdout)
    stdout.flush()


def _supervise(queue: LocalQueue, watched: Path, *, reload: bool) -> NoReturn:
    """Run until a signal comes, or until a worker fails that never worked."""
    seen = _modified(watched) if reload else None
    while True:
        time.sleep(_POLL_SECONDS)
        if reload:
            modified = _modified(watched)
            if modified != seen:
                seen = modified
                note("A file has changed: the workers restart.")
                queue.restart_workers()
        elif queue.workers_failed:
            note("No worker could start.")
            raise typer.Exit(ExitCode.USAGE)


def _modified(watched: Path) -> dict[Path, int]:
    folder = watched if watched.is_dir() else watched.resolve().parent
    return dict(_times(folder))


def _times(folder: Path) -> Iterator[tuple[Path, int]]:
    for path in folder.iterdir():
        if path.is_dir():
            if path.name not in _SKIPPED_FOLDERS and not path.name.startswith("."):
                yield from _times(path)
        elif path.suffix == ".py":
            try:
                yield path, path.stat().st_mtime_ns
            except OSError:  # it has just been replaced
                continue


@contextmanager
def _stopped_by_signals() -> Generator[None]:
    """Let SIGTERM end the block as Ctrl-C does."""

    def stop(number: int, frame: object) -> NoReturn:
        del number, frame
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        note("\nStopped.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _fail(message: str) -> NoReturn:
    note(message)
    raise typer.Exit(ExitCode.USAGE)
