"""The libraries that a program loads for the package and its first client."""

import os
import subprocess
import sys

import pytest

from runpod_typed._transport.fast import SWITCH_VARIABLE
from tests.architecture.source import ROOT
from tests.scripted_server import answer, scripted

LIBRARIES = {"attr", "attrs", "msgspec", "runpod_queue_api", "runpod_typed", "typing_extensions"}
SLOW = {"asyncio", "email", "http.client", "runpod_typed._bulk", "urllib.request"}
PROGRAM = """
before = set(sys.modules)
from runpod_typed import Client
client = Client(api_key="key", base_url="https://api.example")
print(*sys.modules.keys() - before)
"""
REQUESTS = """
import sys
from runpod_typed import Client
client = Client(api_key="key", base_url="{}")
endpoint = client.endpoint("my-endpoint")
before = set(sys.modules)
endpoint.run_sync(1, timeout=30)
endpoint.job("job-1").cancel()
print(*sys.modules.keys() - before)
"""

ASYNC_REQUESTS = """
import asyncio, sys
from runpod_typed import AsyncClient
async def main():
    endpoint = AsyncClient(api_key="key", base_url="{}").endpoint("my-endpoint")
    before = set(sys.modules)
    await endpoint.run_sync(1, timeout=30)
    await endpoint.job("job-1").cancel()
    print(*sys.modules.keys() - before)
asyncio.run(main())
"""


def loaded_by(program: str, *, fast: str = "0") -> set[str]:
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {[str(ROOT), *sys.path]!r}\n{program}"]
    switched = os.environ | {SWITCH_VARIABLE: fast}
    return set(subprocess.run(command, env=switched, stdout=subprocess.PIPE, text=True, check=True).stdout.split())


def test_first_client_loads_no_http_library() -> None:
    loaded = loaded_by(PROGRAM)
    assert {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names) == LIBRARIES
    assert not loaded & SLOW


@pytest.mark.slow
@pytest.mark.parametrize(("program", "fast"), [(REQUESTS, "0"), (REQUESTS, "1"), (ASYNC_REQUESTS, "1")])
def test_first_requests_load_nothing_within_their_time_limit(program: str, fast: str) -> None:
    with scripted([answer(200, '{"id": "job-1", "status": "COMPLETED"}')]) as server:
        loaded = loaded_by(program.format(server.base_url), fast=fast)
        assert not loaded - {"encodings.idna", "stringprep", "unicodedata"}
