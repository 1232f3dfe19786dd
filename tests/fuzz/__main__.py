"""Schemathesis with the specification against the local queue: thousands of valid and invalid requests.

python -m tests.fuzz [ARGUMENTS OF SCHEMATHESIS]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from runpod_typed.local import LocalQueue

HERE = Path(__file__).resolve().parent
SPEC = HERE.parent.parent / "spec" / "openapi.yaml"


def echo(job: dict[str, Any]) -> dict[str, Any]:
    """Return the input."""
    return {"echo": job["input"]}


def main(arguments: list[str]) -> int:
    """Run Schemathesis, and return its exit code."""
    with LocalQueue(echo, workers=4) as queue:
        command = [
            str(Path(sys.executable).parent / "schemathesis"),
            f"--config-file={HERE / 'schemathesis.toml'}",
            "run",
            str(SPEC),
            f"--url={queue.base_url}",
            f"--header=Authorization: Bearer {queue.api_key}",
            "--request-timeout=30",
            "--phases=examples,coverage,fuzzing,stateful",
            *arguments,
        ]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
