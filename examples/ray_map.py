"""Maps over a Ray dataset: an actor keeps the jobs of each block in flight.

    python ray_map.py ENDPOINT_ID

The key comes from the environment (RUNPOD_API_KEY). The rate limits hold for the account and the endpoint, so all
actors together must keep them: divide the concurrency among them.
"""

# Not installed beside the type checkers, and with few types of its own.
# pyright: basic, reportMissingImports=false, reportArgumentType=false, reportGeneralTypeIssues=false

import sys
from typing import Any

import ray
import ray.data

from runpod_typed import Endpoint

ACTORS = 1
IN_FLIGHT = 32  # in all


class Describe:
    """Runs the prompts of a block. An actor is made once, and keeps its connections."""

    def __init__(self, endpoint_id: str) -> None:
        self._endpoint = Endpoint(endpoint_id)

    def __call__(self, block: dict[str, Any]) -> dict[str, Any]:
        """Return a block with the outputs."""
        prompts = [str(prompt) for prompt in block["prompt"]]
        results = self._endpoint.map([{"prompt": prompt} for prompt in prompts], concurrency=IN_FLIGHT // ACTORS)
        outputs = [str(result.output if result.succeeded else result.error) for result in results]
        return {"prompt": prompts, "output": outputs}


def main(endpoint_id: str) -> None:
    """Run 40 prompts in blocks of 20."""
    ray.init(num_cpus=2, include_dashboard=False)
    prompts = ray.data.from_items([{"prompt": f"lighthouse {number}"} for number in range(40)])
    described = prompts.map_batches(Describe, fn_constructor_args=[endpoint_id], batch_size=20, concurrency=ACTORS)
    rows = sorted(described.take_all(), key=lambda row: int(row["prompt"].split()[1]))
    ray.shutdown()
    print(len(rows), "outputs, the last one:", rows[-1]["output"])


if __name__ == "__main__":
    main(sys.argv[1])
