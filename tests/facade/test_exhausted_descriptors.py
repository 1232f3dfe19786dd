"""A process that runs out of file descriptors gets our errors, and loses no job to them."""

from __future__ import annotations

import os
import subprocess
import sys
from textwrap import dedent
from typing import Final

import pytest

from runpod_typed._transport.fast import SWITCH_VARIABLE
from tests.scripted_server import answer, scripted

HEALTHY: Final = answer(200, '{"jobs": {}, "workers": {}}')
QUEUED: Final = answer(200, '{"id": "job-1", "status": "IN_QUEUE"}')

# In a process of its own: here, all that reads responses is imported already.
PROGRAM: Final = dedent(
    """
    import asyncio, os, resource, sys
    from runpod_typed import APIConnectionError, AsyncClient, Client, RetryPolicy

    def take_all():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        taken = []
        while True:
            try:
                taken.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                return taken

    def give_back(taken):
        for each in taken:
            os.close(each)

    async def use_async():
        async with AsyncClient("key", base_url=sys.argv[1], retry=RetryPolicy.disabled()) as client:
            await client.endpoint("ep").health()
            async with AsyncClient("key", base_url=sys.argv[1], retry=RetryPolicy.disabled()) as other:
                taken = take_all()
                print((await client.endpoint("ep").run({"n": 1})).id)
                try:
                    await other.endpoint("ep").run({"n": 1})
                except APIConnectionError as error:
                    print(error.request_sent, "Too many open files" in str(error))
                give_back(taken)

    def use():
        with Client("key", base_url=sys.argv[1], retry=RetryPolicy.disabled()) as client:
            client.endpoint("ep").health()
            with Client("key", base_url=sys.argv[1], retry=RetryPolicy.disabled()) as other:
                taken = take_all()
                print(client.endpoint("ep").run({"n": 1}).id)
                try:
                    other.endpoint("ep").run({"n": 1})
                except APIConnectionError as error:
                    print(error.request_sent, "Too many open files" in str(error))
                give_back(taken)

    use() if sys.argv[2] == "sync" else asyncio.run(use_async())
    """
)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are limited so on Linux")
@pytest.mark.parametrize("fast", ["0", "1"])
@pytest.mark.parametrize("api", ["sync", "async"])
def test_no_job_is_lost_if_descriptors_run_out(api: str, fast: str) -> None:
    with scripted([HEALTHY], [QUEUED]) as server:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, server.base_url, api],
            env=os.environ | {SWITCH_VARIABLE: fast},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stdout.split() == ["job-1", "False", "True"], done.stderr
