"""Maps over prompts on a Dask cluster: each task keeps a share of the jobs in flight.

    python dask_map.py ENDPOINT_ID

Endpoints can be pickled, and each process reads the key from the environment (RUNPOD_API_KEY). The rate limits hold for
the account and the endpoint, so all processes together must keep them: divide the concurrency among them.
"""

# Not installed beside the type checkers, and with few types of its own.
# pyright: basic, reportMissingImports=false, reportArgumentType=false, reportGeneralTypeIssues=false

import sys
from typing import Any

from distributed import Client, LocalCluster

from runpod_typed import Endpoint

PROCESSES = 2
IN_FLIGHT = 32  # in all


def describe(endpoint: Endpoint[Any, Any], prompts: list[str]) -> list[str]:
    """Run one share of the prompts, in a process of the cluster."""
    inputs = [{"prompt": prompt} for prompt in prompts]
    with endpoint.map(inputs, concurrency=IN_FLIGHT // PROCESSES) as results:
        return [str(result.output if result.succeeded else result.error) for result in results]


def main(endpoint_id: str) -> None:
    """Run 40 prompts in shares of 10."""
    prompts = [f"lighthouse {number}" for number in range(40)]
    shares = [prompts[start : start + 10] for start in range(0, len(prompts), 10)]
    endpoint = Endpoint(endpoint_id)
    with (
        LocalCluster(n_workers=PROCESSES, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as dask,
    ):
        outputs = [
            output for share in dask.gather([dask.submit(describe, endpoint, s) for s in shares]) for output in share
        ]
    endpoint.close()
    print(len(outputs), "outputs, the last one:", outputs[-1])


if __name__ == "__main__":
    main(sys.argv[1])
