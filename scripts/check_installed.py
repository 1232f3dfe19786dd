"""Checks the package as it was installed, in an environment of its own.

    python -I scripts/check_installed.py          a job that is done, and one that fails
    python -I scripts/check_installed.py --types  no public name is without its type

The second needs pyright in the same environment.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from runpod_typed import Client, JobFailedError, __version__
from runpod_typed.local import LocalQueue


@dataclass
class Word:
    """The output."""

    word: str


def run_jobs() -> None:
    """Run two jobs, one that ends well and one that fails."""
    with (
        LocalQueue(lambda job: {"word": job["input"]["word"].upper()}) as queue,
        Client(queue.api_key, base_url=queue.base_url) as client,
    ):
        endpoint = client.endpoint(queue.endpoint_id, output_type=Word)
        if endpoint.run_sync({"word": "hello"}, timeout=30) != Word("HELLO"):
            raise SystemExit("the first job has another result")
        try:
            endpoint.run_sync({"letters": 3}, timeout=30)
        except JobFailedError as error:
            print(f"runpod-typed {__version__}: one job was done, and one failed as it should: {error.error_type}")
        else:
            raise SystemExit("the second job should have failed")


def verify_types() -> int:
    """Let pyright look at every public name."""
    here = str(Path(sys.executable).parent)  # pyright reads the environment of the first Python on the path
    path = os.pathsep.join([here, os.environ.get("PATH", "")])
    command = [sys.executable, "-m", "pyright", "--verifytypes", "runpod_typed", "--ignoreexternal"]
    return subprocess.run(command, env={**os.environ, "PATH": path}, check=False).returncode


if __name__ == "__main__":
    if "--types" in sys.argv:
        sys.exit(verify_types())
    run_jobs()
