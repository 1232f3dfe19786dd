"""What workers post, in the forms of the worker SDK: to be read, and to be written for handlers in this process."""

import json
import os
import traceback
from importlib.metadata import PackageNotFoundError, version
from typing import Final, cast

from runpod_queue_api import wire

from runpod_typed.local._engine.jobs import ABSENT, Result


def read_result(body: dict[str, object]) -> Result:
    """The body of a job-done -> a result."""
    return Result(
        output=body.get("output", ABSENT), error=body.get("error") or None, stop_pod=body.get("stopPod") is True
    )


def split_chunk(output: object, cap: int = wire.STREAM_CHUNK_CAP) -> list[object]:
    """A chunk of text above the cap -> several, as documented. Other JSON stays whole: nobody says how it is split."""
    step = cap // 4  # no character takes more than four bytes
    if not isinstance(output, str) or len(output) <= step or len(output.encode(errors="surrogatepass")) <= cap:
        return [output]
    return [output[start : start + step] for start in range(0, len(output), step)]


def show_return(value: object) -> dict[str, object]:
    """What a plain handler returned -> the body of a job-done.

    A dict gives its keys `error` and `refresh_worker` to the queue; an output that is empty then is left out.
    """
    if not isinstance(value, dict):
        return {"output": value}
    output = dict(cast("dict[str, object]", value))
    error = output.pop("error", None)
    refresh = output.pop("refresh_worker", None)
    body: dict[str, object] = {"output": output} if output else {}
    if error:
        body["error"] = error
    if refresh:
        body["stopPod"] = True
    return body


def show_exception(error: Exception, worker_id: str) -> dict[str, object]:
    """What a plain handler raised -> the body of a job-done: JSON in a string."""
    info = {
        "error_type": str(type(error)),
        "error_message": str(error),
        "error_traceback": "".join(traceback.format_exception(error)),
        "hostname": os.environ.get("RUNPOD_POD_HOSTNAME", "unknown"),
        "worker_id": worker_id,
        "runpod_version": WORKER_VERSION,
    }
    return {"error": json.dumps(info)}


def show_generator_exception(error: Exception) -> dict[str, object]:
    """What a generator raised -> the body of a job-done: plain text."""
    trace = "".join(traceback.format_exception(error))
    return {"error": f"{wire.GENERATOR_ERROR_PREFIX}{error} {wire.GENERATOR_TRACEBACK_SEPARATOR}{trace}"}


def chunk_error(output: object) -> dict[str, object] | None:
    """A chunk that ends its generator: `{"error": ...}`. The body of a job-done then, else None."""
    if isinstance(output, dict) and (error := cast("dict[str, object]", output).get("error")):
        return {"error": str(error)}
    return None


def _version() -> str:
    try:
        return f"runpod-typed {version('runpod-typed')}"
    except PackageNotFoundError:
        return "runpod-typed"


WORKER_VERSION: Final = _version()
