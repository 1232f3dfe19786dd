"""The libraries that a program loads for the package and its first client."""

import os
import subprocess
import sys

from runpod_typed._transport.fast import SWITCH_VARIABLE
from tests.architecture.source import ROOT

LIBRARIES = {"attr", "attrs", "msgspec", "runpod_queue_api", "runpod_typed", "typing_extensions"}
SLOW = {"asyncio", "email", "http.client", "runpod_typed._bulk", "urllib.request"}
PROGRAM = """
before = set(sys.modules)
from runpod_typed import Client
client = Client(api_key="key", base_url="https://api.example")
print(*sys.modules.keys() - before)
"""
ENDPOINT = 'client.endpoint("my-endpoint")\nprint(*sys.modules)'


def loaded_by(program: str) -> set[str]:
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {[str(ROOT), *sys.path]!r}\n{program}"]
    without_extra = os.environ | {SWITCH_VARIABLE: "0"}
    return set(subprocess.run(command, env=without_extra, stdout=subprocess.PIPE, text=True, check=True).stdout.split())


def test_first_client_loads_no_http_library() -> None:
    loaded = loaded_by(PROGRAM)
    assert {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names) == LIBRARIES
    assert not loaded & SLOW


def test_first_endpoint_loads_no_model_of_batches() -> None:
    models = [name for name in loaded_by(PROGRAM + ENDPOINT) if name.startswith("runpod_queue_api.models.")]
    assert models
    assert not [name for name in models if "batch" in name]
