"""The examples for engines that spread work over processes run against a local queue (`nox -s engines`)."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runpod_typed.local import LocalQueue

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def describe(job: dict[str, Any]) -> str:
    return f"picture of {job['input']['prompt']}"


@pytest.fixture(scope="module")
def queue() -> Iterator[LocalQueue]:
    with LocalQueue(describe, workers=4) as running:
        yield running


@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_engine_runs_all_inputs(queue: LocalQueue, engine: str) -> None:
    environment = os.environ | {
        "RUNPOD_API_KEY": queue.api_key,
        "RUNPOD_ENDPOINT_BASE_URL": queue.base_url,
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    command = [sys.executable, str(EXAMPLES / f"{engine}_map.py"), queue.endpoint_id]
    program = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=450, check=False)
    assert program.returncode == 0, program.stderr[-3000:]
    assert "40 outputs, the last one: picture of lighthouse 39" in program.stdout
