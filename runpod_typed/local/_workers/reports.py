"""The bodies that workers post, in the forms of the worker SDK: read here, and written for handlers in this process."""

import json
import logging
import os
import traceback
from typing import Final, cast

from runpod_queue_api import wire

from runpod_typed._version import __version__
from runpod_typed.local._engine.records import ABSENT, Chunk, Result

RESULT_CAP: Final = wire.PAYLOAD_CAPS["run_sync"]
CONTINUATION: Final = 0b1000_0000  # of a byte within a UTF-8 character, in the two highest bits

logger = logging.getLogger("runpod_typed.local")


def read_result(body: dict[str, object]) -> Result:
    """Read the body of a job-done."""
    return Result(
        output=body.get("output", ABSENT), error=body.get("error") or None, stop_pod=body.get("stopPod") is True
    )


def read_oversized_result(job_id: str, beginning: bytes) -> Result | None:
    """Return the rest of a result above the cap: COMPLETED without output, as captured; None for a progress update.

    An error without output still fails the job.
    """
    start = beginning.replace(b" ", b"")
    if start.startswith(b'{"status":"IN_PROGRESS"'):
        return None
    megabytes = RESULT_CAP // 2**20
    logger.warning("The result of job %s is above %d MB and is lost, as on the platform.", job_id, megabytes)
    if start.startswith(b'{"error":'):
        return Result(error=f"the error was above {megabytes} MB and is lost")
    return Result()


def split_chunk(chunk: Chunk, cap: int = wire.STREAM_CHUNK_CAP) -> list[Chunk]:
    """Split a string chunk above the cap, as documented. Other JSON stays whole: no document says how it is split."""
    output = chunk.output
    if not isinstance(output, str) or len(output) * 4 <= cap:
        return [chunk]
    data = output.encode(errors="surrogatepass")
    pieces: list[Chunk] = []
    start = 0
    while start < len(data) or not pieces:
        end = min(start + cap, len(data))
        while end < len(data) and data[end] & 0b1100_0000 == CONTINUATION:
            end -= 1
        pieces.append(Chunk(data[start:end].decode(errors="surrogatepass"), chunk.metrics))
        start = end
    return pieces


def show_return(value: object) -> dict[str, object]:
    """Return the body of a job-done for the value that a plain handler returned.

    The keys `error` and `refresh_worker` of a dict are for the queue; an empty output is left out.
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


def show_exception(error: BaseException, worker_id: str) -> dict[str, object]:
    """Return the body of a job-done for an exception of a plain handler: JSON in a string."""
    info = {
        "error_type": str(type(error)),
        "error_message": _message(error),
        "error_traceback": "".join(traceback.format_exception(error)),
        "hostname": os.environ.get("RUNPOD_POD_HOSTNAME", "unknown"),
        "worker_id": worker_id,
        "runpod_version": f"runpod-typed {__version__}",
    }
    return {"error": json.dumps(info)}


def show_generator_exception(error: BaseException) -> dict[str, object]:
    """Return the body of a job-done for an exception of a generator: plain text."""
    trace = "".join(traceback.format_exception(error))
    return {"error": f"{wire.GENERATOR_ERROR_PREFIX}{_message(error)} {wire.GENERATOR_TRACEBACK_SEPARATOR}{trace}"}


def chunk_error(output: object) -> dict[str, object] | None:
    """Return the body of a job-done if a chunk ends its generator: `{"error": ...}`."""
    if isinstance(output, dict) and (error := cast("dict[str, object]", output).get("error")):
        return {"error": str(error)}
    return None


def _message(error: BaseException) -> str:
    """Return the message of an exception whose `__str__` may itself raise."""
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001 -- user code
        return f"<str() of {type(error).__name__} raised {type(failure).__name__}>"
