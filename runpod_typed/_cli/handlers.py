"""Handler files run in this process, if Runpod's worker SDK is not installed."""

from __future__ import annotations

import runpy
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from runpod_typed.local import HandlerConfig


_SDK_NEEDED: Final = "\nRunpod's worker SDK is not installed, and the file needs it: python3 -m pip install runpod"


class HandlerFileError(Exception):
    """A handler file cannot be used; the message says why."""


def load_handler(path: Path) -> HandlerConfig:
    """Run a worker file with a stand-in for the SDK, and return what it passes to `runpod.serverless.start`.

    Raises:
        HandlerFileError: It raises, or starts no handler.
    """
    started: list[HandlerConfig] = []
    sdk, serverless = ModuleType("runpod"), ModuleType("runpod.serverless")
    given: dict[str, Any] = {"start": started.append, "progress_update": _progress_update}
    vars(serverless).update(given)
    vars(sdk).update(serverless=serverless)
    sys.modules.update({"runpod": sdk, "runpod.serverless": serverless})
    sys.path.insert(0, str(path.resolve().parent))
    sys.argv = [str(path)]  # the arguments of this program are not the file's
    try:
        with redirect_stdout(sys.stderr):
            runpy.run_path(str(path), run_name="__main__")
    except BaseException as error:  # noqa: BLE001 -- user code, which may also call sys.exit
        hint = _SDK_NEEDED if _misses_sdk(error) else ""
        raise HandlerFileError(f"{_own_traceback(error, path)}{hint}") from None
    if not started:
        raise HandlerFileError(f"{path} has no handler: it does not call runpod.serverless.start.")
    return started[-1]


def _progress_update(job: dict[str, Any], progress: object) -> None:
    from runpod_typed.local import progress_update  # noqa: PLC0415 -- --help must be quick

    progress_update(job, progress)


def _misses_sdk(error: BaseException) -> bool:
    """Tell if the file uses more of the SDK than the stand-in has."""
    subject = error.name if isinstance(error, ImportError) else getattr(getattr(error, "obj", None), "__name__", None)
    return subject is not None and subject.partition(".")[0] == "runpod"


def _own_traceback(error: BaseException, path: Path) -> str:
    """Return the traceback from the file's first frame on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != str(path):
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace)
    return f"{path} cannot be run:\n{''.join(lines).rstrip()}"
