"""A client process of a soak: many jobs at a time, through one API of the library, under one runtime."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from itertools import count
from random import Random
from typing import Any

import anyio

from runpod_typed import AsyncClient, Client, RateLimits, RetryPolicy
from tests._async.soak_jobs import AsyncEndpoints, async_one_job, async_run_way
from tests._sync.soak_jobs import Endpoints, one_job
from tests.soak.interrupted import async_interrupted
from tests.soak.tally import Tally

INTERRUPTED = 0.05
"""The share of the jobs whose submission is cancelled."""

SETTINGS: dict[str, Any] = {
    "retry": RetryPolicy(initial_backoff=0.02, max_backoff=0.2),
    "rate_limits": RateLimits.disabled(),
}


def run_threads(where: dict[str, dict[str, str]], options: dict[str, Any]) -> Tally:
    """Run all jobs through the sync API, on a number of threads."""
    tally = Tally()
    with ExitStack() as stack:
        clients = {
            name: stack.enter_context(Client(queue["key"], base_url=queue["base_url"], **SETTINGS))
            for name, queue in where.items()
        }
        endpoints = Endpoints(**{name: client.endpoint(name) for name, client in clients.items()})

        def one(number: int) -> None:
            one_job(endpoints, f"{options['name']}-{number}", tally, Random(f"{options['seed']}/{number}"))

        with ThreadPoolExecutor(options["at_once"]) as pool:
            list(pool.map(one, range(options["jobs"])))
    return tally


async def run_tasks(where: dict[str, dict[str, str]], options: dict[str, Any]) -> Tally:
    """Run all jobs through the async API, by a number of tasks."""
    tally = Tally()
    numbers = count()
    async with AsyncExitStack() as stack:
        clients = {
            name: await stack.enter_async_context(AsyncClient(queue["key"], base_url=queue["base_url"], **SETTINGS))
            for name, queue in where.items()
        }
        endpoints = AsyncEndpoints(**{name: client.endpoint(name) for name, client in clients.items()})

        async def work() -> None:
            while (number := next(numbers)) < options["jobs"]:
                token, random = f"{options['name']}-{number}", Random(f"{options['seed']}/{number}")
                if random.random() < INTERRUPTED:
                    await async_run_way(async_interrupted, endpoints, token, tally, random)
                else:
                    await async_one_job(endpoints, token, tally, random)

        async with anyio.create_task_group() as tasks:
            for _ in range(options["at_once"]):
                tasks.start_soon(work)
    return tally


def main() -> None:
    """Run the jobs that the arguments describe, and print the counts."""
    where, options = json.loads(sys.argv[1]), json.loads(sys.argv[2])
    warnings.simplefilter("error")
    logging.getLogger("runpod_typed").setLevel(logging.ERROR)  # thousands of retries and interrupted submissions
    if options["runtime"] == "threads":
        tally = run_threads(where, options)
    else:
        tally = anyio.run(run_tasks, where, options, backend=options["runtime"])
    print(json.dumps(tally.to_dict()))


if __name__ == "__main__":
    main()
