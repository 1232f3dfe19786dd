"""Batches whose requests real workers run."""

import sys
import time
from pathlib import Path

import pytest

from runpod_typed import Client, ExecutionPolicy
from runpod_typed.local import LocalQueue


@pytest.mark.slow
def test_real_workers_run_a_batch(tmp_path: Path) -> None:
    handler = tmp_path / "handler.py"
    handler.write_text("import runpod\nrunpod.serverless.start({'handler': lambda job: job['input']['n'] * 2})\n")
    with (
        LocalQueue(worker=[sys.executable, str(handler)]) as queue,
        Client(queue.api_key, base_url=queue.base_url) as client,
    ):
        batches = client.endpoint(queue.endpoint_id, output_type=int).batches
        batch = batches.create([{"n": n} for n in range(5)], policy=ExecutionPolicy(execution_timeout=60))
        batches.finalize(batch)
        while not batches.get(batch).done:
            time.sleep(0.05)
        assert sorted(result.result() for result in batches.results(batch)) == [0, 2, 4, 6, 8]
